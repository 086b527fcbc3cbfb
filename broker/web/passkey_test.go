package web

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
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
	"penstock/approvals/evidence/evidencetest"
	"penstock/approvals/people"
	"penstock/policy"
)

// bootKey is the SSH key of the nth of the house's first people.
func bootKey(n int) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(slices.Repeat([]byte{byte(n + 1)}, 32))
}

// vouchBy lets by, whose SSH key is the nth of the bootstrap file, vouch for each
// passkey of somebody that waits.
func (h *house) vouchBy(by string, n int, who string) error {
	a, _ := h.actor(by)
	p, err := h.roster.Person(h.ctx, policy.PersonID(who))
	if err != nil {
		return err
	}
	for _, k := range p.Keys {
		if k.Kind != people.Passkey || !k.Pending {
			continue
		}
		v, err := h.roster.DraftVouch(h.ctx, a, p.ID, k.ID)
		if err != nil {
			return err
		}
		text, err := v.Unsigned()
		if err != nil {
			return err
		}
		v.Proof = evidencetest.SSHSignWith(bootKey(n), evidence.VouchNamespace, text)
		return h.roster.Vouch(h.ctx, a, v)
	}
	return fmt.Errorf("%s has no passkey that waits", who)
}

// TestPasskeyInABrowser: real Chromium with a virtual authenticator makes a
// passkey, signs in with it, and signs a yes by one tap. What was signed is what
// the button said, and the verifier finds it so.
func TestPasskeyInABrowser(t *testing.T) {
	h := newHouseOf(t, 1, false)
	q := h.askToLook()
	// Olaf is the second pair of eyes where Lena is OT security alone; Lena is for the others.
	helper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h.vouchBy("olaf", 2, strings.TrimPrefix(r.URL.Path, "/")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	defer helper.Close()
	runBrowser(t, "passkey.mjs", map[string]any{"url": h.origin, "lena": h.cookie("lena").Value, "mia": h.cookie("mia0").Value, "olaf": h.cookie("olaf").Value,
		"vouch": helper.URL + "/", "request": "/requests/" + string(q.ID), "look": "Look only, to ", "shots": os.Getenv("PENSTOCK_SHOTS")})
	h.signedLook(t, q)
}

// signedLook holds what was signed to what the button said: look, 30 minutes.
func (h *house) signedLook(t *testing.T, q approvals.Request) {
	t.Helper()
	a, _ := h.actor("mia0")
	got := must(h.desk.Request(h.ctx, a, q.ID))
	if len(got.Answers) != 1 || got.Answers[0].Proof != evidence.ProofWebAuthn || got.Window == "" {
		t.Fatalf("answers %+v, window %q", got.Answers, got.Window)
	}
	if l := got.Answers[0].Limits; l.Minutes != lookMinutes || len(l.Assets) != 0 {
		t.Errorf("signed were the limits %+v, and the button said look only, 30 minutes", l)
	}
	w := must(h.desk.Window(h.ctx, a, got.Window))
	if w.State != approvals.WindowOpen || w.Until.Sub(w.Opened) != lookMinutes*time.Minute {
		t.Errorf("the window is %s from %s to %s", w.State, w.Opened, w.Until)
	}
	walk := evidence.NewWalk(h.docs)
	var wrong []string
	signed := false
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		wrong = append(wrong, walk.Leaf(h.ctx, leaf)...)
		signed = signed || slices.ContainsFunc(walk.Notes(), func(n string) bool { return strings.Contains(n, "signatures of the people's own keys") })
	}
	if len(wrong) > 0 || !signed {
		t.Errorf("the verifier: %q, signed %t", wrong, signed)
	}
}

// enrolled gives somebody a passkey as if their browser had made it, and lets it
// be vouched for.
func (h *house) enrolled(who, name string, vouch bool) *evidencetest.Passkey {
	h.t.Helper()
	p := evidencetest.NewPasskey(name)
	p.Origin, p.Site = h.origin, "localhost"
	a, _ := h.actor(who)
	k := people.Key{Kind: people.Passkey, ID: p.ID(), Public: p.Public(), Credential: "cred-" + name, Name: "phone"}
	if err := h.roster.EnrolPasskey(h.ctx, a, k); err != nil {
		h.t.Fatal(err)
	}
	if vouch {
		if err := h.vouchBy("lena", 3, who); err != nil {
			h.t.Fatal(err)
		}
	}
	return p
}

