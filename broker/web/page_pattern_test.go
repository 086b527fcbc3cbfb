package web

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/policy"
)

// By day two agree on the pages; at night the page says that one yes is enough,
// and why, and it is. The operator says that it was outside the purpose.
func TestPatternPages(t *testing.T) {
	h := newHouse(t, 1)
	lena, olaf, mia := h.cookie("lena"), h.cookie("olaf"), h.cookie("mia0")
	h.signed("ann")
	begun := time.Now().In(h.plant.Load().Location())
	until := begun.AddDate(0, 3, 0)
	if page := h.get(lena, "/patterns").text; !strings.Contains(page, `/patterns/new?frame=filler-callout`) || strings.Contains(page, `/patterns/new?frame=filler-monitor`) {
		t.Fatalf("the frames to propose in:\n%s", page)
	}
	form := url.Values{"frame": {"filler-callout"}, "purpose": {"Fill volume <drifts>"}, "person": {"ann"}, "way": {"filler-plc/ssh/recipes"}, "right": {"look", "copy", "set"}, "minutes": {"300"}, "until": {until.Format(time.DateOnly)}}
	if status, page := h.post(lena, "/patterns/new", form); status != http.StatusForbidden || !strings.Contains(page, "240 minutes at most") || !strings.Contains(page, "Fill volume &lt;drifts&gt;") {
		t.Fatalf("too long: %d %s", status, page)
	}
	form.Set("minutes", "120")
	if status, _ := h.post(h.cookie("ann"), "/patterns/new", form); status != http.StatusForbidden {
		t.Errorf("a vendor proposed: %d", status)
	}
	h.posts(t, lena, "/patterns/new", form, http.StatusSeeOther)
	page := h.get(olaf, "/patterns/P-1").text
	document := between(page, `name="document" value="`, `"`)
	if !strings.Contains(page, "Yes, as it is here") || document == "" || !strings.Contains(page, until.Format("2 Jan")) {
		t.Fatalf("olaf's page:\n%s", page)
	}
	if page := h.get(mia, "/patterns/P-1").text; strings.Contains(page, "Yes, as it is here") {
		t.Error("the shift may agree by day")
	}
	if page := h.get(olaf, "/").text; !strings.Contains(page, "/patterns/P-1") {
		t.Error("the board of whom it waits for says nothing")
	}
	h.posts(t, olaf, "/patterns/P-1/yes", url.Values{"document": {document}}, http.StatusSeeOther)
	h.posts(t, lena, "/patterns/P-1/yes", url.Values{"document": {document}}, http.StatusSeeOther)
	if page := h.page("ann", "/patterns/P-1"); !strings.Contains(page, "stands, to") || strings.Contains(page, "/withdraw") || strings.Contains(page, "Call somebody in") {
		t.Errorf("ann's page:\n%s", page)
	}
	if page := h.get(mia, "/requests/new?pattern=P-1").text; !strings.Contains(page, `name="pattern" value="P-1"`) || !strings.Contains(page, `value="filler-plc/ssh/recipes" checked`) || !strings.Contains(page, `value="ann" checked`) {
		t.Errorf("calling in under it:\n%s", page)
	}
	now := time.Now()
	q, err := h.desk.Submit(h.ctx, h.signed("ann"), approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "recipes"}},
		Rights: policy.Look | policy.Copy | policy.Set, Reason: "Alarm F-417", WorkOrder: "WO 1", Minutes: 60, From: now, To: now.Add(4 * time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	page = h.get(mia, "/requests/R-1").text
	if !strings.Contains(page, "Your yes is enough: ") || !strings.Contains(page, "agreed this pattern on "+begun.Format("2 Jan")+" (filler-callout).") && !strings.Contains(page, "agreed this pattern on "+now.In(begun.Location()).Format("2 Jan")+" (filler-callout).") {
		t.Fatalf("why she is asked:\n%s", page)
	}
	h.posts(t, mia, "/requests/R-1/yes", url.Values{"document": {q.Hash.String()}}, http.StatusSeeOther)
	if page := h.get(mia, "/windows/W-1").text; !strings.Contains(page, "Agreed under") {
		t.Errorf("the window's page:\n%s", page)
	}
	if status, page := h.post(mia, "/windows/W-1/doubt", url.Values{"why": {"labels"}}); status != http.StatusForbidden || !strings.Contains(page, "was not used under a pattern") {
		t.Errorf("doubted before it was open: %d %s", status, page)
	}
	h.posts(t, olaf, "/patterns/P-1/withdraw", url.Values{"why": {"new people"}}, http.StatusSeeOther)
	if status, page := h.post(mia, "/windows/W-1/open", url.Values{}); status != http.StatusForbidden || !strings.Contains(page, "it was withdrawn") {
		t.Errorf("opened under a withdrawn pattern: %d %s", status, page)
	}
	if page := h.get(lena, "/patterns/new?again=P-1").text; !strings.Contains(page, `name="follows" value="P-1"`) || !strings.Contains(page, "Fill volume &lt;drifts&gt;") {
		t.Errorf("to agree it again:\n%s", page)
	}
}

