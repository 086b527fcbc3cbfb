package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// temporary marks files of WriteFile that are not whole yet; whoever lists a
// folder leaves them out (IsTemporary) and may remove those of an earlier life.
const temporary = ".tmp-"

// IsTemporary says whether name is an unfinished file of WriteFile.
func IsTemporary(name string) bool { return strings.HasPrefix(filepath.Base(name), temporary) }

// Sweep removes the unfinished files of an earlier life from dir, of which the
// caller is the only writer and has not begun to write. A folder that is not
// there is swept.
func Sweep(dir string) error { return sweep(OS, dir) }

// Sweep is the package's Sweep on d's file system.
func (d *Disk) Sweep(dir string) error { return sweep(d.fs, dir) }

func sweep(fsys FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	for _, e := range entries {
		if !IsTemporary(e.Name()) || e.IsDir() {
			continue
		}
		if err := fsys.Remove(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	return nil
}

// WriteFile puts b at path whole or not at all: temporary file, fsync, rename, fsync of the folder.
func WriteFile(path string, b []byte, perm os.FileMode) error {
	return writeFile(OS, untimed, path, b, perm)
}

// MkdirAll makes path and its parents and syncs each parent that gained an entry.
func MkdirAll(path string, perm os.FileMode) error { return mkdirAll(OS, untimed, path, perm) }

// SyncDir makes the entries of a folder durable.
func SyncDir(path string) error { return OS.SyncDir(path) }

// timer runs an operation that makes things durable: Disk.timed, or untimed where there is no Disk.
type timer func(what string, op func() error) error

func untimed(what string, op func() error) error {
	if err := op(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func writeFile(fsys FS, run timer, path string, b []byte, perm os.FileMode) error {
	dir := filepath.Dir(path)
	tmp := filepath.Join(dir, temporary+rand.Text())
	if err := fill(fsys, run, tmp, b, perm); err != nil {
		fsys.Remove(tmp) // the error that counts is the first
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := fsys.Rename(tmp, path); err != nil {
		fsys.Remove(tmp)
		return fmt.Errorf("write %s: %w", path, err)
	}
	return run("sync folder "+dir, func() error { return fsys.SyncDir(dir) })
}

// fill makes the file at path, new, with b in it, durable.
func fill(fsys FS, run timer, path string, b []byte, perm os.FileMode) error {
	f, err := fresh(fsys, path, b, perm)
	if err != nil {
		return err
	}
	err = run("sync "+path, f.Sync)
	return errors.Join(err, f.Close())
}

// fresh makes the file at path, new, with b in it, which is not durable yet.
func fresh(fsys FS, path string, b []byte, perm os.FileMode) (File, error) {
	f, err := fsys.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(b); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func mkdirAll(fsys FS, run timer, path string, perm os.FileMode) error {
	path = filepath.Clean(path)
	if info, err := fsys.Stat(path); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("make folder %s: there is a file of that name", path)
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := mkdirAll(fsys, run, parent, perm); err != nil {
			return err
		}
	}
	if err := fsys.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	return run("sync folder "+parent, func() error { return fsys.SyncDir(parent) })
}
