package audit

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"penstock/audit/durable"
)

// holding is a file system whose segments' syncs, once held, wait to be let go.
type holding struct {
	durable.FS
	held atomic.Bool
	let  chan struct{}
}

type heldFile struct {
	durable.File
	of *holding
}

func (h *holding) OpenFile(name string, flag int, perm os.FileMode) (durable.File, error) {
	f, err := h.FS.OpenFile(name, flag, perm)
	if err != nil || filepath.Ext(name) != ".seg" {
		return f, err
	}
	return &heldFile{f, h}, nil
}

func (f *heldFile) Sync() error {
	if f.of.held.Load() {
		<-f.of.let
	}
	return f.File.Sync()
}

// A disk that hangs holds the log's committer and nobody else: who waits for a
// leaf hears that it failed, the log closes, and what comes back late changes nothing.
func TestADiskThatHangsFailsTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := t.TempDir()
		h := &holding{FS: durable.OS, let: make(chan struct{})}
		disk, err := durable.OpenDisk(base, durable.On(h))
		if err != nil {
			t.Fatal(err)
		}
		l, err := OpenLog(filepath.Join(base, "log"), disk, testOptions(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), someEvent(1)); err != nil {
			t.Fatal(err)
		}
		h.held.Store(true)
		began := time.Now()
		if leaf, err := l.Append(t.Context(), someEvent(2)); err == nil {
			t.Errorf("leaf %d is durable on a disk that hangs", leaf.Index)
		}
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("it failed after %v", took)
		}
		<-l.Failed()
		if _, err := l.Append(t.Context(), someEvent(3)); err == nil {
			t.Error("the log takes events on a disk that has failed")
		}
		if err := l.Close(); err == nil {
			t.Error("the log closed as if all were well")
		}
		close(h.let)
		synctest.Wait()
		if l.Size() != 1 {
			t.Errorf("the log has %d leaves", l.Size())
		}
	})
}

// Both files of the checkpoint follow the last leaf, also where no other comes.
func TestCheckpointsFollowTheLastLeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := t.TempDir()
		disk, err := durable.OpenDisk(base)
		if err != nil {
			t.Fatal(err)
		}
		o := testOptions(t)
		dir := filepath.Join(base, "log")
		l, err := OpenLog(dir, disk, o)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		told := func(name string) Index {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			c, err := ParseCheckpoint(b, selfVerifier{o.Signer})
			if err != nil {
				t.Fatal(err)
			}
			return c.Size
		}
		for n := Index(1); n <= 2; n++ {
			if _, err := l.Append(t.Context(), someEvent(int(n))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if a, b := told(checkpoint), told(floorFile); a != n-1 || b != n-1 {
				t.Errorf("at once after leaf %d the checkpoints tell %d and %d: the next leaf has waited for them", n, a, b)
			}
			time.Sleep(storeAfter) // the bubble's
			synctest.Wait()
			if got := told(checkpoint); got != n {
				t.Errorf("%v after leaf %d the checkpoint tells %d", storeAfter, n, got)
			}
			time.Sleep(syncAfter)
			synctest.Wait()
			if got := told(floorFile); got != n {
				t.Errorf("%v after leaf %d the durable checkpoint tells %d", syncAfter, n, got)
			}
		}
	})
}