// assertionOf is what a browser sends of a proof.
func assertionOf(credential string, p evidence.Proof) string {
	parts := strings.Split(p.Data, ".")
	b, err := json.Marshal(map[string]any{"id": credential, "type": "public-key", "response": map[string]string{"authenticatorData": parts[0], "clientDataJSON": parts[1], "signature": parts[2]}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// plan asks a draft path what would be signed.
func (h *house) plan(cookie *http.Cookie, path string, form url.Values) signPlan {
	h.t.Helper()
	status, text := h.post(cookie, path, form)
	var plan signPlan
	if err := json.Unmarshal([]byte(text), &plan); status != http.StatusOK || err != nil {
		h.t.Fatalf("%s: %d %v %s", path, status, err, text)
	}
	return plan
}

func TestPasskeySignInIsOnceAndHere(t *testing.T) {
	h := newHouse(t, 1)
	mia, waits := h.enrolled("mia0", "mia", true), h.enrolled("olaf", "olaf", false)
	nobody := &http.Cookie{Name: "x", Value: "y"}
	begin := func() string { return h.plan(nobody, "/sign-in/passkey/begin", nil).Ask.Challenge }
	enter := func(credential string, p evidence.Proof) int {
		status, _ := h.post(nobody, "/sign-in/passkey", url.Values{signedAssertion: {assertionOf(credential, p)}, "next": {"/"}})
		return status
	}
	good := mia.Assert(begin())
	if status := enter("cred-mia", good); status != http.StatusSeeOther {
		t.Fatalf("a good passkey: %d", status)
	}
	elsewhere, unseen := *mia, *mia
	elsewhere.Origin, unseen.Flags = "https://localhost.evil.test", 1
	for story, status := range map[string]int{
		"the same answer again":           enter("cred-mia", good),
		"a challenge of nobody":           enter("cred-mia", mia.Assert("AAAA")),
		"a passkey that waits":            enter("cred-olaf", waits.Assert(begin())),
		"signed by another's":             enter("cred-mia", waits.Assert(begin())),
		"in another's name":               enter("cred-olaf", mia.Assert(begin())),
		"a passkey of nobody":             enter("cred-x", mia.Assert(begin())),
		"at another origin":               enter("cred-mia", elsewhere.Assert(begin())),
		"without user verification":       enter("cred-mia", unseen.Assert(begin())),
		"an answer's signature, replayed": enter("cred-mia", mia.Sign(evidence.AnswerNamespace, []byte(begin()))),
	} {
		if status != http.StatusForbidden {
			t.Errorf("%s: %d", story, status)
		}
	}
	// Whoever enrols a passkey under another's credential id shuts nobody out.
	lena, _ := h.actor("lena")
	double := evidencetest.NewPasskey("double")
	err := h.roster.EnrolPasskey(h.ctx, lena, people.Key{Kind: people.Passkey, ID: double.ID(), Public: double.Public(), Credential: "cred-mia", Name: "phone"})
	if r := (*policy.Refusal)(nil); !errors.As(err, &r) || r.Rule != "passkey-known" {
		t.Errorf("another's credential id: %v", err)
	}
	if status := enter("cred-mia", mia.Assert(begin())); status != http.StatusSeeOther {
		t.Errorf("whose it is: %d", status)
	}
	if status, _ := h.post(nobody, "/sign-in/passkey", url.Values{signedAssertion: {"{"}}); status != http.StatusForbidden {
		t.Errorf("no JSON: %d", status)
	}
}

// A session that began by a passkey is over when the passkey is taken away.
func TestPasskeySessionEndsWithIt(t *testing.T) {
	h := newHouse(t, 1)
	mia := h.enrolled("mia0", "mia", true)
	a, _ := h.actor("mia0")
	a.Proofs, a.Step = []people.KeyKind{people.Passkey}, 0
	_, token, err := h.pages.sessions.begin(a, byPasskey(mia.ID()))
	if err != nil {
		t.Fatal(err)
	}
	cookie := &http.Cookie{Name: cookieName, Value: token}
	if got := h.get(cookie, "/keys"); got.status != http.StatusOK {
		t.Fatalf("before: %d", got.status)
	}
	if status, text := h.post(cookie, "/people/mia0/remove-key", url.Values{"key": {mia.ID()}}); status != http.StatusSeeOther {
		t.Fatalf("taking it away: %d %s", status, text)
	}
	if got := h.get(cookie, "/keys"); got.status != http.StatusSeeOther {
		t.Errorf("after: %d", got.status)
	}
}

// What is signed over the page is what its button said, and nothing else is taken.
func TestSignedYesOverThePage(t *testing.T) {
	for story, row := range map[string]struct {
		form   url.Values
		change func(*house, *evidence.Answer, url.Values)
		status int
		limits evidence.Limits
	}{
		"look only":         {url.Values{"look": {"yes"}}, nil, 303, evidence.Limits{Minutes: 30}},
		"as asked":          {url.Values{}, nil, 303, evidence.Limits{}},
		"half an hour":      {url.Values{"minutes": {"30"}}, nil, 303, evidence.Limits{Minutes: 30}},
		"no limits signed":  {url.Values{"look": {"yes"}}, func(_ *house, a *evidence.Answer, _ url.Values) { a.Limits = evidence.Limits{} }, 403, evidence.Limits{}},
		"in another's name": {url.Values{}, func(_ *house, a *evidence.Answer, _ url.Values) { a.Person = "lena" }, 403, evidence.Limits{}},
		"no assertion":      {url.Values{}, func(_ *house, _ *evidence.Answer, f url.Values) { f.Set(signedAssertion, "") }, 403, evidence.Limits{}},
		"the key is gone": {url.Values{}, func(h *house, _ *evidence.Answer, _ url.Values) {
			a, _ := h.actor("mia0")
			if err := h.roster.RemoveKey(h.ctx, a, "mia0", evidencetest.NewPasskey("mia").ID()); err != nil {
				h.t.Fatal(err)
			}
		}, 403, evidence.Limits{}},
	} {
		t.Run(story, func(t *testing.T) {
			h := newHouseOf(t, 1, false)
			mia := h.enrolled("mia0", "mia", true)
			q, cookie := h.askToLook(), h.cookie("mia0")
			h.dropCode(cookie)
			row.form.Set("document", q.Hash.String())
			plan := h.plan(cookie, "/requests/R-1/yes/draft", row.form)
			if plan.Go != "sign" || len(plan.Ask.Allow) != 1 || plan.Ask.Allow[0].ID != "cred-mia" || plan.Ask.RPID != "localhost" || plan.Ask.UserVerification != "required" {
				t.Fatalf("plan %+v", plan)
			}
			row.form.Set(signedAssertion, assertionOf("cred-mia", mia.Assert(plan.Ask.Challenge)))
			a := must(evidence.ParseAnswer([]byte(plan.Text)))
			if row.change != nil {
				row.change(h, &a, row.form)
			}
			row.form.Set(signedText, string(must(a.Unsigned())))
			if status, text := h.post(cookie, "/requests/R-1/yes", row.form); status != row.status {
				t.Fatalf("status %d: %s", status, text)
			}
			by, _ := h.actor("mia0")
			got := must(h.desk.Request(h.ctx, by, q.ID))
			if row.status != 303 {
				if len(got.Answers) > 0 {
					t.Errorf("it was taken: %+v", got.Answers)
				}
				return
			}
			if l := got.Answers[0].Limits; l.Minutes != row.limits.Minutes || len(l.Rights)+len(l.Assets) > 0 || got.Answers[0].Proof != evidence.ProofWebAuthn {
				t.Errorf("taken: %+v", got.Answers[0])
			}
			if page := h.get(cookie, "/requests/R-1"); !strings.Contains(page.text, "signed with their passkey") && !strings.Contains(page.text, "said") {
				t.Error("the page does not say what it rests on")
			}
		})
	}
}

// dropCode makes a session's code too old to count.
func (h *house) dropCode(cookie *http.Cookie) {
	s := h.pages.sessions.find(cookie.Value, false)
	a := s.who()
	a.At = a.At.Add(-time.Hour)
	s.stepUp(a, "")
}

// The fields of a signer's form give nothing by themselves.
func TestSigningFieldsGiveNothing(t *testing.T) {
	h := newHouseOf(t, 1, false)
	q, cookie := h.askToLook(), h.cookie("mia0")
	h.dropCode(cookie)
	if page := h.get(cookie, "/requests/R-1"); page.status != 200 {
		t.Fatal(page.status)
	}
	for path, want := range map[string]int{"/requests/R-1/yes": 403, "/windows/W-1/open": 403, "/windows/W-1/extend": 404, "/people/invite": 200, "/keys/new": 200} {
		status, text := h.post(cookie, path, url.Values{"document": {q.Hash.String()}, signingField: {"yes"}, "minutes": {"30"}})
		asked := strings.Contains(text, "give your code")
		if status != want && status != 403 || want == 200 && !asked {
			t.Errorf("%s: %d, asked for a code: %t", path, status, asked)
		}
	}
	a, _ := h.actor("mia0")
	if got := must(h.desk.Request(h.ctx, a, q.ID)); len(got.Answers) > 0 {
		t.Errorf("answers %+v", got.Answers)
	}
}

// Where only a key is enough, the page says so to who has none, and asks for no code.
func TestPageSaysThatAKeyIsWanted(t *testing.T) {
	h := newHouseOf(t, 1, false)
	a, _ := h.actor("ann")
	now := time.Now()
	must(h.desk.Submit(h.ctx, a, approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "historian", Port: "ssh", Account: "reader"}},
		Rights: policy.Look | policy.Copy, Reason: "Trend", Minutes: 60, From: now, To: now.Add(4 * time.Hour)}))
	cookie := h.cookie("lena")
	h.dropCode(cookie)
	page := h.get(cookie, "/requests/R-1").text
	if !strings.Contains(page, "A yes needs a key of your own here") || strings.Contains(page, `name="code"`) || strings.Contains(page, `class="wide main"`) {
		t.Errorf("the page:\n%s", page)
	}
}

