package siem

import (
	"context"
	"time"

	"penstock/audit"
)

// State is one place, for people and metrics.
type State struct {
	Name, Where  string
	Behind       audit.Index   // leaves that it has not got
	Lag          time.Duration // how long the oldest of them has been in the log; 0: it has all
	Failing      time.Time     // since when it was not reached; zero: it was
	Why          string        // of the last failure, one line
	Sent, Failed uint64        // events and attempts, since the start
}

// waiting is the leaf at the edge of what a place has.
type waiting struct {
	at   audit.Index
	wall time.Time
	mono time.Duration
	boot string
	read bool
}

// States is read from memory, and of one leaf for each place that is behind.
func (f *Forwarder) States() []State {
	size := f.log.Size()
	var all []State
	for _, p := range f.places {
		p.mu.Lock()
		s := State{Name: p.Name, Where: p.Where, Failing: p.since, Why: p.why, Sent: p.sent, Failed: p.failed}
		if p.cursor.Next < size {
			s.Behind, s.Lag = size-p.cursor.Next, f.lag(p)
		}
		p.mu.Unlock()
		all = append(all, s)
	}
	return all
}

// lag is by the clock that nobody can set; for a leaf of an earlier boot by the
// wall clock, and at least the time since this boot. p.mu is held.
func (f *Forwarder) lag(p *place) time.Duration {
	if o := &p.oldest; !o.read || o.at != p.cursor.Next {
		leaf, err := f.log.Leaf(context.Background(), audit.Place{Node: f.log.Node(), Index: p.cursor.Next})
		if err != nil { // just gone, or a log that cannot be read: the longest that may be
			return f.o.Clock.Mono()
		}
		*o = waiting{p.cursor.Next, leaf.Wall, leaf.Mono, leaf.Boot, true}
	}
	if p.oldest.boot == f.o.Clock.Boot {
		return max(0, f.o.Clock.Mono()-p.oldest.mono)
	}
	return max(f.o.Clock.Wall().Sub(p.oldest.wall), f.o.Clock.Mono())
}
