package approvals

import (
	"slices"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// reviewedPlant has access reviewed every 90 days, within 14.
var reviewedPlant = sync.OnceValue(func() *policy.Plant {
	return plantOf(plantText + "access_reviews: {every: 90d, within: 14d}\n")
})

const day = 24 * time.Hour

func (w *world) access(scope string) people.Access {
	a, ok, err := w.folk.Access(w.ctx, scope)
	w.ok(err)
	if !ok {
		w.t.Fatalf("no access review of %s", scope)
	}
	return a
}

// The whole way: lists come by the clock, one for each firm and role; whom nobody
// confirms is kept out by rule, in the door and in what they have to say; taking
// goes on; a word lets them in again; and no new list gives anybody time.
func TestAccessReviews(t *testing.T) {
	w := newWorldOf(t, nil, reviewedPlant)
	if _, err := w.log.Append(w.ctx, audit.Event{Subject: "ann", Actor: "ann", Body: audit.LoginOK{Person: "ann", Proofs: []string{"ssh"}, Source: "198.51.100.7"}}); err != nil {
		t.Fatal(err)
	}
	next, err := w.desk.settle(w.ctx, map[string]head{})
	w.ok(err)
	if want := start.Add(90 * day); !next.Equal(want) {
		t.Fatalf("the desk looks again at %s, the first lists come %s", next, want)
	}
	w.pass(90 * day)
	w.settle()
	w.settle()
	all, err := w.folk.AccessReviews(w.ctx)
	w.ok(err)
	if len(all) != 7 { // two firms, five roles
		t.Fatalf("%d lists: %+v", len(all), all)
	}
	krall := w.access("firm/krall")
	list, err := w.desk.AccessList(w.ctx, krall.Document)
	w.ok(err)
	if len(list.Lines) != 2 || list.Lines[0].Person != "ann" || !list.Lines[0].Used.Equal(start) || !list.Lines[1].Used.IsZero() || !list.Due.Equal(w.now().Add(14*day)) {
		t.Fatalf("the list: %+v", list)
	}
	keep := func(by policy.PersonID, scope string, ids ...policy.PersonID) error {
		return w.desk.SignAccess(w.ctx, w.as(by), scope, w.access(scope).Document, ids, nil)
	}
	w.ok(keep("olaf", "firm/krall", "ann"))
	w.ok(keep("sven", "role/shift", "mia"))
	win := w.open(func(a *Ask) { a.Minutes = 480; a.People = []policy.PersonID{"ann", "bob"}; a.To = a.From.Add(13 * day) })
	f, err := w.desk.Facts(w.ctx, win.ID, "bob")
	w.ok(err)
	q := policy.Query{Stage: policy.AtAdmit, Source: f.Person.Networks[0].Addr()}
	if d := w.plant().Decide(f, q, w.now()); !d.Allow {
		t.Fatalf("before the day bob is refused: %+v", d)
	} else if d = w.plant().Decide(f, q, w.now().Add(14*day)); d.Allow {
		t.Fatalf("on the day bob is let in: %+v", d)
	}
	_, err = w.desk.End(w.ctx, w.as("mia"), win.ID, "done")
	w.ok(err)

	w.pass(14 * day)
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask(func(a *Ask) { a.People = []policy.PersonID{"bob"} }))
	wants(t, err, "access-review")
	r := w.submit() // ann was confirmed
	_, err = w.say("olaf", r, evidence.Yes)
	wants(t, err, "access-review") // nobody confirmed the owners
	for _, says := range []string{evidence.No} {
		if _, err := w.say("max", r, says); rule(err) != "access-review" && rule(err) != "not-asked" {
			t.Fatalf("max says %s: %v", says, err)
		}
	}
	if _, err := w.desk.Block(w.ctx, w.as("olaf"), policy.Block{Firm: "polar", Why: "taking goes on"}); err != nil {
		t.Fatal(err)
	}
	w.ok(keep("sara", "role/line-1-owner", "olaf"))
	w.yes("olaf", r)
	w.ok(keep("sara", "firm/krall", "bob"))
	w.submit(func(a *Ask) { a.People = []policy.PersonID{"bob"} })

	w.pass(90 * day)
	w.settle()
	if a := w.access("firm/krall"); a.At.Equal(krall.At) || len(a.Open) != 2 {
		t.Errorf("no new list after all was signed: %+v", a)
	}
	if a := w.access("role/line-1-owner"); !a.At.Equal(krall.At) || !slices.Equal(a.Open, []string{"max"}) {
		t.Errorf("a new list gives max time, whom nobody has confirmed: %+v", a)
	}
	w.judge(t)
}

