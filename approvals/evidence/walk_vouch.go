package evidence

import (
	"context"
	"errors"
	"slices"

	"penstock/audit"
)

// KeyTOTP is the kind and name of a code generator.
const KeyTOTP = "totp"

// vouched: by somebody else of the plant, whose own key counts, over exactly
// this key. One that does not hold is a finding, and is told again with each
// answer that rests on the key.
func (w *Walk) vouched(b audit.KeyVouched) {
	p := w.people[b.Person]
	if !w.must(p != nil && p.key(b.Key) != nil, "%s has no such key", short(b.Person)) {
		return
	}
	k := p.key(b.Key)
	err := w.vouch(b, k)
	w.must(err == nil, "%v", err)
	if k.broken == "" {
		return // it counts already; one word more, or a false one, changes nothing
	}
	k.broken = ""
	if err != nil {
		k.broken = "the word for it at leaf " + w.leaf.Place().String() + " does not hold: " + err.Error()
	}
	k.pending, k.since = k.pending && k.kind == KeySSH, w.leaf.Place() // an ssh key is confirmed beside it
	w.noteHere("%s of the plant vouched for a %s key of %s", b.By, k.kind, b.Person)
}

func (w *Walk) vouch(b audit.KeyVouched, k *heldKey) error {
	doc, err := w.docs.Get(w.ctx, b.Document)
	if err != nil || audit.HashOf(doc) != b.Document {
		return errors.New("its document cannot be read, or is another one")
	}
	v, err := ParseVouch(doc)
	if err != nil {
		return err
	}
	print, public, err := PublicKey(v.Kind, v.Public)
	late := w.leaf.Wall.After(v.At.Add(vouchGood)) || w.leaf.Wall.Before(v.At.Add(-clockSlack))
	switch {
	case v.Person != b.Person || v.Key != b.Key || v.By != b.By || w.leaf.Actor != b.By:
		return errors.New("the leaf and the signed word differ")
	case err != nil || print != k.id || v.Kind != k.kind || !slices.Equal(public, k.public):
		return errors.New("it is for another key than was enrolled")
	case !w.insider(b.By):
		return errors.New(short(b.By) + " is nobody of the plant, or disabled")
	case w.words[v.Nonce]:
		return errors.New("the same word was used before")
	case late:
		return errors.New("it is of " + clock(v.At) + ", and the log has it at " + clock(w.leaf.Wall))
	}
	w.words[v.Nonce] = true
	by, ok := keyFor(w.keysOf(b.By), b.By, v.Proof)
	if !ok {
		return errors.New(b.By + " had no such key: " + short(v.Proof.Key))
	}
	if by.Broken != "" {
		return errors.New("the key of " + b.By + " that signed it does not count: " + by.Broken)
	}
	text, err := v.Unsigned()
	if err != nil {
		return err
	}
	for _, plant := range w.now() {
		if plant != nil {
			err = CheckProof(v.Proof, by, VouchNamespace, text, plant.Site.Origin)
			if err == nil {
				return nil
			}
		}
	}
	if err == nil {
		err = errors.New("no plant file was in force")
	}
	return err
}

// keysOf are one person's keys that count now.
func (w *Walk) keysOf(id string) []Key {
	list := []Key{}
	for _, k := range w.people[id].keys {
		if !k.pending {
			list = append(list, k.of(id))
		}
	}
	return list
}

func (k heldKey) of(person string) Key {
	return Key{Person: person, Kind: k.kind, ID: k.id, Public: k.public, Since: k.since, Broken: k.broken}
}

// Keyring knows from a log's leaves alone which keys of whom counted when, and
// whether the chain of vouching behind each reaches the bootstrap file: what
// Walk knows of people, for the broker's own checks. Not safe for concurrent use.
type Keyring struct{ w *Walk }

// NewKeyring reads what leaves name from docs.
func NewKeyring(docs Documents) *Keyring { return &Keyring{NewWalk(docs)} }

// Next is the leaf that is to be folded next.
func (r *Keyring) Next() audit.Index { return r.w.next }

// Leaf folds the next leaf. What is wrong with a key is in its Broken; other
// findings are the verifier's.
func (r *Keyring) Leaf(ctx context.Context, leaf audit.Leaf) {
	w := r.w
	w.ctx, w.leaf, w.wrong, w.notes = ctx, leaf, nil, nil
	defer func() { w.next = leaf.Index + 1 }()
	switch b := leaf.Body.(type) {
	case audit.LogCreated:
		if w.follows() {
			w.created(b)
		}
	case audit.ConfigChanged:
		w.config(b)
	case audit.EnvelopeSealed, audit.EnvelopeOpened, audit.EnvelopeVoided:
		if w.follows() {
			w.judgeEnvelope()
		}
	case audit.PersonSuspended:
		if w.follows() {
			w.judgeRecovery()
		}
	case audit.FirmChanged, audit.FirmEnded, audit.PersonInvited, audit.PersonJoined, audit.PersonConfirmed, audit.PersonChanged, audit.PersonDisabled, audit.TermsAccepted, audit.TrainingNoted, audit.AccountLinked,
		audit.KeyEnrolled, audit.KeyVouched, audit.KeyRemoved:
		if w.follows() {
			w.judgePeople()
		}
	}
}

// At are a person's keys that counted at a leaf, those taken away since among
// them. Of a leaf that the ring has not folded yet it knows nothing.
func (r *Keyring) At(person string, at audit.Place) []Key {
	list := []Key{}
	p := r.w.people[person]
	if p == nil || p.disabled && p.end.Index <= at.Index {
		return list
	}
	for _, k := range p.keys {
		if !k.pending && k.since.Node == at.Node && k.since.Index < at.Index {
			list = append(list, k.of(person))
		}
	}
	for _, k := range p.past {
		if k.since.Node == at.Node && k.since.Index < at.Index && at.Index < k.until.Index {
			list = append(list, k.of(person))
		}
	}
	return list
}

// Ever are all keys of a person that counted once.
func (r *Keyring) Ever(person string) []Key {
	list := []Key{}
	if p := r.w.people[person]; p != nil {
		for _, k := range slices.Concat(p.keys, p.past) {
			if !k.pending {
				list = append(list, k.of(person))
			}
		}
	}
	return list
}
