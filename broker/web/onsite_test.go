package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"penstock/approvals"
	"penstock/approvals/evidence"
)

// A laptop on site on every page: asked for by somebody of the plant, agreed and
// opened by another, on the board, left behind by an island, and cut.
func TestOnSiteOnThePages(t *testing.T) {
	h := newHouse(t, 2)
	asker, shift := h.cookie("mia0"), h.cookie("mia1")
	form := url.Values{"person": {"ann"}, "way": {"filler-plc/ssh/viewer"}, "right": {"look"}, "reason": {"Panel"}, "minutes": {"60"}, "kind": {"on-site"}}
	if status, page := h.post(asker, "/requests/new", form); status < 400 || !strings.Contains(page, "Say which laptop") {
		t.Fatalf("without a laptop: %d %s", status, page)
	}
	form.Set("laptop", "laptop 07")
	if status, page := h.post(asker, "/requests/new", form); status != http.StatusSeeOther {
		t.Fatalf("asked: %d %s", status, page)
	}
	q := must(h.desk.Requests(h.ctx, must2(h.actor("mia1"))))[0]
	if d := q.Document; d.Kind != evidence.OnSite || len(d.Assets) != 1 || d.Assets[0].Port != "" {
		t.Fatalf("the text is %+v", d)
	}
	says := func(path string, words ...string) {
		t.Helper()
		page := h.get(shift, path)
		for _, w := range words {
			if page.status != http.StatusOK || !strings.Contains(page.text, w) {
				t.Errorf("%s (%d) does not say %q:\n%s", path, page.status, w, page.text)
			}
		}
	}
	says("/requests/"+string(q.ID), "ON SITE, not recorded.", "laptop 07")
	mia := must2(h.actor("mia1"))
	q = must(h.desk.Answer(h.ctx, mia, q.ID, q.Hash, approvals.Reply{Says: evidence.Yes}))
	says("/windows/"+string(q.Window), "Open it when they stand there.")
	must(h.desk.Open(h.ctx, mia, q.Window))
	says("/", "On site", "laptop 07", "not recorded")
	says("/windows/"+string(q.Window), "ON SITE, not recorded.", "Then go there and take the laptop off")
	says("/island", "It takes no laptop off")
	must(h.desk.Island(h.ctx, must2(h.actor("lena")), "", "incident"))
	says("/", "A laptop is still on site.")
	must(h.desk.Cut(h.ctx, mia, q.Window, "island"))
	says("/windows/"+string(q.Window), "See that the laptop is off.", "laptop 07")
}

// must2 leaves out what a test does not need.
func must2[T, U any](v T, _ U) T { return v }

// Through a service jack it is on the board as on site, and recorded.
func TestJackOnThePages(t *testing.T) {
	h := newHouse(t, 2)
	form := url.Values{"person": {"ann"}, "way": {"filler-plc/ssh/viewer"}, "right": {"look"}, "reason": {"Panel"}, "minutes": {"60"}, "kind": {"on-site"}, "laptop": {"laptop 07"}, "jack": {"panel-b1"}}
	if status, page := h.post(h.cookie("mia0"), "/requests/new", form); status < 400 || !strings.Contains(page, "no service jack") {
		t.Fatalf("at no jack: %d %s", status, page)
	}
	form.Set("jack", "panel-a3")
	if status, page := h.post(h.cookie("mia0"), "/requests/new", form); status != http.StatusSeeOther {
		t.Fatalf("asked: %d %s", status, page)
	}
	mia := must2(h.actor("mia1"))
	q := must(h.desk.Requests(h.ctx, mia))[0]
	if d := q.Document; d.Jack != "panel-a3" || d.Assets[0].Port != "ssh" {
		t.Fatalf("the text is %+v", d)
	}
	q = must(h.desk.Answer(h.ctx, mia, q.ID, q.Hash, approvals.Reply{Says: evidence.Yes}))
	must(h.desk.Open(h.ctx, mia, q.Window))
	for path, words := range map[string][]string{
		"/":                              {"On site", "laptop 07 at Service jack on panel A3", "· recorded"},
		"/requests/" + string(q.ID):      {"ON SITE, recorded.", "laptop 07 at Service jack on panel A3"},
		"/windows/" + string(q.Window):   {"ON SITE, recorded.", "In now"},
		"/requests/new?asset=filler-plc": {"Service jack on panel A3: through Penstock, recorded", "Only try whether the way works"},
	} {
		page := h.get(h.cookie("mia1"), path)
		for _, w := range words {
			if page.status != http.StatusOK || !strings.Contains(page.text, w) {
				t.Errorf("%s (%d) does not say %q:\n%s", path, page.status, w, page.text)
			}
		}
		if strings.Contains(page.text, "not recorded.") {
			t.Errorf("%s says that it is not recorded", path)
		}
	}
}

// A connectivity test is asked for with one tick, and the shift alone agrees.
func TestConnectivityOnThePages(t *testing.T) {
	h := newHouse(t, 1)
	form := url.Values{"person": {"ann"}, "way": {"filler-plc/ssh/maint"}, "right": {"look", "load"}, "reason": {"Before Saturday"}, "minutes": {"60"}, "kind": {"connectivity"}}
	if status, page := h.post(h.cookie("ann"), "/requests/new", form); status != http.StatusSeeOther {
		t.Fatalf("asked: %d %s", status, page)
	}
	mia := must2(h.actor("mia0"))
	q := must(h.desk.Requests(h.ctx, mia))[0]
	if d := q.Document; d.Kind != evidence.Connectivity || d.Minutes != 30 || len(d.Rights) != 1 {
		t.Fatalf("the text is %+v", d)
	}
	page := h.get(h.cookie("mia0"), "/requests/"+string(q.ID))
	for _, w := range []string{"Only tries the way.", "Can try whether the way works", "Penstock closes it at once"} {
		if !strings.Contains(page.text, w) {
			t.Errorf("the request does not say %q:\n%s", w, page.text)
		}
	}
	if status, page := h.post(h.cookie("mia0"), "/requests/"+string(q.ID)+"/yes", url.Values{"document": {q.Hash.String()}}); status != http.StatusSeeOther {
		t.Fatalf("yes: %d %s", status, page)
	}
	q = must(h.desk.Request(h.ctx, mia, q.ID))
	if page := h.get(h.cookie("mia0"), "/windows/"+string(q.Window)); q.Window == "" || !strings.Contains(page.text, "Only tries the way.") {
		t.Errorf("the window %s says\n%s", q.Window, page.text)
	}
}
