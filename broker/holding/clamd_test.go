package holding

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/broker/brokertest"
)

// bad is a file that clamd finds by a signature of our own (clamd's .hdb: md5:size:name).
const bad = "this is what the test's signature is of"

// realClamd starts Debian's clamd with one signature, on a socket of its own.
func realClamd(t *testing.T) Clamd {
	t.Helper()
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o755); err != nil {
		t.Fatal(err)
	}
	put("db/own.hdb", fmt.Sprintf("%x:%d:Penstock.Test\n", md5.Sum([]byte(bad)), len(bad)))
	sock := filepath.Join(dir, "clamd")
	put("clamd.conf", "LocalSocket "+sock+"\nDatabaseDirectory "+dir+"/db\nTemporaryDirectory "+dir+"\nForeground yes\nStreamMaxLength 1M\nLogSyslog no\nUser root\n")
	clamd := exec.Command("clamd", "--config-file", filepath.Join(dir, "clamd.conf"))
	if os.Geteuid() != 0 {
		put("clamd.conf", "LocalSocket "+sock+"\nDatabaseDirectory "+dir+"/db\nTemporaryDirectory "+dir+"\nForeground yes\nStreamMaxLength 1M\nLogSyslog no\n")
	}
	var out bytes.Buffer
	clamd.Stdout, clamd.Stderr = &out, &out
	if err := clamd.Start(); err != nil {
		t.Fatalf("Debian's clamav-daemon is needed: %v", err)
	}
	t.Cleanup(func() { _ = clamd.Process.Kill(); _ = clamd.Wait() })
	for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("unix", sock)
		if err == nil {
			c.Close()
			return Clamd{Network: "unix", Address: sock}
		}
		if time.Now().After(until) {
			t.Fatalf("clamd does not answer: %v\n%s", err, out.String())
		}
	}
}

// The real clamd: what it finds is refused and deleted, what it does not find
// waits for a person; what it cannot say leaves a file held.
func TestClamd(t *testing.T) {
	c := realClamd(t)
	v, err := c.Scan(context.Background(), strings.NewReader(bad), int64(len(bad)))
	if err != nil || v.Says != approvals.ScanFound || !strings.Contains(v.Found, "Penstock.Test") || !strings.HasPrefix(v.Database, "ClamAV ") {
		t.Errorf("%+v %v", v, err)
	}
	large := strings.Repeat("harmless ", 80<<10) // several pieces
	if v, err := c.Scan(context.Background(), strings.NewReader(large), int64(len(large))); err != nil || v.Says != approvals.ScanClean {
		t.Errorf("%+v %v", v, err)
	}
	if v, err := c.Scan(context.Background(), strings.NewReader(""), 0); err != nil || v.Says != approvals.ScanClean {
		t.Errorf("an empty file: %+v %v", v, err)
	}
	over := strings.Repeat("x", 2<<20)
	if v, err := c.Scan(context.Background(), strings.NewReader(over), int64(len(over))); err == nil {
		t.Errorf("a file above its limit: %+v", v)
	}
	old := c
	old.Oldest = time.Hour
	if v, err := old.Scan(context.Background(), strings.NewReader("a"), 1); err == nil {
		t.Errorf("a database that does not say its age: %+v", v)
	}

	p := newPlant(t, c)
	s := p.rig.Session(t, &brokertest.Guest{})
	p.sends(s, "put "+p.file(bad)+" "+p.root+"/bad", "put "+p.file("good")+" "+p.root+"/good")
	if f := p.becomes("F-1", approvals.FileRefused); f.Why != "found: Penstock.Test.UNOFFICIAL" {
		t.Errorf("%+v", f)
	}
	if f := p.becomes("F-2", approvals.FileLooked); f.Scan != approvals.ScanClean {
		t.Errorf("%+v", f)
	}
	p.until("what was refused is deleted", func() bool { return len(p.kept()) == 1 })
	if p.onMachine("bad") != "" {
		t.Error("it is on the machine")
	}
}

// While no scanner answers, nothing goes on; when it is back, everything does.
func TestAScannerThatIsDown(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "clamd")
	p := newPlant(t, Clamd{Network: "unix", Address: sock})
	s := p.rig.Session(t, &brokertest.Guest{})
	p.sends(s, "put "+p.file("recipe")+" "+p.root+"/recipe")
	p.failed("the scanner")
	if files := p.desk.all(); files[0].State != approvals.FileHeld {
		t.Errorf("%+v", files[0])
	}
	says(t, sock, "ClamAV 1.4.0/27000/Sat Nov 21 09:39:00 2026", "stream: OK")
	p.again()
	p.becomes("F-1", approvals.FileLooked)
}

