package approvals

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Pause holds the vendor's input at once; sessions stay, the clock runs on.
func (d *Desk) Pause(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if err := d.mayStop(by); err != nil {
		return Window{}, err
	}
	why = cleaned(why)
	d.hold(id, fmt.Sprintf("paused by %s%s. Call %s", d.says(by), colon(why), d.plant().Site.WhomToCall()))
	defer d.unmark(d.held, id)
	w, err := d.taken(ctx, by, id, "paused", why)
	if refused(err) && !d.isPaused(ctx, id) {
		d.release(id, d.pausesOf(id))
	}
	return w, err
}

// PauseAfter is Pause once what is half done in the window is done ("pause at
// 100 %"): at once nothing new begins, and what has nothing half done waits.
// Where nothing is half done it is Pause. A restart, an end or a pause settle it.
func (d *Desk) PauseAfter(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if err := d.mayStop(by); err != nil {
		return Window{}, err
	}
	s := d.stopper()
	if s == nil {
		return d.Pause(ctx, by, id, why)
	}
	why = cleaned(why)
	pauses := d.pausesOf(id)
	half := s.PauseAfter(id, fmt.Sprintf("paused by %s%s. Call %s", d.says(by), colon(why), d.plant().Site.WhomToCall()), d.again)
	if len(half) == 0 {
		return d.Pause(ctx, by, id, why)
	}
	w, err := d.taken(ctx, by, id, "pausing", why)
	if refused(err) && !d.isPaused(ctx, id) {
		d.release(id, pauses)
	}
	return w, err
}

// transferDone begins the reason of the pause that follows a word of PauseAfter.
const transferDone = "its transfer is done"

// pauseAtLast pauses a window whose transfer is done, as somebody has said.
func (d *Desk) pauseAtLast(ctx context.Context, w windowRow) error {
	id, why := policy.WindowID(w.Window), transferDone+", as "+w.Pausing+" said"
	d.hold(id, "paused: "+why)
	defer d.unmark(d.held, id)
	body := audit.WindowMoved{Window: w.Window, To: "paused", By: penstock, At: d.second(), Until: w.Until, Why: why}
	_, err := d.commit(ctx, windowKey(id), w.row+1, penstock, body)
	if err != nil {
		d.letGo(id)
	}
	return err
}

// End ends a window, by the plant or by somebody who works in it: at once, or
// where a transfer is half done, when that is done and at most at the window's
// end; until then it is ending, and HalfDone says why. A paused window ends at
// once: nothing passes in it that could finish.
func (d *Desk) End(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if err := d.mayTake(by); err != nil && !d.worksIn(ctx, by, id) {
		return Window{}, err
	}
	return d.wind(ctx, by, id, cleaned(why))
}

// Cut ends a window by force, from every state that is not over.
func (d *Desk) Cut(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if err := d.mayStop(by); err != nil {
		return Window{}, err
	}
	return d.stop(ctx, by, id, "cut", cleaned(why))
}

// worksIn: a person of the window's own people.
func (d *Desk) worksIn(ctx context.Context, by people.Actor, id policy.WindowID) bool {
	w, err := d.windowRow(ctx, id)
	if err != nil {
		return false
	}
	claim, err := d.claim(ctx, w)
	return err == nil && slices.Contains(claim.People, string(by.Person)) && w.Firm == string(by.Firm)
}

// wind is stop, but for what is half done.
func (d *Desk) wind(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	if err := d.stoppable(id, WindowEnded); err != nil {
		return Window{}, err
	}
	s := d.stopper()
	if s == nil {
		return d.stop(ctx, by, id, "ended", why)
	}
	to, marks := "ending", d.winding
	d.mark(d.winding, id) // before Wind: facts that are asked for from here on say so
	if half := s.Wind(id, time.Time{}, d.byPerson("ended", id, by, why), d.again); len(half) == 0 {
		to, marks = "ended", d.stopped
		d.mark(d.stopped, id)
		d.unmark(d.winding, id)
	}
	w, err := d.taken(ctx, by, id, to, why)
	if refused(err) || err == nil {
		d.unmark(marks, id)
	}
	return w, err
}

// byPerson is why a window is over, for who worked in it. Of a cut there is more to
// ask than a line says.
func (d *Desk) byPerson(to string, id policy.WindowID, by people.Actor, why string) error {
	say := fmt.Sprintf("%s %s by %s%s", id, to, d.says(by), colon(why))
	if to == "cut" {
		say += ". Before you ask again, call " + d.plant().Site.WhomToCall()
	}
	return &policy.Refusal{Rule: to, Say: say, Why: fmt.Sprintf("%s %s by %s%s", id, to, by.Person, colon(why))}
}

// says is who takes something, for the vendor: in the plant's words, and from
// memory alone, because taking waits for nothing.
func (d *Desk) says(by people.Actor) string {
	name := cmp.Or(by.Name, string(by.Person))
	switch {
	case by.Kiosk:
		return "the control room"
	case !by.Plant:
		return name
	}
	return d.plant().Says(name, by.Roles)
}

func colon(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// stop is effect first, then the event.
func (d *Desk) stop(ctx context.Context, by people.Actor, id policy.WindowID, to, why string) (Window, error) {
	if err := d.stoppable(id, moves[to].to); err != nil {
		return Window{}, err
	}
	d.mark(d.stopped, id)
	if s := d.stopper(); s != nil {
		s.Stop(id, d.byPerson(to, id, by, why))
	}
	w, err := d.taken(ctx, by, id, to, why)
	if refused(err) || err == nil {
		d.unmark(d.stopped, id)
	}
	return w, err
}

// taken writes what has taken effect already. What cannot be written lets
// nobody in any more.
func (d *Desk) taken(ctx context.Context, by people.Actor, id policy.WindowID, to, why string) (Window, error) {
	ctx = context.WithoutCancel(ctx) // whoever asked may go; the event must come
	w, err := d.step(ctx, by, id, func(w windowRow, _ evidence.WindowClaim) (audit.WindowMoved, []people.Person, error) {
		to := to
		if to == "ending" && w.State == WindowPaused { // somebody has paused it meanwhile: nothing is to pass now
			to = "ended"
			d.stopper().Stop(id, d.byPerson(to, id, by, why))
		}
		m := audit.WindowMoved{Window: w.Window, To: to, By: string(by.Person), At: d.second(), Until: w.Until, Why: why}
		if end := moves[to].to; end == WindowEnded || end == WindowCut {
			m.Until = time.Time{}
			if w.runs() {
				m.Until = earlier(m.At, w.Until)
			}
		}
		return m, nil, nil
	})
	if err != nil && !refused(err) {
		return w, d.admitNothing(fmt.Errorf("write that %s is %s", id, to), err)
	}
	return w, err
}
