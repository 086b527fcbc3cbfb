package recording_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"penstock/audit/durable"
)

// faulty is the machine's file system with one operation that fails, and a
// memory of what was synced, so that a power cut can be played afterwards.
type faulty struct {
	durable.FS
	mu     sync.Mutex
	armed  bool
	left   int   // operations until the fault
	mode   fault // how it fails
	err    error
	struck string           // the operation that failed
	synced map[string]int64 // path → bytes that outlive a power cut
	block  chan struct{}    // not nil: every sync of a file waits for it
	syncs  func(name string)
}

type fault int

const (
	before fault = iota // nothing happened
	after               // it happened, and was reported as failed
	torn                // a write: half of it happened
)

var errFault = errors.New("input/output error")

func newFaulty() *faulty {
	return &faulty{FS: durable.OS, err: errFault, synced: map[string]int64{}}
}

func (d *faulty) arm(left int, mode fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed, d.left, d.mode, d.struck = true, left, mode, ""
}

// strike says how this operation is to fail, if it is the one.
func (d *faulty) strike(op string) (fault, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.armed {
		return 0, false
	}
	d.left--
	if d.left >= 0 {
		return 0, false
	}
	d.armed, d.struck = false, op
	return d.mode, true
}

func (d *faulty) do(op string, f func() error) error {
	mode, hit := d.strike(op)
	if hit && mode == before {
		return d.err
	}
	if err := f(); err != nil {
		return err
	}
	if hit {
		return d.err
	}
	return nil
}

func (d *faulty) OpenFile(name string, flag int, perm os.FileMode) (f durable.File, err error) {
	open := func() error {
		f, err = durable.OS.OpenFile(name, flag, perm)
		return err
	}
	if flag&os.O_CREATE == 0 {
		err = open()
	} else if err = d.do("create "+filepath.Base(name), open); err != nil && f != nil {
		f.Close()
	}
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d}, nil
}

func (d *faulty) Rename(from, to string) error {
	return d.do("rename to "+filepath.Base(to), func() error { return durable.OS.Rename(from, to) })
}

func (d *faulty) Mkdir(name string, perm os.FileMode) error {
	return d.do("mkdir "+filepath.Base(name), func() error { return durable.OS.Mkdir(name, perm) })
}

func (d *faulty) SyncDir(name string) error {
	return d.do("sync folder", func() error { return durable.OS.SyncDir(name) })
}

type faultyFile struct {
	durable.File
	d *faulty
}

func (f *faultyFile) Write(p []byte) (n int, err error) {
	mode, hit := f.d.strike("write " + filepath.Base(f.Name()))
	switch {
	case hit && mode == before:
		return 0, f.d.err
	case hit && mode == torn:
		n, _ = f.File.Write(p[:len(p)/2])
		return n, f.d.err
	}
	if n, err = f.File.Write(p); hit {
		return 0, f.d.err
	}
	return n, err
}

func (f *faultyFile) Sync() error {
	f.d.mu.Lock()
	block, syncs := f.d.block, f.d.syncs
	f.d.mu.Unlock()
	if syncs != nil {
		syncs(filepath.Base(f.Name()))
	}
	if block != nil {
		<-block
	}
	return f.d.do("sync "+filepath.Base(f.Name()), func() error {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		f.d.mu.Lock()
		f.d.synced[f.Name()] = info.Size()
		f.d.mu.Unlock()
		return nil // nobody pulls a plug here: what was written is there
	})
}

// losePower takes away from each file of frames what was not synced: all of
// it, or all but some bytes.
func (d *faulty) losePower(dir string, keep int64) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".brf") {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return os.Truncate(path, min(info.Size(), d.synced[path]+keep))
	})
}
