package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A secret comes from a file or a pipe whole, but for a pipe's last line end.
func TestNewSecret(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("-----BEGIN\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		in, key string
		want    string
		wrong   string
	}{
		"a pipe":                      {in: "correct horse\n", want: "correct horse"},
		"a pipe from Windows":         {in: "correct horse\r\n", want: "correct horse"},
		"a pipe without a line's end": {in: " correct horse", want: " correct horse"},
		"a key file":                  {key: key, want: "-----BEGIN\nx\n"},
		"no such file":                {key: key + "x", wrong: "read the key"},
		"far too much":                {in: strings.Repeat("x", maxSecret+1), wrong: "too long"},
	} {
		got, err := newSecret(strings.NewReader(row.in), row.key, row.key == "", []string{"plc", "maint"})
		if row.wrong == "" && (err != nil || got != row.want) || row.wrong != "" && (err == nil || !strings.Contains(err.Error(), row.wrong)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
