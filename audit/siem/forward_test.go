package siem

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
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

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/outsidetest"
)

// rig is a real log, and a Forwarder's folder beside it.
type rig struct {
	t     *testing.T
	dir   string
	clock audit.Clock
	log   *audit.Log
	words bytes.Buffer
}

func newRig(t *testing.T) *rig {
	begun := time.Now()
	r := &rig{t: t, dir: t.TempDir(), clock: audit.Clock{Wall: time.Now, Mono: func() time.Duration { return time.Hour + time.Since(begun) }, Boot: "b1"}}
	r.open("log")
	t.Cleanup(func() { r.log.Close() })
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) open(name string) {
	keys := filepath.Join(r.dir, "keys")
	s, v, err := audit.LogKeys(keys, source.Origin)
	r.must(err)
	disk, err := durable.OpenDisk(keys)
	r.must(err)
	r.log, err = audit.OpenLog(filepath.Join(r.dir, name), disk, audit.Options{Origin: v.Name(), Node: "a", Signer: s, Clock: r.clock})
	r.must(err)
}

func (r *rig) grow(n int) {
	r.t.Helper()
	for range n {
		_, err := r.log.Append(context.Background(), audit.Event{Subject: "W-1", Actor: "mia", Body: audit.WindowMoved{Window: "W-1", To: "paused", Why: "lunch\nbreak"}})
		r.must(err)
	}
}

// forwarder to one place; run runs it until the returned function ends it.
func (r *rig) forwarder(s Sink) *Forwarder {
	r.t.Helper()
	f, err := Open(context.Background(), r.log, Options{Dir: filepath.Join(r.dir, "siem"), Source: source, Places: []Place{{"soc", "here", s}},
		Clock: r.clock, Slog: slog.New(slog.NewTextHandler(&r.words, nil))})
	r.must(err)
	return f
}

func run(f *Forwarder) func() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.Run(ctx) }()
	return func() { cancel(); <-done }
}

// shelf keeps what it is given, unless it is told to fail.
type shelf struct {
	mu    sync.Mutex
	fail  error
	panic bool
	hang  bool
	have  []audit.Index
}

func (s *shelf) set(fail error) {
	s.mu.Lock()
	s.fail, s.hang, s.panic = fail, false, false
	s.mu.Unlock()
}
func (s *shelf) got() []audit.Index {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]audit.Index(nil), s.have...)
}

func (s *shelf) Deliver(ctx context.Context, batch []Event) error {
	s.mu.Lock()
	fail, hang := s.fail, s.hang
	if s.panic {
		s.mu.Unlock()
		panic("sink")
	}
	if fail == nil && !hang {
		for _, e := range batch {
			s.have = append(s.have, e.Place.Index)
		}
	}
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return fail
}

func inOrder(t *testing.T, got []audit.Index, n int) {
	t.Helper()
	if len(got) != n {
		t.Fatalf("%d events of %d: %v", len(got), n, got)
	}
	for i, at := range got {
		if int(at) != i {
			t.Fatalf("event %d is of leaf %d", i, at)
		}
	}
}

// TestDown: while the place fails, panics or hangs the log goes on and the lag
// shows; then everything arrives, once and in order.
func TestDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := &shelf{fail: errors.New("connection\nrefused")}
		f := r.forwarder(s)
		end := run(f)
		defer end()
		r.grow(3)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		st := f.States()[0]
		if st.Behind != 3 || st.Lag < 9*time.Minute || st.Failing.IsZero() || st.Why != "connection refused" || st.Failed < 5 || st.Failed > 100 {
			t.Errorf("down: %+v", st)
		}
		for _, bad := range []*shelf{{panic: true}, {hang: true}} {
			s.mu.Lock()
			s.panic, s.hang = bad.panic, bad.hang
			s.mu.Unlock()
			begun := time.Now()
			r.grow(2)
			if d := time.Since(begun); d > time.Second {
				t.Errorf("the log waited %v", d)
			}
			time.Sleep(5 * time.Minute)
		}
		s.set(nil)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		inOrder(t, s.got(), 7)
		if st := f.States()[0]; st.Behind != 0 || st.Lag != 0 || !st.Failing.IsZero() || st.Sent != 7 {
			t.Errorf("up again: %+v", st)
		}
		if n := strings.Count(r.words.String(), "was not given"); n != 1 {
			t.Errorf("told %d times that it is down", n)
		}
	})
}

