package approvals

import (
	"strings"
	"testing"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// disable ends a person's access behind the Desk's back: their Actor is older.
func (w *world) disable(id policy.PersonID) {
	p, err := w.desk.roster.Person(w.ctx, id)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	w.commit("person/"+string(id), audit.Event{Subject: string(id), Rev: p.Rev + 1, Actor: "sara",
		Body: audit.PersonDisabled{Person: string(id), By: "sara", Why: "left"}})
}

// Taking looks at memory only, so it may be by somebody who was disabled a
// moment ago. The log that comes of it is an honest one.
func TestTakenByWhoWasDisabledMeanwhile(t *testing.T) {
	for _, row := range []struct {
		verb string
		who  policy.PersonID
		take func(w *world, by people.Actor) error
	}{
		{"pause", "mia", func(w *world, by people.Actor) error { _, err := w.desk.Pause(w.ctx, by, "W-1", ""); return err }},
		{"end", "mia", func(w *world, by people.Actor) error { _, err := w.desk.End(w.ctx, by, "W-1", ""); return err }},
		{"cut", "mia", func(w *world, by people.Actor) error { _, err := w.desk.Cut(w.ctx, by, "W-1", ""); return err }},
		{"the vendor ends", "ann", func(w *world, by people.Actor) error { _, err := w.desk.End(w.ctx, by, "W-1", ""); return err }},
		{"block", "mia", func(w *world, by people.Actor) error {
			_, err := w.desk.Block(w.ctx, by, policy.Block{Asset: "filler-plc"})
			return err
		}},
		{"withdraw", "ann", func(w *world, by people.Actor) error { return w.desk.Withdraw(w.ctx, by, "R-2", "") }},
	} {
		t.Run(row.verb, func(t *testing.T) {
			w := newWorld(t, nil)
			w.open()
			w.submit()
			by := w.as(row.who)
			w.disable(row.who)
			if err := row.take(w, by); err != nil {
				t.Fatal(err)
			}
			w.judge(t)
		})
	}
}

// A machine that stood still across a window's end, or whose clock jumped over
// it, ends the window late and says so; that is no forgery.
func TestTheMachineStandsStillAcrossTheEnd(t *testing.T) {
	w := newWorld(t, nil)
	win := w.open()
	w.pass(win.Until.Sub(w.now()) - time.Second)
	if _, err := w.desk.Pause(w.ctx, w.as("mia"), "W-1", ""); err != nil {
		t.Fatal(err)
	}
	w.pass(2 * time.Hour)
	w.settle()
	if got := w.state("W-1"); got != WindowEnded {
		t.Fatal(got)
	}
	w.judge(t)
}

// What a plant person types into a block must not bring the broker down.
func TestAHostileBlockIsRefusedBeforeItCounts(t *testing.T) {
	for name, b := range map[string]policy.Block{
		"a year that no document holds": {Person: "ann", Until: time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600))},
		"a name of 8 KiB":               {Person: policy.PersonID(strings.Repeat("a", 8<<10))},
		"a name that is not UTF-8":      {Firm: "\xff"},
		"an asset with a newline":       {Asset: "filler\nplc"},
		"a zone of control characters":  {Zone: "\x1b[2J"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.open()
			_, err := w.desk.Block(w.ctx, w.as("mia"), b)
			wants(t, err, "bad-block")
			if !w.live("W-1") {
				t.Error("one refused block stopped everything")
			}
			if told := w.stops.told(); len(told) > 0 {
				t.Error("it took effect:", told)
			}
		})
	}
}

// A vendor cannot fill the log with hand-backs.
func TestHandBacksAreBounded(t *testing.T) {
	w := newWorld(t, nil)
	w.open()
	if _, err := w.desk.Cut(w.ctx, w.as("mia"), "W-1", ""); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; n < 100; n++ {
		if _, err := w.desk.HandBack(w.ctx, w.as("ann"), "W-1", strings.Repeat("x", n+1)); err != nil {
			wants(t, err, "too-many-handbacks")
			break
		}
	}
	if n > 20 {
		t.Errorf("%d hand-backs of one window", n)
	}
	if _, err := w.desk.Accept(w.ctx, w.as("olaf"), "W-1"); err != nil {
		t.Fatal(err)
	}
	w.judge(t)
}
