// Package state keeps the rows that say where each request, window, person and
// certificate stands now. Rows are a view of the log: delete them and they come
// back from log and documents.
//
// It gives the one way to change state, Journal.Commit: event first, durable,
// then the row. It does not know what a row means, and does not trust the store:
// somebody who edits a row changes what a page shows until the next look, and
// opens nothing, because decisions are made on leaves.
package state

import (
	"context"
	"errors"
	"iter"

	"penstock/audit"
)

var errUnbuilt = errors.New("not built yet")

// ErrConflict: the row is not at the revision that the change was made on.
var ErrConflict = errors.New("changed meanwhile")

// Row is one aggregate's newest value. Key is kind, slash, id: "window/W-17".
type Row struct {
	Key   string
	Rev   uint64
	Leaf  audit.Place // the leaf that made this revision
	Value []byte      // canonical JSON
}

// Change is a row as it shall be. Row.Rev is one above what is stored; Value
// nil deletes the value and keeps the revision (a tombstone: Get then says fs.ErrNotExist).
type Change struct{ Row Row }

// Reader reads rows.
type Reader interface {
	Get(ctx context.Context, key string) (Row, error)              // fs.ErrNotExist
	List(ctx context.Context, prefix string) iter.Seq2[Row, error] // key order, one moment
}

// Store keeps rows. bolt and, later, etcd; statetest holds each to this contract.
type Store interface {
	Reader
	// Apply does all or nothing and is durable on return; it notes leaf as
	// applied for its node. ErrConflict: a row was not at Rev-1, nothing done.
	// Any other error: state unknown, open again. A leaf that was applied
	// already: nothing, nil. changes may be empty.
	Apply(ctx context.Context, leaf audit.Leaf, changes []Change) error
	// Applied: every row-making leaf of node below the index is in.
	Applied(ctx context.Context, node string) (audit.Index, error)
	// Watch yields rows as they change, by any node, per row in order, from the
	// call on, until ctx ends. An error means: list again and watch anew (a
	// slow reader is cut off rather than waited for).
	Watch(ctx context.Context, prefix string) iter.Seq2[Row, error]
}

// Log is what the Journal needs of audit.Log.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
}

// Fold says which rows a leaf changes. The rows, the leaf and the documents
// that it names are all it knows; it uses the event's body only, never the
// leaf's index or wall time (when folding for Commit they are not known yet).
// A leaf that is not its business: nil, nil. At Commit an error refuses the
// event (a transition that is not allowed is a *policy.Refusal); at replay it is a fault.
type Fold func(ctx context.Context, rows Reader, leaf audit.Leaf) ([]Change, error)

// Journal is the one way to change rows.
type Journal struct{}

// NewJournal makes the journal of one node. Each owner of rows gives its fold.
func NewJournal(node string, log Log, store Store, folds ...Fold) *Journal { panic(errUnbuilt) }

// Commit makes one change: row key at ev.Rev-1? → folds → hashes into ev.Rows →
// Append → Apply; one at a time, in log order. ErrConflict: on one node nothing
// was written; where another node was faster the leaf stands and is void. A
// fold's error: nothing was written. Any other error breaks the Journal for
// the process. ctx is not obeyed after the check.
func (j *Journal) Commit(ctx context.Context, key string, ev audit.Event) (audit.Leaf, error) {
	return audit.Leaf{}, errUnbuilt
}

// CatchUp applies what the log has and the store has not, at start.
func (j *Journal) CatchUp(ctx context.Context) (applied int, err error) { return 0, errUnbuilt }

// Check folds the whole log anew in memory and compares: a row that was edited
// by hand is named, and made again from the log.
func (j *Journal) Check(ctx context.Context) (differences []string, err error) {
	return nil, errUnbuilt
}

// Failed is closed when the Journal is broken; Err says why.
func (j *Journal) Failed() <-chan struct{} { panic(errUnbuilt) }
func (j *Journal) Err() error              { panic(errUnbuilt) }
