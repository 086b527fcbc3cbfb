package main

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"penstock/audit"
	"penstock/audit/review"
	"penstock/policy"
)

// openReviews gives the Book what it goes by: plant file, clock, copies outside.
func (h *plantHouse) openReviews(clock audit.Clock) {
	h.book.Keeps(review.House{Log: h.log, Rules: h.reviewRules, Covered: h.covered, Clock: h.clockDoubt, Now: clock.Wall, Slog: h.slog})
}

func (h *plantHouse) reviewRules() review.Rules {
	p := h.plant()
	return review.Rules{Plant: audit.HashOf(p.Document()), Always: p.Reviews.Always, OneIn: p.Reviews.OneIn, Within: p.Reviews.Within, Quick: p.Emergency.Review,
		Security: func(roles []string) bool { return p.IsSecurity(rolesOf(roles)) },
		Keeps: func(t review.Target) (string, time.Duration, bool) {
			rights, err := policy.ParseRights(t.Rights)
			if err != nil && len(t.Rights) > 0 {
				return "", 0, false // what cannot be read is kept
			}
			return p.Keeps(policy.AssetName(t.Asset), policy.PortName(t.Port), rights)
		}}
}

// covered is how much of the log a copy outside has; where no place is
// configured nobody could be waited for.
func (h *plantHouse) covered() audit.Index {
	if s := h.outside.State(); len(s.Places) > 0 {
		return s.Covered
	}
	return h.log.Size()
}

var errClock = errors.New("the broker's clock was set back and waits for two people: penstock clock accept")

func (h *plantHouse) clockDoubt() error {
	if h.clock.waits() {
		return errClock
	}
	return nil
}

// reviewMetrics are what a supervisor of the reviewers would graph.
func (h *plantHouse) reviewMetrics() prometheus.Collector {
	return scraped{[]*prometheus.Desc{
		desc("penstock_reviews_waiting", "Sessions that wait for a second person's review."),
		desc("penstock_reviews_late", "Of these, those past the plant file's within."),
		desc("penstock_reviews_oldest_seconds", "Since the oldest session ended that waits for review; 0: none waits."),
		desc("penstock_reviews_findings_open", "Findings of reviews that are not settled."),
		desc("penstock_holds", "Legal holds that stand."),
		desc("penstock_expiry_waits", "1 while recordings whose retention is over wait for a person to look at the date."),
	}, func(show func(int, float64, ...string)) error {
		ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
		defer cancel()
		b, err := h.book.Backlog(ctx)
		if err != nil {
			return err
		}
		oldest := 0.0
		if !b.Oldest.IsZero() {
			oldest = h.clock.clock.Wall().Sub(b.Oldest).Seconds()
		}
		show(2, oldest)
		show(0, float64(b.Waiting))
		show(1, float64(b.Late))
		show(3, float64(b.Findings))
		show(4, float64(b.Holds))
		show(5, yes(b.Expiry != ""))
		return nil
	}}
}
