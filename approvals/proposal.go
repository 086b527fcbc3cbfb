package approvals

import (
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// proposal is what is answered as a whole, by yes or no and without limits: a
// pattern, or a change of the plant file.
type proposal struct {
	id, what string     // P-1, "a pattern"
	text     audit.Hash // of its canonical document
	state    string
	waits    bool
	by       time.Time // when it must be decided
	unfit    error     // why no yes is taken; nil: it is
	answers  []AnswerLine
	needs    []policy.Need
	left     []policy.Need // of these, who still has to say yes
}

// fitProposal is the answer that a person's reply makes, without its proof.
func (d *Desk) fitProposal(p people.Person, about proposal, document audit.Hash, r Reply) (evidence.Answer, error) {
	stands := slices.ContainsFunc(about.answers, func(a AnswerLine) bool { return a.Person == p.ID && a.Says == evidence.Yes })
	at, none := d.second(), evidence.Answer{}
	switch {
	case document != about.text:
		return none, refuse("stale-revision", "This is not the text of %s. Read it again before you answer.", about.id)
	case !about.waits:
		return none, refuse("not-waiting", "%s is %s; it takes no answers.", about.id, about.state)
	case !d.now().Before(about.by):
		return none, refuse("too-late", "%s had to be decided by %s. Let it be proposed anew.", about.id, about.by.In(d.plant().Location()).Format("2006-01-02 15:04"))
	case about.unfit != nil && r.Says == evidence.Yes:
		return none, about.unfit
	case len(about.answers) >= mostAnswers:
		return none, refuse("too-many-answers", "%s has %d answers already. Let it be proposed anew.", about.id, len(about.answers))
	case stands && r.Says == evidence.Yes:
		return none, refuse("already-answered", "You have said yes to %s. Say no to take it back while it still waits.", about.id)
	case !slices.Contains([]string{evidence.Yes, evidence.No, evidence.Question}, r.Says):
		return none, refuse("bad-answer", "An answer to %s is yes, no or question.", about.what)
	case r.limited() || !r.NotBefore.IsZero() || r.Spoken != "": // nobody shall believe that they limited it
		return none, refuse("bad-answer", "An answer to %s is to all of it, from now on, and one's own: leave limits, a later time and the telephone out.", about.what)
	}
	if err := text("why", r.Why, evidence.MaxReason); err != nil {
		return none, err
	}
	needs := about.needs
	if r.Says == evidence.Yes && len(about.left) > 0 {
		needs = about.left
	}
	picked, err := pickRole(p, needs, r)
	if err != nil { // another's yes moves to make room for this one
		picked, err = pickRole(p, about.needs, r)
	}
	return evidence.Answer{V: 1, Request: about.text, Person: string(p.ID), Firm: string(p.Firm), Role: string(picked.Role), Says: r.Says, Why: r.Why,
		Nonce: nonce(), At: at, DecideBy: about.by}, err
}
