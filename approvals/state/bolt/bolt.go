// Package bolt keeps rows in one bbolt file, state.db: the store of a single broker.
//
// It gives state.Store: each Apply is one transaction and is on disk when it
// returns. It does not judge rows, and it believes the file only as far as it
// can be read: a damaged file is an error that says so, never a crash, and is
// no loss, because the log makes all rows again. One process opens the file;
// every other way to it goes through the running server.
package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"penstock/approvals/state"
	"penstock/audit"
)

// Store is a state.Store in one file.
type Store struct {
	path  string
	db    *bbolt.DB
	write sync.Mutex // one change after another, so that watchers see their order; Watch never takes it
	watch state.Fanout
	give  func() bool // makes room on a full disk, or says that there is none; set before use

	// torn is the panic of a change, after which bbolt may hold its own locks for
	// good (its way back reads pages, too): nobody waits for those.
	torn atomic.Pointer[error]
}

var _ state.Store = (*Store)(nil)

// ErrDamaged: the file cannot be read as rows. It is only an index: moved away,
// it is made anew from the log.
var ErrDamaged = errors.New("the file is damaged")

const (
	format   = "penstock rows 1"
	lockWait = time.Second
)

var (
	metaBucket    = []byte("meta")
	rowsBucket    = []byte("rows")
	appliedBucket = []byte("applied")
	formatKey     = []byte("format")
)

// Open opens or makes the file (0600). It waits one second for a lock, and then
// says that another server has it.
func Open(path string) (*Store, error) {
	db, err := open(path)
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("open %s: another Penstock server has this data directory; stop it, or give this one its own: %w", path, err)
	case err != nil && (errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist)):
		return nil, fmt.Errorf("open %s: %w", path, err)
	case err != nil:
		return nil, unreadable(path, err)
	}
	s := &Store{path: path, db: db}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open keeps what bbolt panics with at a damaged file.
func open(path string) (db *bbolt.DB, err error) {
	defer guard(&err, func() {})()
	return bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
}

func unreadable(path string, err error) error {
	// A disk that refuses says nothing about what is on it.
	if errno, ok := errors.AsType[syscall.Errno](err); ok && errno != syscall.EINVAL {
		return fmt.Errorf("open %s: %w", path, err)
	}
	return fmt.Errorf("%s cannot be read as rows (%w); it is only an index: move it away and start again, and it is made anew from the log", path, damaged{err})
}

// damaged is ErrDamaged with its cause.
type damaged struct{ error }

func (d damaged) Is(target error) bool { return target == ErrDamaged }
func (d damaged) Unwrap() error        { return d.error }

// prepare makes the buckets of a new file and refuses one that is not ours or
// that others may read.
func (s *Store) prepare() error {
	info, err := os.Stat(s.path)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s may be read by others (mode %04o): chmod 600 %s", s.path, info.Mode().Perm(), s.path)
	}
	err = s.update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(metaBucket)
		if err != nil {
			return err
		}
		switch have := meta.Get(formatKey); {
		case have == nil:
			if err := meta.Put(formatKey, []byte(format)); err != nil {
				return err
			}
		case string(have) != format:
			return fmt.Errorf("its format is %.40q, this build reads %q", have, format)
		}
		for _, name := range [][]byte{rowsBucket, appliedBucket} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return unreadable(s.path, err)
	}
	return nil
}

func (s *Store) Get(ctx context.Context, key string) (row state.Row, err error) {
	if err := ctx.Err(); err != nil {
		return state.Row{}, err
	}
	err = s.view(func(tx *bbolt.Tx) error {
		row, err = get(tx, key)
		return err
	})
	if err != nil {
		return state.Row{}, fmt.Errorf("get %s from %s: %w", key, s.path, err)
	}
	if row.Value == nil {
		return row, fs.ErrNotExist
	}
	return row, nil
}

func get(tx *bbolt.Tx, key string) (state.Row, error) {
	b := tx.Bucket(rowsBucket).Get([]byte(key))
	if b == nil {
		return state.Row{Key: key}, nil
	}
	return decode([]byte(key), b)
}

func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[state.Row, error] {
	return s.list(ctx, prefix, false)
}

// All is List of everything, tombstones too.
func (s *Store) All(ctx context.Context) iter.Seq2[state.Row, error] { return s.list(ctx, "", true) }

