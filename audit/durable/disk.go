package durable

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrStopped is what Sync returns once Run has ended: nobody commits any more.
var ErrStopped = errors.New("the disk's committer has stopped")

// atOnce is how many files of one round are synced at the same time.
const atOnce = 8

// Disk groups the fsyncs of one file system. Make one per disk and process.
type Disk struct {
	fs FS
	*committer
}

// committer is what all views of one Disk (Until) share.
type committer struct {
	patience time.Duration
	overdue  *Overdue
	syncs    Latency

	wake   chan struct{} // one token: waiting is not empty
	failed chan struct{} // closed with err set

	mu      sync.Mutex
	waiting map[File]*flush // what the next round syncs; one entry a file
	running bool
	ended   bool
	err     error
}

// flush is one fdatasync to come, and everybody who waits for it.
type flush struct {
	done chan struct{} // closed with err set
	err  error
}

// Option changes how a Disk is opened.
type Option func(*Disk)

// On puts the Disk on another file system, one that can fail; the default is OS.
func On(fs FS) Option { return func(d *Disk) { d.fs = fs } }

// Patience is how long one flush may take before it counts as overdue, and after
// 15 times as long as failed; the default is 2 s, and so 30 s.
func Patience(t time.Duration) Option { return func(d *Disk) { d.patience = t } }

// OpenDisk checks that dir can be written and synced.
func OpenDisk(dir string, options ...Option) (*Disk, error) {
	d := &Disk{fs: OS, committer: &committer{
		patience: 2 * time.Second,
		wake:     make(chan struct{}, 1), failed: make(chan struct{}), waiting: map[File]*flush{},
	}}
	for _, o := range options {
		o(d)
	}
	d.overdue = NewOverdue(lostAfter * d.patience)
	probe := filepath.Join(dir, ".probe")
	if err := d.WriteFile(probe, []byte("penstock\n"), 0o600); err != nil {
		return nil, fmt.Errorf("try the disk at %s: %w", dir, err)
	}
	if err := d.fs.Remove(probe); err != nil {
		return nil, fmt.Errorf("try the disk at %s: %w", dir, err)
	}
	return d, nil
}

// FS is the file system below d. Files that are given to Sync come from it.
func (d *Disk) FS() FS { return d.fs }

// Sync returns once everything written to f before the call is durable. A
// failed sync is final for the Disk: this and every later call fails. ctx ends
// the wait, not the sync. Before Run it waits; after Run it is ErrStopped.
func (d *Disk) Sync(ctx context.Context, f File) error {
	fl, err := d.join(f)
	if err != nil {
		return err
	}
	select {
	case <-fl.done:
		return fl.err
	case <-d.failed:
		select {
		case <-fl.done: // it was through before the other failed
			return fl.err
		default:
			return d.Err()
		}
	case <-ctx.Done():
		return fmt.Errorf("wait for the disk: %w", context.Cause(ctx))
	}
}

// join finds or makes the flush that covers all that f holds now.
func (d *Disk) join(f File) (*flush, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.err != nil:
		return nil, d.err
	case d.ended:
		return nil, ErrStopped
	}
	fl := d.waiting[f]
	if fl == nil {
		fl = &flush{done: make(chan struct{})}
		d.waiting[f] = fl
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return fl, nil
}

// SyncNow is Sync without the committer: for a file that has one writer, whom
// nothing would be gained by waiting for others, and where Run may not be there.
func (d *Disk) SyncNow(f File) error {
	if err := d.Err(); err != nil {
		return err
	}
	return d.timed("sync "+f.Name(), func() error { return datasync(f) })
}

// SyncHere is SyncNow in the caller's own goroutine, which saves the waking of
// another one and of the caller: for who has nothing else to do. Where the disk
// hangs the kernel holds the caller for as long. Once that counts as failed, lost
// is called with the error, from elsewhere, and SyncHere returns it at last.
func (d *Disk) SyncHere(f File, lost func(error)) error {
	if err := d.Err(); err != nil {
		return err
	}
	what := "sync " + f.Name()
	defer d.syncs.Since(time.Now())
	var gone atomic.Pointer[error]
	done := d.overdue.Watch(d.patience, func() {
		err := d.failedAt(what, d.notDone())
		gone.Store(&err)
		lost(err)
	})
	err := datasync(f)
	done()
	if late := gone.Load(); late != nil {
		return *late
	}
	if err != nil {
		return d.failedAt(what, err)
	}
	return nil
}

