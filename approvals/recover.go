package approvals

import (
	"context"
	"fmt"
	"strings"

	"penstock/audit"
	"penstock/policy"
)

// Recover cuts every window that is agreed or runs, and withdraws every request
// that waits, after an incident: what was agreed may have been agreed by whoever
// had the keys. It takes only, so it asks for no right; penstock recover alone
// calls it, between recovery.began and recovery.done. What is over is passed over,
// so it can be begun again.
func (d *Desk) Recover(ctx context.Context, told func(done, all int)) (windows, requests int, err error) {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return 0, 0, err
	}
	const why = "everything is taken back after an incident"
	keys := append(d.heads.keys("window/"), d.heads.keys("request/")...)
	for i, key := range keys {
		kind, id, _ := strings.Cut(key, "/")
		if _, err := again(func() (none, error) {
			if kind == "window" {
				w, _, err := d.mended(ctx, policy.WindowID(id))
				if err != nil || w.State != WindowAgreed && !w.runs() {
					return none{}, err
				}
				if s := d.stopper(); s != nil {
					s.Stop(policy.WindowID(id), refuse("cut", "%s was cut: %s.", id, why))
				}
				at := d.second()
				body := audit.WindowMoved{Window: id, To: "cut", By: penstock, At: at, Why: why}
				if w.runs() {
					body.Until = earlier(at, w.Until)
				}
				if _, err = d.commit(ctx, key, w.row+1, penstock, body); err == nil {
					windows++
				}
				return none{}, err
			}
			r, err := d.requestRow(ctx, policy.RequestID(id))
			if err != nil || !r.waits() {
				return none{}, err
			}
			if _, err = d.commit(ctx, key, r.row+1, penstock, audit.RequestWithdrawn{By: penstock, Why: why}); err == nil {
				requests++
			}
			return none{}, err
		}); err != nil {
			return windows, requests, fmt.Errorf("take %s back: %w", id, err)
		}
		told(i+1, len(keys))
	}
	return windows, requests, nil
}

// RevokeKiosks takes every screen of the control room back: whoever had the
// machine could have enrolled one. For the way back after an incident only; can
// be begun again at any point.
func (d *Desk) RevokeKiosks(ctx context.Context) (n int, err error) {
	list, err := d.allKiosks(ctx)
	for _, k := range list {
		if k.Revoked != "" {
			continue
		}
		k.Revoked = penstock
		d.mu.Lock()
		d.kiosks[k.ID] = k
		d.mu.Unlock()
		_, err := again(func() (none, error) {
			row, err := d.kioskRow(ctx, k.ID)
			if err == nil {
				_, err = d.commit(ctx, kioskKey(k.ID), row.row+1, penstock, audit.KioskRevoked{Kiosk: k.ID, By: penstock, Why: "everything is taken back after an incident", At: d.second()})
			}
			return none{}, err
		})
		if err != nil {
			return n, fmt.Errorf("take %s back: %w", k.ID, err)
		}
		n++
	}
	return n, err
}
