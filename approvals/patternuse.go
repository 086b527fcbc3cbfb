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

// Under is the pattern that a request was asked under.
type Under struct {
	ID      string
	Frame   string // its name in the plant file
	Purpose string
	By      []AnswerLine // who agreed to it
	Agreed  time.Time
	Stands  bool   // it stands for the rules' plan now, or did when the window was agreed
	Why     string // it does not
}

// patternText is a pattern's document, by its row.
func (d *Desk) patternText(ctx context.Context, h audit.Hash) (evidence.Pattern, []byte, error) {
	b, err := d.docs.Get(ctx, h)
	if err != nil {
		return evidence.Pattern{}, nil, fmt.Errorf("read pattern %s: %w", h, err)
	}
	p, err := evidence.ParsePattern(b)
	if err != nil {
		return p, nil, fmt.Errorf("pattern %s: %w", h, err)
	}
	return p, b, nil
}

// notStanding is why a pattern stands for nothing now; empty: it stands.
func (d *Desk) notStanding(p patternRow) string {
	d.mu.Lock()
	taken := d.lapsed[p.Pattern] > 0
	d.mu.Unlock()
	switch {
	case taken || p.State == PatternWithdrawn:
		return "it was withdrawn"
	case p.State == PatternReview:
		return "it was used outside its purpose twice and waits to be agreed again"
	case p.State == PatternReplaced:
		return "it was agreed again, as " + p.Follower
	case p.State == PatternAgreed && !d.now().Before(p.Ends) || p.State == PatternEnded:
		return "its end, or its review, has come"
	case p.State != PatternAgreed:
		return "it is not agreed"
	}
	return ""
}

// choosePattern writes the pattern under which a request is asked into its text:
// the one that is named, or the first that stands and that it lies inside.
func (d *Desk) choosePattern(ctx context.Context, plant *policy.Plant, doc *evidence.Request, want string) error {
	if want == NoPattern {
		return nil
	}
	if want != "" {
		row, err := d.patternRow(ctx, want)
		if err != nil {
			return err
		}
		if why := d.notStanding(row); why != "" {
			return refuse("pattern-over", "Nothing can be asked under %s: %s.", want, why)
		}
		p, _, err := d.patternText(ctx, row.Document)
		if err == nil && len(doc.Registers) == 0 { // who names the pattern takes its registers
			doc.Registers = evidence.AsRegisters(policy.OnlyFor(evidence.OnlyOf(p.Registers), asPolicy(doc.Assets)))
		}
		if err == nil {
			err = d.liesInside(plant, p, *doc)
		}
		if err != nil {
			return asRefusal("pattern-wider", err)
		}
		doc.Pattern = row.Document
		return nil
	}
	return d.each(ctx, "pattern/", func(id string) error {
		row, err := d.patternRow(ctx, id)
		if err != nil || !doc.Pattern.IsZero() || row.Firm != doc.Firm || d.notStanding(row) != "" {
			return err
		}
		p, _, err := d.patternText(ctx, row.Document)
		if err == nil && d.liesInside(plant, p, *doc) == nil {
			doc.Pattern = row.Document
		}
		return err
	})
}

// liesInside says why a request does not fit a pattern, or the pattern not the
// plant file in force any more.
func (d *Desk) liesInside(plant *policy.Plant, p evidence.Pattern, doc evidence.Request) error {
	if _, err := evidence.PatternQuorum(plant, p); err != nil {
		return refuse("pattern-wider", "%s does not fit the plant file any more: %s. Let it be agreed again.", p.Pattern, because(err))
	}
	if no := p.Uses(doc, d.now()); len(no) > 0 {
		return refuse("pattern-wider", "This is wider than %s: %s. Ask for less, or without the pattern.", p.Pattern, strings.Join(no, "; "))
	}
	return nil
}

// patternNamed is the id of the pattern that a request's text names; empty: none.
func (d *Desk) patternNamed(doc evidence.Request) string {
	if doc.Pattern.IsZero() {
		return ""
	}
	p, _, err := d.patternText(context.Background(), doc.Pattern)
	if err != nil { // it was read a moment ago; the fold refuses what names none
		return ""
	}
	return p.Pattern
}