// TestRestart: a next life goes on where the last one was; where the cursor was
// not yet written it sends that batch again, and where it is damaged or of
// another log, everything.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		s := &shelf{}
		life := func(n int) {
			t.Helper()
			f := r.forwarder(s)
			end := run(f)
			r.grow(n)
			time.Sleep(time.Minute)
			end()
		}
		life(450) // more than two batches
		life(2)
		inOrder(t, s.got(), 452)
		cursor := filepath.Join(r.dir, "siem", "soc.cursor")
		before, err := os.ReadFile(cursor)
		r.must(err)
		life(3)
		r.must(os.WriteFile(cursor, before, 0o600)) // as if power was cut between delivery and cursor
		s.have = s.have[:452]
		life(0)
		inOrder(t, s.got(), 455)
		for what, b := range map[string]string{"damaged": "{", "empty": "", "brought back": `{"v":1,"next":9999,"last":"` + audit.HashOf(nil).String() + `"}`, "is another one": `{"v":1,"next":3,"last":"` + audit.HashOf(nil).String() + `"}`} {
			r.must(os.WriteFile(cursor, []byte(b), 0o600))
			s.have = nil
			r.words.Reset()
			life(0)
			inOrder(t, s.got(), 455)
			if !strings.Contains(r.words.String(), "the whole log again") {
				t.Errorf("%s: nobody was told: %s", what, r.words.String())
			}
		}
	})
}

// TestFile: whole lines, in order, over rotation, a torn line and a full device.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "events.ndjson")
	s := NewFile(path, 3000, 2)
	next := 0
	put := func(n int) {
		t.Helper()
		var batch []Event
		for range n {
			l := leafOf(audit.LoginOK{Person: "ann\n"})
			l.Index = audit.Index(next)
			next++
			batch = append(batch, source.Event(l))
		}
		if err := s.Deliver(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) (at []int) {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for scan := bufio.NewScanner(f); scan.Scan(); {
			var w wire
			if err := json.Unmarshal(scan.Bytes(), &w); err != nil {
				t.Fatalf("%s: %v in %q", name, err, scan.Text())
			}
			at = append(at, int(w.Metadata.Sequence))
		}
		return at
	}
	put(2)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(f, `{"torn":`)
	f.Close()
	put(1)
	if got := fmt.Sprint(read(path)); got != "[0 1 2]" {
		t.Errorf("after a torn line: %s", got)
	}
	for range 4 {
		put(3)
	}
	if got := fmt.Sprint(read(path), read(path+".1"), read(path+".2")); got != "[[12 13 14] [9 10 11] [6 7 8]]" && got != "[12 13 14] [9 10 11] [6 7 8]" {
		t.Errorf("after rotation: %s", got)
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more is kept than was said")
	}
	if err := NewFile("/dev/full", 1<<20, 0).Deliver(context.Background(), []Event{{JSON: []byte("{}")}}); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a device: %v", err)
	}
}

// TestSyslog: the real server has every event in its file, as it was sent; who
// has another certificate gets none.
func TestSyslog(t *testing.T) {
	r := newRig(t)
	server := outsidetest.Rsyslog(t)
	address, file, pool := server.Address, server.Keeps, server.Pool
	strange, err := NewSyslog(address, &tls.Config{})
	r.must(err)
	if err := strange.Deliver(context.Background(), []Event{source.Event(leafOf(audit.NodeStopped{}))}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody trusts: %v", err)
	}
	s, err := NewSyslog(address, &tls.Config{RootCAs: pool})
	r.must(err)
	r.grow(300)
	end := run(r.forwarder(s))
	defer end()
	outsidetest.Awaits(t, "300 events", func() bool { b, _ := os.ReadFile(file); return bytes.Count(b, []byte("\n")) >= 300 })
	b, err := os.ReadFile(file)
	r.must(err)
	sch := readSchema(t)
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		head, text, _ := strings.Cut(line, "{")
		if !strings.HasPrefix(head, "110 1 penstock window.moved") {
			t.Fatalf("the head of line %d: %q", i, head)
		}
		if wrong := sch.check([]byte("{" + text)); wrong != nil {
			t.Fatalf("line %d: %v", i, wrong)
		}
		if want := fmt.Sprintf(`"uid":"a/%d"`, i); !strings.Contains(text, want) || !strings.Contains(text, `lunch\nbreak`) {
			t.Fatalf("line %d lacks %s: %s", i, want, text)
		}
	}
}
