package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// ListReply is a yes to rows of an outage's list. Rows empty: all that the
// person's yes is needed for and that need no look. Looked are rows with something
// unusual that the person has looked at one by one.
type ListReply struct {
	Rows   []policy.RequestID
	Looked []policy.RequestID
	Signed *evidence.Answer // the whole answer as it was signed: what DraftList gave, with its proof
}

// Taken is what came of it: of each row the refusal, or none.
type Taken struct {
	Outage Outage
	Rows   []policy.RequestID          // that were answered
	Not    map[policy.RequestID]string // that were not, and why
}

// DraftList is the answer that AnswerList would write, without a proof, and the
// list that it is to: what the person signs. Nothing is written.
func (d *Desk) DraftList(ctx context.Context, by people.Actor, id string, document audit.Hash, r ListReply) (evidence.Answer, []byte, error) {
	a, _, err := d.listAnswer(ctx, by, id, document, r)
	return d.withText(ctx, a, err)
}

// AnswerList is one person's yes to rows of exactly the list whose hash is given.
// It is one signature (or code, where the rules let that be enough for each of
// the rows), and the answer of each row by its own event. A row that has changed
// meanwhile is not answered, and said. A no is said to the row itself.
func (d *Desk) AnswerList(ctx context.Context, by people.Actor, id string, document audit.Hash, r ListReply) (Taken, error) {
	if s := r.Signed; s != nil {
		r.Rows, r.Looked = named[policy.RequestID](s.Rows), named[policy.RequestID](s.Looked)
	}
	a, p, err := d.listAnswer(ctx, by, id, document, r)
	if err != nil {
		return Taken{}, err
	}
	if r.Signed != nil {
		if r.Signed.Request != document {
			return Taken{}, refuse("signed-other", "What you signed answers another list than this one. Nothing was done; look again, then sign.")
		}
		if err := d.signature(ctx, p, a, *r.Signed); err != nil {
			return Taken{}, err
		}
		a = *r.Signed
	} else {
		if err := d.justCoded(by, p); err != nil {
			return Taken{}, err
		}
		a.Proof = totp(by)
	}
	hash, err := d.sign(ctx, a)
	if err != nil {
		return Taken{}, err
	}
	out := Taken{Not: map[policy.RequestID]string{}}
	for _, row := range a.Rows {
		err := d.takeRow(ctx, by, policy.RequestID(row), a, hash)
		if no, ok := errors.AsType[*policy.Refusal](err); ok {
			out.Not[policy.RequestID(row)] = no.Say
			continue
		}
		if err != nil {
			return out, fmt.Errorf("%d of %d rows are answered; %s: %w", len(out.Rows), len(a.Rows), row, err)
		}
		out.Rows = append(out.Rows, policy.RequestID(row))
	}
	out.Outage, err = d.Outage(ctx, by, id)
	return out, err
}

// listAnswer is the answer that a reply makes, without its proof.
func (d *Desk) listAnswer(ctx context.Context, by people.Actor, id string, document audit.Hash, r ListReply) (a evidence.Answer, p people.Person, err error) {
	if p, err = d.presentPlant(ctx, by); err != nil {
		return a, p, err
	}
	if _, _, err = d.openList(ctx, id); err != nil {
		return a, p, err
	}
	o, err := d.Outage(ctx, by, id)
	if err != nil {
		return a, p, err
	}
	if o.Hash != document {
		return a, p, refuse("stale-revision", "The list of %s has changed: it is revision %d now. Read it again before you sign.", id, o.Document.Rev)
	}
	on := map[string]OutageRow{}
	for _, row := range o.Rows {
		on[row.Request] = row
	}
	a = evidence.Answer{V: 1, Request: document, Person: string(p.ID), Firm: string(p.Firm), Says: evidence.Yes, Nonce: nonce(), At: d.second(), DecideBy: o.Document.To}
	if len(r.Rows) == 0 {
		r.Rows = takeable(o, r.Looked)
	}
	if len(r.Rows) == 0 {
		return a, p, refuse("nothing-taken", "Nothing on the list of %s waits for your yes, or what does has to be looked at one by one.", id)
	}
	a.Rows = sorted(words(r.Rows))
	if a.Looked = slices.DeleteFunc(sorted(words(r.Looked)), func(l string) bool { return !slices.Contains(a.Rows, l) }); len(a.Looked) == 0 {
		a.Looked = nil
	}
	for _, want := range a.Rows {
		row, there := on[want]
		switch {
		case !there:
			return a, p, refuse("not-on-list", "%.40q is not on the list of %s. Take what stands there.", want, id)
		case len(row.Look) > 0 && !slices.Contains(a.Looked, want):
			return a, p, refuse("look-first", "%s is to be looked at by itself: %s.", want, row.Look[0])
		case r.Signed != nil: // what is not waited for any more is said of its row
		case !row.Yours:
			return a, p, refuse("not-asked", "%s does not wait for your yes.", want)
		case row.Changed:
			return a, p, refuse("stale-revision", "%s has changed since the list was written. Look at the list again.", want)
		}
		if row.Text.To.Before(a.DecideBy) {
			a.DecideBy = row.Text.To
		}
		if i := slices.IndexFunc(row.Needs, func(n policy.Need) bool { return p.Has(n.Role) }); i >= 0 && a.Role == "" {
			a.Role = string(row.Needs[i].Role)
		}
	}
	if r.Signed != nil && p.Has(policy.Role(r.Signed.Role)) {
		a.Role = r.Signed.Role
	}
	return a, p, nil
}

