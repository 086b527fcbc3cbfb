package witness

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit"
)

// Why a checkpoint was not cosigned. The HTTP side turns them into the status
// codes of c2sp.org/tlog-witness.
var (
	ErrUnknownLog = errors.New("no log of this origin is witnessed here")
	ErrSignature  = errors.New("no signature of this log's key is on the checkpoint")
	ErrOldSize    = errors.New("the old size is larger than the checkpoint's")
	ErrProof      = errors.New("the checkpoint is not proved to continue the last one that was witnessed")
)

// Conflict says what was witnessed last, where the caller believes otherwise.
type Conflict struct {
	Size audit.Index // of the newest tree that was cosigned
	Fork bool        // the checkpoint has this size and another root
}

func (c *Conflict) Error() string {
	if c.Fork {
		return fmt.Sprintf("another tree of %d leaves was witnessed: the log is a fork", c.Size)
	}
	return fmt.Sprintf("a tree of %d leaves was witnessed last", c.Size)
}

// Options of a Witness.
type Options struct {
	Key  *audit.WitnessKey
	Logs []note.Verifier  // the logs that are witnessed; a name is an origin
	Now  func() time.Time // nil: the wall clock
	Slog *slog.Logger     // nil: the default
}

// Witness remembers the newest tree of each log. Safe for concurrent use.
type Witness struct {
	o    Options
	dir  string
	logs map[string]*watched // by origin; fixed
}

// watched is one log. mu is held while it is decided and written: checking and
// remembering are one step (tlog-witness, add-checkpoint), and a witness has
// nothing better to do than to wait for its disk.
type watched struct {
	verifier note.Verifier
	files    files

	mu     sync.Mutex
	newest audit.Checkpoint // Note has our line; Size 0 and no Note: nothing yet
	at     time.Time        // of that line
	kept   time.Time        // of the newest line of the history
	broken error            // a write failed: what is remembered is not certain
}

// Open reads what was remembered in dir. What is damaged is an error: a witness
// that has forgotten would sign a log that was rolled back.
func Open(dir string, o Options) (*Witness, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Slog == nil {
		o.Slog = slog.Default()
	}
	if len(o.Logs) == 0 {
		return nil, errors.New("no log to witness: give its verifier key, DATA/keys/log.pub of the broker")
	}
	w := &Witness{o: o, dir: dir, logs: map[string]*watched{}}
	for _, v := range o.Logs {
		if w.logs[v.Name()] != nil {
			return nil, fmt.Errorf("two keys for the log %s: one log has one", v.Name())
		}
		l := &watched{verifier: v, files: filesOf(dir, v.Name())}
		if err := l.load(o.Key.Verifier()); err != nil {
			return nil, fmt.Errorf("what is remembered of the log %s: %w", v.Name(), err)
		}
		w.logs[v.Name()] = l
	}
	return w, nil
}

// Add cosigns a signed note that continues what was cosigned before, by a
// consistency proof from old, and returns the signature line once that is
// durable. Errors: the ones above, *Conflict, or a fault.
func (w *Witness) Add(old audit.Index, proof tlog.TreeProof, signed []byte) ([]byte, error) {
	origin, _, _ := strings.Cut(string(signed), "\n")
	l := w.logs[origin]
	if l == nil {
		return nil, ErrUnknownLog
	}
	c, err := audit.ParseCheckpoint(signed, l.verifier)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if old > c.Size {
		return nil, ErrOldSize
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return nil, fmt.Errorf("this witness's disk failed, and it must be started again: %w", l.broken)
	}
	if err := l.judge(old, proof, c); err != nil {
		w.refused(l, c, err)
		return nil, err
	}
	return l.sign(w, c)
}

