package ca

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Each key is made anew once, whatever moment a rotation was broken off at.
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
	if err := os.Remove(filepath.Join(dir, "host_ca")); err != nil {
		t.Fatal(err)
	}
	if _, err := loadKey(dir, "host_ca", ssh.KeyAlgoED25519, true); err != nil { // made already
		t.Fatal(err)
	}
	first := prints()["host_ca"]
	for range 2 {
		if err := Rotate(dir, old); err != nil {
			t.Fatal(err)
		}
	}
	made := prints()
	for file, print := range old {
		if made[file] == "" || made[file] == print {
			t.Errorf("%s is %s, and was %s", file, made[file], print)
		}
	}
	if len(made) != len(old) || made["host_ca"] != first {
		t.Errorf("made once more than once: %v", maps.Clone(made))
	}
	if info, err := os.Stat(filepath.Join(dir, "out_ca")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("out_ca: %v, %v", info, err)
	}
}
