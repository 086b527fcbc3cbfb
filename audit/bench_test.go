package audit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"penstock/audit/durable"
)

// fdatasyncP50 measures what one durable append of n bytes costs in this folder now.
func fdatasyncP50(b *testing.B, dir string, n int) time.Duration {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "probe"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	took := make([]time.Duration, 200)
	for i := range took {
		start := time.Now()
		if _, err := f.Write(make([]byte, n)); err != nil {
			b.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// BenchmarkAppend is one durable leaf; fdatasync-p50-ns is the disk's own
// share, measured in the same folder in the same run.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			dir := b.TempDir()
			p50 := fdatasyncP50(b, dir, 400)
			disk, err := durable.OpenDisk(dir)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			var run sync.WaitGroup
			run.Go(func() { disk.Run(ctx) })
			defer run.Wait()
			defer cancel()
			l, err := OpenLog(filepath.Join(dir, "log"), disk, testOptions(b))
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			work := make(chan int)
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for i := range work {
						if _, err := l.Append(ctx, someEvent(i)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			b.ResetTimer()
			for i := range b.N {
				work <- i
			}
			close(work)
			wg.Wait()
			b.ReportMetric(float64(p50.Nanoseconds()), "fdatasync-p50-ns")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "leaves/s")
		})
	}
}

func BenchmarkUpto(b *testing.B) {
	dir := b.TempDir()
	disk, err := durable.OpenDisk(dir)
	if err != nil {
		b.Fatal(err)
	}
	l, err := OpenLog(filepath.Join(dir, "log"), disk, testOptions(b))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := range 32 {
				if _, err := l.Append(context.Background(), someEvent(w*32+i)); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.ResetTimer()
	for range b.N {
		for _, err := range l.Upto(context.Background(), 0) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*2048/b.Elapsed().Seconds(), "leaves/s")
}