// under is the pattern that a request names, as it stands now; nil: none.
func (d *Desk) under(ctx context.Context, doc evidence.Request) ([]evidence.Basis, error) {
	if doc.Pattern.IsZero() {
		return nil, nil
	}
	p, text, err := d.patternText(ctx, doc.Pattern)
	if err != nil {
		return nil, err
	}
	row, err := d.patternRow(ctx, p.Pattern)
	if err != nil {
		return nil, err
	}
	return []evidence.Basis{{Text: text, Stands: row.Document == doc.Pattern && d.notStanding(row) == ""}}, nil
}

// basis is under with the pattern's own agreement, for evidence.Check.
func (d *Desk) basis(ctx context.Context, doc evidence.Request, stands bool) ([]evidence.Basis, error) {
	if doc.Pattern.IsZero() {
		return nil, nil
	}
	p, text, err := d.patternText(ctx, doc.Pattern)
	if err != nil || !stands {
		return []evidence.Basis{{Text: text}}, err
	}
	row, err := d.patternRow(ctx, p.Pattern)
	if err != nil {
		return nil, err
	}
	b := evidence.Basis{Text: text, Stands: true}
	if b.Plant, err = d.plantOf(ctx, p.Plant); err != nil {
		return nil, err
	}
	all, err := d.patternAnswers(ctx, row)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if slices.Contains(row.Counted, a.given.Leaf.String()) {
			b.Answers = append(b.Answers, a.given)
		}
	}
	b.Keys, err = d.keysOf(ctx, b.Answers...)
	return []evidence.Basis{b}, err
}

// basisNow is the basis of a window that is agreed now; pattern names it where it stands.
func (d *Desk) basisNow(ctx context.Context, r requestRow, doc evidence.Request) (list []evidence.Basis, pattern string, err error) {
	under, err := d.under(ctx, doc)
	if err != nil || len(under) == 0 {
		return nil, "", err
	}
	if under[0].Stands {
		pattern = r.Pattern
	}
	list, err = d.basis(ctx, doc, under[0].Stands)
	return list, pattern, err
}

// basisOf is the basis on which a window was agreed. Whether the pattern stood then
// is the log's word: the fold refuses a window.agreed under one that does not.
func (d *Desk) basisOf(ctx context.Context, w windowRow, doc evidence.Request) ([]evidence.Basis, error) {
	return d.basis(ctx, doc, w.Pattern != "")
}

// standsStill refuses to open what was agreed under a pattern that stands no more.
func (d *Desk) standsStill(ctx context.Context, w windowRow) error {
	if w.Pattern == "" {
		return nil
	}
	row, err := d.patternRow(ctx, w.Pattern)
	if err != nil {
		return err
	}
	if why := d.notStanding(row); why != "" {
		return refuse("pattern-over", "%s was agreed under %s, and %s. Ask anew.", w.Window, w.Pattern, why)
	}
	return nil
}

// stands is nil if a window may be agreed under a pattern by this event: the one
// that its request names, and it stands by the rows before.
func stands(ctx context.Context, rows state.Reader, pattern, named string) error {
	if pattern == "" {
		return nil
	}
	p, err := load[patternRow](ctx, rows, patternKey(pattern))
	if err != nil {
		return err
	}
	if pattern != named || p.value.State != PatternAgreed {
		return illegal(pattern, string(p.value.State), "used")
	}
	return nil
}

// Pattern is one pattern; everybody of the plant sees all, a vendor's person the
// firm's own.
func (d *Desk) Pattern(ctx context.Context, by people.Actor, id string) (Pattern, error) {
	row, err := d.patternRow(ctx, id)
	if err != nil {
		return Pattern{}, err
	}
	if err := seen(by, row.Firm, "pattern", id); err != nil {
		return Pattern{}, err
	}
	v, err := d.patternView(ctx, row)
	if err != nil {
		return v, err
	}
	all, err := d.Windows(ctx, by)
	for _, w := range all {
		if w.Pattern == id {
			v.Windows = append(v.Windows, w.ID)
		}
	}
	return v, err
}

