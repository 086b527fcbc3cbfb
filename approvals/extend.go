package approvals

import (
	"context"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Extend moves the end of a running window, by an opener's answer: past the
// request's minutes, never past the span, a limit or the rule's longest. It
// rests on a code, where the rules let that be enough; else see ExtendSigned.
func (d *Desk) Extend(ctx context.Context, by people.Actor, id policy.WindowID, until time.Time) (Window, error) {
	return d.extend(ctx, by, id, until, nil)
}

func (d *Desk) extend(ctx context.Context, by people.Actor, id policy.WindowID, until time.Time, signed *evidence.Answer) (Window, error) {
	return d.step(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.WindowMoved, []people.Person, error) {
		p, q, err := d.isOpener(ctx, by, claim)
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		if err := d.extendable(w, until); err != nil {
			return audit.WindowMoved{}, nil, err
		}
		a := d.extensionText(p, q, w, claim, whole(until))
		if signed != nil {
			err = d.signature(ctx, p, a, *signed)
			a = *signed
		} else if err = d.coded(by, p, q); err == nil {
			a.Proof = totp(by)
		}
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		answer, err := d.openersAnswer(ctx, p, w, claim, a)
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		return audit.WindowMoved{Window: w.Window, To: "extended", By: string(by.Person), At: d.second(), Until: whole(until), Answer: answer}, []people.Person{p}, nil
	})
}

// extendable: open or paused, before its end, and to a later one.
func (d *Desk) extendable(w windowRow, until time.Time) error {
	if !w.runs() || w.State == WindowEnding || !d.second().Before(w.Until) {
		return refuse("illegal-step", "%s is %s; only a window that is open can be extended.", w.Window, w.State)
	}
	if !whole(until).After(w.Until) {
		return refuse("not-later", "%s ends at %s already. End it now, or choose a later time.", w.Window, w.Until.Format(time.RFC3339))
	}
	return nil
}

// extensionText is the opener's answer without its proof.
func (d *Desk) extensionText(p people.Person, q policy.Quorum, w windowRow, claim evidence.WindowClaim, until time.Time) evidence.Answer {
	role := q.Openers[slices.IndexFunc(q.Openers, p.Has)]
	return evidence.Answer{V: 1, Request: claim.Request, Person: string(p.ID), Firm: string(p.Firm), Role: string(role), Says: evidence.Extend,
		Window: w.Window, Until: until, Nonce: nonce(), At: d.second(), DecideBy: w.Until}
}

// openersAnswer keeps an opener's answer to a window that runs, held to the
// verifier's own check.
func (d *Desk) openersAnswer(ctx context.Context, p people.Person, w windowRow, claim evidence.WindowClaim, a evidence.Answer) (audit.Hash, error) {
	doc, text, err := d.request(ctx, claim.Request)
	if err != nil {
		return audit.Hash{}, err
	}
	plant, err := d.plantOf(ctx, doc.Plant)
	if err != nil {
		return audit.Hash{}, err
	}
	hash, err := d.sign(ctx, a)
	if err != nil {
		return hash, err
	}
	body, err := audit.Canonical(a)
	if err != nil {
		return hash, err
	}
	yes, err := d.agreedBy(ctx, w)
	if err != nil {
		return hash, err
	}
	under, err := d.basis(ctx, doc, false)
	if err != nil {
		return hash, err
	}
	check := evidence.CheckExtension
	switch a.Says {
	case evidence.StepUp:
		check = evidence.CheckStepUp
	case evidence.Opens, evidence.GoesOn:
		check = func(plant *policy.Plant, request []byte, yes []evidence.Given, tap evidence.Given, keys []evidence.Key, claim evidence.WindowClaim, opened time.Time, under ...evidence.Basis) []string {
			return evidence.CheckTap(plant, request, a.Says, yes, tap, keys, claim, opened, w.allowed(claim), w.Until, under...)
		}
	}
	keys, g := d.extenders(evidence.Given{Wall: d.now(), Body: body, Firm: a.Firm, Roles: words(p.Roles), Plant: true})
	if findings := check(plant, text, yes, g, keys, claim, w.Opened, under...); len(findings) > 0 {
		return hash, notAllowed(a, findings)
	}
	return hash, nil
}

// extenders are the keys that an extension may be signed with. Its own leaf is
// not known here: it was held to the keys of that moment when it was written, and
// the verifier holds it to them by the leaf. A code's generator is not looked for.
func (d *Desk) extenders(g evidence.Given) ([]evidence.Key, evidence.Given) {
	a, err := evidence.ParseAnswer(g.Body)
	if err != nil || !a.Proof.Signed() {
		return nil, g
	}
	g.Leaf = d.keys.next()
	return d.keys.ever(a.Person), g
}
