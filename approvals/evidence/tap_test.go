package evidence_test

import (
	"strings"
	"testing"

	"penstock/approvals/evidence"
	"penstock/audit"
)

// The text of a taking over comes from a log that somebody else wrote.
func FuzzParseTaking(f *testing.F) {
	good := `{"handover":"H-1","plant":"sha256:` + strings.Repeat("ab", 32) + `","rev":1,"v":1,"windows":["W-1","W-2"]}`
	for _, s := range []string{good, strings.Replace(good, "W-1", "W-3", 1), strings.Replace(good, `"rev":1`, `"rev":0`, 1), strings.Replace(good, "W-2", "W-1", 1), "{}", "", good + " "} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := evidence.ParseTaking(b)
		if err != nil {
			if string(b) == good {
				t.Fatal(err)
			}
			return
		}
		again, err := audit.Canonical(got)
		if err != nil || string(again) != string(b) {
			t.Fatalf("%s is written %s: %v", b, again, err)
		}
	})
}