// Who ends on a list has left, or lost the role, before the word is written.
func TestEndingsOfAnAccessReview(t *testing.T) {
	w := newWorldOf(t, nil, reviewedPlant)
	win := w.open()
	w.ok(w.desk.BeginAccess(w.ctx, w.as("olaf"), "firm/krall"))
	w.ok(w.desk.BeginAccess(w.ctx, w.as("sara"), "role/shift"))
	w.ok(w.desk.SignAccess(w.ctx, w.as("olaf"), "firm/krall", w.access("firm/krall").Document, []policy.PersonID{"bob"}, []policy.PersonID{"ann"}))
	if p, _ := w.folk.Person(w.ctx, "ann"); !p.Disabled || w.state(win.ID) != WindowEnded {
		t.Errorf("ann: %+v, her window is %s", p, w.state(win.ID))
	}
	w.ok(w.desk.SignAccess(w.ctx, w.as("sara"), "role/shift", w.access("role/shift").Document, []policy.PersonID{"mia"}, []policy.PersonID{"max"}))
	if p, _ := w.folk.Person(w.ctx, "max"); p.Has("shift") || !p.Has("line-1-owner") {
		t.Errorf("max holds %q", p.Roles)
	}
	if a := w.access("role/shift"); len(a.Open) != 0 || len(a.Signed) != 1 {
		t.Errorf("%+v", a)
	}
	w.judge(t)
}

func TestWhoSignsAnAccessReview(t *testing.T) {
	w := newWorldOf(t, nil, reviewedPlant)
	for _, scope := range []string{"firm/krall", "role/shift", "role/ot-security"} {
		w.ok(w.desk.BeginAccess(w.ctx, w.as("sara"), scope))
	}
	krall, sec := w.access("firm/krall").Document, w.access("role/ot-security").Document
	for _, tc := range []struct {
		story     string
		by        people.Actor
		scope     string
		document  audit.Hash
		keep, end []policy.PersonID
		rule      string
	}{
		{story: "the shift", by: w.as("mia"), scope: "firm/krall", document: krall, keep: []policy.PersonID{"ann"}, rule: "not-yours"},
		{story: "another firm's sponsor who is of no security", by: w.as("olaf"), scope: "firm/polar", document: krall, keep: []policy.PersonID{"eve"}, rule: "not-yours"},
		{story: "a vendor", by: w.as("bob"), scope: "firm/krall", document: krall, keep: []policy.PersonID{"ann"}, rule: "plant-people-only"},
		{story: "without a code", by: w.stale("olaf"), scope: "firm/krall", document: krall, keep: []policy.PersonID{"ann"}, rule: "code-needed"},
		{story: "an older list", by: w.as("olaf"), scope: "firm/krall", document: sec, keep: []policy.PersonID{"ann"}, rule: "stale-review"},
		{story: "somebody who is not on it", by: w.as("olaf"), scope: "firm/krall", document: krall, keep: []policy.PersonID{"eve"}, rule: "access-not-open"},
		{story: "kept and ended", by: w.as("olaf"), scope: "firm/krall", document: krall, keep: []policy.PersonID{"ann"}, end: []policy.PersonID{"ann"}, rule: "access-not-open"},
		{story: "nobody", by: w.as("olaf"), scope: "firm/krall", document: krall, rule: "access-empty"},
		{story: "themself", by: w.as("sara"), scope: "role/ot-security", document: sec, keep: []policy.PersonID{"sara"}, rule: "own-access"},
		{story: "a scope that is none", by: w.as("sara"), scope: "zone/line-1", document: sec, keep: []policy.PersonID{"sara"}, rule: "no-such-review"},
		{story: "the other one", by: w.as("sven"), scope: "role/ot-security", document: sec, keep: []policy.PersonID{"sara"}},
	} {
		err := w.desk.SignAccess(w.ctx, tc.by, tc.scope, tc.document, tc.keep, tc.end)
		if rule(err) != tc.rule || tc.rule == "" && err != nil {
			t.Errorf("%s: %v, want %q", tc.story, err, tc.rule)
		}
	}
	if err := w.desk.BeginAccess(w.ctx, w.as("sara"), "firm/krall"); rule(err) != "access-waits" {
		t.Errorf("a new list over one that waits: %v", err)
	}
	w.judge(t)
}

