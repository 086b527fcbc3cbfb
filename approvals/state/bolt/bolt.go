// Package bolt keeps rows in one bbolt file, state.db: the store of a single broker.
package bolt

import (
	"context"
	"errors"
	"iter"

	"penstock/approvals/state"
	"penstock/audit"
)

var errUnbuilt = errors.New("not built yet")

// Store is a state.Store in one file.
type Store struct{}

// Open opens or makes the file (0600). It waits one second for a lock, and then
// says that another server has it.
func Open(path string) (*Store, error) { return nil, errUnbuilt }

func (s *Store) Get(ctx context.Context, key string) (state.Row, error) {
	return state.Row{}, errUnbuilt
}
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[state.Row, error] {
	panic(errUnbuilt)
}
func (s *Store) Apply(ctx context.Context, leaf audit.Leaf, changes []state.Change) error {
	return errUnbuilt
}
func (s *Store) Applied(ctx context.Context, node string) (audit.Index, error) { return 0, errUnbuilt }
func (s *Store) Watch(ctx context.Context, prefix string) iter.Seq2[state.Row, error] {
	panic(errUnbuilt)
}

// Close lets the file go.
func (s *Store) Close() error { return errUnbuilt }
