package approvals

import (
	"slices"
	"testing"

	"penstock/audit"
)

// "Pause at 100 %" holds who may say it, pauses when the transfer is done, and is
// a cause that the verifier asks for.
func TestPauseAfterATransfer(t *testing.T) {
	w := newWorld(t, nil)
	id := w.open().ID
	_, err := w.desk.PauseAfter(w.ctx, w.stale("tom"), id, "")
	wants(t, err, "not-on-shift")
	_, err = w.desk.PauseAfter(w.ctx, w.as("ann"), id, "")
	wants(t, err, "not-plant")
	w.busy("upload of recipe.bin")
	v, err := w.desk.PauseAfter(w.ctx, w.stale("mia"), id, "comparison first")
	wants(t, err, "")
	w.settle()
	if v.State != WindowOpen || v.Pausing != "mia" || !slices.Equal(v.HalfDone, []string{"upload of recipe.bin"}) || w.state(id) != WindowOpen {
		t.Fatalf("while it is half done: %+v", v)
	}
	w.busy()
	w.settle()
	w.settle()
	v, err = w.desk.Window(w.ctx, w.as("ann"), id)
	wants(t, err, "")
	if v.State != WindowPaused || v.By != "mia" || v.Why != "comparison first" || v.Pausing != "" { // whose word it was, and why
		t.Fatalf("when it is done: %+v", v)
	}
	if b := w.newest(); b.To != "paused" || b.By != penstock || b.Why != "its transfer is done, as mia said" {
		t.Fatalf("the leaf: %+v", b)
	}
	_, err = w.desk.GoOn(w.ctx, w.as("mia"), id)
	wants(t, err, "")
	w.settle()
	if w.state(id) != WindowOpen {
		t.Fatalf("gone on: %s", w.state(id))
	}
	// Nothing is half done: it is a pause, by the person.
	v, err = w.desk.PauseAfter(w.ctx, w.stale("max"), id, "")
	wants(t, err, "")
	if v.State != WindowPaused || v.By != "max" {
		t.Fatalf("nothing half done: %+v", v)
	}
	_, err = w.desk.PauseAfter(w.ctx, w.stale("max"), id, "")
	wants(t, err, "illegal-step")
	w.verified()
	w.judge(t)
	w.finds(t, "nobody had said so for after a transfer", func(_ *world, l *audit.Leaf) {
		if b, is := l.Body.(audit.WindowMoved); is && b.To == "pausing" {
			b.To = "narrowed"
			l.Body = b
		}
	})
}
