package approvals

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// DueReview is an emergency whose sessions wait for a second person's verdict.
type DueReview struct {
	Window   policy.WindowID
	Firm     policy.FirmID
	Sessions []policy.SessionID
	At       time.Time // by then
	Late     bool      // the firm's planned windows wait for it
}

// owing is evidence.Owing, kept up from the log. Reading waits for the disk, so
// nothing that takes access away needs it.
type owing struct {
	mu   sync.Mutex
	fold *evidence.Owing
}

func (o *owing) follow(ctx context.Context, log Log) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for leaf, err := range log.Upto(ctx, o.fold.Next()) {
		if err != nil {
			return fmt.Errorf("read the log for reviews that are due: %w", err)
		}
		o.fold.Leaf(leaf)
	}
	return nil
}

// ReviewsDue are the emergencies that wait for their review, the most urgent
// first; for the plant's people.
func (d *Desk) ReviewsDue(ctx context.Context, by people.Actor) ([]DueReview, error) {
	if !by.Plant {
		return nil, refuse("not-plant", "Only the plant's own people see this.")
	}
	return d.owed(ctx, "")
}

func (d *Desk) owed(ctx context.Context, firm string) (list []DueReview, err error) {
	if err := d.owing.follow(ctx, d.log); err != nil {
		return nil, err
	}
	d.owing.mu.Lock()
	all := d.owing.fold.Due(firm, func(h audit.Hash) time.Duration {
		p, bad := d.plantOf(ctx, h)
		if bad != nil {
			err = bad
			return 0
		}
		return p.Emergency.Review
	})
	d.owing.mu.Unlock()
	now := d.now()
	for _, o := range all {
		list = append(list, DueReview{policy.WindowID(o.Window), policy.FirmID(o.Firm), named[policy.SessionID](o.Sessions), o.At, !now.Before(o.At)})
	}
	return list, err
}

// paidFor refuses what is planned for a firm whose emergency should have been
// reviewed. An emergency is never refused for it.
func (d *Desk) paidFor(ctx context.Context, firm, kind string) error {
	if kind == evidence.Emergency {
		return nil
	}
	list, err := d.owed(ctx, firm)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(r DueReview) bool { return r.Late })
	if i < 0 {
		return nil
	}
	r := list[i]
	return &policy.Refusal{Rule: "reviews-due", Why: fmt.Sprintf("%s of %s was to be reviewed by %s; waiting: %q", r.Window, firm, r.At.Format(time.RFC3339), r.Sessions),
		Say: fmt.Sprintf("The emergency %s waits for its review since %s, and planned work of %s waits with it. Let somebody who reads recordings review it: page Reviews. An emergency is not held by this.",
			r.Window, r.At.In(d.plant().Location()).Format("Mon 2 Jan 15:04"), firm)}
}
