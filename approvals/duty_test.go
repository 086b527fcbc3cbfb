package approvals

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

func turn(who string, from, to time.Duration) evidence.Turn {
	return evidence.Turn{Person: who, From: start.Add(from), To: start.Add(to)}
}

// roster writes one by olaf, who owns the line whose shift it is.
func (w *world) roster(t testing.TB, team policy.Role, turns ...evidence.Turn) {
	t.Helper()
	by := policy.PersonID("olaf")
	if team == "ot-security" {
		by = "sara"
	}
	if err := w.desk.WriteRoster(w.ctx, w.as(by), team, 0, turns); err != nil {
		t.Fatalf("roster: %v", err)
	}
}

// The roster decides who opens: by the minute, also for somebody who signed in
// while on duty, and the verifier says the same.
func TestRosterOpens(t *testing.T) {
	w := newWorld(t, nil)
	w.roster(t, "shift", turn("mia", 0, time.Hour), turn("max", time.Hour, 2*time.Hour))
	r := w.yes("olaf", w.submit())
	max := w.as("max")
	_, err := w.desk.Open(w.ctx, max, r.Window)
	wants(t, err, "off-duty")
	w.pass(time.Hour - time.Second)
	mia := w.as("mia")
	if _, err := w.desk.Open(w.ctx, mia, r.Window); err != nil {
		t.Fatalf("mia in her last second: %v", err)
	}
	if _, err := w.desk.Pause(w.ctx, mia, r.Window, "look"); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Second)
	mia.At, mia.Step = w.now(), w.now().Unix()/30
	_, err = w.desk.GoOn(w.ctx, mia, r.Window)
	wants(t, err, "off-duty")
	if _, err := w.desk.Cut(w.ctx, mia, r.Window, "off duty, and it burns"); err != nil {
		t.Fatalf("taking asks no roster: %v", err)
	}
	w.judge(t)
}

