package approvals

import (
	"context"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
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

// meanwhile does something else once, between the decision of a verb and its event.
type meanwhile struct {
	documents
	roster
	do func()
}

func (m *meanwhile) once() {
	if do := m.do; do != nil {
		m.do = nil
		do()
	}
}

func (m *meanwhile) Put(ctx context.Context, b []byte) (audit.Hash, error) {
	h, err := m.documents.Put(ctx, b)
	m.once()
	return h, err
}

func (m *meanwhile) Facts(ctx context.Context, id policy.PersonID) (policy.PersonFacts, error) {
	f, err := m.roster.Facts(ctx, id)
	m.once()
	return f, err
}

// Somebody who is disabled, or loses the role, in the moment between the look
// at their rights and the event gives nothing any more.
func TestRightsLostInTheLastMoment(t *testing.T) {
	demote := func(id policy.PersonID) func(w *world) {
		return func(w *world) {
			p, err := w.desk.roster.Person(w.ctx, id)
			if err != nil {
				w.t.Fatalf("%v", err)
			}
			w.commit("person/"+string(id), audit.Event{Subject: string(id), Rev: p.Rev + 1, Actor: "sara",
				Body: audit.PersonChanged{Person: string(id), Firm: "fjord", Name: string(id), By: "sara"}})
		}
	}
	disabled := func(id policy.PersonID) func(w *world) { return func(w *world) { w.disable(id) } }
	for _, row := range []struct {
		story  string
		before func(w *world)
		do     func(w *world)
		verb   func(w *world) error
		want   string
	}{
		{"a yes of somebody disabled", func(w *world) { w.submit() }, disabled("olaf"), func(w *world) error {
			return w.yesErr("olaf", "R-1")
		}, "not-active"},
		{"a yes of somebody who lost the role", func(w *world) { w.submit() }, demote("olaf"), func(w *world) error {
			return w.yesErr("olaf", "R-1")
		}, "not-asked"},
		{"a request of somebody disabled", func(*world) {}, disabled("ann"), func(w *world) error {
			_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask())
			return err
		}, "not-active"},
		{"a request for somebody disabled", func(*world) {}, disabled("ann"), func(w *world) error {
			_, err := w.desk.Submit(w.ctx, w.as("bob"), w.ask(func(a *Ask) { a.People = []policy.PersonID{"ann", "bob"} }))
			return err
		}, "no-such-person"},
		{"opened by somebody who lost the role", func(w *world) { w.yes("olaf", w.submit()) }, demote("mia"), func(w *world) error {
			_, err := w.desk.Open(w.ctx, w.as("mia"), "W-1")
			return err
		}, "not-on-shift"},
		{"extended by somebody disabled", func(w *world) { w.open() }, disabled("mia"), func(w *world) error {
			_, err := w.desk.Extend(w.ctx, w.as("mia"), "W-1", w.now().Add(2*time.Hour))
			return err
		}, "not-active"},
		{"opened by the use of somebody disabled", func(w *world) {
			w.yesErr("sven", w.submit(on("chiller", "trend")).ID)
		}, disabled("ann"), func(w *world) error {
			if err := w.desk.OpenByUse(w.ctx, "ann"); err != nil {
				return err
			}
			if got := w.state("W-1"); got != WindowAgreed {
				w.t.Fatalf("it is %s", got)
			}
			return nil
		}, ""},
	} {
		t.Run(row.story, func(t *testing.T) {
			w := newWorld(t, nil)
			row.before(w)
			m := &meanwhile{documents: w.desk.docs, roster: w.desk.roster, do: func() { row.do(w) }}
			w.desk.docs, w.desk.roster = m, m
			wants(t, row.verb(w), row.want)
			if m.do != nil {
				t.Fatal("nothing happened meanwhile")
			}
			w.judge(t)
		})
	}
}

func (w *world) yesErr(id policy.PersonID, r policy.RequestID) error {
	now, err := w.desk.Request(w.ctx, w.as("sara"), r)
	if err == nil {
		_, err = w.say(id, now, evidence.Yes)
	}
	return err
}

// A lost phone's code counts for nothing from the moment that its generator was
// taken away, though the sign-in with it is younger than five minutes.
func TestACodeOfAGeneratorThatWasTakenAway(t *testing.T) {
	for verb, do := range map[string]func(w *world, by func(policy.PersonID) people.Actor) error{
		"yes": func(w *world, by func(policy.PersonID) people.Actor) error {
			r := w.submit()
			_, err := w.desk.Answer(w.ctx, by("olaf"), r.ID, r.Hash, Reply{Says: evidence.Yes})
			return err
		},
		"open": func(w *world, by func(policy.PersonID) people.Actor) error {
			w.yes("olaf", w.submit())
			_, err := w.desk.Open(w.ctx, by("mia"), "W-1")
			return err
		},
		"extend": func(w *world, by func(policy.PersonID) people.Actor) error {
			w.open()
			_, err := w.desk.Extend(w.ctx, by("mia"), "W-1", w.now().Add(2*time.Hour))
			return err
		},
		"lift": func(w *world, by func(policy.PersonID) people.Actor) error {
			if _, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Asset: "historian"}); err != nil {
				return err
			}
			return w.desk.Lift(w.ctx, by("mia"), "B-1", "")
		},
	} {
		t.Run(verb, func(t *testing.T) {
			w := newWorld(t, nil)
			wants(t, do(w, func(id policy.PersonID) people.Actor {
				a := w.as(id)
				p, err := w.desk.roster.Person(w.ctx, id)
				if err != nil {
					t.Fatal(err)
				}
				w.commit("person/"+string(id), audit.Event{Subject: string(id), Rev: p.Rev + 1, Actor: "sara",
					Body: audit.KeyRemoved{Person: string(id), Key: "totp", By: "sara"}})
				return a
			}), "no-code-generator")
			w.judge(t)
		})
	}
}
