package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"penstock/audit/durable"
)

func TestWriteFileReplacesAndLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, text := range []string{"one", "two"} {
		if err := durable.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != text {
			t.Errorf("%q, %v", b, err)
		}
	}
	if err := durable.WriteFile(dir, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced by a file")
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 1 {
		t.Errorf("left are %v, %v", list, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := durable.MkdirAll(filepath.Join(path, "sub"), 0o700); err == nil {
		t.Error("a folder was made in a file")
	}
	if err := durable.MkdirAll(filepath.Join(dir, "a", "b"), 0o700); err != nil {
		t.Error(err)
	}
}

func TestSweepTakesOnlyWhatIsUnfinished(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".tmp-A", "tmp-B", "whole"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".tmp-folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(durable.Sweep(dir), durable.Sweep(filepath.Join(dir, "away"))); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 3 {
		t.Errorf("left are %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".tmp-A")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the unfinished file: %v", err)
	}
}
