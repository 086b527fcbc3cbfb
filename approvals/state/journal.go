package state

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"penstock/audit"
)

// Journal is the one way to change rows.
type Journal struct {
	node  string
	log   Log
	store Store
	folds []Fold

	mu     sync.Mutex // serial: held across Append and Apply, so nothing that must not wait may take it
	caught bool       // what the log has, the store has
	told   []string   // differences that CatchUp found; the next Check tells them

	made made // what the newest leaf says of each row

	end    sync.Mutex // of the two below; held for memory only
	failed chan struct{}
	err    error
}

// NewJournal makes the journal of one node. Each owner of rows gives its fold.
func NewJournal(node string, log Log, store Store, folds ...Fold) *Journal {
	return &Journal{node: node, log: log, store: store, folds: slices.Clone(folds), failed: make(chan struct{})}
}

// Commit makes one change: row key at ev.Rev-1? → folds → hashes into ev.Rows →
// Append → Apply; one at a time, in log order. ErrConflict: on one node nothing
// was written; where another node was faster the leaf stands and is void. A
// fold's error, or an event that changes no row: nothing was written. An error
// of Append or Apply breaks the Journal for the process. ctx is not obeyed after the check.
func (j *Journal) Commit(ctx context.Context, key string, ev audit.Event) (audit.Leaf, error) {
	return j.CommitOn(ctx, key, ev)
}

// Seen is a row that a change rests on and does not change, as it was read.
type Seen struct {
	Key string
	Rev uint64 // 0: there was no such row
}

