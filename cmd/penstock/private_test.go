package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

func TestSettingsOfTheProcess(t *testing.T) {
	for _, tc := range []struct {
		story, lines, wrong string // wrong: what the error must say; "": none
		check               func(f serverFile) bool
	}{
		{"nothing said: nothing listens", "", "",
			func(f serverFile) bool {
				return f.Private == "" && f.Drain == 10*time.Second && f.LogLevel == slog.LevelInfo
			}},
		{"loopback", "private: {listen: 127.0.0.1:9464}", "", func(f serverFile) bool { return f.Private == "127.0.0.1:9464" }},
		{"loopback of IPv6", "private: {listen: \"[::1]:9464\"}", "", func(f serverFile) bool { return f.Private == "[::1]:9464" }},
		{"a unix socket beside the file", "private: {listen: run/private.sock}", "",
			func(f serverFile) bool {
				return filepath.IsAbs(f.Private) && strings.HasSuffix(f.Private, "/run/private.sock")
			}},
		{"all addresses", "private: {listen: \":9464\"}", "can be reached from other machines", nil},
		{"all addresses of IPv4", "private: {listen: 0.0.0.0:9464}", "can be reached from other machines", nil},
		{"an address of the plant", "private: {listen: 192.0.2.10:9464}", "can be reached from other machines", nil},
		{"a name", "private: {listen: localhost:9464}", "is a name, and what it stands for may change", nil},
		{"no port", "private: {listen: 127.0.0.1}", "is no address", nil},
		{"port 0", "private: {listen: 127.0.0.1:0}", "is no address", nil},
		{"a port above all", "private: {listen: 127.0.0.1:70000}", "is no address", nil},
		{"an unknown key", "private: {listen: 127.0.0.1:9464, tls: true}", "tls", nil},
		{"the socket of the verbs", "socket: x/p.sock\nprivate: {listen: x/p.sock}", "one file", nil},
		{"debug", "log: debug", "", func(f serverFile) bool { return f.LogLevel == slog.LevelDebug }},
		{"another level", "log: trace", "info", nil},
		{"a longer drain", "drain: 2m", "", func(f serverFile) bool { return f.Drain == 2*time.Minute }},
		{"no drain", "drain: 0s", "", func(f serverFile) bool { return f.Drain == 0 }},
		{"an endless drain", "drain: 11m", "drain", nil},
		{"a drain without a unit", "drain: 10", "no length of time", nil},
		{"all problems at once", "log: trace\ndrain: 11m\nprivate: {listen: \":1\"}", "other machines", nil},
	} {
		t.Run(tc.story, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "penstock.yaml")
			text := "name: broker.example\ndata: data\nplant: plant.yaml\n" + tc.lines + "\n"
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := readServerFile(path)
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) || !strings.Contains(err.Error(), "penstock.yaml:") {
					t.Fatalf("error %v, want one with a place and %q", err, tc.wrong)
				}
				if tc.story == "all problems at once" && (!strings.Contains(err.Error(), "trace") || !strings.Contains(err.Error(), "11m")) {
					t.Errorf("not all at once: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !tc.check(f) {
				t.Errorf("read as %+v", f)
			}
		})
	}
}

func TestThePrivateListenerAnswersNothingElse(t *testing.T) {
	var alive, ready error
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "m 1\n") })
	h := private(metrics, func() error { return alive }, func() error { return ready })
	ask := func(method, path, host string) (int, string) {
		r := httptest.NewRequest(method, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	const here = "127.0.0.1:9464"
	alive = errors.Join(errors.New("recordings: the disk refused to sync"))
	ready = &policy.Refusal{Rule: "draining", Say: "The broker is stopping.", Why: "not for everybody"}
	for _, tc := range []struct {
		method, path, host string
		code               int
		text               string
	}{
		{"GET", "/metrics", here, 200, "m 1"},
		{"GET", "/metrics", "localhost:9464", 200, "m 1"},
		{"GET", "/metrics", "[::1]:9464", 200, "m 1"},
		{"GET", "/metrics", "rebound.example:9464", 403, "127.0.0.1"},
		{"POST", "/metrics", here, 405, ""},
		{"GET", "/healthz", here, 503, "recordings: the disk refused to sync"},
		{"GET", "/readyz", here, 503, "The broker is stopping. (draining)"},
		{"GET", "/debug/pprof/", here, 200, "goroutine"},
		{"GET", "/debug/pprof/goroutine?debug=1", here, 200, "TestThePrivateListener"},
		{"GET", "/", here, 404, ""},
		{"GET", "/api/v1/people", here, 404, ""},
		{"GET", "/debug/vars", here, 404, ""},
	} {
		code, text := ask(tc.method, tc.path, tc.host)
		if code != tc.code || !strings.Contains(text, tc.text) {
			t.Errorf("%s %s at %s: %d %q, want %d with %q", tc.method, tc.path, tc.host, code, text, tc.code, tc.text)
		}
		if strings.Contains(text, "not for everybody") {
			t.Errorf("%s shows what is for the log alone: %q", tc.path, text)
		}
	}
	alive, ready = nil, nil
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, text := ask("GET", path, here); code != 200 {
			t.Errorf("%s when all is well: %d %q", path, code, text)
		}
	}
}

func TestHealthNamesThePartThatFailed(t *testing.T) {
	h := newHealth()
	h.runs("desk")
	h.runs("clock")
	if err := h.err(); err != nil {
		t.Errorf("all run, and it says %v", err)
	}
	h.fails("desk", errors.New("the journal is broken"))
	h.fails("clock", nil)
	if got := h.err().Error(); got != "clock: it ended\ndesk: the journal is broken" {
		t.Errorf("said %q", got)
	}
	if r := h.running(); r["desk"] || len(r) != 2 {
		t.Errorf("parts %v", r)
	}
}

func TestServePrivateEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "private.sock")
	l, err := listenPrivate(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the socket is %v (%v), want 0600", info.Mode(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- servePrivate(ctx, l, private(http.NotFoundHandler(), func() error { return nil }, func() error { return nil }), slog.New(slog.DiscardHandler))
	}()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}}
	resp, err := client.Get("http://localhost/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("healthz over the socket: %s", resp.Status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
}

// What the example says in comments is what a server reads.
func TestTheExampleSettingsAreRead(t *testing.T) {
	text, err := os.ReadFile("../../configs/penstock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.NewReplacer("# private:", "private:", "#   listen: 127.0.0.1:9464", "  listen: 127.0.0.1:9464", "# log: info", "log: info",
		"# drain: 10s", "drain: 10s", "# min_free:", "min_free:").Replace(string(text))
	path := filepath.Join(t.TempDir(), "penstock.yaml")
	for _, example := range []string{string(text), said} {
		if err := os.WriteFile(path, []byte(example), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := readServerFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := example == said; (f.Private == "127.0.0.1:9464") != want {
			t.Errorf("private is %q", f.Private)
		}
	}
}
