package approvals

import (
	"context"
	"fmt"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Left is something that the work in a window left behind in a machine, such as a
// force or a bridge.
type Left struct {
	N      int // in this window, from 1
	What   string
	By     policy.PersonID
	At     time.Time
	Due    time.Time // it must be gone by then; zero: nobody has said so
	DueBy  policy.PersonID
	Rang   bool // it was not gone in time, and people were rung
	Gone   time.Time
	GoneBy policy.PersonID // empty: it is there
}

// Late says that it was to be gone by now.
func (l Left) Late(now time.Time) bool {
	return l.GoneBy == "" && !l.Due.IsZero() && !now.Before(l.Due)
}

// leftRow is one of them in a window's row.
type leftRow struct {
	By     string     `json:"by"`
	At     time.Time  `json:"at"`
	Text   audit.Hash `json:"text"`
	Due    time.Time  `json:"due,omitzero"`
	DueBy  string     `json:"due_by,omitempty"`
	Rang   bool       `json:"rang,omitempty"`
	Gone   time.Time  `json:"gone,omitzero"`
	GoneBy string     `json:"gone_by,omitempty"`
}

// leftHere are the numbers of what is still there.
func (w *windowRow) leftHere() (here []int) {
	for i, l := range w.Left {
		if l.GoneBy == "" {
			here = append(here, i+1)
		}
	}
	return here
}

func (d *Desk) leftIn(ctx context.Context, w windowRow) (all []Left, err error) {
	for i, l := range w.Left {
		b, err := d.docs.Get(ctx, l.Text)
		if err != nil {
			return nil, fmt.Errorf("read what is left behind in %s: %w", w.Window, err)
		}
		all = append(all, Left{i + 1, string(b), policy.PersonID(l.By), l.At, l.Due, policy.PersonID(l.DueBy), l.Rang, l.Gone, policy.PersonID(l.GoneBy)})
	}
	return all, nil
}

// NoteLeft notes something that the work in a window left behind: by whoever of
// the plant may take access away, with or without a time by which it must be gone
// (zero: none), or by the people of the window's firm, who name no time. The window
// is closed by nobody before it is gone.
func (d *Desk) NoteLeft(ctx context.Context, by people.Actor, id policy.WindowID, what string, due time.Time) (Window, error) {
	if what == "" {
		return Window{}, refuse("bad-text", "Say what is left behind, such as: force on I 4.2.")
	}
	if err := text("what is left behind", what, evidence.MaxReason); err != nil {
		return Window{}, err
	}
	return d.after(ctx, by, id, d.present, func(w windowRow) (audit.Body, error) {
		if string(by.Firm) == w.Firm && !by.Plant {
			if !due.IsZero() {
				return nil, refuse("not-plant", "By when it must be gone is for the plant to say. Note it without a time.")
			}
		} else if err := d.mayHoldTo(ctx, by, w); err != nil {
			return nil, err
		}
		if !w.runs() && w.State != WindowEnded && w.State != WindowCut {
			return nil, illegal(w.Window, string(w.State), "left with something behind")
		}
		if len(w.Left) >= evidence.MaxLeft {
			return nil, refuse("too-many-left", "%d things are noted in %s already. Call the control room.", len(w.Left), id)
		}
		body := audit.LeftNoted{Window: w.Window, N: len(w.Left) + 1, By: string(by.Person), At: d.second()}
		if !due.IsZero() {
			var err error
			if body.Due, err = d.leftUntil(due); err != nil {
				return nil, err
			}
		}
		var err error
		if body.Text, err = d.docs.Put(ctx, []byte(what)); err != nil {
			return nil, fmt.Errorf("keep what is left behind: %w", err)
		}
		return body, nil
	})
}

// LeftBy says by when something must be gone, or anew. It binds: whoever says it,
// the shift and whom the plant file asks next are rung if it is not.
func (d *Desk) LeftBy(ctx context.Context, by people.Actor, id policy.WindowID, n int, due time.Time) (Window, error) {
	return d.ofLeft(ctx, by, id, n, func(w windowRow) (audit.Body, error) {
		until, err := d.leftUntil(due)
		return audit.LeftDue{Window: w.Window, N: n, By: string(by.Person), Due: until, At: d.second()}, err
	})
}

// LeftGone says that something is gone: somebody of the plant has looked.
func (d *Desk) LeftGone(ctx context.Context, by people.Actor, id policy.WindowID, n int) (Window, error) {
	return d.ofLeft(ctx, by, id, n, func(w windowRow) (audit.Body, error) {
		return audit.LeftGone{Window: w.Window, N: n, By: string(by.Person), At: d.second()}, nil
	})
}

// ofLeft is a word of the plant's on something that is still there.
func (d *Desk) ofLeft(ctx context.Context, by people.Actor, id policy.WindowID, n int, event func(windowRow) (audit.Body, error)) (Window, error) {
	return d.after(ctx, by, id, d.activePlant, func(w windowRow) (audit.Body, error) {
		if err := d.mayHoldTo(ctx, by, w); err != nil {
			return nil, err
		}
		if n < 1 || n > len(w.Left) {
			return nil, refuse("not-left", "Nothing with the number %d was left behind in %s. See its page.", n, id)
		}
		if l := w.Left[n-1]; l.GoneBy != "" {
			return nil, refuse("gone", "It is gone already: %s said so.", l.GoneBy)
		}
		return event(w)
	})
}

// mayHoldTo: somebody of the plant who may take access away, and neither worked
// in the window nor is of its firm.
func (d *Desk) mayHoldTo(ctx context.Context, by people.Actor, w windowRow) error {
	if err := d.mayTake(by); err != nil {
		return err
	}
	if _, err := d.activePlant(ctx, by); err != nil {
		return err
	}
	if d.worksIn(ctx, by, policy.WindowID(w.Window)) || string(by.Firm) == w.Firm {
		return refuse("own-request", "Whoever worked in %s does not say what becomes of what is left behind. Somebody else does.", w.Window)
	}
	return nil
}

func (d *Desk) leftUntil(due time.Time) (time.Time, error) {
	now := d.second()
	if due = whole(due); !due.After(now) || due.Sub(now) > evidence.MaxLeftFor {
		return due, refuse("bad-time", "Say a time to come, %d days from now at most.", int(evidence.MaxLeftFor/(24*time.Hour)))
	}
	return due, nil
}

// settleLeftBehind rings for what was not gone in time, once for each time that
// was said; next is when something must be gone.
func (d *Desk) settleLeftBehind(ctx context.Context, w windowRow) (next time.Time, moved bool, err error) {
	next = never
	if w.State == WindowClosed {
		return next, false, nil
	}
	for i, l := range w.Left {
		if l.GoneBy != "" || l.Due.IsZero() || l.Rang {
			continue
		}
		if d.now().Before(l.Due) {
			next = earlier(next, l.Due)
			continue
		}
		who, err := d.rungForLeft(ctx, w, l)
		if err != nil {
			return next, false, err
		}
		body := audit.LeftRang{Window: w.Window, N: i + 1, Due: l.Due, People: who, At: d.second()}
		_, err = d.commit(ctx, windowKey(w.Window), w.row+1, penstock, body)
		return next, true, err
	}
	return next, false, nil
}

// rungForLeft are whoever said by when, and who is on duty of those who open the
// window and of those whom the plant file asks next.
func (d *Desk) rungForLeft(ctx context.Context, w windowRow, l leftRow) ([]string, error) {
	claim, err := d.claim(ctx, w)
	if err != nil {
		return nil, err
	}
	doc, _, err := d.request(ctx, claim.Request)
	if err != nil {
		return nil, err
	}
	q, err := d.quorum(ctx, doc)
	if err != nil {
		return nil, err
	}
	return d.rung(ctx, l.DueBy, q.Openers)
}

// leaves takes a word on what is left behind into the row.
func (w *windowRow) leaves(body audit.Body) error {
	switch b := body.(type) {
	case audit.LeftNoted:
		if !w.runs() && w.State != WindowEnded && w.State != WindowCut || b.N != len(w.Left)+1 || b.N > evidence.MaxLeft {
			return illegal(w.Window, string(w.State), "left with something behind")
		}
		l := leftRow{By: b.By, At: b.At, Text: b.Text, Due: b.Due}
		if !b.Due.IsZero() {
			l.DueBy = b.By
		}
		w.Left = append(w.Left, l)
		return nil
	case audit.LeftDue:
		l, err := w.stillLeft(b.N)
		if err == nil {
			l.Due, l.DueBy, l.Rang = b.Due, b.By, false
		}
		return err
	case audit.LeftRang:
		l, err := w.stillLeft(b.N)
		if err == nil && (l.Rang || !l.Due.Equal(b.Due)) {
			err = illegal(w.Window, "rung for", "rung for again")
		}
		if err == nil {
			l.Rang = true
		}
		return err
	case audit.LeftGone:
		l, err := w.stillLeft(b.N)
		if err == nil {
			l.Gone, l.GoneBy = b.At, b.By
		}
		return err
	}
	return nil
}

func (w *windowRow) stillLeft(n int) (*leftRow, error) {
	if n < 1 || n > len(w.Left) || w.Left[n-1].GoneBy != "" || w.State == WindowClosed {
		return nil, illegal(w.Window, "without it", "left with it")
	}
	return &w.Left[n-1], nil
}
