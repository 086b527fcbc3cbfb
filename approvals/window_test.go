package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Every step of both tables, and every pair that is in none.
func TestEveryStep(t *testing.T) {
	requests := []RequestState{"", RequestWaiting, RequestAsleep, RequestAgreed, RequestRefused, RequestWithdrawn, RequestUnanswered, RequestSuperseded}
	windows := []WindowState{"", WindowAgreed, WindowOpen, WindowPaused, WindowEnding, WindowEnded, WindowClosed, WindowCut, WindowUnused}
	tried := 0
	check := func(kind, from, to string, err error) {
		want := slices.Contains(legal, kind+":"+from+">"+to)
		if want != (err == nil) || err != nil && rule(err) != "illegal-step" {
			t.Errorf("%s from %q to %q: %v", kind, from, to, err)
		}
		if want {
			tried++
		}
	}
	for _, from := range requests {
		for _, to := range requests {
			r := requestRow{State: from}
			check("r", string(from), string(to), r.move(to))
		}
	}
	for _, from := range windows {
		for _, to := range windows {
			w := windowRow{State: from}
			check("w", string(from), string(to), w.move(to))
		}
	}
	if tried != len(legal) {
		t.Fatalf("%d of %d legal steps were seen", tried, len(legal))
	}
}

// The journal itself refuses what is in no table, whoever commits it.
func TestTheFoldRefusesIllegalSteps(t *testing.T) {
	for _, to := range []string{"paused", "wenton", "ending", "ended", "closed", "extended", "opened twice", "nonsense"} {
		t.Run(to, func(t *testing.T) {
			w := newWorld(t, nil)
			r := w.yes("olaf", w.submit())
			rev := uint64(2)
			if to == "opened twice" {
				if _, err := w.desk.Open(w.ctx, w.as("mia"), r.Window); err != nil {
					t.Fatal(err)
				}
				to, rev = "opened", 3
			}
			_, err := w.jour.Commit(w.ctx, "window/W-1", audit.Event{Subject: "W-1", Rev: rev, Actor: "mia",
				Body: audit.WindowMoved{Window: "W-1", To: to, By: "mia", At: start, Until: start.Add(9 * time.Hour)}})
			wants(t, err, "illegal-step")
			w.judge(t)
		})
	}
}

func TestOpen(t *testing.T) {
	for _, tc := range []struct {
		story string
		by    policy.PersonID
		wait  time.Duration
		prep  func(*world)
		rule  string
	}{
		{"the shift", "mia", 0, nil, ""},
		{"the zone's owner is not the shift", "olaf", 0, nil, "not-on-shift"},
		{"somebody without a role", "tom", 0, nil, "not-on-shift"},
		{"the vendor", "ann", 0, nil, "not-plant"},
		{"after the span", "mia", 9 * time.Hour, nil, "too-late"},
		{"an hour before the end, for an hour", "mia", 7*time.Hour + 30*time.Minute, nil, ""},
		{"the firm is blocked", "mia", 0, func(w *world) {
			if _, err := w.desk.Block(w.ctx, w.as("sara"), policy.Block{Firm: "krall", Why: "invoice"}); err != nil {
				panic(err)
			}
		}, "blocked"},
		{"the plant is an island", "mia", 0, func(w *world) {
			if _, err := w.desk.Island(w.ctx, w.stale("mia"), "", "ransomware"); err != nil {
				panic(err)
			}
		}, "blocked"},
		{"a role that was taken from the person since", "mia", 0, func(w *world) {
			w.commit("person/mia", audit.Event{Subject: "mia", Rev: 3, Actor: "sara", Body: audit.PersonChanged{Person: "mia", Firm: "fjord", Name: "mia", By: "sara"}})
		}, "not-on-shift"},
		{"a person who was switched off", "mia", 0, func(w *world) {
			w.commit("person/mia", audit.Event{Subject: "mia", Rev: 3, Actor: "sara", Body: audit.PersonDisabled{Person: "mia", By: "sara"}})
		}, "not-active"},
		{"the only worker was switched off", "mia", 0, func(w *world) {
			w.commit("person/ann", audit.Event{Subject: "ann", Rev: 3, Actor: "sara", Body: audit.PersonDisabled{Person: "ann", By: "sara"}})
		}, "person-disabled"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorld(t, nil)
			r := w.yes("olaf", w.submit())
			w.pass(tc.wait)
			if tc.prep != nil {
				tc.prep(w)
			}
			win, err := w.desk.Open(w.ctx, w.as(tc.by), r.Window)
			wants(t, err, tc.rule)
			if err == nil && (win.Until.After(start.Add(8*time.Hour)) || win.Until.Sub(w.now()) > time.Hour) {
				t.Fatalf("%+v", win)
			}
			w.judge(t)
		})
	}
	t.Run("before its time", func(t *testing.T) {
		w := newWorld(t, nil)
		r := w.yes("olaf", w.submit(func(a *Ask) { a.From = a.From.Add(2 * time.Hour) }))
		_, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
		wants(t, err, "too-early")
		if !strings.Contains(err.Error(), "11:00 CET") {
			t.Fatalf("it does not say when: %v", err)
		}
	})
	t.Run("with an old code", func(t *testing.T) {
		w := newWorld(t, nil)
		r := w.yes("olaf", w.submit())
		_, err := w.desk.Open(w.ctx, w.stale("mia"), r.Window)
		wants(t, err, "code-needed")
	})
}

