package verify_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit/verify"
)

// TestRecording: one recording, by the log, without the rest of the folder.
func TestRecording(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	check := func(session string) (wrong string, r verify.Report) {
		t.Helper()
		r, err := verify.Recording(t.Context(), f.Dir, session, verify.Trust{LogKey: f.Key}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range r.Findings {
			if g.Weight == verify.Wrong {
				return g.Where + ": " + g.What, r
			}
		}
		return "", r
	}
	for _, id := range []string{"S-1", "S-2"} {
		if wrong, r := check(id); wrong != "" || r.Recordings != 1 || r.Opened != 1 {
			t.Errorf("%s: %q, %+v", id, wrong, r)
		}
	}
	if wrong, _ := check("S-3"); !strings.Contains(wrong, "knows no such session") {
		t.Errorf("S-3: %q", wrong)
	}
	path := filepath.Join(f.Dir, "recordings/2026/11/21/S-2/c00-shell.000.brf")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)-len(b)/3], 0o600); err != nil {
		t.Fatal(err)
	}
	if wrong, _ := check("S-2"); !strings.HasPrefix(wrong, "recordings/2026/11/21/S-2/") {
		t.Errorf("cut: %q", wrong)
	}
	if wrong, _ := check("S-1"); wrong != "" {
		t.Errorf("the other one: %q", wrong)
	}
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if wrong, _ := check("S-2"); !strings.Contains(wrong, "is missing") {
		t.Errorf("gone: %q", wrong)
	}
}
