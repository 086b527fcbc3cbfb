package login

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// issuer is a sign-in service of ours that answers as it should, until a test
// has it do otherwise.
type issuer struct {
	*httptest.Server
	w   *world
	key *rsa.PrivateKey

	mu     sync.Mutex
	codes  map[string]url.Values // code → what the authorization asked for
	meta   func(map[string]any)
	claims func(map[string]any)
	sign   func(claims []byte) string
	jwks   func(w http.ResponseWriter)
	before func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	sub    string
}

var oneKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// newIssuer is a world with a service to whose account "mia-sub" mia is linked.
func newIssuer(t *testing.T, change ...func(*OIDC)) *issuer {
	t.Helper()
	i := &issuer{w: newWorld(t), key: oneKey(), codes: map[string]url.Values{}, sub: "mia-sub"}
	i.Server = httptest.NewTLSServer(i)
	t.Cleanup(i.Close)
	i.Config.ErrorLog = nil
	pool := x509.NewCertPool()
	pool.AddCert(i.Certificate())
	o := OIDC{Name: "Fjord login", Issuer: i.URL, Client: "penstock", Secret: "hush", Roles: map[string][]policy.Role{"g-shift": {"shift"}}, ACR: []string{"mfa"},
		Session: time.Hour, Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, CA: pool}
	for _, c := range change {
		c(&o)
	}
	i.w.service, i.w.origin = newService(&o), func() string { return "https://broker.test" }
	i.link("mia", "mia-sub")
	return i
}

func (i *issuer) link(who, sub string) {
	p, err := i.w.roster.Person(i.w.t.Context(), policy.PersonID(who))
	if err != nil {
		i.w.t.Fatal(err)
	}
	if _, err := i.w.journal.Commit(i.w.t.Context(), "person/"+who, audit.Event{Subject: who, Rev: p.Rev + 1, Actor: "olaf",
		Body: audit.AccountLinked{Person: who, Key: people.AccountID(i.URL, sub), Issuer: i.URL, Subject: sub, By: "olaf"}}); err != nil {
		i.w.t.Fatal(err)
	}
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.before != nil && i.before(w, r) {
		return
	}
	answer := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/auth", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/jwks",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}}
		if i.meta != nil {
			i.meta(m)
		}
		answer(m)
	case "/jwks":
		if i.jwks != nil {
			i.jwks(w)
			return
		}
		answer(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: "one", Algorithm: "RS256", Use: "sig"}}})
	case "/token":
		i.token(w, r, answer)
	default:
		http.NotFound(w, r)
	}
}

// token gives an ID token for a code, once, to who knows secret and verifier.
func (i *issuer) token(w http.ResponseWriter, r *http.Request, answer func(any)) {
	asked, ok := i.codes[r.FormValue("code")]
	delete(i.codes, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	client, secret, _ := r.BasicAuth()
	if !ok || client != "penstock" || secret != "hush" || asked.Get("code_challenge_method") != "S256" || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) ||
		r.FormValue("redirect_uri") != asked.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		answer(map[string]string{"error": "invalid_grant"})
		return
	}
	now := i.w.clock()
	c := map[string]any{"iss": i.URL, "aud": "penstock", "sub": i.sub, "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(), "nonce": asked.Get("nonce"), "groups": []string{"g-shift"}}
	if asked.Has("max_age") {
		c["auth_time"], c["acr"] = now.Unix(), "mfa"
	}
	if i.claims != nil {
		i.claims(c)
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	sign := i.sign
	if sign == nil {
		sign = func(b []byte) string { return signed(jose.RS256, i.key, "one", b) }
	}
	answer(map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": sign(b)})
}

func signed(alg jose.SignatureAlgorithm, key any, id string, b []byte) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, nil)
	if err != nil {
		panic(err)
	}
	o, err := s.Sign(b)
	if err != nil {
		panic(err)
	}
	text, err := o.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return text
}

// begin goes to the service and lets it say yes; it gives what comes back.
func (i *issuer) begin(way ServiceWay) (back url.Values, browser string, err error) {
	address, browser, err := i.w.BeginService(i.w.t.Context(), here, way)
	if err != nil {
		return nil, "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, "", err
	}
	code := rand.Text()
	i.mu.Lock()
	i.codes[code] = u.Query()
	i.mu.Unlock()
	return url.Values{"code": {code}, "state": {u.Query().Get("state")}}, browser, nil
}

// in is a whole sign-in.
func (i *issuer) in(way ServiceWay, change ...func(url.Values)) (ServiceIn, error) {
	back, browser, err := i.begin(way)
	if err != nil {
		return ServiceIn{}, err
	}
	for _, c := range change {
		c(back)
	}
	return i.w.ServiceIn(i.w.t.Context(), here, back, browser)
}

