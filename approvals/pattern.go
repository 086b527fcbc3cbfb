package approvals

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
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

func (d *Desk) patternRow(ctx context.Context, id string) (patternRow, error) {
	row, err := d.row(ctx, patternKey(id))
	if errors.Is(err, fs.ErrNotExist) {
		return patternRow{}, refuse("no-such-pattern", "There is no pattern %.40q. See `patterns` for those you may see.", id)
	}
	if err != nil {
		return patternRow{}, err
	}
	p := patternRow{row: row.Rev}
	return p, decode(row, &p)
}

// PatternAsk is what a person fills in; ProposePattern makes the document of it.
type PatternAsk struct {
	Frame   string // name in the plant file
	Follows string // the pattern that it shall take the place of; empty: none
	Firm    policy.FirmID
	People  []policy.PersonID // on call
	Targets []policy.Target
	Rights  policy.Rights
	Minutes int
	Gates   []string
	Purpose string
	Until   time.Time // zero: the review of its frame
	Review  time.Time // zero: the review of its frame
}

// ProposePattern puts a pattern before those who must agree to it, by somebody of
// the plant with a role. It changes nothing yet.
func (d *Desk) ProposePattern(ctx context.Context, by people.Actor, a PatternAsk) (Pattern, error) {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return Pattern{}, err
	}
	id, err := again(func() (string, error) { return d.proposePattern(ctx, by, a) })
	if err != nil {
		return Pattern{}, err
	}
	return d.Pattern(ctx, by, id)
}

func (d *Desk) proposePattern(ctx context.Context, by people.Actor, a PatternAsk) (string, error) {
	p, err := d.governor(ctx, by)
	if err != nil {
		return "", err
	}
	plant, at := d.plant(), d.second()
	frame, there := plant.Pattern(a.Frame)
	if !there {
		return "", refuse("no-such-frame", "The plant file has no pattern %.40q. What it declares is on the page Patterns.", a.Frame)
	}
	ends := plant.Ends(frame)
	a.Until, a.Review = cmp.Or(utc(a.Until), whole(ends)), cmp.Or(utc(a.Review), whole(ends))
	doc := evidence.Pattern{V: 1, Pattern: d.heads.next("pattern/P-"), Frame: a.Frame, Follows: a.Follows, Firm: string(a.Firm), By: string(by.Person),
		People: sorted(words(a.People)), Assets: asTargets(a.Targets), Rights: (a.Rights | policy.Look).Words(), Minutes: a.Minutes, Gates: sorted(a.Gates),
		Purpose: strings.TrimSpace(a.Purpose), At: at, DecideBy: at.Add(changeTime), Until: a.Until, Review: a.Review, Plant: d.inForce(), Nonce: nonce()}
	if len(doc.Gates) == 0 {
		doc.Gates = nil
	}
	b, err := audit.Canonical(doc)
	if err != nil {
		return "", asRefusal("bad-text", err)
	}
	if _, err := evidence.ParsePattern(b); err != nil {
		return "", asRefusal("bad-text", err)
	}
	if _, err := evidence.PatternQuorum(plant, doc); err != nil {
		return "", asRefusal("pattern-frame", err)
	}
	on, err := d.patternPeople(ctx, plant, doc)
	if err != nil {
		return "", err
	}
	if err := d.roomForPattern(ctx, doc); err != nil {
		return "", err
	}
	if _, err := d.docs.Put(ctx, plant.Document()); err != nil {
		return "", fmt.Errorf("keep the plant file: %w", err)
	}
	hash, err := d.docs.Put(ctx, b)
	if err != nil {
		return "", fmt.Errorf("keep the pattern: %w", err)
	}
	body := audit.PatternProposed{Pattern: doc.Pattern, Frame: doc.Frame, Firm: doc.Firm, By: doc.By, Document: hash, Plant: doc.Plant, DecideBy: doc.DecideBy, Ends: doc.Ends(), Follows: doc.Follows}
	_, err = d.commit(ctx, patternKey(doc.Pattern), 1, doc.By, body, append(on, p)...)
	return doc.Pattern, err
}

