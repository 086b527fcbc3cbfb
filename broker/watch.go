package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"penstock/approvals"
	"penstock/policy"
)

const (
	tick        = 250 * time.Millisecond // how late an idle channel may learn of its end
	sweepEvery  = 30 * time.Second       // everything is asked again, whatever the watch said
	watchAgain  = time.Second            // before the one new try
	watchSteady = time.Minute            // a watch that held so long may be tried anew
	asksAtOnce  = 8
)

// Run follows the Agreement, clocks and recorder: warns, asks again, ends.
// It returns when ctx ends or when the Agreement can no longer be followed.
func (b *Broker) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { b.ticks(ctx) })
	wg.Go(func() { b.asks(ctx) })
	wg.Go(func() { b.rooms(ctx) })
	wg.Go(func() { b.lates(ctx) })
	wg.Go(func() {
		select {
		case <-b.archive.Failed():
			b.fail(errors.New("the disk or the log refused to write"))
		case <-ctx.Done():
		}
	})
	err := b.follow(ctx)
	cancel(err)
	return err
}

// follow keeps the watch, with one new try where it ended by itself.
func (b *Broker) follow(ctx context.Context) error {
	defer b.following(false)
	for tries := 0; ; tries++ {
		began := time.Now()
		err := b.watch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		b.following(false)
		slog.Error("the watch of what was agreed has ended", "err", err)
		if time.Since(began) > watchSteady {
			tries = 0
		}
		if tries > 0 {
			b.endAll(errUnwatched)
			return fmt.Errorf("follow what was agreed: %w", err)
		}
		select {
		case <-time.After(watchAgain):
		case <-ctx.Done():
			return nil
		}
	}
}

// watch subscribes first and asks about everything then, so that nothing falls between.
func (b *Broker) watch(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	changes := b.agreement.Watch(ctx)
	b.following(true)
	b.changed(approvals.Changed{})
	for ch, err := range changes {
		if err != nil {
			return err
		}
		b.changed(ch)
	}
	return errors.New("it ended")
}

// changed takes note, in memory, and lets asks do the rest.
func (b *Broker) changed(ch approvals.Changed) {
	now := b.clock.now()
	b.board.moved(ch.Window, now)
	if ch.Window != "" && (ch.Person != "" || ch.Block != "") {
		b.board.moved("", now)
	}
	if ch.Block != "" || ch == (approvals.Changed{}) {
		b.board.settled(ch.Block, now)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case ch.Window != "" && ch.Person == "" && ch.Block == "":
		b.pending[ch] = true
	case ch.Person != "" && ch.Window == "" && ch.Block == "":
		b.pending[ch] = true
	default:
		b.pending[approvals.Changed{}] = true
	}
	if len(b.pending) > maxPending {
		clear(b.pending)
		b.pending[approvals.Changed{}] = true
	}
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

const maxPending = 1024 // changes above which everything is asked at once

// asks works off what changed; and everything, now and then.
func (b *Broker) asks(ctx context.Context) {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-sweep.C:
			b.askAgain(ctx, map[approvals.Changed]bool{{}: true})
		case <-b.wake:
			b.mu.Lock()
			todo := b.pending
			b.pending = map[approvals.Changed]bool{}
			b.mu.Unlock()
			b.askAgain(ctx, todo)
		}
	}
}

// Recheck asks again for every session: after a new plant file. It returns
// when all have been asked.
func (b *Broker) Recheck(ctx context.Context) {
	b.board.moved("", b.clock.now())
	b.askAgain(ctx, map[approvals.Changed]bool{{}: true})
}

// askAgain asks for the sessions concerned, a few at a time.
func (b *Broker) askAgain(ctx context.Context, todo map[approvals.Changed]bool) {
	b.asking.Lock() // one round after the other: older facts never come last
	defer b.asking.Unlock()
	var wg sync.WaitGroup
	slots := make(chan struct{}, asksAtOnce)
	for _, s := range b.all() {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			for _, st := range s.stays {
				if todo[approvals.Changed{}] || todo[approvals.Changed{Window: st.window}] || todo[approvals.Changed{Person: s.person}] {
					s.askAgain(ctx, st.window)
				}
			}
		})
	}
	wg.Wait()
}

// askAgain asks about one window of the session, and does what follows.
func (s *Session) askAgain(ctx context.Context, w policy.WindowID) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("panic while asking again", "session", s.id, "panic", r)
			s.end(errUnwatched)
		}
	}()
	if s.over.Load() {
		return
	}
	mark := s.board.mark(w, s.clock.now())
	f, err := s.facts(ctx, w)
	if err != nil && ctx.Err() == nil {
		f, err = s.facts(ctx, w)
	}
	if ctx.Err() != nil {
		return // the broker stops, or the caller went: the next round asks again
	}
	if err != nil {
		slog.Error("facts could not be asked for", "session", s.id, "window", w, "err", err)
		s.windowGone(w, &policy.Refusal{Rule: "facts-unknown",
			Say: "the broker cannot tell any more what was agreed, so this ends; call OT security", Why: fmt.Sprintf("facts about %s: %v", w, err)})
		return
	}
	now := s.clock.now()
	s.board.told(&f, mark, now)
	running(&f)
	if d := s.decide(f, policy.Query{Stage: policy.AtAdmit, Source: s.arrival.Source, Session: s.id, Key: s.arrival.Key}); !d.Allow && d.Rule != "window-ending" {
		s.windowGone(w, d.Refusal())
		return
	}
	if f.Window.Ending {
		s.board.wind(w, f.Window.Idle, windowEnding(w), nil, now)
	}
	longer := s.stayUntil(w, f.Window.Until, now)
	for _, c := range s.open(w) {
		c.askAgain(f, now)
	}
	if longer {
		s.tellEnd(w, f.Window)
	}
	text := fmt.Sprintf("Your window %s goes on.", w)
	if s.board.isHeld(w) {
		text = fmt.Sprintf("Your window %s is %s. What you type waits until it goes on.", w, s.board.pausedBy(w))
	}
	s.hold(w, text)
}

