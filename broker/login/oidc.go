package login

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"penstock/approvals/people"
	"penstock/policy"
)

// OIDC is the plant's own sign-in service (OpenID Connect Core 1.0): authorization
// code flow with PKCE S256 (RFC 7636), state and nonce. It says who somebody is,
// and which of the roles that the roster gives them this sign-in carries; it gives
// no role, signs no answer, and being down keeps nobody from the other ways in.
type OIDC struct {
	Name     string                   // as people read it: "Fjord login"
	Issuer   string                   // exact, https
	Client   string                   // client id
	Secret   string                   // empty: a public client
	Groups   string                   // the claim with the groups; empty: groups
	Roles    map[string][]policy.Role // by group: roles that count only where the sign-in brings the group
	ACR      []string                 // one of these a step-up must say; empty: none is asked for, and there is no step-up
	Session  time.Duration            // after which somebody signs in anew
	Networks []netip.Prefix           // where the service may be, though that is nobody's on the Internet
	CA       *x509.CertPool           // nil: the machine's
}

// Bounds of talking to it.
const (
	oidcTime    = 10 * time.Second // of one call
	oidcLargest = 1 << 20          // bytes of one answer
	oidcSkew    = time.Minute      // of its clock against ours
	oidcOldest  = 10 * time.Minute // of an ID token
	oidcAtOnce  = 8                // sign-ins whose answers are being looked at
	maxGroups   = 1000             // in a token
	maxSubject  = 255              // bytes (OpenID Connect Core 1.0, 2)
)

// oidcAlgs are taken, whatever the service says that it uses: never none, and
// never a secret that both sides know (HS256 over a public key).
var oidcAlgs = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA}

// ServiceWay is what somebody wants of the service.
type ServiceWay struct {
	Next  string // where to go afterwards
	Step  bool   // prove oneself anew, for giving
	Bound string // the caller's own mark: whose session steps up
}

// ServiceIn is who came back from it.
type ServiceIn struct {
	Actor people.Actor
	Key   people.Key // the account's link
	Way   ServiceWay
	Until time.Time // the session's end
}

// flow is a sign-in that has begun.
type flow struct {
	way             ServiceWay
	verifier, nonce string
	browser         [sha256.Size]byte
	began           time.Time
}

// Service is what people read of the sign-in service; ok is false if there is none.
func (p *Proofs) Service() (name string, steps, ok bool) {
	if p.service == nil || p.origin() == "" {
		return "", false, false
	}
	return p.service.Name, len(p.service.ACR) > 0, true
}

// Issuer is the sign-in service's; empty: there is none.
func (p *Proofs) Issuer() string {
	if p.service == nil {
		return ""
	}
	return p.service.Issuer
}

// service is an OIDC with what is needed to talk to it.
type service struct {
	OIDC
	client *http.Client
	busy   chan struct{}
}

func newService(o *OIDC) *service {
	if o == nil {
		return nil
	}
	s := &service{OIDC: *o, busy: make(chan struct{}, oidcAtOnce)}
	s.Groups = cmp.Or(s.Groups, "groups")
	dialer := &net.Dialer{Timeout: oidcTime, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address %q: %w", address, err)
		}
		if a := to.Addr().Unmap(); !policy.Public(a) && !slices.ContainsFunc(s.Networks, func(n netip.Prefix) bool { return n.Contains(a) }) {
			return fmt.Errorf("%s is inside a network, and the server's file does not name it under networks", a)
		}
		return nil
	}}
	s.client = &http.Client{Timeout: oidcTime, Transport: bounded{&http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{RootCAs: s.CA, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: oidcTime, ResponseHeaderTimeout: oidcTime, MaxResponseHeaderBytes: 64 << 10, DisableKeepAlives: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("it sends us elsewhere, and we do not follow")
		}}
	return s
}

// bounded lets no answer be larger than oidcLargest, and no secret go in the clear.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if !secure(r.URL) {
		return nil, errors.New("it names an address that is not https")
	}
	resp, err := b.next.RoundTrip(r)
	if err == nil {
		resp.Body = &short{resp.Body, oidcLargest}
	}
	return resp, err
}

