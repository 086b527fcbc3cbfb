package approvals

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// mostChecked bounds how many windows' outcome of evidence.Check is kept.
const mostChecked = 1024

// checked is what evidence.Check was asked about: documents by hash and leaves
// by place do not change, so neither does the outcome.
type checked struct {
	claim    audit.Hash
	answers  string
	extended audit.Hash
	opened   time.Time
	until    time.Time  // of an extension, else zero
	graced   time.Time  // the end in force, if a grace has moved it
	tapped   audit.Hash // the second tap, while the window runs
	rights   string     // that it has by that
}

// Facts are a window and a person for Decide, recomputed from leaves and
// documents; Agreed is evidence.Check's word. Any error refuses. Live is false
// from the first moment of an end, pause or cut, before that is written.
func (d *Desk) Facts(ctx context.Context, w policy.WindowID, p policy.PersonID) (policy.Facts, error) {
	if err := d.trouble(); err != nil {
		return policy.Facts{}, err
	}
	gates, err := d.liveFacts(ctx, w) // before the hold, and that before the row: a loss is held first and written last
	if err != nil {
		return policy.Facts{}, err
	}
	held := d.isHeld(w)
	row, err := d.windowRow(ctx, w)
	if err != nil {
		return policy.Facts{}, err
	}
	claim, err := d.claim(ctx, row)
	if err != nil {
		return policy.Facts{}, err
	}
	agreed, err := d.holds(ctx, row, claim)
	if err != nil {
		return policy.Facts{}, err
	}
	person, err := d.roster.Facts(ctx, p)
	if err != nil {
		return policy.Facts{}, fmt.Errorf("facts of %s: %w", p, err)
	}
	if gone, err := d.unkept(ctx, claim); err != nil {
		return policy.Facts{}, err
	} else if gone {
		person.Disabled = true
	}
	blocks, err := d.Blocks(ctx)
	if err != nil {
		return policy.Facts{}, err
	}
	keys, err := d.hostKeys(ctx)
	if err != nil {
		return policy.Facts{}, err
	}
	window, err := d.windowFacts(row, claim, agreed, held)
	return policy.Facts{Person: person, Window: window, Blocks: blocks, Live: gates, HostKeys: keys}, err
}

func (d *Desk) windowFacts(row windowRow, claim evidence.WindowClaim, agreed, held bool) (policy.WindowFacts, error) {
	f, err := claim.Facts()
	if err != nil {
		return f, err
	}
	if f.Rights, err = policy.ParseRights(row.allowed(claim)); err != nil {
		return f, fmt.Errorf("rights of %s: %w", row.Window, err)
	}
	f.Rev, f.Agreed, f.Ending, f.Idle = row.row, agreed, row.State == WindowEnding, row.Idle
	switch row.State {
	case WindowEnded, WindowCut, WindowClosed, WindowUnused:
		f.Over = string(row.State)
	}
	if !row.runs() {
		return f, nil
	}
	f.From, f.Until = row.Opened, row.Until
	d.mu.Lock()
	stopped, winding := d.stopped[f.ID] > 0, d.winding[f.ID] > 0
	held = held || d.held[f.ID] > 0
	for _, r := range d.narrowed[f.ID] {
		f.Rights &= r
	}
	d.ways[f.ID] = way{f.Targets, f.Rights}
	d.mu.Unlock()
	now := d.now()
	inside := !row.Until.After(claim.To) && !row.Opened.Before(claim.From) &&
		(!row.Extended.IsZero() || !row.withoutGrace().After(row.Opened.Add(time.Duration(claim.Minutes)*time.Minute)))
	if winding && !f.Ending {
		f.Ending, f.Idle = true, now
	}
	f.Paused = row.State == WindowPaused || held
	f.Live = agreed && inside && !stopped && !f.Paused && !now.Before(f.From) && now.Before(f.Until)
	return f, nil
}

