package approvals

import (
	"errors"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// busy makes the broker say that something is half done.
func (w *world) busy(half ...string) {
	w.stops.mu.Lock()
	defer w.stops.mu.Unlock()
	w.stops.half = half
}

func (w *world) newest() audit.WindowMoved {
	for i := len(w.log.leaves()) - 1; ; i-- {
		if b, ok := w.log.leaves()[i].Body.(audit.WindowMoved); ok {
			return b
		}
	}
}

func TestEndWaitsForWhatIsHalfDone(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.busy("upload of recipe.bin")
	v, err := w.desk.End(w.ctx, w.as("mia"), "W-1", "shift change")
	wants(t, err, "")
	if v.State != WindowEnding || len(v.HalfDone) != 1 || v.HalfDone[0] != "upload of recipe.bin" || v.Why != "shift change" {
		t.Fatalf("%+v", v)
	}
	f, err := w.desk.Facts(w.ctx, "W-1", "ann")
	if err != nil || !f.Window.Live || !f.Window.Ending || !f.Window.Idle.Equal(w.at) {
		t.Fatalf("%+v %v", f.Window, err)
	}
	if open, err := w.desk.OpenFor(w.ctx, "ann"); err != nil || len(open) > 0 {
		t.Errorf("a certificate would name %v (%v)", open, err)
	}
	_, err = w.desk.Extend(w.ctx, w.as("mia"), "W-1", v.Until.Add(time.Hour))
	wants(t, err, "illegal-step")
	_, err = w.desk.Pause(w.ctx, w.as("mia"), "W-1", "")
	wants(t, err, "illegal-step")
	w.pass(time.Minute)
	w.settle()
	if w.state("W-1") != WindowEnding {
		t.Fatal(w.state("W-1"))
	}
	w.busy()
	w.settle()
	if b := w.newest(); b.To != "ended" || b.By != penstock || !b.Until.Equal(w.at) {
		t.Errorf("%+v", b)
	}
	if w.live("W-1") || w.state("W-1") != WindowEnded {
		t.Error("it is still live")
	}
}

// What the broker says when the last transfer is done reaches Run.
func TestTheLastTransferWakesRun(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.busy("upload")
	_, err := w.desk.End(w.ctx, w.as("ann"), "W-1", "")
	wants(t, err, "")
	<-w.desk.poke // of the event itself
	w.stops.wound()
	select {
	case <-w.desk.poke:
	default:
		t.Error("Run was not woken")
	}
}

func TestARestartInEndingEnds(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	w.busy("upload")
	_, err := w.desk.End(w.ctx, w.as("mia"), "W-1", "")
	wants(t, err, "")
	w.busy() // nobody is in after a start
	w.restart()
	w.settle()
	if w.state("W-1") != WindowEnded {
		t.Error(w.state("W-1"))
	}
}

func TestEndingEndsAtTheWindowsEndAndByCut(t *testing.T) {
	w := newWorld(t, nil)
	v := w.open()
	w.busy("upload")
	_, err := w.desk.End(w.ctx, w.as("mia"), "W-1", "")
	wants(t, err, "")
	_, err = w.desk.End(w.ctx, w.as("mia"), "W-1", "again")
	wants(t, err, "illegal-step")
	w.pass(v.Until.Sub(w.at))
	w.settle()
	if w.state("W-1") != WindowEnded {
		t.Error(w.state("W-1"))
	}
	w = newWorld(t, nil)
	w.open()
	w.busy("upload")
	_, err = w.desk.End(w.ctx, w.as("mia"), "W-1", "")
	wants(t, err, "")
	_, err = w.desk.Cut(w.ctx, w.as("mia"), "W-1", "now")
	wants(t, err, "")
	if w.state("W-1") != WindowCut || w.live("W-1") {
		t.Error(w.state("W-1"))
	}
}

// "end" must not let a paused window's input go on: the vendor may say it too.
func TestEndOfAPausedWindowIsAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	_, err := w.desk.Pause(w.ctx, w.as("mia"), "W-1", "")
	wants(t, err, "")
	w.busy("upload") // also where the broker does not know of the pause
	_, err = w.desk.End(w.ctx, w.as("ann"), "W-1", "")
	wants(t, err, "")
	if w.state("W-1") != WindowEnded {
		t.Error(w.state("W-1"))
	}
	if told := w.stops.told(); told[len(told)-1] != "stop W-1" {
		t.Errorf("the broker was told %q", told)
	}
}

