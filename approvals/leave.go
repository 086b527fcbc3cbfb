package approvals

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Leaving is what ends when a person, or a firm, leaves, and what others have to
// look at because it goes on.
type Leaving struct {
	People    []policy.PersonID // whose access it ends
	Firm      policy.FirmID     // whose contract it ends; empty: a person's leaving
	Ended     []policy.WindowID // they run, and nobody is left who works in them
	Runs      []policy.WindowID // they run, and go on for the others
	Rests     []policy.WindowID // they run by a yes of the person's, and go on: look at them
	Unused    []policy.WindowID // agreed, and not to be opened any more
	Withdrawn []policy.RequestID
	Answers   []policy.RequestID // their yes is taken back, and asked anew of others
	Escorts   []policy.WindowID  // they wait for another escort
	Turns     []LeavingTurn      // of rosters
	Deputies  []LeavingDeputy
	Sponsors  []policy.FirmID // they need another sponsor
	Said      []string        // patterns and changes of the plant file that wait: their yes is taken back
	Stands    []string        // patterns that stand by a yes of theirs, and go on: look at them

	machines []policy.WindowID // of Ended, those of machines that the person keeps
}

// LeavingTurn is a turn that nobody has then, unless another has it as well.
type LeavingTurn struct {
	Team policy.Role
	evidence.Turn
}

// LeavingDeputy is a standing in that ends.
type LeavingDeputy struct {
	Team policy.Role
	evidence.Deputy
}

// gone says who has left, and which firm's contract is over.
type gone struct {
	person func(string) bool
	firm   func(string) bool
}

// goneNow is as the roster has it, with those of more.
func (d *Desk) goneNow(ctx context.Context, more ...policy.PersonID) (gone, error) {
	all, err := d.roster.People(ctx)
	if err != nil {
		return gone{}, fmt.Errorf("list people for who has left: %w", err)
	}
	firms, err := d.roster.Firms(ctx)
	if err != nil {
		return gone{}, fmt.Errorf("list firms for whose contract is over: %w", err)
	}
	left, over, now := map[string]bool{}, map[string]bool{}, d.now()
	for _, p := range all {
		left[string(p.ID)] = p.Disabled || slices.Contains(more, p.ID)
	}
	for _, f := range firms {
		over[string(f.ID)] = !f.Plant && !f.Until.IsZero() && !now.Before(f.Until)
	}
	return gone{func(id string) bool { return left[id] }, func(id string) bool { return over[id] }}, nil
}

// request says why a request that waits, or whose window is not open, cannot
// stand any more; "" where it can. yes are people whose yes it has.
func (g gone) request(doc evidence.Request, yes []string, agreed bool) string {
	work := slices.ContainsFunc(doc.People, func(id string) bool { return !g.person(id) })
	i := slices.IndexFunc(yes, g.person)
	switch {
	case g.firm(doc.Firm):
		return "the contract of " + doc.Firm + " is over"
	case doc.Machine.Is() && g.person(doc.Machine.Keeper):
		return doc.Machine.Keeper + ", who keeps the machine, has left"
	case g.person(doc.By):
		return doc.By + ", who asked, has left"
	case !work:
		return "nobody is left who was to work"
	case agreed && i >= 0:
		return yes[i] + ", by whose yes it was agreed, has left"
	}
	return ""
}

// window says why a window that runs ends; "" where it does not.
func (g gone) window(claim evidence.WindowClaim, firm string) string {
	switch {
	case g.firm(firm):
		return "the contract of " + firm + " is over"
	case claim.Machine.Is() && g.person(claim.Machine.Keeper):
		return claim.Machine.Keeper + ", who keeps the machine, has left"
	case !slices.ContainsFunc(claim.People, func(id string) bool { return !g.person(id) }):
		return "everybody who worked in it has left"
	}
	return ""
}

// sayers are the people whose yes a request has.
func (r *requestRow) sayers() (who []string) {
	for _, a := range r.Answers {
		if a.Says == evidence.Yes {
			who = append(who, a.Person)
		}
	}
	return who
}

