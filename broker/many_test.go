package broker_test

import (
	"context"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"penstock/audit/durable"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

const (
	manySessions = 2000
	manyAtOnce   = 64
	manyKiB      = 48 // heap and stacks of one that has worked and is idle, here and in its recorder
	manyTexts    = 40 // that each of them shows, 8 KiB each
)

// unsynced is a disk that is as fast as memory: what it costs is not measured here.
type unsynced struct{ durable.FS }

func (u unsynced) OpenFile(name string, flag int, perm os.FileMode) (durable.File, error) {
	f, err := u.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return unsyncedFile{f}, nil
}

func (unsynced) SyncDir(string) error { return nil }

type unsyncedFile struct{ durable.File }

func (unsyncedFile) Sync() error { return nil }

// 2 000 sessions at once, with the real recorder: what each holds is bounded while
// it works and afterwards, one more is refused, and nothing is held when they have left.
func TestTwoThousandSessionsAreBounded(t *testing.T) {
	log, a := &brokertest.Log{}, &brokertest.Agreement{}
	ar, _ := brokertest.ArchiveOn(t, log, t.TempDir(), durable.On(unsynced{durable.OS}))
	plant := testPlant(t)
	a.Window(brokertest.W1, time.Now(), time.Hour)
	b := broker.New(func() *policy.Plant { return plant }, a, log, ar, broker.Limits{Sessions: manySessions, SessionsPerPerson: manySessions + 1}, broker.Clock{}, brokertest.IDs())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	defer func() { cancel(); <-done }()

	before, routines := inUse(), runtime.NumGoroutine()
	var mu sync.Mutex
	var all []*broker.Session
	each(manySessions, func() {
		s, err := b.Admit(ctx, brokertest.Arrival(brokertest.W1), &brokertest.Guest{})
		if err != nil {
			t.Errorf("admit: %v", err)
			return
		}
		mu.Lock()
		all = append(all, s)
		mu.Unlock()
		c, err := s.Open(ctx, brokertest.Shell(brokertest.Viewer))
		if err != nil {
			t.Errorf("open: %v", err)
			return
		}
		text := make([]byte, 8<<10)
		for range manyTexts {
			if err := c.Out(ctx, recording.Out, text); err != nil {
				t.Errorf("out: %v", err)
				return
			}
		}
		if got := in(c, "ls\n"); got != "passed" {
			t.Errorf("in: %s", got)
		}
	})
	if _, err := b.Admit(ctx, brokertest.Arrival(brokertest.W1), &brokertest.Guest{}); rule(err) != "too-many-sessions" {
		t.Errorf("one more: %v", err)
	}
	if kib := (inUse() - before) / manySessions >> 10; kib > manyKiB {
		t.Errorf("a session holds %d KiB, at most %d", kib, manyKiB)
	} else {
		t.Logf("a session holds %d KiB", kib)
	}
	each(len(all), func() {
		mu.Lock()
		s := all[len(all)-1]
		all = all[:len(all)-1]
		mu.Unlock()
		s.End(nil)
		<-s.Done()
	})
	left := runtime.NumGoroutine() - routines
	if held := inUse() - before; len(b.Sessions()) != 0 || left > 10 || held > 8<<20 {
		t.Errorf("%d sessions, %d goroutines and %d KiB are left", len(b.Sessions()), left, held>>10)
	}
}

// each calls f so often, some at once.
func each(n int, f func()) {
	var all sync.WaitGroup
	slots := make(chan struct{}, manyAtOnce)
	for range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			f()
		})
	}
	all.Wait()
}

// inUse is heap and stacks after collections, each of which halves the stacks that were deep.
func inUse() int64 {
	for range 5 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
