package main

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"penstock/broker/web"
)

// Bounds of calls that are under way: each holds a goroutine, its buffers and
// what the page is made of, for as long as a body comes slowly or an answer is
// not read. Pages that follow what happens have bounds of their own.
const (
	maxCalls       = 1024
	maxCallsSource = 128
)

// boundedCalls keeps few callers from holding much. The newest is always let in:
// the oldest of the caller's own, or of the source that has most, is broken off
// for it. What people do takes a moment; what lasts is slow on purpose, or a
// download that can be had again.
type boundedCalls struct {
	next http.Handler

	mu   sync.Mutex
	open []*underWay // oldest first
}

type underWay struct {
	source string

	mu  sync.Mutex
	end func() // nil once it has ended: what it was answered by may serve another call then
}

func (c *underWay) breakOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil {
		c.end()
	}
}

func (c *underWay) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = nil
}

func newCalls(next http.Handler) *boundedCalls { return &boundedCalls{next: next} }

func (b *boundedCalls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	source, err := network(address(r.RemoteAddr))
	if err != nil {
		source = r.RemoteAddr
	}
	out := http.NewResponseController(w)
	call := &underWay{source: source, end: func() {
		cancel()
		_ = out.SetReadDeadline(time.Unix(1, 0)) // where it is not supported the server's own times end it
		_ = out.SetWriteDeadline(time.Unix(1, 0))
	}}
	if old := b.enter(call); old != nil {
		old.breakOff()
	}
	defer call.ended()
	leave := sync.OnceFunc(func() { b.left(call) })
	defer leave()
	b.next.ServeHTTP(w, r.WithContext(web.WithStreams(ctx, leave)))
}

// enter gives the call that has to go for this one; nil: none.
func (b *boundedCalls) enter(c *underWay) (old *underWay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := map[string]int{}
	for _, o := range b.open {
		n[o.source]++
	}
	from := c.source
	if n[from] < maxCallsSource && len(b.open) >= maxCalls {
		for source, has := range n {
			if has > n[from] {
				from = source
			}
		}
	}
	if n[c.source] >= maxCallsSource || len(b.open) >= maxCalls {
		i := slices.IndexFunc(b.open, func(o *underWay) bool { return o.source == from })
		if i < 0 {
			i = 0
		}
		old = b.open[i]
		b.open = slices.Delete(b.open, i, i+1)
	}
	b.open = append(b.open, c)
	return old
}

func (b *boundedCalls) left(c *underWay) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.open, c); i >= 0 {
		b.open = slices.Delete(b.open, i, i+1)
	}
}

// address is a request's RemoteAddr as network wants it.
type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }
