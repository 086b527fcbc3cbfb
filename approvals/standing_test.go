package approvals

import (
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// trainedPlant asks for a training on line 1.
var trainedPlant = sync.OnceValue(func() *policy.Plant {
	text := plantText + "  - {name: trained, when: {zone: line-1}, training: [site-safety]}\n"
	return plantOf(text)
})

// What runs out is refused at the request, at the answer and at the door, each
// time by the rule and with what to do.
func TestWhatRunsOut(t *testing.T) {
	day := 24 * time.Hour
	for _, tc := range []struct {
		story, rule, says string
		prep              func(*world) // before anybody asks
		lapse             func(*world) // after the request
		mend              func(*world)
	}{
		{"terms that nobody accepted", "terms", "desk@… terms", func(w *world) { w.terms("No phones at the line.", 30) }, nil, func(w *world) { w.accept("ann") }},
		{"terms that changed", "terms", "accept them", nil, func(w *world) { w.terms("No phones, and no bags.", 30) }, func(w *world) { w.accept("ann") }},
		{"an acceptance that ran out", "terms", "has run out", func(w *world) { w.terms("x", 1); w.accept("ann") }, func(w *world) { w.pass(day) }, func(w *world) { w.accept("ann") }},
		{"a training that nobody wrote", "training", "site-safety, which you have not", func(w *world) { w.train("ann", time.Time{}) }, nil, func(w *world) { w.train("ann", w.now().Add(day)) }},
		{"a training that ran out", "training", "runs out", func(w *world) { w.train("ann", w.now().Add(day)) }, func(w *world) { w.pass(day) }, func(w *world) { w.train("ann", w.now().Add(day)) }},
		{"a contract", "firm-ended", "contract", func(w *world) { w.until(w.now().Add(day)) }, func(w *world) { w.pass(day) }, func(w *world) { w.until(time.Time{}) }},
	} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorldOf(t, nil, trainedPlant)
			w.train("ann", w.now().Add(300*day))
			if tc.prep != nil {
				tc.prep(w)
			}
			ask := func(a *Ask) { a.To = a.From.Add(2 * day) }
			if tc.lapse == nil {
				_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(ask))
				wants(t, err, tc.rule)
				if !strings.Contains(err.(*policy.Refusal).Say, tc.says) {
					t.Errorf("says %q", err.(*policy.Refusal).Say)
				}
				tc.mend(w)
				w.submit(ask)
				w.judge(t)
				return
			}
			r, agreed := w.submit(ask), w.yes("olaf", w.submit(ask))
			tc.lapse(w)
			_, err := w.say("olaf", r, evidence.Yes)
			if wants(t, err, tc.rule); !strings.Contains(err.(*policy.Refusal).Say, "ann could not work") || !strings.Contains(err.(*policy.Refusal).Say, tc.says) {
				t.Errorf("says %q", err.(*policy.Refusal).Say)
			}
			_, err = w.desk.Open(w.ctx, w.as("mia"), agreed.Window)
			wants(t, err, tc.rule)
			f, err := w.desk.Facts(w.ctx, agreed.Window, "ann")
			w.ok(err)
			f.Window.Live, f.Window.Until = true, w.now().Add(time.Hour)
			f.Window.From = w.now()
			source := f.Person.Networks[0].Addr()
			door := w.plant().Decide(f, policy.Query{Stage: policy.AtAdmit, Source: source}, w.now())
			if door.Allow || door.Rule != tc.rule {
				t.Errorf("at the door: %+v", door)
			}
			tc.mend(w)
			w.yes("olaf", r)
			_, err = w.desk.Open(w.ctx, w.as("mia"), agreed.Window)
			w.ok(err)
			w.judge(t)
		})
	}
}

// Whoever works with one of two who is fit may be agreed to: each is asked at the door.
func TestOneOfTwoIsFit(t *testing.T) {
	w := newWorldOf(t, nil, trainedPlant)
	w.train("ann", w.now().Add(time.Hour))
	w.train("bob", w.now().Add(48*time.Hour))
	r := w.submit(func(a *Ask) { a.People = []policy.PersonID{"ann", "bob"}; a.To = a.From.Add(24 * time.Hour) })
	w.pass(2 * time.Hour)
	w.yes("olaf", r)
	w.judge(t)
}

func (w *world) terms(text string, days int) {
	w.ok(w.folk.SetTerms(w.ctx, w.as("sara"), "krall", text, days))
}

func (w *world) accept(id policy.PersonID) {
	_, hash, err := w.folk.Terms(w.ctx, "krall")
	w.ok(err)
	_, err = w.folk.AcceptTerms(w.ctx, w.as(id), hash)
	w.ok(err)
}

func (w *world) train(id policy.PersonID, until time.Time) {
	p, err := w.folk.Person(w.ctx, id)
	w.ok(err)
	if until.IsZero() && len(p.Training) == 0 {
		return
	}
	w.ok(w.folk.NoteTraining(w.ctx, w.as("olaf"), id, "site-safety", until))
}

func (w *world) until(at time.Time) {
	f, err := w.folk.Firm(w.ctx, "krall")
	w.ok(err)
	f.Until = at
	w.ok(w.folk.SetFirm(w.ctx, w.as("sara"), f))
}

// What ends is told of at 30, 14 and 3 days and at its end, once each, whoever
// restarts; a new end begins anew.
func TestEndingsAreTold(t *testing.T) {
	w := newWorld(t, nil)
	day := 24 * time.Hour
	w.until(w.now().Add(40 * day))
	told := func() (days []int) {
		for _, leaf := range w.log.leaves() {
			if b, ok := leaf.Body.(audit.EndingTold); ok {
				days = append(days, b.Days)
			}
		}
		return days
	}
	next := time.Time{}
	look := func(pass time.Duration, want ...int) {
		t.Helper()
		w.pass(pass)
		w.restart()
		for range 2 {
			at, err := w.desk.settle(w.ctx, map[string]head{})
			w.ok(err)
			next = at
		}
		have := told()
		if len(have) != len(want) {
			t.Fatalf("told %v, want %v", have, want)
		}
		for i := range want {
			if have[i] != want[i] {
				t.Fatalf("told %v, want %v", have, want)
			}
		}
	}
	look(0)
	look(10*day, 30)
	if want := w.now().Add(16 * day); !next.Equal(want) {
		t.Errorf("the next look is at %s, want %s", next, want)
	}
	look(20*day, 30, 14)
	look(8*day, 30, 14, 3)
	look(3*day, 30, 14, 3, 0)
	w.until(w.now().Add(2 * day))
	look(time.Hour, 30, 14, 3, 0, 3)
	w.judge(t)
}
