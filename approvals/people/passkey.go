package people

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
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

// maxPasskeys is how many passkeys one person may have: phone, laptop, two
// security keys in drawers.
const maxPasskeys = 5

// maxCredential bounds a credential id's text; the longest known have some 300 bytes.
const maxCredential = 700

// EnrolPasskey adds a passkey of the actor's own, which the browser's ceremony
// has proved. It counts for nothing until somebody else has vouched for it. By a
// person of the plant, with a code or passkey of the last five minutes.
func (r *Roster) EnrolPasskey(ctx context.Context, by Actor, k Key) error {
	p, err := r.giving(ctx, by)
	if err != nil {
		return err
	}
	if err := checkName("the name", k.Name); err != nil {
		return refuse("passkey", "Give the passkey a name, such as \"phone\": "+err.Error()+".", "%v", err)
	}
	fingerprint, _, err := evidence.PublicKey(evidence.KeyPasskey, k.Public)
	if err != nil || fingerprint != k.ID || k.Kind != Passkey || k.Credential == "" || len(k.Credential) > maxCredential {
		return refuse("passkey", "This passkey cannot be used here. Try another authenticator.", "%.80s: %v", k.ID, err)
	}
	// A browser names a passkey by its credential id alone, which software can
	// choose: of two with the same one the other's owner would not get in.
	if _, _, err := r.ByCredential(ctx, k.Credential); !errors.Is(err, fs.ErrNotExist) {
		return cmp.Or(err, refuse("passkey-known", "This passkey is known here already. Make a new one.", "credential id of %s is somebody's", k.ID))
	}
	if n := len(slices.DeleteFunc(slices.Clone(p.Keys), func(k Key) bool { return k.Kind != Passkey })); n >= maxPasskeys {
		return refuse("passkeys-full", fmt.Sprintf("You have %d passkeys, and that is the most. Take one away first.", n), "%s has %d passkeys", by.Person, n)
	}
	return r.commit(ctx, personRow+string(by.Person), p.Rev+1, by.Person, audit.KeyEnrolled{Person: string(by.Person), Kind: string(Passkey),
		Key: k.ID, Public: k.Public, Credential: k.Credential, AAGUID: k.AAGUID, Name: k.Name, By: string(by.Person)}, p)
}

// ByCredential finds the person whose passkey this is: one that signs before one
// that still waits for its voucher; fs.ErrNotExist.
func (r *Roster) ByCredential(ctx context.Context, credential string) (who Person, key Key, err error) {
	all, err := r.People(ctx)
	if err != nil {
		return Person{}, Key{}, err
	}
	for _, p := range all {
		for _, k := range p.Keys {
			if k.Kind != Passkey || k.Credential != credential || credential == "" || p.Disabled {
				continue
			}
			if k.Signs() {
				return p, k, nil
			}
			who, key = p, k
		}
	}
	if key.ID == "" {
		err = fmt.Errorf("passkey %.40q: %w", credential, fs.ErrNotExist)
	}
	return who, key, err
}

// PasskeyOf says whether the actor has proved a passkey that signs for the
// person now: one that was taken away since proves nothing any more.
func (p Person) PasskeyOf(by Actor) bool {
	return by.Proved(Passkey) && slices.ContainsFunc(p.Keys, func(k Key) bool { return k.Kind == Passkey && k.ID == by.Key && k.Signs() })
}

// DraftVouch is what the actor would sign to vouch for a key of somebody: a
// passkey that waits, or a confirmed ssh key that is to sign answers.
func (r *Roster) DraftVouch(ctx context.Context, by Actor, who policy.PersonID, key string) (evidence.Vouch, error) {
	p, err := r.plantPerson(ctx, by)
	if err != nil {
		return evidence.Vouch{}, err
	}
	have, k, err := r.vouchable(ctx, p, who, key)
	if err != nil {
		return evidence.Vouch{}, err
	}
	nonce := make([]byte, 32)
	rand.Read(nonce) // never fails
	return evidence.Vouch{V: 1, Person: string(have.ID), Kind: string(k.Kind), Key: k.ID, Public: k.Public, By: string(p.ID),
		At: r.Now().UTC().Truncate(time.Second), Nonce: base64.RawURLEncoding.EncodeToString(nonce)}, nil
}

// Vouch takes the signed word for a key, which can sign answers from then on.
// The signature is the proof: no code is asked for. What DraftVouch asks is
// asked again.
func (r *Roster) Vouch(ctx context.Context, by Actor, v evidence.Vouch) error {
	p, err := r.plantPerson(ctx, by)
	if err != nil {
		return err
	}
	have, k, err := r.vouchable(ctx, p, policy.PersonID(v.Person), v.Key)
	if err != nil {
		return err
	}
	if err := r.checkVouch(p, k, v); err != nil {
		return refuse("vouch", "This signature does not vouch for the key: "+err.Error()+". Begin again.", "%s for %s of %s: %v", p.ID, k.ID, have.ID, err)
	}
	b, err := audit.Canonical(v)
	if err != nil {
		return fmt.Errorf("write the vouch: %w", err)
	}
	hash, err := r.docs.Put(ctx, b)
	if err != nil {
		return fmt.Errorf("keep the vouch: %w", err)
	}
	return r.commit(ctx, personRow+v.Person, have.Rev+1, by.Person, audit.KeyVouched{Person: v.Person, Key: v.Key, By: v.By, Document: hash}, p)
}

