package evidence_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
)

// What is read as a roster is exactly its own canonical form, sorted and bounded.
func FuzzParseRoster(f *testing.F) {
	f.Add([]byte(`{"team":"shift","turns":[],"v":1}`))
	f.Add([]byte(`{"team":"shift","turns":[{"from":"2026-11-22T22:00:00Z","person":"mia","to":"2026-11-23T06:00:00Z"}],"v":1}`))
	f.Add([]byte(`{"team":"shift","turns":[{"from":"2026-11-22T22:00:00+01:00","person":"mia","to":"2026-11-23T06:00:00Z"}],"v":1}`))
	f.Add([]byte(`{"team":"shift","turns":null,"v":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := evidence.ParseRoster(text)
		if err != nil {
			return
		}
		b, err := audit.Canonical(r)
		if err != nil || !bytes.Equal(b, text) {
			t.Fatalf("%s\n%s, %v", text, b, err)
		}
		for i, turn := range r.Turns {
			if long := turn.To.Sub(turn.From); long < time.Minute || long > evidence.MaxTurn || i > 0 && r.Turns[i-1].Compare(turn) >= 0 {
				t.Fatalf("turn %d of %s", i, text)
			}
		}
	})
}

func TestParseRosterRefused(t *testing.T) {
	turn := func(from, to string) string {
		return `{"from":"` + from + `","person":"mia","to":"` + to + `"}`
	}
	for text, want := range map[string]string{
		`{"team":"","turns":[],"v":1}`:      "team",
		`{"team":"shift","turns":[],"v":2}`: "v: 2",
		`{"team":"shift","turns":[` + turn("2026-11-22T22:00:00Z", "2026-11-22T22:00:00Z") + `],"v":1}`:                                                              "lasts 0s",
		`{"team":"shift","turns":[` + turn("2026-11-22T22:00:00Z", "2026-12-22T22:00:00Z") + `],"v":1}`:                                                              "lasts 720h",
		`{"team":"shift","turns":[` + turn("2026-11-22T22:00:00Z", "2026-11-23T06:00:00Z") + `,` + turn("2026-11-22T14:00:00Z", "2026-11-22T22:00:00Z") + `],"v":1}`: "not after the one before",
		`{"team":"shift","turns":[` + strings.Replace(turn("2026-11-22T22:00:00Z", "2026-11-23T06:00:00Z"), "mia", "Mia Voss", 1) + `],"v":1}`:                       "person",
		`{"team":"shift","turns":[{"from":"2026-11-22T22:00:00Z","person":"mia","to":"2026-11-23T06:00:00Z","x":1}],"v":1}`:                                          "unknown field",
	} {
		if _, err := evidence.ParseRoster([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
