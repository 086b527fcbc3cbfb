package web

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"penstock/audit"
)

// Elsewhere (CVE-2026-63329, CVE-2026-91164) a header said who somebody was, and a
// way in did not look at the address they came from. Here nobody is anybody by a
// header, and an address is the connection's, so that none is counted as another's.
func TestHeadersNameNobody(t *testing.T) {
	h := newHouse(t, 1)
	said := map[string]string{"Forwarded": "for=10.66.66.66;host=" + h.origin, "X-Forwarded-For": "10.66.66.66", "X-Real-Ip": "10.66.66.66", "Cf-Connecting-Ip": "10.66.66.66",
		"True-Client-Ip": "10.66.66.66", "X-Client-Cert": "mia0", "Ssl-Client-Verify": "SUCCESS", "X-Original-Url": "/static/style.css", "X-Http-Method-Override": "GET"}
	for _, name := range []string{"Remote-User", "X-Remote-User", "X-Forwarded-User", "X-Auth-Request-User", "X-Auth-User", "X-Warpgate-Username", "X-Webauth-User", "Remote-Groups", "X-Forwarded-Groups"} {
		said[name] = shiftName(0)
	}
	client := *h.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	calls := func(method, path, body string) (int, string, http.Header) {
		r := must(http.NewRequestWithContext(h.ctx, method, h.server.URL+path, strings.NewReader(body)))
		r.Host = strings.TrimPrefix(h.origin, "https://")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if strings.HasPrefix(path, "/api/") {
			r.Header.Set("Content-Type", "application/json")
		}
		for name, value := range said {
			r.Header.Set(name, value)
		}
		resp := must(client.Do(r))
		defer resp.Body.Close()
		return resp.StatusCode, string(must(io.ReadAll(resp.Body))), resp.Header
	}
	for _, path := range []string{"/", "/people", "/log", "/recordings", "/requests/R-1"} {
		if status, text, head := calls("GET", path, ""); status != http.StatusSeeOther || !strings.HasPrefix(head.Get("Location"), "/sign-in") {
			t.Errorf("GET %s: %d %.200s", path, status, text)
		}
	}
	for _, call := range []string{"GET /api/v1/requests", "GET /api/v1/recordings", "POST /api/v1/checkpoint", "POST /api/v1/windows/W-1/cut"} {
		method, path, _ := strings.Cut(call, " ")
		if status, text, _ := calls(method, path, ""); status != http.StatusUnauthorized {
			t.Errorf("%s: %d %.200s", call, status, text)
		}
	}
	wrong := url.Values{"name": {shiftName(0)}, "password": {"not that"}, "code": {"000000"}}
	calls("POST", "/sign-in", wrong.Encode())
	calls("POST", "/api/v1/sign-in", `{"name":"`+shiftName(0)+`","password":"not that","code":"000000"}`)
	told := 0
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if ev, ok := leaf.Body.(audit.LoginRefused); ok {
			told++
			if ev.Source != "127.0.0.1" {
				t.Errorf("the log says they came from %q", ev.Source)
			}
		}
	}
	if told == 0 {
		t.Error("no refused sign-in is in the log")
	}
}
