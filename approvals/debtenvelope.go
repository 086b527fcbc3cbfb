package approvals

import (
	"context"
	"fmt"
	"time"

	"penstock/approvals/evidence"
	"penstock/policy"
)

// oldEnvelope is after how long a sealed envelope is looked at and sealed anew:
// paper is mislaid, and whoever sealed it has gone.
const oldEnvelope = 365 * 24 * time.Hour

// envelopeDebts are envelopes that were opened and not sealed anew, those that have
// lain for a year, and the one of the two that was never sealed.
func (d *Desk) envelopeDebts(ctx context.Context) (all []policy.Debt, err error) {
	list, err := d.roster.Envelopes(ctx)
	if err != nil {
		return nil, fmt.Errorf("envelopes for what is owed: %w", err)
	}
	there := map[string]bool{}
	add := func(id string, since time.Time, text string) {
		all = append(all, policy.Debt{Kind: "envelope", What: evidence.EnvelopeTitle(id), Since: since, Text: text})
	}
	for _, e := range list {
		there[string(e.ID)] = true
		switch {
		case !e.Opened.IsZero():
			add(string(e.ID), e.Opened, "it was opened, and none was sealed in its place")
		case !d.now().Before(e.Sealed.Add(oldEnvelope)):
			add(string(e.ID), e.Sealed.Add(oldEnvelope), "it was sealed more than a year ago: see that it is there and whole, and seal a new one")
		}
	}
	for _, id := range []string{evidence.EnvelopeRoom, evidence.EnvelopeSecurity} {
		if len(list) > 0 && !there[id] {
			add(id, time.Time{}, "it was never sealed, and the other one was")
		}
	}
	return all, nil
}
