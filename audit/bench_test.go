package audit

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"
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

// BenchmarkAppend is durable events beside two ways to have the same without a
// tree, in turns on the same disk: one bbolt transaction for each event, and a
// bare group commit, which is one file, one fdatasync for all that wait.
// x-bbolt is how many times the log is faster than the former; the p99 are of
// one event, over-bare-p99-ms is what the log takes longer than the latter.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			dir := b.TempDir()
			p50 := fdatasyncP50(b, dir, 400)
			ways := map[string]func(int) error{"log": benchLog(b, dir), "bbolt": benchBolt(b, dir), "bare": benchBare(b, dir)}
			rate, took := map[string]float64{}, map[string][]time.Duration{}
			for b.Loop() {
				for name, one := range ways {
					r, t := inTurns(b, writers, 250*time.Millisecond, one)
					rate[name] += r
					took[name] = append(took[name], t...)
				}
			}
			p99 := func(name string) float64 {
				slices.Sort(took[name])
				return float64(took[name][len(took[name])*99/100].Nanoseconds()) / 1e6
			}
			b.ReportMetric(float64(p50.Nanoseconds())/1e6, "fdatasync-p50-ms")
			b.ReportMetric(rate["log"]/float64(b.N), "log/s")
			b.ReportMetric(rate["bbolt"]/float64(b.N), "bbolt/s")
			b.ReportMetric(rate["bare"]/float64(b.N), "bare/s")
			b.ReportMetric(rate["log"]/rate["bbolt"], "x-bbolt")
			b.ReportMetric(p99("log"), "p99-ms")
			b.ReportMetric(p99("log")-p99("bare"), "over-bare-p99-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// inTurns lets writers do one after the other for a while: how many a second,
// and how long each took.
func inTurns(b *testing.B, writers int, long time.Duration, one func(int) error) (rate float64, took []time.Duration) {
	b.Helper()
	each := make([][]time.Duration, writers)
	begun := time.Now()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := 0; time.Since(begun) < long; i++ {
				start := time.Now()
				if err := one(w<<20 + i); err != nil {
					b.Error(err)
					return
				}
				each[w] = append(each[w], time.Since(start))
			}
		})
	}
	wg.Wait()
	all := slices.Concat(each...)
	return float64(len(all)) / time.Since(begun).Seconds(), all
}

func benchLog(b *testing.B, dir string) func(int) error {
	disk, err := durable.OpenDisk(dir)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { disk.Run(ctx) })
	l, err := OpenLog(filepath.Join(dir, "log"), disk, testOptions(b))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
		cancel()
		run.Wait()
	})
	return func(i int) error {
		_, err := l.Append(ctx, someEvent(i))
		return err
	}
}

func benchBolt(b *testing.B, dir string) func(int) error {
	db, err := bbolt.Open(filepath.Join(dir, "bolt"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	return func(i int) error {
		return db.Update(func(tx *bbolt.Tx) error {
			at, err := tx.CreateBucketIfNotExists([]byte("events"))
			if err != nil {
				return err
			}
			n, err := at.NextSequence()
			if err != nil {
				return err
			}
			text, err := Canonical(someEvent(i))
			if err != nil {
				return err
			}
			return at.Put(binary.BigEndian.AppendUint64(nil, n), text)
		})
	}
}

func benchBare(b *testing.B, dir string) func(int) error {
	f, err := os.Create(filepath.Join(dir, "bare"))
	if err != nil {
		b.Fatal(err)
	}
	type one struct {
		text []byte
		done chan error
	}
	queue, ended := make(chan one, 1024), make(chan struct{})
	go func() {
		defer close(ended)
		for first := range queue {
			batch, text := []one{first}, first.text
			for more := true; more && len(batch) < batchLen; {
				select {
				case o := <-queue:
					batch, text = append(batch, o), append(text, o.text...)
				default:
					more = false
				}
			}
			_, err := f.Write(text)
			if err == nil {
				err = unix.Fdatasync(int(f.Fd()))
			}
			for _, o := range batch {
				o.done <- err
			}
		}
	}()
	b.Cleanup(func() { close(queue); <-ended; f.Close() })
	return func(i int) error {
		text, err := Canonical(someEvent(i))
		if err != nil {
			return err
		}
		o := one{text, make(chan error, 1)}
		queue <- o
		return <-o.done
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
