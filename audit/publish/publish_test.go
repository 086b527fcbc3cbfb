package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
	"penstock/audit/durable"
)

// rig is a real log, and a Publisher's folder beside it.
type rig struct {
	t     *testing.T
	dir   string
	clock audit.Clock
	disk  *durable.Disk
	log   *audit.Log
	v     note.Verifier
	words *words
	slog  *slog.Logger
}

// words is what was told.
type words struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *words) has(s string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Contains(w.b.String(), s)
}

func newRig(t *testing.T) *rig {
	t.Helper()
	begun := time.Now()
	r := &rig{t: t, dir: t.TempDir(), clock: audit.Clock{Wall: time.Now, Mono: func() time.Duration { return time.Hour + time.Since(begun) }, Boot: "b1"}, words: &words{}}
	r.slog = slog.New(slog.NewTextHandler(r.words, nil))
	r.open()
	t.Cleanup(func() { r.log.Close() })
	return r
}

func (r *rig) open() {
	r.t.Helper()
	keys := filepath.Join(r.dir, "keys")
	s, v, err := audit.LogKeys(keys, "kiel/penstock/audit/a")
	r.must(err)
	r.v = v
	r.disk, err = durable.OpenDisk(keys)
	r.must(err)
	r.log, err = audit.OpenLog(filepath.Join(r.dir, "log"), r.disk, audit.Options{Origin: v.Name(), Node: "a", Signer: s, Clock: r.clock})
	r.must(err)
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) grow(n int) {
	r.t.Helper()
	for range n {
		_, err := r.log.Append(context.Background(), audit.Event{Subject: "a", Actor: "penstock", Body: audit.NodeStarted{Version: "test"}})
		r.must(err)
	}
}

func (r *rig) options(places ...Place) Options {
	return Options{Dir: filepath.Join(r.dir, "log", "outside"), Verifier: r.v, Places: places, Clock: r.clock, Slog: r.slog}
}

func (r *rig) publisher(o Options) *Publisher {
	r.t.Helper()
	p, err := Open(context.Background(), r.log, o)
	r.must(err)
	return p
}

// run runs p until the test, or the returned function, ends it.
func (r *rig) run(p *Publisher) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = p.Run(ctx) }()
	return func() { cancel(); <-done }
}

// shelf is a place that can be told to fail.
type shelf struct {
	mu    sync.Mutex
	fail  error
	panic bool
	note  func(audit.Checkpoint) []byte
	sizes []audit.Index
	tried int
}

func (s *shelf) Send(_ context.Context, c audit.Checkpoint) (Copy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried++
	if s.panic {
		panic("a bug in this way")
	}
	if s.fail != nil {
		return Copy{}, s.fail
	}
	s.sizes = append(s.sizes, c.Size)
	if s.note != nil {
		return Copy{Said: "here", Note: s.note(c)}, nil
	}
	return Copy{Said: "here"}, nil
}

func (s *shelf) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *shelf) got() []audit.Index {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]audit.Index(nil), s.sizes...)
}

func (s *shelf) tries() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tried
}

