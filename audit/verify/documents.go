package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"penstock/audit"
)

// Documents reads DATA/documents without opening it for writing.
type Documents struct{ dir string }

// NewDocuments reads those of a data folder.
func NewDocuments(data string) *Documents { return &Documents{filepath.Join(data, "documents")} }

// Get reads and checks; fs.ErrNotExist if absent, another error if the bytes do not fit the hash.
func (d *Documents) Get(ctx context.Context, h audit.Hash) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	digits := strings.TrimPrefix(h.String(), "sha256:")
	b, err := bounded(filepath.Join(d.dir, digits[:2], digits), audit.MaxDocument)
	if err != nil {
		return nil, fmt.Errorf("document %s: %w", h, err)
	}
	if audit.HashOf(b) != h {
		return nil, fmt.Errorf("document %s: %w", h, errOther)
	}
	return b, nil
}

var (
	errOther = errors.New("holds other bytes than the log names")
	errLarge = errors.New("is larger than it can be")
)

// plain is what is wrong with a file, without its path.
func plain(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "is missing"
	case errors.Is(err, errOther):
		return errOther.Error()
	case errors.Is(err, errLarge):
		return errLarge.Error()
	}
	return err.Error()
}

// maxSmall bounds keys and checkpoints.
const maxSmall = 64 << 10

func bounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = errLarge
	}
	return b, err
}

func documentName(h audit.Hash) string {
	digits := strings.TrimPrefix(h.String(), "sha256:")
	return "documents/" + digits[:2] + "/" + digits
}

// unnamed looks for documents that no leaf mentions. One that was put since the
// broker was last started may await its event, or be of an event that was
// refused; the broker sweeps it at its next start.
func (c *checker) unnamed(ctx context.Context) error {
	root := filepath.Join(c.dir, "documents")
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if path == root && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if e.IsDir() {
			return nil
		}
		return c.unnamedOne(path, e)
	})
}

func (c *checker) unnamedOne(path string, e fs.DirEntry) error {
	where := c.in(path)
	h, err := audit.ParseHash("sha256:" + e.Name())
	switch _, mentioned := c.mentioned[h]; {
	case temporary(e.Name()):
		c.find(c.leftover(), where, "is an unfinished file, left by a crash")
		return nil
	case err != nil || where != documentName(h) || !e.Type().IsRegular():
		c.wrong(where, "does not belong among the documents")
		return nil
	case mentioned:
		return nil // read when the leaf was
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	b, err := bounded(path, audit.MaxDocument)
	switch {
	case err != nil && !errors.Is(err, errLarge):
		return err
	case err != nil || audit.HashOf(b) != h:
		c.wrong(where, "is named by no leaf, and holds other bytes than its name says")
	case info.ModTime().Before(c.started):
		c.wrong(where, "is named by no leaf, and the broker has been started since it was put")
	default:
		c.note(where, "is named by no leaf: its event was refused or is still to come, or somebody put it there")
	}
	return nil
}

// temporary says whether a file is one that durable.WriteFile had not finished.
func temporary(name string) bool { return strings.HasPrefix(name, ".tmp-") }
