package recording_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
)

// sealChild names the variable that makes this binary the victim of TestKilledAtEachStep.
const sealChild = "PENSTOCK_RECORDING_SEAL_CHILD"

// sealing records one session over three parts, closes it and ends, or is killed
// before. It says on stdout what Commit acknowledged.
func sealing(dir string) error {
	disk, err := durable.OpenDisk(dir)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return disk.Run(ctx) })
	log, a, err := openAll(dir, disk, os.Getenv(sealChild+"_TO"))
	if err != nil {
		return err
	}
	recording.SmallParts(a, 2_000, 1<<20, time.Hour)
	all.Go(func() error { return a.Run(ctx) })
	h := header("S-0")
	w, hash, keys, err := a.Create(ctx, h)
	if err != nil {
		return err
	}
	if _, err := log.Append(ctx, audit.Event{Subject: "S-0", Actor: h.Person, Body: audit.SessionStarted{Session: "S-0", Person: h.Person, Firm: h.Firm, Windows: h.Windows, Mode: "readable", Header: hash, Keys: keys}}); err != nil {
		return err
	}
	s, err := w.Stream(0, "shell")
	if err != nil {
		return err
	}
	for i := range 9 {
		if err := s.Commit(ctx, recording.In, fmt.Appendf(nil, "<%d %s>", i, strings.Repeat("x", 700))); err != nil {
			return err
		}
		fmt.Println(i)
	}
	closed, err := w.Close(ctx, "client")
	if err != nil {
		return err
	}
	if _, err := log.Append(ctx, audit.Event{Subject: "S-0", Actor: "penstock", Body: audit.SessionEnded{Session: "S-0", Cause: "client", Close: closed}}); err != nil {
		return err
	}
	fmt.Println("closed")
	if err := log.Close(); err != nil {
		return err
	}
	stop()
	return all.Wait()
}

// TestKilledAtEachStep: kill -9 meets a process of its own at a system call of
// beginning, rotating and sealing a recording. What was acknowledged is there, in
// order, under its heads, and closed once.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is missing: apt-get install strace (scripts/test does)")
	}
	for _, p := range []struct {
		call, path string
		when       int
	}{
		{"/^rename", "S-0", 1},                                                                                                            // it gets its name
		{"openat", "S-0/c00-shell.000.brf", 1}, {"pwrite64,write", "S-0/c00-shell.000.brf", 1}, {"fdatasync", "S-0/c00-shell.000.brf", 1}, // the first part
		{"openat", "S-0/c00-shell.001.brf", 1}, {"pwrite64,write", "S-0/c00-shell.001.brf", 1}, {"fdatasync", "S-0/c00-shell.001.brf", 1}, // it rotates
		{"openat", "S-0/c00-shell.002.brf", 1}, {"fsync", "S-0", 1},
		{"unlinkat", "S-0/reserve", 1}, {"/^rename", "S-0/close.json", 1}, // it is sealed
	} {
		t.Run(fmt.Sprintf("%s %s", strings.Trim(p.call, "/^"), filepath.Base(p.path)), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			day := filepath.Join(dir, "recordings", header("S-0").Started.UTC().Format("2006/01/02"))
			trace := filepath.Join(t.TempDir(), "strace")
			cmd := exec.Command(strace, "-f", "-o", trace, "-P", filepath.Join(day, p.path), "-e", "trace="+p.call,
				"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", p.call, p.when), os.Args[0])
			cmd.Env = append(os.Environ(), sealChild+"="+dir, sealChild+"_TO="+identity.Recipient().String())
			out, err := cmd.CombinedOutput()
			said, _ := os.ReadFile(trace) // without it nothing was met
			if !strings.Contains(string(said), "killed by SIGKILL") {
				t.Fatalf("it was not killed: %v\n%s\n%s", err, out, said)
			}
			last := -1
			for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
				_, _ = fmt.Sscanf(lines.Text(), "%d", &last) // "closed" is no number
			}
			afterKill(t, dir, last)
		})
	}
}

// afterKill starts on what a kill left, and looks at it.
func afterKill(t *testing.T, dir string, last int) {
	t.Helper()
	disk, err := durable.OpenDisk(dir)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- disk.Run(ctx) }()
	log, err := openLog(dir, disk)
	must(t, err)
	ended, started := false, false
	for leaf, err := range log.Upto(t.Context(), 0) {
		must(t, err)
		_, is := leaf.Body.(audit.SessionEnded)
		ended = ended || is
		_, is = leaf.Body.(audit.SessionStarted)
		started = started || is
	}
	r := onDisk(t, dir, disk, func(p *recording.Parts) {
		p.Log, p.Ended, p.Started = log, func(string) bool { return ended }, func(string) bool { return started }
	})
	must(t, r.Recover(t.Context()))
	ends := 0
	for leaf, err := range log.Upto(t.Context(), 0) {
		must(t, err)
		if b, ok := leaf.Body.(audit.SessionEnded); ok {
			if ends++; b.Session != "S-0" {
				t.Errorf("%+v", b)
			}
		}
	}
	switch {
	case !started && last >= 0:
		t.Errorf("%d was acknowledged, and the log knows no session", last)
	case started && ends != 1:
		t.Errorf("the session ended %d times", ends)
	case started:
		rd, err := r.Open("S-0")
		must(t, err)
		var in, want strings.Builder
		for _, ch := range rd.Channels() {
			for f, err := range rd.Frames(ch.Number, 0) {
				must(t, err)
				in.Write(f.Data)
			}
		}
		must(t, rd.Close())
		for i := range last + 1 {
			fmt.Fprintf(&want, "<%d %s>", i, strings.Repeat("x", 700))
		}
		if !strings.HasPrefix(in.String(), want.String()) {
			t.Errorf("%d was acknowledged, and the recording has %d bytes of %d", last, in.Len(), want.Len())
		}
		key, err := recording.SessionKey(r.path("S-0"), identity)
		must(t, err)
		report, err := recording.VerifyFolder(r.path("S-0"), audit.Hash{}, key)
		must(t, err)
		if !report.Whole() || report.Closed == nil {
			t.Errorf("%v", report.Findings)
		}
	}
	must(t, log.Close())
	stop()
	must(t, <-ran)
}
