package approvals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/state"
	"penstock/policy"
)

// settlePeople is settleLeft in the course of time; next is when the next
// contract ends. What cannot be read now is looked at again.
func (d *Desk) settlePeople(ctx context.Context) (next time.Time, err error) {
	err = d.settleLeft(ctx)
	next = never
	firms, ferr := d.roster.Firms(ctx)
	for _, f := range firms {
		if !f.Plant && f.Until.After(d.now()) {
			next = earlier(next, f.Until)
		}
	}
	machines, merr := d.standingEndings(ctx)
	told, terr := d.roster.TellEndings(ctx, machines...)
	if refused(terr) || errors.Is(terr, state.ErrConflict) { // somebody was faster: it is told at the next look
		terr = nil
	}
	if !told.IsZero() {
		next = earlier(next, told)
	}
	listed, aerr := d.settleAccess(ctx)
	next = earlier(next, listed)
	if err = errors.Join(err, ferr, merr, terr, aerr); err == nil {
		return next, nil
	}
	if ctx.Err() != nil || d.trouble() != nil {
		return next, fmt.Errorf("what people who have left leave behind: %w", err)
	}
	slog.ErrorContext(ctx, "cannot settle what people who have left leave behind; looking again later", "error", err)
	return earlier(next, d.now().Add(relook)), nil
}

// fitPeople refuses a yes to a request in which nobody could work any more: a
// contract, terms or training have run out since it was asked for.
func (d *Desk) fitPeople(ctx context.Context, doc evidence.Request) error {
	rights, err := policy.ParseRights(doc.Rights)
	if err != nil {
		return fmt.Errorf("rights of %s: %w", doc.Request, err)
	}
	var first error
	for _, id := range doc.People {
		facts, err := d.roster.Facts(ctx, policy.PersonID(id))
		if err != nil {
			return fmt.Errorf("facts of %s: %w", id, err)
		}
		var no error
		for _, t := range asPolicy(doc.Assets) {
			if no = d.plant().Fit(facts, t, rights, d.now()); no != nil {
				break
			}
		}
		if no == nil {
			return nil
		}
		if r, ok := errors.AsType[*policy.Refusal](no); ok && first == nil {
			first = &policy.Refusal{Rule: r.Rule, Say: fmt.Sprintf("%s could not work, so nothing can be agreed. What %s is told: %s.", id, id, r.Say), Why: r.Why}
		}
	}
	return first
}