// Who takes a hand-back, and who reviews the recording, say on the same form that
// it was outside the purpose; the second puts the pattern up for review.
func TestOutsideThePurposeOnTheForms(t *testing.T) {
	h := newHouse(t, 1)
	lena, olaf, mia := h.cookie("lena"), h.cookie("olaf"), h.cookie("mia0")
	h.posts(t, lena, "/patterns/new", url.Values{"frame": {"filler-callout"}, "purpose": {"Fill volume drifts"}, "person": {"ann"}, "way": {"filler-plc/ssh/recipes"}, "right": {"look", "copy", "set"}, "minutes": {"120"}, "until": {time.Now().AddDate(0, 1, 0).Format(time.DateOnly)}}, http.StatusSeeOther)
	document := url.Values{"document": {between(h.get(olaf, "/patterns/P-1").text, `name="document" value="`, `"`)}}
	h.posts(t, olaf, "/patterns/P-1/yes", document, http.StatusSeeOther)
	h.posts(t, lena, "/patterns/P-1/yes", document, http.StatusSeeOther)
	used := func(id string) {
		t.Helper()
		now := time.Now()
		q, err := h.desk.Submit(h.ctx, h.signed("ann"), approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "recipes"}},
			Rights: policy.Look | policy.Copy | policy.Set, Reason: "Alarm F-417", WorkOrder: "WO 1", Minutes: 60, From: now, To: now.Add(4 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		h.posts(t, mia, "/requests/R-"+id+"/yes", url.Values{"document": {q.Hash.String()}}, http.StatusSeeOther)
		if _, err := h.desk.SayGate(h.ctx, h.signed("mia0"), policy.WindowID("W-"+id), "line-1-key", "stood-in", "The key is with me"); err != nil {
			t.Fatal(err)
		}
		h.posts(t, mia, "/windows/W-"+id+"/open", url.Values{}, http.StatusSeeOther)
		h.posts(t, mia, "/windows/W-"+id+"/end", url.Values{}, http.StatusSeeOther)
		if _, err := h.desk.HandBack(h.ctx, h.signed("ann"), policy.WindowID("W-"+id), "Printed labels"); err != nil {
			t.Fatal(err)
		}
	}
	used("1")
	if page := h.get(mia, "/windows/W-1").text; strings.Count(page, "outside the purpose") != 1 || !strings.Contains(page, `name="outside"`) || !strings.Contains(page, "Fill volume drifts") {
		t.Errorf("the form to take it:\n%s", page)
	}
	h.posts(t, mia, "/windows/W-1/accept", url.Values{"outside": {"It was the labels"}}, http.StatusSeeOther)
	p, err := h.desk.Pattern(h.ctx, h.signed("mia0"), "P-1")
	if err != nil || len(p.Doubts) != 1 || p.Doubts[0].By != "mia0" || p.State != approvals.PatternAgreed {
		t.Fatalf("%+v %v", p.Doubts, err)
	}
	if w, err := h.desk.Window(h.ctx, h.signed("mia0"), "W-1"); err != nil || w.State != approvals.WindowClosed {
		t.Errorf("%s %v", w.State, err)
	}

	used("2")
	h.recorded("S-1", "W-1", "W-2")
	page := h.get(lena, "/recordings/S-1").text
	if !strings.Contains(page, `name="outside" value="W-2"`) || strings.Contains(page, `name="outside" value="W-1"`) {
		t.Errorf("the form of the verdict:\n%s", page)
	}
	verdict := url.Values{"verdict": {"finding"}, "seen": {"0"}, "outside": {"W-2"}}
	h.posts(t, lena, "/recordings/S-1/verdict", verdict, http.StatusForbidden) // not what it was used for
	verdict.Set("text", "Labels again")
	verdict.Set("outside", "W-9")
	h.posts(t, lena, "/recordings/S-1/verdict", verdict, http.StatusForbidden) // another job
	verdict.Set("outside", "W-2")
	h.posts(t, lena, "/recordings/S-1/verdict", verdict, http.StatusSeeOther)
	if p, err = h.desk.Pattern(h.ctx, h.signed("mia0"), "P-1"); err != nil || p.State != approvals.PatternReview || len(p.Doubts) != 2 {
		t.Errorf("%s %+v %v", p.State, p.Doubts, err)
	}
}

