package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// OutageAsk is an outage as somebody plans it.
type OutageAsk struct {
	Name     string
	From, To time.Time
	Rows     []RowAsk
}

// RowAsk is one row of it: a request to be, or one that is there (Request) and
// wants to be on the list.
type RowAsk struct {
	Ask
	Request policy.RequestID // empty: Ask is submitted
	Crew    string
	Area    string
	After   []int // rows of the same plan, from 0, that are over first
}

// Plan is what would be asked for, before anything is: Impossible says of a
// row, from 0, why it would be refused; conflicts name rows as … in the
// plan's own order.
type Plan struct {
	Impossible map[int]string
	Conflicts  []evidence.Conflict
	Look       map[int][]string
	Escorts    string
}

// PlanOutage says what is wrong with a plan. Nothing is written.
func (d *Desk) PlanOutage(ctx context.Context, by people.Actor, a OutageAsk) (Plan, error) {
	plan := Plan{Impossible: map[int]string{}, Look: map[int][]string{}}
	if err := d.planned(ctx, by, a); err != nil {
		return plan, err
	}
	list := evidence.Outage{V: 1, Outage: "O-1", Rev: 1, By: string(by.Person), Name: a.Name, From: whole(a.From), To: whole(a.To)}
	texts := map[string]evidence.Request{}
	for i, r := range a.Rows {
		id := fmt.Sprintf("R-%d", i+1)
		row := evidence.OutageRow{Request: id, Crew: r.Crew, Area: r.Area}
		for _, n := range r.After {
			row.After = append(row.After, fmt.Sprintf("R-%d", n+1))
		}
		list.Rows = append(list.Rows, row)
		err := d.within(r.Ask, list)
		var doc evidence.Request
		if err == nil {
			r.Ask.Outage = "O-1"
			doc, _, _, err = d.draw(ctx, by, d.plant(), policy.RequestID(id), 1, r.Ask)
		}
		if no, ok := errors.AsType[*policy.Refusal](err); ok {
			plan.Impossible[i] = no.Say
			continue
		}
		if err != nil {
			return plan, err
		}
		texts[id] = doc
	}
	plan.Conflicts = evidence.Conflicts(d.plant(), list, texts)
	other, err := d.elsewhere(ctx, texts, func(string, evidence.Request) bool { return false })
	if err != nil {
		return plan, err
	}
	plan.Conflicts = append(plan.Conflicts, other...)
	look := evidence.Unusual(d.plant(), list, texts)
	for i := range a.Rows {
		id := fmt.Sprintf("R-%d", i+1)
		if l := lookAt(look[id], id, other); len(l) > 0 {
			plan.Look[i] = l
		}
	}
	plan.Escorts, err = d.tooFewEscorts(ctx, list, texts)
	return plan, err
}

// planned holds a plan to its bounds.
func (d *Desk) planned(ctx context.Context, by people.Actor, a OutageAsk) error {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return err
	}
	if _, err := d.activePlant(ctx, by); err != nil {
		return err
	}
	if a.Name == "" {
		return refuse("bad-text", "Give the outage a name, such as Winter overhaul line 1.")
	}
	if err := text("name", a.Name, longestName); err != nil {
		return err
	}
	if !a.To.After(d.now()) || !a.To.After(a.From) || a.To.Sub(a.From) > longestSpan {
		return refuse("bad-span", "An outage ends after now and after it begins, and is 14 days long at most.")
	}
	if len(a.Rows) > evidence.MaxRows {
		return refuse("too-many-rows", "An outage has at most %d rows. Make two of it.", evidence.MaxRows)
	}
	for i, r := range a.Rows {
		for _, n := range r.After {
			if n < 0 || n >= len(a.Rows) || n == i {
				return refuse("bad-order", "Row %d comes after row %d, which is no other row.", i+1, n+1)
			}
		}
	}
	return nil
}

