package web

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"penstock/approvals/people"
)

const (
	tokenLife = 5 * time.Minute // as long as a code is good for (skeleton: Proofs.Code)
	maxTokens = 10_000
	// maxTokensPerson: whoever signs in again and again, a vendor too, takes no
	// place from the shift.
	maxTokensPerson = 100
	// tokenTyp stands in the header, so that nothing else that we sign is taken for a token.
	tokenTyp = "penstock-token+jwt"
)

// tokens are bearer tokens: JWS (RFC 7515) with EdDSA and no other algorithm,
// over a key that lives and dies with the process: another broker's token, and
// one of before a restart, are nothing here. The table beside it makes each
// token good only while its sign-in is known here, and not after sign-out.
type tokens struct {
	now    func() time.Time
	plant  string // site id: the audience
	signer jose.Signer
	public ed25519.PublicKey

	mu   sync.Mutex
	live map[string]signedIn // by token id
}

type signedIn struct {
	actor people.Actor
	until time.Time
}

type claims struct {
	ID     string `json:"jti"`
	Person string `json:"sub"`
	Plant  string `json:"aud"`
	Until  int64  `json:"exp"` // unix seconds
}

func newTokens(now func() time.Time, plant string) (*tokens, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make the token key: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, (&jose.SignerOptions{}).WithType(tokenTyp))
	if err != nil {
		return nil, fmt.Errorf("make the token signer: %w", err)
	}
	return &tokens{now: now, plant: plant, signer: signer, public: public, live: map[string]signedIn{}}, nil
}

func (t *tokens) issue(a people.Actor) (string, time.Time, error) {
	c := claims{ID: rand.Text(), Person: string(a.Person), Plant: t.plant}
	until := t.now().Add(tokenLife).Truncate(time.Second)
	c.Until = until.Unix()
	payload, err := json.Marshal(c)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("write a token: %w", err)
	}
	signed, err := t.signer.Sign(payload)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign a token: %w", err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		return "", time.Time{}, fmt.Errorf("write a token: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	mine, oldest := 0, ""
	for id, s := range t.live {
		switch {
		case t.now().After(s.until):
			delete(t.live, id)
		case s.actor.Person == a.Person:
			if mine++; oldest == "" || s.until.Before(t.live[oldest].until) {
				oldest = id
			}
		}
	}
	if mine >= maxTokensPerson { // the oldest makes room, so that nobody locks themself out
		delete(t.live, oldest)
	}
	if len(t.live) >= maxTokens {
		return "", time.Time{}, errors.New("too many people are signed in")
	}
	t.live[c.ID] = signedIn{a, until}
	return compact, until, nil
}

func (t *tokens) check(compact string) (people.Actor, bool) {
	c, ok := t.read(compact)
	if !ok {
		return people.Actor{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.live[c.ID]
	if !ok || !t.now().Before(s.until) || string(s.actor.Person) != c.Person || c.Until != s.until.Unix() {
		return people.Actor{}, false
	}
	return s.actor, true
}

// revoke makes a token worth nothing, at once.
func (t *tokens) revoke(compact string) {
	if c, ok := t.read(compact); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.live, c.ID)
	}
}

// read takes a token of ours apart: the algorithm and the key are ours to
// choose, whatever its header says.
func (t *tokens) read(compact string) (c claims, ok bool) {
	if len(compact) > 4096 {
		return c, false
	}
	signed, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return c, false
	}
	if typ, _ := signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType].(string); typ != tokenTyp {
		return c, false
	}
	payload, err := signed.Verify(t.public)
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return c, false
	}
	return c, c.Plant == t.plant
}
