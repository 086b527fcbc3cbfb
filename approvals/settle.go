package approvals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// relook is how long Run sleeps at most: the wall clock may step.
const relook = 30 * time.Second

// never is far away for the next moment.
var never = time.Unix(1<<40, 0)

// Run settles: what time does (asleep, unanswered, unused, ended) and what a
// crash left half done; then again whenever a verb or a moment asks for it,
// until ctx ends (then nil). No end of a byte depends on it: the broker's gate
// looks at the clocks itself. An error is a fault, and final.
func (d *Desk) Run(ctx context.Context) error {
	if d.stopper() == nil {
		return errors.New("the desk has nobody who stops sessions: call Stops before Run")
	}
	settled := map[string]head{} // rows that time does nothing to, at this head
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		next, err := d.settle(ctx, settled)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("settle: %w", err)
		}
		when, err := d.settleDebts(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && d.trouble() == nil { // told again later: nobody waits for it
			slog.ErrorContext(ctx, "cannot write what is owed; looking again later", "error", err)
			err = nil
		}
		if err != nil {
			return fmt.Errorf("write what is owed: %w", err)
		}
		next = earlier(next, when)
		timer.Reset(min(max(next.Sub(d.now()), time.Millisecond), relook))
		select {
		case <-ctx.Done():
			return nil
		case <-d.journal.Failed():
			return fmt.Errorf("settle: the journal is broken: %w", d.journal.Err())
		case <-timer.C:
		case <-d.poke:
		case <-d.repair:
			if err := d.rebuild(ctx); err != nil {
				return err
			}
		}
	}
}

// rebuild makes rows that differ from the log again, and says which.
func (d *Desk) rebuild(ctx context.Context) error {
	differences, err := d.journal.Check(ctx)
	if err != nil {
		return fmt.Errorf("make rows again from the log: %w", err)
	}
	for _, diff := range differences {
		slog.ErrorContext(ctx, "a row was changed behind the log's back and is made again", "difference", diff)
	}
	return nil
}

// settle looks at everything that time or a crash may have to do with, and
// says when to look again.
func (d *Desk) settle(ctx context.Context, settled map[string]head) (next time.Time, err error) {
	if next, err = d.settlePeople(ctx); err != nil {
		return next, err
	}
	for _, each := range []struct {
		prefix string
		one    func(context.Context, string) (time.Time, error)
	}{
		{"request/", func(ctx context.Context, id string) (time.Time, error) {
			return d.settleRequest(ctx, policy.RequestID(id))
		}},
		{"change/", d.settleChange},
		{"pattern/", d.settlePattern},
		{"spoken/", d.settleSpoken},
		{"window/", func(ctx context.Context, id string) (time.Time, error) {
			return d.settleWindow(ctx, policy.WindowID(id))
		}},
	} {
		when, err := d.settleEach(ctx, settled, each.prefix, each.one)
		if next = earlier(next, when); err != nil {
			return next, err
		}
	}
	when, err := d.settleHandovers(ctx)
	if refused(err) || isRule(err, "row-differs") { // somebody was faster, or Run is told to make a row again
		err = nil
	}
	return earlier(next, when), err
}

// settleEach looks at those below prefix that moved since they were settled.
func (d *Desk) settleEach(ctx context.Context, settled map[string]head, prefix string, one func(context.Context, string) (time.Time, error)) (time.Time, error) {
	next := never
	err := d.each(ctx, prefix, func(id string) error {
		at, _ := d.heads.get(prefix + id)
		if settled[prefix+id] == at {
			return nil
		}
		when, err := one(ctx, id)
		if isRule(err, "row-differs") {
			return nil // Run is told to make it again
		}
		if err != nil && (ctx.Err() != nil || d.trouble() != nil) {
			return fmt.Errorf("%s: %w", id, err)
		}
		if err != nil { // a document that is gone stops this one only
			slog.ErrorContext(ctx, "cannot settle; looking again later", "id", id, "error", err)
			when = d.now().Add(relook)
		}
		if when.Equal(never) {
			settled[prefix+id] = at
		}
		next = earlier(next, when)
		return nil
	})
	return next, err
}