// ProposeOutage asks for every row of a plan and puts the list of them before
// those who must agree. A row that is not possible refuses the whole plan before
// anything is written (PlanOutage says which); a crash leaves an outage whose
// last rows are missing, to be put on it.
func (d *Desk) ProposeOutage(ctx context.Context, by people.Actor, a OutageAsk) (Outage, error) {
	plan, err := d.PlanOutage(ctx, by, a)
	if err != nil {
		return Outage{}, err
	}
	for i := range a.Rows {
		if say, no := plan.Impossible[i]; no {
			return Outage{}, refuse("row-impossible", "Row %d: %s", i+1, say)
		}
	}
	d.asking.Lock()
	defer d.asking.Unlock()
	open, err := d.Outages(ctx, by)
	if err != nil {
		return Outage{}, err
	}
	if n := len(open) - countOver(open, d.now()); n >= mostOutages {
		return Outage{}, refuse("too-many-outages", "%d outages are not over yet. Let one be withdrawn.", n)
	}
	id, err := d.firstList(ctx, by, a)
	if err != nil || len(a.Rows) == 0 {
		return d.outageAfter(ctx, by, id, err)
	}
	rows := slices.Clone(a.Rows)
	for i := range rows {
		rows[i].Ask.Outage = id
		r, err := d.submit(ctx, by, rows[i].Ask)
		if err != nil {
			return Outage{}, fmt.Errorf("row %d of %s: %w", i+1, id, err)
		}
		rows[i].Request = r.ID
	}
	return d.outageAfter(ctx, by, id, d.putOn(ctx, by, id, rows))
}

func countOver(list []Outage, now time.Time) (n int) {
	for _, o := range list {
		if o.Past(now) {
			n++
		}
	}
	return n
}

func (d *Desk) outageAfter(ctx context.Context, by people.Actor, id string, err error) (Outage, error) {
	if err != nil {
		return Outage{}, err
	}
	return d.Outage(ctx, by, id)
}

// firstList writes an outage without rows: requests name it from then on.
func (d *Desk) firstList(ctx context.Context, by people.Actor, a OutageAsk) (string, error) {
	return again(func() (string, error) {
		p, err := d.activePlant(ctx, by)
		if err != nil {
			return "", err
		}
		id := d.heads.next("outage/O-")
		list := evidence.Outage{V: 1, Outage: id, Rev: 1, By: string(by.Person), Name: a.Name, From: whole(a.From), To: whole(a.To), Rows: []evidence.OutageRow{}}
		return id, d.writeList(ctx, 0, string(by.Person), list, p)
	})
}

// writeList keeps a list and writes that it counts.
func (d *Desk) writeList(ctx context.Context, row uint64, by string, o evidence.Outage, on ...people.Person) error {
	plant := d.plant()
	if _, err := d.docs.Put(ctx, plant.Document()); err != nil {
		return fmt.Errorf("keep the plant file: %w", err)
	}
	o.Plant = d.inForce()
	b, err := audit.Canonical(o)
	if err == nil {
		_, err = evidence.ParseOutage(b)
	}
	if err != nil {
		return asRefusal("bad-list", err)
	}
	hash, err := d.docs.Put(ctx, b)
	if err != nil {
		return fmt.Errorf("keep the list: %w", err)
	}
	_, err = d.commit(ctx, outageKey(o.Outage), row+1, by, audit.OutageWritten{Outage: o.Outage, Rev: o.Rev, By: by, Document: hash, At: d.second()}, on...)
	return err
}

// PutOnOutage puts requests that want to be there on a list, at its end.
func (d *Desk) PutOnOutage(ctx context.Context, by people.Actor, id string, rows []RowAsk) (Outage, error) {
	d.asking.Lock()
	defer d.asking.Unlock()
	return d.outageAfter(ctx, by, id, d.putOn(ctx, by, id, rows))
}

// putOn is PutOnOutage for whoever holds the lock: no text changes meanwhile.
func (d *Desk) putOn(ctx context.Context, by people.Actor, id string, rows []RowAsk) error {
	_, err := again(func() (none, error) {
		p, err := d.activePlant(ctx, by)
		if err != nil {
			return none{}, err
		}
		row, list, err := d.openList(ctx, id)
		if err != nil {
			return none{}, err
		}
		for i, r := range rows {
			one := evidence.OutageRow{Request: string(r.Request), Crew: strings.TrimSpace(r.Crew), Area: strings.TrimSpace(r.Area)}
			for _, n := range r.After {
				if n < 0 || n >= len(rows) || n == i {
					return none{}, refuse("bad-order", "Row %d comes after row %d, which is no other row.", i+1, n+1)
				}
				one.After = append(one.After, string(rows[n].Request))
			}
			list.Rows = append(list.Rows, one)
		}
		if err := d.freshen(ctx, &list); err != nil {
			return none{}, err
		}
		list.Rev, list.By = list.Rev+1, string(by.Person)
		return none{}, d.writeList(ctx, row.row, string(by.Person), list, p)
	})
	if err != nil {
		return err
	}
	return d.askOfList(ctx, id)
}

