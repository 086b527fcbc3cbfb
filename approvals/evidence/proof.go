package evidence

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"penstock/audit"
)

// Kinds of proof.
const (
	ProofTOTP     = "totp"     // a code: the server's word, no more
	ProofWebAuthn = "webauthn" // a passkey's assertion
	ProofSSHSIG   = "sshsig"   // ssh-keygen -Y sign
)

// Kinds of keys that can sign.
const (
	KeyPasskey = "passkey"
	KeySSH     = "ssh"
)

// What is signed is said in the signature, so that none is good for anything
// else: the namespace of SSHSIG, and the first line under a passkey's challenge.
const (
	AnswerNamespace = "penstock-answer-v1"
	VouchNamespace  = "penstock-vouch-v1"
)

// maxProof bounds a proof's data: an assertion with an RSA signature has some
// 1500 characters, an SSH signature by an RSA key of 8192 bits some 3000.
const maxProof = 8 << 10

// Proof says how an answer was signed. A yes and an extension need one; other
// answers may have none.
//
// Kind "totp": the server's word; Data is the spent TOTP step (unix seconds /
// 30) in decimal, which counts once per person and request revision; no Key.
//
// Kind "webauthn": Data is authenticator data, client data and signature of a
// WebAuthn assertion (level 2, 7.2), each base64url without padding, with dots
// between; Key is the passkey's.
//
// Kind "sshsig": Data is the blob of PROTOCOL.sshsig in base64; Key is the
// fingerprint of the key in it.
type Proof struct {
	Kind string `json:"kind"`
	Key  string `json:"key,omitempty"`
	Data string `json:"data"`
}

// Signed says whether the proof is by a key of the person's own.
func (p Proof) Signed() bool { return p.Kind == ProofWebAuthn || p.Kind == ProofSSHSIG }

// Unsigned is what an answer's proof is over: its canonical form without it.
// ssh-keygen -Y sign signs these bytes.
func (a Answer) Unsigned() ([]byte, error) {
	a.Proof = Proof{}
	return audit.Canonical(a)
}

// Challenge is what a passkey is given to sign for a text.
func Challenge(namespace string, text []byte) []byte {
	sum := sha256.Sum256(append([]byte(namespace+"\n"), text...))
	return sum[:]
}

// CheckProof is nil if the proof is the key's own signature over the text, for
// this namespace and, of a passkey, at this origin with the person verified.
// Whose key it is, and whether it counts, is the caller's to compare.
func CheckProof(p Proof, k Key, namespace string, text []byte, origin string) error {
	switch {
	case len(p.Data) > maxProof:
		return fmt.Errorf("its proof has %d characters, at most %d", len(p.Data), maxProof)
	case p.Key == "" || p.Key != k.ID:
		return errors.New("its proof is by another key than it says")
	case p.Kind == ProofWebAuthn && k.Kind == KeyPasskey:
		return checkAssertion(p.Data, k.Public, Challenge(namespace, text), origin)
	case p.Kind == ProofSSHSIG && k.Kind == KeySSH:
		return checkSSHSIG(p.Data, k.Public, namespace, text)
	}
	return fmt.Errorf("a %s key does not make a proof of kind %s", short(k.Kind), short(p.Kind))
}

// keyFor is the key that a proof names, among those of a person.
func keyFor(keys []Key, person string, p Proof) (Key, bool) {
	for _, k := range keys {
		if k.Person == person && k.ID == p.Key && p.Key != "" && (k.Kind == KeyPasskey) == (p.Kind == ProofWebAuthn) {
			return k, true
		}
	}
	return Key{}, false
}
