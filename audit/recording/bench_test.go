package recording_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"penstock/audit/recording"
)

// quantile gives the given part, from 0 to 1, in milliseconds.
func quantile(d []time.Duration, at float64) float64 {
	slices.Sort(d)
	return float64(d[int(float64(len(d)-1)*at)]) / 1e6
}

// fdatasync measures the folder's disk: append 512 bytes, sync.
func fdatasync(b *testing.B, dir string) []time.Duration {
	f, err := os.Create(filepath.Join(dir, "probe"))
	must(b, err)
	defer f.Close()
	var took []time.Duration
	for range 300 {
		start := time.Now()
		_, err := f.Write(make([]byte, 512))
		must(b, err)
		must(b, syscall.Fdatasync(int(f.Fd())))
		took = append(took, time.Since(start))
	}
	return took
}

// BenchmarkCommit: sessions that commit a keystroke each, as fast as they are
// acknowledged. fsync-p50-ms is the bare disk in the same run.
func BenchmarkCommit(b *testing.B) {
	for _, sessions := range []int{1, 20, 100} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			r := newRoom(b, b.TempDir())
			bare := fdatasync(b, r.dir)
			var streams []*recording.Stream
			for i := range sessions {
				w := r.create(b, fmt.Sprintf("S-%d", i))
				b.Cleanup(func() { w.Close(b.Context(), "client") })
				streams = append(streams, stream(b, w, 0, "shell"))
				must(b, streams[i].Commit(b.Context(), 'i', []byte("k")))
			}
			took := make([][]time.Duration, sessions)
			b.ResetTimer()
			var all sync.WaitGroup
			for i, s := range streams {
				all.Go(func() {
					for range (b.N + sessions - 1) / sessions {
						start := time.Now()
						if err := s.Commit(b.Context(), 'i', []byte("k")); err != nil {
							b.Error(err)
							return
						}
						took[i] = append(took[i], time.Since(start))
					}
				})
			}
			all.Wait()
			b.StopTimer()
			every := slices.Concat(took...)
			b.ReportMetric(quantile(every, 0.5), "p50-ms")
			b.ReportMetric(quantile(every, 0.99), "p99-ms")
			b.ReportMetric(quantile(bare, 0.5), "fsync-p50-ms")
			for _, s := range streams {
				must(b, s.Close(b.Context()))
			}
		})
	}
}

// BenchmarkAppend: one stream's output, as fast as it is taken; what is
// appended is durable at the end.
func BenchmarkAppend(b *testing.B) {
	const piece = 32 << 10
	var lines bytes.Buffer // 8 MiB, so that no piece is in the compressor's window again
	for i := 0; lines.Len() < 256*piece; i++ {
		fmt.Fprintf(&lines, "%08d press 4: %d.%d C, valve %x open\r\n", i, 60+i%30, i%10, i*7919)
	}
	r := newRoom(b, b.TempDir())
	w := r.create(b, "S-1")
	s := stream(b, w, 0, "exec")
	b.SetBytes(piece)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		at := i % 256 * piece
		must(b, s.Append('o', lines.Bytes()[at:at+piece]))
	}
	must(b, s.Close(b.Context()))
	b.StopTimer()
	_, err := w.Close(b.Context(), "client")
	must(b, err)
}

// BenchmarkUpload: what a vendor sends as fast as it is durable, a MiB at a time.
func BenchmarkUpload(b *testing.B) {
	r := newRoom(b, b.TempDir())
	w := r.create(b, "S-1")
	s := stream(b, w, 0, "exec")
	p := make([]byte, 1<<20)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		must(b, s.Commit(b.Context(), 'i', p))
	}
	must(b, s.Close(b.Context()))
	_, err := w.Close(b.Context(), "client")
	must(b, err)
}

// BenchmarkRead: the same bytes back, checked, opened and decompressed.
func BenchmarkRead(b *testing.B) {
	r := newRoom(b, b.TempDir())
	w := r.create(b, "S-1")
	s := stream(b, w, 0, "exec")
	p := []byte(strings.Repeat("press 4 is at 81.3 C, valve open\r\n", 2000))[:64<<10]
	for range 256 {
		must(b, s.Append('o', p))
	}
	_, err := w.Close(b.Context(), "client")
	must(b, err)
	b.SetBytes(256 * int64(len(p)))
	for b.Loop() {
		rd, err := r.Open("S-1")
		must(b, err)
		for _, err := range rd.Frames(0, 0) {
			must(b, err)
		}
		rd.Close()
	}
}

// BenchmarkScreen draws what a terminal shows: lines that scroll, and a
// full-screen program that draws some rows in colour again and again.
func BenchmarkScreen(b *testing.B) {
	var lines, program bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&lines, "%08d press 4: %d.%d C, valve %x open\r\n", i, 60+i%30, i%10, i*7919)
		fmt.Fprintf(&program, "\x1b[%d;3H\x1b[1;32m%5d\x1b[m root \x1b[38;5;%dm%3d.%d\x1b[0m\x1b[K", i%24+1, i, i%256, i%100, i%10)
	}
	for name, text := range map[string][]byte{"lines": lines.Bytes(), "program": program.Bytes()} {
		b.Run(name, func(b *testing.B) {
			s := recording.NewScreen(nil)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.Write(text)
			}
		})
	}
}

// BenchmarkKeystroke: one session's keystrokes, each beside what the disk alone takes
// for as many bytes, in turns. adds-µs is the difference of their medians.
func BenchmarkKeystroke(b *testing.B) {
	r := newRoom(b, b.TempDir())
	probe, err := os.Create(filepath.Join(r.dir, "probe"))
	must(b, err)
	defer probe.Close()
	w := r.create(b, "S-1")
	s := stream(b, w, 0, "shell")
	frame := make([]byte, 85)
	var bare, took []time.Duration
	for b.Loop() {
		start := time.Now()
		_, err := probe.Write(frame)
		must(b, err)
		must(b, syscall.Fdatasync(int(probe.Fd())))
		between := time.Now()
		must(b, s.Commit(b.Context(), 'i', []byte("k")))
		bare, took = append(bare, between.Sub(start)), append(took, time.Since(between))
	}
	b.ReportMetric(1000*quantile(took, 0.5), "p50-µs")
	b.ReportMetric(1000*quantile(bare, 0.5), "fdatasync-p50-µs")
	b.ReportMetric(1000*(quantile(took, 0.5)-quantile(bare, 0.5)), "adds-µs")
	must(b, s.Close(b.Context()))
	_, err = w.Close(b.Context(), "client")
	must(b, err)
}