// CommitOn is Commit, if the rows that the change was decided on are still as
// they were seen; else ErrConflict, and nothing was written. Without it somebody
// could be disabled between the look at their roles and the event.
func (j *Journal) CommitOn(ctx context.Context, key string, ev audit.Event, on ...Seen) (audit.Leaf, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.Err(); err != nil {
		return audit.Leaf{}, fmt.Errorf("journal is broken: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return audit.Leaf{}, err
	}
	// A row that the log has and the store has not must not look free.
	if !j.caught {
		if _, err := j.catchUp(ctx); err != nil {
			return audit.Leaf{}, fmt.Errorf("catch up before the first change: %w", err)
		}
	}
	if err := j.unchanged(ctx, on); err != nil {
		return audit.Leaf{}, err
	}
	ev, changes, err := j.prepare(ctx, key, ev)
	if err != nil {
		return audit.Leaf{}, err
	}
	return j.write(context.WithoutCancel(ctx), ev, changes)
}

// Settled returns when the rows of every leaf that the log had at the call are
// stored: a leaf can be read a moment before the rows that it makes. It waits
// for one commit at most, on a broken Journal for nothing.
func (j *Journal) Settled() {
	j.mu.Lock()
	defer j.mu.Unlock()
}

func (j *Journal) unchanged(ctx context.Context, on []Seen) error {
	rows := j.Checked(j.store)
	for _, seen := range on {
		row, err := stored(ctx, rows, seen.Key)
		if err != nil {
			return fmt.Errorf("read row %s: %w", seen.Key, err)
		}
		if row.Rev != seen.Rev {
			return fmt.Errorf("row %s is at revision %d, the change was decided on %d: %w", seen.Key, row.Rev, seen.Rev, ErrConflict)
		}
	}
	return nil
}

// prepare asks everything that may still say no.
func (j *Journal) prepare(ctx context.Context, key string, ev audit.Event) (audit.Event, []Change, error) {
	ev.Rows = nil
	ev, err := j.asReplayed(ev)
	if err != nil {
		return ev, nil, err
	}
	rows := j.Checked(j.store)
	row, err := stored(ctx, rows, key)
	if err != nil {
		return ev, nil, fmt.Errorf("read row %s: %w", key, err)
	}
	if ev.Rev == 0 || row.Rev+1 != ev.Rev {
		return ev, nil, fmt.Errorf("row %s is at revision %d, the change makes %d: %w", key, row.Rev, ev.Rev, ErrConflict)
	}
	changes, err := j.fold(ctx, rows, audit.Leaf{Event: ev})
	if err != nil {
		return ev, nil, err
	}
	if err := j.fits(ctx, rows, key, ev, changes); err != nil {
		return ev, nil, fmt.Errorf("%s of %s: %w", ev.Body.Type(), key, err)
	}
	ev.Rows = make(map[string]audit.Hash, len(changes))
	for _, c := range changes {
		ev.Rows[c.Row.Key] = audit.HashOf(c.Row.Value)
	}
	ev, err = j.asReplayed(ev)
	return ev, changes, err
}

// fits holds the folds to their contract: the row named is among the changes,
// and every row goes up by exactly one.
func (j *Journal) fits(ctx context.Context, rows Reader, key string, ev audit.Event, changes []Change) error {
	if len(changes) == 0 {
		return errors.New("it changes no row; such an event goes to the log itself")
	}
	named := false
	for _, c := range changes {
		row, err := stored(ctx, rows, c.Row.Key)
		if err != nil {
			return fmt.Errorf("read row %s: %w", c.Row.Key, err)
		}
		if row.Rev+1 != c.Row.Rev {
			return fmt.Errorf("its fold makes revision %d of row %s, which is at %d", c.Row.Rev, c.Row.Key, row.Rev)
		}
		named = named || c.Row.Key == key && c.Row.Rev == ev.Rev
	}
	if !named {
		return errors.New("its folds do not change the row that it is about")
	}
	return nil
}

func (j *Journal) write(ctx context.Context, ev audit.Event, changes []Change) (audit.Leaf, error) {
	leaf, err := j.log.Append(ctx, ev)
	if errors.Is(err, audit.ErrFull) { // nothing was written
		return audit.Leaf{}, err
	}
	if err != nil {
		return audit.Leaf{}, j.fail(fmt.Errorf("append %s: %w", ev.Body.Type(), err))
	}
	return leaf, j.apply(ctx, leaf, changes)
}

// apply is the one call of Store.Apply that makes rows, for Commit and for replay.
func (j *Journal) apply(ctx context.Context, leaf audit.Leaf, changes []Change) error {
	for i := range changes {
		changes[i].Row.Leaf = leaf.Place()
	}
	j.made.begin(changes)
	err := j.store.Apply(ctx, leaf, changes)
	if errors.Is(err, ErrConflict) {
		j.made.drop()
		return fmt.Errorf("leaf %s: %w", leaf.Place(), ErrConflict)
	}
	if err != nil { // either is right now
		return j.fail(fmt.Errorf("apply leaf %s: %w", leaf.Place(), err))
	}
	j.made.finish()
	return nil
}

// fold asks every owner. A fold that panics refuses, it does not end the server.
func (j *Journal) fold(ctx context.Context, rows Reader, leaf audit.Leaf) (changes []Change, err error) {
	defer func() {
		if p := recover(); p != nil {
			changes, err = nil, fmt.Errorf("fold of %s panicked: %v", leaf.Body.Type(), p)
		}
	}()
	for _, f := range j.folds {
		more, err := f(ctx, rows, leaf)
		if err != nil {
			return nil, err
		}
		changes = append(changes, more...)
	}
	return changes, Valid(changes)
}

// asReplayed is the event as it will be read back: a fold that saw a local time
// zone or an empty list at Commit would make other bytes at replay. What no
// leaf can hold is refused here, where nothing is written yet.
func (j *Journal) asReplayed(ev audit.Event) (audit.Event, error) {
	b, err := audit.Leaf{
		Event: ev, Node: j.node, Boot: longestBoot, Index: 1<<53 - 1, Mono: math.MaxInt64, Wall: time.Unix(0, 1).UTC(),
	}.Canonical()
	if err != nil {
		return ev, fmt.Errorf("event of %s: %w", ev.Subject, err)
	}
	leaf, err := audit.ParseLeaf(b)
	if err != nil {
		return ev, fmt.Errorf("event of %s: %w", ev.Subject, err)
	}
	return leaf.Event, nil
}

// longestBoot is as long as the id of a boot may be (a UUID).
const longestBoot = "00000000-0000-0000-0000-000000000000"

// Failed is closed when the Journal is broken; Err says why.
func (j *Journal) Failed() <-chan struct{} { return j.failed }

// Err is the first error that broke the Journal, nil while it is whole.
func (j *Journal) Err() error {
	j.end.Lock()
	defer j.end.Unlock()
	return j.err
}

func (j *Journal) fail(err error) error {
	j.end.Lock()
	defer j.end.Unlock()
	if j.err == nil {
		j.err = err
		close(j.failed)
	}
	return err
}

func sortedKeys(m map[string]audit.Hash) []string { return slices.Sorted(maps.Keys(m)) }
