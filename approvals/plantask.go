package approvals

import (
	"context"
	"fmt"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// Propose puts a new plant file before those whom it touches. It changes
// nothing yet.
func (d *Desk) Propose(ctx context.Context, by people.Actor, bundle []byte, why string) (PlantChange, error) {
	id, err := again(func() (string, error) { return d.propose(ctx, by, bundle, why) })
	if err != nil {
		return PlantChange{}, err
	}
	return d.PlantChange(ctx, by, id)
}

func (d *Desk) propose(ctx context.Context, by people.Actor, bundle []byte, why string) (string, error) {
	p, err := d.governor(ctx, by)
	if err != nil {
		return "", err
	}
	if why == "" {
		return "", refuse("bad-text", "Say why the plant file shall change.")
	}
	if err := text("why", why, evidence.MaxReason); err != nil {
		return "", err
	}
	if _, err := d.ReadPlant(bundle); err != nil {
		return "", err
	}
	if err := d.roomForChange(ctx, bundle); err != nil {
		return "", err
	}
	to, err := d.docs.Put(ctx, bundle)
	if err != nil {
		return "", fmt.Errorf("keep the plant file: %w", err)
	}
	at := d.second()
	doc := evidence.PlantChange{V: 1, Change: d.heads.next("change/C-"), By: string(by.Person), From: d.inForce(), To: to, Why: why, At: at, Until: at.Add(changeTime), Nonce: nonce()}
	b, err := audit.Canonical(doc)
	if err != nil {
		return "", asRefusal("bad-text", err)
	}
	if _, err := evidence.ParsePlantChange(b); err != nil {
		return "", asRefusal("bad-text", err)
	}
	hash, err := d.docs.Put(ctx, b)
	if err != nil {
		return "", fmt.Errorf("keep the change: %w", err)
	}
	body := audit.PlantProposed{Change: doc.Change, By: doc.By, Document: hash, From: doc.From, To: doc.To, Until: doc.Until}
	_, err = d.commit(ctx, changeKey(doc.Change), 1, doc.By, body, p)
	return doc.Change, err
}

// roomForChange refuses what is in force or proposed already, and a flood.
func (d *Desk) roomForChange(ctx context.Context, bundle []byte) error {
	to := audit.HashOf(bundle)
	if to == d.inForce() {
		return refuse("nothing-changes", "This plant file is the one in force.")
	}
	waiting := 0
	return d.each(ctx, "change/", func(id string) error {
		c, err := d.changeRow(ctx, id)
		if err != nil || c.State != ChangeWaiting {
			return err
		}
		if waiting++; waiting >= mostChanges {
			return refuse("too-many-changes", "%d changes of the plant file wait already. Let one be withdrawn.", waiting)
		}
		if c.To == to && c.From == d.inForce() {
			return refuse("proposed-already", "This is %s, which waits already.", id)
		}
		return nil
	})
}

// AnswerPlant is one person's yes or no (or a question) to exactly the change
// whose document hash is given. Yes asks for a code proved within 5 minutes.
func (d *Desk) AnswerPlant(ctx context.Context, by people.Actor, id string, document audit.Hash, r Reply) (PlantChange, error) {
	_, err := again(func() (none, error) { return none{}, d.answerPlant(ctx, by, id, document, r) })
	if err != nil {
		return PlantChange{}, err
	}
	return d.PlantChange(ctx, by, id)
}

func (d *Desk) answerPlant(ctx context.Context, by people.Actor, id string, document audit.Hash, r Reply) error {
	if s := r.Signed; s != nil {
		if s.Request != document {
			return refuse("signed-other", "What you signed answers another text than this one. Nothing was done; look again, then sign.")
		}
		r = Reply{Says: s.Says, Role: policy.Role(s.Role), Why: s.Why, Signed: s}
	}
	a, p, row, err := d.fittedPlant(ctx, by, id, document, r)
	if err != nil {
		return err
	}
	switch {
	case r.Signed != nil:
		before, err := d.plantAnswers(ctx, row)
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
		from, err := d.plantOf(ctx, row.From)
		if err != nil {
			return err
		}
		if err := d.coded(by, p, policy.Quorum{Proof: from.ChangeProof()}); err != nil {
			return err
		}
		a.Proof = totp(by)
	}
	hash, err := d.sign(ctx, a)
	if err != nil {
		return err
	}
	body := audit.PlantAnswered{Change: id, Person: a.Person, Firm: a.Firm, Roles: sorted(words(p.Roles)), Says: a.Says, Document: hash}
	_, err = d.commit(ctx, changeKey(id), row.row+1, a.Person, body, p)
	return err
}

// DraftPlant is the answer that AnswerPlant would write for this reply, without
// a proof, and the change's own text: what the person signs, and then gives as
// Reply.Signed. Nothing is written.
func (d *Desk) DraftPlant(ctx context.Context, by people.Actor, id string, document audit.Hash, r Reply) (evidence.Answer, []byte, error) {
	r.Signed = nil
	a, _, row, err := d.fittedPlant(ctx, by, id, document, r)
	if err != nil {
		return a, nil, err
	}
	b, err := d.docs.Get(ctx, row.Document)
	if err != nil {
		return a, nil, fmt.Errorf("read the text of %s: %w", id, err)
	}
	return a, b, nil
}

// fittedPlant is the answer that a reply makes, without its proof.
func (d *Desk) fittedPlant(ctx context.Context, by people.Actor, id string, document audit.Hash, r Reply) (a evidence.Answer, p people.Person, row changeRow, err error) {
	if row, err = d.changeRow(ctx, id); err != nil {
		return a, p, row, err
	}
	if p, err = d.governor(ctx, by); err != nil {
		return a, p, row, err
	}
	v, err := d.changeView(ctx, row)
	if err != nil {
		return a, p, row, err
	}
	if r, err = d.fitPlant(p, v, document, r); err != nil {
		return a, p, row, err
	}
	return evidence.Answer{V: 1, Request: row.Document, Person: string(p.ID), Firm: string(p.Firm), Role: string(r.Role), Says: r.Says, Why: r.Why,
		Nonce: nonce(), At: d.second(), DecideBy: row.Until}, p, row, nil
}

// fitPlant checks what is said against the change and fills in the role.
func (d *Desk) fitPlant(p people.Person, v PlantChange, document audit.Hash, r Reply) (Reply, error) {
	switch stands := slices.ContainsFunc(v.Answers, func(a AnswerLine) bool { return a.Person == p.ID && a.Says == evidence.Yes }); {
	case document != v.Hash:
		return r, refuse("stale-revision", "This is not the text of %s. Read it again before you answer.", v.ID)
	case v.State != ChangeWaiting:
		return r, refuse("not-waiting", "%s is %s; it takes no answers.", v.ID, v.State)
	case !d.now().Before(v.Document.Until):
		return r, refuse("too-late", "%s had to be decided by %s.", v.ID, v.Document.Until.In(d.plant().Location()).Format("2006-01-02 15:04"))
	case v.Stale && r.Says == evidence.Yes:
		return r, refuse("stale-change", "Another plant file has come in force since %s was proposed. Let it be proposed anew.", v.ID)
	case len(v.Answers) >= mostAnswers:
		return r, refuse("too-many-answers", "%s has %d answers already. Let it be proposed anew.", v.ID, len(v.Answers))
	case stands && r.Says == evidence.Yes:
		return r, refuse("already-answered", "You have said yes to this change. Say no to take it back while it is not in force.")
	}
	if err := text("why", r.Why, evidence.MaxReason); err != nil {
		return r, err
	}
	r.Limits, r.NotBefore = evidence.Limits{}, time.Time{}
	switch r.Says {
	case evidence.Yes, evidence.No, evidence.Question:
	default:
		return r, refuse("bad-answer", "An answer to a change of the plant file is yes, no or question.")
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
