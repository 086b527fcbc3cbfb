package web

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"penstock/approvals/people"
)

// A firm's end ends its people's pages at once: a stream that is open, the session,
// and every further sign-in; a new end of the contract lets them in again.
func TestTheEndOfAFirmEndsItsPeoplesPages(t *testing.T) {
	h := newHouse(t, 1)
	ann := h.cookie("ann")
	ctx, cancel := context.WithTimeout(h.ctx, 60*time.Second)
	defer cancel()
	req := must(http.NewRequestWithContext(ctx, http.MethodGet, h.server.URL+"/live", nil))
	req.Host = strings.TrimPrefix(h.origin, "https://")
	req.AddCookie(ann)
	resp := must(h.server.Client().Do(req))
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	lena, _ := h.actor("lena")
	if _, err := h.desk.EndFirm(h.ctx, lena, "krall", "contract over"); err != nil {
		t.Fatal(err)
	}
	if text := string(must(readAll(resp))); !strings.Contains(text, "event: over") {
		t.Errorf("the stream said %q", text)
	}
	if page := h.get(ann, "/requests").text; strings.Contains(page, "Signed in: <bdi>ann</bdi>") {
		t.Errorf("still signed in:\n%s", page)
	}
	again := h.get(h.cookie("ann"), "/requests").text
	if strings.Contains(again, "Signed in: <bdi>ann</bdi>") {
		t.Error("a new session of the same person goes on")
	}
	f := must(h.roster.Firm(h.ctx, "krall"))
	if err := h.pages.inContract(h.ctx, must(h.roster.Person(h.ctx, "ann"))); err == nil || !strings.Contains(err.Error(), "firm-ended") {
		t.Errorf("a sign-in is let through: %v", err)
	}
	lena, _ = h.actor("lena")
	if err := h.roster.SetFirm(h.ctx, lena, people.Firm{ID: f.ID, Name: f.Name, Sponsor: f.Sponsor, Networks: f.Networks, Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if page := h.get(h.cookie("ann"), "/requests").text; !strings.Contains(page, "Signed in: <bdi>ann</bdi>") {
		t.Errorf("with a new contract:\n%s", page)
	}
}
