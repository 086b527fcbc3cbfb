package recording

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/durable"
)

type silent struct{}

func (silent) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	return audit.Leaf{Event: ev}, nil
}

func inside(t *testing.T) (a *Archive, stop func()) {
	t.Helper()
	dir := t.TempDir()
	disk, err := durable.OpenDisk(dir, durable.Patience(time.Minute)) // a busy machine is no fault
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ran sync.WaitGroup
	ran.Go(func() { disk.Run(ctx) })
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	a, err = OpenArchive(Parts{Dir: dir + "/r", HeadsDir: dir + "/h", Disk: disk, Log: silent{}, Mode: "readable", MinFree: -1,
		Recipients: []string{id.Recipient().String()}, Identity: id.String()})
	if err != nil {
		t.Fatal(err)
	}
	return a, func() { cancel(); ran.Wait() }
}

// flagsAndData reads channel 0 back: what of it went through zstd, and how often a stream began.
func flagsAndData(t *testing.T, a *Archive, session string) (begun, packed, plain int, data string) {
	t.Helper()
	r, err := a.Open(session)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := newScanner(r.dir, r.hash, r.channels[0], r.key)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	var all strings.Builder
	for {
		h, b, err := s.next()
		if errors.Is(err, io.EOF) {
			return begun, packed, plain, all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
		switch {
		case h.flags&flagAnew != 0:
			begun++
			fallthrough
		case h.flags&flagPacked != 0:
			packed++
		default:
			plain++
		}
	}
}

// A channel has an encoder while there is much output, gives it back when it
// has been quiet, and what it wrote is read as one whole.
func TestAnEncoderOnlyWhileThereIsOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, stop := inside(t)
		defer stop()
		w, _, _, err := a.Create(t.Context(), Header{Session: "S-1", Started: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.Stream(0, "shell")
		if err != nil {
			t.Fatal(err)
		}
		var want strings.Builder
		say := func(text string) {
			want.WriteString(text)
			if err := s.Append(Out, []byte(text)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		say("$ ls\r\n")
		if n := len(a.encoders.lent); n != 0 {
			t.Errorf("%d encoders for a prompt", n)
		}
		for i := range 3 {
			say(strings.Repeat(fmt.Sprintf("%d press 4 is at 81.3 C\r\n", i), 100))
			say("and a little more\r\n")
			if n := len(a.encoders.lent); n != 1 {
				t.Errorf("%d encoders for one channel's output", n)
			}
			time.Sleep(2 * quietAfter)
			synctest.Wait()
			if n := len(a.encoders.lent); n != 0 || s.tape.holding() {
				t.Errorf("a quiet channel holds %d encoders, and %v", n, s.tape.holding())
			}
		}
		if _, err := w.Close(t.Context(), "client"); err != nil {
			t.Fatal(err)
		}
		begun, packed, plain, data := flagsAndData(t, a, "S-1")
		if begun != 3 || packed != 6 || plain != 1 {
			t.Errorf("%d streams in %d frames, %d frames without", begun, packed, plain)
		}
		if data != want.String() {
			t.Errorf("read %q, want %q", data, want.String())
		}
	})
}

// More channels at work than there are encoders: all come through, and when
// they rest all are back.
func TestMoreChannelsThanEncoders(t *testing.T) {
	a, stop := inside(t)
	defer stop()
	text := bytes.Repeat([]byte("line of a controller's log\r\n"), 1000)
	var all sync.WaitGroup
	for i := range 2 * lentEncoders {
		all.Go(func() {
			w, _, _, err := a.Create(t.Context(), Header{Session: fmt.Sprintf("S-%d", i+1), Started: time.Now()})
			if err != nil {
				t.Error(err)
				return
			}
			s, err := w.Stream(0, "exec")
			if err != nil {
				t.Error(err)
				return
			}
			for range 4 {
				if err := s.Commit(t.Context(), Out, text); err != nil {
					t.Error(err)
				}
			}
			if _, err := w.Close(t.Context(), "client"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(a.encoders.lent); n != 0 {
		t.Errorf("%d encoders are not back", n)
	}
	for i := range 2 * lentEncoders {
		if _, _, _, data := flagsAndData(t, a, fmt.Sprintf("S-%d", i+1)); data != strings.Repeat(string(text), 4) {
			t.Fatalf("S-%d: read %d bytes", i+1, len(data))
		}
	}
}

// What does not shrink stays as it is until it is tried again; text among it is
// compressed as ever, and all is read back as one whole.
func TestWhatDoesNotShrinkStaysAsItIs(t *testing.T) {
	a, stop := inside(t)
	defer stop()
	w, _, _, err := a.Create(t.Context(), Header{Session: "S-1", Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Stream(0, "sftp")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	say := func(b []byte) {
		want.Write(b)
		if err := s.Commit(t.Context(), Out, b); err != nil {
			t.Fatal(err)
		}
	}
	archive := make([]byte, 64<<10)
	random := rand.NewChaCha8([32]byte{7})
	for i := range 3 * (1 + rawPieces) { // the first of each is tried
		_, _ = random.Read(archive)
		say(archive)
		if i == 5 {
			say([]byte("sftp> a line\r\n"))
		}
	}
	text := bytes.Repeat([]byte("line of a controller's log\r\n"), 2000)
	for range 4 {
		say(text) // the first finds that it shrinks
	}
	if _, err := w.Close(t.Context(), "client"); err != nil {
		t.Fatal(err)
	}
	_, packed, plain, data := flagsAndData(t, a, "S-1")
	if packed != 3+1+4 || plain != 3*rawPieces {
		t.Errorf("%d frames compressed, %d as they are", packed, plain)
	}
	if data != want.String() {
		t.Errorf("read %d bytes, otherwise than the %d that were written", len(data), want.Len())
	}
}

// holding says whether quiet would let anything go.
func (t *tape) holding() bool { return t.pack.z != nil || cap(t.buf) > 0 || t.pack.plain > 0 }