// holds says whether the answers in the log suffice for exactly this window
// and, where it was extended, for its end.
func (d *Desk) holds(ctx context.Context, w windowRow, claim evidence.WindowClaim) (bool, error) {
	key := checked{claim: w.Claim, answers: w.Window + " " + strings.Join(w.Answers, " ")}
	if !w.Extended.IsZero() && w.runs() {
		key.extended, key.opened, key.until = w.Extended, w.Opened, w.withoutGrace()
	}
	if !w.Ungraced.IsZero() && w.runs() {
		key.opened, key.graced = w.Opened, w.Until
	}
	if !w.Tapped.IsZero() && w.runs() {
		key.opened, key.tapped, key.rights = w.Opened, w.Tapped, strings.Join(w.Rights, " ")
	}
	d.mu.Lock()
	ok, known := d.checks[key]
	d.mu.Unlock()
	if known {
		return ok, nil
	}
	ok, err := d.check(ctx, w, claim, key)
	if err != nil {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.checks) >= mostChecked {
		clear(d.checks)
	}
	d.checks[key] = ok
	return ok, nil
}

func (d *Desk) check(ctx context.Context, w windowRow, claim evidence.WindowClaim, key checked) (bool, error) {
	doc, text, err := d.request(ctx, claim.Request)
	if err != nil {
		return false, err
	}
	if doc.Request != w.Request || doc.Rev != w.Rev || doc.Firm != w.Firm {
		return false, nil
	}
	plant, err := d.plantOf(ctx, doc.Plant)
	if err != nil {
		return false, err
	}
	given, err := d.agreedBy(ctx, w)
	if err != nil {
		return false, err
	}
	keys, err := d.keysOf(ctx, given...)
	if err != nil {
		return false, err
	}
	under, err := d.basisOf(ctx, w, doc)
	if err != nil {
		return false, err
	}
	if len(evidence.Check(plant, text, given, keys, claim, under...)) > 0 {
		return false, nil
	}
	if !key.graced.IsZero() && len(evidence.CheckGrace(plant, text, claim, w.Opened, w.Ungraced, w.Until, under...)) > 0 {
		return false, nil
	}
	if !key.tapped.IsZero() {
		if ok, err := d.tapHolds(ctx, w, claim, plant, text, given); err != nil || !ok {
			return false, err
		}
	}
	if key.extended.IsZero() {
		return true, nil
	}
	extension, a, err := d.afterOpening(ctx, key.extended)
	if err != nil {
		return false, err
	}
	keys, extension = d.extenders(extension)
	return a.Until.Equal(key.until) && len(evidence.CheckExtension(plant, text, given, extension, keys, claim, key.opened, under...)) == 0, nil
}

// afterOpening reads an opener's answer to a window that runs: an extension, or a
// second tap. Its role is the answer's own word here: it was held against the
// roster before it was written, and the verifier holds it against the log.
func (d *Desk) afterOpening(ctx context.Context, h audit.Hash) (evidence.Given, evidence.Answer, error) {
	b, err := d.docs.Get(ctx, h)
	if err != nil {
		return evidence.Given{}, evidence.Answer{}, fmt.Errorf("read the opener's answer %s: %w", h, err)
	}
	a, err := evidence.ParseAnswer(b)
	if err != nil {
		return evidence.Given{}, a, fmt.Errorf("the opener's answer %s: %w", h, err)
	}
	firm, err := d.roster.Firm(ctx, policy.FirmID(a.Firm))
	if err != nil {
		return evidence.Given{}, a, fmt.Errorf("look up firm %s of the opener's answer %s: %w", a.Firm, h, err)
	}
	return evidence.Given{Wall: a.At, Body: b, Firm: a.Firm, Roles: []string{a.Role}, Plant: firm.Plant}, a, nil
}

// agreedBy reads the answers that window.agreed names, from their leaves.
func (d *Desk) agreedBy(ctx context.Context, w windowRow) ([]evidence.Given, error) {
	var list []evidence.Given
	for _, s := range w.Answers {
		at, err := place(s)
		if err != nil {
			return nil, fmt.Errorf("answers of %s: %w", w.Window, err)
		}
		g, err := d.given(ctx, at, w.Request, w.Rev)
		if err != nil {
			return nil, err
		}
		list = append(list, g.given)
	}
	return list, nil
}

// place reads "node/index".
func place(s string) (audit.Place, error) {
	i := strings.LastIndexByte(s, '/')
	if i < 1 {
		return audit.Place{}, fmt.Errorf("%.80q is no place of a leaf", s)
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 63)
	if err != nil {
		return audit.Place{}, fmt.Errorf("place of a leaf: %w", err)
	}
	return audit.Place{Node: s[:i], Index: audit.Index(n)}, nil
}
