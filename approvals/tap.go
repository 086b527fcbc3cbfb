package approvals

import (
	"context"
	"fmt"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// A tap is a person's own key over the very text of what they give
// (evidence.CheckTap). On a page of their own it stands for a code. At a kiosk nobody
// is signed in: a person says which name is theirs, and taps; the Actor of such a tap
// carries the screen, and gives by nothing else.

// tapGood is how long what is tapped may wait to be done, as a signed answer may.
const tapGood = signGood

// atScreen: an enrolled screen, where the actor gives by a tap; else nothing.
func (d *Desk) atScreen(by people.Actor) error {
	if by.Screen == "" {
		return nil
	}
	return d.kioskStands(by.Screen)
}

// DraftTap is what somebody taps to let a window open
// (evidence.Opens) or go on (evidence.GoesOn), without its proof. Nothing is
// written.
func (d *Desk) DraftTap(ctx context.Context, by people.Actor, id policy.WindowID, says string) (evidence.Answer, error) {
	w, claim, err := d.claimed(ctx, id)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := d.atScreen(by); err != nil {
		return evidence.Answer{}, err
	}
	if from := map[string]WindowState{evidence.Opens: WindowAgreed, evidence.GoesOn: WindowPaused}[says]; w.State != from {
		return evidence.Answer{}, illegal(w.Window, string(w.State), says)
	}
	p, q, err := d.isOpener(ctx, by, claim)
	if err != nil {
		return evidence.Answer{}, err
	}
	return d.tapText(by, p, q, w, claim, says), nil
}

func (d *Desk) tapText(by people.Actor, p people.Person, q policy.Quorum, w windowRow, claim evidence.WindowClaim, says string) evidence.Answer {
	role := q.Openers[slices.IndexFunc(q.Openers, p.Has)]
	a := evidence.Answer{V: 1, Request: claim.Request, Person: string(p.ID), Firm: string(p.Firm), Role: string(role), Says: says, Window: w.Window,
		Rev: w.row, Kiosk: string(by.Screen), Limits: evidence.Limits{Rights: w.allowed(claim)}, Nonce: nonce(), At: d.second(), DecideBy: claim.To}
	if says == evidence.Opens {
		a.Limits.Minutes = claim.Minutes
	} else {
		a.Until = w.Until
	}
	return a
}

// OpenTapped is Open by a tap: of what DraftTap gave or, where a yes was the last
// one, by that very yes.
func (d *Desk) OpenTapped(ctx context.Context, by people.Actor, id policy.WindowID, tap evidence.Answer) (Window, error) {
	return d.open(ctx, by, id, &tap)
}

// GoOnTapped is GoOn by a tap.
func (d *Desk) GoOnTapped(ctx context.Context, by people.Actor, id policy.WindowID, tap evidence.Answer) (Window, error) {
	return d.goOn(ctx, by, id, &tap)
}

// openerBy is opener, by a tap where there is one; the tap is kept and named.
func (d *Desk) openerBy(ctx context.Context, by people.Actor, w windowRow, claim evidence.WindowClaim, says string, tap *evidence.Answer) (people.Person, audit.Hash, error) {
	if tap == nil {
		p, err := d.opener(ctx, by, claim)
		return p, audit.Hash{}, err
	}
	p, q, err := d.isOpener(ctx, by, claim)
	if err == nil {
		err = d.atScreen(by)
	}
	if err != nil {
		return p, audit.Hash{}, err
	}
	if tap.Says == evidence.Yes && says == evidence.Opens {
		answer, err := d.opensByYes(ctx, by, w, *tap)
		return p, answer, err
	}
	if err := d.signature(ctx, p, d.tapText(by, p, q, w, claim, says), *tap); err != nil {
		return p, audit.Hash{}, err
	}
	answer, err := d.openersAnswer(ctx, p, w, claim, *tap)
	return p, answer, err
}

// opensByYes finds a yes that was tapped just now among those that the window was
// agreed on.
func (d *Desk) opensByYes(ctx context.Context, by people.Actor, w windowRow, tap evidence.Answer) (audit.Hash, error) {
	body, err := audit.Canonical(tap)
	if err != nil {
		return audit.Hash{}, asRefusal("bad-answer", err)
	}
	given, err := d.agreedBy(ctx, w)
	if err != nil {
		return audit.Hash{}, err
	}
	fits := slices.ContainsFunc(given, func(g evidence.Given) bool { return slices.Equal(g.Body, body) })
	if age := d.now().Sub(tap.At); !fits || tap.Person != string(by.Person) || tap.Kiosk != string(by.Screen) || age > tapGood || age < -30*time.Second {
		return audit.Hash{}, refuse("signed-other", "This tap was for something else. Nothing was done; look again, then tap.")
	}
	return audit.HashOf(body), nil
}

// DraftTakeOver is what somebody taps to take windows of a handover over, without
// its proof.
func (d *Desk) DraftTakeOver(ctx context.Context, by people.Actor, id string, windows []policy.WindowID) (evidence.Answer, error) {
	h, p, take, err := d.taking(ctx, by, id, windows)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := d.atScreen(by); err != nil {
		return evidence.Answer{}, err
	}
	a, _, err := d.takingText(by, p, h, take)
	return a, err
}

// TakeOverTapped is TakeOver by a tap.
func (d *Desk) TakeOverTapped(ctx context.Context, by people.Actor, id string, windows []policy.WindowID, tap evidence.Answer) (Handover, error) {
	return d.takeOver(ctx, by, id, windows, &tap)
}

func (d *Desk) takingText(by people.Actor, p people.Person, h handoverRow, take []string) (evidence.Answer, []byte, error) {
	text, err := audit.Canonical(evidence.Taking{V: 1, Handover: h.Handover, Windows: take, Rev: h.row, Plant: d.inForce()})
	if err != nil {
		return evidence.Answer{}, nil, err
	}
	at := d.second()
	return evidence.Answer{V: 1, Request: audit.HashOf(text), Person: string(p.ID), Firm: string(p.Firm), Role: h.Team, Says: evidence.Yes, Kiosk: string(by.Screen),
		Nonce: nonce(), At: at, DecideBy: at.Add(tapGood)}, text, nil
}

// tapTaking keeps text and tap, held to the verifier's own check.
func (d *Desk) tapTaking(ctx context.Context, by people.Actor, p people.Person, h handoverRow, take []string, tap evidence.Answer) (text, answer audit.Hash, err error) {
	if err := d.atScreen(by); err != nil {
		return text, answer, err
	}
	want, body, err := d.takingText(by, p, h, take)
	if err != nil {
		return text, answer, err
	}
	want.DecideBy = tap.At.Add(tapGood)
	if err := d.signature(ctx, p, want, tap); err != nil {
		return text, answer, err
	}
	if text, err = d.docs.Put(ctx, body); err != nil {
		return text, answer, fmt.Errorf("keep what is taken over: %w", err)
	}
	answer, err = d.sign(ctx, tap)
	return text, answer, err
}