// At another name of the same pages no passkey is offered: the browser has none there.
func TestPasskeysAreOfOneName(t *testing.T) {
	h := newHouse(t, 1)
	h.enrolled("mia0", "mia", true)
	h.askToLook()
	cookie := h.cookie("mia0")
	for host, want := range map[string]bool{strings.TrimPrefix(h.origin, "https://"): true, "127.0.0.1:8443": false} {
		if got := strings.Contains(h.getAs(nil, host, "/sign-in").text, "Sign in with a passkey"); got != want {
			t.Errorf("%s: signing in by a passkey is offered: %t", host, got)
		}
		if got := strings.Contains(h.getAs(cookie, host, "/requests/R-1").text, "data-sign"); got != want {
			t.Errorf("%s: a passkey signs on the page: %t", host, got)
		}
		if got := strings.Contains(h.getAs(cookie, host, "/keys").text, "/keys/new"); got != want {
			t.Errorf("%s: a passkey can be made: %t", host, got)
		}
	}
}

// An opener extends by a signature.
func TestSignedExtensionOverThePage(t *testing.T) {
	h := newHouseOf(t, 1, false)
	mia := h.enrolled("mia0", "mia", true)
	q := h.askToLook()
	cookie := h.cookie("mia0")
	sign := func(path string, form url.Values) (int, string) {
		plan := h.plan(cookie, path+"/draft", form)
		if plan.Go != "sign" {
			t.Fatalf("%s: %+v", path, plan)
		}
		form.Set(signedAssertion, assertionOf("cred-mia", mia.Assert(plan.Ask.Challenge)))
		form.Set(signedText, plan.Text)
		return h.post(cookie, path, form)
	}
	if status, text := sign("/requests/R-1/yes", url.Values{"document": {q.Hash.String()}, "minutes": {"30"}}); status != http.StatusSeeOther {
		t.Fatalf("%d %s", status, text)
	}
	a, _ := h.actor("mia0")
	before := must(h.desk.Window(h.ctx, a, "W-1"))
	later := url.Values{"minutes": {"15"}, "until": {before.Until.Format(time.RFC3339)}}
	if status, text := sign("/windows/W-1/extend", later); status != http.StatusSeeOther {
		t.Fatalf("%d %s", status, text)
	}
	if after := must(h.desk.Window(h.ctx, a, "W-1")); after.Until.Sub(before.Until) != 15*time.Minute {
		t.Errorf("it ends at %s, before %s", after.Until, before.Until)
	}
}
