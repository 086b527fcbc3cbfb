package approvals

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Open starts the clock: by somebody of the plant with an opener's role, who
// does not work in the window; end = min(now + minutes, span's end).
func (d *Desk) Open(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	return d.open(ctx, by, id, nil)
}

func (d *Desk) open(ctx context.Context, by people.Actor, id policy.WindowID, tap *evidence.Answer) (Window, error) {
	return d.step(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.WindowMoved, []people.Person, error) {
		p, answer, err := d.openerBy(ctx, by, w, claim, evidence.Opens, tap)
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		body, err := d.opened(ctx, w, claim, string(by.Person))
		body.Answer = answer
		return body, []people.Person{p}, err
	})
}

// OpenByUse opens the person's agreed windows whose rule lets the vendor's first
// use open them (open: vendor); cert@ calls it before OpenFor. only names those
// that are meant; none: all, for one certificate is for all. A window that may
// not open now keeps no other from it; the first refusal is the answer.
func (d *Desk) OpenByUse(ctx context.Context, p policy.PersonID, only ...policy.WindowID) error {
	var no error
	err := d.each(ctx, "window/", func(id string) error {
		if len(only) > 0 && !slices.Contains(only, policy.WindowID(id)) {
			return nil
		}
		_, err := again(func() (none, error) {
			w, err := d.windowRow(ctx, policy.WindowID(id))
			if err != nil || w.State != WindowAgreed {
				return none{}, err
			}
			claim, err := d.claim(ctx, w)
			if err != nil || claim.Open != "vendor" || !slices.Contains(claim.People, string(p)) || d.now().Before(claim.From) {
				return none{}, err
			}
			user, err := d.roster.Person(ctx, p)
			if err != nil || user.Disabled {
				return none{}, err
			}
			body, err := d.opened(ctx, w, claim, string(p))
			if err != nil {
				return none{}, err
			}
			_, err = d.commit(ctx, windowKey(id), w.row+1, string(p), body, user)
			return none{}, err
		})
		if refused(err) {
			if no == nil {
				no = err
			}
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return no
}

// opened asks the rules whether a window may open now, and makes the event.
func (d *Desk) opened(ctx context.Context, w windowRow, claim evidence.WindowClaim, by string) (audit.WindowMoved, error) {
	now := d.second()
	if w.State != WindowAgreed {
		return audit.WindowMoved{}, illegal(w.Window, string(w.State), "open")
	}
	if now.Before(claim.From) {
		return audit.WindowMoved{}, refuse("too-early", "%s begins at %s. Open it then.", w.Window, claim.From.In(d.plant().Location()).Format("Mon 2 Jan 15:04 MST"))
	}
	if !now.Before(claim.To) {
		return audit.WindowMoved{}, refuse("too-late", "The span of %s is over. Ask anew.", w.Window)
	}
	if err := cmp.Or(d.inOrder(ctx, w), d.answeredCall(ctx, w, claim), d.standsStill(ctx, w)); err != nil {
		return audit.WindowMoved{}, err
	}
	if !claim.Emergency() {
		if err := d.paidFor(ctx, w.Firm, ""); err != nil {
			return audit.WindowMoved{}, err
		}
	}
	if err := d.mayOpen(ctx, w, claim, now); err != nil {
		return audit.WindowMoved{}, err
	}
	until := now.Add(time.Duration(claim.Minutes) * time.Minute)
	if until.After(claim.To) {
		until = claim.To
	}
	body := audit.WindowMoved{Window: w.Window, To: "opened", By: by, At: now, Until: until}
	if claim.Emergency() {
		doc, _, err := d.request(ctx, claim.Request)
		if err != nil {
			return body, err
		}
		body.Emergency, body.Waived = true, doc.Waives
	}
	return body, nil
}

// mayOpen asks Decide(AtOpen) on leaves. One person who may work in all of it
// is enough: each is asked about again at the door.
func (d *Desk) mayOpen(ctx context.Context, w windowRow, claim evidence.WindowClaim, now time.Time) error {
	rights, err := policy.ParseRights(w.allowed(claim))
	if err != nil {
		return fmt.Errorf("rights of %s: %w", w.Window, err)
	}
	return d.mayHave(ctx, w, claim, rights, now)
}

// mayHave asks the same for these rights, whatever the window has now.
func (d *Desk) mayHave(ctx context.Context, w windowRow, claim evidence.WindowClaim, rights policy.Rights, now time.Time) error {
	var first error
	for _, person := range claim.People {
		facts, err := d.Facts(ctx, policy.WindowID(w.Window), policy.PersonID(person))
		if err != nil {
			return err
		}
		facts.Window.Rights = rights
		if facts.Backups, err = d.backupsOf(ctx, facts.Window.Targets); err != nil {
			return err
		}
		var no error
		for _, t := range asPolicy(claim.Assets) {
			q := policy.Query{Stage: policy.AtOpen, Asset: t.Asset, Port: t.Port, Account: t.Account, Rights: rights,
				From: claim.From, Until: claim.To, Minutes: claim.Minutes}
			if no = d.plant().Decide(facts, q, now).Refusal(); no != nil {
				break
			}
		}
		if no == nil {
			return nil
		}
		if first == nil {
			first = no
		}
	}
	return first
}

// opener: somebody of the plant who may open this window, with a code.
func (d *Desk) opener(ctx context.Context, by people.Actor, claim evidence.WindowClaim) (people.Person, error) {
	p, _, err := d.isOpener(ctx, by, claim)
	if err != nil {
		return p, err
	}
	return p, d.proved(by, p)
}

// isOpener is opener without what proves them.
func (d *Desk) isOpener(ctx context.Context, by people.Actor, claim evidence.WindowClaim) (people.Person, policy.Quorum, error) {
	p, err := d.voice(ctx, by, claim.Emergency())
	if err != nil {
		return p, policy.Quorum{}, err
	}
	doc, _, err := d.request(ctx, claim.Request)
	if err != nil {
		return p, policy.Quorum{}, err
	}
	q, err := d.quorum(ctx, doc)
	if err != nil {
		return p, q, err
	}
	row, err := d.requestRow(ctx, policy.RequestID(doc.Request))
	if err != nil {
		return p, q, err
	}
	if p = row.standing(p); !hasAny(p, q.Openers) {
		if err := d.offDuty(ctx, by, q.Openers); err != nil {
			return p, q, err
		}
		return p, q, refuse("not-on-shift", "Only %s may do this.", strings.Join(words(q.Openers), " or "))
	}
	if string(p.Firm) == doc.Firm || slices.Contains(claim.People, string(p.ID)) {
		return p, q, refuse("own-request", "Whoever works in the window or is of that firm never opens it.")
	}
	return p, q, nil
}

// GoOn lets a paused window go on. The clock has not stopped meanwhile.
func (d *Desk) GoOn(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	return d.goOn(ctx, by, id, nil)
}

func (d *Desk) goOn(ctx context.Context, by people.Actor, id policy.WindowID, tap *evidence.Answer) (Window, error) {
	pauses := d.pausesOf(id)
	w, err := d.step(ctx, by, id, func(w windowRow, claim evidence.WindowClaim) (audit.WindowMoved, []people.Person, error) {
		p, answer, err := d.openerBy(ctx, by, w, claim, evidence.GoesOn, tap)
		if err != nil {
			return audit.WindowMoved{}, nil, err
		}
		if !d.now().Before(w.Until) && w.runs() {
			return audit.WindowMoved{}, nil, refuse("too-late", "%s has ended. Ask anew.", id)
		}
		if err := cmp.Or(d.met(ctx, w, claim), d.untaken(ctx, w)); err != nil && w.State == WindowPaused {
			return audit.WindowMoved{}, nil, err
		}
		return audit.WindowMoved{Window: w.Window, To: "wenton", By: string(by.Person), At: d.second(), Until: w.Until, Answer: answer}, []people.Person{p}, nil
	})
	if err == nil {
		d.release(id, pauses)
	}
	return w, err
}
