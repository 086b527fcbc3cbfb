package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"sync"

	"penstock/audit"
)

// Checked reads rows and refuses one that is not what its newest leaf made of
// it, from the first Check on: an edited row is not shown, not believed, and not
// carried into the log by the next change. It costs a hash and waits for no
// disk. Only the value is compared; Check compares revision and leaf too.
func (j *Journal) Checked(rows Reader) Reader { return checked{rows, &j.made} }

// made is what the log says of the rows, by their hashes. Its lock is held for
// memory only.
type made struct {
	mu   sync.RWMutex
	rows map[string]audit.Hash // nil: not known before the first Check
	next map[string]audit.Hash // of the leaf that is being applied: a reader may see either
}

func (m *made) set(truth *Memory) {
	rows := map[string]audit.Hash{}
	for row := range truth.All(context.Background()) { // in memory: no error
		rows[row.Key] = audit.HashOf(row.Value)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows, m.next = rows, nil
}

func (m *made) begin(changes []Change) {
	next := make(map[string]audit.Hash, len(changes))
	for _, c := range changes {
		next[c.Row.Key] = audit.HashOf(c.Row.Value)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = next
}

func (m *made) drop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = nil
}

func (m *made) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows != nil {
		for key, hash := range m.next {
			m.rows[key] = hash
		}
	}
	m.next = nil
}

func (m *made) look(key string, row Row) error {
	hash := audit.HashOf(row.Value)
	m.mu.RLock()
	defer m.mu.RUnlock()
	said, known := m.rows[key]
	next, coming := m.next[key]
	switch {
	case m.rows == nil,
		row.Rev == 0 && !known,
		row.Rev != 0 && known && said == hash,
		row.Rev != 0 && coming && next == hash:
		return nil
	}
	return fmt.Errorf("row %s is not what the log made of it; it was changed outside of Penstock: restart, and it is made again", key)
}

type checked struct {
	rows Reader
	made *made
}

// looks bounds how often a row is read again that does not fit: a change may
// have passed between the reading and the look, an edited row stays as it is.
const looks = 4

func (c checked) Get(ctx context.Context, key string) (row Row, err error) {
	for range looks {
		row, err = c.rows.Get(ctx, key)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return row, err
		}
		edited := c.made.look(key, row)
		if edited == nil {
			return row, err
		}
		row, err = Row{}, edited
	}
	return row, err
}

// List yields a row that was changed since the moment as it is now, and asks
// for those that should be there and are not.
func (c checked) List(ctx context.Context, prefix string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		seen := map[string]bool{}
		for row, err := range c.rows.List(ctx, prefix) {
			if err == nil && c.made.look(row.Key, row) != nil {
				row, err = c.Get(ctx, row.Key)
			}
			seen[row.Key] = true
			if errors.Is(err, fs.ErrNotExist) { // deleted since
				continue
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
		for _, key := range c.made.missing(prefix, seen) {
			if _, err := c.Get(ctx, key); err != nil && !errors.Is(err, fs.ErrNotExist) {
				yield(Row{}, err)
				return
			}
		}
	}
}

// missing are the rows under prefix that the log made and seen has not.
func (m *made) missing(prefix string, seen map[string]bool) (keys []string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for key, hash := range m.rows {
		if strings.HasPrefix(key, prefix) && !seen[key] && hash != audit.HashOf(nil) {
			keys = append(keys, key)
		}
	}
	return keys
}