// A hole: nobody counts, the log says that nobody was asked, and without a
// roster everybody counts again.
func TestRosterHole(t *testing.T) {
	w := newWorld(t, nil)
	w.roster(t, "line-1-owner", turn("olaf", 2*time.Hour, 3*time.Hour))
	r := w.submit()
	last := w.log.leaves()[len(w.log.leaves())-1].Body.(audit.PersonAsked)
	if last.Role != "line-1-owner" || len(last.People) != 0 {
		t.Errorf("asked: %+v, and nobody is on duty", last)
	}
	_, err := w.say("olaf", r, evidence.Yes)
	wants(t, err, "off-duty")
	_, err = w.say("olaf", r, evidence.No)
	wants(t, err, "off-duty")
	duty, err := w.desk.Duty(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if next, ok := duty.Next("line-1-owner", w.now()); !ok || next.Person != "olaf" || len(duty.On("line-1-owner", w.now())) != 0 {
		t.Errorf("next %+v, on %v", next, duty.On("line-1-owner", w.now()))
	}
	if err := w.desk.WriteRoster(w.ctx, w.as("sara"), "line-1-owner", 0, nil); err != nil {
		t.Fatal(err)
	}
	w.yes("max", r)
	w.judge(t)
}

// A deputy's word counts in place of the other's, once, until its end.
func TestDeputy(t *testing.T) {
	w := newWorld(t, nil)
	name := func(by, who policy.PersonID, until time.Duration) error {
		return w.desk.NameDeputy(w.ctx, w.as(by), "ot-security", who, w.now(), w.now().Add(until))
	}
	wants(t, name("sara", "sara", time.Hour), "own-deputy")
	wants(t, name("mia", "tom", time.Hour), "not-yours")
	wants(t, name("sara", "ann", time.Hour), "no-such-person")
	wants(t, name("sara", "tom", evidence.MaxDeputy+time.Second), "bad-time")
	wants(t, w.desk.NameDeputy(w.ctx, w.stale("sara"), "ot-security", "tom", w.now(), w.now().Add(time.Hour)), "code-needed")
	wants(t, name("sara", "tom", time.Hour), "")
	r := w.submit(two)
	_, err := w.say("sara", r, evidence.Yes)
	wants(t, err, "deputy-stands-in")
	r = w.yes("tom", r)
	r = w.yes("olaf", r)
	if r.State != RequestAgreed {
		t.Fatalf("tom for sara and olaf: %s", r.State)
	}
	w.pass(time.Hour)
	r2 := w.submit(two)
	_, err = w.say("tom", r2, evidence.Yes)
	wants(t, err, "not-asked")
	w.yes("sara", r2)
	w.judge(t)
}

// A deputy of somebody who lost the role, or is off duty, is nobody; and a
// deputy ends at once by either word.
func TestDeputyFalls(t *testing.T) {
	w := newWorld(t, nil)
	until := w.now().Add(24 * time.Hour)
	counts := func(who policy.PersonID) []policy.Role {
		d, err := w.desk.Duty(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		return d.Counts(who, w.now())
	}
	wants(t, w.desk.NameDeputy(w.ctx, w.as("mia"), "shift", "tom", w.now(), until), "")
	if got := counts("tom"); !slices.Equal(got, []policy.Role{"shift"}) {
		t.Fatalf("tom counts as %v", got)
	}
	if got := counts("mia"); len(got) != 0 {
		t.Errorf("mia counts as %v while tom stands in", got)
	}
	w.roster(t, "shift", turn("max", 0, time.Hour))
	if got := counts("tom"); len(got) != 0 {
		t.Errorf("mia is off duty, and tom counts as %v", got)
	}
	w.roster(t, "shift", turn("mia", 0, time.Hour))
	wants(t, w.desk.EndDeputy(w.ctx, w.as("olaf"), "shift", "mia", "tom"), "not-yours")
	wants(t, w.desk.EndDeputy(w.ctx, w.stale("tom"), "shift", "mia", "tom"), "")
	wants(t, w.desk.EndDeputy(w.ctx, w.as("tom"), "shift", "mia", "tom"), "no-such-deputy")
	if got := counts("tom"); len(got) != 0 {
		t.Errorf("it was ended, and tom counts as %v", got)
	}
	w.judge(t)
}

func TestWhoWritesRoster(t *testing.T) {
	w := newWorld(t, nil)
	write := func(by policy.PersonID, team policy.Role, turns ...evidence.Turn) error {
		return w.desk.WriteRoster(w.ctx, w.as(by), team, 0, turns)
	}
	ok := turn("mia", 0, time.Hour)
	wants(t, write("mia", "shift", ok), "not-yours")
	wants(t, write("ann", "shift", ok), "not-plant")
	wants(t, w.desk.WriteRoster(w.ctx, w.stale("olaf"), "shift", 0, []evidence.Turn{ok}), "code-needed")
	wants(t, write("olaf", "moon", ok), "no-such-team")
	wants(t, write("olaf", "it-network", ok), "not-yours")
	wants(t, write("olaf", "shift", turn("tom", 0, time.Hour)), "not-in-team")
	wants(t, write("olaf", "shift", turn("ann", 0, time.Hour)), "no-such-person")
	wants(t, write("olaf", "shift", turn("mia", time.Hour, 0)), "bad-roster")
	wants(t, write("olaf", "shift", turn("mia", 0, evidence.MaxTurn+time.Second)), "bad-roster")
	wants(t, write("olaf", "shift", slices.Repeat([]evidence.Turn{}, 0)...), "")
	wants(t, w.desk.WriteRoster(w.ctx, w.as("olaf"), "shift", 7, []evidence.Turn{ok}), "stale-roster")
	wants(t, w.desk.AddTurn(w.ctx, w.as("olaf"), "shift", ok), "")
	wants(t, w.desk.DropTurn(w.ctx, w.as("olaf"), "shift", turn("mia", 0, 2*time.Hour)), "no-such-turn")
	wants(t, w.desk.DropTurn(w.ctx, w.as("olaf"), "shift", ok), "")
	w.judge(t)
}

// A yes that was decided on a roster which changed meanwhile is decided anew.
func TestRosterChangesMeanwhile(t *testing.T) {
	w := newWorld(t, nil)
	w.roster(t, "line-1-owner", turn("olaf", 0, time.Hour))
	r := w.submit()
	p, err := w.desk.presentPlant(w.ctx, w.as("olaf"))
	if err != nil {
		t.Fatal(err)
	}
	w.roster(t, "line-1-owner", turn("max", 0, time.Hour))
	body := audit.AnswerGiven{Request: string(r.ID), Rev: 1, Person: "olaf", Firm: "fjord", Roles: words(p.Roles), Says: evidence.Yes}
	row, err := w.desk.requestRow(w.ctx, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.desk.commit(context.Background(), requestKey(r.ID), row.row+1, "olaf", body, p); err == nil {
		t.Fatal("a yes on a roster that is not in force any more was written")
	}
}

// A row of a roster that somebody edits by hand lets nobody in.
func TestRosterEdited(t *testing.T) {
	w := newWorld(t, nil)
	w.roster(t, "line-1-owner", turn("max", 0, time.Hour))
	r := w.submit()
	row, err := w.store.Memory.Get(w.ctx, "roster/line-1-owner")
	if err != nil {
		t.Fatal(err)
	}
	row.Value = []byte(`{"team":"line-1-owner"}`)
	w.store.hand["roster/line-1-owner"] = row
	_, err = w.say("olaf", r, evidence.Yes)
	wants(t, err, "row-differs")
}

// Two of any: a team of teams in the plan, each human once, and the verifier agrees.
func TestTwoOfAny(t *testing.T) {
	w := newWorld(t, nil)
	text := edited(plantText, "  it-network:   {name: IT network}\n", "  it-network:   {name: IT network}\n  either: {name: Either, any: [line-1-owner, it-network]}\n")
	text = strings.Replace(text, "right: [look, copy]},    plan: [owner], ", "right: [look, copy]},    plan: [{either: 2}], ", 1)
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	w.desk.plant = func() *policy.Plant { return p }
	if _, err := w.log.Append(w.ctx, audit.Event{Subject: "plant", Actor: penstock, Body: audit.ConfigChanged{Kind: "plant", Document: w.put(p.Document())}}); err != nil {
		t.Fatal(err)
	}
	r := w.submit()
	if len(r.Needs) != 1 || r.Needs[0].Role != "either" || r.Needs[0].Count != 2 {
		t.Fatalf("%+v", r.Needs)
	}
	_, err := w.say("sara", r, evidence.Yes)
	wants(t, err, "not-asked")
	r = w.yes("max", r)
	if r.State != RequestWaiting {
		t.Fatalf("one of two: %s", r.State)
	}
	if r = w.yes("ida", r); r.State != RequestAgreed {
		t.Fatalf("an owner and one of IT: %s", r.State)
	}
	w.verified()
	wants(t, w.desk.WriteRoster(w.ctx, w.as("sara"), "either", 0, nil), "no-such-team")
}
