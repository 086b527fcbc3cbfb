package recording

import (
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"
)

// DidAt is an operation with when it was asked for, and what came of it.
type DidAt struct {
	Operation
	At   time.Duration // since the session's start
	Wall time.Time
}

// mostOpen is how many operations wait, in order, for what came of them: a
// machine has far fewer before it.
const mostOpen = 256

// Operations are the rows of one channel, in the order in which they were
// asked, each with its outcome. A torn recording ends it with io.ErrUnexpectedEOF
// after all that is whole.
func (r *Reader) Operations(ch int) iter.Seq2[DidAt, error] {
	return func(yield func(DidAt, error) bool) {
		var open []DidAt
		flush := func(keep int) bool {
			for len(open) > keep {
				if !yield(open[0], nil) {
					return false
				}
				open = open[1:]
			}
			return true
		}
		for f, err := range r.Frames(ch, 0) {
			if err != nil {
				if flush(0) {
					yield(DidAt{}, err)
				}
				return
			}
			if f.Mark != Did {
				continue
			}
			o, err := ParseOperation(f.Data)
			if err != nil {
				yield(DidAt{}, err)
				return
			}
			if !merged(open, o) {
				open = append(open, DidAt{o, f.At, f.Wall})
			}
			if !flush(mostOpen) {
				return
			}
		}
		flush(0)
	}
}

// merged puts what came of an operation, or its second decision, where it belongs.
func merged(open []DidAt, o Operation) bool {
	for i := len(open) - 1; i >= 0; i-- {
		if was := &open[i]; was.N == o.N {
			if o.Service == "" {
				was.Outcome, was.Failed = o.Outcome, o.Failed
			} else {
				was.Operation = o
			}
			return true
		}
	}
	return o.Service == "" // of one that is told already: nothing to add
}

var operationColumns = []string{"time", "n", "service", "code", "unit", "object", "name", "old", "new", "count", "right", "decision", "rule", "outcome", "why"}

// ExportOperations writes the rows of one channel that an inspector read as CSV
// (RFC 4180), a line for each object that an operation changes, one for each
// other operation. A channel without any has the head alone.
func ExportOperations(w io.Writer, r *Reader, ch int, _ ...ExportOption) error {
	if ch < 0 {
		return fmt.Errorf("export one channel at a time, by its number")
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(operationColumns); err != nil {
		return fmt.Errorf("export operations: %w", err)
	}
	var torn error
	for o, err := range r.Operations(ch) {
		if err != nil {
			torn = err
			break
		}
		for _, line := range o.lines() {
			if err := out.Write(line); err != nil {
				return fmt.Errorf("export operations: %w", err)
			}
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("export operations: %w", err)
	}
	return torn
}

func (o DidAt) lines() (all [][]string) {
	decision := "refused"
	if o.Allowed {
		decision = "let through"
	}
	changes := o.Changes
	if len(changes) == 0 {
		changes = []Change{{Object: o.Object, Name: strings.Join(o.Names, ", ")}}
	}
	outcome := o.Outcome
	if o.More > 0 {
		outcome = strings.TrimPrefix(fmt.Sprintf("%s; %d more changes are not listed", outcome, o.More), "; ")
	}
	for _, c := range changes {
		line := []string{o.Wall.UTC().Format("2006-01-02T15:04:05.000Z"), strconv.FormatUint(o.N, 10), o.Service, o.Code, strconv.Itoa(o.Unit), c.Object, c.Name, c.Old, c.New,
			strconv.Itoa(o.Count), o.Right, decision, o.Rule, outcome, o.Why}
		for i := range line {
			line[i] = plainCell(line[i])
		}
		all = append(all, line)
	}
	return all
}

// plainCell keeps a spreadsheet from reading text as a formula. A negative value stays one.
func plainCell(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r", rune(s[0])) || s[0] == '-' && len(s) > 1 && s[1] >= '0' && s[1] <= '9' {
		return s
	}
	return "'" + s
}
