package login

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

const (
	passkeyOrigin    = "https://broker.test"
	passkeyChallenge = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// client is the client data of a ceremony (WebAuthn level 2, 5.8.1).
func client(kind string) []byte {
	return []byte(`{"type":"` + kind + `","challenge":"` + passkeyChallenge + `","origin":"` + passkeyOrigin + `","crossOrigin":false}`)
}

// authData begins authenticator data (WebAuthn level 2, 6.1): site, flags, counter.
func authData(flags byte) []byte {
	site := sha256.Sum256([]byte("broker.test"))
	return append(append(site[:], flags), 0, 0, 0, 1)
}

// secret is the passkey's: 1, so that its point is the curve's own base.
func secret() *ecdsa.PrivateKey {
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), append(make([]byte, 31), 1))
	if err != nil {
		panic(err)
	}
	return k
}

// cosePoint is a public key as COSE has it (RFC 9053, 7.1.1): EC2, ES256, P-256.
func cosePoint() []byte {
	point, err := secret().PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	return slices.Concat([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 32}, point[1:33], []byte{0x22, 0x58, 32}, point[33:])
}

// madeBy is what a browser answers to navigator.credentials.create: an attestation
// object (WebAuthn level 2, 6.5.4) of the format none, in CBOR written by hand.
func madeBy(flags byte, key []byte) []byte {
	auth := slices.Concat(authData(flags), make([]byte, 16), []byte{0, 4}, []byte("cred"), key)
	object := slices.Concat([]byte{0xa3}, []byte("\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"), []byte{byte(len(auth))}, auth)
	id := b64([]byte("cred"))
	return []byte(`{"id":"` + id + `","rawId":"` + id + `","type":"public-key","response":{"attestationObject":"` + b64(object) + `","clientDataJSON":"` + b64(client("webauthn.create")) + `"}}`)
}

// making is a ceremony that has begun.
func making(t testing.TB) (*webauthn.WebAuthn, people.Person, webauthn.SessionData) {
	t.Helper()
	p := &Proofs{origin: func() string { return passkeyOrigin }, plant: func() string { return "kiel" }}
	w, err := p.relyingParty()
	if err != nil {
		t.Fatal(err)
	}
	return w, people.Person{ID: "mia", Name: "Mia Voss"}, webauthn.SessionData{Challenge: passkeyChallenge, UserID: []byte("mia"), UserVerification: protocol.VerificationRequired,
		CredParams: []protocol.CredentialParameter{{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256}}}
}

func TestAPasskeyIsMade(t *testing.T) {
	w, mia, begun := making(t)
	for _, row := range []struct {
		story  string
		answer []byte
		want   string // of the error; empty: a key
	}{
		{"touched, and knew her", madeBy(0x45, cosePoint()), ""},
		{"touched by whoever", madeBy(0x41, cosePoint()), "ceremony does not hold"},
		{"an answer of a sign-in", []byte(strings.Replace(string(madeBy(0x45, cosePoint())), b64(client("webauthn.create")), b64(client("webauthn.get")), 1)), "ceremony does not hold"},
		{"of another site", []byte(strings.Replace(string(madeBy(0x45, cosePoint())), b64(client("webauthn.create")),
			b64([]byte(strings.Replace(string(client("webauthn.create")), "broker.test", "broker.evil", 1))), 1)), "ceremony does not hold"},
		{"half of it", madeBy(0x45, cosePoint())[:200], "cannot be read"},
		{"too much of it", make([]byte, maxResponse+1), "too long"},
	} {
		t.Run(row.story, func(t *testing.T) {
			parsed, err := parseMade(row.answer)
			var k people.Key
			if err == nil {
				k, err = keyMade(w, mia, begun, parsed)
			}
			if row.want != "" {
				var no *policy.Refusal
				if !errors.As(err, &no) || !strings.Contains(no.Why, row.want) {
					t.Fatalf("%+v, %v", k, err)
				}
				return
			}
			if err != nil || k.Public != b64(cosePoint()) || k.Credential != b64([]byte("cred")) {
				t.Fatalf("%+v, %v", k, err)
			}
		})
	}
}

// Whatever a browser answers, it is refused, or it is a passkey that evidence can
// check, made for the challenge that was given.
func FuzzPasskeyMade(f *testing.F) {
	w, mia, begun := making(f)
	f.Add(madeBy(0x45, cosePoint()))
	f.Add(madeBy(0xc5, cosePoint()[:10])) // says that extensions follow
	f.Add(madeBy(0x05, nil))              // says that no key follows
	f.Add(madeBy(0x45, []byte{0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 2, 1, 2}))
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{"attestationObject":"v_8","clientDataJSON":"e30"}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		parsed, err := parseMade(answer)
		if err != nil {
			return
		}
		k, err := keyMade(w, mia, begun, parsed)
		if err != nil {
			return
		}
		if print, _, err := evidence.PublicKey(evidence.KeyPasskey, k.Public); err != nil || print != k.ID || k.Credential == "" {
			t.Fatalf("%+v: %v", k, err)
		}
		if parsed.Response.CollectedClientData.Challenge != passkeyChallenge {
			t.Fatal("made for another challenge")
		}
	})
}

// What claims to be an assertion is read or refused, and one that holds was signed
// by the key over the challenge that was given.
func FuzzPasskeyAssertion(f *testing.F) {
	said := func(client, auth, sig []byte) []byte {
		return []byte(`{"id":"` + b64([]byte("cred")) + `","rawId":"x","response":{"clientDataJSON":"` + b64(client) + `","authenticatorData":"` + b64(auth) + `","signature":"` + b64(sig) + `"}}`)
	}
	get, auth := client("webauthn.get"), authData(0x05)
	sum := sha256.Sum256(get)
	digest := sha256.Sum256(append(slices.Clone(auth), sum[:]...))
	sig, err := secret().Sign(nil, digest[:], crypto.SHA256) // deterministic (RFC 6979)
	if err != nil {
		f.Fatal(err)
	}
	challenge, err := base64.RawURLEncoding.DecodeString(passkeyChallenge)
	if err != nil {
		f.Fatal(err)
	}
	holds := func(answer []byte) (Assertion, bool) {
		a, err := ParseAssertion(answer)
		return a, err == nil && evidence.CheckAssertion(a.Proof("k"), cosePoint(), challenge, passkeyOrigin) == nil
	}
	if _, ok := holds(said(get, auth, sig)); !ok {
		f.Fatal("the assertion written by hand does not hold")
	}
	f.Add(said(get, auth, sig))
	f.Add(said(get, authData(0x01), sig))
	f.Add(said(client("webauthn.create"), auth, sig))
	f.Add(said(get, auth[:36], []byte{0x30, 0x06, 2, 1, 0, 2, 1, 0}))
	f.Add(said([]byte(`{"challenge":["x"],"Challenge":1}`), nil, nil))
	f.Add([]byte(`{"id":7}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		a, ok := holds(answer)
		_ = a.challenge()
		if !ok {
			return
		}
		if a.challenge() != passkeyChallenge || a.ID == "" {
			t.Fatalf("%+v", a)
		}
		var data struct{ Origin string }
		if b, err := base64.RawURLEncoding.DecodeString(a.Response.ClientData); err != nil || json.Unmarshal(b, &data) != nil || data.Origin != passkeyOrigin {
			t.Fatalf("signed at %q", data.Origin)
		}
	})
}
