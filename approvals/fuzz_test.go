package approvals

import (
	"testing"

	"penstock/approvals/evidence"
)

// Whatever somebody writes as a reason for a cut may stand in the log.
func FuzzCleaned(f *testing.F) {
	for _, s := range []string{"", "smoke", " a\nb\t", "\x1b[2J\x07", "a\u202eb", "\xff\xfe", "e\u0301", "\u200b\u200d", "\ufeff x", "\ufdd0", "🔥 fire"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cleaned(s)
		if err := evidence.CheckText("why", got, evidence.MaxText); err != nil {
			t.Fatalf("%q became %q: %v", s, got, err)
		}
		if again := cleaned(got); again != got {
			t.Fatalf("%q became %q, and then %q", s, got, again)
		}
	})
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{"a/0", "a/18446744073709551615", "/1", "a/", "a/-1", "node-b/7/9", "a/+1", "a/01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := place(s)
		if err != nil {
			return
		}
		back, err := place(at.String())
		if err != nil || back != at {
			t.Fatalf("%q is %v, which is %v %v", s, at, back, err)
		}
	})
}
