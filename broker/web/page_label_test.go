package web

import (
	"net/http"
	"strings"
	"testing"

	"rsc.io/qr"

	"penstock/approvals"
	"penstock/approvals/evidence"
)

// TestFromTheMachine: what is painted on it, and the label, lead to the form with
// the machine filled in, where the last work on it stands in people's own words.
func TestFromTheMachine(t *testing.T) {
	h := newHouse(t, 1)
	q := h.askToLook()
	mia, _ := h.actor("mia0")
	ann, _ := h.actor("ann")
	q = must(h.desk.Answer(h.ctx, mia, q.ID, q.Hash, approvals.Reply{Says: evidence.Yes}))
	must(h.desk.Open(h.ctx, mia, q.Window))
	must(h.desk.End(h.ctx, ann, q.Window, ""))
	must(h.desk.HandBack(h.ctx, ann, q.Window, "Flow sensor offset, <b>40012</b> reset"))

	cookie := h.cookie("mia0")
	if got := h.get(cookie, "/a/fil-1-plc-01"); got.status != http.StatusSeeOther || got.header.Get("Location") != "/requests/new?asset=filler-plc" {
		t.Errorf("the tag leads to %d %s", got.status, got.header.Get("Location"))
	}
	if got := h.get(cookie, "/a/NO-SUCH-TAG"); got.status != http.StatusNotFound {
		t.Errorf("a tag that is on nothing: %d", got.status)
	}
	for who, path := range map[string]string{"ann": "/requests/new?asset=filler-plc", "mia0": "/requests/" + string(h.askToLook().ID)} {
		page := h.get(h.cookie(who), path).text
		for _, want := range []string{"Alarm F-417", "Flow sensor offset, &lt;b&gt;40012&lt;/b&gt; reset", string(q.Window)} {
			if !strings.Contains(page, want) {
				t.Errorf("%s does not read %q on %s", who, want, path)
			}
		}
	}
	form := h.get(cookie, "/requests/new?asset=historian").text
	if i, j := strings.Index(form, `value="historian/`), strings.Index(form, `value="filler-plc/`); i < 0 || j < 0 || i > j {
		t.Errorf("the machine asked for stands at %d, another at %d", i, j)
	}
	if strings.Contains(form, "Flow sensor") {
		t.Error("the historian's form tells of the filler")
	}
	if sheet := h.get(cookie, "/labels?asset=filler-plc").text; !strings.Contains(sheet, "/a/FIL-1-PLC-01") || strings.Contains(sheet, "OPS-HIS-01") {
		t.Error("the sheet of one machine is not of it alone")
	}
	if got := h.get(h.cookie("ann"), "/labels"); got.status != http.StatusForbidden {
		t.Errorf("a vendor reads the sheet of all machines: %d", got.status)
	}
}

// TestALabelDrawsItsCode: each dark module, once, inside a margin of four.
func TestALabelDrawsItsCode(t *testing.T) {
	l := must(label("FIL 1/2", "Filler", "https://penstock.kiel.example:8443"))
	if l.Link != "https://penstock.kiel.example:8443/a/FIL%201%2F2" {
		t.Errorf("the link is %s", l.Link)
	}
	code := must(qr.Encode(l.Link, qr.M))
	dark := 0
	for y := range code.Size {
		for x := range code.Size {
			if code.Black(x, y) {
				dark++
			}
		}
	}
	if n := strings.Count(l.path, "M"); n != dark || l.Size != code.Size+8 || !strings.HasPrefix(l.path, "M4 4h") {
		t.Errorf("%d modules drawn of %d, size %d, %.20s", n, dark, l.Size, l.path)
	}
}