func TestPauseAndGoOn(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	_, err := w.desk.Pause(w.ctx, w.as("ann"), "W-1", "coffee")
	wants(t, err, "not-plant")
	_, err = w.desk.Pause(w.ctx, w.stale("olaf"), "W-1", "let me\nsee\x1b")
	wants(t, err, "")
	f, err := w.desk.Facts(w.ctx, "W-1", "ann")
	wants(t, err, "")
	if f.Window.Live || !f.Window.Paused {
		t.Fatalf("%+v", f.Window)
	}
	v, _ := w.desk.Window(w.ctx, w.as("ann"), "W-1")
	if v.Why != "let me see" || v.By != "olaf" {
		t.Fatalf("%+v", v)
	}
	_, err = w.desk.GoOn(w.ctx, w.stale("mia"), "W-1")
	wants(t, err, "code-needed")
	w.pass(10 * time.Minute)
	v, err = w.desk.GoOn(w.ctx, w.as("mia"), "W-1")
	wants(t, err, "")
	if !w.live("W-1") || !v.Until.Equal(start.Add(time.Hour)) {
		t.Fatalf("a pause does not stop the clock: %+v", v)
	}
	_, err = w.desk.GoOn(w.ctx, w.as("mia"), "W-1")
	wants(t, err, "illegal-step")
	if got := strings.Join(w.stops.told(), ", "); got != "hold W-1, release W-1" {
		t.Fatal(got)
	}
	_, err = w.desk.End(w.ctx, w.as("mia"), "W-1", "")
	wants(t, err, "")
	_, err = w.desk.Pause(w.ctx, w.as("mia"), "W-1", "too late")
	wants(t, err, "illegal-step")
	w.judge(t)
}

// A pause that begins while somebody lets the window go on wins.
func TestAPauseDuringGoOnHolds(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	if _, err := w.desk.Pause(w.ctx, w.as("mia"), "W-1", "one"); err != nil {
		t.Fatal(err)
	}
	seen := w.desk.pausesOf("W-1")
	w.desk.hold("W-1", "two")
	w.desk.release("W-1", seen)
	if told := w.stops.told(); told[len(told)-1] != "hold W-1" {
		t.Fatal(told)
	}
}

