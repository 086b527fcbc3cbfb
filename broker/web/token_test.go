package web

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"penstock/approvals/people"
)

// TestTokens: what counts as a sign-in, and what somebody without the key can make of one.
func TestTokens(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	ours, err := newTokens(func() time.Time { return now }, "kiel")
	if err != nil {
		t.Fatal(err)
	}
	public, own, err := ed25519.GenerateKey(nil) // one that the test has, too
	if err != nil {
		t.Fatal(err)
	}
	ours.public = public
	if ours.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: own}, (&jose.SignerOptions{}).WithType(tokenTyp)); err != nil {
		t.Fatal(err)
	}
	theirs, err := newTokens(func() time.Time { return now }, "kiel")
	if err != nil {
		t.Fatal(err)
	}
	issue := func(by *tokens) string {
		token, _, err := by.issue(people.Actor{Person: "mia", Firm: "fjord"})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := issue(ours)
	parts := strings.Split(good, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	raw := func(head, body string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(head)) + "." + base64.RawURLEncoding.EncodeToString([]byte(body))
	}
	sign := func(alg jose.SignatureAlgorithm, key any, typ string, body []byte) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
		if err != nil {
			t.Fatal(err)
		}
		j, err := s.Sign(body)
		if err != nil {
			t.Fatal(err)
		}
		c, err := j.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	byUs := func(typ, body string) string { return sign(jose.EdDSA, own, typ, []byte(body)) }
	_, foreign, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for story, token := range map[string]string{
		"none at all":                           "",
		"alg none":                              raw(`{"alg":"none","typ":"`+tokenTyp+`"}`, string(payload)) + ".",
		"alg none with the signature":           raw(`{"alg":"none","typ":"`+tokenTyp+`"}`, string(payload)) + "." + parts[2],
		"HS256 with the public key":             sign(jose.HS256, []byte(ours.public), tokenTyp, payload),
		"another key":                           sign(jose.EdDSA, foreign, tokenTyp, payload),
		"another broker's":                      issue(theirs),
		"another person's words, our signature": parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "mia", "sec", 1))) + "." + parts[2],
		"our key, another kind":                 byUs("penstock-receipt+jws", string(payload)),
		"our key, another plant":                byUs(tokenTyp, strings.Replace(string(payload), `"aud":"kiel"`, `"aud":"oslo"`, 1)),
		"our key, a later end":                  byUs(tokenTyp, strings.Replace(string(payload), `"exp":1`, `"exp":2`, 1)),
		"our key, another person":               byUs(tokenTyp, strings.Replace(string(payload), `"sub":"mia"`, `"sub":"sec"`, 1)),
		"the JSON form":                         `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"too long":                              good + strings.Repeat("A", 4096),
	} {
		if a, ok := ours.check(token); ok {
			t.Errorf("%s: signs in %s", story, a.Person)
		}
	}
	if a, ok := ours.check(byUs(tokenTyp, string(payload))); !ok || a.Person != "mia" { // the kit itself can make a good one
		t.Fatalf("as issued: %v %v", a, ok)
	}
	other := issue(ours)
	ours.revoke(good)
	if _, ok := ours.check(good); ok {
		t.Error("signed out, and the token goes on")
	}
	if _, ok := ours.check(other); !ok {
		t.Error("signing out took another sign-in along")
	}
	now = now.Add(tokenLife)
	if _, ok := ours.check(other); ok {
		t.Error("a token outlives its five minutes")
	}
}

// TestOnePersonTakesNotAllTokens: a vendor who signs in for ever keeps nobody
// out, and not themself either.
func TestOnePersonTakesNotAllTokens(t *testing.T) {
	now := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	all, err := newTokens(func() time.Time { return now }, "kiel")
	if err != nil {
		t.Fatal(err)
	}
	mia, _, err := all.issue(people.Actor{Person: "mia", Firm: "fjord"})
	if err != nil {
		t.Fatal(err)
	}
	first, last := "", ""
	for i := range 2 * maxTokensPerson {
		if i%10 == 0 {
			now = now.Add(time.Second)
		}
		if last, _, err = all.issue(people.Actor{Person: "ann", Firm: "krall"}); err != nil {
			t.Fatalf("sign-in %d: %v", i, err)
		}
		if first == "" {
			first = last
		}
	}
	if n := len(all.live); n != maxTokensPerson+1 {
		t.Errorf("%d tokens are kept", n)
	}
	for token, want := range map[string]bool{mia: true, first: false, last: true} {
		if _, ok := all.check(token); ok != want {
			t.Errorf("counts: %t, not %t", ok, want)
		}
	}
}
