// Package receipt gives people the server's signed word that what they did is
// in the log, and holds such a receipt to a log later.
//
// A receipt names one leaf by index and hash, and the size and root of the tree
// when it was signed. Whoever keeps it elsewhere catches a broker that drops,
// alters or forks away from that leaf. It is a JWS in compact form (RFC 7515),
// EdDSA and nothing else, over the canonical JSON of Claims, with a key of its
// own that each node.started names; it proves nothing about what a person
// meant, only what the server said to that person.
package receipt

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"penstock/audit"
)

// typ stands in the header: a token of another kind, signed by whatever key, is no receipt.
const typ = "penstock-receipt+jws"

// MaxSize bounds a receipt in bytes.
const MaxSize = 4096

// Claims are what a receipt says.
type Claims struct {
	V        int         `json:"v"`     // 1
	Plant    string      `json:"plant"` // site id
	Log      string      `json:"log"`   // origin, the first line of its checkpoints
	Node     string      `json:"node"`
	Index    audit.Index `json:"index"`
	Leaf     audit.Hash  `json:"leaf"` // SHA-256 of the leaf's canonical bytes
	Type     string      `json:"type"`
	Subject  string      `json:"subject"`
	Person   string      `json:"person"`
	Document audit.Hash  `json:"document,omitzero"` // what was asked, answered or handed back
	At       time.Time   `json:"at"`                // wall time of the leaf
	Size     audit.Index `json:"size"`              // of the signed tree that held the leaf
	Root     audit.Hash  `json:"root"`
}

// Of says whether there are receipts for events of this kind, and which
// document such an event is about.
func Of(body audit.Body) (document audit.Hash, ok bool) {
	switch b := body.(type) {
	case audit.RequestSubmitted:
		return b.Document, true
	case audit.RequestRevised:
		return b.Document, true
	case audit.AnswerGiven:
		return b.Document, true
	case audit.WindowMoved:
		return b.Answer, true
	case audit.HandoverAccepted:
		return b.Answer, true
	case audit.OutageWritten:
		return b.Document, true
	case audit.IslandAnswered:
		return b.Document, true
	case audit.HandbackGiven:
		return b.Text, true
	case audit.LeftNoted:
		return b.Text, true
	case audit.RequestWithdrawn, audit.HandbackAccepted, audit.LeftDue, audit.LeftGone, audit.BlockSet, audit.BlockLifted, audit.GateChanged, audit.EscortChanged, audit.HandoverOffered:
		return audit.Hash{}, true
	}
	return audit.Hash{}, false
}

// unchecked is a receipt whose signature nobody has looked at yet.
type unchecked struct {
	Claims
	key string // kid
	jws *jose.JSONWebSignature
	raw []byte
}

// parse reads the form, and only that; the signature is for by.
func parse(b []byte) (unchecked, error) {
	if len(b) > MaxSize {
		return unchecked{}, fmt.Errorf("more than %d bytes", MaxSize)
	}
	compact := strings.TrimSuffix(string(b), "\n")
	for part := range strings.SplitSeq(compact, ".") { // one spelling: no spare bits
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return unchecked{}, errors.New("not the compact form of a JWS")
		}
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return unchecked{}, err
	}
	head := jws.Signatures[0].Protected
	if t, _ := head.ExtraHeaders[jose.HeaderType].(string); t != typ {
		return unchecked{}, fmt.Errorf("its typ is %.40q and not %s", t, typ)
	}
	if head.JSONWebKey != nil || len(head.ExtraHeaders) > 1 { // whose key counts is not the receipt's to say
		return unchecked{}, errors.New("its header says more than a receipt's does")
	}
	u := unchecked{key: head.KeyID, jws: jws, raw: jws.UnsafePayloadWithoutVerification()}
	d := json.NewDecoder(bytes.NewReader(u.raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&u.Claims); err != nil {
		return unchecked{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return unchecked{}, errors.New("something behind its end")
	}
	if u.V != 1 {
		return unchecked{}, fmt.Errorf("its version is %d, and this build reads 1", u.V)
	}
	if again, err := audit.Canonical(u.Claims); err != nil || !bytes.Equal(again, u.raw) {
		return unchecked{}, errors.New("not in the canonical form")
	}
	return u, nil
}

// by checks the signature with the key of that name.
func (u unchecked) by(k jose.JSONWebKey) error {
	payload, err := u.jws.Verify(k.Key)
	if err != nil || !bytes.Equal(payload, u.raw) {
		return errors.New("its signature is not right: it was altered, or never given")
	}
	return nil
}
