package people

import (
	"context"
	"errors"
	"io/fs"

	"penstock/audit"
	"penstock/policy"
)

// MayDisable is nil where the actor may end this person's access for good:
// whoever may invite the person; no code. The last holder of a security role
// stays. It reads, and does nothing.
func (r *Roster) MayDisable(ctx context.Context, by Actor, who policy.PersonID) error {
	_, _, err := r.leaver(ctx, by, who)
	return err
}

// leaver is the person, and those on whom taking their access away rests.
func (r *Roster) leaver(ctx context.Context, by Actor, who policy.PersonID) (have Person, rest []Person, err error) {
	p, err := r.plantPerson(ctx, by)
	if err != nil {
		return have, nil, err
	}
	have, err = r.Person(ctx, who)
	if errors.Is(err, fs.ErrNotExist) {
		return have, nil, nobody(who)
	}
	if err != nil {
		return have, nil, err
	}
	firm, err := r.Firm(ctx, have.Firm)
	if err != nil {
		return have, nil, err
	}
	if !r.mayInvite(p, firm) {
		return have, nil, notYours(by.Person, who, "disable")
	}
	if !have.Disabled && r.isSecurity(have) {
		rest, err = r.keepsSecurity(ctx, who)
	}
	return have, rest, err
}

// Disable ends a person's access, for good: the id and its keys do not come
// back. By whoever MayDisable. Somebody who is disabled already: nothing, nil.
// What else the person had here, approvals.Desk ends: it is the one to call.
func (r *Roster) Disable(ctx context.Context, by Actor, who policy.PersonID, why string) error {
	if err := reason(why); err != nil {
		return err
	}
	return again(func() error {
		have, rest, err := r.leaver(ctx, by, who)
		if err != nil || have.Disabled {
			return err
		}
		return r.commit(ctx, personRow+string(who), have.Rev+1, by.Person, audit.PersonDisabled{
			Person: string(who), By: string(by.Person), Why: why,
		}, rest...)
	})
}

// MayEndFirm is nil where the actor may end a firm's contract now: its sponsor,
// or security; no code. It reads, and does nothing.
func (r *Roster) MayEndFirm(ctx context.Context, by Actor, id policy.FirmID) error {
	_, _, err := r.ending(ctx, by, id)
	return err
}

func (r *Roster) ending(ctx context.Context, by Actor, id policy.FirmID) (f Firm, rev uint64, err error) {
	p, err := r.plantPerson(ctx, by)
	if err != nil {
		return f, 0, err
	}
	f, rev, err = r.firm(ctx, id)
	if errors.Is(err, fs.ErrNotExist) || err == nil && f.Plant {
		return f, rev, refuse("no-such-firm", "There is no such firm whose contract could end. Look at the list of people.", "firm %.40q", id)
	}
	if err == nil && !r.mayInvite(p, f) {
		err = notYours(by.Person, id, "end the contract of")
	}
	return f, rev, err
}

// EndFirm ends a firm's contract now. Nothing of its people is taken away for
// good: a new end, written by SetFirm, lets them in again. By whoever
// MayEndFirm. A contract that is over already: nothing, nil. approvals.Desk,
// which ends what runs, is the one to call.
func (r *Roster) EndFirm(ctx context.Context, by Actor, id policy.FirmID, why string) error {
	if err := reason(why); err != nil {
		return err
	}
	return again(func() error {
		f, rev, err := r.ending(ctx, by, id)
		now := cleanTime(r.Now())
		if err != nil || !f.Until.IsZero() && !f.Until.After(now) {
			return err
		}
		return r.commit(ctx, firmRow+string(id), rev+1, by.Person, audit.FirmEnded{Firm: string(id), By: string(by.Person), Why: why, At: now})
	})
}

func reason(why string) error {
	if err := checkText("the reason", why, maxWhy); err != nil {
		return refuse("why", "Write the reason in plain words: "+err.Error()+".", "%v", err)
	}
	return nil
}
