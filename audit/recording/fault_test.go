package recording_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/durable/faultdisk"
	"penstock/audit/recording"
)

// One session on a disk that fails at its n-th operation, before or after it
// was done, then a power cut that keeps nothing or some of what was not
// synced, then a new start: what Commit acknowledged is in the recording, in
// order and nothing else; the recording verifies; and after the failure nothing
// was acknowledged any more.
func TestEachOperationFailsOnce(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2)) // of one row only
	rows := []struct {
		name string
		when faultdisk.When
		keep faultdisk.Keep
	}{
		{"not done, nothing unsynced is kept", faultdisk.Before, faultdisk.Lost()},
		{"done and called failed, nothing unsynced is kept", faultdisk.After, faultdisk.Lost()},
		{"half done, some is kept", faultdisk.Half, faultdisk.Torn(rng)},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			n := 1
			for failAt(t, n, row.when, row.keep) {
				n++
			}
			if n < 25 { // make, fill and move a folder, three parts, heads, close.json
				t.Errorf("only %d operations were made to fail", n)
			}
		})
	}
}

func failAt(t *testing.T, n int, when faultdisk.When, keep faultdisk.Keep) (fired bool) {
	dir := t.TempDir()
	fault := faultdisk.New(dir)
	disk, err := durable.OpenDisk(dir, durable.On(fault))
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- disk.Run(ctx) }()
	r := onDisk(t, dir, disk)
	recording.SmallParts(r.Archive, 300, 1<<20, time.Hour)
	fault.Fail(n, when)
	acknowledged, err := work(t, r)
	stop()
	<-ran
	fired = fault.Fired()
	story := fmt.Sprintf("operation %d", n)
	if fired != (err != nil) {
		t.Fatalf("%s: fired %v, and the error is %v", story, fired, err)
	}
	must(t, fault.PowerCut(keep))
	after := newRoom(t, dir)
	must(t, after.Recover(t.Context()))
	if lost := after.log.of("recording.failed"); len(lost) > 0 {
		t.Errorf("%s: taken for damage: %v", story, lost)
	}
	checkRecovered(t, after, "S-1", acknowledged, story)
	return fired
}

// work is a small session. It gives what was acknowledged, and the first error.
func work(t *testing.T, r *room) (acknowledged []string, first error) {
	note := func(err error) {
		if first == nil {
			first = err
		}
	}
	w, _, _, err := r.Create(t.Context(), header("S-1"))
	if err != nil {
		return nil, err
	}
	s, err := w.Stream(0, "shell")
	if err != nil {
		note(err)
	}
	for i := 0; s != nil && i < 5; i++ {
		note(s.Append('o', []byte("output ")))
		in := fmt.Sprintf("in %d", i)
		if err := s.Commit(t.Context(), 'i', []byte(in)); err != nil {
			note(err)
		} else if first != nil {
			t.Errorf("%q was acknowledged after: %v", in, first)
		} else {
			acknowledged = append(acknowledged, in)
		}
		if i%3 == 2 && first == nil {
			note(recording.CommitHeads(t.Context(), r.Archive))
		}
	}
	if first != nil {
		select {
		case <-w.Failed():
		case <-time.After(time.Minute):
			t.Errorf("the Writer does not know of: %v", first)
		}
	}
	_, err = w.Close(t.Context(), "client")
	note(err)
	return acknowledged, first
}

