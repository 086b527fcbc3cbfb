package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// What lies in a data folder and in its log. Other files there were put by somebody.
var (
	topNames = map[string]bool{"log": true, "documents": true, "recordings": true, "keys": true, "state.db": true, "search": true, "siem": true, "penstock.sock": true}
	logNames = map[string]bool{"entries": true, "heads": true, "hashes": true, "checkpoint": true, "checkpoint.synced": true, "lock": true, "outside": true, "reserve": true}

	segmentName = regexp.MustCompile(`^[0-9]{8}\.seg$`)
)

// extra looks for what no leaf names.
func (c *checker) extra(ctx context.Context) error {
	if err := c.unnamed(ctx); err != nil {
		return err
	}
	if err := c.headFiles(); err != nil {
		return err
	}
	c.foldersLeft()
	if err := c.names("log", logNames); err != nil {
		return err
	}
	if err := c.names("log/entries", nil); err != nil {
		return err
	}
	if err := c.lock(); err != nil {
		return err
	}
	return c.top()
}

// names tells of files in a folder of the log that are not the log's.
func (c *checker) names(dir string, known map[string]bool) error {
	entries, err := os.ReadDir(filepath.Join(c.dir, filepath.FromSlash(dir)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the reader of the log has said so
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch {
		case known[e.Name()], known == nil && segmentName.MatchString(e.Name()):
		case temporary(e.Name()):
			c.find(c.leftover(), dir+"/"+e.Name(), "is an unfinished file, left by a crash")
		default:
			c.wrong(dir+"/"+e.Name(), "does not belong in the log")
		}
	}
	return nil
}

// lock is empty, always.
func (c *checker) lock() error {
	info, err := os.Stat(filepath.Join(c.dir, "log", "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		c.note("log/lock", "is missing; a copy needs none")
		return nil
	}
	if err == nil && info.Size() > 0 {
		c.wrong("log/lock", "is not empty")
	}
	return err
}

// top says what beside the evidence was not looked at.
func (c *checker) top() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == "state.db":
			c.note(name, "is an index that the broker makes from the log; it was not checked, and nothing rests on it")
		case !topNames[name]:
			c.note(name, "is no part of the evidence and was not looked at")
		}
	}
	return nil
}

// measure adds up what there is to read, for progress.
func (c *checker) measure() error {
	if info, err := os.Stat(c.dir); err != nil {
		return err
	} else if !info.IsDir() {
		return errors.New("is no folder: give the data directory of a broker, or a copy of it")
	}
	if err := c.plainFiles(); err != nil {
		return err
	}
	for _, part := range []string{"log/entries", "log/heads", "documents", "recordings"} {
		c.all += size(filepath.Join(c.dir, filepath.FromSlash(part)))
	}
	return nil
}

// plainFiles: what is read is a file or a folder. A named pipe would keep the
// reader for ever, and a link could lead to a device without an end. The parts
// themselves may be links: recordings often lie on another disk.
func (c *checker) plainFiles() error {
	for _, part := range []string{"log", "documents", "recordings"} {
		root, err := filepath.EvalSymlinks(filepath.Join(c.dir, part))
		if err != nil {
			continue // whoever reads it says so
		}
		err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || e.Type().IsRegular() {
				return nil
			}
			rel, err := filepath.Rel(root, path)
			return errors.Join(err, unreadable(filepath.Join(part, rel)))
		})
		if err != nil {
			return err
		}
	}
	for _, name := range []string{"keys/log.pub", "keys/recordings.key"} {
		info, err := os.Stat(filepath.Join(c.dir, filepath.FromSlash(name)))
		if err == nil && !info.Mode().IsRegular() {
			return unreadable(name)
		}
	}
	return nil
}

func unreadable(name string) error {
	return fmt.Errorf("%s is a link, a pipe or a device, which no broker writes: take it out and check again", filepath.ToSlash(name))
}

// size is the bytes below a folder; what cannot be read counts nothing here.
func size(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}
