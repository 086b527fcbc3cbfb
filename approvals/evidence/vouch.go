package evidence

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"penstock/audit"
)

// vouchGood is how long after a person's word its leaf may come: the time to
// look, sign and send.
const vouchGood = 10 * time.Minute

// Vouch is one person's signed word that a key is another's: with it, and not
// before, the key can sign answers. It is a document, named by key.vouched; the
// proof is over its canonical form without it.
//
// Whoever has every file of the broker can write that a key was enrolled, and
// not this: the chain of such words begins with the keys in the bootstrap file,
// whose hash is the first leaf's.
type Vouch struct {
	V      int       `json:"v"` // 1
	Person string    `json:"person"`
	Kind   string    `json:"kind"`   // passkey, ssh
	Key    string    `json:"key"`    // SHA256:…
	Public string    `json:"public"` // as PublicKey has it
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Nonce  string    `json:"nonce"` // 32 random bytes, base64url without padding
	Proof  Proof     `json:"proof,omitzero"`
}

// Unsigned is what a vouch's proof is over.
func (v Vouch) Unsigned() ([]byte, error) {
	v.Proof = Proof{}
	return audit.Canonical(v)
}

// ParseVouch reads a vouch, as strictly as ParseAnswer.
func ParseVouch(b []byte) (Vouch, error) {
	var v Vouch
	if err := parse("vouch", b, &v); err != nil {
		return Vouch{}, err
	}
	print, _, err := PublicKey(v.Kind, v.Public)
	if err == nil && print != v.Key {
		err = errors.New("the key is not what its fingerprint says")
	}
	if v.Person == v.By {
		err = errors.Join(err, errors.New("nobody vouches for themself"))
	}
	err = errors.Join(isOne(v.V), id("person", v.Person), id("by", v.By), moment("at", v.At), nonce(v.Nonce), v.Proof.check(), err)
	if err != nil {
		return Vouch{}, fmt.Errorf("vouch: %w", err)
	}
	return v, nil
}

// PublicKey reads a key as leaves hold it: of kind ssh in authorized_keys form,
// of kind passkey the COSE key in base64url without padding. It gives the
// fingerprint (SHA256: and the base64 of the key's SHA-256), and the bytes that
// Key.Public has.
func PublicKey(kind, text string) (print string, public []byte, err error) {
	switch kind {
	case KeySSH:
		print, err = fingerprint(text)
		return print, []byte(text), err
	case KeyPasskey:
		public, err = base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil {
			return "", nil, errors.New("the passkey is not base64url")
		}
		if err := CheckPasskey(public); err != nil {
			return "", nil, err
		}
		sum := audit.HashOf(public)
		return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:]), public, nil
	}
	return "", nil, fmt.Errorf("a %q is no key that signs", short(kind))
}
