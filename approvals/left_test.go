package approvals

import (
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// What work leaves behind keeps its window from being closed until somebody of the
// plant says that it is gone; who says by when is held to it.
func TestLeftBehind(t *testing.T) {
	w := newWorld(t, nil)
	id := w.open().ID
	note := func(by people.Actor, what string, due time.Time) error {
		_, err := w.desk.NoteLeft(w.ctx, by, id, what, due)
		return err
	}
	soon := w.now().Add(2 * time.Hour)
	wants(t, note(w.stale("mia"), "", soon), "bad-text")
	wants(t, note(w.stale("tom"), "force on I 4.2", soon), "not-on-shift")
	wants(t, note(w.stale("eve"), "force on I 4.2", time.Time{}), "no-such-window")
	wants(t, note(w.stale("ann"), "force on I 4.2", soon), "not-plant")
	wants(t, note(w.stale("mia"), "force on I 4.2", w.now()), "bad-time")
	wants(t, note(w.stale("mia"), "force on I 4.2", w.now().Add(32*24*time.Hour)), "bad-time")
	wants(t, note(w.stale("ann"), "force on I 4.2", time.Time{}), "")
	_, err := w.desk.End(w.ctx, w.as("mia"), id, "")
	wants(t, err, "")
	wants(t, note(w.stale("mia"), "bridge at K3", soon), "")
	_, err = w.desk.HandBack(w.ctx, w.as("ann"), id, "Sensor offset.")
	wants(t, err, "")
	accept := func() error {
		_, err := w.desk.Accept(w.ctx, w.as("mia"), id)
		return err
	}
	wants(t, accept(), "left-behind")
	by := func(who policy.PersonID, n int, due time.Time) error {
		_, err := w.desk.LeftBy(w.ctx, w.stale(who), id, n, due)
		return err
	}
	gone := func(who policy.PersonID, n int) error {
		_, err := w.desk.LeftGone(w.ctx, w.stale(who), id, n)
		return err
	}
	wants(t, by("ann", 1, soon), "not-plant")
	wants(t, by("tom", 1, soon), "not-on-shift")
	wants(t, by("mia", 3, soon), "not-left")
	wants(t, by("mia", 1, w.now().Add(time.Hour)), "")
	wants(t, gone("ann", 1), "not-plant")

	// One hour: whoever said it is rung, once, and whoever is on duty.
	w.pass(time.Hour - time.Second)
	w.settle()
	if n := w.count("left.rang"); n != 0 {
		t.Fatalf("rung %d times before its time", n)
	}
	w.pass(time.Second)
	w.settle()
	w.settle()
	if n := w.count("left.rang"); n != 1 {
		t.Fatalf("rung %d times at its time", n)
	}
	rang := lastOf[audit.LeftRang](w)
	if rang.N != 1 || !strings.Contains(strings.Join(rang.People, " "), "max mia") {
		t.Errorf("rung: %+v", rang)
	}
	// Another time is another ringing.
	wants(t, by("max", 1, w.now().Add(30*time.Minute)), "")
	w.pass(30 * time.Minute)
	w.settle()
	if rang := lastOf[audit.LeftRang](w); w.count("left.rang") != 2 || rang.N != 1 {
		t.Errorf("rung %d times after the second time: %+v", w.count("left.rang"), rang)
	}
	wants(t, gone("mia", 1), "")
	wants(t, gone("mia", 1), "gone")
	wants(t, accept(), "left-behind") // the other one
	v, err := w.desk.Window(w.ctx, w.as("mia"), id)
	if err != nil || len(v.Left) != 2 || v.Left[0].What != "force on I 4.2" || v.Left[0].GoneBy != "mia" || v.Left[1].GoneBy != "" || v.Left[1].Late(w.now()) || !v.Left[1].Late(soon) {
		t.Fatalf("the window: %+v, %v", v.Left, err)
	}
	wants(t, gone("max", 2), "")
	w.pass(24 * time.Hour)
	w.settle()
	if n := w.count("left.rang"); n != 2 {
		t.Errorf("rung %d times: it was gone", n)
	}
	wants(t, accept(), "")
	wants(t, note(w.stale("mia"), "another", time.Time{}), "illegal-step")
	w.verified()
	w.judge(t)

	each := func(what string, change func(audit.Leaf) (audit.Body, string)) {
		w.finds(t, what, func(_ *world, l *audit.Leaf) {
			b, actor := change(*l)
			if b != nil {
				l.Body = b
			}
			if actor != "" {
				l.Actor = actor
			}
		})
	}
	first := func() func(bool) bool {
		done := false
		return func(is bool) bool { was := done; done = done || is; return is && !was }
	}
	once := first()
	each("was not gone", func(l audit.Leaf) (audit.Body, string) { // of the first, that it is gone is told of the second
		if b, is := l.Body.(audit.LeftGone); once(is) {
			b.N = 2
			return b, ""
		}
		return nil, ""
	})
	each("nobody of the plant", func(l audit.Leaf) (audit.Body, string) {
		if b, is := l.Body.(audit.LeftGone); is {
			b.By = "ann"
			return b, "ann"
		}
		return nil, ""
	})
	each("holds no role for it", func(l audit.Leaf) (audit.Body, string) {
		if b, is := l.Body.(audit.LeftDue); is {
			b.By = "tom"
			return b, "tom"
		}
		return nil, ""
	})
	each("said by when it must be gone", func(l audit.Leaf) (audit.Body, string) {
		if b, is := l.Body.(audit.LeftNoted); is && b.By == "ann" {
			b.Due = b.At.Add(time.Hour)
			return b, ""
		}
		return nil, ""
	})
	each("it must be gone by", func(l audit.Leaf) (audit.Body, string) { // rung for before its time
		if b, is := l.Body.(audit.LeftRang); is {
			b.At = b.Due.Add(-time.Minute)
			return b, ""
		}
		return nil, ""
	})
}

// lastOf is the newest leaf of a kind.
func lastOf[T audit.Body](w *world) (last T) {
	for _, l := range w.log.leaves() {
		if b, is := l.Body.(T); is {
			last = b
		}
	}
	return last
}

// Nobody was rung: the verifier sees it.
func TestLeftBehindUnrung(t *testing.T) {
	w := newWorld(t, nil)
	id := w.open(func(a *Ask) { a.Minutes = 240 }).ID
	_, err := w.desk.NoteLeft(w.ctx, w.stale("mia"), id, "force on I 4.2", w.now().Add(time.Hour))
	wants(t, err, "")
	w.pass(2 * time.Hour)
	_, err = w.desk.End(w.ctx, w.as("mia"), id, "")
	wants(t, err, "")
	w.pass(time.Minute) // no silence of the broker explains it
	_, err = w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "eve", Why: "x"})
	wants(t, err, "")
	all := func() []string {
		walk := evidence.NewWalk(w.docs)
		for _, leaf := range w.log.leaves() {
			walk.Leaf(w.ctx, leaf)
		}
		_, found := walk.Done(w.ctx)
		return found
	}
	says(t, all(), "nobody was rung")
	w.settle()
	says(t, all(), "")
	w.judge(t)
}
