package bolt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"penstock/approvals/state"
	"penstock/audit"
	"penstock/audit/durable"
)

// BenchmarkCommit is a whole change: leaf durable in the real log, row durable
// in the real store. It prints beside it what one flush of the same disk costs.
func BenchmarkCommit(b *testing.B) {
	dir := b.TempDir()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	disk, err := durable.OpenDisk(dir)
	must(err)
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); disk.Run(running) }()
	b.Cleanup(func() { stop(); <-done })
	signer, _, err := audit.LogKeys(filepath.Join(dir, "keys"), "bench.example/a")
	must(err)
	log, err := audit.OpenLog(filepath.Join(dir, "log"), disk, audit.Options{
		Origin: "bench.example/a", Node: "a", Signer: signer, Clock: audit.SystemClock(),
	})
	must(err)
	b.Cleanup(func() { log.Close() })
	store := mustOpen(b, filepath.Join(dir, "state.db"))
	j := state.NewJournal("a", log, store, owners)
	_, err = j.Check(ctx)
	must(err)
	flush := flushTime(b, dir)
	for i := 0; b.Loop(); i++ {
		firm := fmt.Sprint("f", i%100)
		_, err := j.Commit(ctx, "firm/"+firm, audit.Event{
			Subject: firm, Rev: uint64(i/100) + 1, Body: audit.FirmChanged{Firm: firm, Name: "x"},
		})
		must(err)
	}
	b.ReportMetric(float64(flush.Nanoseconds()), "ns/flush-p50")
}

// flushTime is the median of writing and flushing one page in dir.
func flushTime(b *testing.B, dir string) time.Duration {
	f, err := os.Create(filepath.Join(dir, "flush"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	var took []time.Duration
	for range 50 {
		began := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[len(took)/2]
}