func TestServiceIn(t *testing.T) {
	i := newIssuer(t)
	in, err := i.in(ServiceWay{Next: "/requests/R-1"})
	if err != nil || in.Actor.Person != "mia" || !in.Actor.Plant || !in.Actor.Proved(people.Account) || in.Actor.Step != 0 || in.Actor.Stepped || !in.Actor.Has("shift") ||
		in.Way.Next != "/requests/R-1" || !in.Until.Equal(i.w.clock().Add(time.Hour)) {
		t.Fatalf("%+v %v", in, err)
	}
	who, err := i.w.roster.Person(t.Context(), "mia")
	if err != nil || who.AccountOf(in.Actor) || who.PasskeyOf(in.Actor) {
		t.Errorf("a mere sign-in gives: %v", err)
	}
	in, err = i.in(ServiceWay{Step: true, Bound: "session"})
	if err != nil || !in.Actor.Stepped || !who.AccountOf(in.Actor) || in.Way.Bound != "session" {
		t.Errorf("a step-up: %+v %v", in, err)
	}
	i.claims = func(c map[string]any) { delete(c, "groups") }
	in, err = i.in(ServiceWay{})
	if err != nil || in.Actor.Has("shift") || !slices.Equal(in.Actor.Without, []policy.Role{"shift"}) || in.Actor.Whole(who.Roles) == nil {
		t.Errorf("without the group: %+v %v", in, err)
	}
	i.claims = func(c map[string]any) { c["groups"] = []string{"g-shift", "g-admin", "ot-security"} }
	if in, err = i.in(ServiceWay{}); err != nil || !slices.Equal(in.Actor.Roles, []policy.Role{"shift"}) {
		t.Errorf("groups gave a role: %+v %v", in, err)
	}
}

