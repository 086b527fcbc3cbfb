package approvals

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// overhaul is a plan of n rows to look and copy on the filler, and one that loads.
func (w *world) overhaul(n int, change ...func(*OutageAsk)) OutageAsk {
	a := OutageAsk{Name: "Winter overhaul", From: w.now().Add(time.Hour), To: w.now().Add(25 * time.Hour)}
	for i := range n {
		row := RowAsk{Ask: w.ask(on("historian", "reader")), Crew: "A", Area: "Hall 1"}
		if i%2 == 1 {
			row.Ask, row.Crew = w.ask(on("capper-plc", "recipes")), "B"
		}
		row.Reason = fmt.Sprintf("job %d", i+1)
		a.Rows = append(a.Rows, row)
	}
	load := RowAsk{Ask: w.ask(two), Crew: "B", Area: "Hall 2"}
	a.Rows = append(a.Rows, load)
	for i := range a.Rows {
		a.Rows[i].From, a.Rows[i].To = a.From, a.From.Add(8*time.Hour)
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func (w *world) plans(t *testing.T, a OutageAsk) Outage {
	t.Helper()
	o, err := w.desk.ProposeOutage(w.ctx, w.as("tom"), a)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (w *world) outage(t *testing.T, id policy.PersonID, o string) Outage {
	t.Helper()
	v, err := w.desk.Outage(w.ctx, w.as(id), o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// takes signs the list by a code: all that needs no look, and what was looked at.
func (w *world) takes(id policy.PersonID, o Outage, looked ...policy.RequestID) (Taken, error) {
	return w.desk.AnswerList(w.ctx, w.as(id), o.ID, o.Hash, ListReply{Looked: looked})
}

func noFindings(t *testing.T, w *world) {
	t.Helper()
	w.verified()
}

// One signature each of those who must agree makes a window of every row; the
// one that loads is looked at by itself, and the crew is opened in its order.
func TestOneSignatureAgreesToAnOutage(t *testing.T) {
	w := newWorld(t, nil)
	o := w.plans(t, w.overhaul(6, func(a *OutageAsk) { a.Rows[6].After = []int{1} }))
	if len(o.Rows) != 7 || len(o.Conflicts) > 0 || len(o.Rows[6].Look) != 1 {
		t.Fatalf("%+v", o)
	}
	sara, err := w.takes("sara", o) // the historian's owner is OT security
	wants(t, err, "")
	if len(sara.Rows) != 3 || len(sara.Not) > 0 {
		t.Errorf("sara answered %v, not %v", sara.Rows, sara.Not)
	}
	olaf, err := w.takes("olaf", o)
	wants(t, err, "")
	if len(olaf.Rows) != 3 {
		t.Errorf("olaf answered %v", olaf.Rows)
	}
	_, err = w.desk.AnswerList(w.ctx, w.as("olaf"), o.ID, o.Hash, ListReply{Rows: []policy.RequestID{"R-7"}})
	wants(t, err, "look-first")
	w.restart()
	for _, id := range []policy.PersonID{"olaf", "sara"} {
		v := w.outage(t, id, o.ID)
		if v.Rows[6].State != RequestWaiting || !v.Rows[6].Yours {
			t.Errorf("%s: %+v", id, v.Rows[6])
		}
		_, err = w.takes(id, v, "R-7")
		wants(t, err, "")
	}
	v := w.outage(t, "mia", o.ID)
	for _, r := range v.Rows {
		if r.State != RequestAgreed || r.Runs != WindowAgreed {
			t.Errorf("%s is %s, %s", r.Request, r.State, r.Runs)
		}
	}
	w.pass(time.Hour)
	opened, err := w.desk.OpenCrew(w.ctx, w.as("mia"), o.ID, "B")
	wants(t, err, "")
	if len(opened) != 4 || opened[0].Say != "" || opened[3].Say == "" || !strings.Contains(opened[3].Say, "comes after R-2") {
		t.Errorf("%+v", opened)
	}
	_, err = w.desk.End(w.ctx, w.as("mia"), v.Rows[1].Window, "done")
	wants(t, err, "")
	if _, err = w.desk.Open(w.ctx, w.as("mia"), v.Rows[6].Window); err != nil {
		t.Error(err)
	}
	_, err = w.desk.OpenCrew(w.ctx, w.as("mia"), o.ID, "B")
	wants(t, err, "nothing-to-open")
	noFindings(t, w)
}

// Where only keys count, one signature over the list does it for every row, and
// nothing else does.
func TestAnOutageIsSigned(t *testing.T) {
	w := newWorldOf(t, nil, signedPlant)
	o := w.plans(t, w.overhaul(2))
	_, err := w.takes("sara", o)
	if out, _ := w.takes("sara", o); len(out.Rows) > 0 || !strings.Contains(out.Not["R-1"], "code is not enough") {
		t.Errorf("a code: %+v %v", out, err)
	}
	signs := func(id, key policy.PersonID, do func(*evidence.Answer)) (Taken, error) {
		a, list, err := w.desk.DraftList(w.ctx, w.stale(id), o.ID, o.Hash, ListReply{Looked: []policy.RequestID{"R-3"}})
		if err != nil {
			return Taken{}, err
		}
		if audit.HashOf(list) != a.Request {
			t.Error("the draft is of another list than was given to read")
		}
		evidencetest.Signed(w.ssh(key))(&a)
		if do != nil {
			do(&a)
		}
		return w.desk.AnswerList(w.ctx, w.stale(id), o.ID, o.Hash, ListReply{Signed: &a})
	}
	_, err = signs("sara", "olaf", nil)
	wants(t, err, "no-such-key")
	_, err = signs("sara", "sara", func(a *evidence.Answer) { a.Rows = append(a.Rows, "R-2"); slices.Sort(a.Rows) })
	wants(t, err, "bad-signature")
	if out, err := signs("sara", "sara", nil); err != nil || len(out.Rows) != 2 {
		t.Fatalf("%+v %v", out, err)
	}
	if out, err := signs("olaf", "olaf", nil); err != nil || len(out.Rows) != 2 {
		t.Fatalf("%+v %v", out, err)
	}
	for _, r := range w.outage(t, "mia", o.ID).Rows {
		if r.State != RequestAgreed {
			t.Errorf("%s is %s", r.Request, r.State)
		}
	}
	noFindings(t, w)
}

// A row that is changed late is answered anew, by itself; what was signed for the
// others stands. One that is withdrawn takes its window along.
func TestALateChangeIsOfItsRowOnly(t *testing.T) {
	w := newWorld(t, nil)
	o := w.plans(t, w.overhaul(4))
	_, err := w.takes("sara", o)
	wants(t, err, "")
	changed := w.overhaul(4).Rows[0].Ask
	changed.Reason, changed.Firm = "job 1, and the one beside it", "krall"
	r, err := w.desk.Revise(w.ctx, w.as("tom"), "R-1", changed)
	wants(t, err, "")
	if r.Document.Outage != o.ID {
		t.Errorf("the revision is of outage %q", r.Document.Outage)
	}
	v := w.outage(t, "sara", o.ID)
	if v.Document.Rev != o.Document.Rev+1 || v.Rows[0].Changed || v.Rows[0].State != RequestWaiting || v.Rows[2].State != RequestAgreed {
		t.Errorf("%+v", v.Document)
	}
	_, err = w.takes("sara", o)
	wants(t, err, "stale-revision")
	taken, err := w.takes("sara", v)
	wants(t, err, "")
	if fmt.Sprint(taken.Rows) != "[R-1]" {
		t.Errorf("%v", taken.Rows)
	}
	wants(t, w.desk.Withdraw(w.ctx, w.as("sara"), "R-3", "no spare part"), "")
	if v = w.outage(t, "sara", o.ID); v.Rows[2].State != RequestWithdrawn || w.state(v.Rows[2].Window) != WindowUnused {
		t.Errorf("%+v", v.Rows[2])
	}
	_, err = w.say("olaf", w.request(t, "R-2"), evidence.No)
	wants(t, err, "")
	if v = w.outage(t, "olaf", o.ID); v.Rows[1].State != RequestRefused {
		t.Errorf("%+v", v.Rows[1])
	}
	wants(t, w.desk.WithdrawOutage(w.ctx, w.as("sara"), o.ID, "moved to January"), "")
	for _, r := range w.outage(t, "olaf", o.ID).Rows {
		if !r.Over() {
			t.Errorf("%s is %s, %s", r.Request, r.State, r.Runs)
		}
	}
	_, err = w.takes("olaf", w.outage(t, "olaf", o.ID))
	wants(t, err, "outage-over")
	noFindings(t, w)
}

func (w *world) request(t *testing.T, id policy.RequestID) Request {
	t.Helper()
	r, err := w.desk.Request(w.ctx, w.as("mia"), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What does not go together is shown before anything is asked for.
func TestAPlanShowsWhatDoesNotGoTogether(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*OutageAsk)
		want   string
	}{
		"one machine on two orders": {func(a *OutageAsk) { a.Rows[0].Ask, a.Rows[0].WorkOrder = a.Rows[2].Ask, "WO-8" }, "two work orders"},
		"one after the other": {func(a *OutageAsk) {
			a.Rows[0].Ask, a.Rows[0].WorkOrder, a.Rows[0].After = a.Rows[2].Ask, "WO-8", []int{2}
		}, ""},
		"at other times": {func(a *OutageAsk) {
			a.Rows[0].Ask, a.Rows[0].WorkOrder = a.Rows[2].Ask, "WO-8"
			a.Rows[0].From, a.Rows[0].To = a.Rows[2].To, a.Rows[2].To.Add(2*time.Hour)
		}, ""},
		"an order that the times forbid": {func(a *OutageAsk) {
			a.Rows[0].To, a.Rows[0].After = a.From.Add(2*time.Hour), []int{1}
			a.Rows[1].From = a.From.Add(3 * time.Hour)
		}, "begins only when"},
		"nothing": {func(*OutageAsk) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			plan, err := w.desk.PlanOutage(w.ctx, w.as("tom"), w.overhaul(2, row.change))
			wants(t, err, "")
			if len(plan.Impossible) > 0 {
				t.Fatalf("%v", plan.Impossible)
			}
			if got := len(plan.Conflicts); (row.want == "") != (got == 0) || got > 0 && !strings.Contains(plan.Conflicts[0].Say, row.want) {
				t.Errorf("%+v", plan.Conflicts)
			}
			if n := len(w.log.leaves()); slices.ContainsFunc(w.log.leaves(), func(l audit.Leaf) bool { return strings.HasPrefix(l.Body.Type(), "request.") }) {
				t.Errorf("a plan wrote something: %d leaves", n)
			}
		})
	}
}

// What is not possible is said row by row, and then nothing at all is asked for.
func TestAPlanThatIsNotPossible(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*OutageAsk)
		want   string
	}{
		"a row outside":           {func(a *OutageAsk) { a.Rows[1].To = a.To.Add(time.Minute) }, "row-impossible"},
		"nobody of that name":     {func(a *OutageAsk) { a.Rows[1].People = []policy.PersonID{"zoe"} }, "row-impossible"},
		"an account that is not":  {func(a *OutageAsk) { on("capper-plc", "root")(&a.Rows[1].Ask) }, "row-impossible"},
		"no work order":           {func(a *OutageAsk) { a.Rows[2].WorkOrder = "" }, "row-impossible"},
		"no name":                 {func(a *OutageAsk) { a.Name = "" }, "bad-text"},
		"a month":                 {func(a *OutageAsk) { a.To = a.From.Add(31 * 24 * time.Hour) }, "bad-span"},
		"in the past":             {func(a *OutageAsk) { a.From, a.To = a.From.Add(-48*time.Hour), a.To.Add(-48*time.Hour) }, "bad-span"},
		"after itself":            {func(a *OutageAsk) { a.Rows[0].After = []int{0} }, "bad-order"},
		"after one that is not":   {func(a *OutageAsk) { a.Rows[0].After = []int{9} }, "bad-order"},
		"more rows than anything": {func(a *OutageAsk) { a.Rows = slices.Repeat(a.Rows, 67) }, "too-many-rows"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			before := len(w.log.leaves())
			_, err := w.desk.ProposeOutage(w.ctx, w.as("tom"), w.overhaul(2, row.change))
			wants(t, err, row.want)
			if len(w.log.leaves()) != before {
				t.Error("something was written")
			}
		})
	}
	w := newWorld(t, nil)
	_, err := w.desk.ProposeOutage(w.ctx, w.as("ann"), w.overhaul(1))
	wants(t, err, "not-plant")
	a := w.ask()
	a.Outage = "O-7"
	_, err = w.desk.Submit(w.ctx, w.as("ann"), a)
	wants(t, err, "no-such-outage")
}

// A circle of rows is found when the list is written; the plan has no times for it.
func TestRowsInACircle(t *testing.T) {
	w := newWorld(t, nil)
	_, err := w.desk.ProposeOutage(w.ctx, w.as("tom"), w.overhaul(2, func(a *OutageAsk) { a.Rows[0].After, a.Rows[1].After = []int{1}, []int{0} }))
	if rule(err) == "" {
		t.Fatalf("%v", err)
	}
}

// A vendor asks for a place on the list, and the planner puts it there.
func TestAVendorAsksForAPlaceOnTheList(t *testing.T) {
	w := newWorld(t, nil)
	o := w.plans(t, w.overhaul(1))
	a := w.overhaul(1).Rows[0].Ask
	a.Outage = o.ID
	r, err := w.desk.Submit(w.ctx, w.as("ann"), a)
	wants(t, err, "")
	if v := w.outage(t, "sara", o.ID); !slices.Equal(v.Unlisted, []policy.RequestID{r.ID}) {
		t.Errorf("%v", v.Unlisted)
	}
	o, err = w.desk.PutOnOutage(w.ctx, w.as("tom"), o.ID, []RowAsk{{Request: r.ID, Crew: "C"}})
	wants(t, err, "")
	if len(o.Rows) != 3 || o.Rows[2].Crew != "C" || len(o.Unlisted) > 0 {
		t.Errorf("%+v", o)
	}
	_, err = w.desk.PutOnOutage(w.ctx, w.as("tom"), o.ID, []RowAsk{{Request: r.ID}})
	wants(t, err, "bad-list")
	other := w.submit()
	_, err = w.desk.PutOnOutage(w.ctx, w.as("tom"), o.ID, []RowAsk{{Request: other.ID}})
	wants(t, err, "not-in-outage")
	_, err = w.desk.Outage(w.ctx, w.as("ann"), o.ID)
	wants(t, err, "not-plant")
	noFindings(t, w)
}

// The verifier finds what somebody with the broker's process could do: a row that
// nobody took, one that was taken without a look, an order that was not kept, and
// a list that hides what is unusual.
func TestTheVerifierFindsAForgedOutage(t *testing.T) {
	agreed := func(t *testing.T, w *world, o Outage, id policy.PersonID, rows, looked []string) {
		t.Helper()
		a := evidence.Answer{V: 1, Request: o.Hash, Person: string(id), Firm: "fjord", Role: string(cast[id].roles[0]), Says: evidence.Yes, Nonce: nonce(), At: w.now(),
			DecideBy: o.Rows[0].Text.To, Rows: rows, Looked: looked, Proof: totp(w.as(id))}
		hash, err := w.desk.sign(w.ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range o.Rows {
			row, err := w.desk.requestRow(w.ctx, policy.RequestID(r.Request))
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(rows, r.Request) || len(rows) == 1 {
				w.commit(requestKey(r.Request), audit.Event{Subject: r.Request, Rev: row.row + 1, Actor: string(id), Body: audit.AnswerGiven{Request: r.Request, Rev: 1, Person: string(id),
					Firm: "fjord", Roles: words(cast[id].roles), Says: evidence.Yes, Document: hash}})
			}
		}
	}
	for name, row := range map[string]struct {
		forge func(t *testing.T, w *world, o Outage)
		want  string
	}{
		"a row that was not taken": {func(t *testing.T, w *world, o Outage) { agreed(t, w, o, "sara", []string{"R-1"}, nil) }, "another revision"},
		"taken without a look": {func(t *testing.T, w *world, o Outage) {
			agreed(t, w, o, "sara", []string{"R-1", "R-3"}, nil)
			agreed(t, w, o, "olaf", []string{"R-2", "R-3"}, []string{"R-3"})
			w.agreeAnyway(t, "R-3")
		}, "had to be looked at"},
		"not in its order": {func(t *testing.T, w *world, o Outage) {
			agreed(t, w, o, "olaf", []string{"R-2", "R-3"}, []string{"R-3"})
			w.settle()
			agreed(t, w, o, "sara", []string{"R-1", "R-3"}, []string{"R-3"})
			w.settle()
			w.pass(time.Hour)
			id := w.request(t, "R-3").Window
			w.commit(windowKey(id), audit.Event{Subject: string(id), Rev: 2, Actor: "mia", Body: audit.WindowMoved{Window: string(id), To: "opened", By: "mia", At: w.now(), Until: w.now().Add(time.Hour)}})
		}, "comes after R-2"},
		"a list that forgets the order that was signed": {func(t *testing.T, w *world, o Outage) {
			list := o.Document
			list.Rev, list.By = list.Rev+1, "tom"
			list.Rows = slices.Clone(list.Rows)
			list.Rows[2].After = nil
			w.writes(t, list)
		}, "came after"},
		"a list without a row that was signed": {func(t *testing.T, w *world, o Outage) {
			list := o.Document
			list.Rev, list.By = list.Rev+1, "tom"
			list.Rows = slices.Clone(list.Rows)[1:]
			w.writes(t, list)
		}, "R-1 is not on it any more"},
		"in another's name": {func(t *testing.T, w *world, o Outage) {
			list := o.Document
			list.Rev, list.By = list.Rev+1, "olaf"
			w.writes(t, list)
		}, "the leaf and the list differ"},
		"a list of another time": {func(t *testing.T, w *world, o Outage) {
			list := o.Document
			list.Rev, list.By, list.To = list.Rev+1, "tom", list.To.Add(time.Hour)
			w.writes(t, list)
		}, "it is of another name or time than before"},
		"a list that names an older plant file": {func(t *testing.T, w *world, o Outage) {
			list := o.Document
			list.Rev, list.By, list.Plant = list.Rev+1, "tom", w.put([]byte("no plant file"))
			w.writes(t, list)
		}, "it names the plant file"},
		"taken back by a vendor": {func(t *testing.T, w *world, o Outage) {
			w.commit(outageKey(o.ID), audit.Event{Subject: o.ID, Rev: 3, Actor: "ann", Body: audit.OutageWithdrawn{Outage: o.ID, By: "ann", At: w.now()}})
		}, "taken back by ann, who is nobody of the plant"},
		"a list that hides what is unusual": {func(t *testing.T, w *world, o Outage) {
			list := o.Document
			list.Rev, list.By = list.Rev+1, "tom"
			list.Rows = slices.Clone(list.Rows)
			list.Rows[2].Look = nil
			w.writes(t, list)
		}, "what is unusual"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			o := w.plans(t, w.overhaul(2, func(a *OutageAsk) { a.Rows[2].After = []int{1} }))
			row.forge(t, w, o)
			says(t, w.verify(), row.want)
		})
	}
}

// What no fold would have taken in, and somebody could write into the log.
func TestTheVerifierCountsTheRevisionsOfAnOutage(t *testing.T) {
	w := newWorld(t, nil)
	o := w.plans(t, w.overhaul(2))
	list := o.Document
	list.Rev, list.By = list.Rev+1, "tom"
	w.writes(t, list)
	as := func(rev, to int) func(*world, *audit.Leaf) { // the list of one revision says that it is of another
		return func(w *world, l *audit.Leaf) {
			b, is := l.Body.(audit.OutageWritten)
			if !is || b.Rev != rev {
				return
			}
			doc, err := w.docs.Get(w.ctx, b.Document)
			w.ok(err)
			o, err := evidence.ParseOutage(doc)
			w.ok(err)
			o.Rev, b.Rev = to, to
			doc, err = audit.Canonical(o)
			w.ok(err)
			b.Document, l.Body = w.put(doc), b
		}
	}
	w.finds(t, "", asItIs)
	w.finds(t, "revision 4 follows revision 2", as(3, 4))
	w.finds(t, "revision 2 follows revision 2", as(3, 2))
	w.finds(t, "it begins with revision 2", as(1, 2))
	w.finds(t, "or one that was taken back", func(_ *world, l *audit.Leaf) {
		if b, is := l.Body.(audit.OutageWritten); is && b.Rev == 2 {
			l.Body, l.Actor = audit.OutageWithdrawn{Outage: b.Outage, By: "tom", At: b.At}, "tom"
		}
	})
}

// writes puts tom's third revision of a list in the log, whatever the Desk thinks of it.
func (w *world) writes(t *testing.T, list evidence.Outage) {
	t.Helper()
	b, err := audit.Canonical(list)
	if err != nil {
		t.Fatal(err)
	}
	w.commit(outageKey(list.Outage), audit.Event{Subject: list.Outage, Rev: 3, Actor: "tom", Body: audit.OutageWritten{Outage: list.Outage, Rev: list.Rev, By: "tom", Document: w.put(b), At: w.now()}})
}

// Whoever wrote a list may take it back, and has no say over others' rows on it:
// those keep the order that was signed.
func TestAWithdrawnOutageKeepsItsOrder(t *testing.T) {
	w := newWorld(t, nil)
	o := w.plans(t, w.overhaul(0))
	var rows []RowAsk
	for i, a := range w.overhaul(2).Rows[:2] {
		a.Ask.Outage, a.After = o.ID, nil
		r, err := w.desk.Submit(w.ctx, w.as("sara"), a.Ask)
		wants(t, err, "")
		if a.Request = r.ID; i == 1 {
			a.After = []int{0}
		}
		rows = append(rows, a)
	}
	o, err := w.desk.PutOnOutage(w.ctx, w.as("sara"), o.ID, rows)
	wants(t, err, "")
	for _, id := range []policy.PersonID{"sven", "olaf"} {
		_, err = w.takes(id, o)
		wants(t, err, "")
	}
	v := w.outage(t, "mia", o.ID)
	w.pass(time.Hour)
	_, err = w.desk.Open(w.ctx, w.as("sven"), v.Rows[1].Window)
	wants(t, err, "")
	wants(t, w.desk.WithdrawOutage(w.ctx, w.as("tom"), o.ID, "not ours"), "not-on-shift")
	_, err = w.desk.Open(w.ctx, w.as("mia"), v.Rows[2].Window)
	wants(t, err, "order")
	noFindings(t, w)
}

// agreeAnyway writes that a request is agreed, whatever the Desk thinks of it.
func (w *world) agreeAnyway(t *testing.T, id policy.RequestID) {
	t.Helper()
	r, err := w.desk.requestRow(w.ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	doc, _, err := w.desk.request(w.ctx, r.Document)
	if err != nil {
		t.Fatal(err)
	}
	all, err := w.desk.answers(w.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	var places []string
	var yes []evidence.Answer
	for _, a := range all {
		places, yes = append(places, a.given.Leaf.String()), append(yes, a.answer)
	}
	claim, err := evidence.Narrow(doc, yes)
	if err != nil {
		t.Fatal(err)
	}
	claim.Window = w.desk.heads.next("window/W-")
	b, err := audit.Canonical(claim)
	if err != nil {
		t.Fatal(err)
	}
	w.commit(windowKey(claim.Window), audit.Event{Subject: claim.Window, Rev: 1, Actor: penstock,
		Body: audit.WindowAgreed{Window: claim.Window, Request: r.Request, Rev: r.Rev, Firm: r.Firm, Claim: w.put(b), Answers: places}})
}

// Two tell the list at one time: each row is answered once by each.
func TestTwoSignAnOutageAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	o := w.plans(t, w.overhaul(8))
	done := make(chan error, 2)
	for _, id := range []policy.PersonID{"sara", "sven"} { // either's yes is enough for the historian
		by := w.as(id)
		go func(by people.Actor) {
			_, err := w.desk.AnswerList(w.ctx, by, o.ID, o.Hash, ListReply{})
			done <- err
		}(by)
	}
	for range 2 {
		if err := <-done; err != nil && rule(err) == "" && !errors.Is(err, ErrConflict) {
			t.Error(err)
		}
	}
	for _, r := range w.outage(t, "mia", o.ID).Rows {
		if r.Crew == "A" && r.State != RequestAgreed {
			t.Errorf("%s is %s", r.Request, r.State)
		}
	}
	noFindings(t, w)
}
