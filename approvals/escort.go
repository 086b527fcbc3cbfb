package approvals

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// What an escort says.
const (
	EscortTook    = "took"
	EscortHere    = "here"
	EscortOffered = "offered"
	EscortLeft    = "left"
)

// mostEscorted is how many windows one person escorts at a time: more is not watching.
const mostEscorted = 3

// escortRow is who watches a window's work, and when they last said so.
type escortRow struct {
	By      string    `json:"by,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Seen    time.Time `json:"seen,omitzero"`
	Offered string    `json:"offered,omitempty"` // to whom it was handed on, who has not taken it yet
	Left    bool      `json:"left,omitempty"`    // there was one, and nobody is there now
}

// there: the escort has not missed two taps.
func (e escortRow) there(now time.Time, slack time.Duration) bool {
	return e.By != "" && now.Before(e.Seen.Add(2*evidence.EscortEvery+slack))
}

// Escort is one tap of a window's escort. Took: somebody who may takes it, by a
// code, where nobody has it, who has it has missed two taps, or it was offered
// to them. Here: still watching. Offered: handed on to a named person, and kept
// until that person takes it. Left: nobody watches any more, which holds the
// vendor's input at once.
func (d *Desk) Escort(ctx context.Context, by people.Actor, id policy.WindowID, says string, to policy.PersonID) (Window, error) {
	switch says {
	case EscortTook, EscortHere, EscortOffered:
		return d.conditioned(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.Body, []people.Person, error) {
			return d.escorting(ctx, by, w, claim, says, to)
		})
	case EscortLeft:
		return d.leaveEscort(context.WithoutCancel(ctx), by, id)
	}
	return Window{}, refuse("bad-text", "An escort says took, here, offered or left, not %.40q.", says)
}

func (d *Desk) escorting(ctx context.Context, by people.Actor, w windowRow, claim evidence.WindowClaim, says string, to policy.PersonID) (audit.Body, []people.Person, error) {
	p, err := d.presentPlant(ctx, by)
	if err != nil {
		return nil, nil, err
	}
	body := audit.EscortChanged{Window: w.Window, By: string(p.ID), Says: says, At: d.second()}
	mine := w.Escort.By == string(p.ID)
	switch {
	case says != EscortTook && !mine:
		return nil, nil, refuse("not-escort", "You are not the escort of %s. Take it first.", w.Window)
	case says == EscortHere && !w.Escort.there(d.now(), 0):
		return nil, nil, refuse("escort-missed", "You have missed two taps, so nobody watches %s any more. Take it again, then let it go on.", w.Window)
	case says == EscortHere:
		return body, []people.Person{p}, nil
	case says == EscortOffered:
		other, err := d.roster.Person(ctx, to)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, refuse("no-such-person", "There is nobody called %.40q. See `people`.", to)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("look up %s: %w", to, err)
		}
		if err := d.mayEscort(ctx, other, w, claim); err != nil {
			return nil, nil, err
		}
		body.To = string(to)
		return body, []people.Person{p, other}, nil
	case mine && w.Escort.there(d.now(), 0):
		return nil, nil, refuse("is-escort", "You are the escort of %s already.", w.Window)
	case w.Escort.there(d.now(), 0) && w.Escort.Offered != string(p.ID):
		return nil, nil, refuse("has-escort", "%s watches %s. It is yours once they hand it on to you.", w.Escort.By, w.Window)
	case !d.everAsked(w, claim).Escort:
		return nil, nil, refuse("not-asked", "No rule asks an escort of %s. Watch it as you like.", w.Window)
	}
	if err := d.mayEscort(ctx, p, w, claim); err != nil {
		return nil, nil, err
	}
	if n, err := d.escorts(ctx, string(p.ID)); err != nil || n >= mostEscorted {
		return nil, nil, errors.Join(err, refuse("escorts-enough", "You escort %d windows already. Hand one on first.", mostEscorted))
	}
	return body, []people.Person{p}, d.proved(by, p)
}

// mayEscort: somebody of the plant with a role for each machine of the window,
// who does not work in it and is not of that firm.
func (d *Desk) mayEscort(ctx context.Context, p people.Person, w windowRow, claim evidence.WindowClaim) error {
	firm, err := d.roster.Firm(ctx, p.Firm)
	if err != nil {
		return fmt.Errorf("look up firm %s: %w", p.Firm, err)
	}
	if p.Disabled || !firm.Plant || string(p.Firm) == w.Firm || slices.Contains(claim.People, string(p.ID)) {
		return refuse("own-escort", "The escort of %s is a person of the plant who does not work in it.", w.Window)
	}
	plant := d.plant()
	for _, t := range claim.Assets {
		if !plant.MayEscort(p.Roles, policy.AssetName(t.Asset)) {
			return refuse("not-on-shift", "%s has no role that may escort work on %s. Its shift, its owner or OT security may.", p.ID, t.Asset)
		}
	}
	return nil
}

// escorts counts the windows that run, or may still open, and that a person escorts.
func (d *Desk) escorts(ctx context.Context, p string) (n int, err error) {
	err = d.each(ctx, "window/", func(id string) error {
		w, err := d.windowRow(ctx, policy.WindowID(id))
		if err == nil && (w.runs() || w.State == WindowAgreed) && w.Escort.By == p && w.Escort.there(d.now(), 0) {
			n++
		}
		return err
	})
	return n, err
}

// leaveEscort takes effect first: nothing passes that nobody watches.
func (d *Desk) leaveEscort(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	w, err := d.windowRow(ctx, id)
	if err != nil {
		return Window{}, err
	}
	if w.Escort.By != string(by.Person) {
		return Window{}, refuse("not-escort", "You are not the escort of %s, so there is nothing to leave.", id)
	}
	d.hold(id, "paused: its escort has left")
	_, err = d.conditioned(ctx, by, id, func(w windowRow, _ evidence.WindowClaim) (audit.Body, []people.Person, error) {
		if w.Escort.By != string(by.Person) {
			return nil, nil, refuse("not-escort", "You are not the escort of %s any more.", id)
		}
		return audit.EscortChanged{Window: w.Window, By: string(by.Person), Says: EscortLeft, At: d.second()}, nil, nil
	})
	if err != nil && !refused(err) {
		return Window{}, d.admitNothing(fmt.Errorf("write that the escort of %s has left", id), err)
	}
	if serr := d.settleHeld(ctx, []policy.WindowID{id}); serr != nil {
		return Window{}, serr
	}
	if err != nil {
		return Window{}, err
	}
	return d.windowView(ctx, id)
}

// escorted takes an escort's tap into the window's row.
func (w *windowRow) escorted(b audit.EscortChanged) error {
	if w.State != WindowAgreed && !w.runs() || b.Says != EscortTook && w.Escort.By != b.By {
		return illegal(w.Window, string(w.State), "escorted by "+b.By)
	}
	switch b.Says {
	case EscortTook:
		w.Escort = escortRow{By: b.By, Since: b.At, Seen: b.At}
	case EscortHere:
		w.Escort.Seen = b.At
	case EscortOffered:
		w.Escort.Offered, w.Escort.Seen = b.To, b.At
	case EscortLeft:
		w.Escort = escortRow{Left: true}
	default:
		return illegal(w.Window, string(w.State), "escorted: "+b.Says)
	}
	return nil
}