// settleRequest does what is due for a request, step by step; next is when
// something will be due again.
func (d *Desk) settleRequest(ctx context.Context, id policy.RequestID) (next time.Time, err error) {
	return d.due(func() (time.Time, bool, error) {
		r, err := d.requestRow(ctx, id)
		if err != nil || !r.waits() {
			return never, false, err
		}
		doc, _, err := d.request(ctx, r.Document)
		if err != nil {
			return never, false, err
		}
		end := doc.To.Add(-lastMinute)
		var body audit.Body
		switch now := d.now(); {
		case !now.Before(end):
			body = audit.RequestUnanswered{}
		case r.State == RequestAsleep && !now.Before(r.Asleep):
			return end, true, d.wake(ctx, r)
		case r.State == RequestAsleep:
			return earlier(r.Asleep, end), false, nil
		default:
			moved, err := d.agree(ctx, r)
			if err != nil || moved {
				return end, moved, err
			}
			next, moved, err := d.askNext(ctx, r, doc)
			return earlier(next, end), moved, err
		}
		_, err = d.commit(ctx, requestKey(id), r.row+1, penstock, body)
		return end, true, err
	})
}

// wake lets a request wait again, and asks again.
func (d *Desk) wake(ctx context.Context, r requestRow) error {
	if _, err := d.commit(ctx, requestKey(r.Request), r.row+1, penstock, audit.RequestWoken{By: penstock, At: d.second()}); err != nil {
		return err
	}
	r.State = RequestWaiting
	v, err := d.view(ctx, r)
	if err != nil {
		return err
	}
	return d.tell(ctx, v)
}

// settleWindow does what is due for a window.
func (d *Desk) settleWindow(ctx context.Context, id policy.WindowID) (next time.Time, err error) {
	return d.due(func() (time.Time, bool, error) {
		w, err := d.windowRow(ctx, id)
		if err != nil {
			return never, false, err
		}
		now := d.now()
		due := never
		if !w.runs() || now.Before(w.Until) { // its end comes first
			var moved bool
			if due, moved, err = d.settleLeftBehind(ctx, w); err != nil || moved {
				return due, moved, err
			}
		}
		switch {
		case w.State == WindowAgreed:
			return d.settleAgreed(ctx, w)
		case w.runs() && now.Before(w.Until):
			next, moved, err := d.settleRunning(ctx, w)
			return earlier(next, due), moved, err
		case w.runs():
			why := "its time is over"
			d.mark(d.stopped, id)
			defer d.unmark(d.stopped, id)
			d.stopper().Stop(id, &policy.Refusal{Rule: "ended", Say: fmt.Sprintf("%s ended at %s: %s.", id, w.Until.In(d.plant().Location()).Format("15:04"), why)})
			body := audit.WindowMoved{Window: w.Window, To: "ended", By: penstock, At: w.Until, Until: w.Until, Why: why}
			_, err := d.commit(ctx, windowKey(id), w.row+1, penstock, body)
			return never, true, err
		}
		return due, false, nil
	})
}

// graceLead is how long before a window's end its grace is written: time for a
// disk, and little enough that nobody else loses by it.
const graceLead = 5 * time.Second

