package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker/api"
)

const (
	shownText  = "flow 812" // what the machine showed
	typedText  = "set flow" // what was typed, and echoed
	secretText = "hunter2"  // what was typed at a password prompt
)

// typedSession is S-7 with a shell, in which a command and a password are typed, and a TCP stream.
func (h *pagesHouse) typedSession(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	w, header, keys, err := h.archive.Create(ctx, recording.Header{Session: "S-7", Node: "a", Person: "ann", Firm: "krall", Windows: []string{}, Serial: "1", Source: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	frames := func(ch int, kind string, list ...string) {
		s, err := w.Stream(ch, kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			if err := s.Commit(ctx, recording.Mark(f[0]), []byte(f[1:])); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	frames(0, "shell", "i"+typedText, "o"+typedText, "i\r", "o\r\n"+shownText+"\r\nPassword: ", "i"+secretText+"\r", "o\r\n", "eerr "+shownText)
	frames(1, "direct-tcpip", `q{"allowed":true,"host":"filler-plc","kind":"direct-tcpip","port":502,"rule":"line","source":"127.0.0.1:4000","target":"127.0.0.1:502"}`, "mconnected to 127.0.0.1:502", "i"+secretText, "o"+shownText)
	for _, body := range []audit.Body{audit.SessionStarted{Session: "S-7", Person: "ann", Firm: "krall", Windows: []string{}, Header: header, Keys: keys, Mode: h.archive.Mode()},
		audit.ChannelOpened{Session: "S-7", Kind: "shell", Asset: "filler-plc", Port: "ssh", Account: "viewer", Rights: []string{"look"}, Path: []string{"dmz", "line-1"}},
		audit.ChannelOpened{Session: "S-7", Channel: 1, Kind: "direct-tcpip", Asset: "filler-plc", Port: "ssh", Rights: []string{"look"}, Path: []string{"dmz", "line-1"}}} {
		if _, err := h.log.Append(ctx, audit.Event{Subject: "S-7", Actor: "ann", Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(ctx, "client"); err != nil {
		t.Fatal(err)
	}
}

// TestEveryWayToRead: each path by which a recording can be read, for each kind
// of person, sealed, opened and readable: what comes is what the person may see
// and asked for, and the log says so before.
func TestEveryWayToRead(t *testing.T) {
	t.Parallel()
	readers := func(edit func(name, old, with string)) {
		edit("plant.yaml", "recordings: {read: [ot-security], input: [ot-security]}", "recordings: {read: [ot-security, line-1-owner], input: [ot-security]}")
	}
	t.Run("readable", func(t *testing.T) {
		t.Parallel()
		h := newPagesHouse(t, readers)
		h.typedSession(t)
		h.everyWay(t, true)
	})
	t.Run("sealed", func(t *testing.T) {
		t.Parallel()
		h, id, _ := newSealedHouse(t, readers)
		h.typedSession(t)
		h.everyWay(t, false)
		file, err := h.archive.KeyFile("S-7")
		if err != nil {
			t.Fatal(err)
		}
		r, err := age.Decrypt(bytes.NewReader(file), id)
		if err != nil {
			t.Fatal(err)
		}
		key, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		h.whoOpened(t, key[:32])
	})
}

// way is one path of reading. typing is what it shows of the vendor's keys.
type way struct {
	path   string
	event  string // what review.opened says
	shows  []string
	typing string // "": none; shown: without the password; all
}

var ways = []way{
	{"/playing?channel=0", "play channel 0", []string{shownText}, ""},
	{"/export?form=text&channel=0", "export text", []string{shownText}, ""},
	{"/export?form=asciicast-v2&channel=0", "export asciicast-v2", []string{shownText}, ""},
	{"/export?form=asciicast-v3&channel=0", "export asciicast-v3", []string{shownText}, ""},
	{"/export?form=raw-out&channel=0", "export raw-out", []string{shownText}, ""},
	{"/export?form=raw-err&channel=0", "export raw-err", []string{shownText}, ""},
	{"/export?form=text&channel=0&input=true", "export text+input", []string{"[in] " + typedText, "[in] ••••"}, "shown"},
	{"/export?form=asciicast-v3&channel=0&input=true", "export asciicast-v3+input", []string{`"i", "` + typedText, `"i", "••••`}, "shown"},
	{"/export?form=asciicast-v2&channel=0&input=true", "export asciicast-v2+input", []string{`"i", "••••`}, "shown"},
	{"/export?form=text&channel=0&input=unmasked", "export text+input+unmasked", []string{"[in] " + secretText}, "all"},
	{"/export?form=asciicast-v3&channel=0&input=unmasked", "export asciicast-v3+input+unmasked", []string{secretText}, "all"},
	{"/export?form=raw-in&channel=0", "export raw-in", []string{typedText, secretText}, "all"},
	{"/export?form=raw-in&channel=1", "export raw-in", []string{secretText}, "all"},
	{"/export?form=pcapng&channel=1", "export pcapng", []string{secretText}, "all"},
	{"/export?form=text&channel=1", "export text", nil, ""},
}

// everyWay: sec reads and sees typing, olaf reads, mia does neither, ann is a vendor's.
func (h *pagesHouse) everyWay(t *testing.T, readable bool) {
	t.Helper()
	for _, who := range []struct {
		name          string
		reads, typing bool
	}{{"sec", true, true}, {"olaf", true, false}, {"mia", false, false}, {"ann", false, false}} {
		page := h.signedIn(t, who.name)
		call := h.apiOf(t, who.name)
		for _, w := range ways {
			may := who.reads && (who.typing || w.typing == "")
			h.oneWay(t, who.name+" by page", page.get, w, "/recordings/S-7", may, readable)
			if !strings.HasPrefix(w.path, "/playing") {
				h.oneWay(t, who.name+" by API", call, w, "/api/v1/recordings/S-7", may, readable)
			}
		}
		for _, odd := range []string{"input=yes", "input=unmasked+input"} {
			if s := page.get("/recordings/S-7/export?form=text&channel=0&" + odd); who.reads && s.status != http.StatusBadRequest {
				t.Errorf("%s: %s: %d", who.name, odd, s.status)
			}
		}
		if s := page.get("/recordings/S-7/keys"); (s.status == http.StatusOK) != who.reads {
			t.Errorf("the key file for %s: %d", who.name, s.status)
		}
		if s := page.get("/recordings/S-7"); who.reads && strings.Contains(s.text, "form=raw-in") != (who.typing && readable) {
			t.Errorf("%s is offered what was typed: %v", who.name, !who.typing)
		}
		for _, path := range []string{"/sessions/S-7/watch", "/sessions/S-7/watch/stream?channel=0"} {
			if s := page.get(path); strings.Contains(s.text, secretText) || strings.Contains(s.text, shownText) {
				t.Errorf("%s reads a session that is over by %s", who.name, path)
			}
		}
	}
}

// oneWay holds one answer, and what the log got, to what may be.
func (h *pagesHouse) oneWay(t *testing.T, story string, get func(string) shown, w way, base string, may, open bool) {
	t.Helper()
	before := h.log.Size()
	s := get(base + w.path)
	s.text += played(s.text)
	events := ""
	for leaf, err := range h.log.Upto(t.Context(), before) {
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := leaf.Body.(audit.ReviewOpened); ok {
			events += b.What + " " + b.Form
		}
	}
	switch {
	case !may || !open:
		if s.status != http.StatusForbidden {
			t.Errorf("%s: %s: status %d", story, w.path, s.status)
		}
		for _, text := range []string{shownText, typedText, secretText} {
			if strings.Contains(s.text, text) {
				t.Errorf("%s: %s: shows %q", story, w.path, text)
			}
		}
		if !may && events != "" {
			t.Errorf("%s: %s: event %q of a reading that was refused", story, w.path, events)
		}
	case s.status != http.StatusOK || events != w.event:
		t.Errorf("%s: %s: status %d, event %q, want %q", story, w.path, s.status, events, w.event)
	default:
		for _, text := range w.shows {
			if !strings.Contains(s.text, text) {
				t.Errorf("%s: %s: does not show %q: %q", story, w.path, text, s.text)
			}
		}
		if strings.Contains(s.text, secretText) != (w.typing == "all") {
			t.Errorf("%s: %s: the password is shown: %v", story, w.path, w.typing != "all")
		}
	}
}

// played is what a piece for the player shows; empty for any other answer.
func played(text string) (shown string) {
	var p struct {
		Screen struct{ Draw []byte }
		Shown  []struct{ Out []byte }
	}
	if json.Unmarshal([]byte(text), &p) != nil {
		return ""
	}
	shown = string(p.Screen.Draw)
	for _, s := range p.Shown {
		shown += string(s.Out)
	}
	return shown
}

// apiOf is GET of the API as one person.
func (h *pagesHouse) apiOf(t *testing.T, name string) func(string) shown {
	t.Helper()
	server := httptest.NewServer(h.web)
	t.Cleanup(server.Close)
	post, err := http.Post(server.URL+"/api/v1/sign-in", "application/json", strings.NewReader(fmt.Sprintf(`{"person":%q,"password":%q}`, name, h.people[name].Password)))
	if err != nil {
		t.Fatal(err)
	}
	defer post.Body.Close()
	var token api.Token
	if err := json.NewDecoder(post.Body).Decode(&token); err != nil || token.Token == "" {
		t.Fatalf("sign-in of %s: %d %v", name, post.StatusCode, err)
	}
	return func(path string) shown {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token.Token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return shown{resp.StatusCode, string(b), "", resp.Header}
	}
}

// whoOpened: after olaf has opened it, olaf's sign-in reads what olaf may, and
// nobody else reads anything: not olaf elsewhere, not sec, not the API.
func (h *pagesHouse) whoOpened(t *testing.T, key []byte) {
	t.Helper()
	olaf, elsewhere, sec, mia := h.signedIn(t, "olaf"), h.signedIn(t, "olaf"), h.signedIn(t, "sec"), h.signedIn(t, "mia")
	give := func(b *browserOf, key []byte) int {
		t.Helper()
		resp, err := b.http.Post(h.server.URL+"/recordings/S-7/unseal", "application/octet-stream", bytes.NewReader(key))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	wrong := bytes.Clone(key)
	wrong[0] ^= 1
	for _, row := range []struct {
		story string
		by    *browserOf
		key   []byte
		want  int
	}{{"no role", mia, key, http.StatusForbidden}, {"another key", olaf, wrong, http.StatusForbidden}, {"too short", olaf, key[:31], http.StatusBadRequest},
		{"too long", olaf, append(bytes.Clone(key), 0), http.StatusBadRequest}, {"nothing", olaf, nil, http.StatusBadRequest}, {"the key", olaf, key, http.StatusNoContent}} {
		if got := give(row.by, row.key); got != row.want {
			t.Errorf("%s: %d, want %d", row.story, got, row.want)
		}
	}
	cross := olaf.do(http.MethodPost, "/recordings/S-7/unseal", url.Values{}, "Sec-Fetch-Site", "cross-site")
	cross.want(t, http.StatusForbidden)
	call := h.apiOf(t, "olaf")
	for _, w := range ways {
		h.oneWay(t, "olaf, who opened it", olaf.get, w, "/recordings/S-7", w.typing == "", true)
		h.oneWay(t, "olaf elsewhere", elsewhere.get, w, "/recordings/S-7", w.typing == "", false)
		h.oneWay(t, "sec", sec.get, w, "/recordings/S-7", true, false)
		if !strings.HasPrefix(w.path, "/playing") {
			h.oneWay(t, "olaf by API", call, w, "/api/v1/recordings/S-7", w.typing == "", false)
		}
	}
	if got := give(sec, key); got != http.StatusNoContent {
		t.Errorf("sec: %d", got)
	}
	sec.get("/recordings/S-7/export?form=raw-in&channel=0").want(t, http.StatusOK, secretText)
	sec.post("/sign-out").want(t, http.StatusSeeOther)
	olaf.get("/recordings/S-7/export?form=text&channel=0").want(t, http.StatusOK, shownText)
	olaf.post("/recordings/S-7/seal").want(t, http.StatusSeeOther)
	olaf.get("/recordings/S-7/export?form=text&channel=0").want(t, http.StatusForbidden, "Sealed")
}