// Run is the committer; it returns nil when ctx ends, after a last round for
// those who wait, or the error when a sync failed. It runs once in a Disk's life.
// What hangs in the kernel then stays behind.
func (d *Disk) Run(ctx context.Context) error {
	d.mu.Lock()
	if d.running || d.ended {
		d.mu.Unlock()
		return errors.New("the disk's committer runs, or ran, already")
	}
	d.running = true
	d.mu.Unlock()
	over := make(chan struct{})
	go func() { defer close(over); d.commit(ctx) }()
	select {
	case <-over:
	case <-d.failed:
		d.close()
	}
	return d.Err()
}

// commit is the goroutine that waits for the disk.
func (d *Disk) commit(ctx context.Context) {
	for {
		select {
		case <-d.failed:
			return
		case <-ctx.Done():
			d.close()
			d.round(d.take())
			return
		case <-d.wake:
			d.round(d.take())
		}
	}
}

// close lets nobody in any more.
func (d *Disk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
}

func (d *Disk) take() map[File]*flush {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.waiting
	d.waiting = map[File]*flush{}
	return w
}

// round syncs each file once and releases its waiters as soon as it is through.
func (d *Disk) round(todo map[File]*flush) {
	if len(todo) == 1 {
		for f, fl := range todo {
			d.flush(f, fl)
		}
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, f := range slices.Collect(maps.Keys(todo)) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			d.flush(f, todo[f])
		})
	}
	wg.Wait()
}

func (d *Disk) flush(f File, fl *flush) {
	fl.err = d.SyncHere(f, func(error) {}) // who waits sees that the Disk has failed
	close(fl.done)
}

// Overdue is what hears of all that takes too long on d.
func (d *Disk) Overdue() *Overdue { return d.overdue }

// timed runs one operation that makes things durable. An error is final, and so
// is no end within 15 times the patience. What hangs in the kernel then stays
// behind: nobody can stop it.
func (d *Disk) timed(what string, op func() error) error { return d.begin(what, op)() }

// begin is timed, without the wait for its end, which the caller makes.
func (d *Disk) begin(what string, op func() error) (end func() error) {
	done, lost := make(chan error, 1), make(chan struct{})
	began := time.Now()
	stop := d.overdue.Watch(d.patience, func() { close(lost) })
	go func() {
		err := op()
		stop()
		d.syncs.Since(began)
		done <- err
	}()
	return func() error {
		if err := d.waits(done, lost); err != nil {
			return d.failedAt(what, err)
		}
		return nil
	}
}

func (d *Disk) failedAt(what string, err error) error {
	return d.fail(fmt.Errorf("%s: %w; the disk is not used any more, start again when it is well", what, err))
}

func (d *Disk) notDone() error { return fmt.Errorf("not done after %v", lostAfter*d.patience) }

func (d *Disk) waits(done <-chan error, lost <-chan struct{}) error {
	select {
	case err := <-done:
		return err
	case <-lost:
	}
	select {
	case err := <-done:
		return err
	default:
		return d.notDone()
	}
}

// fail keeps the first error for good, and gives it to everybody who waits.
func (d *Disk) fail(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
		close(d.failed)
	}
	return err
}

// Failed is closed when a sync has failed for good; Err says why.
func (d *Disk) Failed() <-chan struct{} { return d.failed }

// Err is the first failure, nil while there is none.
func (d *Disk) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// WriteFile is durable.WriteFile on d: a failed sync in it is final for d.
func (d *Disk) WriteFile(path string, b []byte, perm os.FileMode) error {
	if err := d.Err(); err != nil {
		return err
	}
	return writeFile(d.fs, d.timed, path, b, perm)
}

// FillFolder writes new files into dir, which nobody reads before the caller
// gives it its name: they and dir itself are synced side by side, where WriteFile
// would do one after the other. A failed sync in it is final for d.
func (d *Disk) FillFolder(dir string, files map[string][]byte, perm os.FileMode) (err error) {
	if err := d.Err(); err != nil {
		return err
	}
	for name, b := range files {
		path := filepath.Join(dir, name)
		f, wrong := fresh(d.fs, path, b, perm)
		if wrong != nil {
			return fmt.Errorf("write %s: %w", path, wrong)
		}
		synced := d.begin("sync "+path, func() error { return errors.Join(f.Sync(), f.Close()) })
		defer func() { err = errors.Join(synced(), err) }()
	}
	return d.SyncDir(dir) // every name is in it
}

// MkdirAll is durable.MkdirAll on d: a failed sync in it is final for d.
func (d *Disk) MkdirAll(path string, perm os.FileMode) error {
	if err := d.Err(); err != nil {
		return err
	}
	return mkdirAll(d.fs, d.timed, path, perm)
}

// SyncDir is durable.SyncDir on d: a failed sync in it is final for d.
func (d *Disk) SyncDir(path string) error {
	if err := d.Err(); err != nil {
		return err
	}
	return d.timed("sync folder "+path, func() error { return d.fs.SyncDir(path) })
}
