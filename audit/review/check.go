package review

import (
	"context"
	"errors"
	"fmt"

	"penstock/audit"
)

// Checked is what a look at one recording against the log found.
type Checked struct {
	Findings []error
	Close    audit.Hash // as session.ended has it; zero: it runs, or ended without
	Skipped  int64      // bytes, where it is larger than was to be read: nothing was checked
}

// Check reads a recording from end to end and holds it to the log:
// review.opened{verify}, then the chain, close.json and its hash. most bounds
// what is read, in bytes. What is sealed is checked all the same, without its content.
func (b *Book) Check(ctx context.Context, who Reader, session string, most int64) (Checked, error) {
	who.What, who.Form = "verify", ""
	if err := b.enter(ctx, who, session); err != nil {
		return Checked{}, fmt.Errorf("check the recording of %.40q: %w", session, err)
	}
	s, _, err := b.Session(ctx, who, session)
	if err != nil {
		return Checked{}, err
	}
	out := Checked{Close: s.Close}
	rep, size, err := b.archive.Check(session, s.header, most)
	if err != nil {
		return Checked{}, fmt.Errorf("check the recording of %s: %w", session, err)
	}
	if size > most {
		out.Skipped = size
		return out, nil
	}
	out.Findings = rep.Findings
	if !s.Ended.IsZero() && !s.Close.IsZero() && rep.Close != s.Close {
		out.Findings = append(out.Findings, errors.New("close.json is not the one that the log names"))
	}
	return out, nil
}