// takeable are the rows that wait for the reader's yes and have nothing unusual, or
// were looked at.
func takeable(o Outage, looked []policy.RequestID) (rows []policy.RequestID) {
	for _, row := range o.Rows {
		id := policy.RequestID(row.Request)
		if row.Yours && !row.Changed && (len(row.Look) == 0 || slices.Contains(looked, id)) {
			rows = append(rows, id)
		}
	}
	return rows
}

// takeRow writes the answer as one to this row.
func (d *Desk) takeRow(ctx context.Context, by people.Actor, id policy.RequestID, a evidence.Answer, hash audit.Hash) error {
	_, err := again(func() (none, error) {
		row, err := d.requestRow(ctx, id)
		if err != nil {
			return none{}, err
		}
		p, err := d.presentPlant(ctx, by)
		if err != nil {
			return none{}, err
		}
		p = row.standing(p)
		doc, _, err := d.request(ctx, row.Document)
		if err != nil {
			return none{}, err
		}
		if err := d.mayAnswer(p, row, doc, row.Document); err != nil {
			return none{}, err
		}
		list, err := d.outageDoc(ctx, a.Request)
		if err != nil {
			return none{}, err
		}
		if on, _ := list.Row(row.Request); on.Document != row.Document {
			return none{}, refuse("stale-revision", "It has changed meanwhile. Look at it again.")
		}
		if _, err := d.fit(ctx, p, row, doc, Reply{Says: evidence.Yes}); err != nil {
			return none{}, err
		}
		if !a.Proof.Signed() {
			q, err := d.quorum(ctx, doc)
			if err != nil {
				return none{}, err
			}
			if err := d.coded(by, p, q); err != nil {
				return none{}, err
			}
		}
		body := audit.AnswerGiven{Request: row.Request, Rev: row.Rev, Person: a.Person, Firm: a.Firm, Roles: sorted(words(p.Roles)), Says: evidence.Yes, Document: hash}
		_, err = d.commit(ctx, requestKey(id), row.row+1, a.Person, body, p)
		return none{}, err
	})
	if err != nil {
		return err
	}
	if _, err := d.settleRequest(ctx, id); err != nil {
		return fmt.Errorf("the answer stands; what follows from it: %w", err)
	}
	return nil
}

// Opened is what came of one window of a crew; Say is empty where it is open.
type Opened struct {
	Window policy.WindowID
	Until  string // clock, in the plant's zone
	Say    string
}

// OpenCrew opens every agreed window of a crew, each by the rules for it alone:
// what may not open now stays closed, and says why.
func (d *Desk) OpenCrew(ctx context.Context, by people.Actor, id, crew string) ([]Opened, error) {
	o, err := d.Outage(ctx, by, id)
	if err != nil {
		return nil, err
	}
	var list []Opened
	for _, r := range o.Rows {
		if r.Crew != crew || r.State != RequestAgreed || r.Runs != WindowAgreed {
			continue
		}
		w, err := d.Open(ctx, by, r.Window)
		one := Opened{Window: r.Window}
		if no, ok := errors.AsType[*policy.Refusal](err); ok {
			one.Say = no.Say
		} else if err != nil {
			return list, fmt.Errorf("open %s: %w", r.Window, err)
		} else {
			one.Until = w.Until.In(d.plant().Location()).Format("15:04")
		}
		list = append(list, one)
	}
	if len(list) == 0 {
		return nil, refuse("nothing-to-open", "No window of crew %.40q in %s waits to be opened.", crew, id)
	}
	return list, nil
}

// askOfList tells the log who is asked about a list: those on duty whose word it
// waits for, once for each role.
func (d *Desk) askOfList(ctx context.Context, id string) error {
	row, err := d.outageRow(ctx, id)
	if err != nil {
		return err
	}
	list, err := d.outageDoc(ctx, row.Document)
	if err != nil {
		return err
	}
	duty, err := d.Duty(ctx)
	if err != nil {
		return err
	}
	asked := map[policy.Role][]string{}
	for _, r := range list.Rows {
		v, err := d.requestRow(ctx, policy.RequestID(r.Request))
		if err != nil {
			return err
		}
		if !v.waits() {
			continue
		}
		doc, _, err := d.request(ctx, v.Document)
		if err != nil {
			return err
		}
		q, err := d.quorum(ctx, doc)
		if err != nil {
			return err
		}
		for _, n := range left(q.Needs, v.yes()) {
			asked[n.Role] = append(asked[n.Role], duty.askable(n.Role, doc, d.now())...)
		}
	}
	for _, role := range sortedRoles(asked) {
		who := sorted(asked[role])
		ev := audit.Event{Subject: id, Actor: penstock, Body: audit.PersonAsked{Role: string(role), People: who[:min(len(who), evidence.MaxList)]}}
		if _, err := d.log.Append(ctx, ev); err != nil {
			return fmt.Errorf("write who was asked: %w", err)
		}
	}
	return nil
}

func sortedRoles(m map[policy.Role][]string) (roles []policy.Role) {
	for r := range m {
		roles = append(roles, r)
	}
	slices.Sort(roles)
	return roles
}
