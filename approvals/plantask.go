package approvals

import (
	"context"
	"fmt"

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
		return refuse("nothing-changes", "This plant file is the one in force. Change it first, then propose it.")
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
			return refuse("proposed-already", "This is %s, which waits already. Answer that one.", id)
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
	r, err := r.to(document)
	if err != nil {
		return err
	}
	a, p, row, err := d.fittedPlant(ctx, by, id, document, r)
	if err != nil {
		return err
	}
	a, err = d.prove(ctx, by, p, a, r.Signed,
		func() ([]given, error) { return d.plantAnswers(ctx, row) },
		func() (policy.Quorum, error) {
			from, err := d.plantOf(ctx, row.From)
			if err != nil {
				return policy.Quorum{}, err
			}
			return policy.Quorum{Proof: from.ChangeProof()}, nil
		})
	if err != nil {
		return err
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
	a, _, _, err := d.fittedPlant(ctx, by, id, document, r)
	return d.withText(ctx, a, err)
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
	about := proposal{id: v.ID, what: "a change of the plant file", text: v.Hash, state: string(v.State), waits: v.State == ChangeWaiting, by: row.Until, answers: v.Answers, needs: v.Needs, left: v.Left}
	if v.Stale {
		about.unfit = refuse("stale-change", "Another plant file has come in force since %s was proposed. Let it be proposed anew.", v.ID)
	}
	a, err = d.fitProposal(p, about, document, r)
	return a, p, row, err
}
