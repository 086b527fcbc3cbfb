package evidence

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
)

// The two sealed envelopes (DESIGN promise 7). Each holds a code on paper, from
// which one ed25519 key follows; the log has its public half alone, with the word
// of somebody of OT security, signed by a key of their own. So whoever has every
// file of the broker makes none that counts.
const (
	EnvelopeRoom     = "envelope-1" // the control room's: stands for the one yes of an emergency, alone
	EnvelopeSecurity = "envelope-2" // OT security's way back in; opens only together with the first
)

// EnvelopeGood is how long an envelope that was opened counts; then it is spent.
const EnvelopeGood = 4 * time.Hour

// IsEnvelope says whether an id is an envelope's, which no person can have.
func IsEnvelope(id string) bool { return id == EnvelopeRoom || id == EnvelopeSecurity }

// codeSigns are Crockford's base 32: what is easily misread is read as what it
// looks like.
const codeSigns = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	seedSize  = 16 // bytes
	seedSigns = 26 // of 5 bits
	sumSigns  = 4
)

// EnvelopeCode is what is printed of a seed: six groups of five signs. The last
// four are a checksum that knows which envelope it is.
func EnvelopeCode(envelope string, seed [seedSize]byte) string {
	var plain strings.Builder
	bits, have := uint(0), 0
	for _, b := range seed {
		bits, have = bits<<8|uint(b), have+8
		for have >= 5 {
			have -= 5
			plain.WriteByte(codeSigns[bits>>have&31])
		}
	}
	plain.WriteByte(codeSigns[bits<<(5-have)&31])
	all := plain.String()
	all += checksum(envelope, all)
	var out strings.Builder
	for i := 0; i < len(all); i += 5 {
		if i > 0 {
			out.WriteByte('-')
		}
		out.WriteString(all[i : i+5])
	}
	return out.String()
}

func checksum(envelope, signs string) string {
	sum := sha256.Sum256([]byte("penstock-envelope-sum-v1\n" + envelope + "\n" + signs))
	out := make([]byte, sumSigns)
	for i := range out {
		out[i] = codeSigns[sum[i]&31]
	}
	return string(out)
}

// EnvelopeKey is the key that follows from a code as it is typed: any case, with
// or without dashes and spaces, O for 0 and I or L for 1. The error says what is
// wrong with it, and nothing of it.
func EnvelopeKey(envelope, code string) (ed25519.PrivateKey, error) {
	if len(code) > 200 {
		return nil, errors.New("this is longer than a code")
	}
	code = strings.NewReplacer("-", "", " ", "", "\t", "", "\r", "", "\n", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(code))
	if len(code) != seedSigns+sumSigns {
		return nil, fmt.Errorf("a code has %d signs, and this has %d", seedSigns+sumSigns, len(code))
	}
	for i := range len(code) {
		if strings.IndexByte(codeSigns, code[i]) < 0 {
			return nil, fmt.Errorf("sign %d is none that a code has", i+1)
		}
	}
	signs, sum := code[:seedSigns], code[seedSigns:]
	if checksum(envelope, signs) != sum {
		for _, other := range []string{EnvelopeRoom, EnvelopeSecurity} {
			if other != envelope && checksum(other, signs) == sum {
				return nil, fmt.Errorf("this is the code of %s", EnvelopeTitle(other))
			}
		}
		return nil, errors.New("a sign is mistyped")
	}
	seed := sha256.Sum256([]byte("penstock-envelope-key-v1\n" + envelope + "\n" + signs))
	return ed25519.NewKeyFromSeed(seed[:]), nil
}

// EnvelopeTitle is how people call it.
func EnvelopeTitle(id string) string {
	if id == EnvelopeSecurity {
		return "envelope 2 (OT security)"
	}
	return "envelope 1 (control room)"
}

// EnvelopePublic is a key's public half in authorized_keys form.
func EnvelopePublic(key ed25519.PrivateKey) (string, error) {
	pub, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return "", fmt.Errorf("public half of an envelope's key: %w", err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))), nil
}

// SignSSH signs a text as ssh-keygen -Y sign does (PROTOCOL.sshsig).
func SignSSH(key ed25519.PrivateKey, namespace string, text []byte) (Proof, error) {
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		return Proof{}, fmt.Errorf("sign: %w", err)
	}
	sum := sha512.Sum512(text)
	sig, err := signer.Sign(nil, append([]byte(sshsigMagic), ssh.Marshal(signedSSH{namespace, "", "sha512", sum[:]})...))
	if err != nil {
		return Proof{}, fmt.Errorf("sign: %w", err)
	}
	blob := append([]byte(sshsigMagic), ssh.Marshal(sshsig{1, signer.PublicKey().Marshal(), namespace, "", "sha512", ssh.Marshal(sig)})...)
	return Proof{Kind: ProofSSHSIG, Key: ssh.FingerprintSHA256(signer.PublicKey()), Data: base64.StdEncoding.EncodeToString(blob)}, nil
}

// sealedIn is an envelope as the leaves tell it, until it is opened.
type sealedIn struct {
	key    heldKey
	firm   string
	roles  []string
	opened time.Time
}

