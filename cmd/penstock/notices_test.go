package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy/source"
)

func readNoticesText(t *testing.T, text string) ([]noticePlace, error) {
	t.Helper()
	var report source.Report
	v := source.Load("penstock.yaml", []byte("notices:\n"+text), &report).Fields("notices")
	all := readNotices("/etc/penstock", v.Get("notices"))
	return all, report.Problems().Err()
}

func TestNoticesFile(t *testing.T) {
	all, err := readNoticesText(t, `
  - {name: mail, mail: "smtp.example:587", from: penstock@kiel.example, login: smtp.login}
  - {name: hook, webhook: "https://hooks.example/p", secret: hook.secret}
  - {name: pager, call: pager.call, body: pager.json, each: true, networks: [10.1.2.0/24]}
`)
	if err != nil || len(all) != 3 || all[0].Login != "/etc/penstock/smtp.login" || !all[2].Each || all[2].Networks[0].String() != "10.1.2.0/24" {
		t.Fatalf("%+v, %v", all, err)
	}
	for text, want := range map[string]string{
		`  - {name: mail, mail: "smtp.example:587"}`:                        "mail needs from",
		`  - {name: x, webhook: "https://a.example/"}`:                      "webhook needs secret",
		`  - {name: x, webhook: "http://a.example/", secret: s}`:            "no https address",
		`  - {name: x, call: a}`:                                            "call needs body",
		`  - {name: x}`:                                                     "one of them",
		`  - {name: x, call: a, body: b, webhook: "https://a/", secret: s}`: "one of them",
		`  - {name: "X y", call: a, body: b}`:                               "no short name",
		`  - {name: x, call: a, body: b, networks: [here]}`:                 "is no network",
		`  - {name: x, call: a, body: b, moon: full}`:                       "moon",
	} {
		if _, err := readNoticesText(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestNoticeSecrets(t *testing.T) {
	dir := t.TempDir()
	path := func(name, text string, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	body := path("body", `{"text": {{json .Text}}}`, 0o644)
	for _, row := range []struct {
		place noticePlace
		want  string // of the error; empty: it opens
	}{
		{noticePlace{Call: path("good", "https://chat.example/secret-hook\nAuthorization: Bearer x\n", 0o600), Body: body}, ""},
		{noticePlace{Call: path("open", "https://chat.example/secret-hook\n", 0o644), Body: body}, "can be read by others"},
		{noticePlace{Call: path("plain", "http://chat.example/secret-hook\n", 0o600), Body: body}, "https://"},
		{noticePlace{Call: path("headers", "https://chat.example/\nno header\n", 0o600), Body: body}, "NAME: VALUE"},
		{noticePlace{Webhook: "https://a.example/", Secret: path("short", "whsec_YWJj", 0o600)}, "24 to 64 bytes"},
		{noticePlace{Webhook: "https://a.example/", Secret: filepath.Join(dir, "absent")}, "no such file"},
	} {
		_, err := row.place.open()
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%+v: %v, want %q", row.place, err, row.want)
		}
		if err != nil && strings.Contains(err.Error(), "secret-hook") {
			t.Errorf("the error shows the address, which is a secret: %v", err)
		}
	}
}

// The screen that a signed answer names is what its person is told of.
func TestTheScreenOfATap(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	phone := evidencetest.NewPasskey("mia")
	now := time.Now().UTC().Truncate(time.Second)
	for _, screen := range []string{"K-1", ""} {
		a := evidence.Answer{V: 1, Request: audit.HashOf([]byte("request")), Person: "mia", Firm: "fjord", Role: "shift", Says: evidence.Yes, Kiosk: screen,
			Nonce: base64.RawURLEncoding.EncodeToString(make([]byte, 32)), At: now, DecideBy: now.Add(time.Hour)}
		evidencetest.Signed(phone.Sign)(&a)
		text, err := audit.Canonical(a)
		if err != nil {
			t.Fatal(err)
		}
		hash, err := h.docs.Put(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		if got := h.screenOf(t.Context(), hash); got != screen {
			t.Errorf("%q is read as %q", screen, got)
		}
	}
	if got := h.screenOf(t.Context(), audit.HashOf([]byte("nothing"))); got != "" {
		t.Errorf("of no answer: %q", got)
	}
}