func TestExtend(t *testing.T) {
	for _, tc := range []struct {
		story string
		by    policy.PersonID
		until time.Duration // from the opening
		limit time.Duration
		rule  string
	}{
		{"past the minutes", "mia", 3 * time.Hour, 0, ""},
		{"to the span's end", "mia", 8 * time.Hour, 0, ""},
		{"past the span", "mia", 8*time.Hour + time.Second, 0, "extension"},
		{"past a limit", "mia", 3 * time.Hour, 2 * time.Hour, "extension"},
		{"to an earlier end", "mia", 30 * time.Minute, 0, "not-later"},
		{"by the owner", "olaf", 3 * time.Hour, 0, "not-on-shift"},
		{"by the vendor", "ann", 3 * time.Hour, 0, "not-plant"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorld(t, nil)
			r := w.submit()
			reply := Reply{Says: "yes"}
			if tc.limit > 0 {
				reply.Limits.Until = start.Add(tc.limit)
			}
			if _, err := w.desk.Answer(w.ctx, w.as("olaf"), r.ID, r.Hash, reply); err != nil {
				t.Fatal(err)
			}
			if _, err := w.desk.Open(w.ctx, w.as("mia"), "W-1"); err != nil {
				t.Fatal(err)
			}
			w.pass(50 * time.Minute)
			v, err := w.desk.Extend(w.ctx, w.as(tc.by), "W-1", start.Add(tc.until))
			wants(t, err, tc.rule)
			if err == nil {
				w.pass(tc.until - 51*time.Minute)
				if !v.Until.Equal(start.Add(tc.until)) || !w.live("W-1") {
					t.Fatalf("%+v", v)
				}
			}
			w.judge(t)
		})
	}
	t.Run("after its end", func(t *testing.T) {
		w := newWorld(t, nil)
		w.open()
		w.pass(time.Hour)
		_, err := w.desk.Extend(w.ctx, w.as("mia"), "W-1", start.Add(3*time.Hour))
		wants(t, err, "illegal-step")
	})
}

func TestCut(t *testing.T) {
	for _, tc := range []struct {
		story string
		by    policy.PersonID
		rule  string
	}{{"the shift", "mia", ""}, {"an owner of any zone", "ida", ""}, {"security", "sara", ""}, {"no role", "tom", "not-on-shift"}, {"the vendor", "ann", "not-plant"}} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorld(t, nil)
			w.open()
			w.stops.then = func() {
				if w.live("W-1") {
					t.Error("the effect comes before the event, and Facts must know it")
				}
			}
			_, err := w.desk.Cut(w.ctx, w.stale(tc.by), "W-1", "smoke")
			wants(t, err, tc.rule)
			if w.live("W-1") == (tc.rule == "") {
				t.Fatal("live and cut disagree")
			}
			w.judge(t)
		})
	}
	t.Run("what is not open yet", func(t *testing.T) {
		w := newWorld(t, nil)
		r := w.yes("olaf", w.submit())
		_, err := w.desk.Cut(w.ctx, w.as("mia"), r.Window, "no")
		wants(t, err, "")
		_, err = w.desk.Open(w.ctx, w.as("mia"), r.Window)
		wants(t, err, "illegal-step")
		_, err = w.desk.Accept(w.ctx, w.as("mia"), r.Window)
		wants(t, err, "")
		w.judge(t)
	})
	t.Run("although whoever asked has gone", func(t *testing.T) {
		w := newWorld(t, nil)
		w.open()
		ctx, cancel := context.WithCancel(w.ctx)
		w.stops.then = cancel
		_, err := w.desk.Cut(ctx, w.as("mia"), "W-1", "x")
		wants(t, err, "")
	})
	t.Run("while others change it", func(t *testing.T) {
		w := newWorld(t, nil)
		w.open()
		done := make(chan error, 8)
		for i := range 4 {
			go func() {
				_, err := w.desk.Pause(w.ctx, w.as("mia"), "W-1", "x")
				done <- err
			}()
			go func() {
				_, err := w.desk.Extend(w.ctx, w.as("mia"), "W-1", start.Add(time.Duration(i+2)*time.Hour))
				done <- err
			}()
		}
		_, err := w.desk.Cut(w.ctx, w.as("mia"), "W-1", "x")
		wants(t, err, "")
		for range 8 {
			if err := <-done; err != nil && rule(err) == "" {
				t.Error(err)
			}
		}
		if w.state("W-1") != WindowCut {
			t.Fatal(w.state("W-1"))
		}
		w.judge(t)
	})
}

