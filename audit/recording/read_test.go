package recording_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"pgregory.net/rapid"

	"penstock/audit/recording"
)

// step is one call in a drawn history.
type step struct {
	ch     int
	mark   recording.Mark
	data   []byte
	commit bool
	pause  time.Duration
}

var steps = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
	s := step{
		ch:     rapid.IntRange(0, 2).Draw(t, "channel"),
		mark:   rapid.SampledFrom([]recording.Mark{'i', 'o', 'e', 'r', 'q', 'm', 'f'}).Draw(t, "mark"),
		commit: rapid.Bool().Draw(t, "commit"),
		pause:  rapid.SampledFrom([]time.Duration{0, time.Millisecond, 50 * time.Millisecond, 70 * time.Second}).Draw(t, "pause"),
	}
	size := rapid.SampledFrom([]int{0, 1, 2, 5, 20, 80, 300, 64 << 10}).Draw(t, "size")
	if s.mark == 'o' && size > 300 {
		size = 150_000 // more than a frame holds
	}
	s.data = bytes.Repeat([]byte{byte(rapid.IntRange(0, 255).Draw(t, "byte"))}, size)
	return s
}), 0, 12)

// Whatever is put in comes out: each direction's bytes in order, times that do
// not run backwards, from any moment on, over parts of any size.
func TestWhatGoesInComesOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		todo := steps.Draw(rt, "steps")
		part := rapid.Int64Range(100, 3000).Draw(rt, "part")
		from := time.Duration(rapid.Int64Range(0, int64(5*time.Minute)).Draw(rt, "from"))
		var wrong error
		synctest.Test(t, func(t *testing.T) { wrong = inAndOut(t, todo, part, from) })
		if wrong != nil {
			rt.Fatal(wrong)
		}
	})
}

func inAndOut(t *testing.T, todo []step, part int64, from time.Duration) error {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	must(t, err)
	defer os.RemoveAll(dir)
	r := newRoom(t, dir)
	recording.SmallParts(r.Archive, part, 1<<20, time.Minute)
	put := history(t, r, todo)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	got := map[string]string{}
	all, err := frames(rd, 0)
	if err != nil {
		return err
	}
	for i, f := range all {
		if i > 0 && f.At < all[i-1].At {
			return fmt.Errorf("%v comes after %v", f.At, all[i-1].At)
		}
		got[fmt.Sprint(f.Channel, f.Mark)] += string(f.Data)
	}
	if !maps.Equal(got, put) {
		return errors.New("what was read is not what was put in")
	}
	late, err := frames(rd, from)
	if err != nil {
		return err
	}
	want := slices.DeleteFunc(all, func(f recording.Frame) bool { return f.At < from })
	if fmt.Sprint(late) != fmt.Sprint(want) {
		return fmt.Errorf("from %v: %d frames, want %d", from, len(late), len(want))
	}
	return nil
}