// LeavingOf says what Leave would end now. By whoever may call it.
func (d *Desk) LeavingOf(ctx context.Context, by people.Actor, who policy.PersonID) (Leaving, error) {
	if err := d.roster.MayDisable(ctx, by, who); err != nil {
		return Leaving{}, err
	}
	g, err := d.goneNow(ctx, who)
	if err != nil {
		return Leaving{}, err
	}
	l := Leaving{People: []policy.PersonID{who}}
	if err := d.leavingWork(ctx, g, &l); err != nil {
		return l, err
	}
	err = d.eachRoster(ctx, func(team string, row dutyRow, turns []evidence.Turn) error {
		for _, t := range turns {
			if t.Person == string(who) && t.To.After(d.now()) {
				l.Turns = append(l.Turns, LeavingTurn{policy.Role(team), t})
			}
		}
		for _, s := range row.Deputies {
			if (s.Person == string(who) || s.For == string(who)) && s.Until.After(d.now()) {
				l.Deputies = append(l.Deputies, LeavingDeputy{policy.Role(team), s})
			}
		}
		return nil
	})
	if err != nil {
		return l, err
	}
	firms, err := d.roster.Firms(ctx)
	for _, f := range firms {
		if f.Sponsor == who {
			l.Sponsors = append(l.Sponsors, f.ID)
		}
	}
	return l, err
}

// LeavingFirm says what EndFirm would end now. By whoever may call it.
func (d *Desk) LeavingFirm(ctx context.Context, by people.Actor, id policy.FirmID) (Leaving, error) {
	if err := d.roster.MayEndFirm(ctx, by, id); err != nil {
		return Leaving{}, err
	}
	g, err := d.goneNow(ctx)
	if err != nil {
		return Leaving{}, err
	}
	l, over := Leaving{Firm: id}, g.firm
	g.firm = func(f string) bool { return f == string(id) || over(f) }
	all, err := d.roster.People(ctx)
	if err != nil {
		return l, fmt.Errorf("list people: %w", err)
	}
	for _, p := range all {
		if p.Firm == id && !p.Disabled {
			l.People = append(l.People, p.ID)
		}
	}
	return l, d.leavingWork(ctx, g, &l)
}

// leavingWork looks through patterns, changes, and the requests and windows that are
// not over: a page asks for it, and the log has years of the others.
func (d *Desk) leavingWork(ctx context.Context, g gone, l *Leaving) error {
	if err := d.leavingSaid(ctx, g, l); err != nil {
		return err
	}
	err := d.eachLiving(ctx, "request/", func(id string) (over bool, err error) {
		r, err := d.requestRow(ctx, policy.RequestID(id))
		if err != nil || !r.waits() {
			return err == nil && r.State != RequestAgreed, err // its window may still go unused
		}
		doc, _, err := d.request(ctx, r.Document)
		switch {
		case err != nil:
		case g.request(doc, r.sayers(), false) != "":
			l.Withdrawn = append(l.Withdrawn, policy.RequestID(id))
		case slices.ContainsFunc(r.sayers(), g.person):
			l.Answers = append(l.Answers, policy.RequestID(id))
		}
		return false, err
	})
	if err != nil {
		return err
	}
	return d.eachLiving(ctx, "window/", func(id string) (over bool, err error) {
		w, err := d.windowRow(ctx, policy.WindowID(id))
		if err != nil || w.State != WindowAgreed && !w.runs() {
			if err == nil && w.State == WindowClosed { // it was opened, so nobody revises its request any more
				d.heads.retire(requestKey(policy.RequestID(w.Request)))
			}
			return err == nil && (w.State == WindowClosed || w.State == WindowUnused), err
		}
		claim, err := d.claim(ctx, w)
		if err != nil {
			return false, err
		}
		r, err := d.requestRow(ctx, policy.RequestID(w.Request))
		if err != nil {
			return false, err
		}
		doc, _, err := d.request(ctx, claim.Request)
		if err != nil {
			return false, err
		}
		l.window(g, w, claim, doc, r.sayers())
		return false, nil
	})
}

func (l *Leaving) window(g gone, w windowRow, claim evidence.WindowClaim, doc evidence.Request, yes []string) {
	id := policy.WindowID(w.Window)
	switch {
	case w.State == WindowAgreed && g.request(doc, yes, true) != "":
		l.Unused = append(l.Unused, id)
		return
	case w.State == WindowAgreed:
	case g.window(claim, w.Firm) != "":
		l.Ended = append(l.Ended, id)
		if claim.Machine.Is() {
			l.machines = append(l.machines, id)
		}
		return
	case slices.ContainsFunc(claim.People, g.person):
		l.Runs = append(l.Runs, id)
	case slices.ContainsFunc(yes, g.person) || g.person(w.OpenedBy):
		l.Rests = append(l.Rests, id)
	}
	if g.person(w.Escort.By) {
		l.Escorts = append(l.Escorts, id)
	}
}

// eachRoster calls f for every team that keeps a roster or has deputies.
func (d *Desk) eachRoster(ctx context.Context, f func(team string, row dutyRow, turns []evidence.Turn) error) error {
	return d.each(ctx, "roster/", func(team string) error {
		row, err := d.dutyRow(ctx, policy.Role(team))
		if err != nil {
			return err
		}
		turns, err := d.turns(ctx, row.Document)
		if err != nil {
			return err
		}
		return f(team, row, turns)
	})
}

