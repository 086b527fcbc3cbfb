package witness

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"penstock/audit"
	"penstock/audit/durable"
)

const (
	maxFile    = 128 << 10 // a note with two lines is far smaller
	maxRefused = 1 << 20   // bytes of refused checkpoints that are kept
	keepEvery  = time.Hour // how far apart the lines of a history are at least
)

// files of one log. Its name may hold anything, so they are named by its hash:
//
//	ID.note      the newest note, with the log's line and ours
//	ID.history   a line "TIME note=BASE64" an hour at most, oldest first
//	ID.refused   such lines of checkpoints that the log has signed and that did not fit
type files struct{ note, history, refused string }

func filesOf(dir, origin string) files {
	sum := sha256.Sum256([]byte(origin))
	id := filepath.Join(dir, hex.EncodeToString(sum[:8]))
	return files{id + ".note", id + ".history", id + ".refused"}
}

// load reads the newest note and holds it to both keys.
func (l *watched) load(own audit.WitnessVerifier) error {
	b, err := small(l.files.note)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(l.files.history); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is gone, and %s says that there was one: bring it back from a copy (%v)", l.files.note, l.files.history, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	c, err := audit.ParseCheckpoint(b, l.verifier)
	if err != nil {
		return fmt.Errorf("%s: %w", l.files.note, err)
	}
	found, _, err := audit.Cosignatures(b, l.verifier, own)
	if err != nil {
		return fmt.Errorf("%s: %w", l.files.note, err)
	}
	if len(found) != 1 {
		return fmt.Errorf("%s has no line of this witness's key: somebody put it there, or the key is another", l.files.note)
	}
	l.newest, l.at = c, found[0].At
	if info, err := os.Stat(l.files.history); err == nil {
		l.kept = info.ModTime()
	}
	return nil
}

// remember makes the newest note durable, and now and then a line of the
// history: whoever compares later wants to know also what was true in spring.
func (l *watched) remember(c audit.Checkpoint, at time.Time) error {
	if err := durable.WriteFile(l.files.note, c.Note, 0o600); err != nil {
		return fmt.Errorf("remember the checkpoint: %w", err)
	}
	if !l.kept.IsZero() && at.Sub(l.kept).Abs() < keepEvery {
		return nil
	}
	if err := appendLine(l.files.history, at, c.Note); err != nil {
		return fmt.Errorf("remember the checkpoint for later: %w", err)
	}
	l.kept = at
	return nil
}

func (f files) refusedBytes() int64 {
	info, err := os.Stat(f.refused)
	if err != nil {
		return 0
	}
	return info.Size()
}

// keepRefused keeps the first of them: what comes when the file is full proves no more.
func (f files) keepRefused(at time.Time, signed []byte) error {
	if f.refusedBytes()+int64(len(signed)) > maxRefused {
		return nil
	}
	return appendLine(f.refused, at, signed)
}

func appendLine(path string, at time.Time, signed []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %s\n", at.UTC().Format(time.RFC3339), audit.NoteText(signed))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

func small(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no file of a checkpoint", path)
	}
	return os.ReadFile(path)
}

// Remembered reads a witness's folder without its key, also beside a running
// one: what is there, and nothing of it believed.
func Remembered(dir string) ([]Seen, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.note"))
	if err != nil {
		return nil, fmt.Errorf("look into %s: %w", dir, err)
	}
	if len(names) == 0 {
		if _, err := os.Stat(filepath.Join(dir, "witness.pub")); err != nil {
			return nil, fmt.Errorf("%s is no folder of a witness: %w", dir, err)
		}
	}
	all := make([]Seen, 0, len(names))
	for _, name := range names {
		b, err := small(name)
		if err != nil {
			return nil, err
		}
		c, err := audit.ReadCheckpoint(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		f := filesOf(dir, c.Origin)
		all = append(all, Seen{Origin: c.Origin, Size: c.Size, Root: c.Root, At: info.ModTime().UTC(), Note: b, Refused: f.refusedBytes()})
	}
	return all, nil
}

// Forget puts what a witness remembers of a log aside, under names that say
// when and are kept: for a log that was rightly brought back from a backup. The
// witness must not run. From then on the log is a new one to it.
func Forget(dir, origin string, at time.Time) (kept []string, err error) {
	f := filesOf(dir, origin)
	if _, err := os.Stat(f.note); err != nil {
		return nil, fmt.Errorf("nothing is remembered of %s: %w", origin, err)
	}
	for _, name := range []string{f.history, f.refused, f.note} { // the note last: a crash on the way leaves a witness that remembers
		to := name + ".forgotten-" + at.UTC().Format("20060102T150405Z")
		if err := os.Rename(name, to); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return kept, fmt.Errorf("put aside what is remembered: %w", err)
		}
		kept = append(kept, to)
	}
	return kept, durable.SyncDir(dir)
}
