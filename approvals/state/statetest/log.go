package statetest

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
)

// Log is a state.Log in memory. It keeps leaves in their canonical bytes, so
// that what is read back is what a real log would give, and after an error it
// takes nothing more, as a real one.
type Log struct {
	// Fail is asked for each event before (false) and after (true) it is kept.
	Fail func(ev audit.Event, kept bool) error
	// Now dates leaves; nil: a fixed day.
	Now func() time.Time

	mu     sync.Mutex
	leaves [][]byte
	broken error
}

var _ state.Log = (*Log)(nil)

// Append keeps one event, of node a.
func (l *Log) Append(ctx context.Context, ev audit.Event) (audit.Leaf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return audit.Leaf{}, l.broken
	}
	wall := time.Date(2026, 11, 22, 3, 7, 0, 0, time.UTC)
	if l.Now != nil {
		wall = l.Now().UTC()
	}
	leaf := audit.Leaf{Event: ev, Index: audit.Index(len(l.leaves)), Wall: wall, Boot: "b", Node: "a"}
	b, err := leaf.Canonical()
	if err != nil {
		return audit.Leaf{}, err
	}
	back, err := audit.ParseLeaf(b)
	if err != nil {
		return audit.Leaf{}, err
	}
	if l.broken = l.fails(ev, false); l.broken != nil {
		return audit.Leaf{}, l.broken
	}
	l.leaves = append(l.leaves, b)
	if l.broken = l.fails(ev, true); l.broken != nil {
		return audit.Leaf{}, l.broken
	}
	return back, nil
}

func (l *Log) fails(ev audit.Event, kept bool) error {
	if l.Fail == nil {
		return nil
	}
	return l.Fail(ev, kept)
}

// Upto yields the leaves from an index to the size at the call.
func (l *Log) Upto(ctx context.Context, from audit.Index) iter.Seq2[audit.Leaf, error] {
	l.mu.Lock()
	leaves := l.leaves[min(from, audit.Index(len(l.leaves))):]
	l.mu.Unlock()
	return func(yield func(audit.Leaf, error) bool) {
		for _, b := range leaves {
			leaf, err := audit.ParseLeaf(b)
			if err = errors.Join(err, ctx.Err()); !yield(leaf, err) || err != nil {
				return
			}
		}
	}
}

// Leaf reads one.
func (l *Log) Leaf(ctx context.Context, at audit.Place) (audit.Leaf, error) {
	for leaf, err := range l.Upto(ctx, at.Index) {
		return leaf, err
	}
	return audit.Leaf{}, errors.New("no such leaf")
}

// Size is the number of leaves.
func (l *Log) Size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.leaves)
}

// Restart is the log as the next process finds it: whole again, with all that was kept.
func (l *Log) Restart() *Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Log{Now: l.Now, leaves: l.leaves[:len(l.leaves):len(l.leaves)]}
}

// Faulty is a Store whose writes can fail before and after they are done.
type Faulty struct {
	state.Store
	// Fail is asked before (false) and after (true) each Apply.
	Fail func(leaf audit.Leaf, done bool) error
	// Writes counts calls of Apply that reached the store.
	Writes int
}

func (f *Faulty) Apply(ctx context.Context, leaf audit.Leaf, changes []state.Change) error {
	if f.Fail != nil {
		if err := f.Fail(leaf, false); err != nil {
			return err
		}
	}
	f.Writes++
	if err := f.Store.Apply(ctx, leaf, changes); err != nil {
		return err
	}
	if f.Fail != nil {
		return f.Fail(leaf, true)
	}
	return nil
}
