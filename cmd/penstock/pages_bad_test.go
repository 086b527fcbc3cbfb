package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"penstock/audit"
)

// both sends the same form twice at once, as an impatient thumb does.
func (b *browserOf) both(path string, form ...string) [2]shown {
	b.t.Helper()
	f := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		f.Add(form[i], form[i+1])
	}
	var got [2]shown
	var both sync.WaitGroup
	for i := range got {
		both.Go(func() { got[i] = b.do(http.MethodPost, path, f) })
	}
	both.Wait()
	return got
}

// count is how many leaves of a type the log has.
func (h *pagesHouse) count(t *testing.T, kind string) (n int) {
	t.Helper()
	for leaf, err := range h.log.Upto(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Body.Type() == kind {
			n++
		}
	}
	return n
}

var onceField = regexp.MustCompile(`name="once" value="([0-9a-f]+)"`)

// TestPagesDoubleTap: every button, tapped twice at once, does once what it
// says, and no tap is answered with a refusal of what the other one did.
func TestPagesDoubleTap(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	ann, mia := h.signedIn(t, "ann"), h.signedIn(t, "mia")
	once := onceField.FindStringSubmatch(ann.get("/requests/new").text)
	if once == nil {
		t.Fatal("the form has no mark of its own")
	}
	want := func(what string, got [2]shown, to string) {
		t.Helper()
		for _, s := range got {
			if s.status != http.StatusSeeOther || s.to != to {
				t.Errorf("%s, tapped twice: %d, to %q: %s", what, s.status, s.to, s.text)
			}
		}
	}
	want("ask", ann.both("/requests/new", append([]string{"once", once[1]}, askToLook...)...), "/requests/R-1")
	if n := h.count(t, "request.submitted"); n != 1 {
		t.Errorf("asked %d times", n)
	}
	document := mia.get("/requests/R-1").document(t)
	want("yes", mia.both("/requests/R-1/yes", "document", document, "code", h.code(t, "mia")), "/requests/R-1")
	if n := h.count(t, "answer.given"); n != 1 {
		t.Errorf("answered %d times", n)
	}
	mia.get("/requests/R-1").want(t, 200, "open, ends")
	until := regexp.MustCompile(`name="until" value="([^"]+)"`).FindStringSubmatch(mia.get("/windows/W-1").text)
	if until == nil {
		t.Fatal("the window's page does not say which end it extends")
	}
	at, _ := url.QueryUnescape(strings.ReplaceAll(until[1], "&#43;", "%2B"))
	for _, step := range [][]string{{"extend", "minutes", "15", "until", at}, {"pause"}, {"go-on"}, {"cut"}} {
		before := h.count(t, "window.moved")
		want(step[0], mia.both("/windows/W-1/"+step[0], step[1:]...), "/windows/W-1")
		if n := h.count(t, "window.moved") - before; n != 1 {
			t.Errorf("%s was done %d times", step[0], n)
		}
	}
	h.twiceMade(t, want)
	ann.post("/windows/W-1/pause").want(t, http.StatusForbidden)
	mia.post("/windows/W-1/pause").want(t, http.StatusForbidden) // not what was just done
}

// twiceMade: what makes something new is made once, and both taps say the same.
func (h *pagesHouse) twiceMade(t *testing.T, want func(string, [2]shown, string)) {
	t.Helper()
	sec, jan := h.signedIn(t, "sec"), h.signedIn(t, "jan")
	firm := []string{"id", "nord", "name", "Nord Robotics", "sponsor", "olaf", "networks", "198.51.100.0/24", "until", "2099-01-01"}
	want("firm", sec.both("/firms", append(firm, "code", h.code(t, "sec"))...), "/people")
	if n := h.count(t, "firm.changed"); n != 1 {
		t.Errorf("the firm was written %d times", n)
	}
	before := h.count(t, "person.invited")
	invited := sec.both("/people/invite", "id", "eva", "firm", "nord", "name", "Eva Nord")
	code := regexp.MustCompile(`<p class="secret">([^<]+)</p>`)
	var codes [2]string
	for i, s := range invited {
		if m := code.FindStringSubmatch(s.text); s.status == http.StatusOK && m != nil {
			codes[i] = m[1]
		}
	}
	if n := h.count(t, "person.invited") - before; n != 1 || codes[0] == "" || codes[0] != codes[1] {
		t.Errorf("invited %d times, with the codes %q", n, codes)
	}
	block := []string{"what", "asset/filler-plc", "why", "CIP is running"}
	want("block", jan.both("/blocks", block...), "/blocks")
	if n := h.count(t, "block.set"); n != 1 {
		t.Errorf("blocked %d times", n)
	}
	want("lift", jan.both("/blocks/B-1/lift", "why", "done", "code", h.code(t, "jan")), "/blocks")
	if n := h.count(t, "block.lifted"); n != 1 {
		t.Errorf("lifted %d times", n)
	}
	jan.post("/blocks", "what", "asset/filler-plc", "why", "again, and another") // not the same form
	want("island", jan.both("/island", "sure", "yes", "why", "Fire"), "/")
	if n := h.count(t, "block.set"); n != 3 {
		t.Errorf("after another block and an island %d blocks were set", n)
	}
	refused := jan.both("/blocks", "what", "asset/nothing", "why", "x")
	for _, s := range refused {
		if s.status == http.StatusSeeOther {
			t.Errorf("a block of nothing: %d", s.status)
		}
	}
}