// The broker's Stop is for good: it is not told of what may still be opened.
func TestNothingIsStoppedThatIsStillToCome(t *testing.T) {
	w := newWorld(t, nil)
	r := w.yes("olaf", w.submit())
	_, err := w.desk.End(w.ctx, w.as("mia"), r.Window, "too early")
	wants(t, err, "illegal-step")
	_, err = w.desk.Cut(w.ctx, w.as("mia"), "W-2", "no such window yet")
	wants(t, err, "no-such-window")
	if told := w.stops.told(); len(told) > 0 {
		t.Fatal(told)
	}
	w.restart() // a new process has read nothing of it yet
	w.settle()
	_, err = w.desk.End(w.ctx, w.as("mia"), r.Window, "too early")
	wants(t, err, "illegal-step")
	if told := w.stops.told(); len(told) > 0 {
		t.Fatal(told)
	}
	_, err = w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	_, err = w.desk.End(w.ctx, w.as("mia"), r.Window, "")
	wants(t, err, "")
	if told := w.stops.told(); len(told) != 1 {
		t.Fatal(told)
	}
}

// A disk that hangs in the middle of somebody's commit keeps nobody from
// pausing, ending, cutting or blocking.
func TestTakingWaitsForNoDisk(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	r := w.yes("olaf", w.submit())
	w.log.wait, w.log.busy = make(chan struct{}), make(chan struct{}, 1)
	done := make(chan error, 5)
	told := make(chan struct{}, 5)
	go func() { _, err := w.desk.Open(w.ctx, w.as("mia"), r.Window); done <- err }()
	<-w.log.busy // the journal is held by a commit that hangs
	w.stops.then = func() { told <- struct{}{} }
	for _, take := range []func() error{
		func() error { _, err := w.desk.Pause(w.ctx, w.as("mia"), "W-1", ""); return err },
		func() error { _, err := w.desk.End(w.ctx, w.as("mia"), "W-1", ""); return err },
		func() error { _, err := w.desk.Cut(w.ctx, w.as("mia"), "W-1", ""); return err },
		func() error { _, err := w.desk.Island(w.ctx, w.as("mia"), "", ""); return err },
	} {
		go func() { done <- take() }()
		<-told
		if w.live("W-1") {
			t.Fatal("live though it was taken")
		}
	}
	close(w.log.wait)
	for range 5 {
		if err := <-done; err != nil && rule(err) != "illegal-step" {
			t.Error(err)
		}
	}
	w.judge(t)
}

// What was taken and cannot be written lets nobody in any more.
func TestATakingThatCannotBeWritten(t *testing.T) {
	for _, fail := range []string{"log before", "log after", "store before", "store after"} {
		t.Run(fail, func(t *testing.T) {
			w := newWorld(t, nil)
			w.open()
			w.open(func(a *Ask) { a.People = []policy.PersonID{"bob", "ann"} })
			where, when, _ := strings.Cut(fail, " ")
			if where == "log" {
				w.log.fail = when
			} else {
				w.store.fail = when
			}
			_, err := w.desk.Cut(w.ctx, w.as("mia"), "W-1", "x")
			if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "nobody is admitted") {
				t.Fatalf("got %v", err)
			}
			if told := w.stops.told(); !slices.Contains(told, "stop W-1") {
				t.Fatal("it did not take effect")
			}
			for _, id := range []policy.WindowID{"W-1", "W-2"} {
				if _, err := w.desk.Facts(w.ctx, id, "ann"); err == nil {
					t.Fatalf("%s still has facts", id)
				}
			}
			w.restart()
			w.settle()
			w.judge(t)
			w.truth(t)
		})
	}
}

func TestBlocks(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	for _, b := range []policy.Block{{}, {Firm: "krall", Person: "ann"}, {Firm: "krall", Until: start}} {
		_, err := w.desk.Block(w.ctx, w.as("mia"), b)
		wants(t, err, "bad-block")
	}
	_, err := w.desk.Block(w.ctx, w.as("ann"), policy.Block{Firm: "krall"})
	wants(t, err, "not-plant")
	w.stops.then = func() {
		if f, err := w.desk.Facts(w.ctx, "W-1", "ann"); err != nil || len(f.Blocks) != 1 {
			t.Errorf("a block counts from its first moment: %+v %v", f.Blocks, err)
		}
	}
	b, err := w.desk.Block(w.ctx, w.stale("mia"), policy.Block{Firm: "krall", Why: "x", Until: start.Add(time.Hour)})
	wants(t, err, "")
	w.stops.then = nil
	if list, err := w.desk.Blocks(w.ctx); err != nil || len(list) != 1 || list[0].ID != "B-1" || list[0].By != "mia" {
		t.Fatalf("%+v %v", list, err)
	}
	wants(t, w.desk.Lift(w.ctx, w.stale("mia"), b.ID, ""), "code-needed")
	wants(t, w.desk.Lift(w.ctx, w.as("ann"), b.ID, ""), "not-plant")
	wants(t, w.desk.Lift(w.ctx, w.as("mia"), "B-9", ""), "no-such-block")
	wants(t, w.desk.Lift(w.ctx, w.as("mia"), b.ID, "paid"), "")
	wants(t, w.desk.Lift(w.ctx, w.as("mia"), b.ID, "paid"), "illegal-step")
	_, err = w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann", Until: start.Add(time.Minute)})
	wants(t, err, "")
	w.pass(time.Minute)
	if list, err := w.desk.Blocks(w.ctx); err != nil || len(list) != 0 {
		t.Fatalf("%+v %v", list, err)
	}
	w.judge(t)
}

func TestOpenByUse(t *testing.T) {
	w := newWorld(t, nil)
	r := w.submit(on("chiller", "trend"))
	if r = w.yes("sven", r); r.Document.Open != "vendor" || r.Window == "" {
		t.Fatalf("%+v", r)
	}
	line := w.yes("olaf", w.submit())
	wants(t, w.desk.OpenByUse(w.ctx, "bob"), "")
	if w.state(r.Window) != WindowAgreed {
		t.Fatal("opened by somebody who does not work in it")
	}
	wants(t, w.desk.OpenByUse(w.ctx, "ann"), "")
	if w.state(r.Window) != WindowOpen || w.state(line.Window) != WindowAgreed {
		t.Fatal("only what the vendor's use may open is open")
	}
	w.judge(t)
}

func TestWatch(t *testing.T) {
	w := newWorld(t, nil)
	r := w.yes("olaf", w.submit())
	ctx, cancel := context.WithCancel(w.ctx)
	got, ready := make(chan string), make(chan struct{})
	go func() {
		defer close(got)
		seq := w.desk.Watch(ctx)
		close(ready)
		for c, err := range seq {
			if err != nil {
				return
			}
			got <- fmt.Sprintf("%s%s%s", c.Window, c.Person, c.Block)
		}
	}()
	<-ready
	if _, err := w.desk.Open(w.ctx, w.as("mia"), r.Window); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "W-1" {
		t.Fatal(s)
	}
	if _, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann"}); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "B-1" {
		t.Fatal(s)
	}
	w.commit("person/ann", audit.Event{Subject: "ann", Rev: 3, Actor: "sara", Body: audit.PersonDisabled{Person: "ann", By: "sara"}})
	if s := <-got; s != "ann" {
		t.Fatal(s)
	}
	cancel()
	if _, more := <-got; more {
		t.Fatal("it goes on after its context has ended")
	}
}

var _ state.Store = (*memStore)(nil)
