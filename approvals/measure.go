package approvals

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
)

// MayMeasure says whether somebody may see what the measures came to, and enter
// what they were before: OT security, and whoever may read recordings (a manager).
// No measure tells of a person.
func (d *Desk) MayMeasure(by people.Actor) error {
	may := by.Plant && (d.plant().IsSecurity(by.Roles) || d.plant().MayRead(by.Roles))
	if !may {
		return refuse("not-measuring", "Only OT security and those who may read recordings see the measures.")
	}
	return nil
}

// EnterBaseline says what an outcome measure was before, in its unit, and whence
// the plant has that; with a code, because it is held against the broker's own
// numbers. The newest counts; the log keeps all.
func (d *Desk) EnterBaseline(ctx context.Context, by people.Actor, measure int, value float64, from string) error {
	p, err := d.measurer(ctx, by, from)
	if err != nil {
		return err
	}
	if measure < 1 || measure > 10 || math.IsNaN(value) || value < 0 || value > 1e7 {
		return refuse("bad-baseline", "Say which measure, 1 to 10, and what it was, in its unit.")
	}
	body := audit.MeasureBaseline{Measure: measure, Tenths: int64(math.Round(value * 10)), From: from, By: string(p.ID), Proof: proofOf(by), At: d.second()}
	return d.tellMeasure(ctx, p, body)
}

// EnterMinutes are minutes of a month ("2026-10") that somebody spent by hand on
// questions of evidence.
func (d *Desk) EnterMinutes(ctx context.Context, by people.Actor, month string, minutes int, why string) error {
	p, err := d.measurer(ctx, by, why)
	if err != nil {
		return err
	}
	if t, err := time.Parse("2006-01", month); err != nil || t.Year() < 2000 || t.Year() > 2199 || minutes < 1 || minutes > 31*24*60 {
		return refuse("bad-minutes", "Say the month as 2026-10, and the minutes, at least one.")
	}
	return d.tellMeasure(ctx, p, audit.MeasureMinutes{Month: month, Minutes: minutes, Why: why, By: string(p.ID), At: d.second()})
}

// maxMeasureText is of whence a number is, in bytes.
const maxMeasureText = 200

func (d *Desk) measurer(ctx context.Context, by people.Actor, why string) (people.Person, error) {
	if err := d.MayMeasure(by); err != nil {
		return people.Person{}, err
	}
	if why == "" {
		return people.Person{}, refuse("no-text", "Say whence the number is.")
	}
	if err := text("from", why, maxMeasureText); err != nil {
		return people.Person{}, err
	}
	p, err := d.activePlant(ctx, by)
	if err != nil {
		return p, err
	}
	by.Roles = p.Roles // as the roster has them now
	if err := d.MayMeasure(by); err != nil {
		return p, err
	}
	return p, d.proved(by, p)
}

func (d *Desk) tellMeasure(ctx context.Context, p people.Person, body audit.Body) error {
	if _, err := d.log.Append(ctx, audit.Event{Subject: "measures", Actor: string(p.ID), Body: body}); err != nil {
		return fmt.Errorf("write %s: %w", body.Type(), err)
	}
	return nil
}

// proofOf is what a word rests on that is given by a sign-in: a code is the server's word.
func proofOf(by people.Actor) string {
	if slices.Contains(by.Proofs, people.Passkey) || slices.Contains(by.Proofs, people.SSH) {
		return "key"
	}
	return "code"
}
