package recording_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"

	"penstock/audit"
	"penstock/audit/durable"
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

// A disk of 24 MiB fills step by step: what is still possible is said in time,
// and a recording that runs to the end is closed in order on what is left.
func TestRoomOnARealDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a small tmpfs: run it as root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("penstock-test", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	r := newRoom(t, dir, func(p *recording.Parts) { p.MinFree, p.EndFree = 16<<20, 8<<20 })
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	var last recording.Room
	var seen []recording.Room
	f, err := os.Create(dir + "/ballast")
	must(t, err)
	defer f.Close()
	for last != recording.Gone {
		room, err := r.Room()
		must(t, err)
		if room != last || seen == nil {
			seen, last = append(seen, room), room
		}
		must(t, s.Commit(t.Context(), 'i', []byte("ls\r")))
		_, err = f.Write(make([]byte, 256<<10))
		must(t, err)
	}
	if want := []recording.Room{recording.Enough, recording.Low, recording.Scarce, recording.Gone}; !slices.Equal(seen, want) {
		t.Errorf("it was %v, want %v", seen, want)
	}
	noRoom(t, r)
	for err == nil { // somebody else takes the rest
		_, err = f.Write(make([]byte, 4<<10))
	}
	_, err = w.Close(t.Context(), "recorder")
	must(t, err)
	report, err := recording.VerifyFolder(r.path("S-1"), audit.Hash{}, nil)
	must(t, err)
	if !report.Whole() || report.Closed == nil {
		t.Errorf("closed %v, found %v", report.Closed, report.Findings)
	}
}

func noRoom(t *testing.T, r *room) {
	t.Helper()
	if _, _, _, err := r.Create(t.Context(), header("S-2")); !errors.Is(err, recording.ErrDiskFull) {
		t.Errorf("a new session on a full disk: %v", err)
	}
}

// A session runs while somebody else takes the whole disk. What is tapped is for
// the ends: nothing more that passes is recorded, heads still are, and with room
// again sessions begin.
func TestTheClosingReserve(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a small tmpfs: run it as root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("penstock-test", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	reserve, err := durable.OpenReserve(dir+"/reserve", 1<<20)
	must(t, err)
	r := newRoom(t, dir, func(p *recording.Parts) { p.MinFree, p.EndFree, p.Reserve = 4<<20, 2<<20, reserve })
	is := func(want recording.Room) {
		t.Helper()
		if room, err := r.Room(); err != nil || room != want {
			t.Errorf("the room is %v, %v, want %v", room, err, want)
		}
	}
	is(recording.Enough)
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	must(t, s.Commit(t.Context(), 'i', []byte("ls\r")))
	reserve.Give()       // as the log does at its first write without room
	is(recording.Enough) // it has been filled again at once
	must(t, s.Commit(t.Context(), 'i', []byte("ls\r")))
	f, err := os.Create(dir + "/ballast")
	must(t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	reserve.Give()
	is(recording.Gone)
	noRoom(t, r)
	if err := s.Commit(t.Context(), 'i', []byte("rm\r")); !errors.Is(err, recording.ErrDiskFull) {
		t.Errorf("a byte was recorded on what is for the end: %v", err)
	}
	_, err = w.Close(t.Context(), "recorder")
	must(t, err)
	must(t, f.Truncate(8<<20)) // 15 MiB are free
	is(recording.Enough)
	_, err = r.create(t, "S-2").Close(t.Context(), "client")
	must(t, err)
}
