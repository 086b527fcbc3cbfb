package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/outsidetest"
	"penstock/broker/brokertest"
)

// barrier stands before a server: shut, it hangs up on who comes.
type barrier struct {
	at   string
	open chan struct{}
}

func newBarrier(t *testing.T, server string) *barrier {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b := &barrier{at: "localhost:" + port, open: make(chan struct{})}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.pass(c, server)
		}
	}()
	return b
}

func (b *barrier) pass(c net.Conn, server string) {
	defer c.Close()
	select {
	case <-b.open:
	default:
		return
	}
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer s.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		_, _ = io.Copy(s, c) // either may hang up
		_ = s.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, s)
	_ = c.(*net.TCPConn).CloseWrite()
	<-over
}

// pageAt signs somebody in at the pages of a broker that runs, and gives a page.
func (r *rig) pageAt(https, name, path string) string {
	r.t.Helper()
	jar, err := cookiejar.New(nil)
	r.must(err)
	text, err := os.ReadFile(r.path("https.pem"))
	r.must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	c := http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}}}
	defer c.CloseIdleConnections()
	in, err := c.PostForm("https://"+https+"/sign-in", url.Values{"name": {name}, "password": {r.people[name].Password}})
	r.must(err)
	in.Body.Close()
	resp, err := c.Get("https://" + https + path)
	r.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	r.must(err)
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s for %s: %d %s", path, name, resp.StatusCode, b)
	}
	return string(b)
}