// patternPeople asks whether somebody on call could ever use it: known people of
// the firm, on ways in that the plant's rules let them have.
func (d *Desk) patternPeople(ctx context.Context, plant *policy.Plant, doc evidence.Pattern) (on []people.Person, err error) {
	f, err := d.roster.Firm(ctx, policy.FirmID(doc.Firm))
	if errors.Is(err, fs.ErrNotExist) || err == nil && f.Plant {
		return nil, refuse("no-such-firm", "A pattern is for another firm; %.40q is not known here, or is the plant itself.", doc.Firm)
	}
	if err != nil {
		return nil, fmt.Errorf("look up firm %s: %w", doc.Firm, err)
	}
	for _, id := range doc.People {
		p, err := d.roster.Person(ctx, policy.PersonID(id))
		if errors.Is(err, fs.ErrNotExist) || err == nil && (p.Disabled || string(p.Firm) != doc.Firm) {
			return nil, refuse("no-such-person", "%s is not an active person of firm %s. The plant must invite and confirm everybody who is on call.", id, doc.Firm)
		}
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", id, err)
		}
		on = append(on, p)
	}
	for _, t := range asPolicy(doc.Assets) {
		a, _ := plant.Asset(t.Asset)
		port, there := a.Port(t.Port)
		if _, login := port.Account(t.Account); !there || login == (t.Account == "") && len(port.Accounts) > 0 {
			return nil, refuse("pattern-frame", "%s has no such way in: %s.", t.Asset, strings.TrimSpace(string(t.Port)+" "+string(t.Account)))
		}
	}
	return on, nil
}

// roomForPattern refuses a flood, and what follows nothing that it could follow.
func (d *Desk) roomForPattern(ctx context.Context, doc evidence.Pattern) error {
	if doc.Follows != "" {
		old, err := d.patternRow(ctx, doc.Follows)
		if err != nil {
			return err
		}
		if old.Firm != doc.Firm || old.State == PatternWaiting || old.Follower != "" {
			return refuse("bad-follows", "%s cannot be agreed again by this: it is of another firm, still waits, or was agreed again already.", doc.Follows)
		}
	}
	waiting := 0
	return d.each(ctx, "pattern/", func(id string) error {
		p, err := d.patternRow(ctx, id)
		if err != nil || p.State != PatternWaiting {
			return err
		}
		if waiting++; waiting >= mostPatterns {
			return refuse("too-many-patterns", "%d patterns wait for their answers already. Let one be withdrawn.", waiting)
		}
		return nil
	})
}

// AnswerPattern is one person's yes or no (or a question) to exactly the text whose
// hash is given. Yes asks for what the rules ask of a yes: a signature, or a code.
func (d *Desk) AnswerPattern(ctx context.Context, by people.Actor, id string, document audit.Hash, r Reply) (Pattern, error) {
	_, err := again(func() (none, error) { return none{}, d.answerPattern(ctx, by, id, document, r) })
	if err != nil {
		return Pattern{}, err
	}
	if _, err := d.settlePattern(ctx, id); err != nil {
		return Pattern{}, fmt.Errorf("the answer stands; what follows from it: %w", err)
	}
	return d.Pattern(ctx, by, id)
}

func (d *Desk) answerPattern(ctx context.Context, by people.Actor, id string, document audit.Hash, r Reply) error {
	if s := r.Signed; s != nil {
		if s.Request != document {
			return refuse("signed-other", "What you signed answers another text than this one. Nothing was done; look again, then sign.")
		}
		r = Reply{Says: s.Says, Role: policy.Role(s.Role), Why: s.Why, Signed: s}
	}
	a, p, row, err := d.fittedPattern(ctx, by, id, document, r)
	if err != nil {
		return err
	}
	switch {
	case r.Signed != nil:
		before, err := d.patternAnswers(ctx, row)
		if err == nil {
			err = once(*r.Signed, before)
		}
		if err == nil {
			err = d.signature(ctx, p, a, *r.Signed)
		}
		if err != nil {
			return err
		}
		a = *r.Signed
	case a.Says == evidence.Yes:
		q, err := d.patternQuorum(ctx, row)
		if err != nil {
			return err
		}
		if err := d.coded(by, p, q); err != nil {
			return err
		}
		a.Proof = totp(by)
	}
	hash, err := d.sign(ctx, a)
	if err != nil {
		return err
	}
	body := audit.PatternAnswered{Pattern: id, Person: a.Person, Firm: a.Firm, Roles: sorted(words(p.Roles)), Says: a.Says, Document: hash}
	_, err = d.commit(ctx, patternKey(id), row.row+1, a.Person, body, p)
	return err
}

