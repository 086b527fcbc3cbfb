package durable_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"penstock/audit/durable"
)

// smallDisk is a file system of its own, in bytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a small tmpfs: run it as root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("penstock-test", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func free(t *testing.T, dir string) int64 {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize
}

// fill leaves not a block on the disk, and gives the file that did it.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !durable.Full(err) {
		t.Fatal(err)
	}
	return path
}

func TestReserveOnAFullDisk(t *testing.T) {
	const size = 1 << 20
	dir := smallDisk(t, "4m")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	disk, err := durable.OpenDisk(dir)
	must(err)
	before := free(t, dir)
	r, err := durable.OpenReserve(filepath.Join(dir, "reserve"), size)
	must(err)
	if took := before - free(t, dir); !r.Whole() || r.Tapped() || took < size {
		t.Fatalf("whole %v, tapped %v, %d bytes of the disk", r.Whole(), r.Tapped(), took)
	}
	f, err := disk.Until(r).FS().OpenFile(filepath.Join(dir, "ends"), os.O_CREATE|os.O_RDWR, 0o600)
	must(err)
	defer f.Close()
	ballast := fill(t, dir)
	if err := disk.WriteFile(filepath.Join(dir, "other"), make([]byte, 8192), 0o600); !durable.Full(err) {
		t.Fatalf("who has no reserve wrote on a full disk: %v", err)
	}
	text := bytes.Repeat([]byte("how it ended\n"), 40_000) // several slices
	if n, err := f.WriteAt(text, 0); err != nil || n != len(text) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	must(disk.SyncNow(f))
	must(disk.Until(r).WriteFile(filepath.Join(dir, "note"), []byte("signed"), 0o600))
	if r.Whole() || !r.Tapped() {
		t.Errorf("it was used: whole %v, tapped %v", r.Whole(), r.Tapped())
	}
	if got, err := os.ReadFile(filepath.Join(dir, "ends")); err != nil || !bytes.Equal(got, text) {
		t.Errorf("read back %d bytes, %v", len(got), err)
	}
	if err := r.Fill(); !durable.Full(err) || r.Whole() || !r.Tapped() {
		t.Errorf("filled on a full disk: %v", err)
	}
	if _, err := f.WriteAt(make([]byte, size), int64(len(text))); !durable.Full(err) {
		t.Errorf("more than the reserve was written: %v", err)
	}
	must(disk.Err()) // a full disk is no broken one
	must(os.Remove(ballast))
	must(r.Fill())
	if !r.Whole() || r.Tapped() {
		t.Errorf("with room again: whole %v, tapped %v", r.Whole(), r.Tapped())
	}
}

// What an earlier life left, or somebody put there.
func TestOpenReserveAgain(t *testing.T) {
	const size = 1 << 20
	open := func(t *testing.T, dir string) (*durable.Reserve, error) {
		return durable.OpenReserve(filepath.Join(dir, "reserve"), size)
	}
	t.Run("a hole of its size gets blocks", func(t *testing.T) {
		dir := smallDisk(t, "4m")
		f, err := os.Create(filepath.Join(dir, "reserve"))
		if err := errors.Join(err, f.Truncate(size), f.Close()); err != nil {
			t.Fatal(err)
		}
		before := free(t, dir)
		if r, err := open(t, dir); err != nil || !r.Whole() || before-free(t, dir) < size {
			t.Errorf("%v, %d bytes of the disk", err, before-free(t, dir))
		}
	})
	t.Run("no room is no error", func(t *testing.T) {
		dir := smallDisk(t, "1m")
		fill(t, dir)
		r, err := open(t, dir)
		if err != nil || r.Whole() || r.Tapped() || r.Give() {
			t.Errorf("%v: on a full disk it is whole %v, tapped %v", err, r.Whole(), r.Tapped())
		}
	})
	t.Run("a larger one gives back", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "reserve")
		if err := durable.Allocate(path, 3*size); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, dir); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != size || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	})
	t.Run("a link is refused", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Symlink("/etc/passwd", filepath.Join(dir, "reserve")); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, dir); err == nil {
			t.Error("it was followed")
		}
	})
}
