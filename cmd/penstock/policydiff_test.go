package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestPolicyDiff(t *testing.T) {
	dir := plantFolder(t)
	old, wider := filepath.Join(dir, "plant.yaml"), filepath.Join(dir, "wider.yaml")
	text, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	ahead := regexp.MustCompile(`review: \d{4}-`).ReplaceAllString(string(text), "review: 2137-") // a lint says what is overdue
	if err := os.WriteFile(old, []byte(ahead), 0o600); err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(ahead, "viewer:  {rights: [look], enforced: device}", "viewer:  {rights: [look, copy], enforced: device}", 1)
	if err := os.WriteFile(wider, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"diff", old, old}, 0, "nothing changes"},
		{[]string{"diff", old, wider}, exitNo, "filler-plc by ssh as viewer: can copy as well"},
		{[]string{"diff", old, wider}, exitNo, "To agree: 1 × line-1-owner and 1 × ot-security"},
		{[]string{"diff", wider, old}, 0, "filler-plc by ssh as viewer: can no longer copy"},
		{[]string{"diff", old, wider, "--json"}, exitNo, `"means": "gains"`},
		{[]string{"check", old, "--lint"}, 0, "Fjord Dairy Kiel"},
		{[]string{"check", wider, "--lint", "--json"}, 0, `"lints": []`},
		{[]string{"diff", old}, exitUsage, "usage: penstock policy diff OLD NEW"},
		{[]string{"diff", old, filepath.Join(dir, "none.yaml")}, exitError, "none.yaml"},
	} {
		code, out := runPolicy(t, row.args...)
		if code != row.code || !strings.Contains(out, row.says) {
			t.Errorf("policy %v: exit %d, want %d with %q:\n%s", row.args, code, row.code, row.says, out)
		}
	}
}
