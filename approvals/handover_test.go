package approvals

import (
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/policy"
)

func (w *world) offered(due time.Duration) Handover {
	h, err := w.desk.HandOver(w.ctx, w.stale("mia"), "shift", w.now().Add(due), "Alarm F-417 twice.")
	if err != nil {
		w.t.Fatalf("hand over: %v", err)
	}
	return h
}

func (w *world) count(kind string) (n int) {
	for _, leaf := range w.log.leaves() {
		if leaf.Body.Type() == kind {
			n++
		}
	}
	return n
}

func TestHandover(t *testing.T) {
	w := newWorld(t, nil)
	_, err := w.desk.HandOver(w.ctx, w.as("mia"), "shift", w.now(), "")
	wants(t, err, "nothing-open")
	running, over := w.open().ID, w.open().ID
	_, err = w.desk.End(w.ctx, w.as("mia"), over, "")
	wants(t, err, "")
	for who, want := range map[policy.PersonID]string{"ann": "not-plant", "tom": "not-on-shift", "sara": "not-on-shift"} {
		_, err := w.desk.HandOver(w.ctx, w.as(who), "shift", w.now(), "")
		wants(t, err, want)
	}
	_, err = w.desk.HandOver(w.ctx, w.as("mia"), "shift", w.now().Add(24*time.Hour), "")
	wants(t, err, "bad-time")
	h := w.offered(15 * time.Minute)
	if h.ID != "H-1" || len(h.Items) != 2 || h.Says != "Alarm F-417 twice." || h.Left() != 2 {
		t.Fatalf("offered: %+v", h)
	}
	_, err = w.desk.HandOver(w.ctx, w.as("max"), "shift", w.now(), "")
	wants(t, err, "handover-open")
	take := func(by policy.PersonID, ids ...policy.WindowID) error {
		_, err := w.desk.TakeOver(w.ctx, w.as(by), h.ID, ids)
		return err
	}
	wants(t, take("mia", running), "own-handover")
	wants(t, take("sara", running), "not-on-shift")
	wants(t, take("max"), "nothing-taken")
	wants(t, take("max", "W-9"), "not-in-handover")
	_, err = w.desk.TakeOver(w.ctx, w.stale("max"), h.ID, []policy.WindowID{running})
	wants(t, err, "code-needed")
	wants(t, take("max", running), "")
	wants(t, take("max", running), "nothing-taken") // a double tap changes nothing
	wants(t, take("max", running, over), "")
	if open, err := w.desk.Handovers(w.ctx, w.as("max")); err != nil || len(open) != 0 {
		t.Fatalf("taken, and open still: %+v, %v", open, err)
	}
	w.pass(40 * time.Minute)
	w.settle()
	if w.state(running) != WindowOpen || w.count("handover.rang") != 0 {
		t.Fatalf("taken in time: %s, rang %d times", w.state(running), w.count("handover.rang"))
	}
	w.verified()
	w.judge(t)
}

// T+10 rings once, T+20 pauses what nobody has taken, and it goes on only once
// somebody has. A transfer that is half done finishes first.
func TestHandoverIsLate(t *testing.T) {
	w := newWorld(t, nil)
	first, second := w.open(func(a *Ask) { a.Minutes = 240 }).ID, w.open(func(a *Ask) { a.Minutes = 240 }).ID
	h := w.offered(15 * time.Minute)
	if _, err := w.desk.TakeOver(w.ctx, w.as("max"), h.ID, []policy.WindowID{second}); err != nil {
		t.Fatal(err)
	}
	w.pass(25*time.Minute - time.Second)
	w.settle()
	if w.count("handover.rang") != 0 {
		t.Fatal("rung for too early")
	}
	w.pass(time.Second)
	w.settle()
	w.settle()
	if open, err := w.desk.Handovers(w.ctx, w.as("tom")); err != nil || w.count("handover.rang") != 1 || len(open) != 1 || !open[0].Rang {
		t.Fatalf("at T+10: %d, %+v, %v", w.count("handover.rang"), open, err)
	}
	w.busy("upload of recipe.bin")
	w.pass(10 * time.Minute)
	next, err := w.desk.settle(w.ctx, map[string]head{})
	if err != nil || w.state(first) != WindowOpen || next.Sub(w.now()) > transferLook {
		t.Fatalf("at T+20, in the middle of a transfer: %s, next look in %s, %v", w.state(first), next.Sub(w.now()), err)
	}
	w.busy()
	w.pass(transferLook)
	w.settle()
	if w.state(first) != WindowPaused || w.state(second) != WindowOpen || !strings.Contains(w.why(first), "H-1 was not taken") {
		t.Fatalf("after the transfer: %s (%q), taken one %s", w.state(first), w.why(first), w.state(second))
	}
	_, err = w.desk.GoOn(w.ctx, w.as("mia"), first)
	wants(t, err, "handover")
	if _, err := w.desk.TakeOver(w.ctx, w.as("max"), h.ID, []policy.WindowID{first}); err != nil {
		t.Fatal(err)
	}
	_, err = w.desk.GoOn(w.ctx, w.as("max"), first)
	wants(t, err, "")
	w.settle()
	if w.state(first) != WindowOpen {
		t.Fatalf("taken and gone on: %s", w.state(first))
	}
	w.verified()
	w.judge(t)

	for want, change := range map[string]func(audit.Leaf) audit.Body{
		"may not take over": func(l audit.Leaf) audit.Body {
			if b, is := l.Body.(audit.HandoverAccepted); is {
				b.By = "mia"
				return b
			}
			return l.Body
		},
		"no handover late": func(l audit.Leaf) audit.Body {
			if b, is := l.Body.(audit.HandoverOffered); is {
				b.Due = b.Due.Add(time.Hour)
				return b
			}
			return l.Body
		},
	} {
		w.finds(t, want, func(_ *world, l *audit.Leaf) { l.Body = change(*l) })
	}
}
