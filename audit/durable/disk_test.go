package durable_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"penstock/audit/durable"
	"penstock/audit/durable/faultdisk"
)

func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// gate is a file system whose syncs wait until they are let through.
type gate struct {
	durable.FS
	asked chan string
	let   chan error
}

type gated struct {
	durable.File
	g *gate
}

func (g *gate) OpenFile(name string, flag int, perm os.FileMode) (durable.File, error) {
	f, err := g.FS.OpenFile(name, flag, perm)
	if err != nil || strings.HasPrefix(filepath.Base(name), ".tmp-") {
		return f, err // the probe passes
	}
	return &gated{f, g}, nil
}

func (f *gated) Sync() error {
	f.g.asked <- filepath.Base(f.Name())
	return <-f.g.let
}

// start makes a gated disk with a running committer and two files.
func start(t *testing.T, patience time.Duration) (d *durable.Disk, g *gate, a, b durable.File, stop func() error) {
	t.Helper()
	dir := t.TempDir()
	g = &gate{FS: durable.OS, asked: make(chan string), let: make(chan error)}
	d, err := durable.OpenDisk(dir, durable.On(g), durable.Patience(patience))
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string) durable.File {
		f, err := d.FS().OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	return d, g, open("a"), open("b"), func() error { cancel(); return <-ran }
}

func TestSyncIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g, a, b, stop := start(t, time.Minute)
		ctx := context.Background()
		var first, later sync.WaitGroup
		done := 0
		first.Go(func() {
			if err := d.Sync(ctx, a); err != nil {
				t.Error(err)
			}
		})
		if name := <-g.asked; name != "a" {
			t.Fatalf("synced is %s", name)
		}
		var mu sync.Mutex
		for _, f := range []durable.File{a, a, a, b, b} { // while the first is on its way
			later.Go(func() {
				if err := d.Sync(ctx, f); err != nil {
					t.Error(err)
				}
				mu.Lock()
				done++
				mu.Unlock()
			})
		}
		synctest.Wait()
		g.let <- nil
		first.Wait()
		if done != 0 {
			t.Error("somebody was released by a sync that began before the call")
		}
		seen := map[string]int{<-g.asked: 1}
		seen[<-g.asked]++
		if seen["a"] != 1 || seen["b"] != 1 {
			t.Errorf("the second round synced %v", seen)
		}
		g.let <- nil
		g.let <- nil
		later.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := d.Sync(ctx, a); !errors.Is(err, durable.ErrStopped) {
			t.Errorf("after Run: %v", err)
		}
	})
}

func TestFailureIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g, a, b, stop := start(t, time.Minute)
		ctx := context.Background()
		broken := errors.New("the device is gone")
		errs := make(chan error, 2)
		go func() { errs <- d.Sync(ctx, a) }()
		<-g.asked
		go func() { errs <- d.Sync(ctx, b) }() // waits for the next round, which never comes
		synctest.Wait()
		g.let <- broken
		for range 2 {
			if err := <-errs; !errors.Is(err, broken) {
				t.Errorf("one who waited got %v", err)
			}
		}
		<-d.Failed()
		if err := stop(); !errors.Is(err, broken) {
			t.Errorf("Run says %v", err)
		}
		for what, err := range map[string]error{
			"Sync": d.Sync(ctx, a), "SyncNow": d.SyncNow(b), "WriteFile": d.WriteFile(filepath.Join(t.TempDir(), "x"), nil, 0o600),
			"MkdirAll": d.MkdirAll(filepath.Join(t.TempDir(), "x"), 0o700), "SyncDir": d.SyncDir(t.TempDir()),
		} {
			if !errors.Is(err, broken) {
				t.Errorf("%s afterwards: %v", what, err)
			}
		}
	})
}

// A flush that takes long is overdue, and nothing is wrong once it is done.
func TestSlowFlushIsOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g, a, _, stop := start(t, 2*time.Second)
		o, began := d.Overdue(), time.Now()
		errs := make(chan error, 1)
		go func() { errs <- d.Sync(context.Background(), a) }()
		<-g.asked
		<-o.Late()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("overdue after %v", took)
		}
		select {
		case <-o.Well():
			t.Error("late and well at once")
		default:
		}
		time.Sleep(27 * time.Second)
		g.let <- nil
		if err := <-errs; err != nil {
			t.Error(err)
		}
		<-o.Well()
		select {
		case <-o.Late():
			t.Error("well and late at once")
		default:
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// An error is final, also of a flush that was overdue.
func TestAnErrorAfterTheDelayIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g, a, _, stop := start(t, 2*time.Second)
		errs := make(chan error, 1)
		go func() { errs <- d.Sync(context.Background(), a) }()
		<-g.asked
		<-d.Overdue().Late()
		broken := errors.New("the device is gone")
		g.let <- broken
		if err := <-errs; !errors.Is(err, broken) {
			t.Errorf("got %v", err)
		}
		<-d.Failed()
		if err := stop(); !errors.Is(err, broken) {
			t.Errorf("Run says %v", err)
		}
	})
}

func TestFlushThatHangsFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g, a, _, stop := start(t, 2*time.Second)
		began := time.Now()
		errs := make(chan error, 1)
		go func() { errs <- d.Sync(context.Background(), a) }()
		<-g.asked
		err := <-errs // the bubble's clock goes on by itself
		if err == nil || time.Since(began) != 30*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		g.let <- nil // too late
		if err := stop(); err == nil {
			t.Error("Run says that all is well")
		}
	})
}

func TestContextEndsTheWait(t *testing.T) {
	dir := t.TempDir()
	d, err := durable.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error, 1)
	go func() { errs <- d.Sync(ctx, f) }() // nobody runs the committer
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A file is whole or absent, whatever breaks.
func TestWriteFileIsWholeOrAbsent(t *testing.T) {
	for when, name := range map[faultdisk.When]string{faultdisk.Before: "before", faultdisk.After: "after", faultdisk.Half: "half"} {
		t.Run(name, func(t *testing.T) {
			for n := 1; ; n++ {
				dir := t.TempDir()
				fault := faultdisk.New(dir)
				d, err := durable.OpenDisk(dir, durable.On(fault))
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, "sub", "f")
				fault.Fail(n, when)
				err = d.MkdirAll(filepath.Dir(path), 0o700)
				if err == nil {
					err = d.WriteFile(path, []byte("hello"), 0o600)
				}
				fired := fault.Fired()
				if fired && err == nil {
					t.Fatalf("operation %d broke and nobody was told", n)
				}
				if err := fault.PowerCut(faultdisk.Lost()); err != nil {
					t.Fatal(err)
				}
				b, errRead := os.ReadFile(path)
				if errRead == nil && string(b) != "hello" || err == nil && errRead != nil {
					t.Fatalf("operation %d: left is %q, %v; WriteFile said %v", n, b, errRead, err)
				}
				if !fired {
					break
				}
			}
		})
	}
}