// says is a server of clamd's protocol that gives these two answers, byte for byte.
func says(t *testing.T, sock, version, verdict string) {
	t.Helper()
	l, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				in := bufio.NewReader(c)
				if word, err := in.ReadString(0); err != nil || word == "zVERSION\x00" {
					_, _ = c.Write([]byte(version + "\x00"))
					return
				}
				for {
					var n uint32
					if binary.Read(in, binary.BigEndian, &n) != nil || n == 0 {
						break
					}
					if _, err := io.CopyN(io.Discard, in, int64(n)); err != nil {
						return
					}
				}
				_, _ = c.Write([]byte(verdict + "\x00"))
			}()
		}
	}()
}

func TestAnOldDatabase(t *testing.T) {
	for name, c := range map[string]struct {
		version string
		oldest  time.Duration
		ok      bool
	}{
		"new":            {"ClamAV 1.4.0/27000/Sat Nov 21 09:39:00 2026", 48 * time.Hour, true},
		"old":            {"ClamAV 1.4.0/27000/Wed Nov  4 09:39:00 2026", 48 * time.Hour, false},
		"any":            {"ClamAV 1.4.0/27000/Wed Nov  4 09:39:00 2020", 0, true},
		"no age":         {"ClamAV 1.4.0", 48 * time.Hour, false},
		"no date":        {"ClamAV 1.4.0/27000/yesterday", 48 * time.Hour, false},
		"something else": {"SSH-2.0-OpenSSH_9.2", 0, false},
	} {
		sock := filepath.Join(t.TempDir(), "clamd")
		says(t, sock, c.version, "stream: OK")
		clamd := Clamd{Network: "unix", Address: sock, Oldest: c.oldest, Now: func() time.Time { return time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC) }}
		if v, err := clamd.Scan(context.Background(), strings.NewReader("a"), 1); (err == nil) != c.ok || c.ok && v.Says != approvals.ScanClean {
			t.Errorf("%s: %+v %v", name, v, err)
		}
	}
}

// FuzzReply: whatever is answered, only the two words of clamd(8) are a verdict.
func FuzzReply(f *testing.F) {
	for _, s := range []string{"stream: OK", "stream: Eicar-Test-Signature FOUND", "INSTREAM size limit exceeded. ERROR", "stream:  FOUND", "stream: OK\n", "", "stream: x\x1b]0;y FOUND", "OK"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		says, found, err := readReply(s)
		switch {
		case err != nil:
			if says != "" || found != "" {
				t.Errorf("%q: %q %q beside %v", s, says, found, err)
			}
		case says == approvals.ScanClean:
			if s != "stream: OK" {
				t.Errorf("%q is clean", s)
			}
		case says != approvals.ScanFound || !strings.HasSuffix(s, " FOUND"):
			t.Errorf("%q: %q", s, says)
		}
		if len(found) > 300 || strings.ContainsFunc(found, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Errorf("%q is shown as %q", s, found)
		}
		_, _ = databaseTime(s)
	})
}

// FuzzKind: every file has one type that a plant file can name.
func FuzzKind(f *testing.F) {
	for _, s := range []string{"", "MZ\x90", "\x7fELF", "PK\x03\x04", "%PDF-1.7", "plain text\n", "<?xml version=\"1.0\"?>", "\xef\xbb\xbfa;b\n1;2\n", "\x00\x01", "#!/bin/sh\n", "größe\xc3"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { kindOf(bytes.NewReader(b), int64(len(b))) })
}

func TestKinds(t *testing.T) {
	tar := make([]byte, 512)
	copy(tar[257:], "ustar")
	for text, want := range map[string]string{"": "empty", "MZ\x90\x00": "exe", "\x7fELF\x02": "elf", "PK\x03\x04": "zip", "%PDF-1.7": "pdf", "fill;800\n": "text", " <?xml version=\"1.0\"?><a/>": "xml",
		"#!/bin/sh\n": "script", "a\x00b": "other", "\xff\xfea\x00": "text", "größe": "text", "\x89PNG\r\n\x1a\n": "png", string(tar): "tar", "abc\xff\xff\xff\xffdef": "other"} {
		if got := kindOf(strings.NewReader(text), int64(len(text))); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}
