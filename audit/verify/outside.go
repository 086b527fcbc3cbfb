package verify

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
)

// Kept is a file from outside: a signed note, or text with such notes in it (a
// syslog server's file, receipts, what penstock witness show --notes prints).
type Kept struct {
	Name string
	Text []byte
}

// Stretch is leaves From to To-1, and what proves that they are as they were
// when it was made. Later stretches' proofs hold for earlier leaves, too.
type Stretch struct {
	From audit.Index `json:"from"`
	To   audit.Index `json:"to"`
	By   []string    `json:"by"`
}

// maxKept bounds one file of receipts; maxTold the findings of one file.
const (
	maxKept = 1 << 30
	maxTold = 20
)

// mark is a checkpoint that was kept.
type mark struct {
	audit.Checkpoint
	name      string // of its file
	inside    bool   // it lies in the folder that is checked
	receipt   bool   // not a checkpoint, but the tree of a receipt
	witnesses []audit.Cosignature
	met, same bool
}

// proves: alone, a copy in the folder itself could have been made with it.
func (m *mark) proves() bool { return !m.receipt && (!m.inside || len(m.witnesses) > 0) }

// marks are checkpoints by size, met as the log is read.
type marks struct {
	list []*mark
	next int
}

// add takes more of them, before the first leaf.
func (s *marks) add(more ...*mark) {
	s.list = append(s.list, more...)
	slices.SortStableFunc(s.list, func(a, b *mark) int { return cmp.Compare(a.Size, b.Size) })
}

func (s *marks) grown(t *tree) {
	for ; s.next < len(s.list) && int64(s.list[s.next].Size) <= t.size; s.next++ {
		m := s.list[s.next]
		m.met = true
		m.same = m.Size == 0 || int64(m.Size) == t.size && audit.Hash(t.root()) == m.Root
	}
}

// outside reads what was kept, and the folder's own receipts.
func (c *checker) outside(v note.Verifier) (*marks, error) {
	s := &marks{}
	for _, k := range c.trust.Checkpoints {
		c.marksOf(s, v, k, false)
	}
	if err := c.receiptsOutside(s, v); err != nil {
		return nil, err
	}
	s.add()
	if !slices.ContainsFunc(s.list, (*mark).proves) {
		c.note("log", "no outside checkpoint was given: somebody with the broker's key could have rewritten all of it")
	}
	return s, nil
}

func (c *checker) marksOf(s *marks, v note.Verifier, k Kept, inside bool) {
	notes := audit.FindNotes(k.Text)
	if len(notes) == 0 && !inside {
		c.wrong(k.Name, "holds no checkpoint")
	}
	foreign, strangers := 0, 0
	for _, b := range notes {
		cp, err := audit.ParseCheckpoint(b, v)
		if err != nil {
			if foreign++; foreign <= maxTold {
				c.wrong(k.Name, "is not one of this log: %v", err)
			}
			continue
		}
		m := &mark{Checkpoint: cp, name: k.Name, inside: inside}
		found, others, err := audit.Cosignatures(b, v, c.trust.Witnesses...)
		if err != nil {
			c.wrong(k.Name, "carries a false signature in the name of a witness, under %d leaves: %v", cp.Size, err)
		}
		m.witnesses = found
		strangers = max(strangers, others)
		s.list = append(s.list, m)
	}
	if strangers > 0 && len(c.trust.Witnesses) == 0 {
		c.note(k.Name, "was signed by a witness, too; give its key (--witness) and that is checked")
	}
}

var receiptName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}\.([0-9]{4}-[0-9]{2}\.txt|waiting|waiting\.damaged)$`)

// receiptsOutside are log/outside: what the broker noted of copies elsewhere.
func (c *checker) receiptsOutside(s *marks, v note.Verifier) error {
	dir := filepath.Join(c.dir, "log", "outside")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := "log/outside/" + e.Name()
		switch {
		case temporary(e.Name()):
			c.find(c.leftover(), name, "is an unfinished file, left by a crash")
			continue
		case !receiptName.MatchString(e.Name()):
			c.wrong(name, "does not belong in the log")
			continue
		case filepath.Ext(e.Name()) != ".txt":
			continue // what waits is no proof of anything
		}
		b, err := bounded(filepath.Join(dir, e.Name()), maxKept)
		if err != nil {
			return err
		}
		c.marksOf(s, v, Kept{name, b}, true)
	}
	return nil
}

// compared says of each file whether the log continues what it holds.
func (c *checker) compared(s *marks) {
	last := map[string]*mark{} // the newest that fits, by file
	told := map[string]int{}
	wrong := func(m *mark, format string, args ...any) {
		if told[m.name]++; told[m.name] <= maxTold {
			c.wrong(m.name, format, args...)
		}
	}
	for i, m := range s.list {
		if i > 0 && s.list[i-1].Size == m.Size && s.list[i-1].Root != m.Root {
			wrong(m, "and %s are of two different trees of %d leaves, both signed by this log: a fork", s.list[i-1].name, m.Size)
		}
		switch {
		case m.met && m.same:
			last[m.name] = m
			switch {
			case m.receipt:
				c.report.Receipts++
			case m.proves():
				c.report.Outside++
			}
		case m.met:
			wrong(m, "was signed for %d other leaves: the log was rewritten, or is a fork", m.Size)
		case c.damaged:
			wrong(m, "of %d leaves could not be compared, because leaves are damaged", m.Size)
		default:
			wrong(m, "covers %d leaves, and the log ends after %d: it was rolled back or cut", m.Size, c.tree.size)
		}
	}
	for name, m := range last {
		if m.inside && !m.proves() {
			c.note(name, "its newest copy, of %d leaves, fits; alone it proves nothing, for it lies beside the log: fetch the copy from the place itself", m.Size)
		}
	}
	c.stretches(last)
}

// stretches says by what each part of the log is proved.
func (c *checker) stretches(last map[string]*mark) {
	var proofs []*mark
	for _, m := range last {
		if m.proves() && m.Size > 0 {
			proofs = append(proofs, m)
		}
	}
	slices.SortFunc(proofs, func(a, b *mark) int {
		return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.name, b.name))
	})
	from := audit.Index(0)
	for _, m := range proofs {
		if m.Size == from && len(c.report.Stretches) > 0 {
			s := &c.report.Stretches[len(c.report.Stretches)-1]
			s.By = append(s.By, m.by())
			continue
		}
		c.report.Stretches = append(c.report.Stretches, Stretch{from, m.Size, []string{m.by()}})
		from = m.Size
	}
	if len(proofs) > 0 && from < c.report.Size {
		c.note(proofs[len(proofs)-1].name, "covers the first %d leaves; the %d after it could have been rewritten by somebody with the broker's key", from, c.report.Size-from)
	}
}

// by is what a mark proves with, for people.
func (m *mark) by() string {
	text := m.name
	for _, w := range m.witnesses {
		text += fmt.Sprintf(", cosigned %s by %s", w.At.Format(time.RFC3339), w.Witness)
	}
	return text
}
