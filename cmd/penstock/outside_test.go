package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"penstock/audit"
	"penstock/broker/brokertest"
)

// watcher is a witness in a process of its own.
type watcher struct {
	r    *rig
	dir  string
	at   string
	key  string
	cmd  *exec.Cmd
	done chan struct{}
}

func (w *watcher) start() {
	w.r.t.Helper()
	w.cmd = exec.Command(filepath.Join(w.r.bin, "penstock"), "witness", "serve", "--dir", w.dir, "--listen", w.at, "--name", "localhost",
		"--log-key", w.r.path("data", "keys", "log.pub"))
	pipe, err := w.cmd.StderrPipe()
	w.r.must(err)
	w.r.must(w.cmd.Start())
	ready := make(chan string, 1)
	w.done = make(chan struct{})
	done, cmd := w.done, w.cmd
	go func() {
		defer close(done)
		scan := bufio.NewScanner(pipe)
		for scan.Scan() {
			var line struct {
				Msg string
				Key string `json:"witness_key"`
			}
			if json.Unmarshal(scan.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- line.Key
			}
		}
		_ = cmd.Wait() // its end is what the test wants
	}()
	select {
	case w.key = <-ready:
	case <-done:
		w.r.t.Fatal("the witness did not come up")
	case <-time.After(patience):
		w.r.t.Fatal("the witness did not come up in time")
	}
}

func (w *watcher) end(sig syscall.Signal) {
	_ = w.cmd.Process.Signal(sig) // may have ended
	<-w.done
}

// seen is what the witness's folder says of the one log.
func (w *watcher) seen() (one struct {
	Origin string
	Size   int
}) {
	w.r.t.Helper()
	out, err := exec.Command(filepath.Join(w.r.bin, "penstock"), "witness", "show", "--dir", w.dir, "--json").Output()
	w.r.must(err)
	all := []struct {
		Origin string
		Size   int
	}{}
	w.r.must(json.Unmarshal(out, &all))
	if len(all) == 1 {
		one = all[0]
	}
	return one
}

