package recording_test

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"penstock/audit/recording"
)

// The real thing: a file system of 2 MiB that runs full. It needs root to
// mount one; the story with a fake (TestDiskFullOnAFake) runs always.
func TestDiskFullOnARealDisk(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() == 0 {
		if err := syscall.Mount("penstock-test", dir, "tmpfs", 0, "size=2m"); err != nil {
			t.Fatalf("mount a tmpfs of 2 MiB: %v", err)
		}
		t.Cleanup(func() {
			if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
	} else {
		// A file size limit is what a user has instead; EFBIG is not ENOSPC, so
		// only the answer to "is there room" can be asked here.
		noRoom(t, newRoom(t, dir, func(p *recording.Parts) { p.MinFree = 1 << 60 }))
		return
	}
	r := newRoom(t, dir)
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	var acknowledged []string
	for i := range 1000 {
		in := fmt.Sprintf("%d %60000d", i, i)
		if err := s.Commit(t.Context(), 'i', []byte(in)); err != nil {
			break
		}
		acknowledged = append(acknowledged, in)
	}
	if len(acknowledged) < 5 {
		t.Fatalf("%d commits before the disk was full", len(acknowledged))
	}
	diskIsFull(t, r, w, s, acknowledged)
	noRoom(t, newRoom(t, dir, func(p *recording.Parts) { p.MinFree = 0 }))
}

func noRoom(t *testing.T, r *room) {
	t.Helper()
	if _, _, _, err := r.Create(t.Context(), header("S-2")); !errors.Is(err, recording.ErrDiskFull) {
		t.Errorf("a new session on a full disk: %v", err)
	}
}
