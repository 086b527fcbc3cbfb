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
)

// tokens are bearer tokens: JWS (RFC 7515) with EdDSA and no other algorithm,
// over a key that lives and dies with the process. The table beside it makes
// each token good only while its sign-in is known here.
type tokens struct {
	now    func() time.Time
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
	Until  int64  `json:"exp"` // unix seconds
}

func newTokens(now func() time.Time) (*tokens, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("make the token key: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, nil)
	if err != nil {
		return nil, fmt.Errorf("make the token signer: %w", err)
	}
	return &tokens{now: now, signer: signer, public: public, live: map[string]signedIn{}}, nil
}

func (t *tokens) issue(a people.Actor) (string, time.Time, error) {
	c := claims{ID: rand.Text(), Person: string(a.Person)}
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
	for id, s := range t.live {
		if t.now().After(s.until) {
			delete(t.live, id)
		}
	}
	if len(t.live) >= maxTokens {
		return "", time.Time{}, errors.New("too many people are signed in")
	}
	t.live[c.ID] = signedIn{a, until}
	return compact, until, nil
}

func (t *tokens) check(compact string) (people.Actor, bool) {
	if len(compact) > 4096 {
		return people.Actor{}, false
	}
	signed, err := jose.ParseSigned(compact, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return people.Actor{}, false
	}
	payload, err := signed.Verify(t.public)
	if err != nil {
		return people.Actor{}, false
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil {
		return people.Actor{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.live[c.ID]
	if !ok || !t.now().Before(s.until) || string(s.actor.Person) != c.Person {
		return people.Actor{}, false
	}
	return s.actor, true
}
