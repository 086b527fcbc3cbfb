package approvals

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// mayStep are the rights that a second tap would add to an emergency.
func (w *windowRow) mayStep(claim evidence.WindowClaim) (more []string) {
	if !claim.Emergency() {
		return nil
	}
	most := claim.Rights
	if len(w.Most) > 0 {
		most = w.Most
	}
	for _, r := range most {
		if !slices.Contains(w.allowed(claim), r) {
			more = append(more, r)
		}
	}
	return more
}

// StepUp is the second tap of an emergency: its opener adds rights that were
// agreed and that it did not begin with, while it runs. The gates and the escort
// that the rules ask for them are asked now. It rests on a code, where the rules
// let that be enough; else see StepUpSigned. Connections that are there have the
// rights at once.
func (d *Desk) StepUp(ctx context.Context, by people.Actor, id policy.WindowID, rights policy.Rights) (Window, error) {
	return d.stepUp(ctx, by, id, rights, nil)
}

// StepUpSigned is StepUp by an answer that the person has signed.
func (d *Desk) StepUpSigned(ctx context.Context, by people.Actor, id policy.WindowID, signed evidence.Answer) (Window, error) {
	rights, err := policy.ParseRights(signed.Limits.Rights)
	if err != nil {
		return Window{}, asRefusal("bad-answer", err)
	}
	return d.stepUp(ctx, by, id, rights, &signed)
}

// DraftStepUp is what StepUpSigned takes, without its proof.
func (d *Desk) DraftStepUp(ctx context.Context, by people.Actor, id policy.WindowID, rights policy.Rights) (evidence.Answer, error) {
	w, claim, err := d.claimed(ctx, id)
	if err != nil {
		return evidence.Answer{}, err
	}
	p, q, err := d.isOpener(ctx, by, claim)
	if err != nil {
		return evidence.Answer{}, err
	}
	to, err := d.steppable(w, claim, rights)
	if err != nil {
		return evidence.Answer{}, err
	}
	return d.stepUpText(p, q, w, claim, to), nil
}

func (d *Desk) stepUp(ctx context.Context, by people.Actor, id policy.WindowID, rights policy.Rights, signed *evidence.Answer) (Window, error) {
	return d.step(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (body audit.WindowMoved, on []people.Person, err error) {
		p, q, err := d.isOpener(ctx, by, claim)
		if err != nil {
			return body, nil, err
		}
		to, err := d.steppable(w, claim, rights)
		if err != nil {
			return body, nil, err
		}
		wider := w
		wider.Rights = to.Words()
		if err := cmp.Or(d.mayHave(ctx, w, claim, to, d.second()), d.met(ctx, wider, claim)); err != nil {
			return body, nil, err
		}
		a := d.stepUpText(p, q, w, claim, to)
		if signed != nil {
			err = d.signature(ctx, p, a, *signed)
			a = *signed
		} else if err = d.coded(by, p, q); err == nil {
			a.Proof = totp(by)
		}
		if err != nil {
			return body, nil, err
		}
		answer, err := d.openersAnswer(ctx, p, w, claim, a)
		if err != nil {
			return body, nil, err
		}
		return audit.WindowMoved{Window: w.Window, To: "stepped", By: string(by.Person), At: d.second(), Rights: to.Words(), Answer: answer}, []people.Person{p}, nil
	})
}

// steppable are the rights that the window would have: what it has, and those named.
func (d *Desk) steppable(w windowRow, claim evidence.WindowClaim, rights policy.Rights) (policy.Rights, error) {
	if !claim.Emergency() {
		return 0, refuse("no-emergency", "%s is no emergency; it has all that was agreed since it was opened.", w.Window)
	}
	if w.State != WindowOpen && w.State != WindowPaused || !d.second().Before(w.Until) {
		return 0, illegal(w.Window, string(w.State), "stepped up")
	}
	has, err := policy.ParseRights(w.allowed(claim))
	if err != nil {
		return 0, err
	}
	more, err := policy.ParseRights(append(w.mayStep(claim), w.allowed(claim)...))
	if err != nil {
		return 0, err
	}
	to := has | rights
	switch {
	case !more.Has(to):
		return 0, refuse("step-up", "%s may have at most: %s. Anything else needs a new request.", w.Window, more.InWords())
	case to == has:
		return 0, refuse("step-up", "%s allows that already: %s.", w.Window, has.InWords())
	}
	return to, nil
}

// stepUpText is the opener's second tap without its proof.
func (d *Desk) stepUpText(p people.Person, q policy.Quorum, w windowRow, claim evidence.WindowClaim, to policy.Rights) evidence.Answer {
	role := q.Openers[slices.IndexFunc(q.Openers, p.Has)]
	return evidence.Answer{V: 1, Request: claim.Request, Person: string(p.ID), Firm: string(p.Firm), Role: string(role), Says: evidence.StepUp,
		Window: w.Window, Limits: evidence.Limits{Rights: to.Words()}, Nonce: nonce(), At: d.second(), DecideBy: w.Until}
}

// tapHolds says whether the log's own answer gives the window the rights that it has.
func (d *Desk) tapHolds(ctx context.Context, w windowRow, claim evidence.WindowClaim, plant *policy.Plant, text []byte, yes []evidence.Given) (bool, error) {
	tap, a, err := d.afterOpening(ctx, w.Tapped)
	if err != nil {
		return false, err
	}
	for _, r := range w.Rights {
		if !slices.Contains(a.Limits.Rights, r) {
			return false, nil
		}
	}
	keys, tap := d.extenders(tap)
	return len(evidence.CheckStepUp(plant, text, yes, tap, keys, claim, w.Opened)) == 0, nil
}

// notAllowed is the first finding about an opener's answer, for a person.
func notAllowed(a evidence.Answer, findings []string) error {
	_, first, _ := strings.Cut(findings[0], ": ")
	rule, what := "extension", "It cannot be extended so far: "
	switch a.Says {
	case evidence.StepUp:
		rule, what = "step-up", "The second tap does not count: "
	case evidence.Opens, evidence.GoesOn:
		rule, what = "tap", "This tap does not count: "
	}
	return &policy.Refusal{Rule: rule, Say: what + first + ".", Why: strings.Join(findings, "; ")}
}
