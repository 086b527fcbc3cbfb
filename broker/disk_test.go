package broker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"penstock/audit/durable"
	"penstock/audit/durable/faultdisk"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// Promise 2 with the real recorder: each operation of the disk fails once,
// before and after it was done, and the power goes. What was forwarded is in
// what the disk has kept.
func TestEachDiskOperationFailsOnce(t *testing.T) {
	for _, when := range []faultdisk.When{faultdisk.Before, faultdisk.After, faultdisk.Half} {
		fired := true
		for n := 1; fired && n < 200; n++ {
			fired = diskFails(t, n, when)
		}
		if fired {
			t.Error("the story never came to its end")
		}
	}
}

func diskFails(t *testing.T, n int, when faultdisk.When) (fired bool) {
	t.Helper()
	dir := t.TempDir()
	fault := faultdisk.New(dir)
	log, a := &brokertest.Log{}, &brokertest.Agreement{}
	ar, _ := brokertest.ArchiveOn(t, log, dir, durable.On(fault))
	plant := testPlant(t)
	a.Window(brokertest.W1, time.Now(), time.Hour)
	b := broker.New(func() *policy.Plant { return plant }, a, log, ar, broker.Limits{}, broker.Clock{}, brokertest.IDs())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	defer func() { cancel(); <-done }()
	fault.Fail(n, when)
	forwarded := ""
	s, err := b.Admit(context.Background(), brokertest.Arrival(brokertest.W1), &brokertest.Guest{})
	if err == nil {
		if c, err := s.Open(context.Background(), brokertest.Shell(brokertest.Maint)); err == nil {
			for _, text := range []string{"ls\n", "cat x\n", "rm x\n"} {
				if in(c, text) == "passed" {
					forwarded += text
				}
				_ = c.Out(context.Background(), recording.Out, []byte("ok\n")) // its error shows at the next In
			}
		}
		fired = fault.Fired()
		if err := fault.PowerCut(faultdisk.Keep{}); err != nil {
			t.Fatal(err)
		}
		s.End(nil)
		<-s.Done()
	}
	fired = fired || fault.Fired()
	if kept := kept(t, ar); !strings.HasPrefix(kept, forwarded) {
		t.Errorf("operation %d: forwarded %q, the disk kept %q", n, forwarded, kept)
	}
	if !fired && forwarded != "ls\ncat x\nrm x\n" {
		t.Errorf("on a disk that works only %q was forwarded", forwarded)
	}
	return fired
}

// kept is what the disk has of the vendor's bytes; a torn tail ends it.
func kept(t *testing.T, ar *recording.Archive) string {
	t.Helper()
	r, err := ar.Open("S-1")
	if err != nil {
		return ""
	}
	defer r.Close()
	var all strings.Builder
	for f, err := range r.Frames(-1, 0) {
		if err != nil {
			break
		}
		if f.Mark == recording.In {
			all.Write(f.Data)
		}
	}
	return all.String()
}
