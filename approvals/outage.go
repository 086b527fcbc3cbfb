package approvals

import (
	"context"
	"fmt"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// An outage is a list of work. Each row is a request of its own, with its own
// text, answers and window; the list says which crew they are of, what comes
// before what, and lets whoever must agree answer many of them by one signature.

// outageRow is the value of outage/O-n.
type outageRow struct {
	Outage    string     `json:"outage"`
	Rev       int        `json:"rev"` // of the document
	Document  audit.Hash `json:"document"`
	By        string     `json:"by"` // who wrote the first
	Withdrawn string     `json:"withdrawn,omitempty"`

	row uint64 // revision of the row
}

func outageKey(id string) string { return "outage/" + id }

// Bounds of outages.
const (
	mostOutages = 20 // that are not over, at a time
	longestName = 64
)

// Outage is one list of work, as it stands.
type Outage struct {
	ID        string // O-1
	Document  evidence.Outage
	Hash      audit.Hash
	Withdrawn policy.PersonID // by whom; empty: it stands
	Rows      []OutageRow
	Unlisted  []policy.RequestID // that want to be on the list and are not
	Conflicts []evidence.Conflict
	Escorts   string // what is to be said of too few escorts; empty: there are enough
}

// OutageRow is one row as it stands.
type OutageRow struct {
	evidence.OutageRow
	Text    evidence.Request // the newest
	State   RequestState
	Window  policy.WindowID // once agreed
	Runs    WindowState     // of the window
	Needs   []policy.Need   // still to be answered
	Yours   bool            // the reader's yes is one of these
	Changed bool            // the list names an older text
}

// Over says whether nothing of a row runs any more, or ever will.
func (r OutageRow) Over() bool {
	switch r.State {
	case RequestWaiting, RequestAsleep:
		return false
	case RequestAgreed:
		return slices.Contains([]WindowState{WindowEnded, WindowCut, WindowClosed, WindowUnused}, r.Runs)
	}
	return true
}

// Past says whether the time of an outage is over, or it was taken back.
func (o Outage) Past(now time.Time) bool { return o.Withdrawn != "" || !now.Before(o.Document.To) }

func (d *Desk) outageRow(ctx context.Context, id string) (o outageRow, err error) {
	rev, there, err := d.read(ctx, outageKey(id), &o)
	if o.row = rev; err == nil && !there {
		err = refuse("no-such-outage", "There is no outage %.40q. See the page Outages.", id)
	}
	return o, err
}

// outageDoc reads a list.
func (d *Desk) outageDoc(ctx context.Context, h audit.Hash) (evidence.Outage, error) {
	b, err := d.docs.Get(ctx, h)
	if err != nil {
		return evidence.Outage{}, fmt.Errorf("read the list %s: %w", h, err)
	}
	o, err := evidence.ParseOutage(b)
	if err != nil {
		return o, fmt.Errorf("list %s: %w", h, err)
	}
	return o, nil
}

// Outages are those that are not over, the newest first, without their rows.
func (d *Desk) Outages(ctx context.Context, by people.Actor) (list []Outage, err error) {
	if err := d.ofPlant(by); err != nil {
		return nil, err
	}
	err = d.each(ctx, "outage/", func(id string) error {
		row, err := d.outageRow(ctx, id)
		if err != nil {
			return err
		}
		doc, err := d.outageDoc(ctx, row.Document)
		if err == nil {
			list = append(list, Outage{ID: id, Document: doc, Hash: row.Document, Withdrawn: policy.PersonID(row.Withdrawn)})
		}
		return err
	})
	slices.Reverse(list)
	return list[:min(len(list), mostListed)], err
}

// Outage is one of them with its rows, for somebody of the plant.
func (d *Desk) Outage(ctx context.Context, by people.Actor, id string) (Outage, error) {
	if err := d.ofPlant(by); err != nil {
		return Outage{}, err
	}
	row, err := d.outageRow(ctx, id)
	if err != nil {
		return Outage{}, err
	}
	o := Outage{ID: id, Hash: row.Document, Withdrawn: policy.PersonID(row.Withdrawn)}
	if o.Document, err = d.outageDoc(ctx, row.Document); err != nil {
		return o, err
	}
	p, err := d.presentPlant(ctx, by)
	if err != nil {
		return o, err
	}
	texts := map[string]evidence.Request{}
	for _, r := range o.Document.Rows {
		one, err := d.outageLine(ctx, p, r)
		if err != nil {
			return o, err
		}
		texts[r.Request] = one.Text
		o.Rows = append(o.Rows, one)
	}
	waits := map[string]evidence.Request{} // or are agreed and not begun: what runs or is over is past planning
	for _, r := range o.Rows {
		if r.State == RequestWaiting || r.State == RequestAsleep || r.Runs == WindowAgreed {
			waits[r.Request] = r.Text
		}
	}
	other, err := d.elsewhere(ctx, waits, func(id string, doc evidence.Request) bool { return doc.Outage == o.ID })
	if err != nil {
		return o, err
	}
	for i := range o.Rows {
		o.Rows[i].Look = lookAt(o.Rows[i].Look, o.Rows[i].Request, other)
	}
	o.Conflicts = append(evidence.Conflicts(d.plant(), o.Document, texts), other...)
	if o.Escorts, err = d.tooFewEscorts(ctx, o.Document, texts); err != nil {
		return o, err
	}
	o.Unlisted, err = d.unlisted(ctx, o.Document)
	return o, err
}

func (d *Desk) outageLine(ctx context.Context, p people.Person, r evidence.OutageRow) (OutageRow, error) {
	out := OutageRow{OutageRow: r}
	row, err := d.requestRow(ctx, policy.RequestID(r.Request))
	if err != nil {
		return out, err
	}
	if out.Text, _, err = d.request(ctx, row.Document); err != nil {
		return out, err
	}
	out.State, out.Window, out.Changed = row.State, policy.WindowID(row.Window), row.Document != r.Document
	if out.Window != "" {
		w, err := d.windowRow(ctx, out.Window)
		if err != nil {
			return out, err
		}
		out.Runs = w.State
	}
	if row.waits() {
		q, err := d.quorum(ctx, out.Text)
		if err != nil {
			return out, err
		}
		out.Needs = left(q.Needs, row.yes())
		out.Yours = d.mayAnswer(p, row, out.Text, row.Document) == nil && places(left(q.Needs, append(row.yes(), p.Roles))) < places(out.Needs)
	}
	return out, nil
}

// unlisted are requests that want to be on a list, wait, and are not on it.
func (d *Desk) unlisted(ctx context.Context, o evidence.Outage) (list []policy.RequestID, err error) {
	err = d.each(ctx, "request/", func(id string) error {
		row, err := d.requestRow(ctx, policy.RequestID(id))
		if err != nil || !row.waits() {
			return err
		}
		doc, _, err := d.request(ctx, row.Document)
		if _, on := o.Row(id); err == nil && doc.Outage == o.Outage && !on {
			list = append(list, policy.RequestID(id))
		}
		return err
	})
	return list, err
}

// OutagePlace is where in an outage a request's work is.
type OutagePlace struct{ Outage, Crew, Area string }

// InOutages says of each request on a list that is not over where it is.
func (d *Desk) InOutages(ctx context.Context, by people.Actor) (map[policy.RequestID]OutagePlace, error) {
	list, err := d.Outages(ctx, by)
	if err != nil {
		return nil, err
	}
	all := map[policy.RequestID]OutagePlace{}
	for _, o := range list {
		if o.Past(d.now()) {
			continue
		}
		for _, r := range o.Document.Rows {
			all[policy.RequestID(r.Request)] = OutagePlace{o.ID, r.Crew, r.Area}
		}
	}
	return all, nil
}

// inOrder refuses to open what comes after something that is not over.
func (d *Desk) inOrder(ctx context.Context, w windowRow) error {
	row, err := d.requestRow(ctx, policy.RequestID(w.Request))
	if err != nil {
		return err
	}
	doc, _, err := d.request(ctx, row.Document)
	if err != nil || doc.Outage == "" {
		return err
	}
	o, err := d.outageRow(ctx, doc.Outage) // withdrawn or not: the order was signed with the rows
	if err != nil {
		return err
	}
	list, err := d.outageDoc(ctx, o.Document)
	if err != nil {
		return err
	}
	place, _ := list.Row(w.Request)
	for _, first := range place.After {
		over, err := d.rowOver(ctx, policy.RequestID(first))
		if err != nil {
			return err
		}
		if !over {
			return refuse("order", "%s comes after %s in %s, and that is not over yet.", w.Request, first, doc.Outage)
		}
	}
	return nil
}

func (d *Desk) rowOver(ctx context.Context, id policy.RequestID) (bool, error) {
	row, err := d.requestRow(ctx, id)
	if err != nil {
		return false, err
	}
	one := OutageRow{State: row.State}
	if row.Window != "" {
		w, err := d.windowRow(ctx, policy.WindowID(row.Window))
		if err != nil {
			return false, err
		}
		one.Runs = w.State
	}
	return one.Over(), nil
}

// tooFewEscorts says where at one moment more windows of a list want an escort
// than the plant's people may watch.
func (d *Desk) tooFewEscorts(ctx context.Context, o evidence.Outage, texts map[string]evidence.Request) (string, error) {
	type edge struct {
		at time.Time
		n  int
	}
	var edges []edge
	assets := map[string]bool{}
	for _, r := range texts {
		q, err := d.quorum(ctx, r)
		if err != nil {
			return "", err
		}
		if !q.Escort {
			continue
		}
		edges = append(edges, edge{r.From, 1}, edge{r.To, -1})
		for _, t := range r.Assets {
			assets[t.Asset] = true
		}
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return a.n - b.n // who goes makes room first
	})
	most, now, when := 0, 0, time.Time{}
	for _, e := range edges {
		if now += e.n; now > most {
			most, when = now, e.at
		}
	}
	can, err := d.canEscort(ctx, assets)
	if err != nil || most <= can*mostEscorted {
		return "", err
	}
	return fmt.Sprintf("At %s %d of them want an escort, and the %d people who may watch %s at most %d.", when.In(d.plant().Location()).Format("Mon 15:04"), most, can, "watch", can*mostEscorted), nil
}