// secure is https; on this very machine anything.
func secure(u *url.URL) bool {
	a, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && err == nil && a.IsLoopback()
}

// short is a body that is an error beyond its bound, and not a part of one.
type short struct {
	io.ReadCloser
	left int64
}

func (s *short) Read(b []byte) (int, error) {
	if s.left <= 0 {
		return 0, fmt.Errorf("the answer has more than %d bytes", oidcLargest)
	}
	n, err := s.ReadCloser.Read(b[:min(int64(len(b)), s.left)])
	s.left -= int64(n)
	return n, err
}

func (s *service) refuse(why string) error {
	return &policy.Refusal{Rule: "oidc", Why: why,
		Say: fmt.Sprintf("Signing in by %s did not work. Try again, or sign in by passkey, or by password and code: nothing here waits for it.", s.Name)}
}

func (s *service) down(err error) error {
	return &policy.Refusal{Rule: "oidc-down", Why: wordsOf(err),
		Say: fmt.Sprintf("%s does not answer as it should. Sign in by passkey, or by password and code: nothing here waits for it.", s.Name)}
}

// wordsOf are an error's, short, and without what a token's answer may hold.
func wordsOf(err error) string {
	if r, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		return "the token endpoint says " + quoted(cmp.Or(r.ErrorCode, r.Response.Status))
	}
	return quotedTo(err.Error(), 200)
}

// discovery reads the service's metadata, anew each time: sign-ins are rare, and
// what was true an hour ago proves nobody.
func (s *service) discovery(ctx context.Context, origin string) (*oidc.Provider, oauth2.Config, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, s.client), s.Issuer)
	if err != nil {
		return nil, oauth2.Config{}, s.down(err)
	}
	c := oauth2.Config{ClientID: s.Client, ClientSecret: s.Secret, Endpoint: provider.Endpoint(), RedirectURL: origin + ServiceBack, Scopes: []string{oidc.ScopeOpenID}}
	c.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if s.Secret == "" {
		c.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	at, err := url.Parse(c.Endpoint.AuthURL)
	if err != nil || !secure(at) || at.Host == "" {
		return nil, c, s.down(fmt.Errorf("its authorization endpoint %q is not https", quoted(c.Endpoint.AuthURL)))
	}
	return provider, c, nil
}

// ServiceBack is where the service sends people back to.
const ServiceBack = "/sign-in/service/back"

// BeginService is the address at the service to which somebody is sent, and what
// their browser keeps meanwhile. Errors: *policy.Refusal, else a fault.
func (p *Proofs) BeginService(ctx context.Context, from netip.Addr, way ServiceWay) (address, browser string, err error) {
	s, origin := p.service, p.origin()
	if s == nil || origin == "" {
		return "", "", &policy.Refusal{Rule: "no-oidc", Say: "There is no other sign-in service here. Sign in by passkey, or by password and code.", Why: "not configured, or no origin"}
	}
	if way.Step && len(s.ACR) == 0 {
		return "", "", s.refuse("a step-up, and the server's file names no acr")
	}
	leave, err := s.enter()
	if err != nil {
		return "", "", err
	}
	defer leave()
	_, c, err := s.discovery(ctx, origin)
	if err != nil {
		return "", "", err
	}
	f := flow{way: way, verifier: oauth2.GenerateVerifier(), nonce: rand.Text(), began: p.now()}
	browser, state := rand.Text()+rand.Text(), rand.Text()+rand.Text()
	f.browser = sha256.Sum256([]byte(browser))
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(f.verifier), oidc.Nonce(f.nonce)}
	if way.Step {
		options = append(options, oauth2.SetAuthURLParam("max_age", "0"), oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("acr_values", strings.Join(s.ACR, " ")))
	}
	p.going.keep(state, ceremony{at: place(from), near: network(from), until: p.now().Add(ceremonyLife), flow: f}, p.now())
	return c.AuthCodeURL(state, options...), browser, nil
}