// Leave ends everything that a person has here, for good: sessions and input
// that they watch at once and in memory, then the person, then what else rested
// on them. By the firm's sponsor or OT security; of the plant's own by OT
// security. No code.
func (d *Desk) Leave(ctx context.Context, by people.Actor, who policy.PersonID, why string) (Leaving, error) {
	l, err := d.LeavingOf(ctx, by, who)
	if err != nil {
		return l, err
	}
	return l, d.leave(ctx, by, policy.Block{Person: who}, why, l, func(ctx context.Context, why string) error {
		return d.roster.Disable(ctx, by, who, why)
	})
}

// EndFirm ends a firm's contract now: what its people do ends at once and in
// memory, and what they have asked for is withdrawn. By its sponsor or OT
// security. No code.
func (d *Desk) EndFirm(ctx context.Context, by people.Actor, id policy.FirmID, why string) (Leaving, error) {
	l, err := d.LeavingFirm(ctx, by, id)
	if err != nil {
		return l, err
	}
	return l, d.leave(ctx, by, policy.Block{Firm: id}, why, Leaving{}, func(ctx context.Context, why string) error {
		return d.roster.EndFirm(ctx, by, id, why)
	})
}

// leave is effect first, then the event, then what follows from it; what follows
// settle does as well, so that a crash between leaves nothing standing.
func (d *Desk) leave(ctx context.Context, by people.Actor, b policy.Block, why string, l Leaving, write func(context.Context, string) error) error {
	ctx = context.WithoutCancel(ctx) // whoever asked may go; the event must come
	b.By, b.Why = by.Person, cleaned(why)
	if b.Why == "" {
		b.Why = "left"
	}
	number := d.blockNow(&b)
	defer d.unblock(number)
	if s := d.stopper(); s != nil {
		s.Block(b, &policy.Refusal{Rule: "left", Say: fmt.Sprintf("Your access was ended by %s: %s. Call your contact at the plant.", d.says(by), b.Why)})
	}
	for _, id := range l.machines { // a machine of theirs is nobody that the block names
		d.mark(d.stopped, id)
		defer d.unmark(d.stopped, id)
		if s := d.stopper(); s != nil {
			s.Stop(id, &policy.Refusal{Rule: "left", Say: fmt.Sprintf("%s was ended by %s: %s. Call your contact at the plant.", id, d.says(by), b.Why)})
		}
	}
	for _, id := range l.Escorts {
		d.hold(id, "paused: its escort has left")
		defer d.unmark(d.held, id)
	}
	if err := write(ctx, cut(b.Why)); err != nil {
		if refused(err) {
			return err
		}
		return d.admitNothing(errors.New("write who has left"), err)
	}
	if err := d.settleLeft(ctx); err != nil {
		return fmt.Errorf("their access is ended; what follows from it: %w", err)
	}
	return nil
}

// cut is a reason as people's events keep it, 300 characters.
func cut(why string) string {
	if r := []rune(why); len(r) > 300 {
		return string(r[:300])
	}
	return why
}

// settleLeft does what follows from people who have left and contracts that are
// over: for requests, windows, escorts, turns and deputies.
func (d *Desk) settleLeft(ctx context.Context) error {
	g, err := d.goneNow(ctx)
	if err != nil {
		return err
	}
	err = d.each(ctx, "request/", func(id string) error { return d.settleGone(func() error { return d.leftRequest(ctx, g, id) }) })
	if err != nil {
		return err
	}
	err = d.each(ctx, "window/", func(id string) error { return d.settleGone(func() error { return d.leftWindow(ctx, g, id) }) })
	if err != nil {
		return err
	}
	for _, kind := range []string{"pattern/", "change/"} {
		err = d.each(ctx, kind, func(id string) error { return d.settleGone(func() error { return d.leftSaid(ctx, g, kind+id) }) })
		if err != nil {
			return err
		}
	}
	return d.each(ctx, "roster/", func(team string) error { return d.settleGone(func() error { return d.leftRoster(ctx, g, team) }) })
}

// settleGone repeats a step while others were faster; what they made of it may
// need nothing any more.
func (d *Desk) settleGone(step func() error) error {
	_, err := again(func() (none, error) { return none{}, step() })
	if errors.Is(err, state.ErrConflict) || isRule(err, "illegal-step") || isRule(err, "row-differs") {
		return nil // settle looks again
	}
	return err
}

