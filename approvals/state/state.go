// Package state keeps the rows that say where each request, window, person and
// certificate stands now. Rows are a view of the log: delete them and they come
// back from log and documents.
//
// It gives the one way to change state, Journal.Commit: event first, durable,
// then the row. It does not know what a row means: each owner of rows gives a
// Fold. It does not trust the store: every row's hash stands in the leaf that
// made it, and Check folds the log anew and makes a row again that differs.
// Somebody who edits a row changes what a page shows until the next look, and
// opens nothing, because decisions are made on leaves. Somebody who edits a
// row's revision can make changes of that row be refused until the next Check.
package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"penstock/audit"
)

// Bounds of a row and of one change of the store.
const (
	MaxKey     = 512     // bytes of a key
	MaxValue   = 1 << 20 // bytes of a value
	MaxChanges = 1024    // rows that one leaf changes
)

// ErrConflict: the row is not at the revision that the change was made on.
var ErrConflict = errors.New("changed meanwhile")

// Row is one aggregate's newest value. Key is kind, slash, id: "window/W-17".
type Row struct {
	Key   string
	Rev   uint64      // from 1; 0: there is no such row
	Leaf  audit.Place // the leaf that made this revision; the Journal sets it
	Value []byte      // canonical JSON, at most MaxValue bytes; nil: a tombstone
}

// Change is a row as it shall be. Row.Rev is one above what is stored; Value
// nil deletes the value and keeps the revision (a tombstone: Get then says fs.ErrNotExist).
type Change struct{ Row Row }

// Reader reads rows. What it returns belongs to the caller.
type Reader interface {
	// Get of a row that is not there is fs.ErrNotExist; of a tombstone too, and
	// then the row that comes with the error has its Rev and Leaf.
	Get(ctx context.Context, key string) (Row, error)
	// List yields the rows under a prefix in the order of their keys, as of one
	// moment, without tombstones.
	List(ctx context.Context, prefix string) iter.Seq2[Row, error]
}

// Store keeps rows. bolt and, later, etcd; statetest holds each to this contract.
type Store interface {
	Reader
	// Apply does all or nothing and is durable on return; it notes leaf as
	// applied for its node. ErrConflict: a row was not at Rev-1, nothing done.
	// Any other error: state unknown, open again (a change that Valid refuses is
	// an error that did nothing). A leaf that was applied already: nothing, nil.
	// changes may be empty.
	Apply(ctx context.Context, leaf audit.Leaf, changes []Change) error
	// Applied: every row-making leaf of node below the index is in.
	Applied(ctx context.Context, node string) (audit.Index, error)
	// Watch yields rows as they change, by any node, per row in order, from the
	// call on, until ctx ends; its last word is then the cause of that. A row
	// that was deleted comes with Value nil. Any other error means: list again
	// and watch anew (a slow reader is cut off rather than waited for). What
	// it returns can be ranged over once.
	Watch(ctx context.Context, prefix string) iter.Seq2[Row, error]

	// All is List of everything, tombstones too. A row whose bytes cannot be
	// read comes with Rev 0 rather than as an error: Check makes it again.
	All(ctx context.Context) iter.Seq2[Row, error]
	// Mend makes each row exactly as given, whatever is stored (Rev 0: no such
	// row), and sets what is applied of node. Only Journal.Check calls it.
	Mend(ctx context.Context, node string, applied audit.Index, rows []Row) error
}

// Log is what the Journal needs of audit.Log.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
}

// Fold says which rows a leaf changes. The rows, the leaf and the documents
// that it names are all it knows; it uses the event's body only, never the
// leaf's index or wall time (when folding for Commit they are not known yet).
// The row that the event is about takes leaf.Rev, any other row one above what
// is stored. A leaf that is not its business: nil, nil. At Commit an error
// refuses the event (a transition that is not allowed is a *policy.Refusal); at
// replay it is a fault. A row's bytes are in the log by hash: a later version of
// a fold must make the same bytes of an old leaf.
type Fold func(ctx context.Context, rows Reader, leaf audit.Leaf) ([]Change, error)

// Valid refuses changes that no store takes: bad or repeated keys, a revision of
// 0, values that are empty or above MaxValue, more than MaxChanges rows.
func Valid(changes []Change) error {
	if len(changes) > MaxChanges {
		return fmt.Errorf("a leaf changes %d rows; %d are the most", len(changes), MaxChanges)
	}
	seen := make(map[string]bool, len(changes))
	for _, c := range changes {
		if err := validRow(c.Row); err != nil {
			return err
		}
		if c.Row.Rev == 0 {
			return fmt.Errorf("row %q: a change has a revision from 1", c.Row.Key)
		}
		if seen[c.Row.Key] {
			return fmt.Errorf("row %q is changed twice by one leaf", c.Row.Key)
		}
		seen[c.Row.Key] = true
	}
	return nil
}

func validRow(r Row) error {
	kind, id, ok := strings.Cut(r.Key, "/")
	switch {
	case !ok || kind == "" || id == "" || len(r.Key) > MaxKey || strings.ContainsRune(r.Key, 0):
		return fmt.Errorf("row %.80q: a key is kind, slash, id, at most %d bytes", r.Key, MaxKey)
	case r.Value != nil && len(r.Value) == 0:
		return fmt.Errorf("row %q: an empty value is no value; nil deletes", r.Key)
	case len(r.Value) > MaxValue:
		return fmt.Errorf("row %q: a value of %d bytes; %d are the most", r.Key, len(r.Value), MaxValue)
	}
	return nil
}

// stored is the row or its tombstone as it stands; Rev 0 if it never was.
func stored(ctx context.Context, rows Reader, key string) (Row, error) {
	row, err := rows.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return Row{Key: key, Rev: row.Rev, Leaf: row.Leaf}, nil
	}
	return row, err
}

// Equal says whether two rows are the same in everything.
func (r Row) Equal(o Row) bool {
	return r.Key == o.Key && r.Rev == o.Rev && r.Leaf == o.Leaf &&
		(r.Value == nil) == (o.Value == nil) && bytes.Equal(r.Value, o.Value)
}
