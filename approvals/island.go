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

// An island is set by one tap and waits for nothing (Desk.Island). Lifting it
// gives everything back at once, so two people say so, zone by zone or for all
// that is left, and each rests on what a change of the plant file would rest on.

// liftRow is one word for lifting an island.
type liftRow struct {
	N        int        `json:"n"` // from 1
	Zone     string     `json:"zone,omitempty"`
	Text     audit.Hash `json:"text"`
	Person   string     `json:"person"`
	Document audit.Hash `json:"document"`
	At       time.Time  `json:"at"`
}

// mostWords bounds the words for lifting one island: zones and second thoughts.
const mostWords = 200

// Lifting is how far the lifting of an island for one zone is; Zone empty: for
// all that is left of it.
type Lifting struct {
	Block  string
	Zone   policy.ZoneName
	By     policy.PersonID // the first of the two
	At     time.Time
	Until  time.Time // the second word comes before, or the first is for nothing
	Lifted bool
}

// Liftings are the words that wait for a second person's, by block.
func (d *Desk) Liftings(ctx context.Context, by people.Actor) (map[string][]Lifting, error) {
	if err := d.ofPlant(by); err != nil {
		return nil, err
	}
	all := map[string][]Lifting{}
	err := d.each(ctx, "block/", func(id string) error {
		b, err := d.blockRow(ctx, id)
		if err != nil || b.Lifted != "" {
			return err
		}
		for i, word := range b.Words {
			newest := !slices.ContainsFunc(b.Words[i+1:], func(o liftRow) bool { return o.Zone == word.Zone })
			if newest && b.waits(word, d.now()) {
				all[id] = append(all[id], word.lifting(id))
			}
		}
		return nil
	})
	return all, err
}

// IsIsland says whether it takes two people to lift a block.
func (d *Desk) IsIsland(ctx context.Context, id string) (bool, error) {
	b, err := d.blockRow(ctx, id)
	return b.block().IsIsland(), err
}

func (r liftRow) lifting(block string) Lifting {
	return Lifting{Block: block, Zone: policy.ZoneName(r.Zone), By: policy.PersonID(r.Person), At: r.At, Until: r.At.Add(evidence.LiftTime)}
}

// waits says whether a word still waits for the second person's.
func (b blockRow) waits(word liftRow, now time.Time) bool {
	return now.Before(word.At.Add(evidence.LiftTime)) && !slices.Contains(b.Free, word.Zone)
}

func (d *Desk) blockRow(ctx context.Context, id string) (b blockRow, err error) {
	rev, there, err := d.read(ctx, blockKey(id), &b)
	if b.row = rev; err == nil && !there {
		err = refuse("no-such-block", "There is no block %.40q. See the page Blocks.", id)
	}
	return b, err
}

// word is what somebody is about to say for lifting an island.
type word struct {
	block  blockRow
	person people.Person
	text   []byte
	answer evidence.Answer
	first  *liftRow // nil: this is the first
}

// DraftLift is the answer that LiftIsland would write, without a proof, and the
// text that it answers: what the person signs. Nothing is written.
func (d *Desk) DraftLift(ctx context.Context, by people.Actor, id string, zone policy.ZoneName) (evidence.Answer, []byte, error) {
	w, err := d.lifts(ctx, by, id, zone)
	return w.answer, w.text, err
}

// LiftIsland says one of the two words by which an island is lifted, for one
// zone or, where zone is empty, for all that is left of it. The second, by
// somebody else within evidence.LiftTime, lifts it. Each rests on the person's
// signature (signed is what DraftLift gave, with its proof) or, where the plant's
// rules let that be enough, on a code.
func (d *Desk) LiftIsland(ctx context.Context, by people.Actor, id string, zone policy.ZoneName, signed *evidence.Answer) (Lifting, error) {
	return again(func() (Lifting, error) {
		w, err := d.lifts(ctx, by, id, zone)
		if err != nil {
			return Lifting{}, err
		}
		if err := d.proveWord(ctx, by, &w, signed); err != nil {
			return Lifting{}, err
		}
		text, err := d.docs.Put(ctx, w.text)
		if err != nil {
			return Lifting{}, fmt.Errorf("keep what is said of the island: %w", err)
		}
		answer, err := d.sign(ctx, w.answer)
		if err != nil {
			return Lifting{}, err
		}
		if w.first != nil {
			if err := d.bothSay(ctx, w); err != nil {
				return Lifting{}, err
			}
		}
		body := audit.IslandAnswered{Block: id, Zone: string(zone), Text: text, Person: w.answer.Person, Firm: w.answer.Firm,
			Roles: sorted(words(w.person.Roles)), Document: answer, Lifts: w.first != nil, At: d.second()}
		if _, err := d.commit(ctx, blockKey(id), w.block.row+1, string(by.Person), body, w.person); err != nil {
			return Lifting{}, err
		}
		out := liftRow{Zone: string(zone), Person: w.answer.Person, At: body.At}.lifting(id)
		if out.Lifted = body.Lifts; body.Lifts {
			out.By = policy.PersonID(w.first.Person)
		}
		return out, nil
	})
}