// running makes facts of a paused window such as they would be without the
// pause: a pause holds input, it ends nothing.
func running(f *policy.Facts) {
	if f.Window.Paused {
		f.Window.Paused, f.Window.Live, f.Live.Held = false, f.Window.Agreed, true
	}
}

// askAgain gives the channel its new decision, or ends it.
func (c *Channel) askAgain(f policy.Facts, now reading) {
	for !c.tryAskAgain(f, now) {
	}
}

// tryAskAgain is false where the window was narrowed while it decided.
func (c *Channel) tryAskAgain(f policy.Facts, now reading) (done bool) {
	left := c.s.board.left(c.window, f.Window.Rights)
	f.Window.Rights = left
	p := c.pass.Load()
	q := p.query
	q.Stage, q.Rights = policy.AtOperation, c.s.rights(q, f.Window.Rights)
	d := c.s.decide(f, q)
	switch {
	case !d.Allow:
		c.end(d.Refusal())
		return true
	case d.Target != p.decision.Target:
		c.end(targetMoved)
		return true
	case d.Duties.Inspect != p.decision.Duties.Inspect:
		c.end(otherInspector)
		return true
	}
	due := c.s.board.due(c.window, c.lasts(f.Window, d.Until, now), now)
	cause := c.s.then(f, q, d)
	done = true
	c.change(func(p *pass) bool {
		if done = c.s.board.left(c.window, left) == left; !done {
			return false
		}
		if p.query.Kind != q.Kind { // an Ask has come between, and knows the other duties better
			off := d.Duties.InputOff
			d.Duties = p.decision.Duties
			d.Duties.InputOff = off
		}
		p.due, p.cause, p.decision, p.facts = due, cause, d, &f
		p.query.Rights = q.Rights
		return true
	})
	return done
}

// stayUntil is the session's own end of a window; longer: it is later than before.
func (s *Session) stayUntil(w policy.WindowID, until time.Time, now reading) (longer bool) {
	due := s.board.due(w, until, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.stays {
		if st.window == w {
			longer = longer || until.After(st.until)
			st.due, st.until = due, until
		}
	}
	return longer
}

// tellEnd tells the person of an end that has moved, in the channels that it
// moved for.
func (s *Session) tellEnd(w policy.WindowID, f policy.WindowFacts) {
	var moved []*Channel
	for _, c := range s.open(w) {
		if p := c.pass.Load(); p.ended == nil && (!f.Ending || p.due.wall.After(f.Idle)) {
			moved = append(moved, c)
		}
	}
	if len(moved) == 0 {
		return
	}
	at := f.Until.In(s.where()).Format("15:04 MST")
	text := fmt.Sprintf("Your window %s now ends at %s. New logins need a new certificate: fetch it as before.", w, at)
	if f.Ending {
		text = fmt.Sprintf("Your window %s ends; what is half done may finish, at most until %s.", w, at)
	}
	s.guest.say(text, moved)
}

// ticks ends what is idle and warns.
func (b *Broker) ticks(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := b.clock.now()
		for _, s := range b.all() {
			s.tick(now, b.plant().Location())
		}
		for w, e := range b.board.endings() {
			b.windDown(w, e, now)
		}
		for w, p := range b.board.pausings() {
			b.pauseDown(w, p)
		}
	}
}

func (s *Session) tick(now reading, where *time.Location) {
	defer recovered("tick")
	s.mu.Lock()
	var over []policy.WindowID
	for _, st := range s.stays {
		if st.gone == nil && st.due.remaining(now) <= 0 {
			over = append(over, st.window)
		}
	}
	s.mu.Unlock()
	for _, w := range over {
		s.windowGone(w, windowEnded(w))
	}
	told := map[string][]*Channel{}
	for _, c := range s.open("") {
		if p, err := c.look(); err == nil {
			if text := c.warning(p, now, where); text != "" {
				told[text] = append(told[text], c)
			}
		}
	}
	for text, in := range told {
		s.guest.say(text, in)
	}
}

// behind is how many of the warnings lie further from the end than left.
func (l Limits) behind(left time.Duration) int {
	n := 0
	for n < len(l.Warnings) && left < l.Warnings[n] {
		n++
	}
	return n
}

// warning is what to say now about the channel's end, if anything.
func (c *Channel) warning(p *pass, now reading, where *time.Location) string {
	left := p.due.remaining(now)
	n := c.s.limits.behind(left - 1) // at the very moment, not after it
	grown := n > c.warned
	c.warned = n
	if !grown {
		return ""
	}
	what := fmt.Sprintf("Your window %s ends", c.window)
	if p.cause != nil {
		what = fmt.Sprintf("Your work here in window %s ends (%s)", c.window, says(p.cause))
	}
	return fmt.Sprintf("%s in %s, at %s. Finish what you are doing.", what, minutes(left), p.due.wall.In(where).Format("15:04 MST"))
}

func minutes(left time.Duration) string {
	n := int((left + 30*time.Second) / time.Minute)
	switch {
	case left < 30*time.Second:
		return fmt.Sprintf("%d seconds", int(left/time.Second))
	case n == 1:
		return "1 minute"
	}
	return fmt.Sprintf("%d minutes", n)
}
