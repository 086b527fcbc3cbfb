package approvals

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// signGood is how long somebody may take from the text of an answer to its
// signature: to read it, and to find the key.
const signGood = 5 * time.Minute

// Draft is the answer that Answer would write for this reply, without a proof:
// what the person signs, and then gives as Reply.Signed. Nothing is written.
func (d *Desk) Draft(ctx context.Context, by people.Actor, id policy.RequestID, document audit.Hash, r Reply) (evidence.Answer, error) {
	r.Signed = nil
	a, _, _, err := d.fitted(ctx, by, id, document, r)
	return a, err
}

// Document is the exact text of a request's newest revision, which an answer
// names by hash: for whoever signs and does not want to believe a page.
func (d *Desk) Document(ctx context.Context, by people.Actor, id policy.RequestID) ([]byte, error) {
	q, err := d.Request(ctx, by, id)
	if err != nil {
		return nil, err
	}
	b, err := d.docs.Get(ctx, q.Hash)
	if err != nil {
		return nil, fmt.Errorf("read the text of %s: %w", id, err)
	}
	return b, nil
}

// DraftExtension is likewise what ExtendSigned takes.
func (d *Desk) DraftExtension(ctx context.Context, by people.Actor, id policy.WindowID, until time.Time) (evidence.Answer, error) {
	w, claim, err := d.claimed(ctx, id)
	if err != nil {
		return evidence.Answer{}, err
	}
	p, q, err := d.isOpener(ctx, by, claim)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := d.extendable(w, until); err != nil {
		return evidence.Answer{}, err
	}
	return d.extensionText(p, q, w, claim, whole(until)), nil
}

// ExtendSigned is Extend by an answer that the person has signed.
func (d *Desk) ExtendSigned(ctx context.Context, by people.Actor, id policy.WindowID, signed evidence.Answer) (Window, error) {
	return d.extend(ctx, by, id, signed.Until, &signed)
}

// to is the reply to a text: where it was signed, what the signature says. One
// that answers another text is refused.
func (r Reply) to(document audit.Hash) (Reply, error) {
	s := r.Signed
	if s == nil {
		return r, nil
	}
	if s.Request != document {
		return r, refuse("signed-other", "What you signed answers another text than this one. Nothing was done; look again, then sign.")
	}
	r = Reply{Says: s.Says, Role: policy.Role(s.Role), Why: s.Why, Limits: s.Limits, NotBefore: s.NotBefore, Signed: s}
	if s.Heard != "" {
		r.Spoken = policy.PersonID(s.Person)
	}
	return r, nil
}

// withText is a draft and the text that it answers.
func (d *Desk) withText(ctx context.Context, a evidence.Answer, err error) (evidence.Answer, []byte, error) {
	if err != nil {
		return a, nil, err
	}
	b, err := d.docs.Get(ctx, a.Request)
	if err != nil {
		return a, nil, fmt.Errorf("read the text %s that is to be signed: %w", a.Request, err)
	}
	return a, b, nil
}

// prove adds the proof to an answer: the person's signature, which must be none
// of those before, or a yes' code, where the quorum lets that be enough.
func (d *Desk) prove(ctx context.Context, by people.Actor, p people.Person, a evidence.Answer, signed *evidence.Answer, before func() ([]given, error), quorum func() (policy.Quorum, error)) (evidence.Answer, error) {
	if signed != nil {
		if err := d.atScreen(by); err != nil {
			return a, err
		}
		taken, err := before()
		if err == nil {
			err = once(*signed, taken)
		}
		if err != nil {
			return a, err
		}
		return *signed, d.signature(ctx, p, a, *signed)
	}
	if by.Screen != "" {
		return a, refuse("tap-needed", "At a screen of the control room an answer is one tap of your own key, over exactly this. Look again, then tap.")
	}
	if a.Says != evidence.Yes {
		return a, nil
	}
	q, err := quorum()
	if err != nil {
		return a, err
	}
	a.Proof = totp(by)
	return a, d.coded(by, p, q)
}

