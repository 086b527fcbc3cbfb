package web

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/policy"
)

// post sends a form as somebody's browser does.
func (h *house) post(cookie *http.Cookie, path string, form url.Values) (int, string) {
	h.t.Helper()
	r := must(http.NewRequest("POST", h.server.URL+path, strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Host = strings.TrimPrefix(h.origin, "https://")
	r.AddCookie(cookie)
	client := *h.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp := must(client.Do(r))
	defer resp.Body.Close()
	return resp.StatusCode, string(must(io.ReadAll(resp.Body)))
}

// TestAYesForLess: the window is what was asked for, less what each of those who
// were asked has left out. Olaf answers for the pasteuriser, Lena for the historian.
func TestAYesForLess(t *testing.T) {
	parts := func(minutes string, keep ...string) url.Values {
		return url.Values{"parts": {"yes"}, "keep": keep, "minutes": {minutes}}
	}
	for name, row := range map[string]struct {
		olaf, lena url.Values
		assets     string
		minutes    int
		status     int // of the second answer
	}{
		"both as asked":         {parts("", "0", "1"), url.Values{}, "pasteur-plc historian", 120, 303},
		"one leaves one out":    {parts("60", "0", "1"), parts("30", "0"), "historian", 30, 303},
		"the other way round":   {parts("30", "1"), parts("60", "0", "1"), "pasteur-plc", 30, 303},
		"shorter, and no ticks": {url.Values{"minutes": {"60"}}, parts("", "0", "1"), "pasteur-plc historian", 60, 303},
		"nothing is left":       {parts("", "0", "1"), parts(""), "", 0, 403},
		"a way in of nobody":    {parts("", "0", "1"), parts("", "7", "-1", "x"), "", 0, 403},
		"longer than asked":     {parts("", "0", "1"), parts("121", "1"), "", 0, 403},
		"each leaves another":   {parts("", "0"), parts("", "1"), "", 0, 403},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 1)
			ann, _ := h.actor("ann")
			now := time.Now()
			q := must(h.desk.Submit(h.ctx, ann, approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"},
				Targets: []policy.Target{{Asset: "pasteur-plc", Port: "ssh", Account: "logs"}, {Asset: "historian", Port: "ssh", Account: "reader"}},
				Rights:  policy.Look | policy.Copy, Reason: "Alarm F-417", Minutes: 120, From: now, To: now.Add(4 * time.Hour)}))
			olaf, lena := h.cookie("olaf"), h.cookie("lena")
			page := h.get(olaf, "/requests/R-1").text
			if !strings.Contains(page, "Pasteuriser controller, by SSH as logs: look, take files out") || !strings.Contains(page, "whom rule copy asks") {
				t.Errorf("the page offers nothing to leave out, or says another rule:\n%s", page)
			}
			row.olaf.Set("document", q.Hash.String())
			row.lena.Set("document", q.Hash.String())
			if status, text := h.post(olaf, "/requests/R-1/yes", row.olaf); status != 303 {
				t.Fatalf("status %d:\n%s", status, text)
			}
			if status, text := h.post(lena, "/requests/R-1/yes", row.lena); status != row.status {
				t.Fatalf("status %d:\n%s", status, text)
			}
			a, _ := h.actor("olaf")
			w, err := h.desk.Window(h.ctx, a, "W-1")
			if row.minutes == 0 {
				if err == nil {
					t.Errorf("a window came of it: %+v", w.Claim)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var assets []string
			for _, x := range w.Claim.Assets {
				assets = append(assets, x.Asset)
			}
			slices.Sort(assets)
			want := strings.Fields(row.assets)
			slices.Sort(want)
			if !slices.Equal(assets, want) || rightsOf(w.Claim.Rights) != policy.Look|policy.Copy || w.Claim.Minutes != row.minutes {
				t.Errorf("the window is %v, %v, %d minutes", assets, w.Claim.Rights, w.Claim.Minutes)
			}
		})
	}
}

// TestCallAnn: a number is a button for whoever is asked, and on no page of a vendor's.
func TestCallAnn(t *testing.T) {
	h := newHouse(t, 1)
	h.askToLook()
	mia, ben := h.cookie(shiftName(0)), h.cookie("ben")
	if page := h.get(mia, "/requests/R-1").text; strings.Contains(page, "tel:") {
		t.Errorf("a button without a number:\n%s", page)
	}
	olaf, _ := h.actor("olaf")
	for _, who := range []policy.PersonID{"ann", "ben"} {
		if err := h.roster.SetPhone(h.ctx, olaf, who, "+49 431 555 0121"); err != nil {
			t.Fatal(err)
		}
	}
	page := h.get(mia, "/requests/R-1").text
	if !strings.Contains(page, `href="tel:+494315550121"`) && !strings.Contains(page, `href="tel:&#43;494315550121"`) || !strings.Contains(page, "Call <bdi>ann</bdi>") {
		t.Errorf("whoever is asked cannot call her:\n%s", page)
	}
	title, _, _ := strings.Cut(page, "</title>")
	if strings.Contains(title, "431") {
		t.Errorf("a number in the title: %s", title)
	}
	lena := h.cookie("lena")
	if page := h.get(lena, "/requests/R-1").text; strings.Contains(page, "tel:") {
		t.Error("a number for somebody who is not asked")
	}
	m, _ := h.actor(shiftName(0))
	q := must(h.desk.Request(h.ctx, m, "R-1"))
	must(h.desk.Answer(h.ctx, m, "R-1", q.Hash, approvals.Reply{Says: "yes"}))
	if page := h.get(mia, "/windows/W-1").text; !strings.Contains(page, "Call <bdi>ann</bdi>") {
		t.Errorf("the window's page has no button:\n%s", page)
	}
	for _, path := range []string{"/", "/requests", "/requests/R-1", "/windows/W-1"} {
		if page := h.get(ben, path); strings.Contains(page.text, "tel:") || strings.Contains(page.text, "5550121") {
			t.Errorf("%s shows a vendor a number", path)
		}
	}
}

// TestNoRightIsLeft: whoever takes the last tick from the rights agrees to looking,
// and not to everything.
func TestNoRightIsLeft(t *testing.T) {
	for name, row := range map[string]struct{ ticked, limit []string }{
		"the tick stands": {[]string{"set"}, nil},
		"it is taken":     {nil, []string{"look"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, 1)
			ann, _ := h.actor("ann")
			now := time.Now()
			q := must(h.desk.Submit(h.ctx, ann, approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "filler-plc", Port: "modbus"}},
				Rights: policy.Look | policy.Set, Reason: "Alarm F-417", WorkOrder: "WO-1", AreaClear: "mia0", Change: "CH-1", Backup: "of today", Backout: "the old values", Minutes: 60, From: now, To: now.Add(4 * time.Hour)}))
			olaf := h.cookie("olaf")
			if page := h.get(olaf, "/requests/R-1").text; !strings.Contains(page, "Only to look, and") {
				t.Fatalf("no right can be left out:\n%s", page)
			}
			status, text := h.post(olaf, "/requests/R-1/yes", url.Values{"document": {q.Hash.String()}, "parts": {"yes"}, "sure": {"yes"}, "right": row.ticked})
			if status != http.StatusSeeOther {
				t.Fatalf("status %d:\n%s", status, text)
			}
			a, _ := h.actor("olaf")
			q = must(h.desk.Request(h.ctx, a, q.ID))
			if len(q.Answers) != 1 || !slices.Equal(q.Answers[0].Limits.Rights, row.limit) {
				t.Errorf("ticked is %v, and the yes is limited to %+v", row.ticked, q.Answers)
			}
		})
	}
}