// canEscort counts people of the plant with a role for one of the machines.
func (d *Desk) canEscort(ctx context.Context, assets map[string]bool) (int, error) {
	all, err := d.roster.People(ctx)
	if err != nil {
		return 0, fmt.Errorf("list people: %w", err)
	}
	n, plant := 0, d.plant()
	for _, p := range all {
		f, err := d.roster.Firm(ctx, p.Firm)
		if err != nil {
			return 0, fmt.Errorf("look up firm %s: %w", p.Firm, err)
		}
		if p.Disabled || !f.Plant {
			continue
		}
		for a := range assets {
			if plant.MayEscort(p.Roles, policy.AssetName(a)) {
				n++
				break
			}
		}
	}
	return n, nil
}

// outage makes the row of outage.written and outage.withdrawn.
func (f folder) outage(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[outageRow](ctx, rows, outageKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	if v.Withdrawn != "" {
		return nil, illegal(leaf.Subject, "withdrawn", "changed")
	}
	switch b := leaf.Body.(type) {
	case audit.OutageWritten:
		if b.Rev != v.Rev+1 {
			return nil, illegal(leaf.Subject, fmt.Sprintf("revision %d", v.Rev), fmt.Sprintf("revision %d", b.Rev))
		}
		if v.By == "" {
			v.Outage, v.By = b.Outage, b.By
		}
		v.Rev, v.Document = b.Rev, b.Document
	case audit.OutageWithdrawn:
		if r.rev == 0 {
			return nil, illegal(leaf.Subject, "", "withdrawn")
		}
		v.Withdrawn = b.By
	}
	return r.changed()
}
