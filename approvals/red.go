package approvals

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

// oddities are what may be out of order with who asks, and what of it the plant's
// rules have made red items of.
type oddities struct {
	by       people.Actor
	missing  []string
	unmanned bool
	fresh    []string // people who never worked in a window here, where that matters
	red      evidence.Red
	any      bool
}

func (d *Desk) oddities(ctx context.Context, by people.Actor, plant *policy.Plant, doc evidence.Request, q policy.Quorum, now time.Time) (*oddities, error) {
	o := &oddities{by: by, missing: lacks(doc, q)}
	if team := plant.Night.Without; team != "" {
		duty, err := d.Duty(ctx)
		if err != nil {
			return nil, err
		}
		o.unmanned = duty.Kept(team) && len(duty.On(team, now)) == 0
	}
	if by.Plant || !plant.Reddens(policy.RedFirst) {
		return o, nil
	}
	been, err := d.been(ctx, doc.Firm, doc.People)
	if err != nil {
		return nil, err
	}
	o.fresh = slices.DeleteFunc(slices.Clone(doc.People), func(p string) bool { return been[p] })
	return o, nil
}

// been are those of a firm's people who worked in a window that was open, the
// newest windows first.
func (d *Desk) been(ctx context.Context, firm string, who []string) (map[string]bool, error) {
	been := map[string]bool{}
	keys := d.heads.keys("window/")
	slices.Reverse(keys)
	for _, key := range keys {
		if !slices.ContainsFunc(who, func(p string) bool { return !been[p] }) {
			break
		}
		w, err := d.windowRow(ctx, policy.WindowID(key[len("window/"):]))
		if err != nil {
			return nil, err
		}
		if w.Firm != firm || w.Opened.IsZero() {
			continue
		}
		claim, err := d.claim(ctx, w)
		if err != nil {
			return nil, err
		}
		for _, p := range claim.People {
			been[p] = true
		}
	}
	return been, nil
}

func (o *oddities) facts(who policy.PersonID) policy.AskFacts {
	return policy.AskFacts{Known: !slices.Contains(o.fresh, string(who)), Unmanned: o.unmanned, Missing: o.missing}
}

// source is whence somebody asks who would work; of others nothing is known.
func (o *oddities) source(who policy.PersonID) netip.Addr {
	if o.by.Person == who {
		return o.by.Source
	}
	return netip.Addr{}
}

func (o *oddities) note(who policy.PersonID, red []string) {
	for _, what := range red {
		o.any = true
		switch what {
		case policy.RedFirst:
			o.red.First = append(o.red.First, string(who))
		case policy.RedNetwork:
			o.red.Network = policy.Address(o.by.Source).String()
		case policy.RedNumber:
			o.red.Missing = o.missing
		}
	}
}

// redden writes what is red into the text, with the escort that it needs, and
// keeps the span to this night.
func (o *oddities) redden(doc *evidence.Request, now time.Time) bool {
	if !o.any {
		return false
	}
	o.red.First = sorted(o.red.First)
	if len(o.red.First) == 0 {
		o.red.First = nil
	}
	doc.Red, doc.Escort = o.red, true
	doc.To = earlier(doc.To, whole(now.Add(policy.NightSpan)))
	return true
}

// lacks are the fields that a request must have and has not: the reason
// everywhere, else what the rules ask for.
func lacks(doc evidence.Request, q policy.Quorum) []string {
	return evidence.Unfilled(doc, append([]string{"reason"}, q.Ask...))
}
