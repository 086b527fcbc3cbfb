package web

import (
	"net/url"
	"strings"
	"testing"
)

func sampleMeasures() measuresView {
	return measuresView{Month: "October 2026", Before: "2026-09", After: "2026-11", Site: "Fjord Dairy Kiel", Cut: "Time to cut, 99 of 100: 0.4 s, of 6.", Lines: []measureLine{
		{Number: 1, Name: "time to engage", Is: "half within 2 min, nine of ten within 5; of 11", Unit: "minutes"},
		{Number: 2, Name: "access lead time", Is: "half within 13 min, nine of ten within 30; of 15", Unit: "minutes", Before: "60 minutes", Entered: "from 40 tickets of 2025, entered by lena with a code: the server's word"},
		{Number: 3, Name: "downtime minutes avoided (estimate)", Is: "not measured", Why: "no gate of the plant file says that a line stands (stands: filling-1)", Small: true, Unit: "minutes"},
		{Number: 5, Name: "work outside outages", Is: "too few (3)", Small: true, Unit: "percent"},
		{Number: 10, Name: "convergence debt", Is: "12.5 items and 410 days for 100 assets", Unit: "items"}}}
}

// OT security reads the month's measures and enters what was before; the shift
// and a vendor see none of it.
func TestMeasuresOnPages(t *testing.T) {
	h := newHouse(t, 1)
	lena, mia, ann := h.cookie("lena"), h.cookie("mia0"), h.cookie("ann")
	page := h.send(t, lena, "/measures", nil)
	for _, want := range []string{"time to engage", "too few (0)", "not measured", "no gate of the plant file says that a line stands", "convergence debt", "never of a person"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
	if page := h.send(t, lena, "/measures/baseline", url.Values{"n": {"2"}, "value": {"90,5"}, "from": {"tickets of 2025"}}); !strings.Contains(page, "Before: 90.5 minutes") || !strings.Contains(page, "with a code: the server") {
		t.Errorf("the baseline: %s", page)
	}
	if page := h.send(t, lena, "/measures/baseline", url.Values{"n": {"2"}, "value": {"soon"}, "from": {"x"}}); !strings.Contains(page, "what it was, in its unit") {
		t.Errorf("a baseline that is no number: %s", page)
	}
	h.send(t, lena, "/measures/minutes", url.Values{"month": {"2026-10"}, "minutes": {"40"}, "why": {"by phone"}})
	if page := h.send(t, lena, "/measures?month=2026-10", nil); !strings.Contains(page, "October 2026") || !strings.Contains(page, "40 entered by hand") {
		t.Errorf("a month: %s", page)
	}
	for who, c := range map[string]string{"the shift": mia.Value, "a vendor": ann.Value} {
		cookie := mia
		if c == ann.Value {
			cookie = ann
		}
		if page := h.send(t, cookie, "/measures", nil); strings.Contains(page, "time to engage") {
			t.Errorf("%s reads the measures", who)
		}
	}
	if page := h.send(t, lena, "/measures?month=soon", nil); !strings.Contains(page, "is no month") {
		t.Errorf("a month that is none: %s", page)
	}
}
