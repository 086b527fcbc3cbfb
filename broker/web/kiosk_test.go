package web

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
)

// screen is a browser of the control room with a client certificate of its own.
type screen struct {
	h        *house
	client   *http.Client
	pem, key string
}

func (h *house) screen() *screen {
	h.t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<60))), Subject: pkix.Name{CommonName: "Penstock kiosk"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true}
	der := must(x509.CreateCertificate(rand.Reader, c, c, key.Public(), key))
	transport := h.server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &screen{h, &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))}))}
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

// plan is what a tap at the screen would sign.
func (s *screen) plan(verb string, form url.Values) (plan signPlan) {
	s.h.t.Helper()
	status, text := s.do("POST", "/kiosk/tap/"+verb+"/draft", form)
	if err := json.Unmarshal([]byte(text), &plan); err != nil || plan.Go != "sign" {
		s.h.t.Fatalf("%s: %d %v %s", verb, status, err, text)
	}
	return plan
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
	if status, page := wall.do("GET", "/kiosk", nil); status != http.StatusOK || !strings.Contains(page, "Control room, <bdi>Wall</bdi>") || !strings.Contains(page, `href="/kiosk/windows/W-1">Open</a>`) || strings.Contains(page, "Sign out") {
		t.Fatalf("the wall: %d %s", status, page)
	}
	if status, _ := wall.do("GET", "/", nil); status != http.StatusSeeOther {
		t.Errorf("the screen sees the board of people: %d", status)
	}
	tap := func(verb string, form url.Values) int {
		form.Set("as", "mia0")
		plan := wall.plan(verb, form)
		form.Set(signedText, plan.Text)
		form.Set(signedAssertion, assertionOf("cred-mia", key.Assert(plan.Ask.Challenge)))
		status, _ := wall.do("POST", "/kiosk/tap/"+verb, form)
		if again, _ := wall.do("POST", "/kiosk/tap/"+verb, form); again != http.StatusForbidden && again != http.StatusConflict {
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
	h.whole(t)
}

// A yes at the screen is one tap over exactly what stands there; where it is the
// last one it opens. No is one tap, too. The screen can spend no tap on anything else.
func TestAnswersAtTheScreen(t *testing.T) {
	h := newHouseOf(t, 2, false)
	lena := h.cookie("lena")
	key, other := h.enrolled("mia0", "mia", true), h.enrolled("mia1", "max", true)
	wall := h.screen()
	if status, page := h.post(lena, "/kiosks", url.Values{"name": {"Wall"}, "certificate": {wall.pem}}); status != http.StatusSeeOther {
		t.Fatalf("enrolling: %d %s", status, page)
	}
	q := h.askToLook()
	page := func(path string, want ...string) string {
		t.Helper()
		status, text := wall.do("GET", path, nil)
		for _, w := range want {
			if status != http.StatusOK || !strings.Contains(text, w) {
				t.Fatalf("%s: %d, want %q in %s", path, status, w, text)
			}
		}
		return text
	}
	page("/kiosk", `href="/kiosk/requests/R-1">Answer</a>`)
	if text := page("/kiosk/requests/R-1", "Who are you?", `href="/kiosk/requests/R-1?as=mia0"`, `?as=mia1"`); strings.Contains(text, "<form") {
		t.Error("somebody answers before they say who they are")
	}
	page("/kiosk/requests/R-1?as=mia0", "Yes, as asked: open to", "Look only, to", "mia0</bdi>: choose, then tap your key")
	page("/kiosk/requests/R-1?as=lena", "Who are you?") // who is not asked is not there
	form := func(more ...string) url.Values {
		f := url.Values{"request": {"R-1"}, "document": {q.Hash.String()}, "as": {"mia0"}}
		for i := 0; i < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	send := func(signer, credential string, plan signPlan, f url.Values) int {
		f.Set(signedText, plan.Text)
		k := key
		if signer != "mia0" {
			k = other
		}
		f.Set(signedAssertion, assertionOf(credential, k.Assert(plan.Ask.Challenge)))
		status, _ := wall.do("POST", "/kiosk/tap/answer", f)
		return status
	}
	look := wall.plan("answer", form("look", "yes"))
	if len(look.Ask.Allow) != 1 || look.Ask.Allow[0].ID != "cred-mia" || look.Document != q.Hash.String() {
		t.Errorf("the plan: %+v", look)
	}
	for story, status := range map[string]int{
		"with another's key": send("mia1", "cred-max", look, form("look", "yes")),
		"in another's name":  send("mia0", "cred-mia", look, form("look", "yes", "as", "mia1")),
		"in nobody's name":   send("mia0", "cred-mia", look, form("look", "yes", "as", "")),
		"of the vendor":      send("mia0", "cred-mia", look, form("look", "yes", "as", "ann")),
		"without a tap":      func() int { s, _ := wall.do("POST", "/kiosk/tap/answer", form()); return s }(),
	} {
		if status != http.StatusForbidden {
			t.Errorf("%s: %d", story, status)
		}
	}
	by, _ := h.actor("mia0")
	if got := must(h.desk.Request(h.ctx, by, q.ID)); len(got.Answers) > 0 {
		t.Fatalf("it was taken: %+v", got.Answers)
	}
	// On their own page the same signature is nothing: it names the screen.
	if status, _ := h.post(h.cookie("mia0"), "/requests/R-1/yes", url.Values{"document": {q.Hash.String()}, "look": {"yes"}, signedText: {look.Text},
		signedAssertion: {assertionOf("cred-mia", key.Assert(look.Ask.Challenge))}}); status != http.StatusForbidden {
		t.Errorf("spent on a page: %d", status)
	}
	// What was signed counts, whatever form the screen sends with it.
	if status := send("mia0", "cred-mia", look, form()); status != http.StatusSeeOther {
		t.Fatalf("a tap: %d", status)
	}
	got := must(h.desk.Request(h.ctx, by, q.ID))
	w := must(h.desk.Window(h.ctx, by, got.Window))
	if w.State != approvals.WindowOpen || w.Until.Sub(w.Opened) != lookMinutes*time.Minute || w.OpenedBy != "mia0" {
		t.Errorf("%s from %s to %s by %s", w.State, w.Opened, w.Until, w.OpenedBy)
	}
	second := h.askToLook()
	no := url.Values{"request": {"R-2"}, "document": {second.Hash.String()}, "as": {"mia1"}, "says": {"no-work-order"}}
	if status := send("mia1", "cred-max", wall.plan("answer", no), no); status != http.StatusSeeOther {
		t.Errorf("a no: %d", status)
	}
	if got := must(h.desk.Request(h.ctx, by, second.ID)); got.State != approvals.RequestRefused || got.Answers[0].Why != "No work order." {
		t.Errorf("a no: %+v", got)
	}
	h.whole(t)
}

// TestKioskInABrowser: the screen is real Chromium that has the certificate's key in
// its own store, and mia's passkey is its virtual authenticator's.
func TestKioskInABrowser(t *testing.T) {
	h := newHouseOf(t, 1, false)
	lena, key, wall := h.cookie("lena"), h.enrolled("mia0", "mia", true), h.screen()
	if status, page := h.post(lena, "/kiosks", url.Values{"name": {"Control room 1"}, "certificate": {wall.pem}}); status != http.StatusSeeOther {
		t.Fatalf("enrolling: %d %s", status, page)
	}
	q := h.askToLook()
	helper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status, page := h.post(lena, "/kiosks/K-1/revoke", url.Values{"why": {"moved"}}); status != http.StatusSeeOther {
			http.Error(w, page, http.StatusInternalServerError)
		}
	}))
	defer helper.Close()
	mia := map[string]string{"id": base64.StdEncoding.EncodeToString(must(base64.RawURLEncoding.DecodeString("cred-mia"))),
		"key": base64.StdEncoding.EncodeToString(key.PKCS8()), "user": base64.StdEncoding.EncodeToString([]byte("mia0"))}
	runBrowser(t, "kiosk.mjs", map[string]any{"url": h.origin, "certificate": wall.pem, "key": wall.key, "mia": mia, "revoke": helper.URL, "shots": os.Getenv("PENSTOCK_SHOTS")})
	by, _ := h.actor("mia0")
	got := must(h.desk.Request(h.ctx, by, q.ID))
	w := must(h.desk.Window(h.ctx, by, got.Window))
	if w.State != approvals.WindowCut || w.By != "K-1" || w.OpenedBy != "mia0" || len(got.Answers) != 1 || got.Answers[0].Limits.Minutes != lookMinutes {
		t.Errorf("%s by %s, opened by %s, answers %+v", w.State, w.By, w.OpenedBy, got.Answers)
	}
	blocks := must(h.desk.Blocks(h.ctx))
	if len(blocks) != 2 || blocks[0].Person != "ann" || blocks[0].Why != "Something looks wrong" || time.Until(blocks[0].Until) < 7*time.Hour || blocks[1].Zone != "line-1" || !blocks[1].Island {
		t.Errorf("blocks %+v", blocks)
	}
	h.whole(t)
}

