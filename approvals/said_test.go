package approvals

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"penstock/approvals/people"
	"penstock/policy"
)

// reader is a Stopper that keeps what the vendor reads.
type reader struct {
	*stops
	mu   sync.Mutex
	said []string
}

func (r *reader) hears(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, text)
}

func (r *reader) Stop(w policy.WindowID, why error) {
	r.stops.Stop(w, why)
	r.hears(why.(*policy.Refusal).Say)
}
func (r *reader) Hold(w policy.WindowID, why string) { r.stops.Hold(w, why); r.hears(why) }
func (r *reader) Narrow(w policy.WindowID, x policy.Rights, why string) {
	r.stops.Narrow(w, x, why)
	r.hears(why)
}
func (r *reader) Block(b policy.Block, why error) {
	r.stops.Block(b, why)
	r.hears(why.(*policy.Refusal).Say)
}

// Who takes something is told to the vendor by name and team, with the control
// room's number; no account's name stands there, and nobody's own number.
func TestWhoTakesIsToldInThePlantsWords(t *testing.T) {
	text := edited(plantText, "shift:        {name: Shift}", "shift:        {name: Line 1 shift}")
	w := newWorldOf(t, nil, sync.OnceValue(func() *policy.Plant { return plantOf(text) }))
	r := &reader{stops: w.stops}
	w.desk.Stops(r)
	mia := w.as("mia")
	mia.Name = "Mia Voss"
	screen := people.Actor{Person: "panel-1", Plant: true, Kiosk: true}
	win := w.open()
	for _, take := range []func() error{
		func() error { _, err := w.desk.Pause(w.ctx, mia, win.ID, "guard door"); return err },
		func() error { _, err := w.desk.Pause(w.ctx, mia, win.ID, ""); return err },
		func() error { _, err := w.desk.Narrow(w.ctx, mia, win.ID, policy.Look, ""); return err },
		func() error {
			_, err := w.desk.Block(w.ctx, mia, policy.Block{Asset: "historian", Why: "CIP running"})
			return err
		},
		func() error { _, err := w.desk.Cut(w.ctx, mia, win.ID, "smoke"); return err },
	} {
		if err := take(); err != nil && rule(err) == "" {
			t.Fatal(err)
		}
	}
	who := "Mia Voss (Line 1 shift)"
	want := []string{
		"paused by " + who + ": guard door. Call the control room, +49 431 555 0100",
		"paused by " + who + ". Call the control room, +49 431 555 0100",
		"narrowed by " + who + " to: look",
		"Blocked by " + who + ": CIP running. Call the control room, +49 431 555 0100.",
		string(win.ID) + " cut by " + who + ": smoke. Before you ask again, call the control room, +49 431 555 0100",
	}
	if !slices.Equal(r.said, want) {
		t.Errorf("the vendor reads\n%s\nnot\n%s", strings.Join(r.said, "\n"), strings.Join(want, "\n"))
	}
	if said := w.desk.says(screen); said != "the control room" {
		t.Errorf("a screen is %q", said)
	}
	ann := w.as("ann")
	if ann.Name = "Ann Keller"; w.desk.says(ann) != "Ann Keller" {
		t.Errorf("who ends their own work is %q", w.desk.says(ann))
	}
}