// TestPace: a copy each 10 s while the log grows, at once when a window ends,
// none while nothing happens, and the tamper window follows.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s, calm := newRig(t), &shelf{}, &shelf{}
		r.grow(1)
		p := r.publisher(r.options(Place{Name: "siem", Kind: "syslog", Way: s}, Place{Name: "post", Kind: "mail", Way: calm, Every: time.Hour, Calm: true}))
		defer r.run(p)()
		synctest.Wait()
		if got := s.got(); len(got) != 1 || got[0] != 1 {
			t.Fatalf("at the start: %v", got)
		}
		if st := p.State(); st.Age != 0 || st.Covered != 1 || st.By.Size != 1 {
			t.Errorf("covered: %+v", st)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := s.got(); len(got) != 1 {
			t.Errorf("nothing happened, and it sent %v", got)
		}
		r.grow(2)
		time.Sleep(1500 * time.Millisecond) // it looks each second
		synctest.Wait()
		if got := s.got(); len(got) != 2 || got[1] != 3 {
			t.Errorf("after growth: %v", got)
		}
		calmed := len(calm.got())
		r.grow(1)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if st := p.State(); len(s.got()) != 2 || st.Age != 3*time.Second || st.Covered != 3 || st.Size != 4 {
			t.Errorf("within the pace: %v, %v", s.got(), st.Age)
		}
		_, err := r.log.Append(context.Background(), audit.Event{Subject: "W-1", Actor: "mia", Body: audit.WindowMoved{Window: "W-1", To: "cut", By: "mia", At: time.Now().UTC()}})
		r.must(err)
		synctest.Wait()
		if got := s.got(); len(got) != 3 || got[2] != 5 || p.State().Age != 0 {
			t.Errorf("a window was cut: %v", got)
		}
		if len(calm.got()) != calmed {
			t.Error("a mail for each window")
		}
	})
}

// TestDown: retries grow further apart, what waits is kept and superseded over
// a restart, limits alarm and refuse, and the receipt tells of the gap.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRig(t), &shelf{}
		s.set(errors.New("connection refused\x1b[31m"))
		var mu sync.Mutex
		var refusals []string
		o := r.options(Place{Name: "siem", Kind: "syslog", Way: s})
		o.AlarmAfter, o.RefuseAfter = time.Minute, 10*time.Minute
		o.Refuse = func(why string) { mu.Lock(); defer mu.Unlock(); refusals = append(refusals, why) }
		r.grow(1)
		p := r.publisher(o)
		end := r.run(p)
		synctest.Wait()
		if st := p.State(); st.Places[0].Failing.IsZero() || strings.Contains(st.Places[0].Why, "\x1b") {
			t.Errorf("%+v", st.Places[0])
		}
		for range 9 {
			time.Sleep(30 * time.Second)
			r.grow(1)
		}
		synctest.Wait()
		if n := s.tries(); n < 5 || n > 20 {
			t.Errorf("%d attempts in four and a half minutes", n)
		}
		if st := p.State(); !strings.Contains(st.Alarm, "no copy outside for 4 min: siem: connection refused") || st.Refuse || !r.words.has("tamper window") {
			t.Errorf("alarm %q", st.Alarm)
		}
		end() // a restart on the way

		p = r.publisher(o)
		if st := p.State(); st.Places[0].Failing.IsZero() || st.Places[0].Waiting < 3 || st.Age < 4*time.Minute {
			t.Errorf("after the restart: %+v", st)
		}
		end = r.run(p)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		mu.Lock()
		if len(refusals) != 1 || !strings.Contains(refusals[0], "no copy outside for 10 min") {
			t.Errorf("refusals %q", refusals)
		}
		mu.Unlock()
		s.set(nil)
		p.Soon()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		mu.Lock()
		if len(refusals) != 2 || refusals[1] != "" {
			t.Errorf("afterwards %q", refusals)
		}
		mu.Unlock()
		if st := p.State(); st.Age != 0 || st.Alarm != "" || st.Refuse || !r.words.has("copies are outside again") {
			t.Errorf("%+v", st)
		}
		end()
		got, err := files{o.Dir, "siem"}.lastReceipt()
		if err != nil || got.Superseded < 3 || got.Since.IsZero() || got.Size != 10 {
			t.Errorf("the receipt hides the gap: %+v %v", got, err)
		}
		if _, err := os.Stat(files{o.Dir, "siem"}.waitingPath()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("something still waits: %v", err)
		}
	})
}

// TestForged: what comes back is held to what went out, and a panic stays inside.
func TestForged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.grow(1)
		old := r.log.Checkpoint()
		r.grow(1)
		liar, bug := &shelf{note: func(audit.Checkpoint) []byte { return old }}, &shelf{panic: true}
		p := r.publisher(r.options(Place{Name: "liar", Kind: "witness", Way: liar}, Place{Name: "bug", Kind: "s3", Way: bug}))
		defer r.run(p)()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		st := p.State()
		if st.Covered != 0 || st.Places[0].Failing.IsZero() || !strings.Contains(st.Places[1].Why, "a bug in this way") {
			t.Errorf("%+v", st)
		}
	})
}

