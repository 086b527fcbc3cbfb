package broker

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"penstock/policy"
)

// mostBusy is how many half-done transfers of one channel are noted; a channel
// that has so many is busy without more.
const mostBusy = 64

// lastWords is how long a channel of a window that is ending stays after its
// last transfer: replies, exit status and the client's own close still pass.
const lastWords = time.Second

// Busy is one half-done transfer in a window.
type Busy struct {
	Session policy.SessionID
	Person  policy.PersonID
	Channel int
	What    string // "upload of recipe.bin"
}

// work is what is half done on a channel.
type work struct {
	mu   sync.Mutex // memory only; no other lock is taken under it
	next int
	half map[int]string // by the number of Busy's call
	last time.Time      // monotonic: when the last of them was done

	pausing bool         // it waits once these are done
	finish  map[int]bool // of half
}

// Busy marks a half-done transfer on the channel, such as "upload of
// recipe.bin" (cut to 500 bytes), until done is called; done may be called
// again, and from anywhere. The channel's end calls it too. While something is
// half done, "end" lets the channel finish, at most until the window's end. A
// mark gives nothing else: bytes pass the gate as before.
func (c *Channel) Busy(what string) (done func()) {
	w := &c.work
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.ended() != nil || len(w.half) >= mostBusy {
		return func() {}
	}
	if w.half == nil {
		w.half = map[int]string{}
	}
	w.next++
	n := w.next
	w.half[n] = short(what)
	return func() { c.done(n) }
}

func (c *Channel) done(n int) {
	if c.isDone(n) { // and before the next byte passes
		c.change(func(p *pass) bool { was := p.held; p.held = c.waits(); return was != p.held })
	}
}

// isDone says whether the channel is to wait now.
func (c *Channel) isDone(n int) (waits bool) {
	c.work.mu.Lock()
	defer c.work.mu.Unlock()
	if _, here := c.work.half[n]; !here {
		return false
	}
	delete(c.work.half, n)
	delete(c.work.finish, n)
	c.work.last = time.Now()
	return c.work.pausing && len(c.work.finish) == 0
}

// idle forgets what was half done: the channel has ended.
func (c *Channel) idle() {
	c.work.mu.Lock()
	defer c.work.mu.Unlock()
	c.work.half, c.work.finish = nil, nil
}

// works says whether something is half done, or was a moment ago: its last
// words are still on their way.
func (c *Channel) works(now reading) bool {
	w := &c.work
	w.mu.Lock()
	defer w.mu.Unlock()
	return c.ended() == nil && (len(w.half) > 0 || now.mono.Sub(w.last) < lastWords)
}

// busy lists what is half done, oldest first; nothing on a channel that has ended.
func (c *Channel) busy() []Busy {
	w := &c.work
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.ended() != nil {
		return nil
	}
	var all []Busy
	for _, n := range slices.Sorted(maps.Keys(w.half)) {
		all = append(all, Busy{Session: c.s.id, Person: c.s.person, Channel: c.number, What: w.half[n]})
	}
	return all
}

// Busy lists what is half done in a window, by session and channel; nil: nothing.
func (b *Broker) Busy(w policy.WindowID) []Busy {
	var all []Busy
	for _, s := range b.all() {
		for _, c := range s.open(w) {
			all = append(all, c.busy()...)
		}
	}
	slices.SortStableFunc(all, func(x, y Busy) int {
		return cmp.Or(cmp.Compare(x.Session, y.Session), cmp.Compare(x.Channel, y.Channel))
	})
	return all
}
