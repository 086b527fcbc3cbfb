package web

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
)

// recorded is a session of ann's on the filler that has ended; mia0 watched it.
func (h *house) recorded(id string, windows ...string) {
	h.t.Helper()
	tell := func(b audit.Body) { must(h.log.Append(h.ctx, audit.Event{Subject: id, Actor: "ann", Body: b})) }
	w, header, keys, err := h.archive.Create(h.ctx, recording.Header{Session: id, Person: "ann", Firm: "krall", Started: time.Now()})
	if err != nil {
		h.t.Fatal(err)
	}
	tell(audit.SessionStarted{Session: id, Person: "ann", Firm: "krall", Windows: windows, Mode: "readable", Header: header, Keys: keys})
	s := must(w.Stream(0, "shell"))
	tell(audit.ChannelOpened{Session: id, Kind: "shell", Asset: "filler-plc", Port: "ssh", Account: "viewer", Rights: []string{"look"}})
	if err := s.Commit(h.ctx, recording.Out, []byte("flow 812\x1b]0;<script>pwned</script>\a\r\n")); err != nil {
		h.t.Fatal(err)
	}
	tell(audit.ReviewOpened{Session: id, Person: "mia0", What: "watch", Form: "channel 0"})
	tell(audit.SessionEnded{Session: id, Cause: "client", Close: must(w.Close(h.ctx, "client"))})
}

// do is one call of a page by somebody; the body and where it leads.
func (h *house) do(c *http.Cookie, method, path string, form url.Values) (status int, body, to string) {
	h.t.Helper()
	req := must(http.NewRequestWithContext(h.ctx, method, h.server.URL+path, strings.NewReader(form.Encode())))
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.AddCookie(c)
	client := *h.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp := must(client.Do(req))
	defer resp.Body.Close()
	b := must(io.ReadAll(resp.Body))
	return resp.StatusCode, string(b), resp.Header.Get("Location")
}

