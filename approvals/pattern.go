package approvals

import (
	"context"
	"fmt"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// mostPatterns bounds the patterns that wait for their answers at a time.
const mostPatterns = 20

// PatternState is one of the words of patternSteps.
type PatternState string

const (
	PatternWaiting    PatternState = "waiting"
	PatternRefused    PatternState = "refused"
	PatternUnanswered PatternState = "unanswered"
	PatternAgreed     PatternState = "agreed"    // it stands
	PatternReview     PatternState = "review"    // used outside its purpose: it stands no more until it is agreed again
	PatternWithdrawn  PatternState = "withdrawn" // by either party
	PatternEnded      PatternState = "ended"     // its end, or its review, has come
	PatternReplaced   PatternState = "replaced"  // agreed again, as another one
)

// patternSteps is every step of a pattern.
var patternSteps = map[PatternState][]PatternState{
	"":             {PatternWaiting},
	PatternWaiting: {PatternAgreed, PatternRefused, PatternWithdrawn, PatternUnanswered},
	PatternAgreed:  {PatternReview, PatternWithdrawn, PatternEnded, PatternReplaced},
	PatternReview:  {PatternWithdrawn, PatternEnded, PatternReplaced},
}

// Doubt is somebody's word that a window was used outside its pattern's purpose.
type Doubt struct {
	Window policy.WindowID
	By     policy.PersonID
	Why    string
	At     time.Time
}

// Pattern is an agreement made by day: its text, its answers and where it stands.
type Pattern struct {
	ID       string // P-1
	State    PatternState
	Document evidence.Pattern
	Hash     audit.Hash    // of the canonical document
	Needs    []policy.Need // all who must say yes
	Left     []policy.Need // of these, who still has to
	Proof    string        // policy.ByKey or ByCode: what a yes rests on
	Answers  []AnswerLine
	Agreed   time.Time // since when it stands; zero: it never did
	Doubts   []Doubt
	Over     time.Time // withdrawn, ended or replaced
	OverBy   policy.PersonID
	Why      string
	Follower string            // that took its place
	Windows  []policy.WindowID // that counted on it, newest first
	Unfit    string            // why the plant file in force lets nothing be asked under it; empty: nothing
}

// patternRow is the value of pattern/P-n.
type patternRow struct {
	Pattern  string       `json:"pattern"`
	State    PatternState `json:"state"`
	Firm     string       `json:"firm"`
	By       string       `json:"by"`
	Document audit.Hash   `json:"document"`
	Plant    audit.Hash   `json:"plant"`
	DecideBy time.Time    `json:"decide_by"`
	Ends     time.Time    `json:"ends"`
	Answers  []said       `json:"answers,omitempty"`
	Gone     int          `json:"gone,omitempty"`    // answers that were taken back
	Counted  []string     `json:"counted,omitempty"` // places of the answers that it was agreed by
	Agreed   time.Time    `json:"agreed,omitzero"`
	Doubts   []doubtRow   `json:"doubts,omitempty"`
	Over     time.Time    `json:"over,omitzero"`
	OverBy   string       `json:"over_by,omitempty"`
	Why      string       `json:"why,omitempty"`
	Follows  string       `json:"follows,omitempty"`
	Follower string       `json:"follower,omitempty"`

	row uint64 // revision of the row
}

type doubtRow struct {
	Window string    `json:"window"`
	By     string    `json:"by"`
	Why    string    `json:"why"`
	At     time.Time `json:"at"`
}

func (p *patternRow) move(to PatternState) error {
	if !slices.Contains(patternSteps[p.State], to) {
		return illegal(p.Pattern, string(p.State), string(to))
	}
	p.State = to
	return nil
}

func patternKey(id string) string { return "pattern/" + id }

func (d *Desk) patternRow(ctx context.Context, id string) (p patternRow, err error) {
	rev, there, err := d.read(ctx, patternKey(id), &p)
	if p.row = rev; err == nil && !there {
		err = refuse("no-such-pattern", "There is no pattern %.40q. See `patterns` for those you may see.", id)
	}
	return p, err
}

// WithdrawPattern takes a pattern back, at once: whoever proposed it, or either
// party, somebody who has to agree to it. What was agreed under it and is not open
// opens no more; what is open runs on, and can be cut.
func (d *Desk) WithdrawPattern(ctx context.Context, by people.Actor, id, why string) error {
	if !by.Plant {
		return refuse("not-plant", "Only the plant's own people may do this. Call the control room.")
	}
	d.lapse(id)
	ctx = context.WithoutCancel(ctx) // whoever asked may go; the event must come
	_, err := again(func() (none, error) {
		row, err := d.patternRow(ctx, id)
		if err != nil {
			return none{}, err
		}
		q, err := d.patternQuorum(ctx, row)
		if err != nil {
			return none{}, err
		}
		if string(by.Person) != row.By && !slices.ContainsFunc(q.Needs, func(n policy.Need) bool { return by.Has(n.Role) }) {
			return none{}, refuse("not-asked", "Only who proposed %s, or has to agree to it, may do this: %s.", id, roleList(q.Needs))
		}
		body := audit.PatternMoved{Pattern: id, To: string(PatternWithdrawn), By: string(by.Person), Why: cleaned(why), At: d.second()}
		_, err = d.commit(ctx, patternKey(id), row.row+1, string(by.Person), body)
		return none{}, err
	})
	if err != nil && !refused(err) {
		return d.admitNothing(fmt.Errorf("write that %s is withdrawn", id), err)
	}
	d.unlapse(id)
	if err != nil {
		return err
	}
	return d.askInstead(ctx, id)
}

// askInstead asks those who must agree to what waits under a pattern that stands
// no more.
func (d *Desk) askInstead(ctx context.Context, pattern string) error {
	return d.each(ctx, "request/", func(id string) error {
		r, err := d.requestRow(ctx, policy.RequestID(id))
		if err != nil || r.Pattern != pattern || r.State != RequestWaiting {
			return err
		}
		v, err := d.view(ctx, r)
		if err != nil {
			return err
		}
		return d.tell(ctx, v)
	})
}

func (d *Desk) lapse(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lapsed[id]++
}

func (d *Desk) unlapse(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lapsed[id]--; d.lapsed[id] <= 0 {
		delete(d.lapsed, id)
	}
}

// DoubtPattern says that a window was used outside its pattern's purpose: by the
// operator at the hand-back, or whoever reviews it; once for each window. The
// second such window puts the pattern up for review: it stands no more until it is
// agreed again.
func (d *Desk) DoubtPattern(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Pattern, error) {
	if why = cleaned(why); why == "" {
		return Pattern{}, refuse("bad-text", "Say what was outside the purpose.")
	}
	pattern, err := again(func() (string, error) {
		w, claim, err := d.mended(ctx, id)
		if err != nil {
			return "", err
		}
		if w.Pattern == "" || w.Opened.IsZero() {
			return "", refuse("no-pattern", "%s was not used under a pattern.", id)
		}
		p, err := d.activePlant(ctx, by)
		if err != nil {
			return "", err
		}
		if len(p.Roles) == 0 {
			return "", refuse("no-role", "Only somebody with a role in the plant may do this. Ask OT security.")
		}
		if slices.Contains(claim.People, string(by.Person)) {
			return "", refuse("own-request", "Whoever worked in %s does not judge it.", id)
		}
		row, err := d.patternRow(ctx, w.Pattern)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(row.Doubts, func(b doubtRow) bool { return b.Window == w.Window }) {
			return "", refuse("doubted-already", "Somebody has said so of %s already; it counts once.", id)
		}
		body := audit.PatternDoubted{Pattern: w.Pattern, Window: w.Window, By: string(by.Person), Why: why, At: d.second()}
		_, err = d.commit(ctx, patternKey(w.Pattern), row.row+1, string(by.Person), body, p)
		return w.Pattern, err
	})
	if err != nil {
		return Pattern{}, err
	}
	v, err := d.Pattern(ctx, by, pattern)
	if err == nil && v.State == PatternReview && len(v.Doubts) == evidence.DoubtsToReview {
		err = d.askInstead(ctx, pattern)
	}
	return v, err
}

// settlePattern does what its answers and time do to a pattern.
func (d *Desk) settlePattern(ctx context.Context, id string) (time.Time, error) {
	return d.due(func() (time.Time, bool, error) {
		p, err := d.patternRow(ctx, id)
		if err != nil {
			return never, false, err
		}
		body := audit.PatternMoved{Pattern: id, By: penstock, At: d.second()}
		now := d.now()
		switch p.State {
		case PatternWaiting:
			if next := earlier(p.DecideBy, p.Ends); !now.Before(next) {
				body.To = string(PatternUnanswered)
			} else if body.Answers, err = d.patternAgreedBy(ctx, p); err != nil || len(body.Answers) == 0 {
				return next, false, err
			} else {
				body.To, body.Follows = string(PatternAgreed), p.Follows
			}
		case PatternAgreed, PatternReview:
			if now.Before(p.Ends) {
				return p.Ends, false, nil
			}
			body.To, body.Why = string(PatternEnded), "its end, or its review, has come"
		default:
			return never, false, nil
		}
		_, err = d.commit(ctx, patternKey(id), p.row+1, penstock, body)
		return never, true, err
	})
}

// patternAgreedBy are the places of the answers, where they suffice.
func (d *Desk) patternAgreedBy(ctx context.Context, p patternRow) (places []string, err error) {
	all, err := d.patternAnswers(ctx, p)
	if err != nil {
		return nil, err
	}
	var given []evidence.Given
	for _, a := range all {
		if a.answer.Says == evidence.Yes {
			given, places = append(given, a.given), append(places, a.given.Leaf.String())
		}
	}
	if len(given) == 0 {
		return nil, nil
	}
	plant, err := d.plantOf(ctx, p.Plant)
	if err != nil {
		return nil, err
	}
	text, err := d.docs.Get(ctx, p.Document)
	if err != nil {
		return nil, fmt.Errorf("read pattern %s: %w", p.Pattern, err)
	}
	keys, err := d.keysOf(ctx, given...)
	if err != nil || len(evidence.CheckPattern(plant, text, given, keys)) > 0 {
		return nil, err
	}
	return places, nil
}

// pattern makes the rows of pattern.*.
func (f folder) pattern(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[patternRow](ctx, rows, patternKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	v := &r.value
	switch b := leaf.Body.(type) {
	case audit.PatternProposed:
		if r.rev != 0 {
			return nil, illegal(b.Pattern, string(v.State), "proposed again")
		}
		r.value = patternRow{Pattern: b.Pattern, State: PatternWaiting, Firm: b.Firm, By: b.By, Document: b.Document, Plant: b.Plant, DecideBy: b.DecideBy, Ends: b.Ends, Follows: b.Follows}
	case audit.PatternAnswered:
		if v.State != PatternWaiting {
			return nil, illegal(leaf.Subject, string(v.State), "answered")
		}
		n := len(v.Answers) + v.Gone + 1
		v.Answers = append(v.Answers, said{N: n, Person: b.Person, Roles: b.Roles, Says: b.Says, Document: b.Document})
		if b.Says == evidence.No {
			v.State = PatternRefused
		}
		line := stored[answerRow]{key: answerKey(v.Pattern, n), value: answerRow{v.Pattern, n, b.Document}}
		return both(r.changed())(line.changed())
	case audit.PatternMoved:
		return f.patternMoved(ctx, rows, r, b)
	case audit.PatternDoubted:
		if v.Agreed.IsZero() || slices.ContainsFunc(v.Doubts, func(d doubtRow) bool { return d.Window == b.Window }) || len(v.Doubts) >= evidence.MaxList {
			return nil, illegal(leaf.Subject, string(v.State), "doubted")
		}
		v.Doubts = append(v.Doubts, doubtRow{b.Window, b.By, b.Why, b.At})
		if len(v.Doubts) >= evidence.DoubtsToReview && v.State == PatternAgreed {
			v.State = PatternReview
		}
	}
	return r.changed()
}

func (f folder) patternMoved(ctx context.Context, rows state.Reader, r stored[patternRow], b audit.PatternMoved) ([]state.Change, error) {
	v := &r.value
	if err := v.move(PatternState(b.To)); err != nil {
		return nil, err
	}
	if v.State != PatternAgreed {
		v.Over, v.OverBy, v.Why = b.At, b.By, b.Why
		return r.changed()
	}
	v.Counted, v.Agreed = b.Answers, b.At
	if b.Follows == "" {
		return r.changed()
	}
	old, err := load[patternRow](ctx, rows, patternKey(b.Follows))
	if err != nil {
		return nil, err
	}
	if o := &old.value; o.State == PatternAgreed || o.State == PatternReview {
		o.State, o.Over, o.OverBy = PatternReplaced, b.At, b.By
	}
	old.value.Follower = v.Pattern
	return both(r.changed())(old.changed())
}
