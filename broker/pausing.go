package broker

import (
	"fmt"
	"strings"

	"penstock/policy"
)

// pausing is how a window comes to a pause: what is half done finishes first. It
// never changes.
type pausing struct {
	why  string
	done func() // called once, when all of it waits
}

// PauseAfter holds a window's input once what is half done in it is done, and not
// before: nothing new begins, what has nothing half done waits at once, and each
// transfer's channel waits from its last byte on, whatever follows in it. It gives
// what is half done; nothing: all waits already, as by Hold. Release takes it back.
// done is called once, when all of it waits. Memory only, as Hold.
func (b *Broker) PauseAfter(w policy.WindowID, why string, done func()) (half []string) {
	now := b.clock.now()
	b.board.pauseAfter(w, &pausing{why, done}, now)
	for _, s := range b.all() {
		half = append(half, s.pauseAfter(w)...)
	}
	if len(half) == 0 {
		b.Hold(w, why)
	}
	return half
}

func (s *Session) pauseAfter(w policy.WindowID) (half []string) {
	var told []*Channel
	for _, c := range s.open(w) {
		work := c.finishes()
		c.change(func(p *pass) bool { was := p.held; p.held = c.waits(); return was != p.held })
		if len(work) > 0 {
			half, told = append(half, work...), append(told, c)
		}
	}
	if len(told) > 0 {
		s.guest.say(fmt.Sprintf("Your window %s is paused as soon as what is half done is done: %s. Nothing new begins.", w, short(strings.Join(half, ", "))), told)
	}
	return half
}

// finishes lets the channel wait once what is half done in it is done, and gives it.
func (c *Channel) finishes() (half []string) {
	w := &c.work
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.pausing {
		w.pausing, w.finish = true, map[int]bool{}
		for n := range w.half {
			w.finish[n] = true
		}
	}
	if c.ended() != nil {
		return nil
	}
	for n := range w.finish {
		half = append(half, w.half[n])
	}
	return half
}

// goesOn takes back that it waits.
func (c *Channel) goesOn() {
	c.work.mu.Lock()
	defer c.work.mu.Unlock()
	c.work.pausing, c.work.finish = false, nil
}

// waits says whether the channel's input is to wait.
func (c *Channel) waits() bool {
	if c.s.board.isHeld(c.window) {
		return true
	}
	c.work.mu.Lock()
	defer c.work.mu.Unlock()
	return c.work.pausing && len(c.work.finish) == 0
}

// pauseDown holds a window in which nothing is left to finish.
func (b *Broker) pauseDown(w policy.WindowID, p *pausing) {
	for _, s := range b.all() {
		for _, c := range s.open(w) {
			if !c.waits() {
				return
			}
		}
	}
	b.Hold(w, p.why)
	for _, s := range b.all() {
		s.guest.say(fmt.Sprintf("Your window %s is %s. What you type waits until it goes on.", w, p.why), s.open(w))
	}
	p.done()
}

// pauseAfter begins a pause; one that has begun goes on.
func (b *board) pauseAfter(w policy.WindowID, p *pausing, now reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.window(w, now)
	e.gen++
	if e.pausing == nil && !e.held && !e.paused && e.stopped == nil {
		e.pausing = p
	}
}

// pausings lists the windows that come to a pause.
func (b *board) pausings() map[policy.WindowID]*pausing {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all map[policy.WindowID]*pausing
	for w, e := range b.windows {
		if e.pausing != nil && e.stopped == nil {
			if all == nil {
				all = map[policy.WindowID]*pausing{}
			}
			all[w] = e.pausing
		}
	}
	return all
}
