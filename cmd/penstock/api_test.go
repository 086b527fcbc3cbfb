package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/crypto/ssh"

	"penstock/broker/api"
	"penstock/cmd/penstock/demo"
)

// liveHouse is a whole broker in this process, its API served on loopback.
type liveHouse struct {
	*plantHouse
	url    string
	people map[string]*demo.Person
}

// newHouse opens a broker over the story plant; nobody has enrolled anything yet.
func newHouse(t *testing.T) *liveHouse {
	t.Helper()
	h, _, people := openedHouse(t, slog.New(slog.NewTextHandler(t.Output(), nil)))
	srv := httptest.NewServer(h.web)
	t.Cleanup(func() {
		srv.Close()
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	return &liveHouse{h, srv.URL, people}
}

var loopback = netip.MustParseAddr("127.0.0.1")

// enrol gives a person of the plant password and code generator, over their key.
func (h *liveHouse) enrol(t *testing.T, name string) {
	t.Helper()
	p := h.people[name]
	b, err := os.ReadFile(filepath.Join(p.Home, ".ssh", "id_ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(b)
	if err != nil {
		t.Fatal(err)
	}
	a, err := h.proofs.SSHKey(t.Context(), loopback, string(trimLine(ssh.MarshalAuthorizedKey(key))))
	if err != nil {
		t.Fatal(err)
	}
	if p.Secret, _, err = h.proofs.NewSecret(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := h.proofs.EnrolSecret(t.Context(), a, p.Secret, h.code(t, name)); err != nil {
		t.Fatal(err)
	}
	if err := h.proofs.SetPassword(t.Context(), a, p.Password); err != nil {
		t.Fatal(err)
	}
}

func (h *liveHouse) code(t *testing.T, name string) string {
	t.Helper()
	code, err := h.people[name].Code(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// signIn gives a token; with a code where coded.
func (h *liveHouse) signIn(t *testing.T, name string, coded bool) string {
	t.Helper()
	in := api.SignIn{Person: name, Password: h.people[name].Password}
	if coded {
		in.Code = h.code(t, name)
	}
	status, body := h.call(t, "POST", "/sign-in", "", in)
	var token api.Token
	if err := json.Unmarshal(body, &token); status != 200 || err != nil {
		t.Fatalf("sign-in of %s: %d %s", name, status, body)
	}
	return token.Token
}

func (h *liveHouse) call(t *testing.T, method, path, token string, body any, header ...string) (int, []byte) {
	t.Helper()
	var send io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		send = strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		send = bytes.NewReader(j)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, h.url+"/api/v1"+path, send)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

// apiPaths are all that need somebody signed in. A path that is added to the
// handler and not here is caught by nobody but its reviewer; keep it true.
var apiPaths = []string{
	"GET /requests", "POST /requests", "GET /requests/R-1", "POST /requests/R-1/revise", "POST /requests/R-1/withdraw",
	"POST /requests/R-1/answer", "GET /windows", "GET /windows/W-1", "POST /windows/W-1/open", "POST /windows/W-1/extend",
	"POST /windows/W-1/pause", "POST /windows/W-1/go-on", "POST /windows/W-1/end", "POST /windows/W-1/cut",
	"POST /windows/W-1/hand-back", "POST /windows/W-1/accept", "GET /sessions", "GET /blocks", "POST /blocks",
	"POST /blocks/B-1/lift", "POST /blocks/B-1/lift/draft", "GET /kiosks", "POST /kiosks", "POST /kiosks/K-1/revoke", "GET /outages", "GET /outages/O-1", "POST /outages", "POST /outages/plan", "POST /outages/O-1/rows", "POST /outages/O-1/answer", "POST /outages/O-1/answer/draft", "POST /outages/O-1/open", "POST /outages/O-1/withdraw", "POST /island", "GET /people", "GET /firms", "POST /firms", "POST /people/invite",
	"POST /people/ann/confirm", "POST /people/ann/phone", "POST /people/ann/roles", "POST /people/ann/disable", "GET /people/ann", "GET /people/ann/leaving", "GET /firms/krall/leaving", "POST /firms/krall/end", "GET /endings", "POST /people/ann/link", "GET /access", "GET /access/firm/krall", "POST /access/firm/krall/begin", "POST /access/firm/krall/sign", "GET /firms/krall/terms", "POST /firms/krall/terms", "POST /people/ann/training", "GET /terms", "POST /terms", "GET /recordings",
	"GET /recordings/S-1/export?form=text&channel=0", "POST /clock/accept",
	"GET /reviews", "GET /recordings/S-1/review", "POST /recordings/S-1/verdict", "POST /recordings/S-1/threads/1", "POST /recordings/S-1/notes",
	"GET /targets/secrets", "POST /targets/filler-plc/maint/secret", "POST /targets/filler-plc/maint/show", "POST /targets/filler-plc/maint/rotate", "GET /targets/keys", "POST /targets/filler-plc/key", "POST /targets/filler-plc/check", "POST /targets/filler-plc/scan",
	"GET /holds", "POST /holds", "POST /holds/H-1/lift", "GET /expiry", "POST /expiry", "POST /recordings/S-1/delete",
}

// TestAPINobody: root on the machine, who reaches the socket, is nobody.
func TestAPINobody(t *testing.T) {
	h := newHouse(t)
	h.enrol(t, "mia")
	good := h.signIn(t, "mia", false)
	other := attackersToken(t, "mia")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(good, ".")[1] + "."
	tokens := map[string]string{
		"no token": "", "rubbish": "rubbish", "huge": strings.Repeat("a", 100_000), "alg none": none,
		"own key": other, "HS256": hs256(t, strings.Split(good, ".")[1]), "cut": good[:len(good)-2],
		"no signature": good[:strings.LastIndex(good, ".")+1],
	}
	for name, token := range tokens {
		for _, p := range apiPaths {
			method, path, _ := strings.Cut(p, " ")
			var body any
			if method == "POST" {
				body = "{}"
			}
			if status, text := h.call(t, method, path, token, body); status != http.StatusUnauthorized && status != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s: %s answered %d %s", name, p, status, text)
			}
		}
	}
	if status, text := h.call(t, "GET", "/requests", good, nil); status != 200 {
		t.Errorf("the good token: %d %s", status, text)
	}
}

// attackersToken signs somebody's claims with a key of the attacker's own.
func attackersToken(t *testing.T, person string) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return compact(t, signer, []byte(`{"jti":"x","sub":"`+person+`","exp":9999999999}`))
}

func hs256(t *testing.T, payload string) string {
	t.Helper()
	claims, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: bytes.Repeat([]byte{7}, 32)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return compact(t, signer, claims)
}

func compact(t *testing.T, signer jose.Signer, payload []byte) string {
	t.Helper()
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestAPIWho: one row a story of who may call what, and of calls that are badly put.
func TestAPIWho(t *testing.T) {
	h := newHouse(t)
	for _, n := range []string{"mia", "olaf", "sec"} {
		h.enrol(t, n)
	}
	tokens := map[string]string{"mia": h.signIn(t, "mia", false), "olaf": h.signIn(t, "olaf", true), "sec": h.signIn(t, "sec", false)}
	for _, row := range []struct {
		name, who, call string
		body            any
		header          []string
		status          int
		says            string
	}{
		{"an unknown path", "mia", "GET /nothing", nil, nil, 404, ""},
		{"an unknown request", "mia", "GET /requests/R-99", nil, nil, 403, ""},
		{"an unknown window", "mia", "POST /windows/W-99/cut", "{}", nil, 403, ""},
		{"no JSON", "mia", "POST /island", "island", nil, 400, "JSON"},
		{"an unknown field", "mia", "POST /island", `{"wy":"x"}`, nil, 400, "wy"},
		{"two values", "mia", "POST /island", `{"why":"x"}{}`, nil, 400, "more than one"},
		{"a huge body", "mia", "POST /island", `{"why":"` + strings.Repeat("x", 70_000) + `"}`, nil, 413, "64 KiB"},
		{"a cross-site post", "mia", "POST /island", `{"why":"x"}`, []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"a post from another origin", "mia", "POST /island", `{"why":"x"}`, []string{"Origin", "https://evil.example"}, 403, ""},
		{"the shift does not read recordings", "mia", "GET /recordings", nil, nil, 403, "OT security"},
		{"nor export them", "mia", "GET /recordings/S-1/export?form=text&channel=0", nil, nil, 403, "OT security"},
		{"security reads", "sec", "GET /recordings", nil, nil, 200, "[]"},
		{"but not what is not there", "sec", "GET /recordings/S-1/export?form=text&channel=0", nil, nil, 404, ""},
		{"nor by a path", "sec", "GET /recordings/..%2F..%2Fkeys/export?form=text&channel=0", nil, nil, 404, ""},
		{"nor in an unknown form", "sec", "GET /recordings/S-1/export?form=exe&channel=0", nil, nil, 400, "asciicast-v3"},
		{"the shift does not list reviews", "mia", "GET /reviews", nil, nil, 403, "OT security"},
		{"nor holds", "mia", "GET /holds", nil, nil, 403, "OT security"},
		{"nor the expiry", "mia", "GET /expiry", nil, nil, 403, "OT security"},
		{"nor holds anything", "mia", "POST /holds", api.Hold{All: true, Why: "x"}, nil, 403, "Only OT security"},
		{"security holds without a code", "sec", "POST /holds", api.Hold{All: true, Why: "Dispute"}, nil, 200, `"hold":"H-1"`},
		{"and does not lift without one", "sec", "POST /holds/H-1/lift", api.Hold{Why: "over"}, nil, 403, "code"},
		{"nor signs", "sec", "POST /recordings/S-1/verdict", api.Verdict{Verdict: "in-order"}, nil, 403, "code"},
		{"nor lets anything go", "sec", "POST /expiry", api.DoExpire{Seen: 1}, nil, 403, "code"},
		{"nor deletes", "sec", "POST /recordings/S-1/delete", api.Delete{Why: "private"}, nil, 403, "code"},
		{"a dry run lists nothing", "sec", "GET /expiry", nil, nil, 200, `"goes":[]`},
		{"no review of what is not there", "sec", "GET /recordings/S-1/review", nil, nil, 404, ""},
		{"to invite needs a code", "mia", "POST /people/invite", api.Invitation{Person: "eve", Firm: "krall", Name: "Eve"}, nil, 403, ""},
		{"who is no sponsor does not invite", "mia", "POST /people/invite", api.Invitation{Person: "eve", Firm: "krall", Name: "Eve"}, nil, 403, ""},
		{"the sponsor invites", "olaf", "POST /people/invite", api.Invitation{Person: "eve", Firm: "krall", Name: "Eve"}, nil, 200, `"code"`},
		{"not with a hostile name", "olaf", "POST /people/invite", api.Invitation{Person: "eva", Firm: "krall", Name: "E\x1b[2Jve"}, nil, 403, ""},
		{"the plant sees which secrets there are", "mia", "GET /targets/secrets", nil, nil, 200, "[]"},
		{"and which machines show another key", "mia", "GET /targets/keys", nil, nil, 200, "[]"},
		{"to seal a secret needs a code", "sec", "POST /targets/filler-plc/maint/secret", api.Secret{Secret: "x"}, nil, 403, "code"},
		{"to replace one, too", "olaf", "POST /targets/filler-plc/maint/rotate", struct{}{}, nil, 403, "Only OT security"},
		{"and security", "olaf", "POST /targets/filler-plc/maint/secret", api.Secret{Secret: "x"}, nil, 403, "Only OT security"},
		{"and so does reading one", "olaf", "POST /targets/filler-plc/maint/show", api.Step{Why: "x"}, nil, 403, "Only OT security"},
		{"no key that nobody saw is accepted", "olaf", "POST /targets/filler-plc/key", api.KeyWord{Says: "accept", Key: "SHA256:x", Window: "W-1"}, nil, 403, "No key of"},
		{"nor confirmed but by security", "olaf", "POST /targets/filler-plc/key", api.KeyWord{Says: "confirm", Key: "SHA256:x"}, nil, 403, "Only OT security"},
		{"a word about a key is one of three", "olaf", "POST /targets/filler-plc/key", api.KeyWord{Says: "trust"}, nil, 400, "accept, confirm or clear"},
		{"to look at a machine needs a code", "sec", "POST /targets/filler-plc/check", api.TargetCheck{Account: "maint"}, nil, 403, "code"},
		{"and an account", "olaf", "POST /targets/filler-plc/check", "{}", nil, 400, "account"},
		{"the shift has no machine looked at", "mia", "POST /targets/filler-plc/scan", "{}", nil, 403, "Only OT security"},
		{"a clock that is right needs no word", "mia", "POST /clock/accept", "{}", nil, 200, "no word"},
	} {
		t.Run(row.name, func(t *testing.T) {
			method, path, _ := strings.Cut(row.call, " ")
			status, body := h.call(t, method, path, tokens[row.who], row.body, row.header...)
			if status != row.status || !strings.Contains(string(body), row.says) {
				t.Errorf("got %d %s, want %d with %q", status, body, row.status, row.says)
			}
		})
	}
}

// TestAPISignIn: one answer for every wrong, no code twice, and a person who is
// disabled is nobody with the token that they have.
func TestAPISignIn(t *testing.T) {
	h := newHouse(t)
	h.enrol(t, "mia")
	h.enrol(t, "sec")
	password := h.people["mia"].Password
	code := h.code(t, "mia")
	_, wrong := h.call(t, "POST", "/sign-in", "", api.SignIn{Person: "nobody", Password: password, Code: code})
	for name, in := range map[string]api.SignIn{
		"password": {Person: "mia", Password: password + "x", Code: code},
		"code":     {Person: "mia", Password: password, Code: "000000"},
		"empty":    {Person: "mia"},
		"path":     {Person: "../mia", Password: password},
	} {
		if status, body := h.call(t, "POST", "/sign-in", "", in); status != http.StatusForbidden || !bytes.Equal(body, wrong) {
			t.Errorf("a wrong %s is told apart: %d %s", name, status, body)
		}
	}
	if status, body := h.call(t, "POST", "/sign-in", "", api.SignIn{Person: "sec", Password: h.people["sec"].Password, Code: h.code(t, "sec")}); status != 200 {
		t.Errorf("another's wrong guesses keep sec out: %d %s", status, body)
	}
}
