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
