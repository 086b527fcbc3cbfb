package publish

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"penstock/audit"
	"penstock/audit/durable"
)

const (
	receiptEvery = time.Minute
	maxLine      = 128 << 10 // of a receipt, or a waiting file
)

// files of one place:
//
//	NAME.2026-11.txt  receipts of a month, a line of JSON each, only ever appended to
//	NAME.waiting      what could not be sent yet
type files struct{ dir, name string }

func (f files) make() error         { return durable.MkdirAll(f.dir, 0o700) }
func (f files) waitingPath() string { return filepath.Join(f.dir, f.name+".waiting") }

// Receipt says that a place has a copy. Alone it proves nothing: whoever owns
// the machine can write one. The copy at the place does, and a witness's line in Note.
type Receipt struct {
	At         time.Time
	Place      string
	Kind       string
	Size       audit.Index
	Root       audit.Hash
	Said       string
	Superseded uint64    // checkpoints that were due before it and never left by themselves
	Since      time.Time // first failure of that gap; zero: there was none
	Note       []byte
}

// receiptLine is a Receipt in its file. The copy stands in the form that
// audit.FindNotes knows, so that the file itself can be given to the verifier.
type receiptLine struct {
	V          int         `json:"v"`
	At         time.Time   `json:"at"`
	Place      string      `json:"place"`
	Kind       string      `json:"kind"`
	Size       audit.Index `json:"size"`
	Root       audit.Hash  `json:"root"`
	Said       string      `json:"said"`
	Superseded uint64      `json:"superseded,omitempty"`
	Since      time.Time   `json:"since,omitzero"`
	Copy       string      `json:"copy"`
}

func (r Receipt) line() ([]byte, error) {
	b, err := json.Marshal(receiptLine{1, r.At, r.Place, r.Kind, r.Size, r.Root, r.Said, r.Superseded, r.Since, audit.NoteText(r.Note)})
	if err != nil {
		return nil, fmt.Errorf("write a receipt: %w", err)
	}
	return append(b, '\n'), nil
}

// parseReceipt reads one line strictly.
func parseReceipt(line []byte) (Receipt, error) {
	var l receiptLine
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Receipt{}, fmt.Errorf("receipt: %w", err)
	}
	text, ok := strings.CutPrefix(l.Copy, audit.NoteField)
	note, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || l.V != 1 {
		return Receipt{}, errors.New("receipt: it has no copy of a checkpoint")
	}
	c, err := audit.ReadCheckpoint(note)
	if err != nil {
		return Receipt{}, fmt.Errorf("receipt: %w", err)
	}
	if c.Size != l.Size || c.Root != l.Root {
		return Receipt{}, errors.New("receipt: its size and root are not those of its copy")
	}
	return Receipt{l.At, l.Place, l.Kind, l.Size, l.Root, l.Said, l.Superseded, l.Since, note}, nil
}

// addReceipt is durable on return. A torn line of a crash is ended first.
func (f files) addReceipt(r Receipt) error {
	line, err := r.line()
	if err != nil {
		return err
	}
	path := filepath.Join(f.dir, f.name+"."+r.At.Format("2006-01")+".txt")
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if n := info.Size(); n > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, n-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	if _, err := file.Write(line); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return durable.SyncDir(f.dir)
}

// lastReceipt is the newest whole line of the newest file; Size 0: there is none.
func (f files) lastReceipt() (Receipt, error) {
	names, err := filepath.Glob(filepath.Join(f.dir, f.name+".[0-9][0-9][0-9][0-9]-[0-9][0-9].txt"))
	if err != nil {
		return Receipt{}, err
	}
	slices.Sort(names)
	for _, name := range slices.Backward(names) {
		b, err := tail(name)
		if err != nil {
			return Receipt{}, err
		}
		lines := bytes.Split(b, []byte("\n"))
		for _, line := range slices.Backward(lines) {
			if r, err := parseReceipt(line); err == nil && r.Place == f.name {
				return r, nil
			}
		}
	}
	return Receipt{}, nil
}

// tail is the end of a file, long enough for several lines.
func tail(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-2*maxLine)
	return io.ReadAll(io.NewSectionReader(file, from, info.Size()-from))
}

// waiting is the newest checkpoint that a place should have had.
type waiting struct {
	Since      time.Time   `json:"since"` // first failure
	Superseded uint64      `json:"superseded"`
	Size       audit.Index `json:"size"`
	Signed     []byte      `json:"note"`
}

func (w *waiting) note() []byte {
	if w == nil {
		return nil
	}
	return w.Signed
}

func (f files) writeWaiting(w *waiting) error {
	b, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return durable.WriteFile(f.waitingPath(), b, 0o600)
}

func (f files) dropWaiting() error {
	if err := os.Remove(f.waitingPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncDir(f.dir)
}

// readWaiting: nil where nothing waits. One that cannot be read is put aside,
// said, and counts as none.
func (f files) readWaiting() (*waiting, error) {
	info, err := os.Stat(f.waitingPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var w waiting
	if info.Size() > maxLine || !info.Mode().IsRegular() {
		err = errors.New("it is no file that was written here")
	} else if b, readErr := os.ReadFile(f.waitingPath()); readErr != nil {
		return nil, readErr
	} else if err = json.Unmarshal(b, &w); err == nil {
		var c audit.Checkpoint
		if c, err = audit.ReadCheckpoint(w.Signed); err == nil && c.Size != w.Size {
			err = errors.New("its size is not its checkpoint's")
		}
	}
	if err == nil {
		return &w, nil
	}
	return nil, errors.Join(err, os.Rename(f.waitingPath(), f.waitingPath()+".damaged"))
}
