package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/receipt"
	"penstock/audit/recording"
	"penstock/broker/brokertest"
	"penstock/broker/web"
	"penstock/cmd/penstock/demo"
)

// pagesHouse is a whole broker whose pages are served by TLS on loopback. The
// shift alone says yes to looking, and opens; ann of the vendor is known.
type pagesHouse struct {
	*liveHouse
	server *httptest.Server
}

func newPagesHouse(t *testing.T, change ...func(edit func(name, old, with string))) *pagesHouse {
	t.Helper()
	s := &story{dir: t.TempDir(), people: map[string]*demo.Person{}}
	if err := s.write("tester"); err != nil {
		t.Fatal(err)
	}
	edit := func(name, old, with string) {
		t.Helper()
		b, err := os.ReadFile(s.path(name))
		if err != nil || !strings.Contains(string(b), old) {
			t.Fatalf("%s has no %q: %v", name, old, err)
		}
		if err := os.WriteFile(s.path(name), []byte(strings.Replace(string(b), old, with, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edit("plant.yaml", "        accounts:\n", "        accounts:\n          viewer: {rights: [look], enforced: device}\n")
	vendors := "people:\n"
	for _, name := range []string{"ann", "ben"} {
		key, err := publicKey(s.path("home", name, ".ssh", "id_ed25519.pub"))
		if err != nil {
			t.Fatal(err)
		}
		vendors += fmt.Sprintf("  %s: {name: %s of Krall, firm: krall, key: %s}\n", name, name, key)
	}
	edit("bootstrap.yaml", "people:\n", vendors)
	for _, c := range change {
		c(edit)
	}
	f, err := readServerFile(s.path("penstock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPlantFile(f.Plant)
	if err != nil {
		t.Fatal(err)
	}
	h, err := open(t.Context(), f, p, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	srv := httptest.NewUnstartedServer(nil)
	srv.Config, srv.EnableHTTP2 = h.pagesServer(ctx), true
	srv.StartTLS()
	ran := make(chan error, 1)
	go func() { ran <- h.broker.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		stop, done := context.WithTimeout(context.Background(), drainTime)
		defer done()
		if err := srv.Config.Shutdown(stop); err != nil { // streams that are followed must not hold it up
			t.Error(err)
		}
		srv.CloseClientConnections()
		srv.Close()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	return &pagesHouse{&liveHouse{h, srv.URL, s.people}, srv}
}

// browserOf is one person's browser; it follows no redirect by itself.
type browserOf struct {
	t    *testing.T
	h    *pagesHouse
	http *http.Client
}

func (h *pagesHouse) browser(t *testing.T) *browserOf {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := *h.server.Client()
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &browserOf{t, h, &c}
}

type shown struct {
	status int
	text   string
	to     string
	header http.Header
}

func (b *browserOf) do(method, path string, form url.Values, header ...string) shown {
	b.t.Helper()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.h.server.URL+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	return shown{resp.StatusCode, string(text), resp.Header.Get("Location"), resp.Header}
}

func (b *browserOf) get(path string) shown {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil)
}

func (b *browserOf) post(path string, form ...string) shown {
	b.t.Helper()
	f := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		f.Add(form[i], form[i+1])
	}
	return b.do(http.MethodPost, path, f)
}

// signedIn is the browser of somebody who has enrolled and signed in, without a code.
func (h *pagesHouse) signedIn(t *testing.T, name string) *browserOf {
	t.Helper()
	if h.people[name].Secret == "" {
		h.enrol(t, name)
	}
	b := h.browser(t)
	if s := b.post("/sign-in", "name", name, "password", h.people[name].Password); s.status != http.StatusSeeOther {
		t.Fatalf("sign-in of %s: %d %s", name, s.status, s.text)
	}
	return b
}

func (s shown) want(t *testing.T, status int, says ...string) {
	t.Helper()
	if s.status != status {
		t.Fatalf("status %d, want %d: %s", s.status, status, s.text)
	}
	for _, w := range says {
		if !strings.Contains(s.text, w) {
			t.Errorf("the page does not say %q:\n%s", w, s.text)
		}
	}
}

// receipts downloads what a person did, and holds it to the log.
func (h *pagesHouse) receipts(t *testing.T, b *browserOf, path, want string) {
	t.Helper()
	page := b.get(path)
	page.want(t, 200)
	v, err := audit.LogVerifier(h.folder.keys())
	if err != nil {
		t.Fatal(err)
	}
	r, err := audit.OpenReader(h.folder.log(), v)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := receipt.ParseKeys(h.plantHouse.receipts.Set())
	if err != nil {
		t.Fatal(err)
	}
	held, err := receipt.Hold(t.Context(), r, keys, receipt.Split([]byte(page.text))...)
	if err != nil || len(held) != 1 {
		t.Fatalf("%d receipts, %v: %s", len(held), err, page.text)
	}
	c := held[0].Claims
	if got := c.Type + " " + c.Subject + " " + c.Person; got != want || len(held[0].Wrong) > 0 {
		t.Errorf("%q, want %q: %v", got, want, held[0].Wrong)
	}
}

// calls are all routes, with names in the place of wildcards.
func calls(h *pagesHouse) map[string]web.Route {
	all := map[string]web.Route{}
	for _, r := range h.pages.Routes() {
		call := strings.NewReplacer("{$}", "", "{file}", "style.css").Replace(r.Pattern)
		kind := "R-1"
		for part, id := range map[string]string{"/windows/": "W-1", "/blocks/": "B-1", "/people/": "ghost", "/recordings/": "S-1"} {
			if strings.Contains(call, part) {
				kind = id
			}
		}
		all[strings.ReplaceAll(call, "{id}", kind)] = r
	}
	return all
}

// TestPagesGuardEveryPath: one row for each path and each kind of caller.
func TestPagesGuardEveryPath(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	nobody, forged := h.browser(t), h.browser(t)
	people := map[string]*browserOf{}
	for _, name := range []string{"ann", "mia", "olaf", "sec"} {
		people[name] = h.signedIn(t, name)
	}
	open := map[string]bool{"GET /static/style.css": true, "GET /sign-in": true, "POST /sign-in": true, "POST /sign-in/passkey/begin": true, "POST /sign-in/passkey": true,
		"GET /sign-in/service": true, "GET /sign-in/service/back": true, "GET /envelope": true, "POST /envelope": true}
	for call, route := range calls(h) {
		method, path, _ := strings.Cut(call, " ")
		if open[call] != (route.Who == web.Anybody) {
			t.Errorf("%s is for anybody: %v", call, route.Who == web.Anybody)
		}
		if route.Who == web.Anybody {
			continue
		}
		if route.Who == web.KioskOnly { // whoever is signed in, and whoever is not
			for name, b := range map[string]*browserOf{"nobody": nobody, "a vendor": people["ann"], "the shift": people["mia"], "OT security": people["sec"]} {
				if s := b.do(method, path, url.Values{}); s.status != http.StatusForbidden {
					t.Errorf("%s: %s answered %d", name, call, s.status)
				}
			}
			continue
		}
		for name, b := range map[string]*browserOf{"nobody": nobody, "a forged cookie": forged} {
			var header []string
			if b == forged {
				header = []string{"Cookie", "__Host-penstock=" + strings.Repeat("A", 52)}
			}
			s := b.do(method, path, url.Values{}, header...)
			away := s.status == http.StatusSeeOther && strings.HasPrefix(s.to, "/sign-in")
			if (method == http.MethodGet && path != "/live" && !away) || (method == http.MethodPost || path == "/live") && s.status != http.StatusUnauthorized {
				t.Errorf("%s: %s answered %d %s", name, call, s.status, s.to)
			}
		}
		if path == "/live" || path == "/sign-out" || path == "/island" && method == http.MethodPost {
			continue // the rest of it is below and in other tests
		}
		before := h.log.Size()
		if s := people["ann"].do(method, path, url.Values{}); (s.status == http.StatusForbidden && strings.Contains(s.text, "Only people of the plant")) != (route.Who == web.PlantOnly) {
			t.Errorf("the vendor: %s answered %d", call, s.status)
		}
		for _, name := range []string{"mia", "olaf", "sec"} {
			s := people[name].do(method, path, url.Values{})
			if s.status == http.StatusUnauthorized || s.status >= 500 || strings.HasPrefix(s.to, "/sign-in") {
				t.Errorf("%s: %s answered %d", name, call, s.status)
			}
			if asked := strings.Contains(s.text, html.EscapeString(route.Giving)+": give your code"); route.Giving != "" && !asked {
				t.Errorf("%s: %s gives without a code: %d %s", name, call, s.status, s.text)
			}
		}
		if route.Giving != "" && h.log.Size() != before {
			t.Errorf("%s wrote to the log without a code", call)
		}
	}
	people["mia"].get("/recordings").want(t, http.StatusForbidden, "Ask OT security")
	people["mia"].get("/recordings/S-1/export?form=text&channel=0").want(t, http.StatusForbidden)
	people["sec"].get("/recordings/..%2f..%2fkeys").want(t, http.StatusNotFound)
}

// TestPagesCrossSite: another site's form does nothing, and takes nothing.
func TestPagesCrossSite(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	mia := h.signedIn(t, "mia")
	size := h.log.Size()
	for call := range calls(h) {
		method, path, _ := strings.Cut(call, " ")
		if method != http.MethodPost {
			continue
		}
		for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			if s := mia.do(method, path, url.Values{"sure": {"yes"}}, header...); s.status != http.StatusForbidden {
				t.Errorf("%s with %v answered %d", call, header, s.status)
			}
		}
	}
	if h.log.Size() != size {
		t.Error("another site's form reached the log")
	}
	s := mia.get("/")
	for name, part := range map[string]string{"Content-Security-Policy": "script-src 'self'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Cross-Origin-Opener-Policy": "same-origin"} {
		if !strings.Contains(s.header.Get(name), part) {
			t.Errorf("%s is %q", name, s.header.Get(name))
		}
	}
	if p := s.header.Get("Content-Security-Policy"); strings.Contains(p, "unsafe") || !strings.Contains(p, "frame-ancestors 'none'") {
		t.Errorf("policy %q", p)
	}
	h.browser(t).do(http.MethodGet, "/", nil, "Sec-Fetch-Site", "cross-site").want(t, 200, `http-equiv="refresh"`)
}

// TestPagesSignIn: the cookie, one answer for every wrong, nobody led away,
// signing out for good, and a person who is disabled.
func TestPagesSignIn(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	h.enrol(t, "mia")
	b, password := h.browser(t), h.people["mia"].Password
	wrong := b.post("/sign-in", "name", "nobody", "password", password)
	wrong.want(t, http.StatusForbidden, "That is not right")
	plain := regexp.MustCompile(`value="[a-z]*"|<span class="clock">.*</span>`)
	for _, form := range [][]string{{"name", "mia", "password", "x"}, {"name", "mia", "password", password, "code", "000000"}} {
		if s := b.post("/sign-in", form...); s.status != wrong.status || plain.ReplaceAllString(s.text, "") != plain.ReplaceAllString(wrong.text, "") {
			t.Errorf("a wrong is told apart: %d", s.status)
		}
	}
	for _, next := range []string{"https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/%2fevil", ""} {
		s := h.browser(t).post("/sign-in", "name", "mia", "password", password, "next", next)
		if s.status != http.StatusSeeOther || !strings.HasPrefix(s.to, "/") || strings.HasPrefix(s.to, "//") {
			t.Errorf("next %q leads to %q", next, s.to)
		}
	}
	s := b.post("/sign-in", "name", "mia", "password", password, "next", "/log?before=3")
	cookie := s.header.Get("Set-Cookie")
	for _, part := range []string{"__Host-penstock=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("cookie %q has no %s", cookie, part)
		}
	}
	if strings.Contains(cookie, "Domain") || s.to != "/log?before=3" {
		t.Errorf("cookie %q, to %q", cookie, s.to)
	}
	stolen := strings.SplitN(cookie, ";", 2)[0]
	if s := b.post("/sign-in", "name", "mia", "password", password); strings.SplitN(s.header.Get("Set-Cookie"), ";", 2)[0] == stolen {
		t.Error("a sign-in keeps the session that was there")
	}
	if s := h.browser(t).do(http.MethodGet, "/", nil, "Cookie", stolen); s.status != http.StatusSeeOther {
		t.Errorf("the session before the sign-in still counts: %d", s.status)
	}
	b.get("/").want(t, 200, "Signed in")
	b.post("/sign-out").want(t, http.StatusSeeOther)
	b.get("/").want(t, http.StatusSeeOther)
}

var documentField = regexp.MustCompile(`name="document" value="(sha256:[0-9a-f]{64})"`)

func (s shown) document(t *testing.T) string {
	t.Helper()
	m := documentField.FindStringSubmatch(s.text)
	if m == nil {
		t.Fatalf("the page has no document: %s", s.text)
	}
	return m[1]
}

var askToLook = []string{"person", "ann", "way", "filler-plc/ssh/viewer", "right", "look", "reason", "Alarm <b>F-417</b>", "minutes", "60"}

// TestPagesTheWholeWindow: asked by the vendor, answered and opened by one tap
// of the shift, paused, gone on, extended, cut, taken; each step without a
// script, and each giving step with one code.
func TestPagesTheWholeWindow(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	ann, mia := h.signedIn(t, "ann"), h.signedIn(t, "mia")
	s := ann.post("/requests/new", askToLook...)
	s.want(t, http.StatusSeeOther)
	if s.to != "/requests/R-1" {
		t.Fatalf("asked, and led to %q", s.to)
	}
	ann.get("/requests/R-1").want(t, 200, "Asked. R-1 waits", "Waits for", "Withdraw")
	mia.get("/").want(t, 200, "asks you", "R-1")
	page := mia.get("/requests/R-1")
	page.want(t, 200, "wants to <strong>LOOK</strong> at the", "FIL-1-PLC-01", "Filling line 1 stops", "Alarm &lt;b&gt;F-417", "Your yes is enough", "Open as asked", "The machine stops everything else", "First visit")
	if strings.Contains(page.text, "<b>F-417") || strings.Contains(page.text, "Hold to") {
		t.Error("the page shows what it should not")
	}
	document := page.document(t)
	mia.post("/requests/R-1/yes", "document", document, "code", "000000").want(t, http.StatusForbidden, "That is not right", document)
	s = mia.post("/requests/R-1/yes", "document", document, "code", h.code(t, "mia"))
	s.want(t, http.StatusSeeOther)
	if s.to != "/requests/R-1" {
		t.Fatalf("said yes, and led to %q", s.to)
	}
	mia.get(s.to).want(t, 200, "Open. Ends", "Pause", "Cut", "Mia said yes at", `href="/requests/R-1/receipts"`)
	h.receipts(t, mia, "/requests/R-1/receipts", "answer.given R-1 mia")
	h.receipts(t, ann, "/requests/R-1/receipts", "request.submitted R-1 ann")
	h.receipts(t, mia, "/windows/W-1/receipts", "window.moved W-1 mia")
	ann.get("/windows/W-1/receipts").want(t, http.StatusNotFound)
	mia.get("/windows/W-1").want(t, 200, "Ends in", "Pause", "Cut", "Extend")
	ann.get("/windows/W-1").want(t, 200, "Next for you", "cert@localhost:W-1 ~/.ssh", "ann&#43;viewer&#43;filler-plc@localhost")
	for _, step := range []struct{ verb, says, form, value string }{
		{"pause", "Paused.", "why", "CIP runs"}, {"go-on", "It goes on.", "", ""}, {"extend", "Extended.", "minutes", "30"}, {"cut", "Cut at", "why", "enough"},
	} {
		mia.post("/windows/W-1/"+step.verb, step.form, step.value).want(t, http.StatusSeeOther)
		mia.get("/windows/W-1").want(t, 200, step.says)
	}
	ann.post("/windows/W-1/hand-back", "text", "Nothing was changed.").want(t, http.StatusSeeOther)
	mia.get("/windows/W-1").want(t, 200, "Nothing was changed.", "I take it")
	mia.post("/windows/W-1/accept").want(t, http.StatusSeeOther)
	mia.get("/").want(t, 200, "Nobody is in. Nothing waits. Last out")
	mia.get("/log").want(t, 200, "took the hand-back", "penstock-verify", "cut: enough")
}

// TestPagesGoneStale: the second to tap reads who decided meanwhile, and what.
func TestPagesGoneStale(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	ann, mia, jan := h.signedIn(t, "ann"), h.signedIn(t, "mia"), h.signedIn(t, "jan")
	ann.post("/requests/new", askToLook...).want(t, http.StatusSeeOther)
	document := mia.get("/requests/R-1").document(t)
	jan.post("/requests/R-1/yes", "document", document, "look", "yes", "code", h.code(t, "jan")).want(t, http.StatusSeeOther)
	mia.post("/requests/R-1/yes", "document", document, "code", h.code(t, "mia")).want(t, http.StatusConflict, "Your tap was not taken", "Jan said yes, 30 minutes at", "See window")
	ann.post("/requests/new", askToLook...).want(t, http.StatusSeeOther)
	mia.post("/requests/R-2/yes", "document", document).want(t, http.StatusConflict, "Your tap was not taken")
	fresh := mia.get("/requests/R-2").document(t)
	for _, form := range [][]string{{}, {"says", "maybe"}, {"says", "question"}, {"says", "not-before", "time", "25:99"}} {
		s := mia.post("/requests/R-2/not-now", append(form, "document", fresh)...)
		if s.status != http.StatusBadRequest && s.status != http.StatusForbidden {
			t.Errorf("%v: %d", form, s.status)
		}
	}
	mia.post("/requests/R-2/not-now", "document", fresh, "says", "wrong-machine").want(t, http.StatusSeeOther)
	ann.get("/requests/R-2").want(t, 200, "refused", "Wrong machine.")
}

// TestPagesDanger: what nobody stops is asked about twice.
func TestPagesDanger(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	olaf := h.signedIn(t, "olaf")
	mia := h.signedIn(t, "mia")
	mia.post("/requests/new", "person", "ann", "person", "ben", "way", "filler-plc/ssh/tester", "right", "set", "right", "copy", "reason", "volume", "minutes", "90").
		want(t, http.StatusForbidden, "Fill in: Work order.", `id="w-work_order"`, "volume", `value="90"`, "checked", "Refused by rule: fields-missing")
	mia.post("/requests/new", "person", "ann", "way", "filler-plc/ssh/tester", "right", "set", "right", "copy", "reason", "volume", "work_order", "WO 1", "minutes", "90").want(t, http.StatusSeeOther)
	page := olaf.get("/requests/R-1")
	page.want(t, 200, "<strong>WORK IN A SHELL</strong> on the", "Nobody stops it but you. Watch", "Hold to say yes, and ask OT security", "1 of 2", "No backup is known")
	olaf.post("/requests/R-1/yes", "document", page.document(t), "code", h.code(t, "olaf")).want(t, 200, "Open as asked?", "sure")
	olaf.post("/requests/R-1/yes", "document", page.document(t), "sure", "yes").want(t, http.StatusSeeOther)
	olaf.get("/requests/R-1").want(t, 200, "Your yes stands. Asked next: OT security.")
	mia.get("/requests/R-1").want(t, 200, "Waits for")
}

// TestPagesPeopleAndBlocks: the code of an invitation is shown once; a block
// needs no code and lifting it does; an island lets nobody in.
func TestPagesPeopleAndBlocks(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	olaf, mia := h.signedIn(t, "olaf"), h.signedIn(t, "mia")
	s := olaf.post("/people/invite", "firm", "krall", "name", "Eve <i>", "id", "eve", "code", h.code(t, "olaf"))
	s.want(t, 200, "Shown once", "join@localhost", "Eve &lt;i&gt;")
	code := regexp.MustCompile(`[A-Z2-7]{4}(-[A-Z2-7]{4}){3}`).FindString(s.text)
	if code == "" || strings.Contains(olaf.get("/people").text, code) {
		t.Errorf("the code %q is shown again, or not at all", code)
	}
	olaf.post("/people/eve/disable").want(t, http.StatusForbidden)
	mia.post("/blocks", "what", "firm/krall", "why", "laptop lost", "hours", "2").want(t, http.StatusSeeOther)
	mia.get("/blocks").want(t, 200, "laptop lost", "Lift", `Whoever was in by it is out. <a href="/blocks/B-1/receipts" download>Receipt</a>`, "Receipts of what you did here")
	h.receipts(t, mia, "/blocks/B-1/receipts", "block.set B-1 mia")
	olaf.get("/blocks/B-1/receipts").want(t, http.StatusNotFound)
	mia.post("/blocks/B-1/lift").want(t, 200, "Lift the block: give your code")
	mia.post("/island").want(t, 200, "The whole plant")
	mia.post("/island", "sure", "yes", "why", "ammonia").want(t, http.StatusSeeOther)
	mia.get("/").want(t, 200, "<strong>Island.</strong>")
	mia.post("/blocks/B-2/lift", "code", h.code(t, "mia")).want(t, http.StatusForbidden)
	mia.post("/blocks/B-2/yes").want(t, http.StatusSeeOther) // by the code of just now
	mia.get("/blocks").want(t, 200, `Somebody else has to say it too`, `<a href="/blocks/B-2/receipts" download>Receipt</a>`)
	olaf.get("/blocks").want(t, 200, "One more person lifts it")
	olaf.post("/blocks/B-2/yes").want(t, http.StatusSeeOther)
	olaf.get("/blocks").want(t, 200, "Lifted, by two people.")
}

// TestPagesVendorsSeeTheirOwn: another firm's request is as if it were not there.
func TestPagesVendorsSeeTheirOwn(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	sec := h.signedIn(t, "sec")
	sec.post("/firms", "id", "thermo", "name", "Thermo Nord", "sponsor", "olaf", "networks", "127.0.0.0/8", "code", h.code(t, "sec")).want(t, http.StatusSeeOther)
	ann := h.signedIn(t, "ann")
	ann.post("/requests/new", askToLook...).want(t, http.StatusSeeOther)
	ann.post("/requests/new", "person", "mia", "way", "filler-plc/ssh/viewer", "right", "look", "reason", "x", "minutes", "5").want(t, http.StatusForbidden)
	for _, hidden := range []string{`href="/people"`, `href="/log"`, "Island", "Krall Fillers, Thermo"} {
		if strings.Contains(ann.get("/").text, hidden) {
			t.Errorf("the vendor's board shows %s", hidden)
		}
	}
	ann.post("/requests/R-1/withdraw", "why", "solved").want(t, http.StatusSeeOther)
}

// TestPagesStream: a change is told, a session has four streams and no fifth,
// and a sign-out ends them.
func TestPagesStream(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	mia, ann := h.signedIn(t, "mia"), h.signedIn(t, "ann")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream := func() *bufio.Scanner {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.server.URL+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := mia.http.Do(req)
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		lines := bufio.NewScanner(resp.Body)
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "retry") {
			t.Fatalf("the stream begins with %q: %v", lines.Text(), lines.Err())
		}
		return lines
	}
	first := stream()
	for range 3 {
		stream()
	}
	mia.get("/live").want(t, http.StatusForbidden, "Too many pages")
	ann.post("/requests/new", askToLook...).want(t, http.StatusSeeOther)
	waitLine(t, first, "event: changed")
	mia.do(http.MethodGet, "/", nil, "Penstock-Refresh", "1").want(t, 200, "R-1")
	mia.post("/sign-out").want(t, http.StatusSeeOther)
	waitLine(t, first, "event: over")
	mia.do(http.MethodGet, "/", nil, "Penstock-Refresh", "1").want(t, http.StatusUnauthorized)
}

func waitLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	for lines.Scan() {
		if lines.Text() == want {
			return
		}
	}
	t.Fatalf("the stream ended without %q: %v", want, lines.Err())
}

// TestPagesHugeAndBroken: bounded, and told in words.
func TestPagesHugeAndBroken(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	mia := h.signedIn(t, "mia")
	mia.post("/requests/new", "reason", strings.Repeat("x", 70_000)).want(t, http.StatusRequestEntityTooLarge, "Not done")
	mia.get("/nothing").want(t, http.StatusNotFound, "There is nothing of that name")
	mia.get("/requests/R-99").want(t, http.StatusForbidden, "There is no request")
	mia.get("/static/README").want(t, http.StatusNotFound)
	mia.get("/log?before=18446744073709551615").want(t, 200)
	mia.get("/log?before=-1").want(t, 200)
	s := mia.get("/log/checkpoint")
	s.want(t, 200)
	if !bytes.Equal([]byte(s.text), h.log.Checkpoint()) {
		t.Error("the checkpoint is another one")
	}
	before := h.log.Size()
	taken := mia.post("/log/checkpoint")
	taken.want(t, 200)
	if !bytes.Equal([]byte(taken.text), h.log.Checkpoint()) || h.log.Size() != before+1 {
		t.Error("taking a checkpoint gives another one, or is no event")
	}
	mia.get("/log").want(t, 200, "taken by mia, on their word", "took a checkpoint to keep outside")
	if audit.Index(strings.Count(mia.get("/log").text, "<li class=")) != min(h.log.Size(), 100) {
		t.Error("the log page shows another number of leaves")
	}
}

// TestPagesInABrowser walks with real Chromium, on a phone: asked, seen on a
// board that nobody loads again, answered, paused, held to confirm, and all of
// it once more without JavaScript, with hostile text in what is asked.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	passwords := map[string]string{}
	h.record(t)
	for _, name := range []string{"ann", "mia", "jan", "olaf", "sec"} {
		h.enrol(t, name)
		passwords[name] = h.people[name].Password
	}
	codes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, err := h.people[strings.TrimPrefix(r.URL.Path, "/")].Code(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, code)
	}))
	defer codes.Close()
	ui, err := filepath.Abs(filepath.Join(house, "broker", "web", "ui"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(ui, "node_modules", "playwright-core")); err != nil {
		t.Fatalf("the browser tests need their packages: (cd broker/web/ui && npm ci): %v", err)
	}
	in, err := json.Marshal(map[string]any{"url": h.server.URL, "codes": codes.URL, "passwords": passwords, "shots": os.Getenv("PENSTOCK_SHOTS")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(ui, "walk.mjs"))
	cmd.Stdin, cmd.WaitDelay = bytes.NewReader(in), 5*time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("walk.mjs: %v (needs Debian's chromium and node 20)\n%s", err, out)
	}
}

