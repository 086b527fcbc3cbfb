package state

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"penstock/audit"
)

// Memory is a Store that lasts as long as its process: Check folds into one,
// and tests use it. It is held to the same suite as the others, but for durability.
type Memory struct {
	mu      sync.Mutex
	rows    map[string]Row
	applied map[string]audit.Index
	watch   Fanout
}

// NewMemory makes an empty one.
func NewMemory() *Memory {
	return &Memory{rows: map[string]Row{}, applied: map[string]audit.Index{}}
}

func (m *Memory) Get(ctx context.Context, key string) (Row, error) {
	if err := ctx.Err(); err != nil {
		return Row{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	row, ok := m.rows[key]
	if !ok || row.Value == nil {
		return row, fs.ErrNotExist
	}
	row.Value = bytes.Clone(row.Value)
	return row, nil
}

func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[Row, error] {
	return m.list(ctx, prefix, false)
}

// All is List of everything, tombstones too.
func (m *Memory) All(ctx context.Context) iter.Seq2[Row, error] { return m.list(ctx, "", true) }

func (m *Memory) list(ctx context.Context, prefix string, tombs bool) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		m.mu.Lock()
		moment := maps.Clone(m.rows) // values are never changed in place
		m.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(moment)) {
			row := moment[key]
			if !strings.HasPrefix(key, prefix) || row.Value == nil && !tombs {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(Row{}, err)
				return
			}
			row.Value = bytes.Clone(row.Value)
			if !yield(row, nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Row{}, err)
		}
	}
}

func (m *Memory) Apply(ctx context.Context, leaf audit.Leaf, changes []Change) error {
	if err := errors.Join(ctx.Err(), Valid(changes)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if leaf.Index < m.applied[leaf.Node] {
		return nil
	}
	rows := make([]Row, len(changes))
	for i, c := range changes {
		if m.rows[c.Row.Key].Rev+1 != c.Row.Rev {
			return ErrConflict
		}
		rows[i] = c.Row
		rows[i].Value = bytes.Clone(c.Row.Value)
	}
	for _, r := range rows {
		m.rows[r.Key] = r
	}
	m.applied[leaf.Node] = leaf.Index + 1
	m.watch.Publish(rows)
	return nil
}

func (m *Memory) Applied(ctx context.Context, node string) (audit.Index, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.applied[node], ctx.Err()
}

func (m *Memory) Watch(ctx context.Context, prefix string) iter.Seq2[Row, error] {
	return m.watch.Watch(ctx, prefix)
}

// Mend makes rows as given, whatever is stored.
func (m *Memory) Mend(ctx context.Context, node string, applied audit.Index, rows []Row) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range rows {
		if r.Rev == 0 {
			delete(m.rows, r.Key)
			continue
		}
		r.Value = bytes.Clone(r.Value)
		m.rows[r.Key] = r
	}
	m.applied[node] = applied
	m.watch.Publish(rows)
	return nil
}