// graceful is an hour on the historian, whose rule gives five minutes.
func graceful(w *world, to time.Duration) Window {
	r := w.yes("sara", w.submit(on("historian", "reader"), func(a *Ask) { a.To = w.at.Add(to) }))
	w.settle() // ops opens by itself
	v, err := w.desk.Window(w.ctx, w.as("mia"), r.Window)
	if err != nil || v.State != WindowOpen {
		w.t.Fatalf("%+v %v", v, err)
	}
	return v
}

func TestGraceMovesTheEndOnce(t *testing.T) {
	w := newWorld(t, nil)
	v := graceful(w, 8*time.Hour)
	w.busy("upload")
	w.pass(v.Until.Sub(w.at) - 6*time.Second)
	next, err := w.desk.settle(w.ctx, map[string]head{})
	if err != nil || w.state(v.ID) != WindowOpen || next.After(v.Until.Add(-graceLead)) {
		t.Fatalf("six seconds before: %s, next at %s, %v", w.state(v.ID), next, err)
	}
	w.pass(time.Second)
	w.settle()
	b := w.newest()
	if b.To != "grace" || b.By != penstock || !b.At.Before(v.Until) || !b.Until.Equal(v.Until.Add(5*time.Minute)) {
		t.Fatalf("%+v", b)
	}
	f, err := w.desk.Facts(w.ctx, v.ID, "ann")
	if err != nil || !f.Window.Live || !f.Window.Ending || !f.Window.Idle.Equal(v.Until) || !f.Window.Until.Equal(b.Until) {
		t.Fatalf("%+v %v", f.Window, err)
	}
	if told := w.stops.told(); !strings.HasPrefix(told[len(told)-1], "wind W-1") {
		t.Errorf("the broker was told %q", told)
	}
	w.busy() // before the old end nothing else is ended early
	w.settle()
	if w.state(v.ID) != WindowEnding {
		t.Errorf("three seconds before the old end: %s", w.state(v.ID))
	}
	w.busy("another")
	w.pass(b.Until.Sub(w.at) - time.Second)
	w.settle()
	if w.state(v.ID) != WindowEnding || !w.live(v.ID) {
		t.Errorf("a second before the new end: %s", w.state(v.ID))
	}
	w.pass(time.Second)
	w.settle()
	if w.state(v.ID) != WindowEnded || w.live(v.ID) {
		t.Errorf("at the new end: %s", w.state(v.ID))
	}
}

func TestWhereNoGraceIsGiven(t *testing.T) {
	late := func(w *world, v Window) {
		w.pass(v.Until.Sub(w.at) - 2*time.Second)
		w.settle()
		w.pass(2 * time.Second)
		w.settle()
	}
	for name, row := range map[string]struct {
		window func(*world) Window
		before func(*world, Window)
		want   time.Duration // past the old end
	}{
		"nothing is half done":      {func(w *world) Window { return graceful(w, 8*time.Hour) }, func(w *world, _ Window) { w.busy() }, 0},
		"the rule gives none":       {func(w *world) Window { return w.open() }, nil, 0},
		"the span ends":             {func(w *world) Window { return graceful(w, time.Hour) }, nil, 0},
		"the span leaves a minute":  {func(w *world) Window { return graceful(w, 61*time.Minute) }, nil, time.Minute},
		"the plant has paused it":   {func(w *world) Window { return graceful(w, 8*time.Hour) }, func(w *world, v Window) { w.mustPause(v.ID) }, 0},
		"one person has ended it":   {func(w *world) Window { return graceful(w, 8*time.Hour) }, func(w *world, v Window) { w.mustEnd(v.ID) }, 5 * time.Minute},
		"it was extended before it": {func(w *world) Window { return graceful(w, 8*time.Hour) }, nil, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			v := row.window(w)
			if strings.Contains(name, "extended") {
				var err error
				v, err = w.desk.Extend(w.ctx, w.as("sara"), v.ID, v.Until.Add(30*time.Minute))
				wants(t, err, "")
			}
			w.busy("upload")
			if row.before != nil {
				row.before(w, v)
			}
			late(w, v)
			got, err := w.desk.Window(w.ctx, w.as("mia"), v.ID)
			if err != nil || !got.Until.Equal(v.Until.Add(row.want)) {
				t.Errorf("it ends at %s, and was to end at %s and %s (%v)", got.Until, v.Until, row.want, err)
			}
			if live := w.live(v.ID); live != (row.want > 0) {
				t.Errorf("live: %t", live)
			}
		})
	}
}

