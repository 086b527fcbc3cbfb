package approvals

import (
	"testing"
	"testing/synctest"
	"time"

	"penstock/audit"
	"penstock/policy"
)

func (w *world) rights(id policy.WindowID) policy.Rights {
	f, err := w.desk.Facts(w.ctx, id, "ann")
	if err != nil {
		w.t.Fatalf("facts: %v", err)
	}
	return f.Window.Rights
}

func TestNarrow(t *testing.T) {
	w := newWorld(t, nil)
	id := w.open().ID
	narrow := func(by policy.PersonID, r policy.Rights) error {
		_, err := w.desk.Narrow(w.ctx, w.stale(by), id, r, "hands off")
		return err
	}
	wants(t, narrow("ann", policy.Look), "not-plant")
	wants(t, narrow("tom", policy.Look), "not-on-shift")
	wants(t, narrow("mia", policy.Look|policy.Copy|policy.Load), "not-narrower") // never wider than agreed
	if got := w.rights(id); got != policy.Look|policy.Copy {
		t.Fatalf("before: %s", got)
	}
	wants(t, narrow("mia", policy.Look), "")
	if told := w.stops.told(); told[len(told)-1] != "narrow "+string(id)+" to look" {
		t.Errorf("the broker was told: %v", told)
	}
	if got := w.rights(id); got != policy.Look {
		t.Fatalf("after: %s", got)
	}
	wants(t, narrow("max", policy.Look|policy.Copy), "not-narrower") // not back again
	w.restart()
	if got := w.rights(id); got != policy.Look {
		t.Fatalf("after a restart: %s", got)
	}
	_, err := w.desk.Narrow(w.ctx, w.as("mia"), "W-9", policy.Look, "")
	wants(t, err, "no-such-window")
	_, err = w.desk.End(w.ctx, w.as("mia"), id, "")
	wants(t, err, "")
	wants(t, narrow("mia", policy.Look), "illegal-step")
	w.verified()
	w.judge(t)

	w.finds(t, "narrowed to", func(_ *world, l *audit.Leaf) { // widened by hand
		if b, is := l.Body.(audit.WindowMoved); is && b.To == "narrowed" {
			b.Rights = []string{"look", "copy", "load"}
			l.Body = b
		}
	})
}

// It counts before a slow disk has it.
func TestNarrowWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, time.Now)
		id := w.open().ID
		w.log.busy, w.log.wait = make(chan struct{}, 1), make(chan struct{})
		done := make(chan error, 1)
		go func() {
			_, err := w.desk.Narrow(w.ctx, w.as("mia"), id, policy.Look, "")
			done <- err
		}()
		<-w.log.busy
		if got := w.rights(id); got != policy.Look {
			t.Errorf("while the disk writes: %s", got)
		}
		close(w.log.wait)
		wants(t, <-done, "")
	})
}
