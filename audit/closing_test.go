package audit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"penstock/audit/durable"
	"penstock/audit/durable/faultdisk"
)

func reserveIn(t *testing.T, dir string, size int64) *durable.Reserve {
	t.Helper()
	r, err := durable.OpenReserve(filepath.Join(dir, "reserve"), size)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func anEnd(n int) Event {
	return Event{Subject: "S-1", Actor: "penstock", Body: ChannelClosed{Session: "S-1", Channel: n}}
}

// No write, file or rename of the log finds room, one after the other: the
// reserve makes it, and all ends are in the log.
func TestEachWriteFindsTheDiskFull(t *testing.T) {
	o := testOptions(t)
	o.SegmentSize = 300 // a leaf: new segments are in the story
	struck := 0
	for n := 1; ; n++ {
		base := t.TempDir()
		fault := faultdisk.New(base)
		disk, err := durable.OpenDisk(base, durable.On(fault))
		if err != nil {
			t.Fatal(err)
		}
		o.Reserve = reserveIn(t, t.TempDir(), 1<<20)
		left := n
		fault.On(func(op faultdisk.Op) faultdisk.When {
			if op.Kind == "write" || op.Kind == "create" || op.Kind == "rename" {
				if left--; left == 0 {
					return faultdisk.Full
				}
			}
			return faultdisk.Never
		})
		l, err := OpenLog(filepath.Join(base, "log"), disk, o)
		if err != nil {
			t.Fatalf("write %d found no room: %v", n, err)
		}
		for i := range 3 {
			if _, err := l.Append(t.Context(), anEnd(i)); err != nil {
				t.Fatalf("write %d found no room: %v", n, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatalf("write %d found no room: %v", n, err)
		}
		fired := fault.Fired()
		if fired != o.Reserve.Tapped() {
			t.Errorf("write %d: found no room %v, reserve tapped %v", n, fired, o.Reserve.Tapped())
		}
		if size := leavesOffline(t, filepath.Join(base, "log"), o); size != 3 {
			t.Errorf("write %d: %d leaves", n, size)
		}
		if !fired {
			break
		}
		struck++
	}
	if struck < 10 {
		t.Errorf("only %d writes: nothing was shown", struck)
	}
}

func leavesOffline(t *testing.T, dir string, o Options) (n int) {
	t.Helper()
	r, err := OpenReader(dir, selfVerifier{o.Signer})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range r.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// On a real disk that somebody fills: what is no end is refused, the ends are
// written, and once there is room everything goes on.
func TestTheLogOnAFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts a small tmpfs: run it as root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("penstock-test", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	o := testOptions(t)
	o.Reserve = reserveIn(t, dir, 1<<20)
	disk, err := durable.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := OpenLog(filepath.Join(dir, "log"), disk, o)
	if err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	written, refused := 0, 0
	for i := range 600 { // more than what the last blocks of the files hold
		if _, err := l.Append(t.Context(), anEnd(i)); err != nil {
			t.Fatalf("end %d: %v", i, err)
		}
		written++
		_, err := l.Append(t.Context(), Event{Subject: "local", Actor: "penstock", Body: LoginRefused{Name: "mia", Source: "local", Why: strings.Repeat("x", 100)}})
		switch {
		case err == nil:
			written++
		case errors.Is(err, ErrFull) && o.Reserve.Tapped():
			refused++
		default:
			t.Fatalf("a refused login: %v", err)
		}
	}
	if refused < 100 || l.Err() != nil {
		t.Errorf("%d refused logins were left out, the log: %v", refused, l.Err())
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := o.Reserve.Fill(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(context.Background(), Event{Subject: "local", Actor: "penstock", Body: LoginRefused{Name: "mia", Source: "local"}}); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := leavesOffline(t, filepath.Join(dir, "log"), o); n != written+1 {
		t.Errorf("%d leaves, want %d", n, written+1)
	}
}
