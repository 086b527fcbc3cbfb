package approvals

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// mostTold bounds what is said to one revision's questions.
const mostTold = 20

// Told is what was said to a question. It is no part of the text that is
// answered: a change of that is a new revision.
type Told struct {
	Person policy.PersonID
	Text   string
	At     time.Time
}

// toldRow is a Told as its event has it.
type toldRow struct {
	By   string     `json:"by"`
	Text audit.Hash `json:"text"`
	At   time.Time  `json:"at"`
}

// Tell says something to a question of the plant's about a request that waits:
// by whoever asked, or works in it, or is of the firm.
func (d *Desk) Tell(ctx context.Context, by people.Actor, id policy.RequestID, words string) (Request, error) {
	words = strings.TrimSpace(words)
	if words == "" {
		return Request{}, refuse("no-text", "Write what you want to say first.")
	}
	if err := text("text", words, evidence.MaxReason); err != nil {
		return Request{}, err
	}
	return again(func() (Request, error) {
		row, err := d.requestRow(ctx, id)
		if err != nil {
			return Request{}, err
		}
		if err := seen(by, row.Firm, "request", string(id)); err != nil {
			return Request{}, err
		}
		p, err := d.present(ctx, by)
		if err != nil {
			return Request{}, err
		}
		switch {
		case string(by.Firm) != row.Firm && string(by.Person) != row.By:
			return Request{}, refuse("not-yours", "A question is answered by whoever asked for %s. Say yes, no, or ask yourself.", id)
		case !row.waits():
			return Request{}, refuse("not-waiting", "%s is %s; nobody waits for a word.", id, row.State)
		case !slices.ContainsFunc(row.Answers, func(a said) bool { return a.Says == evidence.Question }):
			return Request{}, refuse("no-question", "Nobody has asked you anything about %s.", id)
		case len(row.Told) >= mostTold:
			return Request{}, refuse("too-many-answers", "%d words were said to %s already. Ring them up, or let it be revised.", mostTold, id)
		}
		hash, err := d.docs.Put(ctx, []byte(words))
		if err != nil {
			return Request{}, fmt.Errorf("keep what was said: %w", err)
		}
		body := audit.QuestionAnswered{Request: row.Request, Rev: row.Rev, By: string(by.Person), Text: hash, At: d.second()}
		if _, err := d.commit(ctx, requestKey(id), row.row+1, string(by.Person), body, p); err != nil {
			return Request{}, err
		}
		return d.Request(ctx, by, id)
	})
}

// told reads what was said.
func (d *Desk) told(ctx context.Context, row requestRow) (list []Told, err error) {
	for _, t := range row.Told {
		b, err := d.docs.Get(ctx, t.Text)
		if err != nil {
			return nil, fmt.Errorf("read what %s said to %s: %w", t.By, row.Request, err)
		}
		list = append(list, Told{policy.PersonID(t.By), string(b), t.At})
	}
	return list, nil
}

// tell makes the row of a word.
func (f folder) tell(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	b := leaf.Body.(audit.QuestionAnswered)
	r, err := load[requestRow](ctx, rows, requestKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	if !v.waits() || b.Rev != v.Rev || len(v.Told) >= mostTold {
		return nil, refuse("illegal-step", "%s is %s at revision %d; nobody waits for a word to revision %d.", leaf.Subject, v.State, v.Rev, b.Rev)
	}
	v.Told = append(v.Told, toldRow{b.By, b.Text, b.At})
	return r.changed()
}
