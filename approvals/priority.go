package approvals

import (
	"context"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// mostUrgent bounds how often the priority of one request is set by hand.
const mostUrgent = 10

// Override is a priority that somebody of the plant gave in place of the computed one.
type Override struct {
	To   policy.Priority
	Team policy.Role
	By   policy.PersonID
	Why  string
	At   time.Time
}

// urgentRow is an override in a request's row; Rev is the revision that it is about.
type urgentRow struct {
	Rev  int       `json:"rev"`
	To   string    `json:"to"`
	Team string    `json:"team"`
	By   string    `json:"by"`
	Why  string    `json:"why"`
	At   time.Time `json:"at"`
}

// Prioritise gives a request that waits another priority than the computed one,
// with a reason, by somebody of the plant who may take access. The text that is
// answered stays as it is; it opens nothing, so it asks for no code. Overrides are
// counted by team (Tally): a team that always sets P1 is seen.
func (d *Desk) Prioritise(ctx context.Context, by people.Actor, id policy.RequestID, to policy.Priority, why string) (Request, error) {
	if to.String() == "" {
		return Request{}, refuse("no-priority", "Say P1, P2, P3 or P4.")
	}
	if why == "" {
		return Request{}, refuse("no-text", "Say why it is more or less urgent than computed.")
	}
	if err := text("why", why, evidence.MaxText); err != nil {
		return Request{}, err
	}
	if err := d.mayTake(by); err != nil {
		return Request{}, err
	}
	return again(func() (Request, error) {
		p, err := d.activePlant(ctx, by)
		if err != nil {
			return Request{}, err
		}
		row, err := d.requestRow(ctx, id)
		if err != nil {
			return Request{}, err
		}
		i := slices.IndexFunc(p.Roles, func(r policy.Role) bool { return d.plant().Takes(string(r)) })
		switch {
		case i < 0:
			return Request{}, refuse("not-on-shift", "Only somebody with a shift, zone owner or OT security role may do this. Call the control room.")
		case !row.waits():
			return Request{}, refuse("not-waiting", "%s is %s; nobody waits for it.", id, row.State)
		case len(row.Urgent) >= mostUrgent:
			return Request{}, refuse("too-many-priorities", "The priority of %s was set %d times already. Talk to each other.", id, mostUrgent)
		}
		body := audit.PriorityChanged{Request: row.Request, Rev: row.Rev, To: to.String(), Team: string(p.Roles[i]), By: string(by.Person), Why: why, At: d.second()}
		if _, err := d.commit(ctx, requestKey(id), row.row+1, string(by.Person), body, p); err != nil {
			return Request{}, err
		}
		return d.Request(ctx, by, id)
	})
}

// urgency is the priority that counts, and who gave it where it is not the computed one.
func (r requestRow) urgency(doc evidence.Request) (policy.Priority, *Override) {
	computed, _ := policy.ParsePriority(doc.Priority) // the document was parsed: it is one
	if n := len(r.Urgent); n > 0 && r.Urgent[n-1].Rev == r.Rev {
		u := r.Urgent[n-1]
		if to, err := policy.ParsePriority(u.To); err == nil {
			return to, &Override{to, policy.Role(u.Team), policy.PersonID(u.By), u.Why, u.At}
		}
	}
	return computed, nil
}

// priority makes the row of an override.
func (f folder) priority(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b := leaf.Body.(audit.PriorityChanged)
	r, err := load[requestRow](ctx, rows, requestKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	if !v.waits() || b.Rev != v.Rev || len(v.Urgent) >= mostUrgent {
		return nil, refuse("illegal-step", "%s is %s at revision %d; no priority is given to revision %d.", leaf.Subject, v.State, v.Rev, b.Rev)
	}
	v.Urgent = append(v.Urgent, urgentRow{b.Rev, b.To, b.Team, b.By, b.Why, b.At})
	return r.changed()
}
