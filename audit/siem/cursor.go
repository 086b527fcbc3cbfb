package siem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"penstock/audit"
	"penstock/audit/durable"
)

// cursor says how far a place has the log. It is written after the place took
// the events, so a crash between the two sends them once more.
type cursor struct {
	V    int         `json:"v"`
	Next audit.Index `json:"next"` // the first leaf that it has not got
	Last audit.Hash  `json:"last"` // of the leaf before it
}

// largestCursor bounds what is read of one; bytes.
const largestCursor = 4 << 10

func (p *place) cursorPath(dir string) string { return filepath.Join(dir, p.Name+".cursor") }

// readCursor: the zero cursor where there is none yet. One that cannot be read,
// or is of another log, counts as none, and why says so: what a place had would
// not be known, so it is sent everything again.
func readCursor(ctx context.Context, path string, log Log) (c cursor, why string, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cursor{}, "", nil
	}
	if err != nil {
		return cursor{}, "", err
	}
	defer f.Close()
	b := make([]byte, largestCursor)
	n, err := f.Read(b)
	if err != nil {
		return cursor{}, "its cursor cannot be read: " + err.Error(), nil
	}
	if err := json.Unmarshal(b[:n], &c); err != nil || c.V != 1 {
		return cursor{}, "its cursor is damaged", nil
	}
	if c.Next == 0 {
		return c, "", nil
	}
	leaf, err := log.Leaf(ctx, audit.Place{Node: log.Node(), Index: c.Next - 1})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cursor{}, fmt.Sprintf("it was sent %d leaves, and the log has fewer: the log was brought back from before", c.Next), nil
	case err != nil:
		return cursor{}, "", err
	case leaf.Hash != c.Last:
		return cursor{}, fmt.Sprintf("leaf %d, which it was sent, is another one now: the log was brought back from before", c.Next-1), nil
	}
	return c, "", nil
}

// write is durable on return.
func (c cursor) write(path string) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return durable.WriteFile(path, append(b, '\n'), 0o600)
}
