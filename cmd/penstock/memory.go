package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	calmBelow  = 64 << 10 // bytes allocated in a second in which nothing much happens
	worthwhile = 1 << 20  // bytes allocated since the last time; garbage, most of it
	growth     = 40       // percent of what lives that may be garbage; Go's own 100 costs an idle session 20 KiB more
	busyFrom   = 32 << 20 // bytes allocated in a second from which much passes, and the processor counts …
	busySpare  = 16 << 20 // … for more than so many bytes of garbage
	busyGrowth = 400      // percent, at most
)

// giveBack collects garbage and gives its memory back to the kernel when a
// burst is over. A handshake leaves several times what an idle session needs;
// left to itself Go collects that when the heap has doubled, or after two minutes.
func giveBack(ctx context.Context) error {
	ours := os.Getenv("GOGC") == "" // whoever runs it may choose otherwise
	if ours {
		debug.SetGCPercent(growth)
	}
	now := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var b burst
	started := false
	for {
		select {
		case <-tick.C:
			metrics.Read(now)
			if to := b.allowed(now[0].Value.Uint64(), now[1].Value.Uint64()); ours && to != b.growth {
				b.growth = to
				debug.SetGCPercent(to)
			}
			if b.over(now[0].Value.Uint64(), now[1].Value.Uint64()) {
				debug.FreeOSMemory()
				if b.more == 0 && !started {
					started = true
					unmapStart()
				}
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// collections are how often a burst's garbage is collected: each halves the
// stacks of goroutines that a handshake has made deep.
const collections = 3

// burst follows how much has been allocated.
type burst struct {
	last, collected uint64
	more            int // collections to come
	growth          int // percent that was set last; 0: none since the start
}

// allowed is how much garbage there may be in the second to come, percent of
// what lives. It is asked before over, with the same arguments.
func (b *burst) allowed(allocated, live uint64) int {
	if allocated-b.last < busyFrom {
		return growth
	}
	return int(max(growth, min(busyGrowth, busySpare*100/max(1, live))))
}

// over says, once a second, whether it is time to collect: much was allocated
// since the last time, measured by what a collection has to look at, and next to
// nothing in this second. Both arguments are bytes: allocated since the start,
// and alive after the last collection.
func (b *burst) over(allocated, live uint64) bool {
	calm := allocated-b.last < calmBelow
	b.last = allocated
	if allocated-b.collected >= max(worthwhile, live/4) {
		b.more = collections
	}
	if !calm || b.more == 0 {
		return false
	}
	b.collected = allocated
	b.more--
	return true
}

// unmapStart lets go of the pages of the program's own file that the start
// needed and nothing since, most of them (madvise(2), MADV_DONTNEED). They stay in the
// kernel's cache, which maps those that are used again as it did the first time;
// what is mapped counts as this process's and is given back last. Where it
// cannot be done they stay.
func unmapStart() {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return
	}
	for _, r := range unchanged(string(smaps), own) {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, r.from, r.to-r.from, unix.MADV_DONTNEED)
	}
}

// span is memory from one address to before another.
type span struct{ from, to uintptr }

// unchanged are the spans of a /proc/PID/smaps (proc_pid_smaps(5)) that are
// nothing but the file own: not to be written, and no page of them a copy, as
// those are that a linker relocated or a debugger stopped at.
func unchanged(smaps, own string) (all []span) {
	var at span
	for line := range strings.Lines(smaps) {
		words := strings.Fields(line)
		switch {
		case len(words) < 3:
		case len(words[1]) == 4 && strings.Contains(words[0], "-"): // 00400000-01739000 r-xp 00000000 fe:00 4711 /usr/bin/penstock
			at = span{}
			from, to, _ := strings.Cut(words[0], "-")
			a, err := strconv.ParseUint(from, 16, 64)
			b, wrong := strconv.ParseUint(to, 16, 64)
			if err == nil && wrong == nil && words[1][1] == '-' && len(words) > 5 && strings.HasSuffix(strings.TrimSuffix(line, "\n"), " "+own) {
				at = span{uintptr(a), uintptr(b)}
			}
		case words[0] == "Anonymous:" && words[1] == "0" && at.to > at.from:
			all = append(all, at)
		}
	}
	return all
}
