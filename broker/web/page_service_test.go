package web

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/broker/login"
	"penstock/policy"
)

// provider is a real OpenID provider in a process of its own.
type provider struct {
	issuer string
	in     io.WriteCloser
	out    *bufio.Reader
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	ui, err := filepath.Abs("ui")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join(ui, "provider.mjs"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatalf("the provider needs node 20 and (cd broker/web/ui && npm ci): %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // it was told to go, or killed with the test
	})
	p := &provider{in: in, out: bufio.NewReader(out)}
	p.issuer = p.line(t)
	return p
}

// line reads what the provider says; a provider that fails says nothing and ends.
func (p *provider) line(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the provider says nothing: %v", err)
	}
	return strings.TrimSpace(line)
}

// begin tells the provider where people may come back to.
func (p *provider) begin(t *testing.T, origin string) {
	t.Helper()
	b, err := json.Marshal(map[string]string{"redirect": origin + login.ServiceBack})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		t.Fatal(err)
	}
	if line := p.line(t); line != "ready" {
		t.Fatalf("the provider says %q", line)
	}
}

func (p *provider) oidc() *login.OIDC {
	return &login.OIDC{Name: "Fjord login", Issuer: p.issuer, Client: "penstock", Secret: "hush", Roles: map[string][]policy.Role{"g-shift": {"shift"}}, ACR: []string{"mfa"}, Session: time.Hour,
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

// TestServiceInABrowser: a real provider and a real browser, on two sites.
// Somebody signs in, proves themself anew to open a window, comes without a
// group, and is asked by less than the plant wants.
func TestServiceInABrowser(t *testing.T) {
	p := newProvider(t)
	h := newHouseBy(t, 1, p.oidc())
	p.begin(t, h.origin)
	lena, mia := h.cookie("lena"), h.cookie(shiftName(0))
	h.posts(t, mia, "/people/"+shiftName(0)+"/link", url.Values{"subject": {"mia-sub"}}, http.StatusForbidden)
	h.posts(t, lena, "/people/"+shiftName(0)+"/link", url.Values{"subject": {"mia-sub"}}, http.StatusSeeOther)
	h.posts(t, lena, "/people/olaf/link", url.Values{"subject": {"mia-sub"}}, http.StatusForbidden) // it is hers for good
	q := h.askToLook()
	a, _ := h.actor(shiftName(0))
	q, err := h.desk.Answer(h.ctx, a, q.ID, q.Hash, approvals.Reply{Says: "yes"})
	if err != nil {
		t.Fatal(err)
	}
	runBrowser(t, "service.mjs", map[string]any{"url": h.origin, "provider": p.issuer, "window": "/windows/" + string(q.Window), "shots": os.Getenv("PENSTOCK_SHOTS")})
}

// TestServiceSessions: a session that the service began ends when its time is
// over, with the link, and with the person; it is narrower than the person is.
func TestServiceSessions(t *testing.T) {
	h := newHouse(t, 1)
	who := policy.PersonID(shiftName(0))
	lena, _ := h.actor("lena")
	a, _ := h.actor(shiftName(0))
	if err := h.roster.LinkAccount(h.ctx, lena, who, "https://login.test", "sub"); err != nil {
		t.Fatal(err)
	}
	person, key, err := h.roster.ByAccount(h.ctx, "https://login.test", "sub")
	if err != nil || person.ID != who {
		t.Fatalf("%+v %v", person, err)
	}
	var begun *webSession
	begin := func(until time.Time) *http.Cookie {
		t.Helper()
		narrow := a
		narrow.Step, narrow.Proofs, narrow.Without = 0, nil, []policy.Role{"shift"}
		s, token, err := h.pages.sessions.begin(narrow, byAccount(key.ID, until))
		begun = s
		if err != nil {
			t.Fatal(err)
		}
		return &http.Cookie{Name: cookieName, Value: token}
	}
	in := func(c *http.Cookie) bool { t.Helper(); return h.get(c, "/people").status == http.StatusOK }
	over, live := begin(time.Now().Add(-time.Second)), begin(time.Now().Add(time.Hour))
	if in(over) || !in(live) {
		t.Errorf("over: %t, live: %t", in(over), in(live))
	}
	if g := h.get(live, "/island"); !strings.Contains(g.text, "Somebody with a shift, zone owner or OT security role does this") { // the role did not come with it
		t.Errorf("without the role: %s", g.text)
	}
	still := h.pages.stillSignedIn(&visit{s: begun}) // of a look on, which is asked again and again
	if a, err := still(h.ctx); err != nil || a.Person != who || a.Has("shift") {
		t.Errorf("looking on by it: %+v %v", a, err)
	}
	if err := h.roster.RemoveKey(h.ctx, lena, who, key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := still(h.ctx); err == nil {
		t.Error("the link is gone, and the look on is not")
	}
	if in(live) {
		t.Error("the link is gone, and the session is not")
	}
}
