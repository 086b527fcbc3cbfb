package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
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