// vouchable: a key of another person of the plant that does not sign yet, and
// whose word it is for p to give.
func (r *Roster) vouchable(ctx context.Context, p Person, who policy.PersonID, key string) (Person, Key, error) {
	have, firm, err := r.present(ctx, who)
	if err != nil {
		return have, Key{}, err
	}
	if p.ID == who {
		return have, Key{}, refuse("vouch-self", "Nobody vouches for themself. Ask somebody else of OT security.", "%s vouches for themself", who)
	}
	may, err := r.mayVouch(ctx, p, who)
	if err != nil {
		return have, Key{}, err
	}
	if !may || !firm.Plant {
		return have, Key{}, refuse("not-yours", "OT security vouches for keys, of the plant's own people only. Ask one of them.", "%s may not vouch for %s", p.ID, who)
	}
	if !slices.ContainsFunc(p.Keys, Key.Signs) {
		return have, Key{}, refuse("no-own-key", "You have no key of your own that counts yet, so you cannot vouch for another's. Ask somebody who has.", "%s has no key that signs", p.ID)
	}
	for _, k := range have.Keys {
		waits := k.Kind == Passkey && k.Pending || k.Kind == SSH && !k.Pending && !k.Signs()
		if k.ID == key && waits {
			return have, k, nil
		}
	}
	return have, Key{}, refuse("no-waiting-key", "No key with this fingerprint waits for somebody to vouch for it. Look at the list of people.", "%.80q of %s", key, who)
}

// mayVouch: another holder of a security role; where there is none but the
// person themself, anybody of the plant with a role is the second pair of eyes.
func (r *Roster) mayVouch(ctx context.Context, p Person, who policy.PersonID) (bool, error) {
	if r.isSecurity(p) {
		return true, nil
	}
	others, err := r.security(ctx, who)
	return len(others) == 0 && len(p.Roles) > 0, err
}

// checkVouch holds the signature to the voucher's own keys, as the verifier will.
func (r *Roster) checkVouch(p Person, k Key, v evidence.Vouch) error {
	b, err := audit.Canonical(v)
	if err != nil {
		return err
	}
	if _, err := evidence.ParseVouch(b); err != nil {
		return err
	}
	age := r.Now().Sub(v.At)
	if v.By != string(p.ID) || v.Kind != string(k.Kind) || v.Public != k.Public {
		return errors.New("it is another's word, or for another key")
	}
	if age > fresh || age < -time.Minute {
		return errors.New("it is older than five minutes")
	}
	text, err := v.Unsigned()
	if err != nil {
		return err
	}
	for _, own := range p.Keys {
		if own.ID != v.Proof.Key || !own.Signs() {
			continue
		}
		_, public, err := evidence.PublicKey(string(own.Kind), own.Public)
		if err != nil {
			return err
		}
		return evidence.CheckProof(v.Proof, evidence.Key{Person: string(p.ID), Kind: string(own.Kind), ID: own.ID, Public: public}, evidence.VouchNamespace, text, r.Origin())
	}
	return errors.New("it is signed by no key of yours that counts")
}

// passkey makes the rows of a passkey that was enrolled.
func (f folding) passkey(ctx context.Context, b audit.KeyEnrolled) ([]state.Change, error) {
	if print, _, err := evidence.PublicKey(evidence.KeyPasskey, b.Public); err != nil || print != b.Key || b.By != b.Person || b.Credential == "" {
		return nil, fmt.Errorf("passkey %s of key.enrolled is not what it says: %w", b.Key, errors.Join(err, errMismatch))
	}
	var owner keyOwner
	_, known, err := read(ctx, f.rows, keyRow+b.Key, &owner)
	if err != nil {
		return nil, err
	}
	if known {
		return nil, refuse("passkey-known", "This passkey is known here already, or was taken away. Make a new one.", "passkey %s is or was %s's", b.Key, owner.Person)
	}
	rows, err := f.person(ctx, b.Person, func(p *Person) error {
		p.Keys = append(p.Keys, Key{Kind: Passkey, ID: b.Key, Public: b.Public, Pending: true, Credential: b.Credential, AAGUID: b.AAGUID, Name: b.Name})
		return nil
	})
	if err != nil {
		return nil, err
	}
	var all changes
	all.put(keyRow+b.Key, 1, keyOwner{policy.PersonID(b.Person)})
	more, err := all.done()
	return append(rows, more...), err
}

// vouch makes a key count for answers; of an ssh key its confirmation stays what it was.
func (p *Person) vouch(b audit.KeyVouched) error {
	for i, k := range p.Keys {
		if k.ID == b.Key && (k.Kind == Passkey || k.Kind == SSH) && b.By != b.Person && k.Vouched == "" {
			p.Keys[i].Vouched = policy.PersonID(b.By)
			p.Keys[i].Pending = k.Pending && k.Kind == SSH
			return nil
		}
	}
	return noKey(p.ID, b.Key)
}
