package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
)

// screen is a browser of the control room with a client certificate of its own.
type screen struct {
	h      *house
	client *http.Client
	pem    string
}

func (h *house) screen() *screen {
	h.t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<60))), Subject: pkix.Name{CommonName: "Penstock kiosk"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key))
	transport := h.server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &screen{h, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

func (s *screen) do(method, path string, form url.Values, header ...string) (int, string) {
	s.h.t.Helper()
	r := must(http.NewRequest(method, s.h.server.URL+path, strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Host = strings.TrimPrefix(s.h.origin, "https://")
	resp := must(s.client.Do(r))
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
}

// The wall screen takes without anybody's sign-in from the moment that OT security
// enrolled it until it is revoked; a person's tap gives, and nobody stays signed in.
func TestKiosk(t *testing.T) {
	h := newHouse(t, 1)
	mia, lena := h.cookie("mia0"), h.cookie("lena")
	key := h.enrolled("mia0", "mia", true)
	wall, other := h.screen(), h.screen()
	for name, s := range map[string]*screen{"nobody's certificate": wall, "another": other} {
		if status, page := s.do("GET", "/kiosk", nil); status != http.StatusForbidden || !strings.Contains(page, "not enrolled") {
			t.Errorf("%s: %d %s", name, status, page)
		}
	}
	if status, _ := h.post(mia, "/kiosks", url.Values{"name": {"Wall"}, "certificate": {wall.pem}}); status != http.StatusForbidden {
		t.Errorf("the shift enrolled it: %d", status)
	}
	if status, page := h.post(lena, "/kiosks", url.Values{"name": {"Wall"}, "certificate": {wall.pem + "-----BEGIN PRIVATE KEY-----"}}); status != http.StatusForbidden || !strings.Contains(page, "private key") {
		t.Errorf("a key was taken: %d", status)
	}
	if status, page := h.post(lena, "/kiosks", url.Values{"name": {"Wall"}, "certificate": {wall.pem}}); status != http.StatusSeeOther {
		t.Fatalf("enrolling: %d %s", status, page)
	}
	q := h.askToLook()
	a, _ := h.actor("mia0")
	q = must(h.desk.Answer(h.ctx, a, q.ID, q.Hash, approvals.Reply{Says: evidence.Yes}))
	if status, page := wall.do("GET", "/kiosk", nil); status != http.StatusOK || !strings.Contains(page, "Control room, <bdi>Wall</bdi>") || !strings.Contains(page, "Open: tap your key") || strings.Contains(page, "Sign out") {
		t.Fatalf("the wall: %d %s", status, page)
	}
	if status, _ := wall.do("GET", "/", nil); status != http.StatusSeeOther {
		t.Errorf("the screen sees the board of people: %d", status)
	}
	tap := func(verb string, form url.Values) int {
		var plan signPlan
		_, text := wall.do("POST", "/kiosk/begin", nil)
		if err := json.Unmarshal([]byte(text), &plan); err != nil {
			t.Fatalf("%v %s", err, text)
		}
		form.Set(signedAssertion, assertionOf("cred-mia", key.Assert(plan.Ask.Challenge)))
		status, _ := wall.do("POST", "/kiosk/tap/"+verb, form)
		if again, _ := wall.do("POST", "/kiosk/tap/"+verb, form); again != http.StatusForbidden {
			t.Errorf("the same tap counts twice: %d", again)
		}
		return status
	}
	window := url.Values{"window": {string(q.Window)}}
	if status, _ := wall.do("POST", "/kiosk/tap/open", window); status != http.StatusForbidden {
		t.Errorf("it opens without a tap: %d", status)
	}
	if status := tap("open", url.Values{"window": {string(q.Window)}}); status != http.StatusSeeOther {
		t.Fatalf("a tap: %d", status)
	}
	state := func() approvals.WindowState { return must(h.desk.Window(h.ctx, a, q.Window)).State }
	for _, step := range []struct {
		path string
		form url.Values
		is   approvals.WindowState
	}{{"/kiosk/pause", window, approvals.WindowPaused}, {"/kiosk/cut", window, approvals.WindowCut}} {
		if step.path == "/kiosk/cut" {
			if status := tap("go-on", url.Values{"window": {string(q.Window)}}); status != http.StatusSeeOther || state() != approvals.WindowOpen {
				t.Errorf("a tap to go on: %d, %s", status, state())
			}
		}
		if status, page := wall.do("POST", step.path, step.form, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
			t.Errorf("%s from another site: %d %s", step.path, status, page)
		}
		if status, _ := other.do("POST", step.path, step.form); status != http.StatusForbidden {
			t.Errorf("%s by a screen that is not enrolled: %d", step.path, status)
		}
		if status, page := wall.do("POST", step.path, step.form); status != http.StatusSeeOther || state() != step.is {
			t.Errorf("%s: %d, %s %s", step.path, status, state(), page)
		}
	}
	if status, page := wall.do("POST", "/kiosk/island", url.Values{"zone": {"line-1"}}); status != http.StatusOK || !strings.Contains(page, "Let nobody in?") {
		t.Errorf("a short tap: %d %s", status, page)
	}
	if status, _ := wall.do("POST", "/kiosk/island", url.Values{"zone": {"line-1"}, "sure": {"yes"}}); status != http.StatusSeeOther {
		t.Errorf("an island: %d", status)
	}
	if blocks := must(h.desk.Blocks(h.ctx)); len(blocks) != 1 || !blocks[0].Island || blocks[0].By != "K-1" {
		t.Errorf("%+v", blocks)
	}
	if status, page := h.post(mia, "/kiosks/K-1/revoke", url.Values{"why": {"gone"}}); status != http.StatusSeeOther {
		t.Errorf("revoking: %d %s", status, page)
	}
	if status, _ := wall.do("GET", "/kiosk", nil); status != http.StatusForbidden {
		t.Errorf("after it was revoked: %d", status)
	}
	walk := evidence.NewWalk(h.docs)
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range walk.Leaf(h.ctx, leaf) {
			t.Errorf("the verifier: %s", f)
		}
	}
}
