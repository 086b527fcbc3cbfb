package web

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Files that will be brought are named on the form, as sha256sum prints them, and
// whoever answers reads how many there are and which; what is no hash comes back
// beside its field, with all that was filled in.
func TestFilesNamedByHash(t *testing.T) {
	h := newHouse(t, 1)
	ann := h.cookie("ann")
	one, two := strings.Repeat("9f3c", 16), strings.Repeat("17aa", 16)
	form := url.Values{"once": {"x"}, "person": {"ann"}, "way": {"filler-plc/ssh/viewer"}, "right": {"look"}, "reason": {"Alarm F-417"}, "minutes": {"60"},
		"file_hashes": {one + "  recipe-14.csv\r\n\r\nnot a hash\r\n"}}
	status, page := h.post(ann, "/requests/new", form)
	if status != http.StatusForbidden || !strings.Contains(page, `id="w-file_hashes"`) || !strings.Contains(page, "is no SHA-256") || !strings.Contains(page, one+"  recipe-14.csv") {
		t.Fatalf("%d, and the form does not say where:\n%s", status, page)
	}
	form.Set("file_hashes", one+"  recipe-14.csv\r\nsha256:"+strings.ToUpper(two)+"\r\n"+one)
	if status, page := h.post(ann, "/requests/new", form); status != http.StatusSeeOther {
		t.Fatalf("%d:\n%s", status, page)
	}
	page = h.get(h.cookie("mia0"), "/requests/R-1").text
	for _, want := range []string{"2 files are named by their hash: once looked at, they are released by themselves.", one, two} {
		if !strings.Contains(page, want) {
			t.Errorf("whoever answers does not read %q:\n%s", want, page)
		}
	}
	if strings.Count(page, one) != 1 {
		t.Error("the one that was named twice is there twice")
	}
	var many []string
	for i := range 33 {
		many = append(many, fmt.Sprintf("%064x", i+1))
	}
	form.Set("once", "y")
	form.Set("file_hashes", strings.Join(many, "\n"))
	if status, page := h.post(ann, "/requests/new", form); status != http.StatusForbidden || !strings.Contains(page, "at most 32 hashes") {
		t.Errorf("33 of them: %d\n%s", status, page)
	}
}

// A request that is being written loses nothing over a sign-in: a drill, above
// all, does not become the real thing.
func TestTheWholeFormIsKept(t *testing.T) {
	h := newHouse(t, 1)
	page := h.get(h.cookie("mia0"), "/requests/new?asset=filler-plc").text
	_, form, _ := strings.Cut(page, `action="/requests/new"`)
	form, _, _ = strings.Cut(form, "</form>")
	fields := regexp.MustCompile(` name="([a-z_]+)"`).FindAllStringSubmatch(form, -1)
	if len(fields) < 10 {
		t.Fatalf("the form has %d fields:\n%s", len(fields), page)
	}
	anew := []string{"once", "code"} // of each page
	for _, f := range fields {
		if !slices.Contains(askFields, f[1]) && !slices.Contains(anew, f[1]) {
			t.Errorf("%s is lost when somebody was signed out meanwhile", f[1])
		}
	}
}
