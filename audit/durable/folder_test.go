package durable_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"penstock/audit/durable"
	"penstock/audit/durable/faultdisk"
)

// A folder that was filled, and given its name, is whole after a power cut,
// also where nothing but what was synced is left; where one step of it failed,
// whoever filled it was told.
func TestFilledFolderIsWhole(t *testing.T) {
	files := map[string][]byte{"a": []byte("one"), "b": bytes.Repeat([]byte("two"), 5000)}
	broke := 0
	for n := 0; ; n++ { // 0: nothing breaks
		base := t.TempDir()
		fault := faultdisk.New(base)
		disk, err := durable.OpenDisk(base, durable.On(fault))
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(base, "folder")
		hidden := filepath.Join(base, ".folder")
		if err := fault.Mkdir(hidden, 0o700); err != nil {
			t.Fatal(err)
		}
		fault.Fail(n, faultdisk.Before)
		if err := disk.FillFolder(hidden, files, 0o600); err != nil {
			if !fault.Fired() {
				t.Fatal(err)
			}
			broke++
			continue
		}
		if fault.Fired() {
			t.Fatalf("operation %d failed, and nobody was told", n)
		}
		fault.On(nil)
		if err := fault.Rename(hidden, dir); err != nil {
			t.Fatal(err)
		}
		if err := disk.SyncDir(base); err != nil {
			t.Fatal(err)
		}
		if err := fault.PowerCut(faultdisk.Lost()); err != nil {
			t.Fatal(err)
		}
		for name, want := range files {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("after the power cut %s has %d bytes (%v), want %d", name, len(got), err, len(want))
			}
		}
		if n > 0 {
			break // there are no more operations
		}
	}
	if broke < 7 { // two files made, written and synced, and the folder synced
		t.Errorf("%d operations were broken, want 7", broke)
	}
}
