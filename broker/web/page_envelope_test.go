package web

import (
	"crypto/ed25519"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// sealed is an envelope by lena's own key; it gives the code on its paper.
func (h *house) sealed(id string, with byte) string {
	h.t.Helper()
	code := evidence.EnvelopeCode(id, [16]byte{with})
	key := must(evidence.EnvelopeKey(id, code))
	lena, _ := h.actor("lena")
	v := must(h.roster.DraftSeal(h.ctx, lena, policy.PersonID(id), must(evidence.EnvelopePublic(key))))
	own := ed25519.NewKeyFromSeed(slices.Repeat([]byte{4}, 32)) // the fourth of the bootstrap file
	v.Proof = must(evidence.SignSSH(own, evidence.VouchNamespace, must(v.Unsigned())))
	if err := h.roster.Seal(h.ctx, lena, v, h.plant.Load().Emergency.Agree[0]); err != nil {
		h.t.Fatal(err)
	}
	return code
}

// tear posts the envelope's page as a browser that nobody is signed in with.
func (h *house) tear(form url.Values) (int, string, *http.Cookie) {
	h.t.Helper()
	r := must(http.NewRequest("POST", h.server.URL+"/envelope", strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	client := *h.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp := must(client.Do(r))
	defer resp.Body.Close()
	text := string(must(io.ReadAll(resp.Body)))
	for _, c := range resp.Cookies() {
		if c.Name == cookieName && c.Value != "" {
			return resp.StatusCode, text, c
		}
	}
	return resp.StatusCode, text, nil
}

// Nobody on shift can sign in, and the rules ask for keys: the paper of the control
// room answers the emergency, opens it, and does nothing else.
func TestTheEnvelopesPage(t *testing.T) {
	h := newHouseOf(t, 1, false)
	one, two := h.sealed(evidence.EnvelopeRoom, 1), h.sealed(evidence.EnvelopeSecurity, 2)
	ann, _ := h.actor("ann")
	now := time.Now()
	q := must(h.desk.Submit(h.ctx, ann, approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Kind: evidence.Emergency, Targets: []policy.Target{{Asset: "filler-plc", Port: "modbus"}},
		Rights: policy.Look | policy.Set, Reason: "Alarm F-417", WorkOrder: "none yet", Happening: policy.NowStopped, Minutes: 60, From: now, To: now.Add(4 * time.Hour)}))

	for story, form := range map[string]url.Values{
		"without a name":           {"first": {one}},
		"mistyped":                 {"name": {"Mia"}, "first": {strings.Replace(one, one[:2], "ZZ", 1)}},
		"another paper":            {"name": {"Mia"}, "first": {evidence.EnvelopeCode(evidence.EnvelopeRoom, [16]byte{9})}},
		"the second alone":         {"name": {"Mia"}, "first": {two}},
		"the second in both":       {"name": {"Mia"}, "first": {two}, "second": {two}},
		"a wrong second, and none": {"name": {"Mia"}, "first": {one}, "second": {one}},
	} {
		if status, text, cookie := h.tear(form); status != http.StatusForbidden || cookie != nil || strings.Contains(text, form.Get("first")) {
			t.Errorf("%s: status %d, %v:\n%s", story, status, cookie, text)
		}
	}
	for _, e := range must(h.roster.Envelopes(h.ctx)) {
		if !e.Opened.IsZero() {
			t.Fatalf("%s was opened by a wrong code", e.ID)
		}
	}
	status, text, paper := h.tear(url.Values{"name": {"Mia Voss"}, "first": {strings.ToLower(one)}})
	if status != http.StatusSeeOther || paper == nil {
		t.Fatalf("status %d:\n%s", status, text)
	}
	for _, who := range []*http.Cookie{paper, h.cookie("olaf")} {
		if board := h.get(who, "/").text; !strings.Contains(board, "was opened") || !strings.Contains(board, "“Mia Voss”") {
			t.Errorf("the board does not shout:\n%s", board)
		}
	}
	page := h.get(paper, "/requests/R-1").text
	if !strings.Contains(page, "Open to look") || strings.Contains(page, `name="code"`) || strings.Contains(page, "needs a key of your own") {
		t.Errorf("the page of the request:\n%s", page)
	}
	if status, text := h.post(paper, "/requests/R-1/yes", url.Values{"document": {q.Hash.String()}}); status != http.StatusSeeOther {
		t.Fatalf("status %d:\n%s", status, text)
	}
	a, _ := h.actor("olaf")
	w := must(h.desk.Window(h.ctx, a, "W-1"))
	if w.State != approvals.WindowOpen || !w.Emergency || w.OpenedBy != evidence.EnvelopeRoom || !slices.Equal(w.Claim.Rights, []string{"look"}) {
		t.Fatalf("%+v", w)
	}
	if status, text := h.post(paper, "/windows/W-1/step-up", url.Values{"right": {"set"}}); status != http.StatusForbidden || !strings.Contains(text, "Vendor key switch") {
		t.Errorf("a second tap without the key switch: %d\n%s", status, text)
	}
	if status, text := h.post(paper, "/windows/W-1/cut", url.Values{}); status != http.StatusSeeOther {
		t.Errorf("it cannot cut: %d\n%s", status, text)
	}
	plan := h.askToLook()
	if page := h.get(paper, "/requests/"+string(plan.ID)).text; strings.Contains(page, `aria-label="Your answer"`) {
		t.Errorf("it is offered a planned request:\n%s", page)
	}
	if status, _ := h.post(paper, "/requests/"+string(plan.ID)+"/yes", url.Values{"document": {plan.Hash.String()}}); status != http.StatusForbidden {
		t.Errorf("it agreed to a planned request: %d", status)
	}
	if status, _, again := h.tear(url.Values{"name": {"Mia Voss"}, "first": {one}}); status != http.StatusSeeOther || again == nil {
		t.Errorf("signed out by accident, it does not come back within its hours: %d", status)
	}
	_, _, both := h.tear(url.Values{"name": {"Lena Lang"}, "first": {one}, "second": {two}})
	if both == nil || !strings.Contains(h.get(both, "/people").text, "/people/invite") {
		t.Error("OT security's way back in does not let anybody be invited")
	}
	if text := h.get(h.cookie("lena"), "/envelopes").text; !strings.Contains(text, "penstock envelope make envelope-1") || strings.Contains(text, one) {
		t.Errorf("the page of the envelopes:\n%s", text)
	}
	h.verified()
}

// verified walks the log as penstock-verify does.
func (h *house) verified() {
	h.t.Helper()
	walk := evidence.NewWalk(h.docs)
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		if err != nil {
			h.t.Fatal(err)
		}
		for _, f := range walk.Leaf(h.ctx, leaf) {
			h.t.Error(f)
		}
	}
}
