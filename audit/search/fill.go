package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"penstock/audit"
	"penstock/audit/recording"
)

// Log is what is read of audit.Log, whose contract stands there.
type Log interface {
	Size() audit.Index
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
}

// Archive gives recordings, with no person behind it.
type Archive interface {
	Open(session string) (*recording.Reader, error)
	// Written is how many bytes a session that runs has recorded; false: it does not run.
	Written(session string) (int64, bool)
}

const (
	everyLook    = 5 * time.Second // how often the log is asked for more
	everyRunning = time.Minute     // how often sessions that run are read on
	leavesAtOnce = 2000
	linesAtOnce  = 4000
	readAtOnce   = 64      // recordings whose last lines are taken in together
	mostLines    = 200_000 // of one session's screens; what comes after is left out
	mostRunning  = 256     // sessions that are read while they run
	mostChannels = 4096    // of one session whose asset is shown with a hit; it is read at each search
	seenLines    = 4096    // lines after which the same one counts again
	pause        = time.Second
	givesWay     = 9 // times as long as it has worked, the reading of screens rests: sessions go first
)

// Filler keeps the index up with log and recordings. For one goroutine.
type Filler struct {
	*Index
	log     Log
	archive Archive
	slog    *slog.Logger
	running map[string]*reading // sessions whose recording is read while they run
	failing bool

	notBefore time.Time // of the next try to write the index anew; zero: none failed

	size atomic.Uint64 // of the log, as it was seen last
}

// NewFiller fills x. A session whose reading a crash broke off is read again.
func NewFiller(x *Index, log Log, a Archive, s *slog.Logger) *Filler {
	return &Filler{Index: x, log: log, archive: a, slog: s, running: map[string]*reading{}}
}

// Run fills until ctx ends. A failure is told and tried again: nothing else of
// the broker waits for the index.
func (f *Filler) Run(ctx context.Context) error {
	var read time.Time
	for ctx.Err() == nil {
		more, err := guarded(func() (bool, error) { return f.Fold(ctx) })
		if err == nil && !more && time.Since(read) >= everyRunning {
			_, err = guarded(func() (bool, error) { return false, f.Read(ctx) })
			read = time.Now()
		}
		if errors.Is(err, errTorn) {
			f.giveUp(err)
			<-ctx.Done()
			return nil
		}
		if err != nil && ctx.Err() == nil && !f.failing {
			f.slog.Error("the search index is not filled; it is tried again, and can be deleted", "err", err)
		}
		f.failing = err != nil
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(everyLook):
		}
	}
	return nil
}

// guarded makes an error of a panic: what is only a view of the log, made of
// bytes that vendors and machines sent, ends no session. So is a fault in the
// memory map, which a file has that was cut.
func guarded(f func() (bool, error)) (more bool, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			more, err = false, fmt.Errorf("panic: %w\n%s", asError(p), debug.Stack())
		}
	}()
	return f()
}

// errTorn is a fault in the index's file, or what bbolt does not expect in it.
// bbolt may hold its locks since then, so nobody asks it again.
var errTorn = errors.New("the search index is damaged")

// asError tells a panic of our own code from one over the file: bbolt's are words,
// and a fault has an address.
func asError(p any) error {
	err, ours := p.(runtime.Error)
	if _, fault := p.(interface{ Addr() uintptr }); fault || !ours {
		return fmt.Errorf("%w: %v", errTorn, p)
	}
	return err
}

// giveUp lets a damaged index go: it is only a view, and the next start begins
// it anew. Until then it is searched as far as it can be read.
func (f *Filler) giveUp(why error) {
	f.torn.Store(true)
	gone := os.Remove(filepath.Join(f.dir, indexFile))
	f.slog.Error("the search index is damaged and is not filled any more; the next start makes it anew", "err", why, "taken_away", gone == nil)
}

// Fold takes in what the log has more, and the recordings of sessions that
// ended in it. more: there is more of it already.
func (f *Filler) Fold(ctx context.Context) (more bool, err error) {
	var from audit.Index
	err = f.db.View(func(tx *bolt.Tx) error { from = nextLeaf(tx); return nil })
	if err != nil {
		return false, err
	}
	size := f.log.Size()
	f.size.Store(uint64(size))
	if from > size {
		return true, f.again()
	}
	var batch []audit.Leaf
	for leaf, err := range f.log.Upto(ctx, from) {
		if err != nil {
			return false, fmt.Errorf("read the log: %w", err)
		}
		if batch = append(batch, leaf); len(batch) == leavesAtOnce {
			break
		}
	}
	if len(batch) == 0 {
		return false, nil
	}
	ended := map[string]bool{}
	if err := f.db.Update(func(tx *bolt.Tx) error { return f.fold(tx, batch, ended) }); err != nil {
		return false, fmt.Errorf("index the log: %w", err)
	}
	if err := f.readAll(ctx, slices.Sorted(maps.Keys(ended))); err != nil {
		return false, err
	}
	return batch[len(batch)-1].Index+1 < size, nil
}