// signature holds a signed answer to what the Desk would have written in its
// place, and its proof to the person's own keys as the log has them.
func (d *Desk) signature(ctx context.Context, p people.Person, want, signed evidence.Answer) error {
	text, err := signed.Unsigned()
	if err != nil {
		return asRefusal("bad-answer", err)
	}
	want.Nonce, want.At = signed.Nonce, signed.At
	same, err := want.Unsigned()
	if err != nil {
		return asRefusal("bad-answer", err)
	}
	if !bytes.Equal(text, same) {
		return refuse("signed-other", "What you signed is not what stands here now: it changed meanwhile. Nothing was done; look again, then sign.")
	}
	if age := d.now().Sub(signed.At); age > signGood || age < -30*time.Second {
		return refuse("signed-late", "You signed this more than 5 minutes after it was written, so it does not count. Look again, then sign.")
	}
	keys, plant, err := d.signing(ctx, p)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k evidence.Key) bool { return k.ID == signed.Proof.Key })
	switch {
	case i < 0:
		return refuse("no-such-key", "You have no such key here, or it was taken away. Sign with your own.")
	case keys[i].Broken != "":
		return &policy.Refusal{Rule: "key-not-vouched", Say: "Nobody has vouched for this key yet, so it signs nothing. Ask somebody of OT security: page People.", Why: keys[i].ID + ": " + keys[i].Broken}
	}
	if err := evidence.CheckProof(signed.Proof, keys[i], evidence.AnswerNamespace, text, plant.Site.Origin); err != nil {
		return &policy.Refusal{Rule: "bad-signature", Say: "This signature does not hold: " + err.Error() + ". Nothing was done.", Why: keys[i].ID + ": " + err.Error()}
	}
	return nil
}

// once refuses a signed answer that was taken before: a second one with its
// nonce would keep the whole text from ever being agreed (evidence.Check).
func once(signed evidence.Answer, before []given) error {
	if slices.ContainsFunc(before, func(g given) bool { return g.answer.Nonce == signed.Nonce }) {
		return refuse("signed-before", "This very answer was taken already. Nothing was done twice.")
	}
	return nil
}

// signing are a person's keys of this moment, by the log.
func (d *Desk) signing(ctx context.Context, p people.Person) ([]evidence.Key, *policy.Plant, error) {
	if err := d.keys.follow(ctx, d.log); err != nil {
		return nil, nil, err
	}
	return d.keys.at(string(p.ID), d.keys.next()), d.plant(), nil
}

// keysOf are the keys of those who answered, each as it was at the answer.
func (d *Desk) keysOf(ctx context.Context, given ...evidence.Given) ([]evidence.Key, error) {
	if err := d.keys.follow(ctx, d.log); err != nil {
		return nil, err
	}
	list := []evidence.Key{}
	for _, g := range given {
		a, err := evidence.ParseAnswer(g.Body)
		if err != nil {
			continue // a finding of Check
		}
		list = append(list, d.keys.at(a.Signer(), g.Leaf)...)
	}
	return list, nil
}

// keyring is evidence.Keyring, kept up from the log: no row is asked whose key
// signs. Reading waits for the disk, so nothing that takes access away needs it.
type keyring struct {
	mu   sync.Mutex
	ring *evidence.Keyring
	node string
}

// follow folds what the log has had since.
func (k *keyring) follow(ctx context.Context, log Log) error {
	if log == nil {
		return errors.New("the desk has no log")
	}
	for leaf, err := range log.Upto(ctx, k.next().Index) {
		if err != nil {
			return fmt.Errorf("read the log for people's keys: %w", err)
		}
		k.fold(ctx, leaf)
	}
	return nil
}

// fold takes the next leaf in; one that was folded already changes nothing.
func (k *keyring) fold(ctx context.Context, leaf audit.Leaf) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if leaf.Index == k.ring.Next() {
		k.ring.Leaf(ctx, leaf)
		k.node = leaf.Node
	}
}

// next is the place of a leaf that would come now.
func (k *keyring) next() audit.Place {
	k.mu.Lock()
	defer k.mu.Unlock()
	return audit.Place{Node: k.node, Index: k.ring.Next()}
}

func (k *keyring) at(person string, at audit.Place) []evidence.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ring.At(person, at)
}

// ever are all keys that a person has had, since whenever.
func (k *keyring) ever(person string) []evidence.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.ring.Ever(person)
}