// TestContradiction: a place that holds something else covers nothing, is told
// at once, and refuses where a limit was set.
func TestContradiction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRig(t), &shelf{}
		r.grow(3)
		o := r.options(Place{Name: "w", Kind: "witness", Way: s})
		p := r.publisher(o)
		end := r.run(p)
		time.Sleep(time.Second)
		synctest.Wait()
		s.set(&Contradiction{"it has seen 9 leaves"})
		r.grow(1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := p.State(); st.Covered != 0 || st.Alarm != "w: it has seen 9 leaves" || st.Refuse || !r.words.has("contradicts this log") {
			t.Errorf("%+v", st)
		}
		end()
		o.RefuseAfter = time.Hour
		refused := make(chan string, 1)
		o.Refuse = func(why string) { refused <- why }
		p = r.publisher(o)
		end = r.run(p)
		defer end()
		if why := <-refused; why != "w: it has seen 9 leaves" {
			t.Errorf("refused with %q", why)
		}
	})
}

// TestRolledBack: an old copy of the log beside newer receipts is seen at the
// start, and so are receipts of a log that was written anew.
func TestRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRig(t), &shelf{}
		r.grow(2)
		r.must(r.log.Close())
		before := filepath.Join(t.TempDir(), "before")
		r.must(os.CopyFS(before, os.DirFS(filepath.Join(r.dir, "log"))))
		r.open()
		r.grow(3)
		o := r.options(Place{Name: "w", Kind: "witness", Way: s})
		end := r.run(r.publisher(o))
		time.Sleep(time.Second)
		synctest.Wait()
		end()
		r.must(r.log.Close())
		r.must(os.CopyFS(filepath.Join(before, "outside"), os.DirFS(o.Dir)))
		r.must(os.RemoveAll(filepath.Join(r.dir, "log")))
		r.must(os.Rename(before, filepath.Join(r.dir, "log")))
		r.open()
		if st := r.publisher(o).State(); !strings.Contains(st.Alarm, "holds a copy of 5 leaves, and this log has 2") || st.Covered != 0 {
			t.Errorf("rolled back: %q", st.Alarm)
		}
		time.Sleep(time.Second) // other leaves than before
		r.grow(4)
		if st := r.publisher(o).State(); !strings.Contains(st.Alarm, "does not begin with") {
			t.Errorf("written anew: %q", st.Alarm)
		}
	})
}

// TestBoots: the window is counted by the clock that cannot be set, and over a
// reboot never as less than the time since.
func TestBoots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.grow(1)
		time.Sleep(time.Minute)
		o := r.options(Place{Name: "w", Kind: "witness", Way: &shelf{}})
		o.Clock.Wall = func() time.Time { return time.Now().Add(-24 * time.Hour) }
		if st := r.publisher(o).State(); st.Age != time.Minute {
			t.Errorf("the wall clock was set back: %v", st.Age)
		}
		o.Clock.Boot = "b2"
		o.Clock.Mono = func() time.Duration { return 5 * time.Minute }
		if st := r.publisher(o).State(); st.Age != 5*time.Minute {
			t.Errorf("after a reboot with a dead clock battery: %v", st.Age)
		}
		o.Clock.Wall = func() time.Time { return time.Now().Add(time.Hour) }
		if st := r.publisher(o).State(); st.Age != time.Hour+time.Minute {
			t.Errorf("after a reboot: %v", st.Age)
		}
	})
}