// checkRecovered: the recording is there if anything was acknowledged, it is
// whole, and its inputs begin with the acknowledged ones.
func checkRecovered(t *testing.T, r *room, session string, acknowledged []string, story string) {
	t.Helper()
	rd, err := r.Open(session)
	if err != nil {
		if len(acknowledged) > 0 {
			t.Fatalf("%s: %v", story, err)
		}
		return
	}
	defer rd.Close()
	var got []string
	for f, err := range rd.Frames(-1, 0) {
		if err != nil {
			t.Fatalf("%s: %v", story, err)
		}
		if f.Mark == recording.In {
			got = append(got, string(f.Data))
		}
	}
	if len(got) < len(acknowledged) || strings.Join(got[:len(acknowledged)], "|") != strings.Join(acknowledged, "|") {
		t.Fatalf("%s: acknowledged %q, recorded %q", story, acknowledged, got)
	}
	key, err := recording.SessionKey(r.path(session), identity)
	must(t, err)
	report, err := recording.VerifyFolder(r.path(session), audit.Hash{}, key)
	must(t, err)
	if !report.Whole() || report.Closed == nil {
		t.Fatalf("%s: %v", story, report.Findings)
	}
}

func TestAFailingLogIsTheEndOfRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, t.TempDir())
		w := r.create(t, "S-1")
		s := stream(t, w, 0, "shell")
		done := make(chan error, 1)
		go func() { done <- r.Run(t.Context()) }()
		r.log.fail(errors.New("log broken"))
		must(t, s.Commit(t.Context(), 'i', []byte("x")))
		if err := <-done; err == nil || !strings.Contains(err.Error(), "log broken") {
			t.Errorf("Run: %v", err)
		}
		<-r.Failed()
		<-w.Failed()
		if err := s.Commit(t.Context(), 'i', []byte("y")); err == nil {
			t.Error("a commit was acknowledged")
		}
		if _, _, _, err := r.Create(t.Context(), header("S-2")); err == nil {
			t.Error("a new session was recorded")
		}
		w.Close(t.Context(), "recorder")
	})
}

// slowDisk is a room whose syncs hang until release is called.
func slowDisk(t *testing.T) (r *room, fs *faulty, release func()) {
	fs = newFaulty()
	dir := t.TempDir()
	disk, err := durable.OpenDisk(dir, durable.On(fs))
	must(t, err)
	run(t, disk.Run)
	r = onDisk(t, dir, disk)
	block := make(chan struct{})
	return r, fs, func() {
		fs.mu.Lock()
		fs.block = block
		fs.mu.Unlock()
		t.Cleanup(func() { close(block) })
	}
}

// What takes long is not broken: nothing is taken meanwhile, of no session, and
// afterwards all that was asked is there, in order, and more may follow.
func TestAFlushOfMoreThanTwoSecondsIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fs, _ := slowDisk(t)
		w, other := r.create(t, "S-1"), r.create(t, "S-2")
		s, beside := stream(t, w, 0, "shell"), stream(t, other, 0, "shell")
		must(t, s.Append('o', []byte("one ")))
		let := make(chan struct{})
		fs.mu.Lock()
		fs.block = let
		fs.mu.Unlock()
		late, out := make(chan error, 1), make(chan error, 1)
		go func() { late <- s.Commit(t.Context(), 'i', []byte("two ")) }()
		<-r.Overdue().Late()
		go func() { out <- beside.Append('o', []byte("aside")) }()
		must(t, s.Append('m', []byte("told: it waits "))) // no bytes: they only tell
		time.Sleep(20 * time.Second)
		if len(late)+len(out) > 0 {
			t.Error("something was taken meanwhile")
		}
		fs.mu.Lock()
		fs.block = nil
		fs.mu.Unlock()
		close(let)
		must(t, <-late)
		must(t, <-out)
		must(t, s.Commit(t.Context(), 'i', []byte("three")))
		for _, w := range []*recording.Writer{w, other} {
			must(t, w.Err())
			_, err := w.Close(t.Context(), "client")
			must(t, err)
		}
		for session, want := range map[string]string{"S-1": "one two told: it waits three", "S-2": "aside"} {
			rd, err := r.Open(session)
			must(t, err)
			text := ""
			for f, err := range rd.Frames(-1, 0) {
				must(t, err)
				text += string(f.Data)
			}
			rd.Close()
			if text != want {
				t.Errorf("%s: recorded %q, want %q", session, text, want)
			}
		}
	})
}

func TestAFlushThatHangsIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, hang := slowDisk(t)
		w := r.create(t, "S-1")
		s := stream(t, w, 0, "shell")
		hang()
		start := time.Now()
		err := s.Commit(t.Context(), 'i', []byte("x"))
		if took := time.Since(start); err == nil || took != 30*time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		<-w.Failed()
		if err := s.Append('o', []byte("x")); err == nil {
			t.Error("Append goes on")
		}
		synctest.Wait()
		if len(r.log.of("recording.failed")) != 1 {
			t.Errorf("events: %v", r.log.all)
		}
	})
}

func TestTheQueueIsBoundedAndLetsGoOnFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, hang := slowDisk(t)
		w := r.create(t, "S-1")
		s := stream(t, w, 0, "shell")
		hang()
		taken, ended := make(chan int, 100), make(chan error, 1)
		go func() {
			for range cap(taken) {
				if err := s.Append('o', make([]byte, 64<<10)); err != nil {
					ended <- err
					return
				}
				taken <- 64 << 10
			}
			ended <- nil
		}()
		synctest.Wait()
		if got := len(taken) * 64 << 10; got < 1<<20 || got > 2<<20 {
			t.Errorf("%d bytes were taken with a disk that hangs", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Commit(ctx, 'i', []byte("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Commit with a full queue: %v", err)
		}
		if err := <-ended; err == nil { // the watchdog
			t.Error("Append returned without an error")
		}
	})
}

func TestAppendedBytesAreOnTheirWayWithin100ms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fs, _ := slowDisk(t)
		w := r.create(t, "S-1")
		s := stream(t, w, 0, "shell")
		synced := make(chan time.Time, 10)
		fs.mu.Lock()
		fs.syncs = func(name string) {
			if strings.HasSuffix(name, ".brf") {
				synced <- time.Now()
			}
		}
		fs.mu.Unlock()
		start := time.Now()
		for range 10 { // ten pieces, one flush
			must(t, s.Append('o', []byte("x")))
			time.Sleep(2 * time.Millisecond)
		}
		if took := (<-synced).Sub(start); took > 60*time.Millisecond {
			t.Errorf("synced after %v", took)
		}
		_, err := w.Close(t.Context(), "client")
		must(t, err)
		rd, err := r.Open("S-1")
		must(t, err)
		got, err := lines(rd, 0, 0)
		must(t, err)
		if len(got) != 1 || got[0] != "0 shell 0 o xxxxxxxxxx" {
			t.Errorf("%q", got)
		}
	})
}

// A disk that says ENOSPC in the middle of a write: the session fails with the
// typed error, and its recording is closed whole up to the last whole frame.
func TestDiskFullOnAFake(t *testing.T) {
	fs := newFaulty()
	fs.err = syscall.ENOSPC
	dir := t.TempDir()
	disk, err := durable.OpenDisk(dir, durable.On(fs))
	must(t, err)
	run(t, disk.Run)
	r := onDisk(t, dir, disk)
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	must(t, s.Commit(t.Context(), 'i', []byte("one")))
	fs.arm(0, torn)
	diskIsFull(t, r, w, s, []string{"one"})
}

func diskIsFull(t *testing.T, r *room, w *recording.Writer, s *recording.Stream, acknowledged []string) {
	t.Helper()
	if err := s.Commit(t.Context(), 'i', make([]byte, 64<<10)); !errors.Is(err, recording.ErrDiskFull) {
		t.Fatalf("Commit on a full disk: %v", err)
	}
	if !errors.Is(w.Err(), recording.ErrDiskFull) {
		t.Errorf("Err: %v", w.Err())
	}
	if _, err := w.Close(t.Context(), "recorder"); err != nil {
		t.Fatalf("close.json should still fit: %v", err)
	}
	if failed := r.log.of("recording.failed"); len(failed) != 1 {
		t.Errorf("recording.failed: %v", failed)
	}
	checkRecovered(t, r, "S-1", acknowledged, "full disk")
}
