package durable

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// slice is how much a Reserve gives back at a time: what writes besides us on a
// full disk can take that, and not all of it at once.
const slice = 128 << 10

// Reserve is space on the disk that is given back when there is no other, so
// that what must still be written can be: how things ended. It is a file whose
// blocks are really there. Safe for concurrent use; a nil Reserve has nothing.
type Reserve struct {
	path string
	size int64

	mu     sync.Mutex
	have   int64 // of the file
	whole  atomic.Bool
	tapped atomic.Bool
}

// OpenReserve makes the file at path size bytes long, or takes what an earlier
// life has left of it. Where there is no room for all of it the Reserve is not
// Whole, and that is no error; Fill tries again.
func OpenReserve(path string, size int64) (*Reserve, error) {
	r := &Reserve{path: path, size: size}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("open the closing reserve: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("open the closing reserve: %s is in the way", path)
	case info.Size() > size:
		if err := os.Truncate(path, size); err != nil {
			return nil, fmt.Errorf("open the closing reserve: %w", err)
		}
		r.have = size
	default:
		r.have = info.Size()
	}
	if err := r.Fill(); err != nil && !Full(err) {
		return nil, err
	}
	return r, nil
}

// Fill makes the Reserve whole again, and untapped; Full says of the error
// whether there was no room. What it had it keeps.
func (r *Reserve) Fill() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// From the start: a file of this length that somebody copied here has holes.
	if err := Allocate(r.path, r.size); err != nil {
		// What the system began it leaves: back to what was ours.
		return fmt.Errorf("fill the closing reserve: %w", errors.Join(err, os.Truncate(r.path, r.have)))
	}
	r.have = r.size
	r.whole.Store(true)
	r.tapped.Store(false)
	return nil
}

// Give gives a piece of it back to the disk; false: there is none left.
func (r *Reserve) Give() bool {
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tapped.Store(true)
	r.whole.Store(false)
	if r.have == 0 {
		return false
	}
	left := max(0, r.have-slice)
	if err := os.Truncate(r.path, left); err != nil {
		return false
	}
	r.have = left
	return true
}

// Whole says whether all of it is there.
func (r *Reserve) Whole() bool { return r == nil || r.whole.Load() }

// Tapped says whether a write found no room since it was opened, or filled.
func (r *Reserve) Tapped() bool { return r != nil && r.tapped.Load() }

// Size is how many bytes it is when it is whole.
func (r *Reserve) Size() int64 {
	if r == nil {
		return 0
	}
	return r.size
}

// Full says whether err is a disk, or a quota, without room.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Allocate makes the file at path (0600), or the one that is there, at least
// size bytes long, with blocks that are really there and read as zeros where
// nothing was written. After an error it may be shorter.
func Allocate(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	if errors.Is(err, syscall.EOPNOTSUPP) { // some file systems cannot: then by writing
		err = writeZeros(f, size)
	}
	return errors.Join(err, f.Close())
}

func writeZeros(f *os.File, size int64) error {
	b := make([]byte, min(size, slice))
	for at := int64(0); at < size; {
		n, err := f.WriteAt(b[:min(int64(len(b)), size-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// Until is d for writers that may use r up: where there is no room, theirs is
// made of r's. Failures and the committer are d's. With a nil r it is d.
func (d *Disk) Until(r *Reserve) *Disk {
	if r == nil {
		return d
	}
	return &Disk{fs: reserved{d.fs, r}, committer: d.committer}
}

// reserved is an FS that tries again while its Reserve has something to give.
type reserved struct {
	FS
	r *Reserve
}

// again does op until it finds room, or there is none to make.
func (s reserved) again(op func() error) error {
	for {
		err := op()
		if err == nil || !Full(err) || !s.r.Give() {
			return err
		}
	}
}

func (s reserved) OpenFile(name string, flag int, perm os.FileMode) (f File, err error) {
	err = s.again(func() error { f, err = s.FS.OpenFile(name, flag, perm); return err })
	if err != nil {
		return nil, err
	}
	return reservedFile{f, s}, nil
}

func (s reserved) Rename(from, to string) error {
	return s.again(func() error { return s.FS.Rename(from, to) })
}

func (s reserved) Mkdir(name string, perm os.FileMode) error {
	return s.again(func() error { return s.FS.Mkdir(name, perm) })
}

// reservedFile writes the rest of what found no room at first.
type reservedFile struct {
	File
	s reserved
}

func (f reservedFile) Write(p []byte) (n int, err error) {
	err = f.s.again(func() error {
		k, err := f.File.Write(p[n:])
		n += k
		return err
	})
	return n, err
}

func (f reservedFile) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.s.again(func() error {
		k, err := f.File.WriteAt(p[n:], at+int64(n))
		n += k
		return err
	})
	return n, err
}