// judge holds a checkpoint to the last one. mu is held.
func (l *watched) judge(old audit.Index, proof tlog.TreeProof, c audit.Checkpoint) error {
	switch {
	case old != l.newest.Size:
		return &Conflict{Size: l.newest.Size}
	case old == c.Size && l.newest.Note != nil && c.Root != l.newest.Root:
		return &Conflict{Size: l.newest.Size, Fork: true}
	case c.Size == 0 && c.Root != sha256.Sum256(nil): // RFC 6962 section 2.1
		return ErrProof
	case (old == 0 || old == c.Size) && len(proof) > 0:
		return ErrProof
	case old == 0 || old == c.Size:
		return nil
	}
	if err := tlog.CheckTree(proof, int64(c.Size), tlog.Hash(c.Root), int64(old), tlog.Hash(l.newest.Root)); err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return nil
}

// sign remembers, and only then gives the line out. mu is held.
func (l *watched) sign(w *Witness, c audit.Checkpoint) ([]byte, error) {
	at := w.o.Now()
	if at.Before(l.at) {
		at = l.at // our clock went back, and what we say must not
	}
	line, err := w.o.Key.Cosign(c, at)
	if err != nil {
		return nil, err
	}
	c.Note = append(bytes.Clone(c.Note[:end(c.Note)]), append(l.ownLine(c.Note), line...)...)
	if err := l.remember(c, at); err != nil {
		l.broken = err
		w.o.Slog.Error("nothing more of this log is witnessed until the witness is started again", "origin", l.verifier.Name(), "err", err)
		return nil, err
	}
	l.newest, l.at = c, at.Truncate(time.Second)
	w.o.Slog.Info("witnessed", "origin", c.Origin, "size", uint64(c.Size), "root", c.Root.String())
	return line, nil
}

// end is where a note's signatures begin.
func end(signed []byte) int { return bytes.LastIndex(signed, []byte("\n\n")) + 2 }

// ownLine is the log's own signature line; lines of others are not kept, for
// nobody has checked them and a caller may send many.
func (l *watched) ownLine(signed []byte) []byte {
	n, err := note.Open(signed, note.VerifierList(l.verifier))
	if err != nil || len(n.Sigs) == 0 {
		return nil // ParseCheckpoint has taken it
	}
	return fmt.Appendf(nil, "— %s %s\n", n.Sigs[0].Name, n.Sigs[0].Base64)
}

// refused tells of a checkpoint that its log has signed and that does not fit,
// and keeps it where it may be proof of a fork.
func (w *Witness) refused(l *watched, c audit.Checkpoint, why error) {
	conflict, ok := errors.AsType[*Conflict](why)
	if ok && !conflict.Fork {
		if c.Size < conflict.Size {
			w.o.Slog.Warn("refused: the log shows fewer leaves than were witnessed", "origin", c.Origin, "size", uint64(c.Size), "witnessed", uint64(conflict.Size))
		}
		return
	}
	if l.newest.Note == nil {
		return // nothing that it could contradict
	}
	w.o.Slog.Error("refused, and kept: the log has signed a tree that does not continue what was witnessed", "origin", c.Origin,
		"size", uint64(c.Size), "root", c.Root.String(), "witnessed", uint64(l.newest.Size), "why", why)
	if err := l.files.keepRefused(w.o.Now(), c.Note); err != nil {
		w.o.Slog.Error("the refused checkpoint could not be kept", "err", err)
	}
}

// Seen is what a witness remembers of one log.
type Seen struct {
	Origin  string      `json:"origin"`
	Size    audit.Index `json:"size"`
	Root    audit.Hash  `json:"root,omitzero"`
	At      time.Time   `json:"at,omitzero"`   // of the newest cosignature
	Note    []byte      `json:"note,omitzero"` // with the log's line and this witness's
	Refused int64       `json:"refused_bytes"` // of signed checkpoints that did not fit, and were kept; 0: none
}

// Seen is what is remembered, by origin.
func (w *Witness) Seen() []Seen {
	all := make([]Seen, 0, len(w.logs))
	for origin, l := range w.logs {
		l.mu.Lock()
		all = append(all, Seen{Origin: origin, Size: l.newest.Size, Root: l.newest.Root, At: l.at, Note: l.newest.Note, Refused: l.files.refusedBytes()})
		l.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Seen) int { return strings.Compare(a.Origin, b.Origin) })
	return all
}
