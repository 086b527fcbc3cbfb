package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// A witness signs what it saw, and when: cosignature/v1 of c2sp.org/tlog-cosignature
// with Ed25519, algorithm byte 0x04. Package note knows only byte 0x01, where
// the note itself is signed, so both halves stand here.

const algCosignature = 4

// WitnessKey is a witness's signing key.
type WitnessKey struct {
	verifier WitnessVerifier
	key      ed25519.PrivateKey
}

// NewWitnessKey makes a key; text is what ParseWitnessKey reads, and is secret.
func NewWitnessKey(name string) (text string, err error) {
	if err := witnessName(name); err != nil {
		return "", err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("make a witness's key: %w", err)
	}
	return "PENSTOCK-WITNESS-KEY+" + name + "+" + base64.StdEncoding.EncodeToString(key.Seed()), nil
}

// ParseWitnessKey reads what NewWitnessKey made. Its errors do not show the key.
func ParseWitnessKey(text string) (*WitnessKey, error) {
	head, rest, ok := strings.Cut(text, "+")
	name, seed, ok2 := strings.Cut(rest, "+")
	b, err := base64.StdEncoding.Strict().DecodeString(seed)
	if !ok || !ok2 || head != "PENSTOCK-WITNESS-KEY" || err != nil || len(b) != ed25519.SeedSize {
		return nil, errors.New("that is no witness's key")
	}
	if err := witnessName(name); err != nil {
		return nil, err
	}
	key := ed25519.NewKeyFromSeed(b)
	return &WitnessKey{newWitnessVerifier(name, key.Public().(ed25519.PublicKey)), key}, nil
}

// Verifier is the public half.
func (k *WitnessKey) Verifier() WitnessVerifier { return k.verifier }

// Cosign gives the signature line, with its newline, that says: at this time
// (whole seconds) c was the largest tree seen of its log, and it continues all
// that was seen before.
func (k *WitnessKey) Cosign(c Checkpoint, at time.Time) ([]byte, error) {
	text, err := noteText(c.Note)
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	seconds := at.Unix()
	if seconds <= 0 {
		return nil, fmt.Errorf("cosign: the clock says %v", at)
	}
	sig := binary.BigEndian.AppendUint32(nil, k.verifier.hash)
	sig = binary.BigEndian.AppendUint64(sig, uint64(seconds))
	sig = append(sig, ed25519.Sign(k.key, cosigned(uint64(seconds), text))...)
	return fmt.Appendf(nil, "— %s %s\n", k.verifier.name, base64.StdEncoding.EncodeToString(sig)), nil
}

// cosigned is the message under a cosignature.
func cosigned(seconds uint64, text string) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", seconds, text)
}

// noteText is the signed text of a note, with its last newline.
func noteText(b []byte) (string, error) {
	i := strings.LastIndex(string(b), "\n\n")
	if i < 0 {
		return "", errors.New("no note: there is no empty line before signatures")
	}
	return string(b[:i+1]), nil
}

// WitnessVerifier is a witness's public key; it is a note.Verifier.
type WitnessVerifier struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

var _ note.Verifier = WitnessVerifier{}

func newWitnessVerifier(name string, key ed25519.PublicKey) WitnessVerifier {
	sum := sha256.Sum256(append([]byte(name+"\n"+string(rune(algCosignature))), key...))
	return WitnessVerifier{name, binary.BigEndian.Uint32(sum[:]), key}
}

// ParseWitnessVerifier reads a verifier key (vkey of c2sp.org/signed-note) of algorithm 0x04.
func ParseWitnessVerifier(text string) (WitnessVerifier, error) {
	fail := func(why string) (WitnessVerifier, error) {
		return WitnessVerifier{}, fmt.Errorf("a witness's verifier key looks like NAME+8 hex digits+base64, as penstock witness serve prints it: %s", why)
	}
	name, rest, ok := strings.Cut(text, "+")
	digits, key64, ok2 := strings.Cut(rest, "+")
	if !ok || !ok2 {
		return fail("there are not two plus signs in it")
	}
	if err := witnessName(name); err != nil {
		return fail(err.Error())
	}
	hash, err := hex.DecodeString(digits)
	if err != nil || len(hash) != 4 {
		return fail("the hash is not 8 hex digits")
	}
	b, err := base64.StdEncoding.Strict().DecodeString(key64)
	if err != nil || len(b) != 1+ed25519.PublicKeySize {
		return fail("the key is not 33 bytes in base64")
	}
	if b[0] != algCosignature {
		return fail(fmt.Sprintf("the key is of algorithm %d, and cosignatures are of %d", b[0], algCosignature))
	}
	v := newWitnessVerifier(name, ed25519.PublicKey(b[1:]))
	if v.hash != binary.BigEndian.Uint32(hash) {
		return fail("the hash is another key's")
	}
	return v, nil
}

func witnessName(name string) error {
	if name == "" || len(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '+' }) {
		return fmt.Errorf("%q is no name of a witness: visible ASCII without spaces and plus signs, such as witness.kiel.example", name)
	}
	return nil
}

// Name is the witness's name.
func (v WitnessVerifier) Name() string { return v.name }

// KeyHash is the key's id.
func (v WitnessVerifier) KeyHash() uint32 { return v.hash }

// String is the verifier key as ParseWitnessVerifier reads it.
func (v WitnessVerifier) String() string {
	return fmt.Sprintf("%s+%08x+%s", v.name, v.hash, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, v.key...)))
}

// Verify says whether sig is a cosignature of the note's text msg.
func (v WitnessVerifier) Verify(msg, sig []byte) bool {
	if len(v.key) != ed25519.PublicKeySize || len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	seconds := binary.BigEndian.Uint64(sig)
	return seconds < 1<<63 && ed25519.Verify(v.key, cosigned(seconds, string(msg)), sig[8:])
}

// Cosignature is what one witness said of a checkpoint.
type Cosignature struct {
	Witness string
	At      time.Time // by the witness's clock
	Line    []byte    // the signature line with its newline
}

// Cosignatures finds in a note the lines of these witnesses, and checks them.
// Lines of others are left alone; strangers counts those that are neither of
// the log nor of these witnesses.
func Cosignatures(b []byte, log note.Verifier, witnesses ...WitnessVerifier) (found []Cosignature, strangers int, err error) {
	if len(b) > maxNote {
		return nil, 0, fmt.Errorf("checkpoint: more than %d bytes", maxNote)
	}
	list := []note.Verifier{log}
	for _, w := range witnesses {
		list = append(list, w)
	}
	n, err := note.Open(b, note.VerifierList(list...))
	if err != nil {
		return nil, 0, fmt.Errorf("checkpoint: %w", err)
	}
	for _, s := range n.Sigs {
		if s.Name == log.Name() && s.Hash == log.KeyHash() {
			continue
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(s.Base64)
		if err != nil {
			return nil, 0, fmt.Errorf("checkpoint: a signature line: %w", err)
		}
		if len(raw) < 12 {
			continue
		}
		seconds := binary.BigEndian.Uint64(raw[4:])
		found = append(found, Cosignature{Witness: s.Name, At: time.Unix(int64(seconds), 0).UTC(), Line: fmt.Appendf(nil, "— %s %s\n", s.Name, s.Base64)})
	}
	return found, len(n.UnverifiedSigs), nil
}