// A block at the screen is of whom or what, why, and to when.
func TestBlockAtTheScreen(t *testing.T) {
	h := newHouse(t, 1)
	wall := h.screen()
	if status, page := h.post(h.cookie("lena"), "/kiosks", url.Values{"name": {"Wall"}, "certificate": {wall.pem}}); status != http.StatusSeeOther {
		t.Fatalf("enrolling: %d %s", status, page)
	}
	if status, page := wall.do("GET", "/kiosk/block", nil); status != http.StatusOK || !strings.Contains(page, `value="asset/filler-plc"`) || !strings.Contains(page, `value="person/ann"`) {
		t.Fatalf("%d %s", status, page)
	}
	for _, form := range []url.Values{{"what": {"firm/krall"}, "hours": {"-2"}}, {"what": {""}}, {"what": {"asset/nothing"}}} {
		if status, _ := wall.do("POST", "/kiosk/block", form); status != http.StatusForbidden {
			t.Errorf("%v: %d", form, status)
		}
	}
	if status, page := wall.do("POST", "/kiosk/block", url.Values{"what": {"person/ann"}, "reason": {blockReasons[0]}, "why": {"Two laptops."}, "hours": {"8"}}); status != http.StatusSeeOther {
		t.Fatalf("%d %s", status, page)
	}
	b := must(h.desk.Blocks(h.ctx))
	if len(b) != 1 || b[0].Person != "ann" || b[0].Why != "Something looks wrong. Two laptops." || time.Until(b[0].Until) < 7*time.Hour || b[0].By != "K-1" {
		t.Errorf("%+v", b)
	}
	h.whole(t)
}

// whole walks the log as the verifier does; but is what a test has left out.
func (h *house) whole(t *testing.T, but ...string) {
	t.Helper()
	walk := evidence.NewWalk(h.docs)
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range walk.Leaf(h.ctx, leaf) {
			if !slices.ContainsFunc(but, func(known string) bool { return strings.Contains(f, known) }) {
				t.Errorf("the verifier: %s", f)
			}
		}
	}
}