func (w *world) mustPause(id policy.WindowID) {
	if _, err := w.desk.Pause(w.ctx, w.as("mia"), id, ""); err != nil {
		w.t.Fatalf("pause: %v", err)
	}
}

func (w *world) mustEnd(id policy.WindowID) {
	if _, err := w.desk.End(w.ctx, w.as("mia"), id, ""); err != nil {
		w.t.Fatalf("end: %v", err)
	}
}

// One window that may not open now keeps no other closed, and a certificate for
// one window does not start the clock of another.
func TestOpeningByUseIsForEachWindowAlone(t *testing.T) {
	w := newWorld(t, nil)
	var ids []policy.WindowID
	for range 3 {
		ids = append(ids, w.yes("sven", w.submit(on("chiller", "trend"))).Window)
	}
	wants(t, w.desk.OpenByUse(w.ctx, "ann", ids[1]), "")
	if w.state(ids[0]) != WindowAgreed || w.state(ids[1]) != WindowOpen || w.state(ids[2]) != WindowAgreed {
		t.Errorf("%s %s %s", w.state(ids[0]), w.state(ids[1]), w.state(ids[2]))
	}
	b, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Asset: "chiller", Why: "x"})
	wants(t, err, "")
	wants(t, w.desk.OpenByUse(w.ctx, "ann"), "blocked")
	if w.state(ids[0]) != WindowAgreed {
		t.Error("it opened in spite of the block")
	}
	wants(t, w.desk.Lift(w.ctx, w.as("mia"), b.ID, ""), "")
	wants(t, w.desk.OpenByUse(w.ctx, "ann"), "")
	if w.state(ids[0]) != WindowOpen || w.state(ids[2]) != WindowOpen {
		t.Errorf("%s %s", w.state(ids[0]), w.state(ids[2]))
	}
}

func TestABlockedWindowKeepsNoOtherClosed(t *testing.T) {
	w := newWorld(t, nil)
	first := w.yes("sven", w.submit(on("chiller", "trend"))).Window
	second := w.yes("sven", w.submit(on("chiller", "trend"), func(a *Ask) { a.People = []policy.PersonID{"ann", "bob"} })).Window
	_, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann", Why: "x"})
	wants(t, err, "")
	wants(t, w.desk.OpenByUse(w.ctx, "ann"), "blocked") // of the first: bob may use the second
	if w.state(first) != WindowAgreed || w.state(second) != WindowOpen {
		t.Errorf("%s %s", w.state(first), w.state(second))
	}
}

// What keeps a window that opens by itself is told, until it is gone.
func TestAutoSaysWhatKeepsIt(t *testing.T) {
	w := newWorld(t, nil)
	b, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann", Why: "x"})
	wants(t, err, "")
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask(on("historian", "reader")))
	wants(t, err, "blocked")
	wants(t, w.desk.Lift(w.ctx, w.as("mia"), b.ID, ""), "")
	r := w.submit(on("historian", "reader"))
	b, err = w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann", Why: "x"})
	wants(t, err, "")
	id := w.yes("sara", r).Window
	w.settle()
	if v, err := w.desk.Window(w.ctx, w.as("mia"), id); err != nil || v.State != WindowAgreed || !strings.Contains(v.Kept, "blocked") {
		t.Errorf("%+v %v", v, err)
	}
	wants(t, w.desk.Lift(w.ctx, w.as("mia"), b.ID, ""), "")
	w.settle()
	if v, err := w.desk.Window(w.ctx, w.as("mia"), id); err != nil || v.State != WindowOpen || v.Kept != "" {
		t.Errorf("%+v %v", v, err)
	}
}

// Whoever says a thing twice, or after somebody else, is told that it is so.
func TestAStepThatSomebodyTookAlready(t *testing.T) {
	for _, row := range []struct{ id, from, to, say string }{
		{"W-1", "closed", "closed", "W-1 is closed already. It is over: ask anew."},
		{"W-1", "closed", "open", "W-1 is closed; from there it cannot become open. It is over: ask anew."},
	} {
		if r, ok := errors.AsType[*policy.Refusal](illegal(row.id, row.from, row.to)); !ok || r.Say != row.say {
			t.Errorf("from %s to %s: %v", row.from, row.to, r)
		}
	}
}
