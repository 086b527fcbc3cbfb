package login

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/policy"
)

// Of a ceremony with a browser.
const (
	ceremonyLife  = 5 * time.Minute
	maxCeremonies = 1000
	ceremoniesOne = 20       // of one caller, or of one person who makes a passkey
	maxResponse   = 32 << 10 // bytes of what a browser answers
)

// ceremonies are challenges that were handed out and not answered yet, in
// memory: each is good once.
type ceremonies struct {
	mu  sync.Mutex
	all map[string]ceremony // by challenge
}

type ceremony struct {
	person policy.PersonID // who enrols; empty: somebody signs in
	at     string          // whose it is: who enrols, or where somebody signs in, as guesses are counted
	near   string          // its network, or who enrols
	until  time.Time
	begun  webauthn.SessionData // of an enrolment
	flow   flow                 // of somebody who is at the sign-in service
}

// keep remembers a challenge; where the same caller has too many their oldest
// goes, and where all together have, the oldest of the network that has most.
func (c *ceremonies) keep(challenge string, one ceremony, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]ceremony{}
	}
	own, oldestOwn, near := 0, "", map[string]int{}
	for k, v := range c.all {
		if !now.Before(v.until) {
			delete(c.all, k)
			continue
		}
		near[v.near]++
		if v.at != one.at {
			continue
		}
		if own++; oldestOwn == "" || v.until.Before(c.all[oldestOwn].until) {
			oldestOwn = k
		}
	}
	switch {
	case own >= ceremoniesOne:
		delete(c.all, oldestOwn)
	case len(c.all) >= maxCeremonies:
		delete(c.all, c.oldestOfMost(near))
	}
	c.all[challenge] = one
}

// oldestOfMost is the oldest challenge of a network that has as many as any. mu is held.
func (c *ceremonies) oldestOfMost(near map[string]int) (oldest string) {
	most := 0
	for _, n := range near {
		most = max(most, n)
	}
	for k, v := range c.all {
		if near[v.near] == most && (oldest == "" || v.until.Before(c.all[oldest].until)) {
			oldest = k
		}
	}
	return oldest
}

// spend gives a challenge's ceremony, once.
func (c *ceremonies) spend(challenge string, person policy.PersonID, now time.Time) (ceremony, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one, ok := c.all[challenge]
	delete(c.all, challenge)
	return one, ok && one.person == person && now.Before(one.until)
}

// Passkeys says whether people can have passkeys here: the plant file names
// where its pages are.
func (p *Proofs) Passkeys() bool { return p.origin() != "" }

var errNoPasskeys = &policy.Refusal{Rule: "no-passkeys", Say: "There are no passkeys here: the plant file does not say where its pages are (site: origin).", Why: "no origin"}

func errPasskey(why string) error {
	return &policy.Refusal{Rule: "passkey", Say: "The passkey was not taken. Try again; if that does not help, use another one, or password and code.", Why: why}
}

