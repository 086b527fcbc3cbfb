package demo

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

type testPanel struct {
	*panel
	t   *testing.T
	srv *httptest.Server
}

func newTestPanel(t *testing.T, ask func(context.Context) (string, error)) *testPanel {
	t.Helper()
	p := &panel{line: newLine(values{}, nil), pages: "https://127.0.0.1:8443", ask: ask, told: func(string) {}}
	srv := httptest.NewServer(p.handler())
	t.Cleanup(srv.Close)
	return &testPanel{p, t, srv}
}

func (p *testPanel) do(method, path string, change func(*http.Request)) (int, string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.srv.URL+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	answer, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestPanelStory(t *testing.T) {
	asked := 0
	p := newTestPanel(t, func(context.Context) (string, error) { asked++; return "R-7", nil })
	if code, text := p.do("GET", "/", nil); code != 200 || !strings.Contains(text, "Running") || !strings.Contains(text, "no part of Penstock") {
		t.Errorf("%d %s", code, text)
	}
	browser := func(r *http.Request) { r.Header.Set("Accept", "text/html") }
	if code, _ := p.do("POST", "/fault", browser); code != http.StatusSeeOther {
		t.Errorf("the button answers a browser with %d", code)
	}
	if code, text := p.do("GET", "/", nil); code != 200 || !strings.Contains(text, "ALARM F-417") || !strings.Contains(text, "asked to come in: R-7") {
		t.Errorf("%d %s", code, text)
	}
	if code, _ := p.do("POST", "/fault", nil); code != http.StatusConflict || asked != 1 {
		t.Errorf("pressed twice: %d, Ann asked %d times", code, asked)
	}
	if code, _ := p.do("POST", "/start", nil); code != http.StatusConflict || p.line.now().Running {
		t.Errorf("it starts while the alarm stands: %d", code)
	}
	if err := p.line.set("fill-volume", 800, "test"); err != nil {
		t.Fatal(err)
	}
	code, text := p.do("POST", "/start", nil)
	var s panelState
	if err := json.Unmarshal([]byte(text), &s); code != 200 || err != nil || !s.Running || s.Flow == 0 {
		t.Errorf("%d %s", code, text)
	}
}

func TestPanelSaysWhenAnnCannotAsk(t *testing.T) {
	p := newTestPanel(t, func(context.Context) (string, error) { return "", errors.New("no route") })
	if code, text := p.do("POST", "/fault", nil); code != 200 || !strings.Contains(text, "Ann could not ask") || strings.Contains(text, "R-") {
		t.Errorf("%d %s", code, text)
	}
}

// TestPanelIsForThisComputer: other sites' pages and names do not reach it.
func TestPanelIsForThisComputer(t *testing.T) {
	p := newTestPanel(t, func(context.Context) (string, error) { return "R-1", nil })
	for name, change := range map[string]func(*http.Request){
		"a cross-site post":     func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"another origin":        func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"a name that was moved": func(r *http.Request) { r.Host = "evil.example:8480" },
		"an address of the net": func(r *http.Request) { r.Host = "192.0.2.1" },
	} {
		if code, _ := p.do("POST", "/fault", change); code != http.StatusForbidden || !p.line.now().Running {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code, _ := p.do("GET", "/fault", nil); code != http.StatusMethodNotAllowed || !p.line.now().Running {
		t.Errorf("a link stops the line: %d", code)
	}
}

// TestPanelTokens: the panel's colours are those of Penstock's pages.
func TestPanelTokens(t *testing.T) {
	token := regexp.MustCompile(`--[a-z-]+: #[0-9a-f]{6};`)
	read := func(path ...string) []string {
		text, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return token.FindAllString(string(text), -1)
	}
	theirs := strings.Join(read("..", "..", "..", "broker", "web", "static", "style.css"), " ")
	ours := read("panel", "panel.css")
	if len(ours) < 20 {
		t.Fatalf("%d tokens", len(ours))
	}
	for _, one := range ours {
		if !strings.Contains(theirs, one) {
			t.Errorf("%s is not in style.css", one)
		}
	}
}