// record makes the recording of one session, S-7, with its events.
func (h *pagesHouse) record(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	w, header, keys, err := h.archive.Create(ctx, recording.Header{V: 1, Session: "S-7", Node: "a", Person: "ann", Firm: "krall", Windows: []string{}, Serial: "1",
		Source: "127.0.0.1", Client: "SSH-2.0-<b>x", Kex: "k", Started: time.Now().UTC(), Mode: "readable"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Stream(0, "shell")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(ctx, recording.Out, []byte("flow 812 <script>\n")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, body := range []audit.Body{audit.SessionStarted{Session: "S-7", Person: "ann", Firm: "krall", Windows: []string{}, Header: header, Keys: keys, Mode: h.archive.Mode()},
		audit.ChannelOpened{Session: "S-7", Kind: "shell", Asset: "filler-plc", Port: "ssh", Account: "viewer", Rights: []string{"look"}, Path: []string{"dmz", "line-1"}},
		audit.ChannelRefused{Session: "S-7", Kind: "exec", Asset: "filler-plc", Account: "root-all", Rule: "not-in-window"},
		audit.ChannelClosed{Session: "S-7", In: 3, Out: 18, Exit: "0"}} {
		if _, err := h.log.Append(ctx, audit.Event{Subject: "S-7", Actor: "ann", Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(ctx, "client"); err != nil {
		t.Fatal(err)
	}
}

// TestPagesRecording: what a session did, beside what was asked; each look and
// each download is an event, and a broken channel number is no page.
func TestPagesRecording(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	h.record(t)
	sec := h.signedIn(t, "sec")
	sec.get("/recordings").want(t, 200, "S-7", "ann of Krall")
	sec.get("/recordings/S-7").want(t, 200, "0: shell", "FIL-1-PLC-01 as viewer", "3 bytes in, 18 bytes out", "1 refused", "refused (not-in-window)", "SSH-2.0-&lt;b&gt;x")
	text := sec.get("/recordings/S-7/export?form=text&channel=0")
	text.want(t, 200, "flow 812 <script>")
	if got := text.header.Get("Content-Type") + text.header.Get("Content-Disposition"); !strings.HasPrefix(got, "text/plain") || !strings.Contains(got, "attachment") {
		t.Errorf("the download is %q", got)
	}
	sec.get("/recordings/S-7/export?form=text&channel=-1").want(t, http.StatusBadRequest, "Not shown")
	sec.get("/log").want(t, 200, "recordings: export S-7 text", "recordings: list")
	sec.get("/recordings/S-7/play?channel=0").want(t, 200, "refused (not-in-window)", "Read it as text")
	sec.get("/recordings/S-7/play?channel=9").want(t, http.StatusNotFound)
	sec.get("/recordings/S-7/playing?channel=9").want(t, http.StatusNotFound)
	sec.get("/recordings/S-7/export?form=text&channel=9").want(t, http.StatusNotFound)
	sec.get("/recordings/S-7/export?form=raw-in&channel=9").want(t, http.StatusNotFound)
	sec.get("/recordings/S-7/playing?channel=0").want(t, 200, `"playing":"`, `"end":true`, `"whole":true`)
	sec.get("/log").want(t, 200, "recordings: play S-7")
	mia := h.signedIn(t, "mia")
	mia.get("/recordings/S-7/playing?channel=0").want(t, http.StatusForbidden, "Ask OT security")

	// Search: a hit leads to its second, who looks for what is in the log, and only who may read finds.
	if _, err := h.search.Fold(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := h.search.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := h.log.Size()
	sec.get("/search").want(t, 200, "What you look for is in the log")
	if h.log.Size() != before {
		t.Error("the empty form is an event")
	}
	sec.get("/search?q=flow+812").want(t, 200, "flow 812 &lt;script&gt;", "/recordings/S-7/play?channel=0&amp;t=0.000", "FIL-1-PLC-01")
	sec.get("/search?q=%22open").want(t, http.StatusBadRequest, "second &#34;")
	sec.get("/log").want(t, 200, "searched for flow 812")
	before = h.log.Size()
	mia.get("/search?q=flow").want(t, http.StatusForbidden, "Ask OT security")
	h.signedIn(t, "ann").get("/search?q=flow").want(t, http.StatusForbidden)
	for _, leaf := range h.leavesFrom(t, before) {
		if o, ok := leaf.Body.(audit.ReviewOpened); ok {
			t.Errorf("who may not read has searched: %+v", o)
		}
	}
	sec.get("/recordings/S-7/play?channel=0&t=4.5").want(t, 200)
}

func (h *pagesHouse) leavesFrom(t *testing.T, at audit.Index) (all []audit.Leaf) {
	t.Helper()
	for leaf, err := range h.log.Upto(t.Context(), at) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, leaf)
	}
	return all
}

// TestServeHTTPS: serve listens for browsers with the certificate whose
// fingerprint it says, and serves the API beside the pages; on a port of its
// own, and on SSH's.
func TestServeHTTPS(t *testing.T) {
	for story, shared := range map[string]bool{"a port of its own": false, "SSH's port": true} {
		t.Run(story, func(t *testing.T) { serveHTTPS(t, shared) })
	}
}

func serveHTTPS(t *testing.T, shared bool) {
	port, err := brokertest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s := &story{dir: t.TempDir(), people: map[string]*demo.Person{}, ssh: port}
	if err := s.write("tester"); err != nil {
		t.Fatal(err)
	}
	f, err := readServerFile(s.path("penstock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	f.HTTPS = httpsFile{Here: true, Listen: "127.0.0.1:0"}
	if shared {
		f.HTTPS.Listen = f.SSH
	}
	ready := make(chan map[string]string, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, f, slog.New(readyWords{slog.NewTextHandler(t.Output(), nil), ready})) }()
	var said map[string]string
	select {
	case said = <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	if (said["ssh"] == said["https"]) != shared {
		t.Errorf("ssh %s and https %s", said["ssh"], said["https"])
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, // pinned below
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if got := strings.ReplaceAll(strings.ToUpper(fmt.Sprintf("% x", sha256.Sum256(raw[0]))), " ", ":"); got != said["https_fingerprint"] {
				return fmt.Errorf("fingerprint %s", got)
			}
			return nil
		}}, ForceAttemptHTTP2: true}}
	for path, want := range map[string]int{"/sign-in": 200, "/api/v1/authorities": 200, "/api/v1/requests": 401, "/api/v1/keys": 200, "/api/v1/receipts/0": 401, "/static/app.js": 200} {
		resp, err := client.Get("https://" + said["https"] + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || resp.ProtoMajor != 2 {
			t.Errorf("%s answered %d by HTTP/%d", path, resp.StatusCode, resp.ProtoMajor)
		}
	}
	for _, first := range []string{"SSH-2.0-tester\r\n", "", "GET / HTTP/1.1\r\n\r\n"} { // "": waits for the server to speak
		if line := greeting(t, said["ssh"], first); !strings.HasPrefix(line, "SSH-2.0-") {
			t.Errorf("after %q SSH's port says %q", first, line)
		}
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", said["ssh"]); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

// greeting is the first line that a server says to who says first.
func greeting(t *testing.T, address, first string) string {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, first); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Errorf("after %q: %v", first, err)
	}
	return line
}

// readyWords hears what serve says when it is ready.
type readyWords struct {
	slog.Handler
	ready chan<- map[string]string
}

func (h readyWords) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "ready" {
		said := map[string]string{}
		r.Attrs(func(a slog.Attr) bool { said[a.Key] = a.Value.String(); return true })
		h.ready <- said
	}
	return h.Handler.Handle(ctx, r)
}

// TestHTTPSPart of the server's file, and the certificate that serve makes.
func TestHTTPSPart(t *testing.T) {
	h := newHouse(t)
	read := func(part string) (httpsFile, error) {
		path := filepath.Join(t.TempDir(), "penstock.yaml")
		text := "name: localhost\ndata: data\nplant: plant.yaml\n" + part
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := readServerFile(path)
		return f.HTTPS, err
	}
	if f, err := read(""); err != nil || f.Listen != ":8443" || !f.Here {
		t.Errorf("without a word of https: %+v %v", f, err)
	}
	if f, err := read("https: off\n"); err != nil || f.Here {
		t.Errorf("https off: %+v %v", f, err)
	}
	if f, err := read("https: {}\n"); err != nil || f.Listen != ":8443" || !f.Here {
		t.Errorf("https with nothing said: %+v %v", f, err)
	}
	for _, bad := range []string{"https: {certificate: a.pem}\n", "https: {key: a.pem}\n", "https: {listen: nowhere}\n", "https: {port: 1}\n", "https: yes\n"} {
		if f, err := read(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, f)
		}
	}
	one, err := h.httpsCertificate(httpsFile{Here: true}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	two, err := h.httpsCertificate(httpsFile{Here: true}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if p := certificatePrint(one); p != certificatePrint(two) || len(p) != 95 {
		t.Errorf("fingerprints %q and %q", p, certificatePrint(two))
	}
	late, err := h.httpsCertificate(httpsFile{Here: true}, time.Now().Add(selfSignedLife-selfSignedRenew+time.Hour))
	if err != nil || certificatePrint(late) == certificatePrint(one) {
		t.Errorf("a month before its end it is not made anew: %v", err)
	}
	info, err := os.Stat(filepath.Join(h.folder.keys(), "https.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("https.pem: %v %v", info, err)
	}
}
