package web

import (
	"bytes"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"penstock/policy"
)

// A list is shown before it is written; what is written is what was shown, and
// its codes are on one page alone. Who may not write firms writes none by a list.
func TestFirmsFromAList(t *testing.T) {
	h := newHouse(t, 1)
	lena, mia, ann := h.cookie("lena"), h.cookie("mia0"), h.cookie("ann")
	sheet := []byte("firm_id;firm_name;sponsor;until;person_name\n1;M\xfcller;olaf;31.12.2099;J\xf6rg M\xfcller\n2;Polar;nobody;;\n")
	plan := func(cookie *http.Cookie, file []byte) (int, string) {
		return h.uploads(cookie, "/import/firms/plan", [2]string{"system", "sap"}, "list", file)
	}
	if status, page := plan(ann, sheet); status != http.StatusForbidden {
		t.Errorf("a vendor's person brings a list: %d %s", status, page)
	}
	if status, page := plan(mia, sheet); status != http.StatusOK || !strings.Contains(page, "firms are written by OT security") || strings.Contains(page, "Write it</button>") {
		t.Errorf("the shift brings a list of firms: %d %s", status, page)
	}
	if status, page := plan(lena, []byte("person\nx\n")); status != http.StatusUnprocessableEntity || !strings.Contains(page, "no column is called firm") {
		t.Errorf("a list without firms: %d %s", status, page)
	}
	if status, page := plan(lena, bytes.Repeat([]byte("x"), maxUpload+1)); status != http.StatusUnprocessableEntity || !strings.Contains(page, "penstock people import reads it") {
		t.Errorf("a list that is too long: %d %s", status, page)
	}
	status, page := plan(lena, sheet)
	for _, want := range []string{"Windows-1252", "Müller, sponsor olaf", "mueller/joerg-mueller", "Line 3:", "Nothing is written yet. 1 new, 0 changed, 1 to be invited"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q: %d %s", want, status, page)
		}
	}
	if _, err := h.roster.Firm(h.ctx, "mueller"); err == nil {
		t.Fatal("showing has written")
	}
	form := url.Values{"leave_out": {"yes"}}
	for _, field := range regexp.MustCompile(`name="(sheet|system|format|plan)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !form.Has(field[1]) {
			form.Set(field[1], strings.ReplaceAll(field[2], "&#43;", "+"))
		}
	}
	h.posts(t, ann, "/import/firms", form, http.StatusForbidden)
	h.posts(t, lena, "/import/firms", url.Values{"sheet": form["sheet"], "system": {"sap"}, "format": {"csv"}, "plan": form["plan"]}, http.StatusForbidden) // a line is left out, and nobody said so
	other := url.Values{"sheet": form["sheet"], "system": {"other"}, "format": {"csv"}, "plan": form["plan"], "leave_out": {"yes"}}
	h.posts(t, lena, "/import/firms", other, http.StatusForbidden)
	status, done := h.post(lena, "/import/firms", form)
	if status != http.StatusOK || !regexp.MustCompile(`[A-Z2-7]{4}(-[A-Z2-7]{4}){3}`).MatchString(done) || !strings.Contains(done, "ssh -p 2222 join@broker.example") {
		t.Errorf("no code on the page: %s", done)
	}
	if f, err := h.roster.Firm(h.ctx, "mueller"); err != nil || f.Name != "Müller" || f.Sponsor != policy.PersonID("olaf") {
		t.Errorf("%+v %v", f, err)
	}
}
