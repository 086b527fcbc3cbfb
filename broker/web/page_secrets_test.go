package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"penstock/configs"
	"penstock/policy"
)

// loginPlant is the example's plant, where one account logs in by a password.
func loginPlant(t *testing.T, origin string) *policy.Plant {
	t.Helper()
	files := configs.Plant()
	text := strings.Replace(string(files[configs.PlantMain]), "viewer:  {rights: [look], enforced: device}", "viewer:  {rights: [look], enforced: device, login: password}", 1)
	files[configs.PlantMain] = []byte(strings.Replace(text, "https://penstock.kiel.example:8443", origin, 1))
	p, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, configs.PlantMain, files)
	if problems != nil {
		t.Fatal(problems)
	}
	return p
}

// OT security seals a secret on the page, with a code; no page, not even the one
// that asks for the code on the way, ever holds it.
func TestSecretsOnThePage(t *testing.T) {
	h := newHouse(t, 1)
	const secret = "correct horse battery staple"
	lena, mia := h.cookie("lena"), h.cookie("mia0")
	form := func(again string) url.Values {
		return url.Values{secretField: {secret}, secretAgain: {again}}
	}
	page := func(cookie *http.Cookie, want string) {
		t.Helper()
		if p := h.get(cookie, "/secrets"); p.status != http.StatusOK || !strings.Contains(p.text, want) || strings.Contains(p.text, secret) {
			t.Errorf("%d, want %q in\n%s", p.status, want, p.text)
		}
	}
	page(lena, "not sealed, so nobody gets in by it")
	page(mia, "OT security seals, replaces and reads them.")
	const seal = "/secrets/filler-plc/viewer/seal"
	if status, text := h.post(mia, seal, form(secret)); status != http.StatusForbidden || strings.Contains(text, secret) {
		t.Errorf("by the shift: %d %s", status, text)
	}
	if status, text := h.post(lena, seal, form("another")); status != http.StatusForbidden || !strings.Contains(text, "not the same") || strings.Contains(text, secret) {
		t.Errorf("typed differently: %d %s", status, text)
	}
	late := h.cookie("lena")
	h.dropCode(late)
	if status, text := h.post(late, seal, form(secret)); status != http.StatusOK || !strings.Contains(text, "give your code") || strings.Contains(text, secret) {
		t.Errorf("without a code: %d %s", status, text)
	}
	page(lena, "not sealed, so nobody gets in by it")
	if status, text := h.post(lena, seal, form(secret)); status != http.StatusSeeOther {
		t.Fatalf("sealed: %d %s", status, text)
	}
	page(lena, "sealed by lena")
	page(lena, "penstock target secret show filler-plc viewer")
	if status, text := h.post(lena, "/secrets/filler-plc/viewer/rotate", url.Values{}); status != http.StatusForbidden || !strings.Contains(text, "does not say how") {
		t.Errorf("replaced by nobody's rule: %d %s", status, text)
	}
	if p := h.get(mia, "/targets"); !strings.Contains(p.text, "1 of 1 sealed") {
		t.Errorf("the page of ways in:\n%s", p.text)
	}
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if b := leaf.Body.Type(); strings.HasPrefix(b, "secret.") && b != "secret.sealed" {
			t.Errorf("the log has %s", b)
		}
	}
}