func (d *Desk) leftRequest(ctx context.Context, g gone, id string) error {
	r, err := d.requestRow(ctx, policy.RequestID(id))
	if err != nil || !r.waits() && r.State != RequestAgreed {
		return err
	}
	if r.State == RequestAgreed {
		if w, err := d.windowRow(ctx, policy.WindowID(r.Window)); err != nil || w.State != WindowAgreed {
			return err
		}
	}
	doc, _, err := d.request(ctx, r.Document)
	if err != nil {
		return err
	}
	if why := g.request(doc, r.sayers(), r.State == RequestAgreed); why != "" {
		_, err := d.commit(ctx, requestKey(id), r.row+1, penstock, audit.RequestWithdrawn{By: penstock, Why: why, Window: r.Window})
		return err
	}
	if i := slices.IndexFunc(r.sayers(), g.person); i >= 0 {
		body := audit.AnswerWithdrawn{Request: r.Request, Rev: r.Rev, Person: r.sayers()[i]}
		if _, err := d.commit(ctx, requestKey(id), r.row+1, penstock, body); err != nil {
			return err
		}
		return state.ErrConflict // there may be another: look anew
	}
	return nil
}

func (d *Desk) leftWindow(ctx context.Context, g gone, id string) error {
	w, err := d.windowRow(ctx, policy.WindowID(id))
	if err != nil || w.State != WindowAgreed && !w.runs() {
		return err
	}
	claim, err := d.claim(ctx, w)
	if err != nil {
		return err
	}
	if why := g.window(claim, w.Firm); w.runs() && why != "" {
		d.mark(d.stopped, policy.WindowID(id))
		defer d.unmark(d.stopped, policy.WindowID(id))
		d.stopper().Stop(policy.WindowID(id), &policy.Refusal{Rule: "ended", Say: fmt.Sprintf("%s ended: %s.", id, why)})
		at := earlier(d.second(), w.Until)
		_, err := d.commit(ctx, windowKey(id), w.row+1, penstock, audit.WindowMoved{Window: id, To: "ended", By: penstock, At: at, Until: at, Why: why})
		return err
	}
	if w.Escort.By == "" || !g.person(w.Escort.By) {
		return nil
	}
	d.hold(policy.WindowID(id), "paused: its escort has left")
	defer d.unmark(d.held, policy.WindowID(id))
	body := audit.EscortChanged{Window: id, By: w.Escort.By, Says: EscortLeft, At: d.second()}
	if _, err := d.commit(ctx, windowKey(id), w.row+1, penstock, body); err != nil {
		return err
	}
	return d.settleHeld(ctx, []policy.WindowID{policy.WindowID(id)})
}

// leftRoster leaves out the turns that are still to come, and ends who stands in.
func (d *Desk) leftRoster(ctx context.Context, g gone, team string) error {
	row, err := d.dutyRow(ctx, policy.Role(team))
	if err != nil {
		return err
	}
	now := d.second()
	for _, s := range row.Deputies {
		if s.Until.After(now) && (g.person(s.For) || g.person(s.Person)) {
			body := audit.DeputyEnded{Team: team, For: s.For, Person: s.Person, By: penstock, At: now}
			if _, err := d.commit(ctx, rosterKey(team), row.row+1, penstock, body); err != nil {
				return err
			}
			return state.ErrConflict // there may be another: look anew
		}
	}
	turns, err := d.turns(ctx, row.Document)
	if err != nil {
		return err
	}
	stays := slices.DeleteFunc(slices.Clone(turns), func(t evidence.Turn) bool { return g.person(t.Person) && t.To.After(now) })
	if len(stays) == len(turns) {
		return nil
	}
	hash, err := d.keepRoster(ctx, evidence.Roster{V: 1, Team: team, Turns: append([]evidence.Turn{}, stays...)})
	if err != nil {
		return err
	}
	_, err = d.commit(ctx, rosterKey(team), row.row+1, penstock, audit.RosterWritten{Team: team, Document: hash, By: penstock, At: now})
	return err
}

// withdrawAnswer takes the yes of somebody who has left out of a request's row.
func (f folder) withdrawAnswer(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b := leaf.Body.(audit.AnswerWithdrawn)
	if !strings.HasPrefix(leaf.Subject, "R-") {
		return f.withdrawSaid(ctx, rows, leaf, b)
	}
	r, err := load[requestRow](ctx, rows, requestKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	had := len(v.Answers)
	v.Answers = slices.DeleteFunc(v.Answers, func(a said) bool { return a.Person == b.Person && a.Says == evidence.Yes })
	if !v.waits() || b.Rev != v.Rev || len(v.Answers) == had {
		return nil, refuse("illegal-step", "%s is %s, and has no yes of %s.", leaf.Subject, v.State, b.Person)
	}
	return r.changed()
}