// TestHostileService: each row is a service, or somebody between, that does one
// thing otherwise; nobody gets in, the other ways in go on, and what is said and
// logged holds no token.
func TestHostileService(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, v any) func(*issuer) {
		return func(i *issuer) { i.claims = func(c map[string]any) { c[name] = v } }
	}
	without := func(name string) func(*issuer) {
		return func(i *issuer) { i.claims = func(c map[string]any) { delete(c, name) } }
	}
	meta := func(name, v string) func(*issuer) {
		return func(i *issuer) { i.meta = func(m map[string]any) { m[name] = v } }
	}
	step := ServiceWay{Step: true}
	for _, tc := range []struct {
		story string
		do    func(*issuer)
		way   ServiceWay
		back  func(url.Values)
		rule  string
	}{
		{"nothing wrong", func(*issuer) {}, ServiceWay{}, nil, ""},
		{"a step-up with nothing wrong", func(*issuer) {}, step, nil, ""},
		{"another issuer in the token", set("iss", "https://evil.test"), ServiceWay{}, nil, "oidc"},
		{"another issuer in its metadata", meta("issuer", "https://evil.test"), ServiceWay{}, nil, "oidc-down"},
		{"another audience", set("aud", "payroll"), ServiceWay{}, nil, "oidc"},
		{"two audiences and no authorized party", set("aud", []string{"penstock", "payroll"}), ServiceWay{}, nil, "oidc"},
		{"another authorized party", set("azp", "payroll"), ServiceWay{}, nil, "oidc"},
		{"another nonce", set("nonce", "x"), ServiceWay{}, nil, "oidc"},
		{"no nonce", without("nonce"), ServiceWay{}, nil, "oidc"},
		{"no subject", without("sub"), ServiceWay{}, nil, "oidc"},
		{"a subject of 300 bytes", set("sub", strings.Repeat("s", 300)), ServiceWay{}, nil, "oidc"},
		{"somebody whom nobody linked", set("sub", "evil-sub"), ServiceWay{}, nil, "oidc-unlinked"},
		{"expired", set("exp", 1_700_000_000), ServiceWay{}, nil, "oidc"},
		{"made tomorrow", func(i *issuer) { set("iat", i.w.clock().Add(24*time.Hour).Unix())(i) }, ServiceWay{}, nil, "oidc"},
		{"made yesterday", func(i *issuer) { set("iat", i.w.clock().Add(-24*time.Hour).Unix())(i) }, ServiceWay{}, nil, "oidc"},
		{"groups that are no list", set("groups", 7), ServiceWay{}, nil, "oidc"},
		{"algorithm none", func(i *issuer) {
			i.sign = func(b []byte) string {
				return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
			}
		}, ServiceWay{}, nil, "oidc"},
		{"HS256 with the public key for the secret", func(i *issuer) {
			der, err := x509.MarshalPKIXPublicKey(i.key.Public())
			if err != nil {
				t.Fatal(err)
			}
			public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
			i.sign = func(b []byte) string { return signed(jose.HS256, public, "one", b) }
		}, ServiceWay{}, nil, "oidc"},
		{"HS256 with the client's secret", func(i *issuer) {
			i.sign = func(b []byte) string { return signed(jose.HS256, []byte(strings.Repeat("hush", 8)), "one", b) }
		}, ServiceWay{}, nil, "oidc"},
		{"another key under the same name", func(i *issuer) { i.sign = func(b []byte) string { return signed(jose.RS256, other, "one", b) } }, ServiceWay{}, nil, "oidc"},
		{"a key that is not published", func(i *issuer) { i.sign = func(b []byte) string { return signed(jose.RS256, other, "two", b) } }, ServiceWay{}, nil, "oidc"},
		{"its keys have been withdrawn", func(i *issuer) { i.jwks = func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"keys":[]}`)) } }, ServiceWay{}, nil, "oidc"},
		{"keys without end", func(i *issuer) {
			i.jwks = func(w http.ResponseWriter) { endless(w) }
		}, ServiceWay{}, nil, "oidc"},
		{"metadata without end", func(i *issuer) {
			i.before = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "well-known") {
					endless(w)
					return true
				}
				return false
			}
		}, ServiceWay{}, nil, "oidc-down"},
		{"a token endpoint that sends us elsewhere", func(i *issuer) {
			i.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/token" {
					http.Redirect(w, r, i.URL+"/elsewhere", http.StatusTemporaryRedirect)
				}
				return r.URL.Path == "/token"
			}
		}, ServiceWay{}, nil, "oidc"},
		{"metadata that sends us elsewhere", func(i *issuer) {
			i.before = func(w http.ResponseWriter, r *http.Request) bool {
				if strings.Contains(r.URL.Path, "well-known") && !strings.HasPrefix(r.URL.Path, "/other") {
					http.Redirect(w, r, i.URL+"/other"+r.URL.Path, http.StatusFound)
					return true
				}
				return false
			}
		}, ServiceWay{}, nil, "oidc-down"},
		{"a token endpoint in the clear", meta("token_endpoint", "http://login.test/token"), ServiceWay{}, nil, "oidc"},
		{"an authorization endpoint in the clear", meta("authorization_endpoint", "http://login.test/auth"), ServiceWay{}, nil, "oidc-down"},
		{"an authorization endpoint that is a script", meta("authorization_endpoint", "javascript:alert(1)"), ServiceWay{}, nil, "oidc-down"},
		{"a token endpoint beside the cloud's metadata", meta("token_endpoint", "https://169.254.169.254/token"), ServiceWay{}, nil, "oidc"},
		{"no ID token", func(i *issuer) {
			i.before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/token" {
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprint(w, `{"access_token":"x","token_type":"Bearer"}`)
				}
				return r.URL.Path == "/token"
			}
		}, ServiceWay{}, nil, "oidc"},
		{"an error for an answer", func(*issuer) {}, ServiceWay{}, func(q url.Values) { q.Set("error", "access_denied\x1b[2J") }, "oidc"},
		{"a state that nobody gave", func(*issuer) {}, ServiceWay{}, func(q url.Values) { q.Set("state", "x") }, "oidc"},
		{"a code of somebody else's", func(*issuer) {}, ServiceWay{}, func(q url.Values) { q.Set("code", "x") }, "oidc"},
		{"an answer of another issuer (RFC 9207)", func(*issuer) {}, ServiceWay{}, func(q url.Values) { q.Set("iss", "https://evil.test") }, "oidc"},
		{"an answer that does not say whose it is, though it says that it does", func(i *issuer) {
			i.meta = func(m map[string]any) { m["authorization_response_iss_parameter_supported"] = true }
		}, ServiceWay{}, nil, "oidc"},
		{"a step-up that asked nobody anew", func(i *issuer) { set("auth_time", i.w.clock().Add(-time.Hour).Unix())(i) }, step, nil, "oidc"},
		{"a step-up that does not say when it asked", without("auth_time"), step, nil, "oidc"},
		{"a step-up by a password alone", set("acr", "pwd"), step, nil, "oidc"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			i := newIssuer(t)
			i.mu.Lock()
			tc.do(i)
			i.mu.Unlock()
			before := i.w.log.count("login.ok")
			in, err := i.in(tc.way, func(q url.Values) {
				if tc.back != nil {
					tc.back(q)
				}
			})
			if tc.rule == "" {
				if err != nil || in.Actor.Person != "mia" {
					t.Fatalf("%+v %v", in, err)
				}
				return
			}
			if rule(err) != tc.rule || in.Actor.Person != "" {
				t.Fatalf("%+v, %v; want %s", in, err, tc.rule)
			}
			if i.w.log.count("login.ok") != before {
				t.Error("login.ok was written")
			}
			for leaf := range i.w.log.Upto(t.Context(), 0) {
				if b, ok := leaf.Body.(audit.LoginRefused); ok && (strings.Contains(b.Why, "eyJ") || strings.Contains(b.Why, "\x1b")) {
					t.Errorf("the log says %q", b.Why)
				}
			}
			if _, err := i.w.SignIn(t.Context(), here, "mia", password, i.w.code()); err != nil {
				t.Errorf("the local way in: %v", err)
			}
		})
	}
}

func endless(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	line := []byte(`{"x":"` + strings.Repeat("x", 64<<10))
	for range 64 { // 4 MiB
		if _, err := w.Write(line); err != nil {
			return
		}
	}
}

// A state is good once, in one browser, for five minutes; a code likewise.
func TestServiceReplays(t *testing.T) {
	i := newIssuer(t)
	back, browser, err := i.begin(ServiceWay{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.w.ServiceIn(t.Context(), here, back, "another browser"); rule(err) != "oidc" {
		t.Errorf("another browser: %v", err)
	}
	if _, err := i.w.ServiceIn(t.Context(), here, back, browser); rule(err) != "oidc" {
		t.Errorf("after another browser has tried: %v", err)
	}
	back, browser, _ = i.begin(ServiceWay{})
	if _, err := i.w.ServiceIn(t.Context(), here, back, browser); err != nil {
		t.Fatal(err)
	}
	if _, err := i.w.ServiceIn(t.Context(), here, back, browser); rule(err) != "oidc" {
		t.Errorf("again: %v", err)
	}
	used := back.Get("code")
	back, browser, _ = i.begin(ServiceWay{})
	back.Set("code", used)
	if _, err := i.w.ServiceIn(t.Context(), here, back, browser); rule(err) != "oidc" {
		t.Errorf("an old code: %v", err)
	}
	back, browser, _ = i.begin(ServiceWay{})
	i.w.pass(ceremonyLife)
	if _, err := i.w.ServiceIn(t.Context(), here, back, browser); rule(err) != "oidc" {
		t.Errorf("late: %v", err)
	}
}

// A new key counts as soon as the service publishes it; the one that it has taken
// away, no more.
func TestServiceRotatesKeys(t *testing.T) {
	i := newIssuer(t)
	if _, err := i.in(ServiceWay{}); err != nil {
		t.Fatal(err)
	}
	next, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	i.jwks = func(w http.ResponseWriter) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: next.Public(), KeyID: "two", Algorithm: "RS256", Use: "sig"}}})
	}
	i.mu.Unlock()
	if _, err := i.in(ServiceWay{}); rule(err) != "oidc" {
		t.Errorf("the old key: %v", err)
	}
	i.mu.Lock()
	i.sign = func(b []byte) string { return signed(jose.RS256, next, "two", b) }
	i.mu.Unlock()
	if _, err := i.in(ServiceWay{}); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