// again empties an index that knows more than the log: the log was brought back from before.
func (f *Filler) again() error {
	f.slog.Warn("the search index knows more than the log, and is made again")
	f.running = map[string]*reading{}
	return f.db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bDocs, bIDs, bText, bWords} {
			if err := tx.DeleteBucket(name); err != nil {
				return err
			}
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return errors.Join(tx.Bucket(bMeta).Delete([]byte("next")), tx.Bucket(bMeta).Delete(keyCounts))
	})
}

// forget takes what a session's screens showed out of the index.
func (f *Filler) forget(tx *bolt.Tx, s *session, why string) error {
	if err := f.drop(tx, unit(s.ID, screens)); err != nil {
		return err
	}
	s.Count[1], s.Done, s.Left = 0, true, why
	delete(f.running, s.Name)
	return nil
}

// Read takes in what recordings of running sessions have more, and those of
// ended ones that were not read to their end. Then it keeps the index in its
// bounds, and its file without what is gone.
func (f *Filler) Read(ctx context.Context) error {
	var open []string
	err := f.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bDocs).ForEach(func(_, v []byte) error {
			var s session
			if json.Unmarshal(v, &s) == nil && !s.Done && len(open) < mostRunning {
				open = append(open, s.Name)
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	if err := f.readAll(ctx, open); err != nil {
		return err
	}
	return errors.Join(f.bound(), f.clean())
}

// some is what was read of one recording, and is not in the index yet.
type some struct {
	name  string
	r     *reading
	done  bool   // nothing comes after it
	left  string // what is not in the index, in words
	known bool   // false: there is nothing to take in
}

// readAll takes in what recordings have more. Many short ones are one
// transaction: each costs two syncs of the disk.
func (f *Filler) readAll(ctx context.Context, names []string) error {
	var waits []some
	lines := 0
	for _, name := range names {
		one, err := f.read(ctx, name)
		if err != nil {
			return err
		}
		if !one.known {
			continue
		}
		waits, lines = append(waits, one), lines+len(one.r.found)
		if lines >= linesAtOnce || len(waits) == readAtOnce {
			if err := f.settle(waits...); err != nil {
				return err
			}
			waits, lines = waits[:0], 0
		}
	}
	return f.settle(waits...)
}

// read reads what a session's recording has more; the last of it settle takes in.
func (f *Filler) read(ctx context.Context, name string) (some, error) {
	r := f.running[name]
	var s *session
	if err := f.db.View(func(tx *bolt.Tx) error { s = lookup(tx, name); return nil }); err != nil || s == nil || s.Done {
		return some{}, err
	}
	if r == nil && (s.Sealed || s.Count[1] > 0) {
		// A reading that another life began, and whose screens are not known any more.
		if err := f.db.Update(func(tx *bolt.Tx) error {
			if err := f.drop(tx, unit(s.ID, screens)); err != nil {
				return err
			}
			s.Count[1], s.Done = 0, s.Sealed
			return s.write(tx)
		}); err != nil || s.Done {
			return some{}, err
		}
	}
	written, runs := f.archive.Written(name) // before it is read: what comes meanwhile is the next time's
	if r != nil && runs && r.written == written && !s.Ended {
		return some{}, nil // most sessions are idle, most of the time
	}
	if r == nil {
		r = newReading()
		f.running[name] = r
	}
	left, err := f.guarded(ctx, name, r, s.Ended)
	if ctx.Err() != nil {
		return some{}, ctx.Err()
	}
	never := errors.Is(err, recording.ErrSealed) || errors.Is(err, errInside)
	if never || errors.Is(err, fs.ErrNotExist) || err != nil && s.Ended {
		left = "the recording could not be read: " + err.Error()
		f.slog.Warn("a recording is not in the search index, or not to its end", "session", name, "err", err)
	} else if err != nil {
		return some{}, nil // it runs: the next time
	}
	r.written = written
	return some{name: name, r: r, done: s.Ended || never, left: left, known: true}, nil
}

// errInside: our own fault, met in what a vendor wrote. The recording is left.
var errInside = errors.New("internal error")

// guarded is readOn, and the end of it: bytes from outside end no process.
func (f *Filler) guarded(ctx context.Context, name string, r *reading, ended bool) (left string, err error) {
	defer func() {
		if p := recover(); p != nil {
			f.slog.Error("the search index met what it cannot read", "session", name, "panic", p, "stack", string(debug.Stack()))
			left, err = "", errInside
		}
	}()
	if left, err = f.readOn(ctx, name, r); ended {
		r.end()
	}
	return left, err
}

// settle writes what was read, in one transaction.
func (f *Filler) settle(all ...some) error {
	if len(all) == 0 {
		return nil
	}
	err := f.db.Update(func(tx *bolt.Tx) error {
		for _, one := range all {
			s := lookup(tx, one.name)
			if s == nil {
				continue
			}
			if err := f.add(tx, unit(s.ID, screens), s.Count[1], one.r.found); err != nil {
				return fmt.Errorf("index %s: %w", one.name, err)
			}
			s.Count[1] += uint32(len(one.r.found))
			s.Done = one.done
			if one.left != "" {
				s.Left = clip(one.left)
			}
			if err := s.write(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, one := range all {
		one.r.kept += len(one.r.found)
		one.r.found = one.r.found[:0]
		if one.done {
			delete(f.running, one.name)
		}
	}
	return nil
}

// readOn reads a recording from where it was, a flush at a time.
func (f *Filler) readOn(ctx context.Context, name string, r *reading) (left string, err error) {
	rec, err := f.archive.Open(name)
	if err != nil {
		return "", err
	}
	defer rec.Close()
	worked := time.Now()
	for _, ch := range rec.Channels() {
		if recording.CarriesFiles(ch.Kind) || ch.Kind == "direct-tcpip" {
			continue // a protocol, no screen: the log says what passed
		}
		for frame, err := range rec.Frames(ch.Number, r.from(ch.Number)) {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				break // it is being written
			}
			if err != nil {
				return "", err
			}
			r.frame(frame)
			if len(r.found) >= linesAtOnce {
				if err := f.settle(some{name: name, r: r}); err != nil {
					return "", err
				}
				rest(ctx, givesWay*time.Since(worked))
				worked = time.Now()
			}
			if ctx.Err() != nil {
				return "", ctx.Err()
			}
			if r.kept+len(r.found) >= mostLines {
				return fmt.Sprintf("it showed more than %d lines: those after are not in the index", mostLines), nil
			}
		}
	}
	return "", nil
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(min(d, pause)):
	}
}

// bound leaves the screens of the oldest sessions out while the file is too large.
func (f *Filler) bound() error {
	return f.db.Update(func(tx *bolt.Tx) error {
		size := func() int64 { return tx.Size() - int64(f.db.Stats().FreePageN)*int64(f.db.Info().PageSize) }
		if f.most <= 0 || size() <= f.most {
			return nil
		}
		// A tenth of the sessions at a time: freed pages count from the next transaction on.
		c, n := tx.Bucket(bDocs).Cursor(), 0
		most := max(1, tx.Bucket(bDocs).Stats().KeyN/10)
		for k, v := c.First(); k != nil && n < most; k, v = c.Next() {
			var s session
			if json.Unmarshal(v, &s) != nil || !s.Done || s.Count[1] == 0 {
				continue
			}
			if err := f.forget(tx, &s, "left out, because the index is full"); err != nil {
				return err
			}
			if err := s.write(tx); err != nil {
				return err
			}
			n++
		}
		return nil
	})
}

// bodyOf is a leaf's body by its fields' names.
func bodyOf(leaf audit.Leaf) map[string]any {
	m := map[string]any{}
	if b, err := json.Marshal(leaf.Body); err == nil {
		_ = json.Unmarshal(b, &m) // one that is no object has no fields
	}
	return m
}

// quiet are leaves that say nothing to look for, or say what was looked for.
func quiet(name string) bool {
	return name == "recording.heads" || name == "firstbyte" || strings.HasPrefix(name, "review.")
}

// entryOf is what a leaf says, for looking up.
func entryOf(leaf audit.Leaf, b map[string]any) (entry, bool) {
	name := leaf.Body.Type()
	e := entry{Kind: KindEvent, Wall: leaf.Wall.UnixMilli(), Ref: uint64(leaf.Index)}
	if n, ok := b["channel"].(float64); ok && n >= 0 && n < 1<<16 {
		e.Chan = uint16(n)
	}
	if quiet(name) {
		return e, false
	}
	if t, ok := leaf.Body.(audit.FileTransferred); ok {
		e.Kind = KindFile
		hash := strings.TrimPrefix(t.SHA256.String(), "sha256:")
		e.Text = clip(t.Path) + " " + hash + " " + t.By + " " + t.Direction + " " + t.Asset
		return e, true
	}
	text := []string{name, leaf.Subject, leaf.Actor}
	for _, k := range slices.Sorted(maps.Keys(b)) {
		switch v := b[k].(type) {
		case string:
			if k != "public" && k != "serial" && k != "kex" && !strings.HasPrefix(v, "sha256:") {
				text = append(text, v)
			}
		case []any:
			for _, one := range v {
				if s, ok := one.(string); ok {
					text = append(text, s)
				}
			}
		}
	}
	e.Text = clip(strings.Join(text, " "))
	return e, true
}
