package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Extent is the beginning of one file of the log, by its name below the log's folder.
type Extent struct {
	Name  string // "entries/00000000.seg"
	Bytes int64
}

// Extents are the files, and how much of each, that hold the first n leaves:
// what a copy of the log up to a checkpoint of size n needs beside that note.
// They do not change while the log grows.
func (l *Log) Extents(n Index) ([]Extent, error) {
	if n == 0 || n > l.Size() {
		return nil, fmt.Errorf("the log has %d leaves, not the %d that were asked for", l.Size(), n)
	}
	c, err := l.segs.seek(n - 1)
	if err != nil {
		return nil, fmt.Errorf("find leaf %d: %w", n-1, err)
	}
	defer c.close()
	if _, err := c.next(); errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("find leaf %d: %w", n-1, c.damage(errors.New("the file ends before this leaf")))
	} else if err != nil {
		return nil, fmt.Errorf("find leaf %d: %w", n-1, err)
	}
	var all []Extent
	for k := range c.number + 1 {
		e := Extent{Name: filepath.ToSlash(filepath.Join("entries", segmentName(k))), Bytes: c.off}
		if k < c.number {
			info, err := os.Stat(l.segs.path(k))
			if err != nil {
				return nil, fmt.Errorf("look at a segment: %w", err)
			}
			e.Bytes = info.Size()
		}
		all = append(all, e)
	}
	return all, nil
}
