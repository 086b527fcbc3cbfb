package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"testing"

	"penstock/audit"
	"penstock/audit/recording"
)

// recordedLong is S-1 with a terminal on which size bytes of numbered lines pass.
func (h *house) recordedLong(size int) (output []byte) {
	h.t.Helper()
	tell := func(b audit.Body) { must(h.log.Append(h.ctx, audit.Event{Subject: "S-1", Actor: "ann", Body: b})) }
	w, header, keys, err := h.archive.Create(h.ctx, recording.Header{Session: "S-1", Person: "ann", Firm: "krall"})
	if err != nil {
		h.t.Fatal(err)
	}
	tell(audit.SessionStarted{Session: "S-1", Person: "ann", Firm: "krall", Mode: "readable", Header: header, Keys: keys})
	s := must(w.Stream(0, "shell"))
	tell(audit.ChannelOpened{Session: "S-1", Kind: "shell", Asset: "filler-plc", Account: "viewer", Rights: []string{"look"}})
	put := func(m recording.Mark, p []byte) {
		if err := s.Commit(h.ctx, m, p); err != nil {
			h.t.Fatal(err)
		}
	}
	put(recording.Request, []byte(`{"allowed":true,"cols":90,"kind":"pty-req","rows":30,"term":"xterm"}`))
	put(recording.In, []byte("hunter2\r"))
	for n := 0; len(output) < size; {
		begun := len(output)
		for len(output)-begun < 40_000 {
			output = fmt.Appendf(output, "\x1b[3%dmline %08d\x1b[m press 4 is at 81.3 C, valve open\r\n", n%8, n)
			n++
		}
		put(recording.Out, output[begun:])
	}
	if err := s.Close(h.ctx); err != nil {
		h.t.Fatal(err)
	}
	tell(audit.SessionEnded{Session: "S-1", Cause: "client", Close: must(w.Close(h.ctx, "client"))})
	return output
}

// piece asks for one, and gives it with its size.
func (h *house) piece(c *http.Cookie, path string) (p piece, size int) {
	h.t.Helper()
	status, body, _ := h.do(c, "GET", path, nil)
	if status != http.StatusOK {
		h.t.Fatalf("%s: %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		h.t.Fatal(err)
	}
	return p, len(body)
}

// TestPlayingInPieces: a playing is one event, whatever is asked for of it; each
// piece is bounded, together they are what was shown; and who asks is judged each time.
func TestPlayingInPieces(t *testing.T) {
	h := newHouse(t, 1)
	output := h.recordedLong(3 << 20)
	lena := h.cookie("lena")
	from := h.log.Size()
	first, _ := h.piece(lena, "/recordings/S-1/playing?channel=0&t=0")
	if first.Playing == "" || first.Long <= 0 || first.Screen == nil || first.Screen.Cols != 90 || !first.Screen.Pty || !first.Screen.Whole {
		t.Fatalf("%+v", first)
	}
	on := "/recordings/S-1/playing/" + first.Playing
	var got []byte
	for p, n := first, 0; ; n++ {
		for i, s := range p.Shown {
			got = append(got, s.Out...)
			if i > 0 && s.At < p.Shown[i-1].At || s.At > first.Long {
				t.Fatalf("time runs backwards, or on: %v", s.At)
			}
		}
		if p.End {
			break
		}
		var size int
		if p, size = h.piece(lena, fmt.Sprintf("%s?next=%d", on, p.Next)); size > 2*(pieceOutput+64<<10) || p.Screen != nil || p.Playing != "" || n > 100 {
			t.Fatalf("piece %d of %d bytes", n, size)
		}
	}
	if !bytes.HasSuffix(output, got) || len(got) < 3<<20-100_000 {
		t.Errorf("%d bytes of %d were shown", len(got), len(output))
	}
	middle, _ := h.piece(lena, fmt.Sprintf("%s?t=%f", on, first.Long/2))
	s := recording.NewScreen(nil)
	s.Resize(middle.Screen.Cols, middle.Screen.Rows)
	s.Pty = true
	s.Write(middle.Screen.Draw)
	lines := s.Lines()
	var last int
	if _, err := fmt.Sscanf(lines[len(lines)-1], "line %d ", &last); err != nil || !bytes.Contains(middle.Shown[0].Out[:40], fmt.Appendf(nil, "line %08d", last+1)) || middle.Shown[0].At <= middle.Screen.At {
		t.Errorf("behind %q comes %q: %v", lines, middle.Shown[0].Out[:40], err)
	}
	var readings int
	for leaf, err := range h.log.Upto(h.ctx, from) {
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := leaf.Body.(audit.ReviewOpened); ok {
			if readings++; b != (audit.ReviewOpened{Session: "S-1", Person: "lena", What: "play", Form: "channel 0"}) {
				t.Errorf("%+v", b)
			}
		}
	}
	if readings != 1 {
		t.Errorf("%d events for one playing", readings)
	}
	for who, row := range map[string]struct {
		cookie *http.Cookie
		path   string
		status int
	}{
		"another sign-in":      {h.cookie("lena"), on + "?t=1", http.StatusGone},
		"another person":       {h.cookie("olaf"), on + "?t=1", http.StatusGone},
		"a vendor":             {h.cookie("ann"), on + "?t=1", http.StatusForbidden},
		"a guess":              {lena, "/recordings/S-1/playing/AAAA?t=1", http.StatusGone},
		"another recording":    {lena, "/recordings/S-2/playing/" + first.Playing + "?t=1", http.StatusGone},
		"no number":            {lena, on + "?next=-1", http.StatusBadRequest},
		"no such channel":      {lena, "/recordings/S-1/playing?channel=4", http.StatusNotFound},
		"no channel":           {lena, "/recordings/S-1/playing?channel=", http.StatusBadRequest},
		"behind the end":       {lena, on + "?next=99999999", http.StatusOK},
		"long after it":        {lena, on + "?t=9999999", http.StatusOK},
		"not even a moment":    {lena, on + "?t=NaN", http.StatusOK},
		"nothing asked for":    {lena, on, http.StatusOK},
		"as it was, once more": {lena, on + "?t=0", http.StatusOK},
	} {
		if status, body, _ := h.do(row.cookie, "GET", row.path, nil); status != row.status || status != 200 && bytes.Contains([]byte(body), []byte("line 0")) {
			t.Errorf("%s: %d, want %d: %.200s", who, status, row.status, body)
		}
	}
}

// TestThePlayerInABrowser seeks, plays and skips in a recording that is far
// larger than what the page may hold of it.
func TestThePlayerInABrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1)
	h.recordedLong(16 << 20)
	c := h.cookie("lena")
	runBrowser(t, "play.mjs", map[string]any{"url": h.server.URL, "cookie": map[string]string{"name": c.Name, "value": c.Value}, "shots": os.Getenv("PENSTOCK_SHOTS")})
}
