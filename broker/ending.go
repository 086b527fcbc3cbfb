package broker

import (
	"fmt"
	"strings"
	"time"

	"penstock/policy"
)

// Wind lets a window end in order: at idle (zero: now) every channel with
// nothing half done ends, at once nothing new begins; what is half done may
// finish, at most until the window's end. It gives what is half done; nothing:
// all has ended, as by Stop. A window on hold has nothing that may finish. done
// is called once, when no channel is left. Memory only, as Stop.
func (b *Broker) Wind(w policy.WindowID, idle time.Time, why error, done func()) []string {
	begun, now := time.Now(), b.clock.now()
	why = windowStopped(w, why)
	if idle.IsZero() {
		idle = now.wall
	}
	if !b.board.wind(w, idle, why, done, now) {
		b.Stop(w, why)
		return nil
	}
	e := b.board.endingOf(w)
	var half []string
	var ended []*Channel
	for _, s := range b.all() {
		works, over := s.wind(w, e, now)
		half, ended = append(half, works...), append(ended, over...)
	}
	if len(half) == 0 && e.idle.remaining(now) <= 0 {
		b.Stop(w, why)
	}
	b.metrics.cut(begun, ended)
	shut(ended)
	return half
}

// wind ends what is idle in a window, or brings its end forward, and tells the
// person of what may finish.
func (s *Session) wind(w policy.WindowID, e *ending, now reading) (half []string, ended []*Channel) {
	var told []*Channel
	text := "Your window %s is ending. What is half done may finish: %s. Nothing new begins."
	for _, c := range s.open(w) {
		work := c.busy()
		if len(work) == 0 {
			if e.idle.remaining(now) <= 0 {
				c.end(e.why)
				ended = append(ended, c)
			} else {
				c.change(func(p *pass) bool { p.due = e.idle.sooner(p.due, now); return true })
			}
			continue
		}
		told = append(told, c)
		if e.idle.remaining(now) <= 0 {
			text = "Your window %s is ending. What is half done may finish, at most until " + c.pass.Load().due.wall.In(s.where()).Format("15:04 MST") + ": %s. Nothing new begins."
		}
		for _, b := range work {
			half = append(half, b.What)
		}
	}
	if len(told) > 0 {
		s.guest.say(fmt.Sprintf(text, w, short(strings.Join(half, ", "))), told)
	}
	return half, ended
}

// windDown ends what has finished in a window that is ending.
func (b *Broker) windDown(w policy.WindowID, e *ending, now reading) {
	if e.idle.remaining(now) > 0 {
		return
	}
	left := false
	for _, s := range b.all() {
		for _, c := range s.open(w) {
			if c.works(now) {
				left = true
				continue
			}
			c.end(e.why)
		}
	}
	if left {
		return
	}
	b.Stop(w, e.why)
	if e.done != nil {
		e.done()
	}
}

// HalfDone says what may still finish in a window: one text for each transfer.
func (b *Broker) HalfDone(w policy.WindowID) []string {
	now := b.clock.now()
	var all []string
	for _, s := range b.all() {
		for _, c := range s.open(w) {
			if c.pass.Load().held { // nothing passes in it that could finish
				continue
			}
			work := c.busy()
			for _, one := range work {
				all = append(all, one.What)
			}
			if len(work) == 0 && c.works(now) {
				all = append(all, "its last words")
			}
		}
	}
	return all
}

// lasts is until when a channel may go on: in a window that is ending, what has
// nothing half done ends earlier.
func (c *Channel) lasts(w policy.WindowFacts, until time.Time, now reading) time.Time {
	if w.Ending && w.Idle.Before(until) && !c.works(now) {
		return w.Idle
	}
	return until
}