// list copies the moment out before it yields: a reader that stays in the loop
// would otherwise hold old pages, and one that calls Apply there would wait for itself.
func (s *Store) list(ctx context.Context, prefix string, tombs bool) iter.Seq2[state.Row, error] {
	return func(yield func(state.Row, error) bool) {
		var rows []state.Row
		err := s.view(func(tx *bbolt.Tx) error {
			c := tx.Bucket(rowsBucket).Cursor()
			for k, v := c.Seek([]byte(prefix)); bytes.HasPrefix(k, []byte(prefix)) && k != nil; k, v = c.Next() {
				row, err := decode(k, v)
				if err != nil && tombs {
					row, err = state.Row{Key: string(k)}, nil
				}
				if err := errors.Join(err, ctx.Err()); err != nil {
					return err
				}
				if row.Value != nil || tombs {
					rows = append(rows, row)
				}
			}
			return ctx.Err()
		})
		if err != nil {
			yield(state.Row{}, fmt.Errorf("list %q of %s: %w", prefix, s.path, err))
			return
		}
		for _, row := range rows {
			if err := ctx.Err(); err != nil {
				yield(state.Row{}, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// Apply is one transaction with one fsync.
func (s *Store) Apply(ctx context.Context, leaf audit.Leaf, changes []state.Change) error {
	if err := errors.Join(ctx.Err(), state.Valid(changes)); err != nil {
		return err
	}
	s.write.Lock()
	defer s.write.Unlock()
	var rows []state.Row
	err := s.update(func(tx *bbolt.Tx) error {
		rows = nil
		applied := tx.Bucket(appliedBucket)
		if leaf.Index < index(applied.Get([]byte(leaf.Node))) {
			return nil
		}
		for _, c := range changes {
			have, err := get(tx, c.Row.Key)
			if err != nil {
				return err
			}
			if have.Rev+1 != c.Row.Rev {
				return state.ErrConflict
			}
			if err := put(tx, c.Row); err != nil {
				return err
			}
			rows = append(rows, c.Row)
		}
		return applied.Put([]byte(leaf.Node), binary.BigEndian.AppendUint64(nil, uint64(leaf.Index)+1))
	})
	if errors.Is(err, state.ErrConflict) {
		return state.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	s.watch.Publish(rows)
	return nil
}

// Applied: every row-making leaf of node below the index is in.
func (s *Store) Applied(ctx context.Context, node string) (at audit.Index, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	err = s.view(func(tx *bbolt.Tx) error {
		at = index(tx.Bucket(appliedBucket).Get([]byte(node)))
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", s.path, err)
	}
	return at, nil
}

// Watch sees what this process changes; nobody else has the file.
func (s *Store) Watch(ctx context.Context, prefix string) iter.Seq2[state.Row, error] {
	return s.watch.Watch(ctx, prefix)
}

// Mend makes rows as given, whatever is stored.
func (s *Store) Mend(ctx context.Context, node string, applied audit.Index, rows []state.Row) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.write.Lock()
	defer s.write.Unlock()
	err := s.update(func(tx *bbolt.Tx) error {
		for _, r := range rows {
			if err := mend(tx, r); err != nil {
				return err
			}
		}
		return tx.Bucket(appliedBucket).Put([]byte(node), binary.BigEndian.AppendUint64(nil, uint64(applied)))
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", s.path, err)
	}
	s.watch.Publish(rows)
	return nil
}

func mend(tx *bbolt.Tx, r state.Row) error {
	if r.Rev == 0 {
		return tx.Bucket(rowsBucket).Delete([]byte(r.Key))
	}
	return put(tx, r)
}

// Close lets the file go; watches end.
// Where a change was torn the file stays mapped, and locked, until the process ends.
func (s *Store) Close() error {
	s.watch.Close(fmt.Errorf("%s was closed", s.path))
	if s.torn.Load() != nil {
		return nil
	}
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.path, err)
	}
	return nil
}

func (s *Store) view(f func(*bbolt.Tx) error) (err error) {
	defer guard(&err, func() {})()
	return s.db.View(f)
}

// OnFull has give called where the disk has no room for a change, which is tried
// again until give says that there is none to make. Before the first change.
func (s *Store) OnFull(give func() bool) { s.give = give }

// update tries again on a full disk: what a transaction wrote before it was
// rolled back is in pages that no row leads to. f may run more than once.
func (s *Store) update(f func(*bbolt.Tx) error) error {
	for {
		err := s.tryUpdate(f)
		if err == nil || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) || s.give == nil || !s.give() {
			return err
		}
	}
}

func (s *Store) tryUpdate(f func(*bbolt.Tx) error) (err error) {
	if torn := s.torn.Load(); torn != nil {
		return *torn
	}
	defer guard(&err, func() { s.torn.Store(&err) })()
	return s.db.Update(f)
}

// guard turns what a damaged or cut file does to a memory map (a panic of
// bbolt, a fault on a page) into an error, and calls torn.
func guard(err *error, torn func()) func() {
	before := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			*err = fmt.Errorf("%w: %v", ErrDamaged, p)
			torn()
		}
	}
}
