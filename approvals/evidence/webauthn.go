package evidence

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol/webauthncose"
)

// Flags of authenticator data (WebAuthn level 2, 6.1).
const (
	flagPresent    = 1 << 0 // the person touched it
	flagVerified   = 1 << 2 // and it knew them: PIN, finger, face
	flagCredential = 1 << 6 // attested credential data follows: of an enrolment, never here
	flagExtensions = 1 << 7
	authenticator  = 37 // bytes before extensions
)

// checkAssertion takes the steps of WebAuthn level 2, 7.2, that need no
// ceremony, by less code than the broker's sign-in: what it checks was kept,
// and nobody is there to ask again. The signature counter is passed over: many
// passkeys always say 0, and it proves nothing about this answer.
func checkAssertion(data string, public, challenge []byte, origin string) error {
	parts := strings.Split(data, ".")
	if len(parts) != 3 {
		return errors.New("its assertion has not three parts")
	}
	var raw [3][]byte
	for i, p := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(p); err != nil {
			return fmt.Errorf("part %d of its assertion is not base64url", i+1)
		}
	}
	auth, client, signature := raw[0], raw[1], raw[2]
	if err := checkClient(client, challenge, origin); err != nil {
		return err
	}
	if err := checkAuthenticator(auth, origin); err != nil {
		return err
	}
	key, err := passkeyOf(public)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(client)
	ok, err := webauthncose.VerifySignature(key, append(bytes.Clone(auth), sum[:]...), signature)
	if err != nil || !ok {
		return errors.New("its signature is not by the passkey that it names")
	}
	return nil
}

// checkClient holds what the browser said of itself to what it was asked. Field
// names are taken to the letter, which a struct would not.
func checkClient(b, challenge []byte, origin string) error {
	var said map[string]json.RawMessage
	if err := json.Unmarshal(b, &said); err != nil {
		return fmt.Errorf("its client data is not JSON: %w", err)
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(said[name], &s) // what is no text is empty, and refused below
		return s
	}
	if got := text("type"); got != "webauthn.get" {
		return fmt.Errorf("its client data is of type %q, and an answer's is webauthn.get", short(got))
	}
	want := base64.RawURLEncoding.EncodeToString(challenge)
	if subtle.ConstantTimeCompare([]byte(text("challenge")), []byte(want)) != 1 {
		return errors.New("what was signed is not this text")
	}
	if origin == "" {
		return errors.New("the plant file names no origin, so no passkey can be held to it")
	}
	if got := text("origin"); got != origin {
		return fmt.Errorf("it was signed at %q, and the plant's pages are at %q", short(got), origin)
	}
	if cross := string(said["crossOrigin"]); cross != "" && cross != "false" || said["topOrigin"] != nil {
		return errors.New("it was signed inside another site's page")
	}
	return nil
}

func checkAuthenticator(b []byte, origin string) error {
	if len(b) < authenticator {
		return fmt.Errorf("its authenticator data has %d bytes, at least %d", len(b), authenticator)
	}
	u, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("the plant's origin: %w", err)
	}
	if site := sha256.Sum256([]byte(u.Hostname())); !bytes.Equal(b[:32], site[:]) {
		return errors.New("its passkey is another site's")
	}
	switch flags := b[32]; {
	case flags&flagPresent == 0:
		return errors.New("nobody touched the authenticator")
	case flags&flagVerified == 0:
		return errors.New("the authenticator did not check who touched it (no PIN, finger or face)")
	case flags&flagCredential != 0:
		return errors.New("it is an enrolment and no assertion")
	case flags&flagExtensions == 0 && len(b) != authenticator:
		return fmt.Errorf("its authenticator data has %d bytes too many", len(b)-authenticator)
	}
	return nil
}

// passkeyOf reads a COSE key (RFC 9053) of one of the algorithms that passkeys
// are enrolled with: ES256, EdDSA, RS256.
func passkeyOf(b []byte) (any, error) {
	key, err := webauthncose.ParsePublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("the passkey's public key cannot be read: %w", err)
	}
	var alg int64
	switch k := key.(type) {
	case webauthncose.EC2PublicKeyData:
		alg = k.Algorithm
	case webauthncose.OKPPublicKeyData:
		alg = k.Algorithm
	case webauthncose.RSAPublicKeyData:
		alg = k.Algorithm
		if n := len(bytes.TrimLeft(k.Modulus, "\x00")) * 8; n < 2048 {
			return nil, fmt.Errorf("an RSA passkey of %d bits is too weak", n)
		}
	}
	switch webauthncose.COSEAlgorithmIdentifier(alg) {
	case webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256:
		return key, nil
	}
	return nil, fmt.Errorf("a passkey of algorithm %d is not taken", alg)
}

// CheckAssertion is nil if a proof's data is a passkey's assertion over exactly
// this challenge, at this origin, with the person verified.
func CheckAssertion(p Proof, public, challenge []byte, origin string) error {
	if p.Kind != ProofWebAuthn || len(p.Data) > maxProof {
		return errors.New("it is no passkey's assertion")
	}
	return checkAssertion(p.Data, public, challenge, origin)
}

// CheckPasskey is nil if a public key (COSE) can be one of a passkey here.
func CheckPasskey(public []byte) error {
	_, err := passkeyOf(public)
	return err
}
