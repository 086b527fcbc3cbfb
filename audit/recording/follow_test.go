package recording_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"penstock/audit/recording"
)

// followed collects what a follower gives until the channel ends.
func followed(ctx context.Context, f *recording.Follower) (all []recording.Frame, err error) {
	for {
		frame, err := f.Next(ctx)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, frame)
	}
}

func follow(t testing.TB, r *room, ch int) *recording.Follower {
	t.Helper()
	f, err := r.Follow("S-1", ch)
	must(t, err)
	t.Cleanup(f.Close)
	return f
}

// Whoever joins, at any moment, is given what a reader of the finished
// recording is given: from the first frame, in order, each once.
func TestJoinedAtAnyMomentAllIsSeen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		todo := steps.Draw(rt, "steps")
		part := rapid.Int64Range(100, 3000).Draw(rt, "part")
		joins := rapid.SliceOfN(rapid.IntRange(0, len(todo)), 1, 3).Draw(rt, "joins")
		var wrong error
		synctest.Test(t, func(t *testing.T) { wrong = joined(t, todo, part, joins) })
		if wrong != nil {
			rt.Fatal(wrong)
		}
	})
}

func joined(t *testing.T, todo []step, part int64, joins []int) error {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	must(t, err)
	defer os.RemoveAll(dir)
	r := newRoom(t, dir)
	recording.SmallParts(r.Archive, part, 1<<20, time.Minute)
	w := r.create(t, "S-1")
	streams := map[int]*recording.Stream{}
	for ch := range 3 {
		streams[ch] = stream(t, w, ch, "shell")
	}
	var mu sync.Mutex
	var got [][]recording.Frame
	var faults error
	var all sync.WaitGroup
	join := func(at int) {
		for ch := range 3 {
			f := follow(t, r, ch)
			all.Go(func() {
				frames, err := followed(t.Context(), f)
				mu.Lock()
				defer mu.Unlock()
				faults = errors.Join(faults, err)
				got = append(got, append([]recording.Frame{{Channel: ch, Kind: fmt.Sprint(at)}}, frames...))
			})
		}
	}
	for i := range len(todo) + 1 {
		for _, at := range joins {
			if at == i {
				join(i)
			}
		}
		if i == len(todo) {
			break
		}
		step := todo[i]
		if step.commit {
			must(t, streams[step.ch].Commit(t.Context(), step.mark, step.data))
		} else {
			must(t, streams[step.ch].Append(step.mark, step.data))
		}
		time.Sleep(step.pause)
	}
	_, err = w.Close(t.Context(), "client")
	must(t, err)
	all.Wait()
	if faults != nil {
		return faults
	}
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	for _, seen := range got {
		ch, at := seen[0].Channel, seen[0].Kind
		var want []recording.Frame
		for f, err := range rd.Frames(ch, 0) {
			must(t, err)
			want = append(want, f)
		}
		if len(want) != len(seen)-1 || len(want) > 0 && !reflect.DeepEqual(seen[1:], want) {
			return fmt.Errorf("channel %d, joined before step %s: %d frames, the recording has %d", ch, at, len(seen)-1, len(want))
		}
	}
	return nil
}

// Twenty who look on, and one who never asks for a frame: the recorder waits
// for none of them, and nothing is lost to the one who asks late.
func TestWhoLooksOnHoldsNothingUp(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	late := follow(t, r, 0)
	var all sync.WaitGroup
	counts := make([]int, 20)
	for i := range counts {
		f := follow(t, r, 0)
		all.Go(func() {
			frames, err := followed(t.Context(), f)
			if err != nil {
				t.Error(err)
			}
			for _, frame := range frames {
				counts[i] += len(frame.Data)
			}
		})
	}
	line := make([]byte, 32<<10)
	for range 100 {
		must(t, s.Append(recording.Out, line))
	}
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	all.Wait()
	for i, n := range counts {
		if n != 100*len(line) {
			t.Errorf("watcher %d saw %d bytes", i, n)
		}
	}
	frames, err := followed(t.Context(), late)
	must(t, err)
	n := 0
	for _, f := range frames {
		n += len(f.Data)
	}
	if n != 100*len(line) {
		t.Errorf("who asked late saw %d bytes", n)
	}
}

// Only what is durable is given: a frame that the disk has not taken is not.
func TestOnlyDurableFramesAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fs, _ := slowDisk(t)
		w := r.create(t, "S-1")
		s := stream(t, w, 0, "shell")
		f := follow(t, r, 0)
		must(t, s.Commit(t.Context(), recording.In, []byte("a")))
		if frame, err := f.Next(t.Context()); err != nil || string(frame.Data) != "a" {
			t.Fatalf("%q, %v", frame.Data, err)
		}
		fs.mu.Lock()
		fs.armed, fs.left, fs.mode = true, 1, before // the write passes, the sync does not
		fs.mu.Unlock()
		if err := s.Commit(t.Context(), recording.In, []byte("b")); err == nil {
			t.Fatal("acknowledged")
		}
		if frame, err := f.Next(t.Context()); err == nil || err == io.EOF {
			t.Errorf("%q, %v: want the recorder's error", frame.Data, err)
		}
		_, _ = w.Close(t.Context(), "recorder")
	})
}

func TestFollowingEndsAndIsRefused(t *testing.T) {
	auditor, err := age.GenerateHybridIdentity()
	must(t, err)
	r := newRoom(t, t.TempDir(), func(p *recording.Parts) { // sealed: nobody here has a key to what is on the disk
		p.Mode, p.Recipients, p.Identity = "sealed", []string{auditor.Recipient().String()}, ""
	})
	if _, err := r.Follow("S-1", 0); !errors.Is(err, recording.ErrNotRunning) {
		t.Errorf("before it began: %v", err)
	}
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	for _, ch := range []int{-1, 1, 65536} {
		if _, err := r.Follow("S-1", ch); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("channel %d: %v", ch, err)
		}
	}
	f := follow(t, r, 0)
	if f.Ready() {
		t.Error("ready with nothing recorded")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves: %v", err)
	}
	must(t, s.Commit(t.Context(), recording.Out, []byte("flow 812")))
	if !f.Ready() {
		t.Error("not ready with a frame there")
	}
	if frame, err := f.Next(t.Context()); err != nil || string(frame.Data) != "flow 812" {
		t.Errorf("after that: %q, %v", frame.Data, err)
	}
	broken := follow(t, r, 0)
	must(t, s.Close(t.Context()))
	if _, err := f.Next(t.Context()); err != io.EOF {
		t.Errorf("at the channel's end: %v", err)
	}
	flip(t, filepath.Join(r.path("S-1"), "c00-shell.000.brf"), 60)
	if _, err := broken.Next(t.Context()); !errors.As(err, new(*recording.Damage)) {
		t.Errorf("damaged: %v", err)
	}
	flip(t, filepath.Join(r.path("S-1"), "c00-shell.000.brf"), 60)
	_, err = w.Close(t.Context(), "client")
	must(t, err)
	if _, err := r.Follow("S-1", 0); !errors.Is(err, recording.ErrNotRunning) {
		t.Errorf("after its end: %v", err)
	}
}
