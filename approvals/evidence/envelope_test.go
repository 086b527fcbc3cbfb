package evidence_test

import (
	"bytes"
	"strings"
	"testing"

	"penstock/approvals/evidence"
)

var seed = [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}

// The code is for paper: it must stay what it is, and be read however somebody types it.
func TestAnEnvelopesCode(t *testing.T) {
	code := evidence.EnvelopeCode(evidence.EnvelopeRoom, seed)
	if code != "000G4-0R40M-30E20-9185G-R38EZ-WJJAD" {
		t.Errorf("the code is %s: envelopes that were sealed before do not open", code)
	}
	key, err := evidence.EnvelopeKey(evidence.EnvelopeRoom, code)
	if err != nil {
		t.Fatal(err)
	}
	typed := strings.NewReplacer("-", " ", "0", "o", "1", "l").Replace(strings.ToLower(code)) + "\n"
	if again, err := evidence.EnvelopeKey(evidence.EnvelopeRoom, typed); err != nil || !bytes.Equal(key, again) {
		t.Errorf("typed as %q: %v", typed, err)
	}
	other := evidence.EnvelopeCode(evidence.EnvelopeSecurity, seed)
	if k, err := evidence.EnvelopeKey(evidence.EnvelopeSecurity, other); err != nil || bytes.Equal(k, key) {
		t.Errorf("two envelopes of one seed have one key: %v", err)
	}
	for bad, says := range map[string]string{
		"": "and this has 0", code[:34]: "and this has 29", code + "A": "and this has 31", strings.Replace(code, "G", "U", 1): "is none that a code has",
		strings.Replace(code, "G4", "4G", 1): "mistyped", other: "the code of envelope 2", strings.Repeat("A", 5000): "longer than",
	} {
		if _, err := evidence.EnvelopeKey(evidence.EnvelopeRoom, bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v, want %q", bad, err, says)
		} else if len(bad) > 10 && strings.Contains(err.Error(), bad[:10]) {
			t.Errorf("%v says the code", err)
		}
	}
}

// FuzzEnvelopeKey: what is typed is refused, or gives a key that signs.
func FuzzEnvelopeKey(f *testing.F) {
	f.Add(evidence.EnvelopeCode(evidence.EnvelopeRoom, seed))
	f.Add("000G4-0R40M-30E20-9185G-R38E1-XXXXX")
	f.Add("ſſſſſſſſſſſſſſſ\x00-oOlLiI")
	f.Fuzz(func(t *testing.T, code string) {
		key, err := evidence.EnvelopeKey(evidence.EnvelopeRoom, code)
		if err != nil {
			return
		}
		public, err := evidence.EnvelopePublic(key)
		if err != nil {
			t.Fatal(err)
		}
		p, err := evidence.SignSSH(key, evidence.AnswerNamespace, []byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		k := evidence.Key{Kind: evidence.KeySSH, ID: p.Key, Public: []byte(public)}
		if err := evidence.CheckProof(p, k, evidence.AnswerNamespace, []byte("text"), ""); err != nil {
			t.Errorf("its signature does not hold: %v", err)
		}
		if evidence.CheckProof(p, k, evidence.VouchNamespace, []byte("text"), "") == nil {
			t.Error("a signature for one thing is good for another")
		}
	})
}
