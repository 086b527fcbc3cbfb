package people

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// PaperCode is what an envelope's holder proves themself with.
const PaperCode KeyKind = "envelope"

const envelopeRow = "envelope/"

// Envelope is one of the two sealed ones. Its key's other half is on paper alone.
type Envelope struct {
	ID     policy.PersonID `json:"id"`
	Firm   policy.FirmID   `json:"firm"`
	Role   policy.Role     `json:"role"`
	Key    string          `json:"key"`
	Public string          `json:"public"`
	By     policy.PersonID `json:"by"`
	Sealed time.Time       `json:"sealed"`
	Opened time.Time       `json:"opened,omitzero"` // zero: still sealed
	Says   string          `json:"says,omitempty"`  // who opened it, by their own word
	Source string          `json:"source,omitempty"`
	Rev    uint64          `json:"-"`
}

// Title is how people call it.
func (e Envelope) Title() string { return evidence.EnvelopeTitle(string(e.ID)) }

// Counts says whether it was opened, and is not spent yet.
func (e Envelope) Counts(now time.Time) bool {
	return !e.Opened.IsZero() && !now.Before(e.Opened.Add(-time.Minute)) && now.Before(e.Opened.Add(evidence.EnvelopeGood))
}

// PaperOf says whether the actor holds what was in an envelope that counts: for as
// long as it does, no code is asked for.
func (p Person) PaperOf(by Actor) bool {
	return evidence.IsEnvelope(string(p.ID)) && by.Person == p.ID && by.Proved(PaperCode) && len(p.Keys) == 1 && p.Keys[0].ID == by.Key
}

// Envelopes are those that were ever sealed, as they stand.
func (r *Roster) Envelopes(ctx context.Context) ([]Envelope, error) {
	var all []Envelope
	for row, err := range r.rows.List(ctx, envelopeRow) {
		e := Envelope{Rev: row.Rev}
		if err == nil {
			err = json.Unmarshal(row.Value, &e)
		}
		if err != nil {
			return nil, fmt.Errorf("list envelopes: %w", err)
		}
		all = append(all, e)
	}
	return all, nil
}

func (r *Roster) envelope(ctx context.Context, id policy.PersonID) (Envelope, error) {
	var e Envelope
	rev, ok, err := read(ctx, r.rows, envelopeRow+string(id), &e)
	if e.Rev = rev; err == nil && !ok {
		err = fmt.Errorf("%s: %w", id, fs.ErrNotExist)
	}
	return e, err
}

// opened is who an envelope makes its holder while it counts; fs.ErrNotExist.
func (r *Roster) opened(ctx context.Context, id policy.PersonID) (Person, error) {
	e, err := r.envelope(ctx, id)
	if err == nil && !e.Counts(r.Now()) {
		err = fmt.Errorf("%s is sealed, or spent: %w", id, fs.ErrNotExist)
	}
	if err != nil {
		return Person{}, err
	}
	return Person{ID: e.ID, Firm: e.Firm, Name: e.Says + ", by " + e.Title(), Roles: []policy.Role{e.Role}, Rev: e.Rev,
		Keys: []Key{{Kind: SSH, ID: e.Key, Public: e.Public, By: e.By, Vouched: e.By}}}, nil
}

// DraftSeal is what somebody of OT security signs to seal an envelope: their word
// that the key with this public half, whose other half is on paper, is its.
func (r *Roster) DraftSeal(ctx context.Context, by Actor, id policy.PersonID, public string) (evidence.Vouch, error) {
	p, err := r.maySeal(ctx, by, id)
	if err != nil {
		return evidence.Vouch{}, err
	}
	print, _, err := evidence.PublicKey(evidence.KeySSH, public)
	if err != nil {
		return evidence.Vouch{}, refuse("bad-key", "This is no public key in authorized_keys form. Let penstock envelope make write it.", "%v", err)
	}
	nonce := make([]byte, 32)
	rand.Read(nonce) // never fails
	return evidence.Vouch{V: 1, Person: string(id), Kind: evidence.KeySSH, Key: print, Public: public, By: string(p.ID),
		At: r.Now().UTC().Truncate(time.Second), Nonce: base64.RawURLEncoding.EncodeToString(nonce)}, nil
}

func (r *Roster) maySeal(ctx context.Context, by Actor, id policy.PersonID) (Person, error) {
	p, err := r.plantPerson(ctx, by)
	switch {
	case err != nil:
		return p, err
	case !evidence.IsEnvelope(string(id)):
		return p, refuse("no-such-envelope", "There are two envelopes: envelope-1 (control room) and envelope-2 (OT security).", "%.40q", id)
	case !r.isSecurity(p) || evidence.IsEnvelope(string(p.ID)):
		return p, refuse("not-security", "OT security seals the envelopes, each with a key of their own. Ask one of them.", "%s may not seal", p.ID)
	case !slices.ContainsFunc(p.Keys, Key.Signs):
		return p, refuse("no-own-key", "You have no key of your own that counts yet. Somebody who has seals the envelopes.", "%s has no key that signs", p.ID)
	}
	return p, nil
}