// copiedOutside: all four ways out by penstock.yaml, to the real servers. Nobody
// is there at first, and the board says how much could be rewritten; then each
// gets the checkpoint, and what each keeps proves the folder.
func copiedOutside(t *testing.T, golden *rig) {
	r := golden.copy(t)
	syslog, box, store := outsidetest.Rsyslog(t), outsidetest.Mailbox(t), outsidetest.S3(t)
	port, err := brokertest.FreePort()
	r.must(err)
	w := &watcher{r: r, dir: t.TempDir(), at: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	w.start()
	t.Cleanup(func() { w.end(syscall.SIGKILL) })
	ways := []*barrier{newBarrier(t, w.at), newBarrier(t, syslog.Address), newBarrier(t, store.Address), newBarrier(t, box.Address)}
	r.must(os.WriteFile(r.path("s3.login"), []byte(outsidetest.User+"\n"+outsidetest.Secret+"\n"), 0o600))
	at := r.watch(fmt.Sprintf(`outside:
  places:
    - {name: watcher, witness: "https://%s", key: %q, ca: %q, every: 1s}
    - {name: siem, syslog: %q, ca: %q, every: 1s}
    - {name: vault, s3: "https://%s", bucket: locked, prefix: kiel, region: us-east-1, login: s3.login, retain: 48h, ca: %q, every: 1s}
    - {name: auditor, mail: audit@kiel.example, from: penstock@kiel.example, server: %q, ca: %q, every: 1s}
`, ways[0].at, w.key, filepath.Join(w.dir, "https.crt"), ways[1].at, syslog.CA, ways[2].at, store.CA, ways[3].at, box.CA))
	port, err = brokertest.FreePort()
	r.must(err)
	https := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	r.must(makeSelfSigned(r.path("https.pem"), "localhost", time.Now()))
	r.edit("penstock.yaml", "https: off\n", fmt.Sprintf("https: {listen: %q, certificate: https.pem, key: https.pem}\n", https))
	r.start()
	r.trust()

	places := []string{"watcher", "siem", "vault", "auditor"}
	all := func(what string, holds func(text, place string) bool) {
		t.Helper()
		r.must(until(what, func() (bool, error) {
			_, text := r.fetch(at, "/metrics")
			for _, p := range places {
				if !holds(text, p) {
					return false, nil
				}
			}
			return true, nil
		}))
	}
	all("no place is reached", func(text, p string) bool {
		return number(text, `penstock_outside_failing_seconds{place="`+p+`"}`) > 0 && number(text, "penstock_tamper_window_seconds") > 0
	})
	if board := r.pageAt(https, "mia", "/"); !regexp.MustCompile(`Nobody outside holds a copy|no copy outside for \d+ min`).MatchString(board) { // the second once it is long
		t.Errorf("the board does not say that no copy is outside:\n%s", board)
	}
	for _, b := range ways {
		close(b.open)
	}
	r.talk("mia", "penstock", "cut", "W-1", "--why", "enough") // an end asks for copies at once
	all("every place has a copy, and nothing is uncovered", func(text, p string) bool {
		return number(text, `penstock_outside_sent_total{place="`+p+`"}`) > 0 && number(text, `penstock_outside_failing_seconds{place="`+p+`"}`) == 0 &&
			number(text, "penstock_tamper_window_seconds") == 0
	})
	if board := r.pageAt(https, "mia", "/"); !regexp.MustCompile(`Copy outside \d+ (s|min) ago\.`).MatchString(board) {
		t.Errorf("the board does not say how old the copy outside is:\n%s", board)
	}
	page := r.pageAt(https, "mia", "/log")
	for _, p := range places {
		if !regexp.MustCompile(`(?s)` + p + `.{0,400}Last .{0,60} leaves:`).MatchString(page) {
			t.Errorf("the log's page does not say what %s has:\n%s", p, page)
		}
	}
	r.stop()

	r.must(until("rsyslog writes its file", func() (bool, error) {
		b, err := os.ReadFile(syslog.Keeps)
		return err == nil && len(audit.FindNotes(b)) > 0, nil
	}))

	// Each of them alone proves the folder to somebody who trusts nobody here.
	kept := t.TempDir()
	notes := filepath.Join(kept, "witness")
	out, err := exec.Command(filepath.Join(r.bin, "penstock"), "witness", "show", "--dir", w.dir, "--notes").Output()
	r.must(err)
	r.must(os.WriteFile(notes, out, 0o600))
	letter := filepath.Join(kept, "letter")
	r.must(os.WriteFile(letter, outsidetest.Attachment(t, newestFile(t, filepath.Join(box.Keeps, "new"))), 0o600))
	object := filepath.Join(kept, "object")
	r.must(os.WriteFile(object, newestFile(t, filepath.Join(store.Keeps, "locked", "kiel")), 0o600))
	for _, c := range []struct{ place, file string }{{"watcher", notes}, {"siem", syslog.Keeps}, {"vault", object}, {"auditor", letter}} {
		said, err := exec.Command(filepath.Join(r.bin, "penstock-verify"), r.path("data"), "--checkpoint", c.file, "--witness", filepath.Join(w.dir, "witness.pub")).CombinedOutput()
		if err != nil || !strings.Contains(string(said), "leaves 0 to ") {
			t.Errorf("penstock-verify with what %s keeps: %v\n%s", c.place, err, said)
		}
	}

	// The broker's own administrator writes the record anew: any one of them shows it.
	r.must(os.RemoveAll(r.path("data", "log")))
	r.must(os.CopyFS(r.path("data", "log"), os.DirFS(golden.path("data", "log"))))
	for _, file := range []string{notes, syslog.Keeps, object, letter} {
		said, err := exec.Command(filepath.Join(r.bin, "penstock-verify"), r.path("data"), "--checkpoint", file).CombinedOutput()
		if code, ok := err.(*exec.ExitError); !ok || code.ExitCode() != 3 || !strings.Contains(string(said), "rolled back or cut") {
			t.Errorf("%s, and the log was cut: %v\n%s", file, err, said)
		}
	}
}

// newestFile is the text of the newest file below a folder that holds a checkpoint.
func newestFile(t *testing.T, dir string) (text []byte) {
	t.Helper()
	var newest time.Time
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil || info.ModTime().Before(newest) {
			return err
		}
		newest = info.ModTime()
		text, err = os.ReadFile(path)
		return err
	})
	if err != nil || len(text) == 0 {
		t.Fatalf("nothing is kept in %s: %v", dir, err)
	}
	return text
}