func (s *service) enter() (leave func(), err error) {
	select {
	case s.busy <- struct{}{}:
		return func() { <-s.busy }, nil
	default:
		return nil, s.refuse("too many sign-ins by it at once")
	}
}

// ServiceIn takes what the service sent somebody back with. A sign-in makes an
// actor who may look and take; one that steps up is good for giving for five
// minutes, where the service said that it asked anew, and how. It writes login.ok
// or login.refused.
func (p *Proofs) ServiceIn(ctx context.Context, from netip.Addr, query url.Values, browser string) (ServiceIn, error) {
	s := p.service
	if s == nil || p.origin() == "" {
		return ServiceIn{}, &policy.Refusal{Rule: "no-oidc", Say: "There is no other sign-in service here. Sign in by passkey, or by password and code.", Why: "not configured"}
	}
	in, name, err := p.serviceIn(ctx, s, from, query, browser)
	if r, ok := errors.AsType[*policy.Refusal](err); ok {
		p.refused(ctx, name, from, "oidc: "+r.Why)
	}
	return in, err
}

func (p *Proofs) serviceIn(ctx context.Context, s *service, from netip.Addr, query url.Values, browser string) (in ServiceIn, name string, err error) {
	begun, ok := p.going.spend(query.Get("state"), "", p.now())
	cookie := sha256.Sum256([]byte(browser))
	if f := begun.flow; !ok || subtle.ConstantTimeCompare(cookie[:], f.browser[:]) != 1 {
		return in, "", s.refuse("a state that was not given to this browser, is late, or was used")
	}
	if said := query.Get("error"); said != "" {
		return in, "", s.refuse("it says " + quoted(said))
	}
	leave, err := s.enter()
	if err != nil {
		return in, "", err
	}
	defer leave()
	token, claims, err := p.token(ctx, s, query, begun.flow)
	if err != nil {
		return in, "", err
	}
	return p.whose(ctx, s, from, begun.flow, token, claims)
}

// claims are what is read of an ID token beside what go-oidc checks.
type claims struct {
	AuthorizedParty string `json:"azp"`
	AuthTime        int64  `json:"auth_time"` // unix seconds
	ACR             string `json:"acr"`
	groups          []string
}

