package siem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unicode"

	"penstock/audit"
	"penstock/audit/durable"
)

// Log is what is read of audit.Log, whose contract stands there.
type Log interface {
	Node() string
	Size() audit.Index
	Leaf(context.Context, audit.Place) (audit.Leaf, error)
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
	Follow(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
}

// Place is one receiver, as it was configured.
type Place struct {
	Name  string // short, [a-z][a-z0-9-]*: its cursor's name
	Where string // for people: an address or a path, never a secret
	Sink  Sink
}

// Options of a Forwarder.
type Options struct {
	Dir    string // DATA/siem: the cursors
	Source Source
	Places []Place
	Clock  audit.Clock
	Slog   *slog.Logger
}

const (
	batchLeaves = 200
	batchBytes  = 512 << 10
	sendEvery   = time.Second // batches of a place begin so far apart, unless a whole one waits
	sendTime    = 30 * time.Second
	firstRetry  = time.Second
	maxRetry    = time.Minute
)

// Forwarder carries leaves to places. Safe for concurrent use.
type Forwarder struct {
	o      Options
	log    Log
	places []*place
}

// place is one receiver at work; its loop alone sends and writes the cursor.
type place struct {
	Place
	mu     sync.Mutex
	cursor cursor
	oldest waiting   // the first leaf that it has not got, as it was read last
	since  time.Time // of the first failure in a row; zero: the last attempt was good
	why    string    // of the last failure
	sent   uint64
	failed uint64
}

var placeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Open reads the cursors.
func Open(ctx context.Context, log Log, o Options) (*Forwarder, error) {
	f := &Forwarder{o: o, log: log}
	f.o.Slog = cmp.Or(o.Slog, slog.Default())
	if len(o.Places) == 0 {
		return f, nil
	}
	if err := durable.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of SIEM cursors: %w", err)
	}
	seen := map[string]bool{}
	for _, c := range o.Places {
		if seen[c.Name] || !placeName.MatchString(c.Name) {
			return nil, fmt.Errorf("SIEM %q: the name must be short, of a-z, 0-9 and -, and used once", c.Name)
		}
		seen[c.Name] = true
		p := &place{Place: c}
		var why string
		var err error
		if p.cursor, why, err = readCursor(ctx, p.cursorPath(o.Dir), log); err != nil {
			return nil, fmt.Errorf("how far SIEM %s has the log: %w", c.Name, err)
		}
		if why != "" {
			f.o.Slog.Warn("a SIEM is sent the whole log again; events that it has have the same metadata.uid and unmapped.leaf", "place", c.Name, "why", why)
		}
		f.places = append(f.places, p)
	}
	return f, nil
}

// Run sends until ctx ends. A place that fails is tried again; no failure of a
// place ends Run, and the log waits for none.
func (f *Forwarder) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, p := range f.places {
		all.Go(func() { f.serve(ctx, p) })
	}
	all.Wait()
	<-ctx.Done()
	return nil
}

// serve is one place's loop.
func (f *Forwarder) serve(ctx context.Context, p *place) {
	for tries := 0; ctx.Err() == nil; {
		more, err := f.send(ctx, p)
		wait := sendEvery
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.miss(p, err)
			wait = firstRetry << min(tries, 6)
			wait = min(wait, maxRetry)/2 + rand.N(min(wait, maxRetry))
			tries++
		case more:
			tries, wait = 0, 0
		default:
			tries = 0
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// send delivers one batch, and waits for a leaf where there is none. more: a
// whole batch went, and there may be another.
func (f *Forwarder) send(ctx context.Context, p *place) (more bool, err error) {
	p.mu.Lock()
	next := p.cursor
	p.mu.Unlock()
	batch, next, err := f.batch(ctx, next)
	if err != nil {
		return false, err
	}
	if len(batch) == 0 {
		return true, f.await(ctx, next.Next)
	}
	attempt, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	if err := deliver(attempt, p.Sink, batch); err != nil {
		return false, err
	}
	if err := next.write(p.cursorPath(f.o.Dir)); err != nil {
		return false, fmt.Errorf("keep how far it has the log: %w", err)
	}
	p.mu.Lock()
	again := !p.since.IsZero()
	p.cursor, p.since, p.why = next, time.Time{}, ""
	p.sent += uint64(len(batch))
	p.mu.Unlock()
	if again {
		f.o.Slog.Info("the SIEM is reached again", "place", p.Name)
	}
	return next.Next < f.log.Size() && len(batch) == batchLeaves, nil
}

// batch reads what comes next of the log, without waiting.
func (f *Forwarder) batch(ctx context.Context, at cursor) ([]Event, cursor, error) {
	var all []Event
	bytes := 0
	for leaf, err := range f.log.Upto(ctx, at.Next) {
		if err != nil {
			return nil, at, fmt.Errorf("read the log: %w", err)
		}
		e := f.o.Source.Event(leaf)
		all = append(all, e)
		at = cursor{1, leaf.Index + 1, leaf.Hash}
		if bytes += len(e.JSON); len(all) == batchLeaves || bytes >= batchBytes {
			break
		}
	}
	return all, at, nil
}

// await waits for the leaf at next.
func (f *Forwarder) await(ctx context.Context, next audit.Index) error {
	for _, err := range f.log.Follow(ctx, next) {
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("follow the log: %w", err)
		}
		break
	}
	return nil
}

// deliver keeps a panic of one sink from the process.
func deliver(ctx context.Context, s Sink, batch []Event) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v\n%s", r, debug.Stack())
		}
	}()
	return s.Deliver(ctx, batch)
}

// miss notes a failure, and tells of the first.
func (f *Forwarder) miss(p *place, err error) {
	if errors.Is(err, audit.ErrClosed) { // we are stopping
		return
	}
	p.mu.Lock()
	first := p.since.IsZero()
	if first {
		p.since = f.o.Clock.Wall().UTC()
	}
	p.failed++
	p.why = oneLine(err.Error())
	p.mu.Unlock()
	if first {
		f.o.Slog.Warn("a SIEM was not given the newest events; it is tried again, and nothing waits for it", "place", p.Name, "err", err)
	}
}

// oneLine is what others made us say, bounded, for one line.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return ' '
	}, brief(s))
}