// DraftPattern is the answer that AnswerPattern would write for this reply, without
// a proof, and the pattern's own text: what the person signs, and then gives as
// Reply.Signed. Nothing is written.
func (d *Desk) DraftPattern(ctx context.Context, by people.Actor, id string, document audit.Hash, r Reply) (evidence.Answer, []byte, error) {
	r.Signed = nil
	a, _, row, err := d.fittedPattern(ctx, by, id, document, r)
	if err != nil {
		return a, nil, err
	}
	b, err := d.docs.Get(ctx, row.Document)
	if err != nil {
		return a, nil, fmt.Errorf("read the text of %s: %w", id, err)
	}
	return a, b, nil
}

// fittedPattern is the answer that a reply makes, without its proof.
func (d *Desk) fittedPattern(ctx context.Context, by people.Actor, id string, document audit.Hash, r Reply) (a evidence.Answer, p people.Person, row patternRow, err error) {
	if row, err = d.patternRow(ctx, id); err != nil {
		return a, p, row, err
	}
	if p, err = d.governor(ctx, by); err != nil {
		return a, p, row, err
	}
	v, err := d.patternView(ctx, row)
	if err != nil {
		return a, p, row, err
	}
	if string(p.Firm) == v.Document.Firm || slices.Contains(v.Document.People, string(p.ID)) {
		return a, p, row, refuse("own-request", "Whoever is on call in a pattern or is of that firm never agrees to it.")
	}
	if r, err = d.fitPattern(p, v, document, r); err != nil {
		return a, p, row, err
	}
	return evidence.Answer{V: 1, Request: row.Document, Person: string(p.ID), Firm: string(p.Firm), Role: string(r.Role), Says: r.Says, Why: r.Why,
		Nonce: nonce(), At: d.second(), DecideBy: row.DecideBy}, p, row, nil
}

// fitPattern checks what is said against the pattern and fills in the role.
func (d *Desk) fitPattern(p people.Person, v Pattern, document audit.Hash, r Reply) (Reply, error) {
	stands := slices.ContainsFunc(v.Answers, func(a AnswerLine) bool { return a.Person == p.ID && a.Says == evidence.Yes })
	switch {
	case document != v.Hash:
		return r, refuse("stale-revision", "This is not the text of %s. Read it again before you answer.", v.ID)
	case v.State != PatternWaiting:
		return r, refuse("not-waiting", "%s is %s; it takes no answers.", v.ID, v.State)
	case !d.now().Before(v.Document.DecideBy):
		return r, refuse("too-late", "%s had to be decided by %s.", v.ID, v.Document.DecideBy.In(d.plant().Location()).Format("2006-01-02 15:04"))
	case v.Unfit != "" && r.Says == evidence.Yes:
		return r, refuse("pattern-frame", "The plant file has changed, and %s does not fit it any more: %s. Let it be proposed anew.", v.ID, v.Unfit)
	case len(v.Answers) >= mostAnswers:
		return r, refuse("too-many-answers", "%s has %d answers already. Let it be proposed anew.", v.ID, len(v.Answers))
	case stands && r.Says == evidence.Yes:
		return r, refuse("already-answered", "You have said yes to this pattern. Say no to take it back while it is not agreed.")
	}
	if err := text("why", r.Why, evidence.MaxReason); err != nil {
		return r, err
	}
	r.Limits, r.NotBefore = evidence.Limits{}, time.Time{}
	switch r.Says {
	case evidence.Yes, evidence.No, evidence.Question:
	default:
		return r, refuse("bad-answer", "An answer to a pattern is yes, no or question.")
	}
	needs := v.Needs
	if r.Says == evidence.Yes && len(v.Left) > 0 {
		needs = v.Left
	}
	picked, err := pickRole(p, needs, r)
	if err != nil { // another's yes moves to make room for this one
		picked, err = pickRole(p, v.Needs, r)
	}
	return picked, err
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
			return "", refuse("doubted-already", "Somebody has said so of %s already.", id)
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
		now, next := d.now(), p.Ends
		switch p.State {
		case PatternWaiting:
			if next = earlier(p.DecideBy, p.Ends); !now.Before(next) {
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
		n := len(v.Answers) + 1
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
