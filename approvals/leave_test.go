package approvals

import (
	"slices"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// One who works alone, one of two who work, one who agreed, one who watches:
// each leaves, and what they leave behind is what LeavingOf had said. The
// verifier's walk finds nothing wrong with it.
func TestLeaving(t *testing.T) {
	w := newWorld(t, nil)
	alone := w.open()
	both := w.open(func(a *Ask) { a.People = []policy.PersonID{"ann", "bob"} })
	ready := w.yes("olaf", w.submit()).Window
	waits := w.submit()

	l, err := w.desk.LeavingOf(w.ctx, w.as("olaf"), "ann")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.Ended, []policy.WindowID{alone.ID}) || !slices.Equal(l.Runs, []policy.WindowID{both.ID}) ||
		!slices.Equal(l.Unused, []policy.WindowID{ready}) || !slices.Equal(l.Withdrawn, []policy.RequestID{waits.ID}) {
		t.Fatalf("the preview says %+v", l)
	}
	w.stops.then = func() {
		if p, err := w.folk.Person(w.ctx, "ann"); err != nil || p.Disabled {
			t.Errorf("the row came before the effect: %+v %v", p, err)
		}
		w.stops.then = nil
	}
	if _, err := w.desk.Leave(w.ctx, w.stale("olaf"), "ann", "left the firm"); err != nil {
		t.Fatal(err)
	}
	if told := w.stops.told(); len(told) == 0 || !slices.Contains(told, "block ann") {
		t.Fatalf("the broker was told %q", told)
	}
	for id, want := range map[policy.WindowID]WindowState{alone.ID: WindowEnded, both.ID: WindowOpen, ready: WindowUnused} {
		if got := w.state(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	if r, err := w.desk.Request(w.ctx, w.as("olaf"), waits.ID); err != nil || r.State != RequestWithdrawn {
		t.Errorf("%s is %s: %v", waits.ID, r.State, err)
	}
	if f, err := w.desk.Facts(w.ctx, both.ID, "ann"); err != nil || !f.Person.Disabled {
		t.Errorf("facts of ann: %+v %v", f.Person, err)
	}
	w.judge(t)
}

// Whoever said yes and leaves agreed to nothing that is not open yet.
func TestTheYesOfALeaver(t *testing.T) {
	w := newWorld(t, nil)
	half := w.yes("olaf", w.submit(two)) // security is still to agree
	whole := w.yes("olaf", w.submit())
	runs := w.open()
	w.ok(w.desk.WriteRoster(w.ctx, w.as("sara"), "line-1-owner", 0, []evidence.Turn{
		{Person: "olaf", From: w.now(), To: w.now().Add(8 * time.Hour)}, {Person: "max", From: w.now(), To: w.now().Add(24 * time.Hour)}}))
	w.ok(w.desk.NameDeputy(w.ctx, w.as("olaf"), "line-1-owner", "tom", w.now(), w.now().Add(time.Hour)))

	l, err := w.desk.LeavingOf(w.ctx, w.as("sara"), "olaf")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(l.Answers, []policy.RequestID{half.ID}) || !slices.Equal(l.Unused, []policy.WindowID{whole.Window}) ||
		!slices.Equal(l.Rests, []policy.WindowID{runs.ID}) || len(l.Turns) != 1 || len(l.Deputies) != 1 || !slices.Equal(l.Sponsors, []policy.FirmID{"krall"}) {
		t.Fatalf("the preview says %+v", l)
	}
	if _, err := w.desk.Leave(w.ctx, w.as("sara"), "olaf", ""); err != nil {
		t.Fatal(err)
	}
	r, err := w.desk.Request(w.ctx, w.as("sara"), half.ID)
	if err != nil || r.State != RequestWaiting || len(r.Answers) != 0 || places(r.Needs) != 2 {
		t.Fatalf("%s: %+v %v", half.ID, r, err)
	}
	if got := w.state(runs.ID); got != WindowOpen {
		t.Errorf("%s is %s", runs.ID, got)
	}
	duty, err := w.desk.Duty(w.ctx)
	if err != nil || len(duty.Turns("line-1-owner")) != 1 || len(duty.Deputies("line-1-owner")) != 0 {
		t.Fatalf("turns %v, deputies %v: %v", duty.Turns("line-1-owner"), duty.Deputies("line-1-owner"), err)
	}
	w.yes("max", r) // the other owner's word is needed and counts
	w.judge(t)
}

// A crash after person.disabled leaves nothing standing: the next process ends it.
func TestACrashWhileSomebodyLeaves(t *testing.T) {
	w := newWorld(t, nil)
	win := w.open()
	w.ok(w.folk.Disable(w.ctx, w.as("olaf"), "ann", "left"))
	w.restart()
	w.settle()
	if got := w.state(win.ID); got != WindowEnded {
		t.Fatalf("%s is %s", win.ID, got)
	}
	w.judge(t)
}

func TestWhoMayEndWhoseAccess(t *testing.T) {
	w := newWorld(t, nil)
	for _, tc := range []struct {
		by, who policy.PersonID
		rule    string
	}{
		{"mia", "ann", "not-yours"}, {"olaf", "mia", "not-yours"}, {"olaf", "eve", "not-yours"}, {"ann", "bob", "plant-people-only"},
		{"sara", "nobody-of-that-name", "no-such-person"}, {"sven", "eve", ""}, {"sara", "mia", ""},
	} {
		_, err := w.desk.Leave(w.ctx, w.as(tc.by), tc.who, "x")
		wants(t, err, tc.rule)
		if tc.rule != "" && len(w.stops.told()) > 0 {
			t.Fatalf("%s on %s was refused, and the broker was told %q", tc.by, tc.who, w.stops.told())
		}
	}
	w.judge(t)
}

// A contract ends by a word, or by its date; a new end lets people in again.
func TestAContractEnds(t *testing.T) {
	w := newWorld(t, nil)
	win, waits := w.open(), w.submit()
	if _, err := w.desk.EndFirm(w.ctx, w.as("mia"), "krall", "x"); rule(err) != "not-yours" {
		t.Fatalf("the shift: %v", err)
	}
	l, err := w.desk.EndFirm(w.ctx, w.stale("olaf"), "krall", "contract ended today")
	if err != nil || !slices.Equal(l.People, []policy.PersonID{"ann", "bob"}) || !slices.Equal(l.Ended, []policy.WindowID{win.ID}) {
		t.Fatalf("%+v %v", l, err)
	}
	if r, _ := w.desk.Request(w.ctx, w.as("olaf"), waits.ID); w.state(win.ID) != WindowEnded || r.State != RequestWithdrawn {
		t.Fatalf("%s is %s, %s is %s", win.ID, w.state(win.ID), waits.ID, r.State)
	}
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask())
	wants(t, err, "firm-ended")

	f, err := w.folk.Firm(w.ctx, "krall")
	w.ok(err)
	f.Until = w.now().Add(30 * time.Minute)
	w.ok(w.folk.SetFirm(w.ctx, w.as("sara"), f))
	again := w.open(func(a *Ask) { a.Minutes = 20 })
	next, err := w.desk.settle(w.ctx, map[string]head{})
	if err != nil || next.After(f.Until) {
		t.Fatalf("the desk looks again at %s, the contract ends %s: %v", next, f.Until, err)
	}
	w.pass(19 * time.Minute)
	w.ok(w.folk.EndFirm(w.ctx, w.as("sara"), "krall", "earlier"))
	w.settle()
	if got := w.state(again.ID); got != WindowEnded {
		t.Fatalf("%s is %s after the end of the contract", again.ID, got)
	}
	w.judge(t)
}

// The yes of a leaver to a pattern, or to a change of the plant file, that still
// waits is taken back, and somebody else can give it; what stands is named.
func TestWhatALeaverSaidByDay(t *testing.T) {
	w := newWorldOf(t, nil, framedPlant)
	stands := w.pattern(t)
	waits, err := w.saysTo(w.propose(t, callout(func(a *PatternAsk) { a.Purpose = "Labels" })), "olaf", evidence.Yes)
	w.ok(err)
	l, err := w.desk.LeavingOf(w.ctx, w.as("sara"), "olaf")
	w.ok(err)
	if !slices.Equal(l.Said, []string{waits.ID}) || !slices.Equal(l.Stands, []string{stands.ID}) {
		t.Fatalf("the preview says %+v", l)
	}
	if _, err := w.desk.Leave(w.ctx, w.as("sara"), "olaf", "left"); err != nil {
		t.Fatal(err)
	}
	now, err := w.desk.Pattern(w.ctx, w.as("sara"), waits.ID)
	w.ok(err)
	if len(now.Answers) != 0 || now.State != PatternWaiting {
		t.Fatalf("%s %+v", now.State, now.Answers)
	}
	if now, err = w.saysTo(now, "sara", evidence.Yes); err != nil || now.State != PatternWaiting {
		t.Fatalf("security alone: %s %v", now.State, err)
	}
	if now, err = w.saysTo(now, "max", evidence.Yes); err != nil || now.State != PatternAgreed {
		t.Fatalf("and another owner: %s %v, left %v", now.State, err, now.Left)
	}
	w.judge(t)
}

func TestALeaversYesToThePlantFile(t *testing.T) {
	r := newRuled(t)
	c := r.says2(t, r.proposes(t, "sara", longer()), "olaf")
	if roleList(c.Left) != "1 × ot-security" {
		t.Fatal(roleList(c.Left))
	}
	if _, err := r.desk.Leave(r.ctx, r.as("sara"), "olaf", "left"); err != nil {
		t.Fatal(err)
	}
	c, err := r.desk.PlantChange(r.ctx, r.as("sara"), c.ID)
	if err != nil || roleList(c.Left) != "1 × line-1-owner and 1 × ot-security" {
		t.Fatalf("still needed: %s %v", roleList(c.Left), err)
	}
	r.says2(t, c, "sara", "max")
	wants(t, r.desk.ApplyPlant(r.ctx, r.as("sara"), c.ID, 0), "")
	r.judge(t)
}

// What Penstock may not do in a leaver's name, and the verifier finds.
func TestTheVerifierOnLeavers(t *testing.T) {
	for _, tc := range []struct {
		story, finds string
		do           func(*world)
	}{
		{"an answer of somebody who is here", "who has not left", func(w *world) {
			r := w.yes("olaf", w.submit(two))
			row, _ := w.desk.requestRow(w.ctx, r.ID)
			w.commit("request/"+string(r.ID), audit.Event{Subject: string(r.ID), Rev: row.row + 1, Actor: penstock, Body: audit.AnswerWithdrawn{Request: string(r.ID), Rev: 1, Person: "olaf"}})
		}},
		{"a request while nobody has left", "nobody has left", func(w *world) {
			r := w.submit()
			w.commit("request/"+string(r.ID), audit.Event{Subject: string(r.ID), Rev: 2, Actor: penstock, Body: audit.RequestWithdrawn{By: penstock}})
		}},
		{"turns of somebody who is here", "who has not left", func(w *world) {
			w.ok(w.desk.AddTurn(w.ctx, w.as("sara"), "shift", evidence.Turn{Person: "mia", From: w.now(), To: w.now().Add(time.Hour)}))
			h, err := w.desk.keepRoster(w.ctx, evidence.Roster{V: 1, Team: "shift", Turns: []evidence.Turn{}})
			w.ok(err)
			w.commit("roster/shift", audit.Event{Subject: "shift", Rev: 2, Actor: penstock, Body: audit.RosterWritten{Team: "shift", Document: h, By: penstock, At: w.now()}})
		}},
		{"the yes of somebody who is here to a pattern", "who has not left", func(w *world) {
			p := w.propose(w.t.(testing.TB), callout())
			_, err := w.saysTo(p, "olaf", evidence.Yes)
			w.ok(err)
			w.commit("pattern/"+p.ID, audit.Event{Subject: p.ID, Rev: 3, Actor: penstock, Body: audit.AnswerWithdrawn{Request: p.ID, Person: "olaf"}})
		}},
		{"a pattern by the yes of a leaver", "rests on the yes of olaf, who had left", func(w *world) {
			p := w.propose(w.t.(testing.TB), callout())
			p, err := w.saysTo(p, "olaf", evidence.Yes)
			w.ok(err)
			w.ok(w.folk.Disable(w.ctx, w.as("sara"), "olaf", "left"))
			w.pass(time.Minute)
			row, err := w.desk.patternRow(w.ctx, p.ID)
			w.ok(err)
			all, err := w.desk.patternAnswers(w.ctx, row)
			w.ok(err)
			w.commit("pattern/"+p.ID, audit.Event{Subject: p.ID, Rev: row.row + 1, Actor: penstock, Body: audit.PatternMoved{Pattern: p.ID, To: "agreed", By: penstock, Answers: []string{all[0].given.Leaf.String()}, At: w.now()}})
		}},
		{"a window opened by the yes of a leaver", "left", func(w *world) {
			win := w.yes("olaf", w.submit()).Window
			w.ok(w.folk.Disable(w.ctx, w.as("sara"), "olaf", "left"))
			w.pass(time.Minute)
			row, err := w.desk.windowRow(w.ctx, win)
			w.ok(err)
			w.commit("window/"+string(win), audit.Event{Subject: string(win), Rev: row.row + 1, Actor: "mia", Body: audit.WindowMoved{Window: string(win), To: "opened", By: "mia", At: w.now(), Until: w.now().Add(time.Hour)}})
		}},
		{"a firm's contract by a vendor", "nobody of the plant", func(w *world) {
			w.commit("firm/krall", audit.Event{Subject: "krall", Rev: 2, Actor: "ann", Body: audit.FirmEnded{Firm: "krall", By: "ann", At: w.now()}})
		}},
	} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorldOf(t, nil, framedPlant)
			tc.do(w)
			says(t, w.verify(), tc.finds)
		})
	}
}