func between(s, a, b string) string {
	_, s, _ = strings.Cut(s, a)
	s, _, _ = strings.Cut(s, b)
	return s
}

// spokenPossible is a request to look, in a plant where one of two may say yes on the phone.
func (h *house) spokenPossible() approvals.Request {
	h.t.Helper()
	text := strings.Replace(string(h.plant.Load().Document()), `{name: look,     when: {right: look},    plan: [],                           open: shift, longest: 8h, proof: code}`,
		`{name: look,     when: {right: look},    plan: [shift, ot-security],         open: shift, longest: 8h, proof: code, spoken: true}`, 1)
	p, problems := policy.ParseBundle([]byte(text))
	if err := problems.Err(); err != nil {
		h.t.Fatal(err)
	}
	if q, err := p.Quorum([]policy.AssetName{"filler-plc"}, policy.Look); err != nil || !q.Spoken || len(q.Needs) != 2 {
		h.t.Fatalf("%+v %v", q, err)
	}
	h.plant.Store(p)
	return h.askToLook()
}

// Whoever signs what they heard with their passkey has the window open by that one tap,
// without a code; the tap is a proof of who heard it and of nobody else.
func TestSpokenBySignatureOpens(t *testing.T) {
	h := newHouse(t, 1)
	key := h.enrolled("mia0", "mia", true)
	q, mia := h.spokenPossible(), h.cookie("mia0")
	h.dropCode(mia)
	sign := func(path string, form url.Values) {
		t.Helper()
		plan := h.plan(mia, path+"/draft", form)
		if plan.Go != "sign" {
			t.Fatalf("plan %+v", plan)
		}
		form.Set(signedText, plan.Text)
		form.Set(signedAssertion, assertionOf("cred-mia", key.Assert(plan.Ask.Challenge)))
		h.posts(t, mia, path, form, http.StatusSeeOther)
	}
	sign("/requests/R-1/yes", url.Values{"document": {q.Hash.String()}})
	h.dropCode(mia)
	sign("/requests/R-1/spoken/yes", url.Values{"document": {q.Hash.String()}, "person": {"lena"}})
	if w, err := h.desk.Window(h.ctx, h.signed("lena"), "W-1"); err != nil || w.State != approvals.WindowOpen || w.OpenedBy != "mia0" {
		t.Fatalf("after one tap: %s by %s %v", w.State, w.OpenedBy, err)
	}
	walk := evidence.NewWalk(h.docs)
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range walk.Leaf(h.ctx, leaf) {
			if !strings.Contains(wrong, "it names the plant file") { // this plant's has changed without a word of the log
				t.Errorf("the verifier: %s", wrong)
			}
		}
	}
}

