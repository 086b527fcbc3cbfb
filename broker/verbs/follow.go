package verbs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"penstock/approvals"
	"penstock/policy"
)

const (
	longestFollow = 24 * time.Hour
	maxFollowed   = 16              // windows of one call
	lookAgain     = time.Minute     // even where nothing moved: the key may be gone
	stillThere    = 5 * time.Second // a failed look is repeated after it, for as long as the windows last
)

// warnings are said before a window ends (DESIGN 3.7).
var warnings = []time.Duration{15 * time.Minute, 5 * time.Minute, time.Minute}

// follow says what happens to windows as it happens, until all of them are
// over: for whoever works through "ssh -N", which has no words of its own, and
// for programs, a line of JSON each.
func (c *call) follow() error {
	var ids []policy.WindowID
	for _, w := range c.args.words {
		if !isID(w, "W") || len(ids) == maxFollowed {
			return usage("Which windows, 16 at most? " + c.command("desk", "follow W-1"))
		}
		ids = append(ids, policy.WindowID(w))
	}
	if len(ids) == 0 {
		return usage("Which window? " + c.command("desk", "follow W-1"))
	}
	outer := c.ctx
	defer func() { c.ctx = outer }()
	ctx, cancel := context.WithTimeout(c.ctx, longestFollow)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	c.ctx = ctx
	f := &followed{call: c, ids: ids, told: map[policy.WindowID]string{}}
	moved := make(chan struct{}, 1)
	changes := c.Desk.Watch(ctx) // before the look: nothing is missed between
	watching.Go(func() {
		defer func() { _ = recover() }() // a watch that ends is looked after by the minute
		for change, err := range changes {
			if err == nil && change.Window != "" && !slices.Contains(ids, change.Window) {
				continue
			}
			select {
			case moved <- struct{}{}:
			default:
			}
		}
	})
	for {
		over, next, err := f.look()
		if over || err != nil {
			return err
		}
		wake := time.NewTimer(next)
		select {
		case <-moved:
		case <-wake.C:
		case <-ctx.Done():
			wake.Stop()
			return nil // the person went, or a day is over
		}
		wake.Stop()
	}
}

// followed is what one call of follow has told.
type followed struct {
	*call
	ids  []policy.WindowID
	told map[policy.WindowID]string
}

// look tells what is new, and says when to look again at the latest.
func (f *followed) look() (over bool, next time.Duration, err error) {
	if err := f.present(); err != nil {
		if no := (*policy.Refusal)(nil); errors.As(err, &no) {
			return false, 0, err
		}
		return false, stillThere, nil
	}
	next, over = lookAgain, true
	for _, id := range f.ids {
		w, err := f.Desk.Window(f.ctx, f.by, id)
		if no := (*policy.Refusal)(nil); errors.As(err, &no) {
			return false, 0, err
		}
		if err != nil {
			over, next = false, stillThere
			continue
		}
		ended := f.tell(w)
		over = over && ended
		if left := w.Until.Sub(f.now()); !ended && !w.Until.IsZero() {
			_, due := behind(left)
			next = min(next, due)
		}
	}
	return over, next, nil
}

// tell says how a window stands, if that is new or it is time for a warning.
func (f *followed) tell(w approvals.Window) (ended bool) {
	left := time.Duration(0)
	if !w.Until.IsZero() {
		left = w.Until.Sub(f.now())
	}
	warned := 0
	if runs(w) {
		warned, _ = behind(left)
	}
	says := f.stands(w)
	key := fmt.Sprintf("%s %s %d", says, w.Until.UTC(), warned)
	if f.told[w.ID] == key {
		return over(w.State)
	}
	f.told[w.ID] = key
	if f.args.json {
		b, err := json.Marshal(f.windowLine(w))
		if err == nil {
			fmt.Fprintf(f.t.Out, "%s\n", b)
		}
		return over(w.State)
	}
	if runs(w) && left > 0 {
		says += fmt.Sprintf(" (%d min left)", (left+time.Minute-time.Second)/time.Minute)
	}
	f.printf("%s  %s  %s\n", f.now().In(f.Plant().Location()).Format("15:04:05"), w.ID, says)
	return over(w.State)
}

// behind is how many warnings lie behind where so much is left, and in how long
// the next one, or the end, is due.
func behind(left time.Duration) (n int, next time.Duration) {
	next = lookAgain
	for _, at := range warnings {
		if left <= at {
			n++
		} else {
			next = min(next, left-at+10*time.Millisecond) // a timer may be early by the clock's grain
		}
	}
	if left > 0 {
		next = min(next, left+10*time.Millisecond)
	}
	return n, next
}

// runs says whether streams pass in it, or will again after a pause.
func runs(w approvals.Window) bool {
	return w.State == approvals.WindowOpen || w.State == approvals.WindowPaused || w.State == approvals.WindowEnding
}
