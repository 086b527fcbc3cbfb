package durable

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// File is what is asked of an open file; *os.File is one.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	Name() string
	Stat() (os.FileInfo, error)
	Truncate(size int64) error
	Sync() error
}

// FS is the file system below a Disk. Errors are those of package os, so
// errors.Is with fs.ErrNotExist and fs.ErrExist works.
type FS interface {
	OpenFile(name string, flag int, perm os.FileMode) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	Mkdir(name string, perm os.FileMode) error
	ReadDir(name string) ([]os.DirEntry, error)
	Stat(name string) (os.FileInfo, error)
	SyncDir(name string) error
}

// OS is the file system of the machine.
var OS FS = machine{}

type machine struct{}

func (machine) OpenFile(name string, flag int, perm os.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err // a nil *os.File must not become a File that is not nil
	}
	return f, nil
}

func (machine) Rename(from, to string) error               { return os.Rename(from, to) }
func (machine) Remove(name string) error                   { return os.Remove(name) }
func (machine) Mkdir(name string, perm os.FileMode) error  { return os.Mkdir(name, perm) }
func (machine) ReadDir(name string) ([]os.DirEntry, error) { return os.ReadDir(name) }
func (machine) Stat(name string) (os.FileInfo, error)      { return os.Stat(name) }

func (machine) SyncDir(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// datasync is fdatasync(2) where f is a file of the machine: it leaves out the
// times of the inode, but keeps its size.
func datasync(f File) error {
	if r, ok := f.(reservedFile); ok {
		f = r.File
	}
	o, ok := f.(*os.File)
	if !ok {
		return f.Sync()
	}
	c, err := o.SyscallConn()
	if err != nil {
		return err
	}
	var errSync error
	err = c.Control(func(fd uintptr) {
		for {
			if errSync = unix.Fdatasync(int(fd)); errSync != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if errSync != nil {
		return &os.PathError{Op: "fdatasync", Path: o.Name(), Err: errSync}
	}
	return nil
}