// Patterns are the newest 500, newest first.
func (d *Desk) Patterns(ctx context.Context, by people.Actor) ([]Pattern, error) {
	return listed(ctx, d, "pattern/", func(row state.Row) (Pattern, bool, error) {
		p := patternRow{row: row.Rev}
		if err := decode(row, &p); err != nil {
			return Pattern{}, false, err
		}
		if seen(by, p.Firm, "pattern", p.Pattern) != nil {
			return Pattern{}, false, nil
		}
		v, err := d.patternView(ctx, p)
		return v, true, err
	})
}

func (d *Desk) patternView(ctx context.Context, row patternRow) (Pattern, error) {
	doc, _, err := d.patternText(ctx, row.Document)
	if err != nil {
		return Pattern{}, err
	}
	v := Pattern{ID: row.Pattern, State: row.State, Document: doc, Hash: row.Document, Agreed: row.Agreed, Over: row.Over, OverBy: policy.PersonID(row.OverBy), Why: row.Why, Follower: row.Follower}
	for _, b := range row.Doubts {
		v.Doubts = append(v.Doubts, Doubt{policy.WindowID(b.Window), policy.PersonID(b.By), b.Why, b.At})
	}
	if v.State == PatternAgreed && !d.now().Before(row.Ends) {
		v.State = PatternEnded
	}
	if _, err := evidence.PatternQuorum(d.plant(), doc); err != nil {
		v.Unfit = because(err)
	}
	q, err := d.patternQuorum(ctx, row)
	if err != nil {
		return v, err
	}
	v.Needs, v.Proof = q.Needs, q.Proof
	given, err := d.patternAnswers(ctx, row)
	if err != nil {
		return v, err
	}
	var yes [][]policy.Role
	for _, g := range given {
		a := g.answer
		v.Answers = append(v.Answers, AnswerLine{Person: policy.PersonID(a.Person), Role: policy.Role(a.Role), Says: a.Says, Why: a.Why, At: a.At, Proof: a.Proof.Kind, Leaf: g.given.Leaf})
		if a.Says == evidence.Yes {
			yes = append(yes, named[policy.Role](g.given.Roles))
		}
	}
	if row.State == PatternWaiting {
		v.Left = left(v.Needs, yes)
	}
	return v, nil
}

// patternQuorum is who must agree to a pattern, by the plant file that it names.
func (d *Desk) patternQuorum(ctx context.Context, row patternRow) (policy.Quorum, error) {
	doc, _, err := d.patternText(ctx, row.Document)
	if err != nil {
		return policy.Quorum{}, err
	}
	plant, err := d.plantOf(ctx, row.Plant)
	if err != nil {
		return policy.Quorum{}, err
	}
	return evidence.PatternQuorum(plant, doc)
}

// patternAnswers reads the answers to a pattern from their leaves.
func (d *Desk) patternAnswers(ctx context.Context, p patternRow) ([]given, error) {
	return d.answersTo(ctx, p.Pattern, p.Answers, func(body audit.Body) (uttered, bool) {
		b, ok := body.(audit.PatternAnswered)
		return uttered{b.Person, b.Says, b.Firm, b.Roles, b.Document}, ok && b.Pattern == p.Pattern
	})
}

// underView is the pattern of a request, for a page.
func (d *Desk) underView(ctx context.Context, r requestRow) (*Under, error) {
	if r.Pattern == "" {
		return nil, nil
	}
	row, err := d.patternRow(ctx, r.Pattern)
	if err != nil {
		return nil, err
	}
	v, err := d.patternView(ctx, row)
	if err != nil {
		return nil, err
	}
	u := &Under{ID: v.ID, Frame: v.Document.Frame, Purpose: v.Document.Purpose, Agreed: v.Agreed, Why: d.notStanding(row)}
	for _, a := range v.Answers {
		if a.Says == evidence.Yes {
			u.By = append(u.By, a)
		}
	}
	u.Stands = u.Why == ""
	if r.Window != "" {
		w, err := d.windowRow(ctx, policy.WindowID(r.Window))
		if err != nil {
			return nil, err
		}
		u.Stands = w.Pattern != ""
	}
	return u, nil
}
