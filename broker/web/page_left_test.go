package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
)

// What work leaves behind, on the pages: noted by either side, held to a time at
// the handover, on the board until somebody says that it is gone.
func TestLeftBehindPages(t *testing.T) {
	h := newHouse(t, 2)
	mia, paul, ann := h.cookie("mia0"), h.cookie("mia1"), h.cookie("ann")
	shift := h.signed("mia0")
	q := h.askToLook()
	q = must(h.desk.Answer(h.ctx, shift, q.ID, q.Hash, approvals.Reply{Says: "yes"}))
	must(h.desk.Open(h.ctx, shift, q.Window))
	if status, page := h.post(ann, "/windows/"+string(q.Window)+"/pause-after", nil); status == http.StatusSeeOther || !strings.Contains(page, "plant") {
		t.Errorf("a vendor pauses at 100 %%: %d %s", status, page)
	}
	if status, to := h.postTo(mia, "/windows/"+string(q.Window)+"/pause-after", url.Values{"back": {"/handover"}}); status != http.StatusSeeOther || !strings.HasPrefix(to, "/handover") {
		t.Errorf("pause at 100 %%: %d, to %s", status, to)
	}
	if w := must(h.desk.Window(h.ctx, shift, q.Window)); w.State != approvals.WindowPaused { // nothing was half done
		t.Errorf("the window is %s", w.State)
	}
	must(h.desk.End(h.ctx, shift, q.Window, ""))
	at := "/windows/" + string(q.Window)
	if status, page := h.post(ann, at+"/left", url.Values{"what": {"Force on <I 4.2>"}}); status != http.StatusSeeOther {
		t.Fatalf("noting it: %d %s", status, page)
	}
	if page := h.get(ann, at).text; !strings.Contains(page, "Force on &lt;I 4.2&gt;") || strings.Contains(page, "It is gone") {
		t.Errorf("the vendor's page:\n%s", page)
	}
	if status, _ := h.post(ann, at+"/left/1/gone", nil); status == http.StatusSeeOther {
		t.Error("the vendor says that it is gone")
	}
	must(h.desk.HandBack(h.ctx, h.signed("ann"), q.Window, "Offset."))
	if page := h.get(mia, at).text; strings.Contains(page, "I take it: close the window") || !strings.Contains(page, "nobody has said by when") {
		t.Errorf("the window's page:\n%s", page)
	}
	if _, page := h.post(mia, at+"/accept", nil); !strings.Contains(page, "something is left behind") {
		t.Errorf("closing it:\n%s", page)
	}
	must(h.desk.HandOver(h.ctx, shift, "shift", time.Now(), ""))
	page := h.get(paul, "/handover").text
	for _, want := range []string{"Force on &lt;I 4.2&gt;", `form="by-W-1-1"`, `action="/windows/W-1/left/1/by"`, `form="gone-W-1-1"`, "I take W-1"} {
		if !strings.Contains(page, want) {
			t.Errorf("the handover lacks %q:\n%s", want, page)
		}
	}
	due := time.Now().In(h.plant.Load().Location()).Add(3 * time.Hour)
	form := url.Values{"due": {due.Format("2006-01-02T15:04")}, "back": {"/handover"}}
	if status, to := h.postTo(paul, at+"/left/1/by", form); status != http.StatusSeeOther || !strings.HasPrefix(to, "/handover") {
		t.Fatalf("by when: %d, to %s", status, to)
	}
	if page := h.get(mia, "/").text; !strings.Contains(page, "must be gone by") || !strings.Contains(page, due.Format("15:04")) {
		t.Errorf("the board:\n%s", page)
	}
	if status, to := h.postTo(paul, at+"/left/1/gone", url.Values{"back": {"https://elsewhere.example/"}}); status != http.StatusSeeOther || !strings.HasPrefix(to, at) {
		t.Errorf("gone: %d, to %s", status, to)
	}
	if status, _ := h.post(paul, at+"/left/1/gone", nil); status != http.StatusSeeOther { // the second tap of the same thumb
		t.Errorf("gone twice: %d", status)
	}
	if status, page := h.post(mia, at+"/accept", nil); status != http.StatusSeeOther {
		t.Errorf("closing it: %d %s", status, page)
	}
	h.verified()
}

func (h *house) postTo(cookie *http.Cookie, path string, form url.Values) (int, string) {
	status, _, to := h.do(cookie, http.MethodPost, path, form)
	return status, to
}
