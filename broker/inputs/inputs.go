// Package inputs reads what the plant's own inputs say about gates: key
// switches and plant state, by Modbus or HTTP.
//
// It gives Reader.Run, which reads each gate of the plant file in force again
// and again and hands over what was read. It decides nothing: what a reading
// means, and when an old one counts no more, is the Desk's. It trusts an input
// for one bit and nothing else: answers are bounded in size and time, redirects
// are not followed, and what cannot be read is said to be unknown, never yes.
// It never writes to an input. Neither Modbus nor plain http proves who answers:
// whoever stands between can say yes in the input's name.
package inputs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"penstock/policy"
)

// Reading is one look at an input: what it says, or why that is not known.
type Reading struct {
	Known, Yes bool
	Why        string
}

// Take hands over a reading; one call at a time for each gate. An error is a
// fault of whoever takes it, and is theirs to act on.
type Take func(context.Context, policy.Gate, Reading) error

const (
	often    = time.Second     // between two readings, at least
	soon     = often / 4       // before the second look at a change
	seldom   = 2 * time.Second // and at most: a key that is turned off is known by then
	patience = 3 * time.Second // for one reading, at most
	relook   = 2 * time.Second // for another plant file
)

// Reader reads the gates of the plant in force.
type Reader struct {
	Plant func() *policy.Plant
	Take  Take
	Slog  *slog.Logger
}

// Run reads until ctx ends (then nil). Each gate has a goroutine of its own, so
// that a slow input delays no other; a change of the plant file starts and
// stops them.
func (r *Reader) Run(ctx context.Context) error {
	running := map[policy.Gate]context.CancelFunc{}
	var all sync.WaitGroup
	defer all.Wait()
	look := time.NewTicker(relook)
	defer look.Stop()
	for {
		gates := r.Plant().Gates
		for g, stop := range running {
			if !slices.Contains(gates, g) {
				stop()
				delete(running, g)
			}
		}
		for _, g := range gates {
			if running[g] != nil || !g.Read() {
				continue
			}
			each, stop := context.WithCancel(ctx)
			running[g] = stop
			all.Go(func() { r.follow(each, g) })
		}
		select {
		case <-ctx.Done():
			for _, stop := range running {
				stop()
			}
			return nil
		case <-look.C:
		}
	}
}

// every is how often a gate is read: three times before its value is stale.
func every(g policy.Gate) time.Duration { return min(max(g.Stale/3, often), seldom) }

// wait bounds one reading, so that a value does not go stale by waiting.
func wait(g policy.Gate) time.Duration { return min(max(g.Stale/3, often/2), patience) }

func (r *Reader) follow(ctx context.Context, g policy.Gate) {
	source := newSource(g)
	defer source.close()
	said, was := "", Reading{}
	for {
		reading := one(ctx, source, wait(g))
		if ctx.Err() != nil {
			return
		}
		if !reading.Known && reading.Why != said { // told once: the log has what follows from it
			r.Slog.Warn("a gate's input cannot be read", "gate", g.Name, "at", g.At, "why", reading.Why)
		}
		said = ""
		if !reading.Known {
			said = reading.Why
		}
		if err := r.Take(ctx, g, reading); err != nil {
			r.Slog.Error("what a gate's input says could not be taken", "gate", g.Name, "err", err)
		}
		pause := every(g)
		if was.Yes != reading.Yes { // a change is looked at twice, so the second look comes soon
			pause = soon
		}
		was = reading
		if !sleep(ctx, pause) {
			return
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// source is one input.
type source interface {
	read(ctx context.Context) (yes bool, says string, err error)
	close()
}

func newSource(g policy.Gate) source {
	if g.Kind == policy.GateHTTP {
		return newPage(g)
	}
	return newBit(g)
}

// one reading; a panic is a reading that failed.
func one(ctx context.Context, s source, patience time.Duration) (r Reading) {
	defer func() {
		if p := recover(); p != nil {
			r = Reading{Why: fmt.Sprintf("panic: %v", p)}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	yes, says, err := s.read(ctx)
	if err != nil {
		return Reading{Why: cut(err.Error())}
	}
	return Reading{Known: true, Yes: yes, Why: cut(says)}
}

func cut(s string) string {
	if len(s) > 160 {
		return s[:160]
	}
	return s
}
