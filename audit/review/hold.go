package review

import (
	"context"
	"fmt"
	"io/fs"

	"penstock/audit"
)

const mostHolds = 1000

// SetHold keeps recordings whatever their retention says. OT security alone
// sets and lifts. One that names a session whose recording is gone is refused:
// nobody shall believe in it.
func (b *Book) SetHold(ctx context.Context, who Reader, set audit.HoldSet) (Hold, error) {
	why, err := text(set.Why, true)
	if err != nil {
		return Hold{}, err
	}
	named := 0
	for _, is := range []bool{set.Session != "", set.Window != "", set.Person != "", set.Firm != "", set.Asset != "", set.All} {
		if is {
			named++
		}
	}
	if named != 1 || len(set.Session+set.Window+set.Person+set.Firm+set.Asset) > 64 {
		return Hold{}, refuse("hold-names", "A hold names one thing: a session, a window, a person, a firm, an asset, or everything.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.security(ctx, who); err != nil {
		return Hold{}, err
	}
	if s := b.history.Session(set.Session); set.Session != "" && s == nil {
		return Hold{}, fmt.Errorf("session %.40q: %w", set.Session, fs.ErrNotExist)
	} else if s != nil && s.Gone != nil {
		return Hold{}, refuse("gone", "The recording of %s is gone since %s. It cannot be held any more.", s.ID, s.Gone.At.Format("2 Jan 2006"))
	}
	if len(b.history.holds) >= mostHolds {
		return Hold{}, refuse("too-many", "%d holds stand. Lift what is over, or hold a whole firm or asset.", mostHolds)
	}
	set.Hold, set.By, set.Why = fmt.Sprintf("H-%d", b.history.holdsSet+1), who.Person, why
	if err := b.tell(ctx, set.Hold, who.Person, set); err != nil {
		return Hold{}, err
	}
	return b.history.holds[set.Hold], nil
}

// LiftHold lets the retention count again.
func (b *Book) LiftHold(ctx context.Context, who Reader, hold, why string) error {
	why, err := text(why, true)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.security(ctx, who); err != nil {
		return err
	}
	if _, stands := b.history.holds[hold]; !stands {
		return refuse("no-such-hold", "No hold of that name stands. Look at the list again: somebody may have lifted it.")
	}
	return b.tell(ctx, hold, who.Person, audit.HoldLifted{Hold: hold, By: who.Person, Why: why})
}

// Holds that stand, for who reads recordings or is OT security.
func (b *Book) Holds(ctx context.Context, who Reader) ([]Hold, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return nil, err
	}
	if !b.reads(who) && !b.isSecurity(who) {
		return nil, ErrMayNot
	}
	return b.history.Holds(), nil
}

// HeldBy is the hold that keeps a session; "" none.
func (b *Book) HeldBy(session string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.history == nil || b.history.Session(session) == nil {
		return ""
	}
	return b.history.Held(b.history.Session(session))
}

func (b *Book) isSecurity(who Reader) bool {
	r := b.house.Rules()
	return who.Person != "" && r.Security != nil && r.Security(who.Roles)
}

// security refuses everybody but OT security, after a look at what is new; mu is held.
func (b *Book) security(ctx context.Context, who Reader) error {
	if err := b.catchUp(ctx); err != nil {
		return err
	}
	if !b.isSecurity(who) {
		return refuse("not-security", "Only OT security does this. Ask one of them.")
	}
	return nil
}

func (h *History) held(leaf audit.Leaf, b audit.HoldSet) error {
	h.holdsSet++
	if _, stands := h.holds[b.Hold]; stands {
		return fmt.Errorf("hold %.20q stands already", b.Hold)
	}
	h.holds[b.Hold] = Hold{b, leaf.Wall}
	return nil
}