// site is the name that passkeys are bound to.
func site(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// holder is a person as the library wants one. The id is public within the
// plant, and so is what the authenticator shows of it.
type holder struct{ people.Person }

func (h holder) WebAuthnID() []byte                         { return []byte(h.ID) }
func (h holder) WebAuthnName() string                       { return string(h.ID) }
func (h holder) WebAuthnDisplayName() string                { return h.Name }
func (h holder) WebAuthnCredentials() []webauthn.Credential { return nil }

func (p *Proofs) relyingParty() (*webauthn.WebAuthn, error) {
	origin := p.origin()
	if origin == "" {
		return nil, errNoPasskeys
	}
	w, err := webauthn.New(&webauthn.Config{RPID: site(origin), RPDisplayName: "Penstock " + p.plant(), RPOrigins: []string{origin}})
	if err != nil {
		return nil, fmt.Errorf("passkeys at %s: %w", origin, err)
	}
	return w, nil
}

// BeginPasskey is what a browser is told for a new passkey of the actor's own
// (navigator.credentials.create), as JSON. It names everybody's passkeys, so
// that an authenticator that holds one of another person makes none.
func (p *Proofs) BeginPasskey(ctx context.Context, a people.Actor) (json.RawMessage, error) {
	w, err := p.relyingParty()
	if err != nil {
		return nil, err
	}
	who, err := p.present(ctx, a.Person)
	if err != nil {
		return nil, err
	}
	known, err := p.credentials(ctx)
	if err != nil {
		return nil, err
	}
	var takes []protocol.CredentialParameter
	for _, alg := range []webauthncose.COSEAlgorithmIdentifier{webauthncose.AlgES256, webauthncose.AlgEdDSA, webauthncose.AlgRS256} {
		takes = append(takes, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: alg})
	}
	creation, begun, err := w.BeginRegistration(holder{who}, webauthn.WithConveyancePreference(protocol.PreferNoAttestation),
		webauthn.WithCredentialParameters(takes), webauthn.WithExclusions(known), webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(), UserVerification: protocol.VerificationRequired}))
	if err != nil {
		return nil, fmt.Errorf("begin a passkey of %s: %w", a.Person, err)
	}
	p.making.keep(begun.Challenge, ceremony{person: a.Person, at: string(a.Person), near: string(a.Person), until: p.now().Add(ceremonyLife), begun: *begun}, p.now())
	b, err := json.Marshal(creation.Response)
	if err != nil {
		return nil, fmt.Errorf("begin a passkey of %s: %w", a.Person, err)
	}
	return b, nil
}

// maxExcluded bounds how many passkeys a browser is told of.
const maxExcluded = 64

func (p *Proofs) credentials(ctx context.Context) (list []protocol.CredentialDescriptor, err error) {
	all, err := p.roster.People(ctx)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	for _, who := range all {
		for _, k := range who.Keys {
			id, err := base64.RawURLEncoding.DecodeString(k.Credential)
			if k.Kind == people.Passkey && !who.Disabled && err == nil && len(list) < maxExcluded {
				list = append(list, protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: id})
			}
		}
	}
	return list, nil
}

// EnrolPasskey takes what the browser answered (its credential's toJSON). The
// passkey waits then for somebody to vouch for it.
func (p *Proofs) EnrolPasskey(ctx context.Context, a people.Actor, name string, response []byte) (people.Key, error) {
	w, err := p.relyingParty()
	if err != nil {
		return people.Key{}, err
	}
	who, err := p.present(ctx, a.Person)
	if err != nil {
		return people.Key{}, err
	}
	parsed, err := parseMade(response)
	if err != nil {
		return people.Key{}, err
	}
	one, ok := p.making.spend(parsed.Response.CollectedClientData.Challenge, a.Person, p.now())
	if !ok {
		return people.Key{}, errPasskey("the challenge was not given to this person, or is late, or was used")
	}
	k, err := keyMade(w, who, one.begun, parsed)
	if err != nil {
		return people.Key{}, err
	}
	k.Name = name
	return k, p.roster.EnrolPasskey(ctx, a, k)
}

// parseMade reads what a browser answers to BeginPasskey.
func parseMade(response []byte) (*protocol.ParsedCredentialCreationData, error) {
	if len(response) > maxResponse {
		return nil, errPasskey("the answer is too long")
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return nil, errPasskey("the answer cannot be read: " + err.Error())
	}
	return parsed, nil
}

// keyMade is the passkey that was made, if the ceremony holds.
func keyMade(w *webauthn.WebAuthn, who people.Person, begun webauthn.SessionData, parsed *protocol.ParsedCredentialCreationData) (people.Key, error) {
	made, err := w.CreateCredential(holder{who}, begun, parsed)
	if err != nil {
		return people.Key{}, errPasskey("the ceremony does not hold: " + err.Error())
	}
	public := base64.RawURLEncoding.EncodeToString(made.PublicKey)
	print, _, err := evidence.PublicKey(evidence.KeyPasskey, public)
	if err != nil {
		return people.Key{}, errPasskey(err.Error())
	}
	return people.Key{Kind: people.Passkey, ID: print, Public: public, Credential: base64.RawURLEncoding.EncodeToString(made.ID),
		AAGUID: hex.EncodeToString(made.Authenticator.AAGUID)}, nil
}