func frames(rd *recording.Reader, from time.Duration) (all []recording.Frame, err error) {
	for f, err := range rd.Frames(-1, from) {
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
	return all, nil
}

// history writes a session and says what is in it by channel and mark.
func history(t *testing.T, r *room, todo []step) map[string]string {
	w := r.create(t, "S-1")
	put := map[string]string{}
	streams := map[int]*recording.Stream{}
	for _, step := range todo {
		if streams[step.ch] == nil {
			streams[step.ch] = stream(t, w, step.ch, "shell")
		}
		put[fmt.Sprint(step.ch, step.mark)] += string(step.data)
		if step.commit {
			must(t, streams[step.ch].Commit(t.Context(), step.mark, step.data))
		} else {
			must(t, streams[step.ch].Append(step.mark, step.data))
		}
		time.Sleep(step.pause)
	}
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	return put
}

func TestARunningSessionIsRead(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	stream(t, w, 1, "exec") // nothing in it yet
	must(t, s.Commit(t.Context(), 'i', []byte("a")))
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	if got, err := lines(rd, -1, 0); err != nil || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	must(t, s.Commit(t.Context(), 'i', []byte("b")))
	if got, err := lines(rd, -1, 0); err != nil || len(got) != 2 {
		t.Errorf("later: %q, %v", got, err)
	}
	if c := rd.Channels(); !slices.Equal(c, []recording.Channel{{Number: 0, Kind: "shell"}, {Number: 1, Kind: "exec"}}) {
		t.Errorf("channels %v", c)
	}
	if h := rd.Header(); h.Person != "ann" || h.Session != "S-1" || h.Mode != "readable" {
		t.Errorf("header %+v", h)
	}
	_, err = w.Close(t.Context(), "client")
	must(t, err)
}

// A torn tail of one channel does not hide what another holds.
func TestATornChannelDoesNotHideAnother(t *testing.T) {
	r := crashed(t)
	addTo(t, filepath.Join(r.path("S-1"), "c00-shell.000.brf"), "")
	tcp := filepath.Join(r.path("S-1"), "c01-tcp.000.brf")
	must(t, os.Truncate(tcp, 5))
	rd, err := r.Open("S-1")
	must(t, err)
	got, err := lines(rd, -1, 0)
	if !errors.Is(err, io.ErrUnexpectedEOF) || len(got) < 6 {
		t.Errorf("%d frames, %v", len(got), err)
	}
}

func TestSealedRecordingsNeedTheAuditorsKey(t *testing.T) {
	auditor, err := age.GenerateHybridIdentity()
	must(t, err)
	r := newRoom(t, t.TempDir(), func(p *recording.Parts) {
		p.Mode, p.Recipients, p.Identity = "sealed", []string{auditor.Recipient().String()}, ""
	})
	w := r.create(t, "S-1")
	must(t, stream(t, w, 0, "shell").Commit(t.Context(), 'i', []byte("a")))
	_, err = w.Close(t.Context(), "client")
	must(t, err)
	if _, err := r.Open("S-1"); err == nil || !strings.Contains(err.Error(), "sealed") {
		t.Errorf("the broker opens it: %v", err)
	}
	var foreign *age.NoIdentityMatchError
	if _, err := recording.OpenFolder(r.path("S-1"), identity); !errors.As(err, &foreign) {
		t.Errorf("a foreign key: %v", err)
	}
	rd, err := recording.OpenFolder(r.path("S-1"), auditor)
	must(t, err)
	if got, err := lines(rd, 0, 0); err != nil || len(got) != 1 {
		t.Errorf("the auditor: %q, %v", got, err)
	}
}

func TestBadPartsAndNamesAreRefused(t *testing.T) {
	r := newRoom(t, t.TempDir())
	for story, change := range map[string]func(*recording.Parts){
		"an unknown mode":    func(p *recording.Parts) { p.Mode = "" },
		"no recipient":       func(p *recording.Parts) { p.Recipients = nil },
		"a broken recipient": func(p *recording.Parts) { p.Recipients = []string{"age1nonsense"} },
		"a broken identity":  func(p *recording.Parts) { p.Identity = "AGE-SECRET-KEY-1NONSENSE" },
	} {
		p := r.parts
		change(&p)
		if _, err := recording.OpenArchive(p); err == nil {
			t.Errorf("%s is accepted", story)
		} else if strings.Contains(err.Error(), "NONSENSE") {
			t.Errorf("%s: the error shows the key: %v", story, err)
		}
	}
	for _, session := range []string{"", "..", "S-1/../x", ".S-1", strings.Repeat("x", 100), "S 1"} {
		if _, _, _, err := r.Create(t.Context(), header(session)); err == nil {
			t.Errorf("a session named %q is accepted", session)
		}
	}
	w := r.create(t, "S-1")
	if _, _, _, err := r.Create(t.Context(), header("S-1")); err == nil {
		t.Error("a session's name is taken twice")
	}
	stream(t, w, 0, "shell")
	for _, bad := range []struct {
		ch   int
		kind string
	}{{0, "shell"}, {0, "exec"}, {-1, "shell"}, {65536, "shell"}, {1, ""}, {1, "../x"}, {1, "SHELL"}} {
		if _, err := w.Stream(bad.ch, bad.kind); err == nil {
			t.Errorf("channel %d %q is accepted", bad.ch, bad.kind)
		}
	}
	if w.Err() != nil {
		t.Errorf("a refused channel ended the recording: %v", w.Err())
	}
	s := stream(t, w, 1, "exec")
	if err := s.Append('z', nil); err == nil {
		t.Error("an unknown mark is accepted")
	}
	if err := s.Append('q', make([]byte, 64<<10+1)); err == nil {
		t.Error("a message that no frame holds is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, 'i', []byte("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit after its context: %v", err)
	}
	first, err := w.Close(t.Context(), "client")
	must(t, err)
	if again, err := w.Close(t.Context(), "cut"); err != nil || again != first {
		t.Errorf("closed again: %v, %v", again, err)
	}
	if err := s.Append('o', nil); !errors.Is(err, recording.ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
	if _, err := w.Stream(2, "exec"); !errors.Is(err, recording.ErrClosed) {
		t.Errorf("Stream after Close: %v", err)
	}
	again, err := recording.OpenArchive(r.parts)
	must(t, err)
	if _, _, _, err := again.Create(t.Context(), header("S-1")); err == nil {
		t.Error("a session's name is taken twice, after a new start")
	}
	if all, err := again.List(); err != nil || len(all) != 1 || all[0].Session != "S-1" {
		t.Errorf("List: %+v, %v", all, err)
	}
}

// Many callers on one stream: everything is there once, each caller's in order.
func TestManyCallersOneStream(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "tcp")
	var all sync.WaitGroup
	for caller := range 8 {
		all.Go(func() {
			for i := range 40 {
				p := fmt.Appendf(nil, "%d:%d ", caller, i)
				err := s.Append('i', p)
				if i%4 == 0 {
					err = errors.Join(err, s.Commit(t.Context(), 'i', nil))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	must(t, s.Close(t.Context()))
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	rd, err := r.Open("S-1")
	must(t, err)
	var text strings.Builder
	must(t, recording.ExportRaw(&text, rd, 0, 'i'))
	next := map[string]int{}
	for _, word := range strings.Fields(text.String()) {
		caller, n, _ := strings.Cut(word, ":")
		if fmt.Sprint(next[caller]) != n {
			t.Fatalf("caller %s: %s comes where %d should", caller, n, next[caller])
		}
		next[caller]++
	}
	for caller, n := range next {
		if n != 40 {
			t.Errorf("caller %s: %d of 40", caller, n)
		}
	}
}

// A session that is cut off the archive's own way: the disk fails while idle.
func TestAnIdleSessionHearsOfAFailedDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, fs, _ := slowDisk(t)
		run(t, r.Run)
		one, two := r.create(t, "S-1"), r.create(t, "S-2")
		s := stream(t, one, 0, "shell")
		fs.mu.Lock()
		fs.armed, fs.left, fs.mode = true, 1, before // the write passes, the sync does not
		fs.mu.Unlock()
		if err := s.Commit(t.Context(), 'i', []byte("x")); err == nil {
			t.Error("acknowledged")
		}
		<-two.Failed()
		<-r.Failed()
		for _, w := range []*recording.Writer{one, two} {
			if _, err := w.Close(t.Context(), "recorder"); err == nil {
				t.Error("a recording was closed on a failed disk")
			}
		}
	})
}

func TestAReaderThatIsClosedReadsNothing(t *testing.T) {
	r := newRoom(t, t.TempDir())
	sample(t, r, "S-1")
	rd, err := r.Open("S-1")
	must(t, err)
	must(t, errors.Join(rd.Close(), rd.Close()))
	if got, err := lines(rd, 0, 0); !errors.Is(err, recording.ErrClosed) || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOneBrokenHeaderDoesNotHideTheOthers(t *testing.T) {
	r := newRoom(t, t.TempDir())
	sample(t, r, "S-1")
	sample(t, r, "S-2")
	flip(t, filepath.Join(r.path("S-1"), "session.json"), 0)
	all, err := r.List()
	must(t, err)
	if len(all) != 2 || all[0].Session != "S-1" || all[0].V != 0 || all[1].Person != "ann" {
		t.Errorf("%+v", all)
	}
}

// What a crash left in the middle of Create is swept, by Recover and not by
// somebody who only opens the archive.
func TestAnUnfinishedFolderIsSwept(t *testing.T) {
	r := newRoom(t, t.TempDir())
	sample(t, r, "S-1")
	half := filepath.Join(filepath.Dir(r.path("S-1")), ".S-2")
	must(t, os.Mkdir(half, 0o700))
	must(t, os.WriteFile(filepath.Join(half, "session.json"), nil, 0o600))
	a, err := recording.OpenArchive(r.parts)
	must(t, err)
	if _, err := os.Stat(half); err != nil {
		t.Errorf("opening the archive: %v", err)
	}
	must(t, a.Recover(t.Context()))
	if _, err := os.Stat(half); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Recover: %v", err)
	}
	if _, _, _, err := a.Create(t.Context(), header("S-2")); err != nil {
		t.Errorf("its name is not free: %v", err)
	}
}
