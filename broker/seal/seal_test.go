package seal

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/audit"
	"penstock/audit/durable"
)

// After an incident a copy of the key that was taken before opens nothing that is
// sealed afterwards, and nothing of before is lost.
func TestRenew(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	disk, err := durable.OpenDisk(dir)
	ok(t, err)
	docs, err := audit.OpenDocuments(filepath.Join(dir, "documents"), disk)
	ok(t, err)
	path := filepath.Join(dir, "seal.key")
	put := func(text string) audit.Hash {
		t.Helper()
		box, err := Open(path, docs)
		ok(t, err)
		h, err := box.Put(ctx, []byte(text))
		ok(t, err)
		return h
	}
	before := put("before")
	stolen := filepath.Join(dir, "stolen.key")
	b, err := os.ReadFile(path)
	ok(t, err)
	ok(t, os.WriteFile(stolen, b, 0o600))
	var was string
	for range 2 {
		old, fresh, err := Renew(path)
		if err != nil || old == fresh || was != "" && old != was {
			t.Fatalf("%s, then %s: %v", old, fresh, err)
		}
		was = fresh
	}
	after := put("after")
	box, err := Open(path, docs)
	ok(t, err)
	for h, want := range map[audit.Hash]string{before: "before", after: "after"} {
		if got, err := box.Get(ctx, h); err != nil || string(got) != want {
			t.Errorf("%s is opened as %q: %v", want, got, err)
		}
	}
	thief, err := Open(stolen, docs)
	ok(t, err)
	if got, err := thief.Get(ctx, after); err == nil {
		t.Errorf("a copy of the key of before opens %q", got)
	}
	if got, err := thief.Get(ctx, before); err != nil || string(got) != "before" {
		t.Fatalf("the copy is none: %q %v: this test shows nothing", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	ok(t, os.WriteFile(path, []byte(string(b)+"AGE-SECRET-KEY-1NONE\n"), 0o600))
	if _, err := Open(path, docs); err == nil || strings.Contains(err.Error(), "1NONE") {
		t.Errorf("a file with something else in it: %v", err)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
