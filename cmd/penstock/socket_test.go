package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPrivateSocket(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "s") // t.TempDir's path has the test's name in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	fits := filepath.Join(dir, strings.Repeat("s", maxSocketPath-len(dir)-1))
	l, err := listenSocket(fits)
	if err != nil {
		t.Fatalf("a path of %d bytes: %v", len(fits), err)
	}
	defer l.Close()
	if info, err := os.Stat(fits); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	if _, err := listenSocket(fits); err == nil || !strings.Contains(err.Error(), "another server answers") {
		t.Errorf("a second server: %v", err)
	}
	if _, err := listenSocket(fits + "s"); err == nil || !strings.Contains(err.Error(), "socket:") {
		t.Errorf("a path that is too long does not say what to do: %v", err)
	}
}
