package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/policy"
)

// TestPeoplePages walks terms, a training, an access review and a leaver through
// their pages, each by whom it is for.
func TestPeoplePages(t *testing.T) {
	h := newHouse(t, 1)
	lena, olaf, mia, ann := h.cookie("lena"), h.cookie("olaf"), h.cookie(shiftName(0)), h.cookie("ann")
	shows := func(c *http.Cookie, path string, want ...string) string {
		t.Helper()
		g := h.get(c, path)
		for _, w := range want {
			if g.status != http.StatusOK || !strings.Contains(g.text, w) {
				t.Fatalf("GET %s: %d, without %q: %s", path, g.status, w, g.text)
			}
		}
		return g.text
	}
	shows(mia, "/people/"+shiftName(0), "watch and escort work", "it is the shift or owner of a zone", "pause, end, cut and block")
	shows(mia, "/people/ann", "ask for access", "This is for the firm")

	h.posts(t, olaf, "/firms/krall/terms", url.Values{"terms": {"No bags."}, "days": {"30"}}, http.StatusForbidden)
	h.posts(t, lena, "/firms/krall/terms", url.Values{"terms": {"No bags."}, "days": {"30"}}, http.StatusSeeOther)
	shows(olaf, "/firms/krall", "No bags.", "may not work now:")
	shows(ann, "/", "You cannot work yet.")
	_, hash, err := h.roster.Terms(h.ctx, "krall")
	if err != nil {
		t.Fatal(err)
	}
	shows(ann, "/terms", "No bags.", hash.String())
	h.posts(t, ann, "/terms", url.Values{"terms": {hash.String()}}, http.StatusSeeOther)
	if text := shows(ann, "/"); strings.Contains(text, "You cannot work yet.") {
		t.Error("accepted, and the board asks still")
	}
	h.posts(t, olaf, "/people/ann/training", url.Values{"training": {"site-safety"}, "until": {time.Now().AddDate(0, 0, 10).Format(time.DateOnly)}}, http.StatusSeeOther)
	shows(olaf, "/people", "Ends soon", "training site-safety")
	shows(olaf, "/", "2 contracts, acceptances or trainings end soon")

	zone := h.pages.Plant().Location()
	last := time.Now().In(zone).AddDate(0, 0, 40)
	h.posts(t, lena, "/firms", url.Values{"id": {"pumpen"}, "name": {"Pumpen Nord"}, "sponsor": {"olaf"}, "networks": {"pumpen.example"}}, http.StatusForbidden)
	h.posts(t, lena, "/firms", url.Values{"id": {"pumpen"}, "name": {"Pumpen Nord"}, "sponsor": {"olaf"}, "networks": {"198.51.100.7"}, "until": {last.Format(time.DateOnly)}}, http.StatusSeeOther)
	for _, path := range []string{"/people", "/firms/pumpen"} {
		shows(lena, path, "contract to "+dayText(last, time.Now().In(zone)))
	}
	if f, err := h.roster.Firm(h.ctx, "pumpen"); err != nil || !f.Until.Equal(time.Date(last.Year(), last.Month(), last.Day()+1, 0, 0, 0, 0, zone)) {
		t.Errorf("a contract to a day ends before the day does: %v %v", f.Until, err)
	}
	if f, err := h.roster.Firm(h.ctx, "pumpen"); err != nil || !slices.Equal(f.Networks, []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")}) {
		t.Errorf("one address, typed: %v %v", f.Networks, err)
	}
	h.posts(t, mia, "/access/firm/krall/begin", nil, http.StatusForbidden)
	h.posts(t, olaf, "/access/firm/krall/begin", nil, http.StatusSeeOther)
	shows(olaf, "/", "1 access review waits")
	shows(olaf, "/access", "Krall Fillers", "waits for you")
	shows(olaf, "/access/firm/krall", "the plant&#39;s first file", `name="person-ben" value="end"`)
	a, _, err := h.roster.Access(h.ctx, "firm/krall")
	if err != nil {
		t.Fatal(err)
	}
	h.posts(t, olaf, "/access/firm/krall/sign", url.Values{"document": {a.Document.String()}, "person-ann": {"keep"}, "person-ben": {"end"}}, http.StatusSeeOther)
	if p, err := h.roster.Person(h.ctx, "ben"); err != nil || !p.Disabled {
		t.Errorf("ben: %+v %v", p, err)
	}
	shows(olaf, "/access/firm/krall", "All of it is signed", "go on: ann. ended: ben.")

	// Ann leaves: what would end is said before, and her page is shut at once.
	q := h.askToLook()
	shows(olaf, "/people/ann", string(q.ID)+" is withdrawn", "for good")
	h.posts(t, mia, "/people/ann/disable", nil, http.StatusForbidden)
	h.posts(t, olaf, "/people/ann/disable", url.Values{"why": {"left Krall"}}, http.StatusSeeOther)
	if g := h.get(ann, "/"); g.status != http.StatusSeeOther {
		t.Errorf("ann has left, and sees %d", g.status)
	}
	lenas, _ := h.actor("lena")
	if r, err := h.desk.Request(h.ctx, lenas, q.ID); err != nil || r.State != approvals.RequestWithdrawn {
		t.Errorf("her request is %s: %v", r.State, err)
	}
	shows(lena, "/log", "left Krall", "signed the access review of firm krall", "accepted the terms")

	h.posts(t, lena, "/people/olaf/disable", nil, http.StatusSeeOther)
	shows(lena, "/debt", "its sponsor olaf has left")
	if _, err := h.desk.LeavingOf(h.ctx, lenas, policy.PersonID("lena")); err == nil {
		t.Error("the last of OT security may leave")
	}
}

// A role is given and taken on the page; a page gone stale takes back nobody
// else's change, and nobody is shown a form for what is not theirs.
func TestRolesOnThePage(t *testing.T) {
	h := newHouse(t, 1)
	lena, olaf, who := h.cookie("lena"), h.cookie("olaf"), shiftName(0)
	form := "/people/" + who + "/roles"
	if page := h.get(lena, "/people"); !strings.Contains(page.text, form) || strings.Contains(page.text, "/people/lena/roles") || strings.Contains(page.text, "/people/ann/roles") {
		t.Errorf("lena is shown: %s", page.text)
	}
	if page := h.get(olaf, "/people"); strings.Contains(page.text, form) {
		t.Error("olaf is shown a form for roles")
	}
	stale := url.Values{"had": {"shift"}}
	h.posts(t, olaf, form, url.Values{"had": {"shift"}, "role": {"shift", "line-1-owner"}}, http.StatusForbidden)
	h.posts(t, lena, form, url.Values{"had": {"shift"}, "role": {"shift", "line-1-owner"}}, http.StatusSeeOther)
	h.posts(t, lena, form, stale, http.StatusSeeOther)
	p, err := h.roster.Person(h.ctx, policy.PersonID(who))
	if err != nil || !slices.Equal(p.Roles, []policy.Role{"line-1-owner"}) {
		t.Errorf("%s holds %q: %v", who, p.Roles, err)
	}
	h.posts(t, lena, "/people/lena/roles", url.Values{"role": {"shift"}, "had": {"ot-security"}}, http.StatusForbidden)
}