// judgeEnvelope says whether the leaf was about an envelope.
func (w *Walk) judgeEnvelope() bool {
	switch b := w.leaf.Body.(type) {
	case audit.EnvelopeSealed:
		w.sealedEnvelope(b)
	case audit.EnvelopeOpened:
		w.openedEnvelope(b)
	case audit.EnvelopeVoided:
		w.voidedEnvelope(b)
	default:
		return false
	}
	return true
}

// sealedEnvelope: by somebody of OT security, whose own key vouches for the key.
// What was sealed or opened before counts no more.
func (w *Walk) sealedEnvelope(b audit.EnvelopeSealed) {
	if !w.must(IsEnvelope(b.Envelope) && w.people[b.By] != nil && !IsEnvelope(b.By), "%s sealed %s", short(b.By), short(b.Envelope)) {
		return
	}
	print, public, err := PublicKey(KeySSH, b.Public)
	w.must(err == nil && print == b.Key, "the key of %s has not the fingerprint that the leaf says", b.Envelope)
	k := heldKey{kind: KeySSH, id: b.Key, public: public, broken: unvouched, since: w.leaf.Place()}
	owner, taken := w.owners[b.Key]
	w.must(!taken, "the key %s is or was %s's", b.Key, owner)
	w.owners[b.Key] = b.Envelope
	if err := w.vouch(audit.KeyVouched{Person: b.Envelope, Key: b.Key, By: b.By, Document: b.Document}, &k); w.must(err == nil, "%v", err) {
		k.broken = ""
	}
	if !w.must(w.isSecurity(b.By), "%s was sealed by %s, who is not of OT security", b.Envelope, short(b.By)) {
		k.broken = b.By + ", who sealed it, is not of OT security"
	}
	if p := w.people[b.Envelope]; p != nil {
		w.drop(p, func(heldKey) bool { return true })
	}
	firm := ""
	if p := w.people[b.By]; p != nil {
		firm = p.firm
	}
	w.sealed[b.Envelope] = &sealedIn{key: k, firm: firm, roles: []string{b.Role}}
	w.noteHere("%s was sealed by %s", EnvelopeTitle(b.Envelope), b.By)
}

// openedEnvelope: once, and the second only with the first. Its key counts from
// here on; it is told loudly, because its use is an alarm.
func (w *Walk) openedEnvelope(b audit.EnvelopeOpened) {
	e := w.sealed[b.Envelope]
	if !w.must(e != nil, "%s was never sealed", short(b.Envelope)) {
		return
	}
	w.must(w.leaf.Actor == b.Envelope, "%s opened it, and the leaf says %s", short(w.leaf.Actor), short(b.Envelope))
	w.must(e.opened.IsZero(), "it was opened before, at %s", clock(e.opened))
	if b.Envelope == EnvelopeSecurity {
		first := w.sealed[EnvelopeRoom]
		w.must(first != nil && !first.opened.IsZero() && w.leaf.Wall.Before(first.opened.Add(EnvelopeGood)), "it was opened without %s", EnvelopeTitle(EnvelopeRoom))
	}
	e.opened, e.key.since = w.leaf.Wall, w.leaf.Place()
	p := w.people[b.Envelope]
	if p == nil {
		p = &person{}
		w.people[b.Envelope] = p
	}
	p.disabled = false // one before it may have been made void
	p.firm, p.roles, p.until = e.firm, e.roles, e.opened.Add(EnvelopeGood)
	w.hold(b.Envelope, e.key)
	w.noteHere("ALARM: %s was opened; whoever opened it said to be %s", EnvelopeTitle(b.Envelope), short(b.Says))
}

// voidedEnvelope: in a recovery; it takes.
func (w *Walk) voidedEnvelope(b audit.EnvelopeVoided) {
	w.must(w.recovering && w.leaf.Actor == penstock, "%s was made void outside of a recovery", short(b.Envelope))
	if e := w.sealed[b.Envelope]; !w.must(e != nil && e.key.id == b.Key, "%s held no such key", short(b.Envelope)) {
		return
	}
	delete(w.sealed, b.Envelope)
	if p := w.people[b.Envelope]; p != nil {
		w.drop(p, func(heldKey) bool { return true })
		p.disabled, p.gone, p.end = true, w.leaf.Wall, w.leaf.Place()
	}
	w.noteHere("%s was made void: %s", EnvelopeTitle(b.Envelope), short(b.Why))
}

// Unsealed are the envelopes in force that nobody of OT security is proved to have
// sealed, and what is wrong with each.
func (w *Walk) Unsealed() map[string]string {
	wrong := map[string]string{}
	for id, e := range w.sealed {
		if e.key.broken != "" {
			wrong[id] = e.key.broken
		}
	}
	return wrong
}

// voice are the roles in which somebody's word counts at some of the moments: an
// envelope's in an emergency alone, on duty or not.
func (w *Walk) voice(id string, emergency bool, at ...time.Time) []string {
	if !IsEnvelope(id) {
		return w.counted(id, at...)
	}
	if p := w.known(id); p != nil && emergency {
		return w.teamed(p.roles)[0]
	}
	return nil
}