// settleRunning: a window that is ending ends when nothing is half done any
// more (after a start nobody is in); one whose end comes while a transfer is
// half done is given its rule's grace.
func (d *Desk) settleRunning(ctx context.Context, w windowRow) (time.Time, bool, error) {
	id, now := policy.WindowID(w.Window), d.now()
	claim, err := d.claim(ctx, w)
	if err != nil {
		return never, false, err
	}
	if lost := d.losses(ctx, w, claim); len(lost) > 0 && w.State != WindowPaused {
		if err := d.expire(ctx); err != nil {
			return never, false, err
		}
		return never, true, d.giveUp(ctx, w, lost)
	}
	half := d.stopper().HalfDone(id)
	if w.State == WindowOpen && w.Pausing != "" && len(half) == 0 {
		return never, true, d.pauseAtLast(ctx, w)
	}
	if w.State == WindowEnding && len(half) == 0 && !now.Before(w.Idle) {
		d.mark(d.stopped, id)
		defer d.unmark(d.stopped, id)
		d.stopper().Stop(id, &policy.Refusal{Rule: "ended", Say: fmt.Sprintf("%s has ended: what was half done is done.", id)})
		at := d.second()
		body := audit.WindowMoved{Window: w.Window, To: "ended", By: penstock, At: at, Until: at, Why: "what was half done is done"}
		_, err := d.commit(ctx, windowKey(id), w.row+1, penstock, body)
		return never, true, err
	}
	until, err := d.grace(ctx, w, claim)
	if err != nil || until.IsZero() {
		return d.nextLoss(w, claim, w.Until), false, err
	}
	if lead := w.Until.Add(-graceLead); now.Before(lead) {
		return d.nextLoss(w, claim, lead), false, nil
	}
	if len(half) == 0 {
		return w.Until, false, nil
	}
	body := audit.WindowMoved{Window: w.Window, To: "grace", By: penstock, At: d.second(), Until: until, Why: "a transfer is half done"}
	if _, err := d.commit(ctx, windowKey(id), w.row+1, penstock, body); err != nil {
		return never, false, err
	}
	d.stopper().Wind(id, w.Until, &policy.Refusal{Rule: "ended", Say: fmt.Sprintf("%s has ended: what was half done is done.", id)}, d.again)
	return until, true, nil
}

// grace is the end that a window's rules let it move to, once, for a half-done
// transfer; zero: they give none, or it is spent, or the window is paused.
func (d *Desk) grace(ctx context.Context, w windowRow, claim evidence.WindowClaim) (time.Time, error) {
	if w.State != WindowOpen && w.State != WindowEnding || !w.Ungraced.IsZero() {
		return time.Time{}, nil
	}
	doc, _, err := d.request(ctx, claim.Request)
	if err != nil {
		return time.Time{}, err
	}
	q, err := d.quorum(ctx, doc)
	if err != nil {
		return time.Time{}, err
	}
	if until := evidence.Grace(q, claim, w.Opened, w.Until); until.After(w.Until) {
		return until, nil
	}
	return time.Time{}, nil
}

// settleAgreed: unused when its time has passed; open by itself where the rule
// says auto and nothing refuses it now.
func (d *Desk) settleAgreed(ctx context.Context, w windowRow) (time.Time, bool, error) {
	claim, err := d.claim(ctx, w)
	if err != nil {
		return never, false, err
	}
	now := d.now()
	switch {
	case !now.Before(claim.To):
		body := audit.WindowMoved{Window: w.Window, To: "unused", By: penstock, At: claim.To, Why: "nobody opened it"}
		_, err := d.commit(ctx, windowKey(w.Window), w.row+1, penstock, body)
		return never, true, err
	case claim.Open != "auto":
		return claim.To, false, nil
	case now.Before(claim.From):
		return claim.From, false, nil
	}
	body, err := d.opened(ctx, w, claim, penstock)
	if refused(err) {
		d.keeps(ctx, policy.WindowID(w.Window), err)
		return earlier(now.Add(relook), claim.To), false, nil
	}
	if err != nil {
		return never, false, err
	}
	_, err = d.commit(ctx, windowKey(w.Window), w.row+1, penstock, body)
	return claim.To, true, err
}

// keeps notes why a window that opens by itself does not, and logs it where it is
// news: it is asked again every 30 s.
func (d *Desk) keeps(ctx context.Context, id policy.WindowID, err error) {
	var no *policy.Refusal
	if !errors.As(err, &no) {
		return
	}
	d.mu.Lock()
	news := d.kept[id] != no.Say
	d.kept[id] = no.Say
	d.mu.Unlock()
	if news {
		slog.WarnContext(ctx, "a window does not open by itself yet", "window", id, "rule", no.Rule, "why", no.Why)
	}
}

func (d *Desk) keptBy(id policy.WindowID) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.kept[id]
}

// due repeats a step until it moves nothing. Who was overtaken looks anew; a
// refusal of the tables is the same, because the row has changed since.
func (d *Desk) due(step func() (next time.Time, moved bool, err error)) (time.Time, error) {
	for range mostTries {
		next, moved, err := step()
		if errors.Is(err, state.ErrConflict) || isRule(err, "illegal-step") {
			continue
		}
		if err != nil || !moved {
			return next, err
		}
	}
	return d.now().Add(time.Second), nil
}