// What the verifier finds in a list or a sign-off that was not so.
func TestTheVerifierOnAccessReviews(t *testing.T) {
	begin := func(w *world, by string, change func(*evidence.AccessList)) {
		list, _, err := w.desk.accessList(w.ctx, "firm/krall", 14*day)
		w.ok(err)
		change(&list)
		b, err := audit.Canonical(list)
		w.ok(err)
		rev := uint64(1)
		if a, ok, _ := w.folk.Access(w.ctx, "firm/krall"); ok {
			rev += 1 + uint64(len(a.Signed))
		}
		w.commit("access/firm/krall", audit.Event{Subject: "firm/krall", Rev: rev, Actor: by, Body: audit.AccessListed{Scope: "firm/krall", Document: w.put(b), At: list.At, Due: list.Due, By: by}})
	}
	sign := func(w *world, by string, kept, ended []string) {
		a := w.access("firm/krall")
		w.commit("access/firm/krall", audit.Event{Subject: "firm/krall", Rev: 2 + uint64(len(a.Signed)), Actor: by,
			Body: audit.AccessSigned{Scope: "firm/krall", Document: a.Document, Kept: kept, Ended: ended, By: by, At: w.now()}})
	}
	same := func(*evidence.AccessList) {}
	for _, tc := range []struct {
		story, finds string
		do           func(*world)
	}{
		{"somebody is left out", "bob is in firm/krall, and not on its list", func(w *world) {
			begin(w, penstock, func(l *evidence.AccessList) { l.Lines = l.Lines[:1] })
		}},
		{"somebody of another firm is on it", "eve is on the list", func(w *world) {
			begin(w, penstock, func(l *evidence.AccessList) {
				l.Lines = append(l.Lines, evidence.AccessLine{Person: "eve", Since: l.At})
			})
		}},
		{"it gives them years", "it is due in", func(w *world) {
			begin(w, penstock, func(l *evidence.AccessList) { l.Due = l.At.AddDate(5, 0, 0) })
		}},
		{"it is of another day", "its list is of", func(w *world) {
			begin(w, penstock, func(l *evidence.AccessList) { l.At, l.Due = l.At.AddDate(0, 0, -30), l.Due.AddDate(0, 0, -30) })
		}},
		{"the leaf gives another day than the list", "the leaf and its list differ", func(w *world) {
			list, _, err := w.desk.accessList(w.ctx, "firm/krall", 14*day)
			w.ok(err)
			b, err := audit.Canonical(list)
			w.ok(err)
			w.commit("access/firm/krall", audit.Event{Subject: "firm/krall", Rev: 1, Actor: penstock, Body: audit.AccessListed{Scope: "firm/krall", Document: w.put(b), At: list.At, Due: list.Due.AddDate(1, 0, 0), By: penstock}})
		}},
		{"nobody is ever asked", "nobody was asked since", func(w *world) {
			w.pass(105 * day)
			r := w.yes("olaf", w.submit())
			row, err := w.desk.windowRow(w.ctx, r.Window)
			w.ok(err)
			w.commit("window/"+string(r.Window), audit.Event{Subject: string(r.Window), Rev: row.row + 1, Actor: "mia", Body: audit.WindowMoved{Window: string(r.Window), To: "opened", By: "mia", At: w.now(), Until: w.now().Add(time.Hour)}})
		}},
		{"somebody who has left signs", "neither the sponsor nor", func(w *world) {
			begin(w, penstock, same)
			w.ok(w.folk.Disable(w.ctx, w.as("sara"), "olaf", "left"))
			w.pass(time.Minute)
			sign(w, "olaf", []string{"ann"}, nil)
		}},
		{"a vendor begins it", "begun by ann", func(w *world) { begin(w, "ann", same) }},
		{"a new list gives time", "is put on a new one", func(w *world) { begin(w, penstock, same); begin(w, penstock, same) }},
		{"the shift signs", "neither the sponsor nor of OT security", func(w *world) { begin(w, penstock, same); sign(w, "mia", []string{"ann"}, nil) }},
		{"ended, and still there", "ann was ended by it", func(w *world) { begin(w, penstock, same); sign(w, "olaf", nil, []string{"ann"}) }},
	} {
		t.Run(tc.story, func(t *testing.T) {
			w := newWorldOf(t, nil, reviewedPlant)
			tc.do(w)
			says(t, w.verify(), tc.finds)
		})
	}
}
