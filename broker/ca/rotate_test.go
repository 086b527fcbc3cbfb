package ca

import (
	"os"
	"path/filepath"
	"testing"
)

// Every key that was there is gone afterwards, whatever moment a rotation was
// broken off at, and whatever somebody wrote about one that never was: a recovery
// that had "begun" by the word of whoever had the machine left them their keys.
func TestRotate(t *testing.T) {
	dir := t.TempDir()
	for _, k := range rotated {
		if _, err := loadKey(dir, k.file, k.kind, true); err != nil {
			t.Fatal(err)
		}
	}
	prints := func() map[string]string {
		t.Helper()
		p, err := Prints(dir)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	old := prints()
	if err := os.Remove(filepath.Join(dir, "in_ca")); err != nil { // broken off: taken away, and not made yet
		t.Fatal(err)
	}
	for range 2 {
		if err := Rotate(dir); err != nil {
			t.Fatal(err)
		}
		made := prints()
		for file, print := range old {
			if made[file] == "" || made[file] == print {
				t.Errorf("%s is %s, and was %s", file, made[file], print)
			}
		}
		if len(made) != len(old) || made["in_ca"] == old["in_ca"] {
			t.Errorf("made are %v", made)
		}
		old = made
	}
	if info, err := os.Stat(filepath.Join(dir, "out_ca")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("out_ca: %v, %v", info, err)
	}
}
