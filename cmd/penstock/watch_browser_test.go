package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/audit/recording"
	"penstock/broker"
)

// hostileOutput is what a machine could show to whoever looks on: another
// title, the clipboard, questions, links, markup, directions, an endless line.
const hostileOutput = "\x1b]0;pwned\x07\x1b]2;pwned\x1b\\\x1b]52;c;cHduZWQ=\x07\x1b]8;;javascript:window.pwned=1\x07a link\x1b]8;;\x07" +
	"\x1b[c\x1b[>c\x1b[6n\x1b[21t\x1bZ\x1bP$qm\x1b\\\x1b_Gf=100;AAAA\x1b\\\x9b6n\u009d0;pwned\u009c" +
	"<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\u202eesrever\u202c\x1b[999999;999999H\x1b[9999999999999b\r\n"

// TestWatchInABrowser watches with real Chromium, on a phone and at a desk.
func TestWatchInABrowser(t *testing.T) {
	t.Parallel()
	h := newPagesHouse(t)
	mia := h.signedIn(t, "mia")
	passwords := map[string]string{}
	for _, name := range []string{"mia", "olaf", "sec"} {
		if h.people[name].Secret == "" {
			h.enrol(t, name)
		}
		passwords[name] = h.people[name].Password
	}
	ann := h.signedIn(t, "ann")
	ann.post("/requests/new", askToLook...).want(t, http.StatusSeeOther)
	mia.post("/requests/R-1/yes", "document", mia.get("/requests/R-1").document(t), "code", h.code(t, "mia")).want(t, http.StatusSeeOther)
	var session *broker.Session
	var shell *broker.Channel
	does := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch text, _ := url.QueryUnescape(r.URL.RawQuery); r.URL.Path {
		case "/in":
			session, shell, _ = h.comesIn(t)
			if d := shell.Ask(r.Context(), "pty-req", map[string]any{"term": "xterm", "cols": 80, "rows": 24}); !d.Allow {
				http.Error(w, d.Say, http.StatusInternalServerError)
			}
			shows(t, shell, "filler> show flow\r\nflow 812 ml/s  sp 800  dev +1.5 %\r\n")
		case "/says":
			shows(t, shell, text+"\r\n")
		case "/grows":
			if err := shell.Mark(r.Context(), recording.Resize, []byte("120x40")); err != nil {
				t.Error(err)
			}
		case "/hostile":
			shows(t, shell, hostileOutput)
			shows(t, shell, strings.Repeat("A", 1<<20))
			shows(t, shell, "\x1b[2J\x1b[Hstill here\r\n")
		case "/files":
			c := h.opens(t, session, "sftp")
			if err := c.Out(r.Context(), recording.Out, make([]byte, 5000)); err != nil {
				t.Error(err)
			}
		}
	}))
	defer does.Close()
	ui, err := filepath.Abs(filepath.Join(house, "broker", "web", "ui"))
	if err != nil {
		t.Fatal(err)
	}
	in, err := json.Marshal(map[string]any{"url": h.server.URL, "does": does.URL, "passwords": passwords, "shots": os.Getenv("PENSTOCK_SHOTS")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(ui, "watch.mjs"))
	cmd.Stdin, cmd.WaitDelay = bytes.NewReader(in), 5*time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("watch.mjs: %v (needs Debian's chromium, node 20, and npm ci in %s)\n%s", err, ui, out)
	}
}
