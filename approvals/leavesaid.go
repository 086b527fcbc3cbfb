package approvals

import (
	"context"
	"slices"
	"strings"

	"penstock/approvals/evidence"
	"penstock/approvals/state"
	"penstock/audit"
)

// What people say by day to a pattern or a change of the plant file counts until it
// stands. The yes of somebody who leaves before is taken back; what stands already
// goes on, and the preview names it.

// yeses are the people who said yes.
func yeses(list []said) (who []string) {
	for _, a := range list {
		if a.Says == evidence.Yes {
			who = append(who, a.Person)
		}
	}
	return who
}

// leavingSaid looks through patterns and changes of the plant file.
func (d *Desk) leavingSaid(ctx context.Context, g gone, l *Leaving) error {
	err := d.each(ctx, "pattern/", func(id string) error {
		p, err := d.patternRow(ctx, id)
		if err != nil || !slices.ContainsFunc(yeses(p.Answers), g.person) {
			return err
		}
		switch p.State {
		case PatternWaiting:
			l.Said = append(l.Said, id)
		case PatternAgreed:
			l.Stands = append(l.Stands, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.each(ctx, "change/", func(id string) error {
		c, err := d.changeRow(ctx, id)
		if err == nil && c.State == ChangeWaiting && slices.ContainsFunc(yeses(c.Answers), g.person) {
			l.Said = append(l.Said, id)
		}
		return err
	})
}

// leftSaid takes back one yes of somebody who has left; there may be another.
func (d *Desk) leftSaid(ctx context.Context, g gone, key string) error {
	kind, id, _ := strings.Cut(key, "/")
	var rev uint64
	var waits bool
	var who []string
	if kind == "pattern" {
		p, err := d.patternRow(ctx, id)
		if err != nil {
			return err
		}
		rev, waits, who = p.row, p.State == PatternWaiting, yeses(p.Answers)
	} else {
		c, err := d.changeRow(ctx, id)
		if err != nil {
			return err
		}
		rev, waits, who = c.row, c.State == ChangeWaiting, yeses(c.Answers)
	}
	i := slices.IndexFunc(who, g.person)
	if !waits || i < 0 {
		return nil
	}
	if _, err := d.commit(ctx, key, rev+1, penstock, audit.AnswerWithdrawn{Request: id, Person: who[i]}); err != nil {
		return err
	}
	return state.ErrConflict // look anew
}

// withdrawSaid takes a yes out of the row of a pattern or a change. The numbers of
// the answers that are left stay, and none is given twice.
func (f folder) withdrawSaid(ctx context.Context, rows state.Reader, leaf audit.Leaf, b audit.AnswerWithdrawn) ([]state.Change, error) {
	without := func(list []said) []said {
		return slices.DeleteFunc(list, func(a said) bool { return a.Person == b.Person && a.Says == evidence.Yes })
	}
	no := func(is string) error {
		return refuse("illegal-step", "%s is %s, and has no yes of %s.", leaf.Subject, is, b.Person)
	}
	if strings.HasPrefix(leaf.Subject, "P-") {
		r, err := load[patternRow](ctx, rows, patternKey(leaf.Subject))
		if err != nil || leaf.Rev != r.rev+1 {
			return nil, err
		}
		v := &r.value
		had := len(v.Answers)
		if v.Answers = without(v.Answers); v.State != PatternWaiting || len(v.Answers) == had {
			return nil, no(string(v.State))
		}
		v.Gone += had - len(v.Answers)
		return r.changed()
	}
	r, err := load[changeRow](ctx, rows, changeKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	had := len(v.Answers)
	if v.Answers = without(v.Answers); v.State != ChangeWaiting || len(v.Answers) == had {
		return nil, no(string(v.State))
	}
	v.Gone += had - len(v.Answers)
	return r.changed()
}