func TestAReviewOnPages(t *testing.T) {
	h := newHouse(t, 1)
	h.recorded("S-1")
	lena, mia := h.cookie("lena"), h.cookie("mia0")
	if _, body, _ := h.do(lena, "GET", "/reviews", nil); !strings.Contains(body, "S-1") || !strings.Contains(body, "a first visit (always)") {
		t.Errorf("what waits: %s", body)
	}
	_, body, _ := h.do(lena, "GET", "/recordings/S-1", nil)
	if !strings.Contains(body, `id="verdict"`) || !strings.Contains(body, "Why: a first visit (always).") || !strings.Contains(body, "1 channel.") {
		t.Errorf("lena's page: %s", body)
	}
	if _, body, _ := h.do(mia, "GET", "/recordings/S-1", nil); strings.Contains(body, `id="verdict"`) || !strings.Contains(body, "You watched S-1 while it ran, so somebody else must review it.") {
		t.Errorf("mia's page: %s", body)
	}
	rows := []struct {
		story, path string
		who         *http.Cookie
		form        url.Values
		status      int
		says        string
	}{
		{"who watched", "/recordings/S-1/verdict", mia, url.Values{"verdict": {"in-order"}, "seen": {"0"}}, 403, "somebody else must review it"},
		{"a page without its number", "/recordings/S-1/verdict", lena, url.Values{"verdict": {"in-order"}}, 400, "does not say"},
		{"a question to a vendor", "/recordings/S-1/verdict", lena, url.Values{"verdict": {"question"}, "to": {"ann"}, "text": {"Why?"}, "seen": {"0"}}, 403, "somebody else of the plant"},
		{"a finding", "/recordings/S-1/verdict", lena, url.Values{"verdict": {"finding"}, "text": {"<script>window.pwned=1</script>"}, "seen": {"0"}}, 303, ""},
		{"the second tap", "/recordings/S-1/verdict", lena, url.Values{"verdict": {"finding"}, "text": {"again"}, "seen": {"0"}}, 403, "Your finding stands already."},
		{"a note with an escape sequence", "/recordings/S-1/notes", lena, url.Values{"channel": {"0"}, "second": {"1.5"}, "text": {"\x1b[2J"}}, 403, "cannot be seen"},
		{"a note nowhere", "/recordings/S-1/notes", lena, url.Values{"channel": {"0"}, "second": {"NaN"}, "text": {"x"}}, 400, "which moment"},
		{"a note", "/recordings/S-1/notes", lena, url.Values{"channel": {"0"}, "second": {"1.5"}, "text": {"<b>here</b>"}}, 303, ""},
		{"a hold by the shift", "/holds", mia, url.Values{"what": {"session/S-1"}, "why": {"x"}}, 403, "Only OT security"},
		{"a hold on nothing", "/holds", lena, url.Values{"what": {"moon/1"}, "why": {"x"}}, 403, "names one thing"},
		{"a hold", "/holds", lena, url.Values{"what": {"session/S-1"}, "why": {"Dispute"}}, 303, ""},
		{"deletion of what is held", "/recordings/S-1/delete", lena, url.Values{"why": {"private"}}, 403, "hold H-1"},
		{"expiry by the shift", "/reviews/expiry", mia, url.Values{"seen": {"0"}}, 403, "Only OT security"},
		{"lifted by the shift", "/holds/H-1/lift", mia, url.Values{"why": {"x"}}, 403, "Only OT security"},
		{"settled by who watched", "/recordings/S-1/threads/1", mia, url.Values{"text": {"fine"}, "settle": {"yes"}, "seen": {"0"}}, 403, "somebody else must review it"},
		{"settled", "/recordings/S-1/threads/1", lena, url.Values{"text": {"fine"}, "settle": {"yes"}, "seen": {"0"}}, 303, ""},
		{"lifted", "/holds/H-1/lift", lena, url.Values{"why": {"over"}}, 303, ""},
	}
	for _, row := range rows {
		status, body, _ := h.do(row.who, "POST", row.path, row.form)
		if status != row.status || !strings.Contains(body, row.says) {
			t.Errorf("%s: %d %s", row.story, status, body)
		}
	}
	_, body, _ = h.do(lena, "GET", "/recordings/S-1", nil)
	if strings.Contains(body, "<script>window") || strings.Contains(body, "<b>here") || !strings.Contains(body, "&lt;script&gt;window.pwned=1&lt;/script&gt;") {
		t.Errorf("hostile text: %s", body)
	}
	if _, body, _ := h.do(lena, "GET", "/reviews", nil); strings.Contains(body, "/recordings/S-1") {
		t.Errorf("S-1 waits still: %s", body)
	}
}