// Seal puts an envelope in force by the signed word of DraftSeal; the one before
// counts no more. role is whose word it is while it counts.
func (r *Roster) Seal(ctx context.Context, by Actor, v evidence.Vouch, role policy.Role) error {
	id := policy.PersonID(v.Person)
	p, err := r.maySeal(ctx, by, id)
	if err != nil {
		return err
	}
	if id == evidence.EnvelopeSecurity {
		role = r.Security()[0]
	}
	if role == "" {
		return refuse("no-emergency", "The plant file has no emergency, so the control room's envelope would be for nothing. Write that section first.", "no emergency: agree")
	}
	if err := r.checkVouch(p, Key{Kind: SSH, ID: v.Key, Public: v.Public}, v); err != nil {
		return refuse("vouch", "This signature does not seal the envelope: "+err.Error()+". Begin again.", "%s for %s: %v", p.ID, id, err)
	}
	b, err := audit.Canonical(v)
	if err != nil {
		return fmt.Errorf("write the word for an envelope: %w", err)
	}
	hash, err := r.docs.Put(ctx, b)
	if err != nil {
		return fmt.Errorf("keep the word for an envelope: %w", err)
	}
	return again(func() error {
		old, err := r.envelope(ctx, id)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return r.commit(ctx, envelopeRow+string(id), old.Rev+1, p.ID, audit.EnvelopeSealed{Envelope: string(id), Role: string(role),
			Key: v.Key, Public: v.Public, Document: hash, By: string(p.ID), At: r.Now().UTC().Truncate(time.Second)}, p)
	})
}

// OpenEnvelope writes that an envelope was opened: by broker/login alone, which
// has seen that the code fits. Within the hours that it counts it changes nothing;
// later it is refused, because it is spent.
func (r *Roster) OpenEnvelope(ctx context.Context, id policy.PersonID, key, says, source string) (e Envelope, err error) {
	err = again(func() error {
		if e, err = r.envelope(ctx, id); err != nil {
			return err
		}
		now := r.Now().UTC().Truncate(time.Second)
		switch {
		case e.Key != key:
			return fmt.Errorf("%s holds another key now: %w", id, fs.ErrNotExist)
		case e.Counts(now):
			return nil
		case !e.Opened.IsZero():
			return refuse("envelope-spent", "This envelope was opened before, and is spent: it counts four hours, once. OT security seals a new one: penstock envelope make.", "%s was opened %s", id, e.Opened)
		}
		body := audit.EnvelopeOpened{Envelope: string(id), Key: key, Says: says, Source: source, At: now}
		if err := r.commit(ctx, envelopeRow+string(id), e.Rev+1, id, body); err != nil {
			return err
		}
		e, err = r.envelope(ctx, id)
		return err
	})
	return e, err
}

// sealed makes the rows of an envelope that was sealed.
func (f folding) sealed(ctx context.Context, b audit.EnvelopeSealed) ([]state.Change, error) {
	var by Person
	_, ok, err := read(ctx, f.rows, personRow+b.By, &by)
	if err != nil {
		return nil, err
	}
	print, _, err := evidence.PublicKey(evidence.KeySSH, b.Public)
	if !ok || by.Disabled || !evidence.IsEnvelope(b.Envelope) || err != nil || print != b.Key {
		return nil, fmt.Errorf("envelope.sealed of %.40q does not hold: %w", b.Envelope, errors.Join(err, errMismatch))
	}
	var owner keyOwner
	if _, known, err := read(ctx, f.rows, keyRow+b.Key, &owner); err != nil || known {
		return nil, errors.Join(err, knownKey(b.Key, owner.Person))
	}
	var all changes
	all.put(envelopeRow+b.Envelope, f.leaf.Rev, Envelope{ID: policy.PersonID(b.Envelope), Firm: by.Firm, Role: policy.Role(b.Role), Key: b.Key, Public: b.Public, By: by.ID, Sealed: b.At})
	all.put(keyRow+b.Key, 1, keyOwner{policy.PersonID(b.Envelope)})
	return all.done()
}

// VoidEnvelope takes an envelope out of force that nobody is proved to have sealed:
// whoever had the machine may have its code. For the way back after an incident
// only; one that is not sealed is passed over.
func (r *Roster) VoidEnvelope(ctx context.Context, id policy.PersonID, why string) (voided bool, err error) {
	err = again(func() error {
		e, err := r.envelope(ctx, id)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		voided = true
		return r.commit(ctx, envelopeRow+string(id), e.Rev+1, "penstock", audit.EnvelopeVoided{Envelope: string(id), Key: e.Key, Why: why, At: r.Now().UTC().Truncate(time.Second)})
	})
	return voided, err
}

func (f folding) voided(ctx context.Context, b audit.EnvelopeVoided) ([]state.Change, error) {
	var e Envelope
	rev, ok, err := read(ctx, f.rows, envelopeRow+b.Envelope, &e)
	if err != nil {
		return nil, err
	}
	if !ok || e.Key != b.Key {
		return nil, fmt.Errorf("%.40q holds no such key", b.Envelope)
	}
	var all changes
	all.delete(envelopeRow+b.Envelope, rev+1)
	return all.done()
}

func (f folding) unsealed(ctx context.Context, b audit.EnvelopeOpened) ([]state.Change, error) {
	var e Envelope
	_, ok, err := read(ctx, f.rows, envelopeRow+b.Envelope, &e)
	if err != nil {
		return nil, err
	}
	if !ok || e.Key != b.Key || !e.Opened.IsZero() {
		return nil, refuse("envelope-spent", "This envelope was opened before, or another is in its place. OT security seals a new one: penstock envelope make.", "%s, key %s", b.Envelope, b.Key)
	}
	e.Opened, e.Says, e.Source = b.At, b.Says, b.Source
	var all changes
	all.put(envelopeRow+b.Envelope, f.leaf.Rev, e)
	return all.done()
}
