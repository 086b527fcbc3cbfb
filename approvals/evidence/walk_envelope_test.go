package evidence_test

import (
	"strconv"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// codeAt is the step of a code generator at a second of the night.
func codeAt(second int) string { return strconv.FormatInt(at(second).Unix()/30, 10) }

// Whatever is altered about an envelope, sealed or opened, is found.
func TestWalkEnvelopes(t *testing.T) {
	const first, second = evidence.EnvelopeRoom, evidence.EnvelopeSecurity
	// sealed has somebody seal an envelope at a second, with the key of that name.
	sealed := func(second int, envelope, by, key string, do func(*audit.EnvelopeSealed)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			pub := evidencetest.Key(key)
			v := evidence.Vouch{V: 1, Person: envelope, Kind: evidence.KeySSH, Key: evidencetest.Fingerprint(pub), Public: pub, By: by, At: at(second), Nonce: evidencetest.Nonce(second)}
			text, err := v.Unsigned()
			if err != nil {
				t.Fatal(err)
			}
			v.Proof = evidencetest.SSHSign(by, evidence.VouchNamespace, text)
			b := audit.EnvelopeSealed{Envelope: envelope, Role: "shift", Key: v.Key, Public: pub, Document: s.PutJSON(v), By: by, At: at(second)}
			if do != nil {
				do(&b)
			}
			s.Add(second, by, b, envelope, "person/"+envelope)
		}
	}
	opened := func(second int, envelope string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			s.Add(second, envelope, audit.EnvelopeOpened{Envelope: envelope, Key: "k", Says: "Mia Voss", At: at(second)}, envelope, "person/"+envelope)
		}
	}
	all := func(do ...func(*evidencetest.Story)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			for _, f := range do {
				f(s)
			}
		}
	}
	both := all(sealed(15300, first, "ines", "paper 1", nil), sealed(15301, second, "otto", "paper 2", nil))
	day := int(evidence.EnvelopeGood / time.Second)
	findsEach(t, []alteration{
		{"as it was", all(both, opened(15400, first), opened(15500, second)), ""},
		{"a person is sealed", sealed(15300, "mia", "ines", "paper 1", nil), "ines sealed mia"},
		{"by nobody", sealed(15300, first, "zoe", "paper 1", nil), "zoe sealed envelope-1"},
		{"by an envelope", all(both, opened(15400, first), sealed(15500, second, first, "paper 1", nil)), "envelope-1 sealed envelope-2"},
		{"with another key than is named", sealed(15300, first, "ines", "paper 1", func(b *audit.EnvelopeSealed) { b.Public = evidencetest.Key("paper 2") }), "has not the fingerprint that the leaf says"},
		{"with somebody's own key", sealed(15300, first, "ines", "mia", nil), "is or was mia's"},
		{"with the key that was sealed before", all(both, sealed(15302, first, "ines", "paper 1", nil)), "is or was envelope-1's"},
		{"opened, and never sealed", opened(15400, first), "envelope-1 was never sealed"},
		{"opened in another's name", all(both, opened(15400, first), func(s *evidencetest.Story) { s.Step("envelope.opened", 0).Event.Actor = "mia" }), "mia opened it, and the leaf says envelope-1"},
		{"opened twice", all(both, opened(15400, first), opened(15401, first)), "it was opened before, at"},
		{"the second alone", all(sealed(15301, second, "otto", "paper 2", nil), opened(15500, second)), "it was opened without envelope 1"},
		{"the second, and the first is sealed", all(both, opened(15500, second)), "it was opened without envelope 1"},
		{"the second, when the first is spent", all(both, opened(15400, first), opened(15400+day, second)), "it was opened without envelope 1"},
	})
}
