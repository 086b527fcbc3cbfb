package login

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"penstock/policy"
)

// BrowserLife is how long a browser in which somebody signed in is theirs.
const BrowserLife = 90 * 24 * time.Hour

const browserHead = 16 + 8 // random bytes; until, in seconds since 1970

// browsers are those in which a person has signed in: each keeps a sign of it,
// sealed by a key of this process. It proves nothing and opens nothing; its
// tries are counted by themselves and wait for no stranger's, wherever they come
// from. So neither a flood of guesses nor somebody behind the same address keeps
// the shift from signing in at their own phone. A restart makes strangers of all
// until they sign in again.
type browsers struct{ key []byte }

func newBrowsers() browsers {
	b := browsers{make([]byte, sha256.Size)}
	rand.Read(b.key) // never fails
	return b
}

func (b browsers) seal(who policy.PersonID, head []byte) []byte {
	m := hmac.New(sha256.New, b.key)
	m.Write(head) // of one length
	m.Write([]byte(who))
	return m.Sum(nil)
}

// of gives the browser's own number where the sign is this person's; empty: it is a stranger's.
func (b browsers) of(name, sign string, now time.Time) string {
	raw, err := base64.RawURLEncoding.DecodeString(sign[:min(len(sign), 100)])
	if err != nil || len(raw) != browserHead+sha256.Size {
		return ""
	}
	head := raw[:browserHead]
	if !hmac.Equal(raw[browserHead:], b.seal(policy.PersonID(name), head)) || now.Unix() >= int64(binary.BigEndian.Uint64(head[16:])) {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(head[:16])
}

// Browser is what the browser keeps in which this person has just signed in.
func (p *Proofs) Browser(who policy.PersonID) string {
	head := make([]byte, 16, browserHead)
	rand.Read(head) // never fails
	head = binary.BigEndian.AppendUint64(head, uint64(p.now().Add(BrowserLife).Unix()))
	return base64.RawURLEncoding.EncodeToString(append(head, p.browsers.seal(who, head)...))
}
