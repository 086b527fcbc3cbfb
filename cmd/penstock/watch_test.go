package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/api"
	"penstock/policy"
)

// silent is a person's end that hears what it is told.
type silent struct{ told chan string }

func (s silent) Tell(text string) {
	select {
	case s.told <- text:
	default:
	}
}
func (silent) Close(error) {}

// inNow lets ann in by an agreed window W-1, with a shell on the filler, over
// the real gate and the real recorder; there is no SSH and no machine in it.
func (h *pagesHouse) inNow(t *testing.T, mia *browserOf) (*broker.Session, *broker.Channel, silent) {
	t.Helper()
	ann := h.signedIn(t, "ann")
	ann.post("/requests/new", askToLook...).want(t, http.StatusSeeOther)
	mia.post("/requests/R-1/yes", "document", mia.get("/requests/R-1").document(t), "code", h.code(t, "mia")).want(t, http.StatusSeeOther)
	return h.comesIn(t)
}

func (h *pagesHouse) comesIn(t *testing.T) (*broker.Session, *broker.Channel, silent) {
	t.Helper()
	g := silent{make(chan string, 8)}
	s, err := h.broker.Admit(t.Context(), broker.Arrival{Person: "ann", Windows: []policy.WindowID{"W-1"}, Serial: "1", Source: netip.MustParseAddr("127.0.0.1"), Client: "test", Kex: "k"}, g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.End(nil); <-s.Done() })
	return s, h.opens(t, s, "shell"), g
}

