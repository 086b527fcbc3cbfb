package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// end is one side of a stream.
type end struct {
	from io.Reader
	to   io.Writer
	said func() string // beside the stream, read once it is over; nil: nothing
}

// meter tells when bytes came to an end of a stream. It writes there as well.
type meter struct {
	last   atomic.Pointer[time.Time] // when bytes came; nil: none has
	closed time.Time                 // valid once over is closed
	over   chan struct{}
	said   func() string
}

// run reads until the stream ends, and writes until then.
func (m *meter) run(e end) {
	defer close(m.over)
	go func() {
		tick := time.NewTicker(cutTick)
		defer tick.Stop()
		text := make([]byte, 512)
		for {
			if _, err := e.to.Write(text); err != nil {
				return // the stream has ended
			}
			select {
			case <-tick.C:
			case <-m.over:
				return
			}
		}
	}()
	buf := make([]byte, 4096)
	for {
		n, err := e.from.Read(buf)
		now := time.Now()
		if n > 0 {
			m.last.Store(&now)
		}
		if err != nil {
			m.closed = now
			return
		}
	}
}

// meters are those of one side of many streams.
type meters struct {
	mu  sync.Mutex
	all []*meter
}

// add begins to read and write an end. It returns at once.
func (ms *meters) add(e end) *meter {
	m := &meter{over: make(chan struct{}), said: e.said}
	ms.mu.Lock()
	ms.all = append(ms.all, m)
	ms.mu.Unlock()
	go m.run(e)
	return m
}

var errEnded = errors.New("a stream ended by itself")

// flowing: there are so many streams, and each brought something of late. Where
// nothing moves, nothing could be late.
func (ms *meters) flowing(want int, now time.Time) error {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for _, m := range ms.all {
		select {
		case <-m.over:
			if m.said != nil {
				return fmt.Errorf("%w: %q", errEnded, m.said())
			}
			return errEnded
		default:
		}
	}
	if len(ms.all) != want {
		return fmt.Errorf("%d streams, want %d", len(ms.all), want)
	}
	for _, m := range ms.all {
		last := m.last.Load()
		if last == nil {
			return errors.New("a stream has brought nothing")
		}
		if still := now.Sub(*last); still > cutFresh {
			return fmt.Errorf("a stream has brought nothing for %v: the machine is too busy to measure", still.Round(time.Millisecond))
		}
	}
	return nil
}

// forget waits until all have ended, at most cutAtMost, and drops them.
func (ms *meters) forget(ctx context.Context) error {
	if _, _, err := ms.after(ctx, time.Now()); err != nil {
		return err
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	ms.all = nil
	return nil
}

// after waits until all have ended, at most cutAtMost, and tells how long after
// the click, ms, the last byte came to each (0 where none did), and its end.
func (ms *meters) after(ctx context.Context, clicked time.Time) (last, closed []float64, err error) {
	late := time.NewTimer(cutAtMost)
	defer late.Stop()
	ms.mu.Lock()
	defer ms.mu.Unlock()
	for _, m := range ms.all {
		select {
		case <-m.over:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-late.C:
			return nil, nil, fmt.Errorf("a stream has not ended %v after the click", cutAtMost)
		}
		came := m.last.Load()
		if came == nil {
			came = &clicked
		}
		last = append(last, max(0, milliseconds(came.Sub(clicked))))
		closed = append(closed, max(0, milliseconds(m.closed.Sub(clicked))))
	}
	return last, closed, nil
}
