package approvals

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// bubble runs a world whose Desk runs, on synctest's clock.
func bubble(t *testing.T, story func(*testing.T, *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- w.desk.Run(ctx) }()
		story(t, w)
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		w.judge(t)
	})
}

// after lets the bubble's time pass, and what follows happen.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAWindowEndsByItself(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.open()
		after(time.Hour - time.Millisecond)
		if w.state("W-1") != WindowOpen || !w.live("W-1") {
			t.Fatal("too early")
		}
		after(time.Millisecond)
		if w.live("W-1") {
			t.Fatal("facts do not look at the clock")
		}
		after(time.Second)
		if w.state("W-1") != WindowEnded || strings.Join(w.stops.told(), "") != "stop W-1" {
			t.Fatal(w.state("W-1"), w.stops.told())
		}
		all := w.log.leaves()
		m := all[len(all)-1].Body.(audit.WindowMoved)
		if m.By != "penstock" || !m.At.Equal(m.Until) {
			t.Fatalf("%+v", m)
		}
	})
}

func TestAPauseDoesNotStopTheClock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.open()
		after(30 * time.Minute)
		if _, err := w.desk.Pause(w.ctx, w.as("mia"), "W-1", ""); err != nil {
			t.Fatal(err)
		}
		after(30*time.Minute + time.Second)
		if w.state("W-1") != WindowEnded {
			t.Fatal(w.state("W-1"))
		}
		_, err := w.desk.GoOn(w.ctx, w.as("mia"), "W-1")
		wants(t, err, "illegal-step")
	})
}

func TestAnExtensionMovesTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.open()
		after(59 * time.Minute)
		if _, err := w.desk.Extend(w.ctx, w.as("mia"), "W-1", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		after(30 * time.Minute)
		if !w.live("W-1") {
			t.Fatal("ended at the old end")
		}
		after(31 * time.Minute)
		if w.state("W-1") != WindowEnded {
			t.Fatal(w.state("W-1"))
		}
	})
}

func TestUnused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.yes("olaf", w.submit())
		after(8*time.Hour - time.Second)
		if w.state(r.Window) != WindowAgreed {
			t.Fatal(w.state(r.Window))
		}
		after(2 * time.Second)
		if w.state(r.Window) != WindowUnused {
			t.Fatal(w.state(r.Window))
		}
	})
}

func TestUnanswered(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.submit()
		after(8*time.Hour - time.Minute - time.Second)
		if w.requestState(r.ID) != RequestWaiting {
			t.Fatal(w.requestState(r.ID))
		}
		after(2 * time.Second)
		if w.requestState(r.ID) != RequestUnanswered {
			t.Fatal(w.requestState(r.ID))
		}
		_, err := w.say("olaf", r, evidence.Yes)
		wants(t, err, "not-waiting")
	})
}

func TestAsleep(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.submit()
		later := time.Now().Add(4 * time.Hour)
		_, err := w.desk.Answer(w.ctx, w.as("olaf"), r.ID, r.Hash, Reply{Says: evidence.NotBefore, NotBefore: later})
		wants(t, err, "")
		_, err = w.desk.Answer(w.ctx, w.as("max"), r.ID, r.Hash, Reply{Says: evidence.Question, Why: "why not?"})
		wants(t, err, "")
		after(4*time.Hour - time.Second)
		if w.requestState(r.ID) != RequestAsleep {
			t.Fatal(w.requestState(r.ID))
		}
		after(2 * time.Second)
		if w.requestState(r.ID) != RequestWaiting {
			t.Fatal(w.requestState(r.ID))
		}
		asked := 0
		for _, leaf := range w.log.leaves() {
			if _, ok := leaf.Body.(audit.PersonAsked); ok {
				asked++
			}
		}
		if asked != 2 {
			t.Fatalf("asked %d times: once, and again when it woke", asked)
		}
		w.yes("olaf", r)
	})
}

func TestAnAnswerWakesEarlier(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.submit()
		_, err := w.desk.Answer(w.ctx, w.as("olaf"), r.ID, r.Hash, Reply{Says: evidence.NotBefore, NotBefore: time.Now().Add(4 * time.Hour)})
		wants(t, err, "")
		if r = w.yes("max", r); r.State != RequestAgreed {
			t.Fatalf("%+v", r)
		}
	})
}

func TestAutoOpensAtItsTime(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		r := w.yes("sara", w.submit(on("historian", "reader"), func(a *Ask) { a.From = a.From.Add(time.Hour) }))
		after(59 * time.Minute)
		if w.state(r.Window) != WindowAgreed {
			t.Fatal(w.state(r.Window))
		}
		after(61 * time.Second)
		if w.state(r.Window) != WindowOpen || !w.live(r.Window) {
			t.Fatal(w.state(r.Window))
		}
		after(61 * time.Minute)
		if w.state(r.Window) != WindowEnded {
			t.Fatal(w.state(r.Window))
		}
	})
}

// A block keeps it shut; when it is lifted it opens, with less time left.
func TestAutoWaitsForABlock(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		b, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Asset: "historian"})
		wants(t, err, "")
		wants(t, w.desk.Lift(w.ctx, w.as("mia"), b.ID, ""), "")
		r := w.submit(on("historian", "reader"), func(a *Ask) { a.From = a.From.Add(time.Hour) })
		r = w.yes("sara", r)
		b, err = w.desk.Block(w.ctx, w.as("mia"), policy.Block{Asset: "historian"})
		wants(t, err, "")
		after(2 * time.Hour)
		if w.state(r.Window) != WindowAgreed {
			t.Fatal(w.state(r.Window))
		}
		wants(t, w.desk.Lift(w.ctx, w.as("mia"), b.ID, ""), "")
		after(relook)
		if w.state(r.Window) != WindowOpen {
			t.Fatal(w.state(r.Window))
		}
	})
}

func TestRunNeedsAStopper(t *testing.T) {
	w := newWorld(t, nil)
	w.desk.Stops(nil)
	if err := w.desk.Run(w.ctx); err == nil {
		t.Fatal("it runs with nobody who stops sessions")
	}
}

// Run ends with an error when the journal breaks.
func TestRunEndsWithTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Now)
		w.open()
		w.log.fail = "after"
		w.desk.debt.plant, w.desk.debt.day = w.plant(), time.Now().In(w.plant().Location()).Format(time.DateOnly) // nothing else is written today
		if err := w.desk.Run(t.Context()); err == nil {
			t.Fatal("no error")
		}
		if told := strings.Join(w.stops.told(), ""); told != "stop W-1" {
			t.Fatalf("the end takes effect before it is written: %q", told)
		}
		w.restart()
		w.settle()
		if w.state("W-1") != WindowEnded {
			t.Fatal(w.state("W-1"))
		}
		w.judge(t)
	})
}