// token changes the code for an ID token and holds it to the flow.
func (p *Proofs) token(ctx context.Context, s *service, query url.Values, f flow) (*oidc.IDToken, claims, error) {
	var c claims
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, s.client), 3*oidcTime)
	defer cancel()
	provider, config, err := s.discovery(ctx, p.origin())
	if err != nil {
		return nil, c, err
	}
	var meta struct {
		SaysIssuer bool `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&meta); err != nil {
		return nil, c, s.down(err)
	}
	if iss, there := query["iss"]; there && (len(iss) != 1 || iss[0] != s.Issuer) || !there && meta.SaysIssuer { // RFC 9207: a mix-up
		return nil, c, s.refuse("the answer is of another issuer, or does not say whose it is")
	}
	answer, err := config.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(f.verifier))
	if err != nil {
		return nil, c, s.refuse(wordsOf(err))
	}
	raw, ok := answer.Extra("id_token").(string)
	if !ok {
		return nil, c, s.refuse("no ID token")
	}
	verifier := provider.VerifierContext(ctx, &oidc.Config{ClientID: s.Client, SupportedSigningAlgs: oidcAlgs, Now: p.now})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		return nil, c, s.refuse(wordsOf(err))
	}
	if err := errors.Join(token.Claims(&c), c.readGroups(token, s.Groups)); err != nil {
		return nil, c, s.refuse(wordsOf(err))
	}
	return token, c, s.fits(token, c, f, p.now())
}

// readGroups reads the claim with the groups: a list of words, one word, or none.
func (c *claims) readGroups(token *oidc.IDToken, claim string) error {
	var all map[string]any
	if err := token.Claims(&all); err != nil {
		return err
	}
	switch v := all[claim].(type) {
	case nil:
	case string:
		c.groups = []string{v}
	case []any:
		if len(v) > maxGroups {
			return fmt.Errorf("%d groups; %d are the most", len(v), maxGroups)
		}
		for _, one := range v {
			if word, ok := one.(string); ok {
				c.groups = append(c.groups, word)
			}
		}
	default:
		return fmt.Errorf("the claim %s is no list of groups", quoted(claim))
	}
	return nil
}

// fits holds a token to what was asked for (OpenID Connect Core 1.0, 3.1.3.7);
// issuer, audience, signature and expiry are checked already.
func (s *service) fits(token *oidc.IDToken, c claims, f flow, now time.Time) error {
	switch {
	case subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(f.nonce)) != 1:
		return s.refuse("the nonce is another one's")
	case c.AuthorizedParty != "" && c.AuthorizedParty != s.Client || len(token.Audience) > 1 && c.AuthorizedParty == "":
		return s.refuse("the token is for several, or for another one")
	case token.IssuedAt.After(now.Add(oidcSkew)) || token.IssuedAt.Before(now.Add(-oidcOldest)):
		return s.refuse("the token was made at " + token.IssuedAt.UTC().Format(time.RFC3339))
	case token.Subject == "" || len(token.Subject) > maxSubject:
		return s.refuse("the token names nobody")
	case !f.way.Step:
		return nil
	case c.AuthTime == 0 || time.Unix(c.AuthTime, 0).Before(f.began.Add(-oidcSkew)) || time.Unix(c.AuthTime, 0).After(now.Add(oidcSkew)):
		return s.refuse("a step-up, and it did not ask anew")
	case !slices.Contains(s.ACR, c.ACR):
		return s.refuse("a step-up, and it asked by " + quoted(c.ACR))
	}
	return nil
}

// whose makes the actor of the person to whom the account is linked.
func (p *Proofs) whose(ctx context.Context, s *service, from netip.Addr, f flow, token *oidc.IDToken, c claims) (in ServiceIn, name string, err error) {
	who, key, err := p.roster.ByAccount(ctx, token.Issuer, token.Subject)
	if errors.Is(err, fs.ErrNotExist) {
		return in, "", &policy.Refusal{Rule: "oidc-unlinked", Why: "the account " + quoted(token.Subject) + " is linked to nobody",
			Say: fmt.Sprintf("Your account at %s is linked to nobody here yet. Tell somebody of OT security, face to face or on a number they know: %s. They type: penstock people link YOU %q", s.Name, quotedTo(token.Subject, maxSubject), token.Subject)}
	}
	if err != nil {
		return in, "", fmt.Errorf("whose account: %w", err)
	}
	a := people.Actor{Person: who.ID, Name: who.Name, Firm: who.Firm, Roles: who.Roles, Proofs: []people.KeyKind{people.Account}, Key: key.ID, At: p.now(), Source: from, Stepped: f.way.Step}
	for group, roles := range s.Roles {
		for _, r := range roles {
			if !slices.Contains(c.groups, group) && !s.bringsElse(c.groups, r) && !slices.Contains(a.Without, r) {
				a.Without = append(a.Without, r)
			}
		}
	}
	slices.Sort(a.Without)
	a.Roles = a.Narrow(a.Roles)
	if a, err = p.admit(ctx, a); err != nil {
		return in, string(who.ID), err
	}
	return ServiceIn{Actor: a, Key: key, Way: f.way, Until: p.now().Add(s.Session)}, string(who.ID), nil
}

// bringsElse says whether another of the groups brings the role.
func (s *service) bringsElse(groups []string, role policy.Role) bool {
	return slices.ContainsFunc(groups, func(g string) bool { return slices.Contains(s.Roles[g], role) })
}

// quotedTo is quoted, and longer.
func quotedTo(s string, n int) string {
	var b strings.Builder
	for _, r := range quotedAll(s) {
		if n--; n < 0 {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}