// Request is what a browser is told for an assertion (navigator.credentials.get),
// but for the challenge.
type Request struct {
	Challenge        string       `json:"challenge"` // base64url
	RPID             string       `json:"rpId"`
	UserVerification string       `json:"userVerification"` // required
	Timeout          int          `json:"timeout"`          // milliseconds
	Allow            []Credential `json:"allowCredentials,omitempty"`
}

// Credential names one passkey to a browser.
type Credential struct {
	Type string `json:"type"` // public-key
	ID   string `json:"id"`   // base64url
}

// Ask is a request for an assertion over a challenge by the actor's own
// passkeys that count; ok is false if there is none.
func (p *Proofs) Ask(ctx context.Context, a people.Actor, challenge []byte) (r Request, ok bool, err error) {
	who, err := p.present(ctx, a.Person)
	if err != nil {
		return r, false, err
	}
	r = p.request(challenge)
	for _, k := range who.Keys {
		if k.Kind == people.Passkey && k.Signs() {
			r.Allow = append(r.Allow, Credential{"public-key", k.Credential})
		}
	}
	return r, len(r.Allow) > 0 && p.Passkeys(), nil
}

func (p *Proofs) request(challenge []byte) Request {
	return Request{Challenge: base64.RawURLEncoding.EncodeToString(challenge), RPID: site(p.origin()), UserVerification: "required", Timeout: int(ceremonyLife / time.Millisecond)}
}

// BeginSignIn is the request for signing in by a passkey, whoever it is.
func (p *Proofs) BeginSignIn() (Request, error) {
	if !p.Passkeys() {
		return Request{}, errNoPasskeys
	}
	return p.request(p.begun.next(p.now().Add(ceremonyLife))), nil
}

// Assertion is a browser's answer to a Request, its credential's toJSON.
type Assertion struct {
	ID       string `json:"id"`
	Response struct {
		ClientData        string `json:"clientDataJSON"`
		AuthenticatorData string `json:"authenticatorData"`
		Signature         string `json:"signature"`
	} `json:"response"`
}

// ParseAssertion reads one; other fields are the browser's affair.
func ParseAssertion(b []byte) (Assertion, error) {
	var a Assertion
	if len(b) > maxResponse {
		return a, errPasskey("the answer is too long")
	}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&a); err != nil || a.ID == "" {
		return a, errPasskey("the answer cannot be read")
	}
	return a, nil
}

// Proof is the assertion as evidence keeps it, by the key that it names.
func (a Assertion) Proof(key string) evidence.Proof {
	return evidence.Proof{Kind: evidence.ProofWebAuthn, Key: key, Data: a.Response.AuthenticatorData + "." + a.Response.ClientData + "." + a.Response.Signature}
}

// challenge is what the browser says that it signed.
func (a Assertion) challenge() string {
	var said struct{ Challenge string }
	if b, err := base64.RawURLEncoding.DecodeString(a.Response.ClientData); err == nil {
		_ = json.Unmarshal(b, &said) // what cannot be read is no challenge of ours
	}
	return said.Challenge
}

// PasskeyIn makes the actor of a passkey's assertion to BeginSignIn: one that
// somebody has vouched for. It writes login.ok or login.refused.
func (p *Proofs) PasskeyIn(ctx context.Context, from netip.Addr, answer []byte) (people.Actor, people.Key, error) {
	a, k, why, err := p.passkeyIn(ctx, from, answer)
	if err != nil {
		return a, k, err
	}
	if why != "" {
		p.refused(ctx, string(a.Person), from, why)
		return people.Actor{}, k, errPasskey(why)
	}
	a, err = p.admit(ctx, a)
	return a, k, err
}