func (h *pagesHouse) opens(t *testing.T, s *broker.Session, kind string) *broker.Channel {
	t.Helper()
	c, err := s.Open(t.Context(), policy.Query{Asset: "filler-plc", Port: "ssh", Account: "viewer", Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func shows(t *testing.T, c *broker.Channel, text string) {
	t.Helper()
	if err := c.Out(t.Context(), recording.Out, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// watch opens the page's stream.
func (b *browserOf) watch(ctx context.Context, path string) *http.Response {
	b.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.h.server.URL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// linesOf reads lines until stop says so, or the stream ends.
func linesOf(t *testing.T, r io.Reader, stop func(api.WatchLine) bool) (out []byte, last api.WatchLine) {
	t.Helper()
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var l api.WatchLine
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatalf("%q: %v", in.Text(), err)
		}
		if l.Mark == "i" || bytes.Contains(l.Data, []byte("hunter2")) || strings.Contains(l.Text, "hunter2") {
			t.Errorf("a watcher is shown what was typed: %+v", l)
		}
		if l.Mark == "o" {
			out = append(out, l.Data...)
		}
		if last = l; stop(l) {
			break
		}
	}
	return out, last
}

func toTheEnd(l api.WatchLine) bool { return l.Mark == "end" || l.Mark == "out" }

const liveStream = "/sessions/S-1/watch/stream?channel=0"

// TestWatchFromTheFirstByte: whoever joins early sees what the finished
// recording has, who joins late their screen, and neither a key that was typed; the vendor is told once; pause
// holds while it is watched, cut ends it; each look is two events.
func TestWatchFromTheFirstByte(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	mia := h.signedIn(t, "mia")
	s, c, guest := h.inNow(t, mia)
	early := mia.watch(t.Context(), liveStream)
	if err := c.Mark(t.Context(), recording.Resize, []byte("100x30")); err != nil {
		t.Fatal(err)
	}
	shows(t, c, "login: \r\n")
	if _, err := c.In(t.Context(), []byte("hunter2\r")); err != nil {
		t.Fatal(err)
	}
	shows(t, c, strings.Repeat("flow 812 \x1b[1mml/s\x1b[0m\r\n", 10_000))
	if err := c.Mark(t.Context(), recording.Resize, []byte("100x30")); err != nil { // as large as before; durable with all before it
		t.Fatal(err)
	}
	late := mia.watch(t.Context(), liveStream)
	mia.get("/").want(t, 200, "watched by", "Line 1 shift supervisor", `href="/windows/W-1/watch"`)
	mia.get("/windows/W-1").want(t, 200, `href="/windows/W-1/watch"`)
	if to := mia.get("/windows/W-1/watch").to; to != "/sessions/S-1/watch?channel=0" {
		t.Errorf("the window's watch leads to %q", to)
	}
	page := mia.get("/sessions/S-1/watch?channel=0")
	page.want(t, 200, "ann of Krall", "FIL-1-PLC-01", "May look", "the machine stops the rest", "Ends in", "Pause", "Cut", liveStream)
	if p := page.header.Get("Content-Security-Policy"); !strings.Contains(p, "'wasm-unsafe-eval'") || strings.Contains(p, "unsafe-inline") {
		t.Errorf("policy %q", p)
	}
	mia.get("/sessions/S-1/watch?channel=0&as=text").want(t, 200, "flow 812 ml/s", "Look again")
	if told := <-guest.told; told != "Mia, Line 1 shift supervisor, watches you." {
		t.Errorf("the vendor reads %q", told)
	}
	if s := mia.post("/windows/W-1/pause", "back", "/sessions/S-1/watch?channel=0"); s.to != "/sessions/S-1/watch?channel=0" {
		t.Errorf("pause leads to %q", s.to)
	}
	if s := mia.post("/windows/W-1/go-on", "back", "https://evil.example/", "code", h.code(t, "mia")); s.to != "/windows/W-1" {
		t.Errorf("go-on leads to %q", s.to)
	}
	shows(t, c, "the last line\r\n")
	mia.post("/windows/W-1/cut", "back", "/sessions/S-1/watch?channel=0").want(t, http.StatusSeeOther)
	<-s.Done()
	rd, err := h.archive.Open("S-1")
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	var want bytes.Buffer
	if err := recording.ExportRaw(&want, rd, 0, recording.Out); err != nil {
		t.Fatal(err)
	}
	got, last := linesOf(t, early.Body, toTheEnd)
	if !bytes.Equal(got, want.Bytes()) || last.Mark != "end" || last.Text != "It has ended." {
		t.Errorf("early: %d bytes, the recording has %d; %+v", len(got), want.Len(), last)
	}
	// Whoever joins late is sent the screen, and not all that ever made it.
	told := ""
	got, last = linesOf(t, late.Body, func(l api.WatchLine) bool {
		if l.Mark == "s" {
			told = l.Text
		}
		return toTheEnd(l)
	})
	if told != "What came before is in the recording." || len(got) > 16<<10 || last.Mark != "end" {
		t.Errorf("late: %d bytes, told %q; %+v", len(got), told, last)
	}
	if now, then := onScreen(got), onScreen(want.Bytes()); !slices.Equal(now, then) || !slices.Contains(now, "the last line") {
		t.Errorf("late sees %q, and they saw %q", now, then)
	}
	mia.get("/sessions/S-1/watch?channel=0").want(t, 200, "S-1 is over")
	mia.get(liveStream).want(t, http.StatusForbidden, "is over")
	if len(guest.told) > 0 {
		for len(guest.told) > 0 {
			if told := <-guest.told; strings.Contains(told, "watches") {
				t.Errorf("told again: %q", told)
			}
		}
	}
	opened, closed := 0, 0
	for leaf, err := range h.log.Upto(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		switch b := leaf.Body.(type) {
		case audit.ReviewOpened:
			if b == (audit.ReviewOpened{Session: "S-1", Person: "mia", What: "watch", Form: "channel 0"}) {
				opened++
			}
		case audit.ReviewClosed:
			closed++
		}
	}
	if opened != 3 || closed != 3 {
		t.Errorf("%d looks began, %d ended; want 3", opened, closed)
	}
}

func onScreen(output []byte) []string {
	s := recording.NewScreen(nil)
	s.Resize(100, 30)
	s.Pty = true
	s.Write(output)
	return s.Lines()
}

// TestWatchWhoMay: the shift of the zone, its owner and OT security; no other
// shift, no vendor, nobody who has signed out or lost the role meanwhile.
func TestWatchWhoMay(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t, func(edit func(name, old, with string)) {
		edit("bootstrap.yaml", "{name: Sam, firm: fjord, roles: [ot-security]", "{name: Sam, firm: fjord, roles: [it-network]")
	})
	mia := h.signedIn(t, "mia")
	_, c, _ := h.inNow(t, mia)
	shows(t, c, "flow 812\r\n")
	h.browser(t).get(liveStream).want(t, http.StatusSeeOther)
	ann := h.signedIn(t, "ann")
	for _, path := range []string{liveStream, "/sessions/S-1/watch?channel=0", "/sessions/S-1/watch?channel=0&as=text", "/windows/W-1/watch"} {
		ann.get(path).want(t, http.StatusForbidden, "Only people of the plant")
	}
	sam := h.signedIn(t, "sam")                                                                                                                 // of the plant, and neither shift nor owner there (elsewhere: CVE-2026-63330)
	for _, path := range []string{"/sessions/S-1/watch?channel=0", "/sessions/S-1/watch?channel=0&as=text", "/windows/W-1/watch", liveStream} { // which would not end
		if s := sam.get(path); s.status != http.StatusForbidden || strings.Contains(s.text, "flow 812") {
			t.Fatalf("it-network: %s: %d %.200s", path, s.status, s.text)
		}
	}
	for path, status := range map[string]int{
		"/sessions/S-1/watch/stream?channel=-1": 400, "/sessions/S-1/watch/stream?channel=x": 400,
		"/sessions/S-1/watch/stream?channel=1": 403, "/sessions/S-9/watch/stream?channel=0": 403, "/sessions/S-9/watch?channel=0": 403,
		"/sessions/..%2f..%2fkeys/watch/stream?channel=0": 403, "/windows/W-9/watch": 403,
	} {
		if s := mia.get(path); s.status != status {
			t.Errorf("%s: %d, want %d", path, s.status, status)
		}
	}
	first := func(l api.WatchLine) bool { return l.Mark == "o" }
	for _, name := range []string{"olaf", "sec"} {
		r := h.signedIn(t, name).watch(t.Context(), liveStream)
		if got, _ := linesOf(t, r.Body, first); string(got) != "flow 812\r\n" {
			t.Errorf("%s sees %q", name, got)
		}
	}
	olaf := h.signedIn(t, "olaf").watch(t.Context(), liveStream)
	h.signedIn(t, "sec").post("/people/olaf/disable").want(t, http.StatusSeeOther)
	if _, last := linesOf(t, olaf.Body, toTheEnd); last.Mark != "out" {
		t.Errorf("after being disabled: %+v", last)
	}
	h.enrol(t, "jan")
	h.tokenWatches(t)
	stays := mia.watch(t.Context(), liveStream)
	mia.post("/sign-out").want(t, http.StatusSeeOther)
	if _, last := linesOf(t, stays.Body, toTheEnd); last.Mark != "out" || last.Text != "You are signed out." {
		t.Errorf("after the sign-out: %+v", last)
	}
}

// tokenWatches: the API's token watches until it is signed out.
func (h *pagesHouse) tokenWatches(t *testing.T) {
	t.Helper()
	srv := httptest.NewServer(h.web)
	t.Cleanup(srv.Close)
	token := (&liveHouse{h.plantHouse, srv.URL, h.people}).signIn(t, "jan", false)
	call := func(method, path, token string) *http.Response {
		req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/api/v1"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	for _, bad := range []string{"", "x.y.z"} {
		if r := call(http.MethodGet, "/sessions/S-1/watch?channel=0", bad); r.StatusCode != http.StatusUnauthorized {
			t.Errorf("with the token %q: %d", bad, r.StatusCode)
		}
	}
	sam := (&liveHouse{h.plantHouse, srv.URL, h.people}).signIn(t, "sam", false)
	if r := call(http.MethodGet, "/sessions/S-1/watch?channel=0", sam); r.StatusCode != http.StatusForbidden {
		t.Errorf("with the token of it-network: %d", r.StatusCode)
	}
	r := call(http.MethodGet, "/sessions/S-1/watch?channel=0", token)
	if kind := r.Header.Get("Content-Type"); r.StatusCode != http.StatusOK || kind != "application/x-ndjson" {
		t.Fatalf("%d %s", r.StatusCode, kind)
	}
	call(http.MethodPost, "/sign-out", token)
	if _, last := linesOf(t, r.Body, toTheEnd); last.Text != "You are signed out." {
		t.Errorf("after the token's sign-out: %+v", last)
	}
}
