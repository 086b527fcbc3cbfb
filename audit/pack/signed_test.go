package pack_test

import (
	"strings"
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/verify"
)

// A pack holds what its window's signatures rest on: the answers, and the words
// for the keys that signed them; it proves them without the broker.
func TestPackOfSignedAnswers(t *testing.T) {
	s := evidencetest.NewSigned()
	var word audit.KeyVouched
	for _, step := range s.Steps {
		if b, ok := step.Event.Body.(audit.KeyVouched); ok {
			word = b
		}
	}
	f := evidencetest.Build(t, t.TempDir(), s)
	b := made(t, order(t, f))
	r := checked(t, b, verify.Trust{LogKey: f.Key})
	if !r.Proved() {
		t.Errorf("a pack of a signed night: %+v", r.Findings)
	}
	said := false
	for _, f := range r.Findings {
		said = said || strings.Contains(f.What, "signatures of the people's own keys")
	}
	if !said {
		t.Errorf("it does not say what the window rests on: %+v", r.Findings)
	}
	list := entries(t, b)
	name, found := strings.TrimPrefix(word.Document.String(), "sha256:"), false
	for i := range list {
		if strings.Contains(list[i].name, name) {
			found = true
			list[i].text = []byte(strings.Replace(string(list[i].text), `"by":"otto"`, `"by":"ines"`, 1))
		}
	}
	if !found {
		t.Fatal("the word for the passkey is not in the pack")
	}
	if r := checked(t, zipped(t, list), verify.Trust{LogKey: f.Key}); r.Proved() {
		t.Error("with another word for the passkey it is proved")
	}
}
