package recording_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
)

const (
	soakMiB     = 128       // where SOAK_MIB does not say otherwise; scripts/soak says 10240
	soakMemory  = 64 << 20  // that is alive, whatever the recording's size
	soakEncodes = 128 << 20 // the same, while as many encoders as there are are at work
	soakSeek    = time.Second
)

// soakSlack is how much slower than promised it may be: CI runs on whatever
// machine there is, beside all else; scripts/soak is what measures.
func soakSlack() time.Duration {
	if os.Getenv("SOAK_MIB") == "" {
		return 10
	}
	return 1
}

func soakSize(t *testing.T) int64 {
	text := os.Getenv("SOAK_MIB")
	if text == "" {
		return soakMiB << 20
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 16 {
		t.Fatalf("SOAK_MIB is %q: a number of MiB, at least 16", text)
	}
	return n << 20
}

// heap watches how many bytes are alive at most while f runs, by the collections
// in it. Garbage is left out: how much of it lies about is the machine's load.
func heap(f func()) (most uint64) {
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	debug.FreeOSMemory()
	ctx, stop := context.WithCancel(context.Background())
	var watched sync.WaitGroup
	watched.Go(func() {
		now := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			metrics.Read(now)
			most = max(most, now[0].Value.Uint64())
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	f()
	stop()
	watched.Wait()
	return most
}

// processor is how much time of processors this process has taken.
func processor(t *testing.T) time.Duration {
	var u syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A recording that is far larger than any memory of it is written, verified,
// exported and read from anywhere.
func TestSoakALargeRecording(t *testing.T) {
	size := soakSize(t)
	r := newRoom(t, t.TempDir())
	run(t, r.Run)
	step := func(what string, bytes func() int64, f func()) {
		t.Helper()
		begun, used := time.Now(), processor(t)
		most := heap(f)
		took, busy := time.Since(begun), processor(t)-used
		mb := float64(bytes()) / 1e6
		t.Logf("%-8s %7.0f MB in %5.1f s: %5.0f MB/s, %5.0f MB for each second of a processor, %3d MiB alive at most",
			what, mb, took.Seconds(), mb/took.Seconds(), mb/busy.Seconds(), most>>20)
		if most > soakMemory {
			t.Errorf("%s held %d MiB; %d MiB are the most for any size", what, most>>20, soakMemory>>20)
		}
	}
	w := r.create(t, "S-1")
	written := func() int64 { return w.Written() }
	var last time.Duration
	step("write", written, func() { last = soakWrite(t, w, size) })
	_, err := w.Close(t.Context(), "client")
	must(t, err)

	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	key, err := recording.SessionKey(r.path("S-1"), identity)
	must(t, err)
	for what, with := range map[string][]byte{"verify": key, "chain": nil} {
		step(what, written, func() {
			report, err := recording.VerifyFolder(r.path("S-1"), audit.Hash{}, with)
			must(t, err)
			if !report.Whole() || report.Closed == nil {
				t.Errorf("%s: closed %v, found %v", what, report.Closed, report.Findings)
			}
		})
	}
	var out counted
	for what, export := range map[string]func(io.Writer) error{
		"cast":   func(w io.Writer) error { return recording.ExportCast(w, rd, 0, 3) },
		"text":   func(w io.Writer) error { return recording.ExportText(w, rd, 0) },
		"pcapng": func(w io.Writer) error { return recording.ExportPcapng(w, rd, 1) },
	} {
		out = 0
		step(what, func() int64 { return int64(out) }, func() { must(t, export(&out)) })
	}
	soakSeeks(t, rd, last)
}

// soakWrite fills a shell with lines and a TCP stream with what does not get
// smaller, until the files have size bytes. last is a moment that both have.
func soakWrite(t *testing.T, w *recording.Writer, size int64) (last time.Duration) {
	random := rand.NewPCG(4711, 417)
	noise := make([]byte, 4<<20)
	for i := range noise {
		noise[i] = byte(random.Uint64() >> 33)
	}
	var lines bytes.Buffer
	for i := 0; lines.Len() < 4<<20; i++ {
		fmt.Fprintf(&lines, "%08d press 4: %d.%d C, valve %x open\r\n", i, 60+i%30, i%10, i*7919)
	}
	begun := time.Now()
	shell, tcp := stream(t, w, 0, "shell"), stream(t, w, 1, "tcp")
	must(t, tcp.Commit(t.Context(), 'q', []byte(`{"kind":"direct-tcpip","source":"192.0.2.7:40000","target":"10.20.1.11:502","host":"filler-plc","port":502,"allowed":true}`)))
	must(t, tcp.Commit(t.Context(), 'm', []byte("connected to 10.20.1.11:502")))
	const piece = 64 << 10
	for i := 0; w.Written() < size; i++ {
		at := i * piece % (4<<20 - piece)
		if i%32 == 0 {
			must(t, shell.Append('o', lines.Bytes()[at:at+piece]))
		} else {
			must(t, tcp.Append('i', noise[at:at+piece]))
		}
	}
	last = time.Since(begun)
	must(t, shell.Close(t.Context()))
	must(t, tcp.Close(t.Context()))
	return last * 9 / 10
}

func soakSeeks(t *testing.T, rd *recording.Reader, last time.Duration) {
	var slowest time.Duration
	for i := range 20 {
		to := last * time.Duration(i) / 19
		for _, ch := range []int{0, 1, -1} {
			begun, found := time.Now(), false
			for f, err := range rd.Frames(ch, to) {
				must(t, err)
				if found = true; f.At < to {
					t.Errorf("seek to %v gives %v", to, f.At)
				}
				break
			}
			slowest = max(slowest, time.Since(begun))
			if !found {
				t.Fatalf("nothing of channel %d from %v on", ch, to)
			}
		}
	}
	t.Logf("60 seeks, the slowest %v", slowest)
	if most := soakSeek * soakSlack(); slowest > most {
		t.Errorf("a seek took %v, and %v is the most", slowest, most)
	}
}

// TestSoakAPlayedRecording: a terminal on which much has passed opens, seeks and
// plays from anywhere, in a second and in memory that does not grow.
func TestSoakAPlayedRecording(t *testing.T) {
	size := int64(soakPlayed) << 20
	if os.Getenv("SOAK_MIB") != "" {
		size = soakSize(t)
	}
	r := newRoom(t, t.TempDir())
	run(t, r.Run)
	w := r.create(t, "S-1")
	shell := stream(t, w, 0, "shell")
	must(t, shell.Commit(t.Context(), 'q', []byte(`{"allowed":true,"cols":90,"kind":"pty-req","rows":30,"term":"xterm"}`)))
	var text []byte
	for n := int64(0); n < size; n += int64(len(text)) {
		text = text[:0]
		for i := range 500 {
			text = fmt.Appendf(text, "\x1b[3%dm%012d\x1b[m press 4: %d.%d C, valve %x open\r\n", i%8, n+int64(len(text)), 60+i%30, i%10, n*7919)
		}
		must(t, shell.Append('o', text))
	}
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	begun := time.Now()
	long, err := rd.Span(0)
	must(t, err)
	known := time.Since(begun)
	var slowest time.Duration
	most := heap(func() {
		for i := range 12 {
			slowest = max(slowest, soakMoment(t, rd, long*time.Duration(i)/11))
		}
	})
	t.Logf("%d MiB of output, %d MiB in files, %v long, which is known after %v; of 12 moments and what follows them the slowest took %v of a processor; %d MiB alive at most",
		size>>20, w.Written()>>20, long, known, slowest, most>>20)
	if slowest > soakSeek && soakStreams == 2000 {
		t.Errorf("a moment took %v, and %v is the most", slowest, soakSeek)
	}
	if most > soakMemory {
		t.Errorf("moments held %d MiB; %d MiB are the most for any size", most>>20, soakMemory>>20)
	}
}

// soakMoment is the screen at a moment, held to what comes next. It gives how
// long a processor was busy with it, the best of three: how long it waits for
// one is the machine's load.
func soakMoment(t *testing.T, rd *recording.Reader, to time.Duration) time.Duration {
	t.Helper()
	best := time.Hour
	for range 3 {
		begun := processor(t)
		m, err := rd.Moment(0, to)
		must(t, err)
		lines := m.Screen.Lines()
		next, size := m.Next, 0
		for f, err := range rd.After(0, m.Next) {
			must(t, err)
			if f.Seq != next && f.Mark != 'r' || f.At <= m.At {
				t.Fatalf("at %v: frame %d at %v, want %d", m.At, f.Seq, f.At, next)
			}
			if size == 0 && f.Mark == 'o' {
				soakFollows(t, m, lines, f.Data)
			}
			next++
			if size += len(f.Data); size > 256<<10 {
				break
			}
		}
		best = min(best, processor(t)-begun)
	}
	return best
}

// soakFollows: the first whole line that follows begins where the screen's last
// whole line ended.
func soakFollows(t *testing.T, m recording.Moment, lines []string, text []byte) {
	t.Helper()
	if len(lines) < 3 {
		return
	}
	var last, first int64
	if n, _ := fmt.Sscanf(lines[len(lines)-2], "%012d press", &last); n != 1 || !m.Whole {
		t.Fatalf("at %v: whole %v, %q", m.At, m.Whole, lines)
	}
	i := bytes.Index(text, []byte("\x1b[3"))
	if n, _ := fmt.Sscanf(string(text[i+5:i+17]), "%012d", &first); n != 1 || first <= last || first > last+300 {
		t.Fatalf("at %v: behind line %d comes %d", m.At, last, first)
	}
}

type counted int64

func (c *counted) Write(b []byte) (int, error) {
	*c += counted(len(b))
	return len(b), nil
}

// 2 000 streams that change in one second: all are durable, and one round
// commits to every one of them.
func TestSoakManyStreams(t *testing.T) {
	r := newRoom(t, t.TempDir())
	const each = 50
	all := make([]*recording.Stream, soakStreams)
	var writers [soakStreams / each]*recording.Writer
	var made sync.WaitGroup
	for i := range writers {
		made.Go(func() {
			w, _, _, err := r.Create(t.Context(), header(fmt.Sprintf("S-%d", i+1)))
			if err != nil {
				t.Error(err)
				return
			}
			writers[i] = w
			for ch := range each {
				if all[i*each+ch], err = w.Stream(ch, "shell"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	made.Wait()
	if t.Failed() {
		t.FailNow()
	}
	screen := bytes.Repeat([]byte("press 4 is at 81.3 C, valve open\r\n"), 60) // 2 KiB each
	var wrote, rounds time.Duration
	most := heap(func() {
		begun := time.Now()
		var out sync.WaitGroup
		for _, s := range all {
			out.Go(func() {
				if err := s.Commit(t.Context(), 'o', screen); err != nil {
					t.Error(err)
				}
			})
		}
		out.Wait()
		wrote = time.Since(begun)
		begun = time.Now()
		must(t, recording.Round(t.Context(), r.Archive))
		rounds = time.Since(begun)
	})
	t.Logf("%d streams were durable after %v; one round of heads took %v; %d MiB alive at most", soakStreams, wrote, rounds, most>>20)
	heads := r.log.of("recording.heads")
	if len(heads) != 1 || heads[0].(audit.RecordingHeads).Count != soakStreams {
		t.Errorf("%d leaves of heads, %+v", len(heads), heads)
	}
	if rounds > soakSlack()*time.Second {
		t.Errorf("a round of heads took %v: the next one comes after a second", rounds)
	}
	if most > soakEncodes {
		t.Errorf("%d MiB were alive; %d MiB are the most", most>>20, soakEncodes>>20)
	}
	var closed sync.WaitGroup
	for _, w := range writers {
		closed.Go(func() {
			if _, err := w.Close(t.Context(), "client"); err != nil {
				t.Error(err)
			}
		})
	}
	closed.Wait()
	report, err := recording.VerifyFolder(r.path(fmt.Sprintf("S-%d", len(writers))), audit.Hash{}, nil)
	must(t, err)
	if !report.Whole() || len(report.Files) != each {
		t.Errorf("%d files, found %v", len(report.Files), report.Findings)
	}
}
