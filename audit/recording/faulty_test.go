package recording_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"

	"penstock/audit/durable"
)

// faulty is the machine's file system with a write or sync that fails with an
// error of the test's choice, or hangs. Power cuts are faultdisk's.
type faulty struct {
	durable.FS
	mu    sync.Mutex
	armed bool
	left  int   // operations until the fault
	mode  fault // how it fails
	err   error
	block chan struct{}     // not nil: every sync of a file waits for it
	syncs func(name string) // told of every sync of a file
}

type fault int

const (
	before fault = iota // nothing happened
	torn                // a write: half of it happened
)

var errFault = errors.New("input/output error")

func newFaulty() *faulty {
	return &faulty{FS: durable.OS, err: errFault}
}

func (d *faulty) arm(left int, mode fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed, d.left, d.mode = true, left, mode
}

// strike says how this operation is to fail, if it is the one.
func (d *faulty) strike() (fault, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.armed {
		return 0, false
	}
	d.left--
	if d.left >= 0 {
		return 0, false
	}
	d.armed = false
	return d.mode, true
}

func (d *faulty) OpenFile(name string, flag int, perm os.FileMode) (durable.File, error) {
	f, err := durable.OS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d}, nil
}

type faultyFile struct {
	durable.File
	d *faulty
}

func (f *faultyFile) Write(p []byte) (n int, err error) {
	mode, hit := f.d.strike()
	switch {
	case hit && mode == torn:
		n, _ = f.File.Write(p[:len(p)/2])
		return n, f.d.err
	case hit:
		return 0, f.d.err
	}
	return f.File.Write(p)
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
	if _, hit := f.d.strike(); hit {
		return f.d.err
	}
	return nil // nobody pulls a plug here: what was written is there
}