// Where it may be is the server's file's to say; a service that is down, or
// inside a network that is not named, keeps nobody from the local ways in.
func TestServiceDownOrInside(t *testing.T) {
	inside := newIssuer(t, func(o *OIDC) { o.Networks = nil })
	if _, _, err := inside.begin(ServiceWay{}); rule(err) != "oidc-down" {
		t.Errorf("inside a network that is not named: %v", err)
	}
	down := newIssuer(t)
	down.Close()
	if _, _, err := down.begin(ServiceWay{}); rule(err) != "oidc-down" {
		t.Errorf("down: %v", err)
	}
	if _, err := down.w.SignIn(t.Context(), here, "mia", password, down.w.code()); err != nil {
		t.Errorf("the local way in: %v", err)
	}
	gone := newIssuer(t)
	back, browser, err := gone.begin(ServiceWay{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := gone.w.roster.Person(t.Context(), "mia")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.w.journal.Commit(t.Context(), "person/mia", audit.Event{Subject: "mia", Rev: p.Rev + 1, Actor: "olaf", Body: audit.PersonDisabled{Person: "mia", By: "olaf"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := gone.w.ServiceIn(t.Context(), here, back, browser); rule(err) != "oidc-unlinked" {
		t.Errorf("somebody who has left: %v", err)
	}
	none := newIssuer(t, func(o *OIDC) { o.ACR = nil })
	if _, _, err := none.begin(ServiceWay{Step: true}); rule(err) != "oidc" {
		t.Errorf("a step-up where none is set up: %v", err)
	}
}

// A service that never ends its answer is given up.
func TestServiceIsGivenUp(t *testing.T) {
	i := newIssuer(t)
	i.mu.Lock()
	i.before = func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done()
		return true
	}
	i.mu.Unlock()
	i.w.service.client.Timeout = 50 * time.Millisecond
	if _, _, err := i.begin(ServiceWay{}); rule(err) != "oidc-down" {
		t.Errorf("a service that says nothing: %v", err)
	}
}
