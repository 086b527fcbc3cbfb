package web

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// A call-in on the pages: one form with the shift's own yes, a code that is
// shown once, no button to open before the engineer has typed it, and then one.
func TestCallInPages(t *testing.T) {
	h := newHouse(t, 1)
	mia := h.cookie("mia0")
	h.signed("ann")
	if page := h.get(mia, "/requests/new").text; !strings.Contains(page, `formaction="/requests/call"`) {
		t.Fatal("the plant's form has no button to call in")
	}
	if page := h.page("ann", "/requests/new"); strings.Contains(page, "/requests/call") {
		t.Error("a vendor's form has one")
	}
	form := url.Values{"once": {"x"}, "person": {"ann"}, "way": {"filler-plc/ssh/viewer"}, "right": {"look"}, "reason": {"Alarm F-417"}, "minutes": {"60"}}
	if status, _ := h.post(h.cookie("ann"), "/requests/call", form); status != http.StatusForbidden {
		t.Errorf("a vendor called in: %d", status)
	}
	status, page := h.post(mia, "/requests/call", form)
	code := regexp.MustCompile(`[2-9A-Z]{3}-[2-9A-Z]{3}`).FindString(page)
	if status != http.StatusOK || code == "" || !strings.Contains(page, " here "+code) {
		t.Fatalf("%d, code %q: %s", status, code, page)
	}
	if status, _ := h.post(mia, "/requests/call", form); status != http.StatusSeeOther {
		t.Errorf("a double tap: %d", status)
	}
	if page := h.get(mia, "/").text; strings.Contains(page, "/windows/W-1/open") || !strings.Contains(page, "waits for them to type the code") || strings.Contains(page, code) {
		t.Errorf("the board before she is here:\n%s", page)
	}
	if page := h.get(mia, "/requests/R-1").text; strings.Contains(page, code) || !strings.Contains(page, "/requests/R-1/call") {
		t.Errorf("the request's page shows the code again, or no way to a new one:\n%s", page)
	}
	if _, err := h.desk.Here(h.ctx, h.signed("ann"), code); err != nil {
		t.Fatal(err)
	}
	if page := h.get(mia, "/").text; !strings.Contains(page, "/windows/W-1/open") {
		t.Errorf("she is here, and there is no button:\n%s", page)
	}
	if page := h.get(mia, "/requests/R-1").text; !strings.Contains(page, "ann answered the call") || strings.Contains(page, "/requests/R-1/call") {
		t.Errorf("the request's page does not say that she is here:\n%s", page)
	}
}