func (w *world) ok(err error) {
	if err != nil {
		w.t.Fatalf("%v", err)
	}
}

// What would end with somebody is looked for among what is not over: years of closed
// work cost a page nothing, and what is revised or asked anew is found all the same.
func TestLeavingReadsWhatIsNotOver(t *testing.T) {
	w := newWorld(t, nil)
	closed := w.open()
	_, err := w.desk.Cut(w.ctx, w.as("mia"), closed.ID, "")
	wants(t, err, "")
	_, err = w.desk.HandBack(w.ctx, w.as("ann"), closed.ID, "nothing")
	wants(t, err, "")
	_, err = w.desk.Accept(w.ctx, w.as("olaf"), closed.ID)
	wants(t, err, "")
	refused, err := w.say("olaf", w.submit(), evidence.No)
	wants(t, err, "")
	agreed := w.yes("olaf", w.submit())
	look := func() Leaving {
		l, err := w.desk.LeavingOf(w.ctx, w.as("olaf"), "ann")
		wants(t, err, "")
		return l
	}
	look()
	if l := look(); len(l.Unused) != 1 || l.Unused[0] != agreed.Window || len(l.Withdrawn) != 0 {
		t.Errorf("%+v", l)
	}
	living := append(w.desk.heads.living("request/"), w.desk.heads.living("window/")...)
	if want := []string{requestKey(agreed.ID), windowKey(agreed.Window)}; !slices.Equal(living, want) {
		t.Errorf("looked through %q, not %q; %s was refused", living, want, refused.ID)
	}
	again, err := w.desk.Revise(w.ctx, w.as("ann"), agreed.ID, w.ask())
	wants(t, err, "")
	look()
	if l := look(); len(l.Unused) != 0 || !slices.Equal(l.Withdrawn, []policy.RequestID{again.ID}) {
		t.Errorf("revised: %+v", l)
	}
}