// witnessed: a witness in a second process, killed and started again, sees every
// step; a plant that is brought back from an old copy is refused by it, and lets
// nobody in.
func witnessed(t *testing.T, golden *rig) {
	r := golden.copy(t)
	before := t.TempDir()
	r.must(os.CopyFS(filepath.Join(before, "data"), os.DirFS(r.path("data"))))
	port, err := brokertest.FreePort()
	r.must(err)
	w := &watcher{r: r, dir: t.TempDir(), at: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	w.start()
	t.Cleanup(func() { w.end(syscall.SIGKILL) })
	at := r.watch(fmt.Sprintf("outside:\n  refuse_after: 1h\n  places:\n    - {name: watcher, witness: \"https://localhost:%d\", key: %q, ca: %q, every: 1s}\nsiem: [{name: agent, file: events.ndjson}]\n",
		port, w.key, filepath.Join(w.dir, "https.crt")))
	r.start()
	r.trust()
	copied := func(more int) {
		t.Helper()
		r.must(until("a copy is at the witness", func() (bool, error) {
			_, text := r.fetch(at, "/metrics")
			return number(text, "penstock_outside_uncovered_leaves") == 0 && number(text, `penstock_outside_sent_total{place="watcher"}`) >= float64(more) &&
				number(text, "penstock_tamper_window_seconds") == 0, nil
		}))
	}
	copied(1)
	seen := w.seen().Size
	w.end(syscall.SIGKILL)
	r.refused("not in|window|account", "ann", r.ssh("ann+root-all+filler-plc", "true")...) // the log grows meanwhile
	r.must(until("the broker says that the witness is gone", func() (bool, error) {
		_, text := r.fetch(at, "/metrics")
		return number(text, `penstock_outside_failing_seconds{place="watcher"}`) > 0 && number(text, "penstock_tamper_window_seconds") > 0, nil
	}))
	if now := w.seen().Size; now < seen {
		t.Errorf("kill -9, and the witness remembers %d leaves of %d", now, seen)
	}
	w.start()
	copied(2)
	taken := filepath.Join(t.TempDir(), "taken")
	r.talk("mia", "penstock", "log", "checkpoint", "--out", taken)
	copied(3)
	r.must(until("the SIEM's file has everything", func() (bool, error) {
		_, text := r.fetch(at, "/metrics")
		return number(text, `penstock_siem_lag_leaves{place="agent"}`) == 0 && number(text, `penstock_siem_sent_total{place="agent"}`) > 0, nil
	}))
	r.stop()
	told(r)
	if kept := r.leaves(); !slices.ContainsFunc(kept, func(l audit.Leaf) bool {
		b, ok := l.Body.(audit.CheckpointTaken)
		return ok && b.Person == "mia" && b.Way == "command"
	}) {
		t.Error("the log does not say who took a checkpoint")
	}
	if said, err := exec.Command(filepath.Join(r.bin, "penstock-verify"), r.path("data"), "--checkpoint", taken).CombinedOutput(); err != nil || !strings.Contains(string(said), "leaves 0 to ") {
		t.Errorf("penstock-verify with what mia took: %v\n%s", err, said)
	}

	// What it signed proves the folder, and by whom.
	notes := filepath.Join(t.TempDir(), "notes")
	out, err := exec.Command(filepath.Join(r.bin, "penstock"), "witness", "show", "--url", "https://localhost:"+strconv.Itoa(port), "--ca", filepath.Join(w.dir, "https.crt"), "--notes").Output()
	r.must(err)
	r.must(os.WriteFile(notes, out, 0o600))
	verify := exec.Command(filepath.Join(r.bin, "penstock-verify"), r.path("data"), "--checkpoint", notes, "--witness", filepath.Join(w.dir, "witness.pub"))
	if said, err := verify.CombinedOutput(); err != nil || !strings.Contains(string(said), "by localhost") {
		t.Errorf("penstock-verify: %v\n%s", err, said)
	}

	// Somebody puts yesterday's disk back.
	r.must(os.RemoveAll(r.path("data")))
	r.must(os.CopyFS(r.path("data"), os.DirFS(filepath.Join(before, "data"))))
	r.must(chmodAll(r.path("data")))
	r.start()
	r.trust()
	r.said("a place outside contradicts this log.*rolled back")
	r.said("no new session begins")
	r.aim()
	r.refused("No copy of the record is outside", "ann", r.ann("true")...)

	// Who runs the witness hears that it was a restore, and lets the log begin anew.
	w.end(syscall.SIGTERM)
	forget := []string{"witness", "forget", "--dir", w.dir, "--origin", w.seen().Origin}
	for _, more := range []string{"", "--really"} {
		if out, err := exec.Command(filepath.Join(r.bin, "penstock"), append(forget, strings.Fields(more)...)...).CombinedOutput(); err != nil {
			t.Fatalf("forget %s: %v\n%s", more, err, out)
		}
	}
	w.start()
	r.said("tamper window: copies are outside again|checkpoints reach this place again")
	r.must(until("ann is let in again", func() (bool, error) {
		return r.say("ann", r.ann("true")...).Code == 0, nil
	}))
	r.kill()
	// Cut or forked: that hangs on how much the old disk has written since.
	told := regexp.MustCompile("rolled back or cut|was rewritten, or is a fork")
	if said, err := exec.Command(filepath.Join(r.bin, "penstock-verify"), r.path("data"), "--checkpoint", notes).CombinedOutput(); err == nil || !told.Match(said) {
		t.Errorf("penstock-verify of the old disk: %v\n%s", err, said)
	}
}

// told: each event in the SIEM's file is of the next leaf, and names it by hash.
func told(r *rig) {
	r.t.Helper()
	b, err := os.ReadFile(r.path("events.ndjson"))
	r.must(err)
	leaves, lines := r.leaves(), strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(lines) < 20 || len(lines) > len(leaves) {
		r.t.Fatalf("the SIEM was told %d of %d leaves", len(lines), len(leaves))
	}
	for i, line := range lines {
		if !strings.Contains(line, fmt.Sprintf(`"event_code":%q`, leaves[i].Body.Type())) || !strings.Contains(line, leaves[i].Hash.String()) {
			r.t.Fatalf("line %d is not of its leaf: %s", i, line)
		}
	}
}

// chmodAll gives a copy back the modes that CopyFS has widened.
func chmodAll(dir string) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
}