// Alone on site: the page offers to write down whose yes was heard; the window opens
// on it, and the one who said it finds it on the board and signs.
func TestSpokenPages(t *testing.T) {
	h := newHouse(t, 1)
	mia, lena := h.cookie("mia0"), h.cookie("lena")
	q := h.spokenPossible()
	document := url.Values{"document": {q.Hash.String()}}
	if page := h.get(mia, "/requests/R-1").text; strings.Contains(page, "/spoken/yes") {
		t.Error("offered before her own yes")
	}
	h.posts(t, mia, "/requests/R-1/yes", document, http.StatusSeeOther)
	page := h.get(mia, "/requests/R-1").text
	if !strings.Contains(page, "You are alone. Spoken yes possible:") || !strings.Contains(page, "said yes on the phone") || !strings.Contains(page, `name="person" value="lena"`) {
		t.Fatalf("the page of who is alone:\n%s", page)
	}
	document.Set("person", "lena")
	if status, _ := h.post(h.cookie("ann"), "/requests/R-1/spoken/yes", document); status != http.StatusForbidden {
		t.Errorf("a vendor wrote it down: %d", status)
	}
	h.posts(t, mia, "/requests/R-1/spoken/yes", document, http.StatusSeeOther)
	if page := h.get(mia, "/requests/R-1").text; !strings.Contains(page, "on the phone, heard by mia0; not proved until it is signed") {
		t.Errorf("what was said:\n%s", page)
	}
	if w, err := h.desk.Window(h.ctx, h.signed("lena"), "W-1"); err != nil || w.State != approvals.WindowOpen {
		t.Fatalf("it did not open: %s %v", w.State, err)
	}
	if page := h.get(lena, "/").text; !strings.Contains(page, "you said yes on the phone") {
		t.Errorf("her board:\n%s", page)
	}
	if page := h.get(mia, "/").text; strings.Contains(page, `href="/spoken"`) {
		t.Error("it asks somebody else to sign")
	}
	if status, page := h.post(mia, "/spoken/W-1/yes", url.Values{"says": {"countersign"}}); status != http.StatusForbidden || !strings.Contains(page, "nobody else can sign it") {
		t.Errorf("somebody else signed: %d %s", status, page)
	}
	h.posts(t, lena, "/spoken/W-1/yes", url.Values{"says": {"countersign"}}, http.StatusSeeOther)
	if page := h.get(lena, "/spoken").text; !strings.Contains(page, "Nothing is to be signed.") || !strings.Contains(page, "signed ") {
		t.Errorf("afterwards:\n%s", page)
	}
}

// What is agreed again is what was agreed: a pattern for one register is not
// proposed anew for all that the frame has.
func TestAgainForTheSameRegisters(t *testing.T) {
	h := newHouse(t, 1)
	lena := h.cookie("lena")
	h.signed("ann")
	form := url.Values{"frame": {"filler-callout"}, "purpose": {"Fill volume drifts"}, "person": {"ann"}, "way": {"filler-plc/modbus/"}, "right": {"look", "set"}, "minutes": {"60"}, "registers": {"Fill volume"}}
	h.posts(t, lena, "/patterns/new", form, http.StatusSeeOther)
	said := between(h.get(lena, "/patterns/new?again=P-1").text, `spellcheck="false">`, "</textarea>")
	if !strings.Contains(said, "Fill volume") {
		t.Errorf("to agree it again, only for %q", said)
	}
	form.Set("registers", said)
	h.posts(t, lena, "/patterns/new", form, http.StatusSeeOther)
	a, _ := h.actor("lena")
	first, again := must(h.desk.Pattern(h.ctx, a, "P-1")), must(h.desk.Pattern(h.ctx, a, "P-2"))
	if len(first.Document.Registers) != 1 || !reflect.DeepEqual(first.Document.Registers, again.Document.Registers) {
		t.Errorf("%+v, and again %+v", first.Document.Registers, again.Document.Registers)
	}
	form.Del("registers")
	h.posts(t, lena, "/patterns/new", form, http.StatusSeeOther)
	if said := between(h.get(lena, "/patterns/new?again=P-3").text, `spellcheck="false">`, "</textarea>"); said != "" {
		t.Errorf("what is as the frame says is listed: %q", said)
	}
}
