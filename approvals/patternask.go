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
	"penstock/audit"
	"penstock/policy"
)

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

	Registers []string // that alone may be changed under it, as policy.OnlyOf reads them; empty: the frame's

	Until  time.Time // zero: the review of its frame
	Review time.Time // zero: the review of its frame
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
	a.Until, a.Review = cmp.Or(utc(a.Until), whole(earlier(ends, at.Add(evidence.MaxPatternTime)))), cmp.Or(utc(a.Review), whole(ends))
	doc := evidence.Pattern{V: 1, Pattern: d.heads.next("pattern/P-"), Frame: a.Frame, Follows: a.Follows, Firm: string(a.Firm), By: string(by.Person),
		People: sorted(words(a.People)), Assets: asTargets(a.Targets), Rights: (a.Rights | policy.Look).Words(), Minutes: a.Minutes, Gates: sorted(a.Gates),
		Purpose: strings.TrimSpace(a.Purpose), At: at, DecideBy: at.Add(changeTime), Until: a.Until, Review: a.Review, Plant: d.inForce(), Nonce: nonce()}
	if len(doc.Gates) == 0 {
		doc.Gates = nil
	}
	only, err := plant.OnlyOf(a.Targets, a.Registers)
	if err != nil {
		return "", err
	}
	if len(a.Registers) == 0 {
		only = policy.OnlyFor(frame.Only, a.Targets)
	}
	doc.Registers = evidence.AsRegisters(only)
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
	r, err := r.to(document)
	if err != nil {
		return err
	}
	a, p, row, err := d.fittedPattern(ctx, by, id, document, r)
	if err != nil {
		return err
	}
	a, err = d.prove(ctx, by, p, a, r.Signed,
		func() ([]given, error) { return d.patternAnswers(ctx, row) },
		func() (policy.Quorum, error) { return d.patternQuorum(ctx, row) })
	if err != nil {
		return err
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
	a, _, _, err := d.fittedPattern(ctx, by, id, document, r)
	return d.withText(ctx, a, err)
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
	about := proposal{id: v.ID, what: "a pattern", text: v.Hash, state: string(v.State), waits: v.State == PatternWaiting, by: row.DecideBy, answers: v.Answers, needs: v.Needs, left: v.Left}
	if v.Unfit != "" {
		about.unfit = refuse("pattern-frame", "The plant file has changed, and %s does not fit it any more: %s. Let it be proposed anew.", v.ID, v.Unfit)
	}
	a, err = d.fitProposal(p, about, document, r)
	return a, p, row, err
}
