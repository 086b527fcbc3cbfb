package verify

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"penstock/audit"
	"penstock/audit/recording"
)

var headsName = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}\.txt$`)

const maxBatch = 16 << 20 // bytes of head lines that one leaf may commit to

// batch reads the head lines that a leaf commits to, holds them to its root,
// and keeps each for the session's check.
func (c *checker) batch(leaf audit.Leaf, b audit.RecordingHeads) error {
	c.batches++
	where := fmt.Sprintf("log/heads/%s byte %d (leaf %d)", b.File, b.Offset, leaf.Index)
	if !headsName.MatchString(b.File) || b.Bytes < 0 || b.Bytes > maxBatch || b.Offset < 0 {
		c.wrong(fmt.Sprintf("leaf %d", leaf.Index), "recording.heads names no possible lines")
		return nil
	}
	covered := c.heads[b.File]
	if b.Offset < covered {
		c.wrong(where, "the lines were committed to before")
	}
	if b.Offset > covered {
		c.note(fmt.Sprintf("log/heads/%s byte %d", b.File, covered), "%d bytes that no leaf names, left by a crash; they prove nothing", b.Offset-covered)
	}
	c.heads[b.File] = max(covered, b.Offset+b.Bytes)
	text, err := readAt(filepath.Join(c.dir, "log", "heads", b.File), b.Offset, b.Bytes)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.ErrUnexpectedEOF) {
		c.wrong(where, "the lines that the leaf commits to are missing")
		return nil
	}
	if err != nil {
		return err
	}
	c.passed(b.Bytes)
	lines := bytes.Split(bytes.TrimSuffix(text, []byte{'\n'}), []byte{'\n'})
	if len(lines) != b.Count || recording.HeadsRoot(lines) != b.Root || !bytes.HasSuffix(text, []byte{'\n'}) {
		c.wrong(where, "the lines are not those that the leaf commits to")
		return nil
	}
	for _, l := range lines {
		h, err := recording.ParseHead(l)
		if err != nil {
			c.wrong(where, "%v", err)
			continue
		}
		c.head(where, h)
	}
	return nil
}

func (c *checker) head(where string, h recording.Head) {
	if c.only != "" && h.Session != c.only {
		return
	}
	s := c.sessions[h.Session]
	if s == nil || s.checked {
		c.wrong(where, "names a frame of %.64q, which was not running", h.Session)
		return
	}
	s.heads = append(s.heads, recording.Head{Session: s.id, Channel: h.Channel, File: s.intern(h.File), Seq: h.Seq, Bytes: h.Bytes, Head: h.Head})
}

func readAt(path string, offset, n int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(f, offset, n), b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}

// headFiles looks for lines after the last that a leaf commits to, and for files that none names.
func (c *checker) headFiles() error {
	entries, err := os.ReadDir(filepath.Join(c.dir, "log", "heads"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // where a leaf names one, it is missing
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		where := "log/heads/" + e.Name()
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch covered := c.heads[e.Name()]; {
		case !headsName.MatchString(e.Name()) || !e.Type().IsRegular():
			c.wrong(where, "does not belong among the heads")
		case info.Size() > covered:
			w := c.leftover()
			if c.crashed { // nobody takes away what an earlier crash left here
				w = Note
			}
			c.find(w, fmt.Sprintf("%s byte %d", where, covered), "%d bytes that no leaf names; they prove nothing", info.Size()-covered)
		}
	}
	return nil
}
