package audit

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit/durable"
	"penstock/audit/durable/faultdisk"
)

// readForeign reads a segment of anybody's making beside a signed checkpoint of 3 leaves.
func readForeign(t *testing.T, segment, checkpoint []byte, v note.Verifier) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "entries"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"checkpoint": checkpoint, "entries/00000000.seg": segment} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := OpenReader(dir, v)
	if err != nil {
		t.Fatal(err)
	}
	for _, read := range []iter.Seq2[Leaf, error]{r.All(context.Background()), r.From(context.Background(), 1)} {
		for range read { // it ends
		}
	}
	damaged := false
	for _, err := range r.All(context.Background()) {
		damaged = damaged || err != nil
	}
	if !damaged {
		t.Fatal("a root that is not that of these leaves went unnoticed")
	}
}

func openTestDocuments(t *testing.T, fault *faultdisk.Disk, base string) *Documents {
	t.Helper()
	disk, err := durable.OpenDisk(base, durable.On(fault))
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenDocuments(filepath.Join(base, "documents"), disk)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDocuments(t *testing.T) {
	base := t.TempDir()
	d := openTestDocuments(t, faultdisk.New(base), base)
	ctx := context.Background()
	h, err := d.Put(ctx, []byte("hello"))
	if err != nil || h != HashOf([]byte("hello")) {
		t.Fatal(err)
	}
	if _, err := d.Put(ctx, []byte("hello")); err != nil {
		t.Errorf("the same again: %v", err)
	}
	if b, err := d.Get(ctx, h); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := d.Get(ctx, HashOf([]byte("other"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := d.Put(ctx, bytes.Repeat([]byte("x"), MaxDocument+1)); err == nil {
		t.Error("too large, and taken")
	}
	_, path := d.path(h)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || filepath.Base(filepath.Dir(path)) != filepath.Base(path)[:2] {
		t.Errorf("%s: %v, %v", path, info, err)
	}
	if err := os.WriteFile(path, []byte("swapped"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Get(ctx, h); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "other bytes") {
		t.Errorf("swapped: %v", err)
	}
	if _, err := d.Put(ctx, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if b, err := d.Get(ctx, h); err != nil || string(b) != "hello" {
		t.Errorf("put again over damage: %q, %v", b, err)
	}
}

func TestSweep(t *testing.T) {
	base := t.TempDir()
	fault := faultdisk.New(base)
	ctx := context.Background()
	put := func(d *Documents, s string) Hash {
		h, err := d.Put(ctx, []byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	old := openTestDocuments(t, fault, base)
	named, lost, again := put(old, "named"), put(old, "lost"), put(old, "put again")
	folder, _ := old.path(named)
	for name, text := range map[string]string{".tmp-half": "ha", "foreign": "not ours"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fault = faultdisk.New(base)
	d := openTestDocuments(t, fault, base)
	fresh := put(d, "fresh")
	put(d, "put again") // its event is still to come
	n, err := d.Sweep(ctx, func(h Hash) bool { return h == named })
	if err != nil || n != 2 {
		t.Errorf("swept %d, %v", n, err)
	}
	for name, h := range map[string]Hash{"named": named, "fresh": fresh, "put again": again} {
		if _, err := d.Get(ctx, h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.Get(ctx, lost); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lost: %v", err)
	}
	if _, err := os.Stat(filepath.Join(folder, "foreign")); err != nil {
		t.Errorf("a foreign file: %v", err)
	}
	if _, err := d.Sweep(ctx, func(Hash) bool { return false }); err == nil {
		t.Error("swept a second time")
	}
}

// A document that Put has returned outlives the power, whatever broke before.
func TestDocumentsPowerCut(t *testing.T) {
	for when, name := range map[faultdisk.When]string{faultdisk.Before: "before", faultdisk.After: "after", faultdisk.Half: "half"} {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				base := t.TempDir()
				fault := faultdisk.New(base)
				var put []Hash
				try := func() error {
					disk, err := durable.OpenDisk(base, durable.On(fault))
					if err != nil {
						return err
					}
					d, err := OpenDocuments(filepath.Join(base, "documents"), disk)
					if err != nil {
						return err
					}
					for _, s := range []string{"one", "two", "one"} {
						h, err := d.Put(context.Background(), []byte(s))
						if err != nil {
							return err
						}
						put = append(put, h)
					}
					return nil
				}
				fault.Fail(n, when)
				err := try()
				if err != nil {
					err = try() // the next start, the power still on
				}
				fired := fault.Fired()
				if err != nil {
					t.Fatal(err)
				}
				if err := fault.PowerCut(faultdisk.Lost()); err != nil {
					t.Fatal(err)
				}
				d := openTestDocuments(t, fault, base)
				for _, h := range put {
					if _, err := d.Get(context.Background(), h); err != nil {
						t.Fatalf("operation %d: %v", n, err)
					}
				}
				if !fired {
					break
				}
			}
		})
	}
}

func TestLogKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s, v, err := LogKeys(dir, testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := LogKeys(dir, testOrigin)
	if err != nil || again.KeyHash() != s.KeyHash() || v.KeyHash() != s.KeyHash() {
		t.Errorf("loaded again: %v", err)
	}
	if _, _, err := LogKeys(dir, "other.example/audit/a"); err == nil {
		t.Error("the key of another origin was taken")
	}
	key := filepath.Join(dir, logKeyFile)
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, _, err := LogKeys(dir, testOrigin); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("wider permissions: %v", err)
	}
	if _, _, err := LogKeys(filepath.Join(t.TempDir(), "k"), "a b"); err == nil {
		t.Error("an origin with a space was taken")
	}
	_, _, err = LogKeys(t.TempDir(), testOrigin)
	if err != nil {
		t.Error(err)
	}
}