func (p *Proofs) passkeyIn(ctx context.Context, from netip.Addr, answer []byte) (a people.Actor, k people.Key, why string, err error) {
	said, err := ParseAssertion(answer)
	if err != nil {
		return a, k, "a passkey's answer that cannot be read", nil
	}
	challenge, err := base64.RawURLEncoding.DecodeString(said.challenge())
	if err != nil || !p.begun.given(challenge, p.now()) {
		return a, k, "a passkey over a challenge that was not given, or is late", nil
	}
	who, k, err := p.roster.ByCredential(ctx, said.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return a, k, "a passkey of nobody", nil
	}
	if err != nil {
		return a, k, "", fmt.Errorf("whose passkey: %w", err)
	}
	a = people.Actor{Person: who.ID, Name: who.Name, Firm: who.Firm, Roles: who.Roles, Proofs: []people.KeyKind{people.Passkey}, Key: k.ID, At: p.now(), Source: from}
	if !k.Signs() {
		return a, k, "a passkey that nobody has vouched for", nil
	}
	_, public, err := evidence.PublicKey(evidence.KeyPasskey, k.Public)
	if err != nil {
		return a, k, "", fmt.Errorf("passkey of %s: %w", who.ID, err)
	}
	if err := evidence.CheckAssertion(said.Proof(k.ID), public, challenge, p.origin()); err != nil {
		return a, k, "passkey: " + err.Error(), nil
	}
	return a, k, p.begun.spend(challenge, who.ID, p.now()), nil
}

// AtScreen names whoever stands at a kiosk and says that this is they. It proves
// nothing: such an Actor gives by what they tap there (Signed), and by that alone.
func (p *Proofs) AtScreen(ctx context.Context, screen people.Actor, who policy.PersonID) (people.Actor, error) {
	if !screen.Kiosk {
		return people.Actor{}, &policy.Refusal{Rule: "no-kiosk", Say: "This is for a screen of the control room. OT security enrols it: page Kiosks.", Why: "no kiosk names a person"}
	}
	person, err := p.roster.Person(ctx, who)
	if err != nil || person.Disabled {
		return people.Actor{}, &policy.Refusal{Rule: "not-active", Say: "This is nobody of the plant who is here now. Choose your own name.", Why: fmt.Sprintf("%.40q: %v", who, err)}
	}
	a, err := p.ofFirm(ctx, people.Actor{Person: person.ID, Name: person.Name, Firm: person.Firm, Roles: person.Roles, Screen: screen.Person, Source: screen.Source})
	if err == nil && !a.Plant {
		err = &policy.Refusal{Rule: "plant-only", Say: "Only people of the plant decide here.", Why: string(who)}
	}
	return a, err
}

// Signed steps an actor up by an answer that they have just signed with their
// own passkey: it is a proof of the person like a code, and nothing else is asked
// for. Whether the answer itself counts is the Desk's to say. It writes login.ok.
func (p *Proofs) Signed(ctx context.Context, a people.Actor, signed evidence.Answer) (people.Actor, error) {
	who, err := p.present(ctx, a.Person)
	if err != nil {
		return people.Actor{}, err
	}
	i := slices.IndexFunc(who.Keys, func(k people.Key) bool { return k.Kind == people.Passkey && k.Signs() && k.ID == signed.Proof.Key })
	if i < 0 || cmp.Or(signed.Heard, signed.Person) != string(a.Person) { // what was heard on the telephone is signed by who heard it
		return people.Actor{}, errPasskey("signed by no passkey of the person's")
	}
	if age := p.now().Sub(signed.At); age > ceremonyLife || age < -30*time.Second {
		return people.Actor{}, errPasskey("signed too long ago")
	}
	_, public, err := evidence.PublicKey(evidence.KeyPasskey, who.Keys[i].Public)
	if err != nil {
		return people.Actor{}, fmt.Errorf("passkey of %s: %w", who.ID, err)
	}
	text, err := signed.Unsigned()
	if err != nil {
		return people.Actor{}, errPasskey(err.Error())
	}
	if err := evidence.CheckAssertion(signed.Proof, public, evidence.Challenge(evidence.AnswerNamespace, text), p.origin()); err != nil {
		p.refused(ctx, string(a.Person), a.Source, "passkey: "+err.Error())
		return people.Actor{}, errPasskey(err.Error())
	}
	a.Proofs, a.Key, a.Step, a.At, a.Roles, a.Firm = []people.KeyKind{people.Passkey}, signed.Proof.Key, 0, p.now(), who.Roles, who.Firm
	return p.admit(ctx, a)
}