// TestPagesDraft: what was being asked when the session ended comes back behind
// the sign-in, as text, and nothing was asked meanwhile.
func TestPagesDraft(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	ann := h.signedIn(t, "ann")
	ann.post("/sign-out")
	size := h.count(t, "request.submitted")
	s := ann.post("/requests/new", append([]string{"work_order", `"><script>x</script>`}, askToLook...)...)
	s.want(t, http.StatusUnauthorized, "what you have written is kept", `name="draft_person" value="ann"`, `name="draft_reason" value="Alarm &lt;b&gt;F-417`)
	draft := []string{"name", "ann"}
	for _, m := range regexp.MustCompile(`name="(draft_[a-z_]+)" value="([^"]*)"`).FindAllStringSubmatch(s.text, -1) {
		draft = append(draft, m[1], strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`).Replace(m[2]))
	}
	s = ann.post("/sign-in", append(draft, "password", "wrong")...)
	s.want(t, http.StatusForbidden, `name="draft_person" value="ann"`)
	s = ann.post("/sign-in", append(draft, "password", h.people["ann"].Password)...)
	s.want(t, 200, "nothing was asked yet", "Alarm &lt;b&gt;F-417", `value="filler-plc/ssh/viewer" checked`, `value="60"`, "&#34;&gt;&lt;script&gt;x")
	if strings.Contains(s.text, "<script>x") || h.count(t, "request.submitted") != size {
		t.Error("a draft ran, or was asked by itself")
	}
	ann.post("/requests/new", askToLook...).want(t, http.StatusSeeOther)
}

// TestPagesFormSaysWhere: what is wrong with a request stands beside its field,
// with the rule's name, and nothing that was written is lost; one row a story.
func TestPagesFormSaysWhere(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	ann := h.signedIn(t, "ann")
	for _, row := range []struct{ name, change, to, at, rule string }{
		{"nobody", "person", "", "person", "nobody"},
		{"somebody of the plant", "person", "mia", "person", ""},
		{"a stranger", "person", "nobody-there", "person", "no-such-person"},
		{"no machine", "way", "", "way", "no-such-way"},
		{"a way of one's own", "way", "x/y", "way", "no-such-way"},
		{"no minutes", "minutes", "", "minutes", "bad-minutes"},
		{"too long", "minutes", "1430", "minutes", "too-long"},
		{"yesterday", "from", "2020-01-01T00:00", "from", "bad-span"},
		{"no time", "to", "soon", "to", "bad-to"},
		{"no reason", "reason", " ", "reason", "fields-missing"},
		{"an escape sequence", "reason", "a\x1b[2Jb", "reason", "bad-text"},
	} {
		f := url.Values{"work_order": {"WO <88>"}}
		for i := 0; i < len(askToLook); i += 2 {
			f.Set(askToLook[i], askToLook[i+1])
		}
		if f.Set(row.change, row.to); row.to == "" {
			f.Del(row.change)
		}
		s := ann.do(http.MethodPost, "/requests/new", f)
		if s.status < 400 || s.status >= 500 || !strings.Contains(s.text, `id="w-`+row.at+`"`) || !strings.Contains(s.text, row.rule) || !strings.Contains(s.text, "WO &lt;88&gt;") {
			t.Errorf("%s: %d, beside %s, rule %s:\n%s", row.name, s.status, row.at, row.rule, regexp.MustCompile(`(?s)<div class="problem".*?</div>`).FindString(s.text))
		}
	}
	if n := h.count(t, "request.submitted"); n != 0 {
		t.Errorf("%d were asked", n)
	}
}

// TestPagesGuessing: somebody who guesses a password waits longer and longer;
// the owner's own place is let in meanwhile, and so is everybody else.
func TestPagesGuessing(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	h.signedIn(t, "mia")
	h.signedIn(t, "jan")
	mallory := h.browser(t)
	waits := 0
	for range 8 {
		if s := mallory.post("/sign-in", "name", "mia", "password", "guess"); s.status == http.StatusTooManyRequests {
			waits++
			s.want(t, http.StatusTooManyRequests, "Wait")
		}
	}
	if waits == 0 {
		t.Error("eight guesses were all listened to")
	}
	if n := h.count(t, "login.refused"); n == 0 {
		t.Error("no guess is in the log")
	}
	if s := h.browser(t).post("/sign-in", "name", "jan", "password", h.people["jan"].Password); s.status != http.StatusSeeOther {
		t.Errorf("somebody else is kept out: %d", s.status)
	}
	mia := h.signedIn(t, "olaf") // codes: each wrong one is told, none is taken twice
	code := h.code(t, "olaf")
	mia.post("/firms", "id", "a", "name", "A", "sponsor", "olaf", "code", "000000").want(t, http.StatusForbidden, "That is not right")
	h.signedIn(t, "olaf").post("/firms", "id", "a", "name", "A", "sponsor", "olaf", "code", code)
	mia.post("/firms", "id", "a", "name", "A", "sponsor", "olaf", "code", code).want(t, http.StatusForbidden, "That is not right")
}

// TestPagesStolenCookie: a copied cookie counts where TLS carried it, and no
// longer than its owner's: a sign-out, a new password and a disabling end it
// everywhere at once, its streams too.
func TestPagesStolenCookie(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	h.enrol(t, "mia")
	for _, row := range []struct {
		name string
		end  func(owner *browserOf)
	}{
		{"the owner signs out", func(owner *browserOf) { owner.post("/sign-out").want(t, http.StatusSeeOther) }},
		{"the owner signs in again", func(owner *browserOf) {
			owner.post("/sign-in", "name", "mia", "password", h.people["mia"].Password).want(t, http.StatusSeeOther)
		}},
		{"another password", func(*browserOf) {
			p, err := h.roster.Person(t.Context(), "mia")
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := h.docs.Put(t.Context(), []byte("another"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.journal.Commit(t.Context(), "person/mia", audit.Event{Subject: "mia", Rev: p.Rev + 1, Actor: "mia",
				Body: audit.KeyEnrolled{Person: "mia", Kind: "password", Key: "password", Sealed: sealed, By: "mia"}}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		owner := h.browser(t)
		s := owner.post("/sign-in", "name", "mia", "password", h.people["mia"].Password)
		s.want(t, http.StatusSeeOther)
		stolen, _, _ := strings.Cut(s.header.Get("Set-Cookie"), ";")
		thief := h.browser(t)
		if s := thief.do(http.MethodGet, "/", nil, "Cookie", stolen); s.status != http.StatusOK {
			t.Fatalf("%s: the copy does not count before: %d", row.name, s.status)
		}
		row.end(owner)
		if s := thief.do(http.MethodGet, "/", nil, "Cookie", stolen); s.status != http.StatusSeeOther || !strings.HasPrefix(s.to, "/sign-in") {
			t.Errorf("%s: the copy still counts: %d", row.name, s.status)
		}
		if s := thief.do(http.MethodPost, "/blocks", url.Values{"what": {"firm/krall"}, "why": {"x"}, "hours": {"1"}}, "Cookie", stolen); s.status != http.StatusUnauthorized {
			t.Errorf("%s: the copy still does things: %d", row.name, s.status)
		}
	}
}

// Where machines may be on the broker's own computer, the plant's people read
// it on the board, and elsewhere nobody does.
func TestPagesLoopbackTargets(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"loopback_targets: true": true, "loopback_targets: false": false} {
		h := newPagesHouse(t, func(edit func(name, old, with string)) { edit("penstock.yaml", "loopback_targets: true", name) })
		for person, may := range map[string]bool{"mia": true, "ann": false} {
			board := h.signedIn(t, person).get("/")
			board.want(t, 200)
			if strings.Contains(board.text, "(loopback_targets)") != (want && may) {
				t.Errorf("%s, the board of %s: %s", name, person, board.text)
			}
		}
	}
}