// TestAVerdictWantsACode: from a session without a fresh code nothing is signed.
func TestAVerdictWantsACode(t *testing.T) {
	h := newHouse(t, 0)
	h.recorded("S-1")
	a, proof := h.actor("lena")
	a.Step = 0
	_, token, err := h.pages.sessions.begin(a, byPassword(proof))
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Cookie{Name: cookieName, Value: token}
	for path, form := range map[string]url.Values{"/recordings/S-1/verdict": {"verdict": {"in-order"}, "seen": {"0"}}, "/holds/H-1/lift": {"why": {"x"}},
		"/reviews/expiry": {"seen": {"1"}}, "/recordings/S-1/delete": {"why": {"x"}}} {
		if status, body, _ := h.do(c, "POST", path, form); status != 200 || !strings.Contains(body, "Code") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if s, _, err := h.pages.Book.Session(h.ctx, reader(a, "", ""), "S-1"); err != nil || len(s.Verdicts) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestEveryReadingIsAnEvent: by page, who and what, before the first byte.
func TestEveryReadingIsAnEvent(t *testing.T) {
	h := newHouse(t, 1)
	h.recorded("S-1")
	lena := h.cookie("lena")
	rows := []struct{ path, session, what, form string }{
		{"/recordings", "", "list", ""},
		{"/recordings/S-1", "S-1", "list", ""},
		{"/recordings/S-1/playing?channel=0", "S-1", "play", "channel 0"},
		{"/recordings/S-1/export?channel=0&form=text", "S-1", "export", "text"},
		{"/recordings/S-1/export?channel=0&form=raw-out", "S-1", "export", "raw-out"},
		{"/recordings/S-1/export?channel=0&form=asciicast-v2", "S-1", "export", "asciicast-v2"},
		{"/recordings/S-1/proof", "S-1", "verify", ""},
		{"/reviews", "", "list", "waits for review"},
		{"/reviews/expiry", "", "list", "expiry"},
	}
	readings := func(from audit.Index) (all []audit.ReviewOpened) {
		for leaf, err := range h.log.Upto(h.ctx, from) {
			if err != nil {
				t.Fatal(err)
			}
			if b, ok := leaf.Body.(audit.ReviewOpened); ok {
				all = append(all, b)
			}
		}
		return all
	}
	for _, row := range rows {
		from := h.log.Size()
		if status, body, _ := h.do(lena, "GET", row.path, nil); status != 200 {
			t.Errorf("%s: %d %s", row.path, status, body)
		}
		want := audit.ReviewOpened{Session: row.session, Person: "lena", What: row.what, Form: row.form}
		if got := readings(from); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v", row.path, got)
		}
	}
	from := h.log.Size()
	for range 5 {
		h.do(lena, "GET", "/recordings", nil)
	}
	if got := readings(from); len(got) != 0 {
		t.Errorf("the same list again within ten minutes: %+v", got)
	}
	h.do(h.cookie("olaf"), "GET", "/recordings", nil)
	if got := readings(from); len(got) != 1 || got[0].Person != "olaf" {
		t.Errorf("somebody else: %+v", got)
	}
}

// TestAFloodHidesNothingFromAReviewer: a vendor opens hundreds of empty channels,
// so that what comes after them does not stand on the reviewer's page.
func TestAFloodHidesNothingFromAReviewer(t *testing.T) {
	h := newHouse(t, 1)
	var all sync.WaitGroup
	tell := func(b audit.Body) { _, _ = h.log.Append(h.ctx, audit.Event{Subject: "S-1", Actor: "ann", Body: b}) }
	w, header, keys, err := h.archive.Create(h.ctx, recording.Header{Session: "S-1", Person: "ann", Firm: "krall", Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	tell(audit.SessionStarted{Session: "S-1", Person: "ann", Firm: "krall", Mode: "readable", Header: header, Keys: keys})
	const flood = maxEvents + 10
	for ch := range flood {
		all.Go(func() {
			tell(audit.ChannelOpened{Session: "S-1", Channel: ch, Kind: "exec", Asset: "filler-plc", Port: "ssh"})
		})
	}
	all.Wait()
	tell(audit.ChannelOpened{Session: "S-1", Channel: flood, Kind: "shell", Asset: "filler-plc", Port: "ssh"})
	s := must(w.Stream(flood, "shell"))
	if err := s.Commit(h.ctx, recording.Out, []byte("the deed")); err != nil {
		t.Fatal(err)
	}
	tell(audit.FileTransferred{Session: "S-1", Channel: flood, Asset: "filler-plc", By: "sftp", Direction: "in", Path: "evil.bin", Bytes: 1})
	tell(audit.ChannelRefused{Session: "S-1", Kind: "shell", Rule: "r", Why: "w"})
	tell(audit.SessionEnded{Session: "S-1", Cause: "client", Close: must(w.Close(h.ctx, "client"))})
	lena := h.cookie("lena")
	_, body, _ := h.do(lena, "GET", "/recordings/S-1", nil)
	for _, says := range []string{fmt.Sprintf("%d channels, 1 file in, 1 refused", flood+1), fmt.Sprintf("%d more channels are not listed", flood+1-maxChannels), "more events are not listed", "(client)"} {
		if !strings.Contains(body, says) {
			t.Errorf("the page does not say %q", says)
		}
	}
	if status, body, _ := h.do(lena, "GET", fmt.Sprintf("/recordings/S-1/play?channel=%d", flood), nil); status != 200 || !strings.Contains(body, "evil.bin") {
		t.Errorf("the last channel: %d", status)
	}
}
