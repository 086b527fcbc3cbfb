package faultdisk

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"penstock/audit/durable"
)

func put(t *testing.T, d *Disk, name, text string, sync bool) durable.File {
	t.Helper()
	f, err := d.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if sync {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// What outlives the power is what was synced, content and name apart.
func TestPowerCut(t *testing.T) {
	for _, tt := range []struct {
		name           string
		file, dir, all bool
		want           string // "-": no file
	}{
		{"nothing synced", false, false, false, "-"},
		{"only the content", true, false, false, "-"},
		{"only the name", false, true, false, ""},
		{"both", true, true, false, "hello"},
		{"a kill and no cut", false, false, true, "hello"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			d := New(dir)
			name := filepath.Join(dir, "f")
			f := put(t, d, name, "hello", tt.file)
			if tt.dir {
				if err := d.SyncDir(dir); err != nil {
					t.Fatal(err)
				}
			}
			k := Lost()
			if tt.all {
				k = All()
			}
			if err := d.PowerCut(k); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte("x")); !errors.Is(err, ErrPower) {
				t.Errorf("a file of the last life says %v", err)
			}
			b, err := os.ReadFile(name)
			got := string(b)
			if errors.Is(err, os.ErrNotExist) {
				got = "-"
			}
			if got != tt.want {
				t.Errorf("left is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFailedSyncLosesForGood(t *testing.T) {
	dir := t.TempDir()
	d := New(dir)
	name := filepath.Join(dir, "f")
	f := put(t, d, name, "lost", false)
	d.Fail(1, Before)
	if err := f.Sync(); !errors.Is(err, ErrInjected) || !d.Fired() {
		t.Fatalf("the sync says %v", err)
	}
	if err := errors.Join(f.Sync(), d.SyncDir(dir), d.PowerCut(Lost())); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || len(b) != 0 {
		t.Errorf("left is %q, %v", b, err)
	}
}

func TestFailedAfterIsDone(t *testing.T) {
	dir := t.TempDir()
	d := New(dir)
	put(t, d, filepath.Join(dir, "a"), "x", true)
	d.Fail(1, After)
	if err := d.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")); !errors.Is(err, ErrInjected) {
		t.Fatalf("the rename says %v", err)
	}
	if err := errors.Join(d.SyncDir(dir), d.PowerCut(Lost())); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "b")); err != nil || string(b) != "x" {
		t.Errorf("left is %q, %v", b, err)
	}
}

// A torn write leaves each sector whole or as it was.
func TestTorn(t *testing.T) {
	seen := map[byte]bool{}
	for seed := range uint64(40) {
		dir := t.TempDir()
		d := New(dir)
		name := filepath.Join(dir, "f")
		f := put(t, d, name, "", true)
		if err := d.SyncDir(dir); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 3*sector)
		for i := range b {
			b[i] = 'x'
		}
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if err := d.PowerCut(Torn(rand.New(rand.NewPCG(seed, 1)))); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || len(got)%sector != 0 {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		for at := 0; at < len(got); at += sector {
			for _, c := range got[at : at+sector] {
				if c != got[at] {
					t.Fatalf("sector at %d is torn in itself", at)
				}
			}
			seen[got[at]] = true
		}
	}
	if !seen['x'] || !seen[0] {
		t.Errorf("seen are only %v", seen)
	}
}