// openList is a list that can still be changed.
func (d *Desk) openList(ctx context.Context, id string) (outageRow, evidence.Outage, error) {
	row, err := d.outageRow(ctx, id)
	if err != nil {
		return row, evidence.Outage{}, err
	}
	list, err := d.outageDoc(ctx, row.Document)
	switch {
	case err != nil:
	case row.Withdrawn != "":
		err = refuse("outage-over", "%s was taken back. Ask for another outage, or for none.", id)
	case !d.now().Before(list.To):
		err = refuse("outage-over", "%s is over. Ask for another outage, or for none.", id)
	}
	return row, list, err
}

// freshen lets each row name its request's newest text, and says anew what is unusual.
func (d *Desk) freshen(ctx context.Context, list *evidence.Outage) error {
	texts := map[string]evidence.Request{}
	for i := range list.Rows {
		r := &list.Rows[i]
		row, err := d.requestRow(ctx, policy.RequestID(r.Request))
		if err != nil {
			return err
		}
		doc, _, err := d.request(ctx, row.Document)
		if err != nil {
			return err
		}
		if doc.Outage != list.Outage {
			return refuse("not-in-outage", "%s does not say that it is for %s. Let it be asked anew, for that outage.", r.Request, list.Outage)
		}
		r.Document, texts[r.Request] = row.Document, doc
	}
	look := evidence.Unusual(d.plant(), *list, texts)
	for i := range list.Rows {
		list.Rows[i].Look = look[list.Rows[i].Request]
	}
	return nil
}

// renewOutage writes a list anew whose rows' texts have changed; whoever calls it
// holds the lock of asking. What was signed before stays signed: each row is
// answered by its own text.
func (d *Desk) renewOutage(ctx context.Context, id string) error {
	_, err := again(func() (none, error) {
		row, list, err := d.openList(ctx, id)
		if err != nil {
			return none{}, err
		}
		old := slices.Clone(list.Rows)
		if err := d.freshen(ctx, &list); err != nil {
			return none{}, err
		}
		if slices.EqualFunc(old, list.Rows, func(a, b evidence.OutageRow) bool { return a.Document == b.Document }) {
			return none{}, nil
		}
		list.Rev, list.By = list.Rev+1, penstock
		return none{}, d.writeList(ctx, row.row, penstock, list)
	})
	if isRule(err, "outage-over") {
		return nil
	}
	return err
}

// WithdrawOutage takes an outage back, with every row of it that has not begun:
// by whoever wrote it, or somebody with a shift, zone owner or OT security role.
func (d *Desk) WithdrawOutage(ctx context.Context, by people.Actor, id, why string) error {
	why = cleaned(why)
	list, err := again(func() (evidence.Outage, error) {
		p, err := d.activePlant(ctx, by)
		if err != nil {
			return evidence.Outage{}, err
		}
		row, list, err := d.openList(ctx, id)
		if err != nil {
			return list, err
		}
		if row.By != string(by.Person) {
			if err := d.mayTake(by); err != nil {
				return list, err
			}
		}
		_, err = d.commit(ctx, outageKey(id), row.row+1, string(by.Person), audit.OutageWithdrawn{Outage: id, By: string(by.Person), Why: why, At: d.second()}, p)
		return list, err
	})
	if err != nil {
		return err
	}
	for _, r := range list.Rows {
		if err := d.Withdraw(ctx, by, policy.RequestID(r.Request), why); err != nil && !isRule(err, "illegal-step") {
			return err
		}
	}
	return nil
}

// intoOutage refuses what wants to be on a list that is not there, or outside its time.
func (d *Desk) intoOutage(ctx context.Context, a Ask) error {
	if a.Outage == "" {
		return nil
	}
	_, list, err := d.openList(ctx, a.Outage)
	if err != nil {
		return err
	}
	return d.within(a, list)
}

// within: what is in an outage begins and ends in it. A row that begins with the
// outage may begin a moment later, when that is now.
func (d *Desk) within(a Ask, o evidence.Outage) error {
	if whole(a.From).Before(o.From) || whole(a.To).After(o.To) {
		l := d.plant().Location()
		return refuse("outside-outage", "%s is from %s to %s, and this would be from %s to %s. Ask for a time inside it.", o.Name, o.From.In(l).Format("Mon 2 Jan 15:04"), o.To.In(l).Format("Mon 2 Jan 15:04"),
			a.From.In(l).Format("Mon 2 Jan 15:04"), a.To.In(l).Format("Mon 2 Jan 15:04"))
	}
	return nil
}

// staysIn: a revision stays on the list that the request is for.
func (d *Desk) staysIn(ctx context.Context, old requestRow, a Ask) (string, error) {
	doc, _, err := d.request(ctx, old.Document)
	if err != nil || doc.Outage == "" {
		return "", err
	}
	a.Outage = doc.Outage
	return doc.Outage, d.intoOutage(ctx, a)
}