func TestTakenByHand(t *testing.T) {
	r := newRig(t)
	r.grow(2)
	p := r.publisher(r.options())
	if st := p.State(); st.By.Size != 0 || st.Person != nil || st.Alarm != "" {
		t.Errorf("nothing configured: %+v", st)
	}
	b, err := p.Took("lena")
	r.must(err)
	if !bytes.Equal(b, r.log.Checkpoint()) {
		t.Error("another checkpoint was given")
	}
	if st := r.publisher(r.options()).State(); st.Covered != 2 || st.Person == nil || !strings.Contains(st.By.Said, "lena") {
		t.Errorf("%+v", st)
	}
	all, err := os.ReadFile(filepath.Join(r.dir, "log", "outside", "people."+time.Now().UTC().Format("2006-01")+".txt"))
	r.must(err)
	if found := audit.FindNotes(all); len(found) != 1 || !bytes.Equal(found[0], b) {
		t.Errorf("the receipts cannot be given to the verifier: %q", all)
	}
}

// TestDamagedFiles: torn and foreign lines lose nothing else.
func TestDamagedFiles(t *testing.T) {
	r := newRig(t)
	r.grow(1)
	o := r.options()
	_, err := r.publisher(o).Took("lena")
	r.must(err)
	names, _ := filepath.Glob(filepath.Join(o.Dir, "people.*.txt"))
	f, err := os.OpenFile(names[0], os.O_APPEND|os.O_WRONLY, 0)
	r.must(err)
	_, err = f.WriteString(`{"v":1,"at":"2026`)
	r.must(errors.Join(err, f.Close()))
	if st := r.publisher(o).State(); st.Covered != 1 {
		t.Errorf("a torn line hides the one before: %+v", st.By)
	}
	r.grow(1)
	_, err = r.publisher(o).Took("lena")
	r.must(err)
	if st := r.publisher(o).State(); st.Covered != 2 {
		t.Errorf("after a torn line: %+v", st.By)
	}
	o = r.options(Place{Name: "w", Kind: "witness", Way: &shelf{}})
	for i, spoil := range []string{"", "{}", `{"size":7,"note":"AAAA"}`, strings.Repeat("x", maxLine+1)} {
		r.must(os.WriteFile(files{o.Dir, "w"}.waitingPath(), []byte(spoil), 0o600))
		if st := r.publisher(o).State(); st.Places[0].Waiting != 0 || !r.words.has("put aside") {
			t.Errorf("spool %d: %+v", i, st.Places[0])
		}
	}
	if _, err := Open(context.Background(), r.log, r.options(Place{Name: "../x", Way: &shelf{}})); err == nil {
		t.Error("a name that leaves the folder was taken")
	}
	if _, err := Open(context.Background(), r.log, r.options(Place{Name: "people", Way: &shelf{}})); err == nil {
		t.Error("people's own name was taken")
	}
}

// TestNoRoom: where nothing can be written here, copies go out all the same.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := newRig(t), &shelf{}
		r.grow(1)
		o := r.options(Place{Name: "w", Kind: "witness", Way: s})
		p := r.publisher(o)
		r.must(os.RemoveAll(o.Dir)) // no folder, no file: root may write on a full disk, too
		defer r.run(p)()
		time.Sleep(time.Second)
		synctest.Wait()
		if st := p.State(); st.Covered != 1 || !r.words.has("receipt could not be kept") {
			t.Errorf("%+v", st)
		}
	})
}

func FuzzReceipt(f *testing.F) {
	n := "kiel\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— kiel AAAAAAAA\n"
	good, err := Receipt{At: time.Unix(1, 0).UTC(), Place: "w", Kind: "witness", Size: 1, Said: "x", Note: []byte(n)}.line()
	if err != nil {
		f.Fatal(err)
	}
	if _, err := parseReceipt(good); err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"v":1,"copy":"note="}`))
	f.Add([]byte(fmt.Sprintf(`{"v":1,"size":18446744073709551615,"copy":%q}`, audit.NoteText([]byte(n)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseReceipt(b)
		if err != nil {
			return
		}
		line, err := r.line()
		if err != nil {
			return // a year that JSON cannot say
		}
		if again, err := parseReceipt(line); err != nil || again.Size != r.Size {
			t.Fatalf("%q: %v", line, err)
		}
	})
}
