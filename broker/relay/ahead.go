package relay

import (
	"context"
	"fmt"
	"io"
	"sync"

	"penstock/broker"
)

const (
	aheadMost = broker.MaxIn // bytes read and not yet taken
	small     = 512          // first read buffer: an idle session needs no more
	keep      = 64 << 10     // a larger buffer is not kept by an idle channel
)

var steps = sync.Pool{New: func() any { return new([step]byte) }}

// reader reads with a small buffer until there is much to read, and gives the
// large one back when there is not: an idle session holds half a KiB.
type reader struct {
	from  io.Reader
	small [small]byte
	large *[step]byte
}

// read gives bytes that are good until the next call.
func (r *reader) read() ([]byte, error) {
	buf := r.small[:]
	if r.large != nil {
		buf = r.large[:]
	}
	n, err := r.from.Read(buf)
	switch {
	case r.large == nil && n == small:
		r.large = steps.Get().(*[step]byte)
	case r.large != nil && n < small && err == nil:
		// p stands in the large buffer: the next read gives it back.
		p := r.small[:copy(r.small[:], buf[:n])]
		r.rest()
		return p, nil
	}
	return buf[:n], err
}

func (r *reader) rest() {
	if r.large != nil {
		steps.Put(r.large)
		r.large = nil
	}
}

// ahead reads while its taker is busy, at most aheadMost bytes, and gives all
// of it at once.
type ahead struct {
	mu    sync.Mutex
	moved *sync.Cond // with mu: something was read, taken or stopped
	buf   []byte     // read and not taken
	spare []byte     // what was taken last, to be used again
	err   error      // of the read after buf
	gone  bool       // the taker has left

	unwatch func()
}

// readAhead begins to read. It ends with the first error of from, with the
// channel, or with stop; a Read that waits then is left to its end.
func readAhead(ctx context.Context, ch *broker.Channel, from io.Reader) *ahead {
	a := &ahead{}
	a.moved = sync.NewCond(&a.mu)
	quit := func(why error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.err == nil {
			a.err = why
		}
		a.gone = true
		a.moved.Broadcast()
	}
	channel := ch.Context()
	stops := []func() bool{context.AfterFunc(channel, func() { quit(context.Cause(channel)) })}
	if ctx != channel && ctx.Done() != nil {
		stops = append(stops, context.AfterFunc(ctx, func() { quit(context.Cause(ctx)) }))
	}
	a.unwatch = func() {
		for _, stop := range stops {
			stop()
		}
	}
	go a.run(from)
	return a
}

func (a *ahead) run(from io.Reader) {
	r := reader{from: from}
	defer r.rest()
	defer func() {
		if p := recover(); p != nil {
			a.put(nil, fmt.Errorf("panic while reading: %v", p))
		}
	}()
	for {
		p, err := r.read()
		if !a.put(p, err) {
			return
		}
	}
}

// put waits for room; false: no more is wanted.
func (a *ahead) put(p []byte, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.buf)+len(p) > aheadMost && !a.gone {
		a.moved.Wait()
	}
	if a.gone {
		return false
	}
	a.buf = append(a.buf, p...)
	if err != nil {
		a.err = err
	}
	a.moved.Broadcast()
	return err == nil
}

// take waits for bytes or the end; the bytes are good until the next call.
// Once the channel has ended, what was read before is not given any more.
func (a *ahead) take() ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.buf) == 0 && a.err == nil {
		a.moved.Wait()
	}
	if a.gone {
		return nil, a.err
	}
	p, next := a.buf, a.spare[:0]
	a.spare = p
	if len(p) <= keep { // no rush: large buffers go
		if cap(next) > keep {
			next = nil
		}
		if cap(p) > keep {
			a.spare = nil
		}
	}
	a.buf = next
	a.moved.Broadcast()
	return p, a.err
}

// stop lets the reading goroutine go.
func (a *ahead) stop() {
	a.unwatch()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	a.moved.Broadcast()
}
