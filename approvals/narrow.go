package approvals

import (
	"context"
	"fmt"
	"slices"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// allowed are the rights that are left of what was agreed.
func (w *windowRow) allowed(claim evidence.WindowClaim) []string {
	switch {
	case len(w.Rights) > 0:
		return w.Rights
	case claim.Emergency():
		return claim.Starts
	}
	return claim.Rights
}

// Narrow leaves a window that runs fewer rights than it has, for good: by
// whoever may pause it, without a code, at once in memory and then in the log.
// Where the machine or Penstock stops the rest, that holds from the next
// operation on; where nobody does, what was open loses its input if look alone
// is left, and ends if more is: output goes on either way only for look.
func (d *Desk) Narrow(ctx context.Context, by people.Actor, id policy.WindowID, rights policy.Rights, why string) (Window, error) {
	if err := d.mayTake(by); err != nil {
		return Window{}, err
	}
	if err := d.narrowable(ctx, id); err != nil {
		return Window{}, err
	}
	rights |= policy.Look
	why = cleaned(why)
	said := fmt.Sprintf("narrowed by %s to: %s", d.says(by), rights)
	if why != "" {
		said += " (" + why + ")"
	}
	d.mu.Lock()
	d.narrowed[id] = append(d.narrowed[id], rights)
	s := d.stops
	d.mu.Unlock()
	if s != nil {
		s.Narrow(id, rights, said)
	}
	w, err := d.step(context.WithoutCancel(ctx), by, id, func(w windowRow, claim evidence.WindowClaim) (audit.WindowMoved, []people.Person, error) {
		has, err := policy.ParseRights(w.allowed(claim))
		if err != nil {
			return audit.WindowMoved{}, nil, fmt.Errorf("rights of %s: %w", w.Window, err)
		}
		left := has & rights
		if left == has {
			return audit.WindowMoved{}, nil, refuse("not-narrower", "%s allows no more than that already: %s.", id, has)
		}
		return audit.WindowMoved{Window: w.Window, To: "narrowed", By: string(by.Person), At: d.second(), Until: w.Until, Why: why, Rights: left.Words()}, nil, nil
	})
	if err != nil && !refused(err) {
		return w, d.admitNothing(fmt.Errorf("write that %s was narrowed", id), err) // it stays narrow in memory
	}
	d.inLog(id, rights)
	return w, err
}

// narrowable refuses for a window that does not run. What this process knows is
// enough for a yes: taking waits for no row.
func (d *Desk) narrowable(ctx context.Context, id policy.WindowID) error {
	runs := func() (WindowState, bool) {
		d.mu.Lock()
		defer d.mu.Unlock()
		s := d.phases[id].state
		return s, s == WindowOpen || s == WindowPaused
	}
	if _, yes := runs(); yes {
		return nil
	}
	if _, err := d.windowRow(ctx, id); err != nil { // no such window; or this process has not seen it yet
		return err
	}
	if s, yes := runs(); !yes {
		return illegal(string(id), string(s), "narrowed")
	}
	return nil
}

// inLog: the log narrows the window now, or refused to; memory need not any more.
func (d *Desk) inLog(id policy.WindowID, rights policy.Rights) {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.narrowed[id]
	if i := slices.Index(list, rights); i >= 0 {
		d.narrowed[id] = slices.Delete(slices.Clone(list), i, i+1)
	}
	if len(d.narrowed[id]) == 0 {
		delete(d.narrowed, id)
	}
}