// lifts is what somebody would say, and to which text.
func (d *Desk) lifts(ctx context.Context, by people.Actor, id string, zone policy.ZoneName) (w word, err error) {
	if err = d.mayTake(by); err != nil {
		return w, err
	}
	if w.person, err = d.activePlant(ctx, by); err != nil {
		return w, err
	}
	if err = by.Whole(w.person.Roles); err != nil {
		return w, err
	}
	plant := d.plant()
	i := slices.IndexFunc(w.person.Roles, func(r policy.Role) bool { return plant.Takes(string(r)) })
	if i < 0 {
		return w, refuse("not-on-shift", "Only somebody with a shift, zone owner or OT security role may do this. Call the control room.")
	}
	if w.block, err = d.blockRow(ctx, id); err != nil {
		return w, err
	}
	if err = d.liftable(w.block, zone); err != nil {
		return w, err
	}
	text := evidence.Lift{V: 1, Block: id, Zone: string(zone), Rev: w.block.row, Plant: d.inForce()}
	for _, said := range slices.Backward(w.block.Words) {
		if said.Zone != string(zone) {
			continue
		}
		if w.block.waits(said, d.now()) {
			if said.Person == string(by.Person) {
				return w, refuse("own-word", "You have said so already. Somebody else has to say it too, by %s.", said.At.Add(evidence.LiftTime).In(plant.Location()).Format("15:04"))
			}
			w.first = &said
		}
		break
	}
	if w.first != nil {
		if w.text, err = d.docs.Get(ctx, w.first.Text); err != nil {
			return w, fmt.Errorf("read what was said of %s: %w", id, err)
		}
	} else if w.text, err = audit.Canonical(text); err != nil {
		return w, err
	}
	at := d.second()
	w.answer = evidence.Answer{V: 1, Request: audit.HashOf(w.text), Person: string(w.person.ID), Firm: string(w.person.Firm), Role: string(w.person.Roles[i]),
		Says: evidence.Yes, Nonce: nonce(), At: at, DecideBy: at.Add(evidence.LiftTime)}
	return w, nil
}

func (d *Desk) liftable(b blockRow, zone policy.ZoneName) error {
	if !b.block().IsIsland() {
		return refuse("no-island", "%s is a block and no island: lift it alone.", b.Block)
	}
	if b.Lifted != "" || slices.Contains(b.Free, string(zone)) {
		return illegal(b.Block, "lifted", "lifted again")
	}
	if len(b.Words) >= mostWords {
		return refuse("too-many-words", "%s has %d words already. Lift all of it.", b.Block, len(b.Words))
	}
	if zone == "" {
		return nil
	}
	if _, there := d.plant().Zone(zone); !there || !b.All {
		return refuse("no-such-zone", "%.40q is not one of the zones that %s closes. Lift it whole, or name one of the plant's zones.", zone, b.Block)
	}
	return nil
}

// proveWord adds the proof: the person's signature, or a code.
func (d *Desk) proveWord(ctx context.Context, by people.Actor, w *word, signed *evidence.Answer) error {
	if signed == nil {
		if err := d.coded(by, w.person, policy.Quorum{Proof: d.plant().ChangeProof()}); err != nil {
			return err
		}
		w.answer.Proof = totp(by)
		return nil
	}
	w.answer.DecideBy = signed.At.Add(evidence.LiftTime)
	if err := d.signature(ctx, w.person, w.answer, *signed); err != nil {
		return err
	}
	w.answer = *signed
	return nil
}

// bothSay asks evidence.CheckLift about the first word, from its leaf, and this one.
func (d *Desk) bothSay(ctx context.Context, w word) error {
	first, err := d.answerTo(ctx, w.block.Block, w.first.N, func(body audit.Body) (uttered, bool) {
		b, ok := body.(audit.IslandAnswered)
		return uttered{b.Person, evidence.Yes, b.Firm, b.Roles, b.Document}, ok && b.Block == w.block.Block && b.Text == audit.HashOf(w.text)
	})
	if err != nil {
		return err
	}
	body, err := audit.Canonical(w.answer)
	if err != nil {
		return err
	}
	second := evidence.Given{Leaf: d.keys.next(), Wall: d.now(), Body: body, Firm: w.answer.Firm, Roles: words(w.person.Roles), Plant: true}
	keys, err := d.keysOf(ctx, first.given, second)
	if err != nil {
		return err
	}
	l, err := evidence.ParseLift(w.text)
	if err != nil {
		return err
	}
	plant, err := d.plantOf(ctx, l.Plant)
	if err != nil {
		return err
	}
	if findings := evidence.CheckLift(plant, w.text, []evidence.Given{first.given, second}, keys); len(findings) > 0 {
		return &policy.Refusal{Rule: "not-agreed", Say: fmt.Sprintf("%s is not lifted: %s.", w.block.Block, findings[0]), Why: fmt.Sprint(findings)}
	}
	return nil
}

// island makes the rows of island.answered.
func (f folder) island(ctx context.Context, rows state.Reader, leaf audit.Leaf) ([]state.Change, error) {
	r, err := load[blockRow](ctx, rows, blockKey(leaf.Subject))
	if err != nil || leaf.Rev != r.rev+1 {
		return nil, err
	}
	b, v := leaf.Body.(audit.IslandAnswered), &r.value
	if r.rev == 0 || v.Lifted != "" || slices.Contains(v.Free, b.Zone) || !v.block().IsIsland() {
		return nil, illegal(leaf.Subject, "no island that is there", "lifted")
	}
	n := len(v.Words) + 1
	v.Words = append(v.Words, liftRow{n, b.Zone, b.Text, b.Person, b.Document, b.At})
	switch {
	case b.Lifts && b.Zone == "":
		v.Lifted = b.Person
	case b.Lifts:
		v.Free = append(v.Free, b.Zone)
	}
	line := stored[answerRow]{key: answerKey(v.Block, n), value: answerRow{v.Block, n, b.Document}}
	return both(r.changed())(line.changed())
}
