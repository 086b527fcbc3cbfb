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

// Asked is a team that was asked, or will be, because another did not answer:
// from then on its people's word counts in place of the other's.
type Asked struct {
	For, Team policy.Role
	At        time.Time
}

// since is when a revision began to wait: asked, or woken.
func (r *requestRow) since() time.Time {
	if r.Woken.After(r.At) {
		return r.Woken
	}
	return r.At
}

// nextAsked is whom the plant file asks next for a team of this request, and
// when; ok is false where nobody is left. engaged is when somebody of those
// asked last said anything but yes: they are at it.
func (r *requestRow) nextAsked(plant *policy.Plant, team policy.Role, engaged time.Time) (next Asked, last policy.Role, ok bool) {
	to, after, lately, at := evidence.AsksNext(plant, string(team), r.Next)
	if last = policy.Role(lately); to == "" {
		return Asked{}, last, false
	}
	if at.Before(r.since()) {
		at = r.since()
	}
	if at.Before(engaged) {
		at = engaged
	}
	return Asked{team, policy.Role(to), at.Add(after)}, last, true
}

// engaged is the newest answer that was no yes, by somebody who counts in a team.
func engaged(given []given, team policy.Role) (at time.Time) {
	for _, g := range given {
		if g.answer.Says != evidence.Yes && slices.Contains(g.given.Roles, string(team)) && g.answer.At.After(at) {
			at = g.answer.At
		}
	}
	return at
}

// waitsFor are the teams whose yes is still missing.
func waitsFor(q policy.Quorum, row requestRow) (teams []policy.Role) {
	for _, n := range left(q.Needs, row.yes()) {
		teams = append(teams, n.Role)
	}
	return teams
}

// askNext asks whom the plant file names next for a team that has not answered
// in time, or of which nobody is on duty; next is when it will be time again.
func (d *Desk) askNext(ctx context.Context, row requestRow, doc evidence.Request) (next time.Time, moved bool, err error) {
	if doc.Outage != "" { // planned by day: its list waits as it stands
		return never, false, nil
	}
	q, err := d.quorum(ctx, doc)
	if err != nil {
		return never, false, err
	}
	plant, err := d.plantOf(ctx, doc.Plant)
	if err != nil {
		return never, false, err
	}
	given, err := d.answers(ctx, row)
	if err != nil {
		return never, false, err
	}
	duty, err := d.Duty(ctx)
	if err != nil {
		return never, false, err
	}
	next, now := never, d.now()
	for _, team := range waitsFor(q, row) {
		step, last, ok := row.nextAsked(plant, team, engaged(given, team))
		if !ok {
			continue
		}
		if now.Before(step.At) && len(duty.askable(last, doc, now)) > 0 {
			next = earlier(next, step.At)
			continue
		}
		who := duty.askable(step.Team, doc, now)
		body := audit.PersonAsked{Role: string(step.Team), People: sorted(who[:min(len(who), evidence.MaxList)]), For: string(team), At: d.second()}
		_, err := d.commit(ctx, requestKey(row.Request), row.row+1, penstock, body)
		return next, true, err
	}
	return next, false, nil
}

// standing adds the roles for which somebody's team was asked in their place.
func (r *requestRow) standing(p people.Person) people.Person {
	roles := slices.Clone(p.Roles)
	for _, s := range r.Next {
		if p.Has(policy.Role(s.Team)) && !slices.Contains(roles, policy.Role(s.For)) {
			roles = append(roles, policy.Role(s.For))
		}
	}
	p.Roles = roles
	return p
}

// next is whom a request asks next for each team that it waits for.
func (d *Desk) next(plant *policy.Plant, q policy.Quorum, row requestRow, given []given) (list []Asked) {
	for _, team := range waitsFor(q, row) {
		if step, _, ok := row.nextAsked(plant, team, engaged(given, team)); ok {
			list = append(list, step)
		}
	}
	return list
}

// askedNext makes the row of a step.
func (f folder) askedNext(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b := leaf.Body.(audit.PersonAsked)
	r, err := load[requestRow](ctx, rows, requestKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	if v.State != RequestWaiting || len(v.Next) >= evidence.MaxList {
		return nil, refuse("illegal-step", "%s is %s; nobody else is asked.", v.Request, v.State)
	}
	v.Next = append(v.Next, evidence.Asked{For: b.For, Team: b.Role, At: b.At})
	return r.changed()
}

func asSteps(list []evidence.Asked) (steps []Asked) {
	for _, s := range list {
		steps = append(steps, Asked{policy.Role(s.For), policy.Role(s.Team), s.At})
	}
	return steps
}
