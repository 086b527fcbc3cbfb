package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestBurst(t *testing.T) {
	const mib = 1 << 20
	var b burst
	for i, second := range []struct {
		allocated, live uint64
		over            bool
	}{
		{9 * mib, 4 * mib, false},             // starting
		{9*mib + 10<<10, 4 * mib, true},       // started
		{9*mib + 20<<10, 4 * mib, true},       // … and again, for the stacks
		{9*mib + 30<<10, 4 * mib, true},       //
		{9*mib + 40<<10, 4 * mib, false},      // nothing since
		{9*mib + 500<<10, 4 * mib, false},     // somebody came
		{9*mib + 510<<10, 4 * mib, false},     // … and it is not worth it
		{12 * mib, 4 * mib, false},            // many came
		{14 * mib, 4 * mib, false},            // and more
		{14*mib + 1, 4 * mib, true},           // they are in
		{14*mib + 2, 4 * mib, true},           //
		{14*mib + 3, 4 * mib, true},           //
		{16 * mib, 40 * mib, false},           // beside so much that lives
		{16*mib + 1, 40 * mib, false},         // this is little
		{25 * mib, 40 * mib, false},           //
		{25*mib + calmBelow, 40 * mib, false}, // not calm yet
		{25*mib + calmBelow, 40 * mib, true},  //
		{99 * mib, 40 * mib, false},           // somebody comes meanwhile
		{99*mib + 1, 40 * mib, true},          //
	} {
		if over := b.over(second.allocated, second.live); over != second.over {
			t.Errorf("second %d: over is %v, want %v", i, over, second.over)
		}
	}
}

func TestBurstAllowsMoreGarbageWhileMuchPasses(t *testing.T) {
	var b burst
	for i, second := range []struct {
		allocated, live uint64
		want            int
	}{
		{busyFrom - 1, 1 << 20, growth},
		{2 * busyFrom, 1 << 20, busyGrowth},
		{3 * busyFrom, busySpare, 100},
		{4 * busyFrom, 1 << 40, growth},
		{5 * busyFrom, 0, busyGrowth},
		{5*busyFrom + 1, 1 << 20, growth},
	} {
		if got := b.allowed(second.allocated, second.live); got != second.want {
			t.Errorf("second %d: %d percent, want %d", i, got, second.want)
		}
		b.over(second.allocated, second.live)
	}
}

func TestUnchanged(t *testing.T) {
	const smaps = `00400000-00402000 r-xp 00000000 fe:00 4711       /opt/a b/penstock
Size:                  8 kB
Anonymous:             0 kB
00402000-00404000 r--p 00002000 fe:00 4711       /opt/a b/penstock
Anonymous:             4 kB
00404000-00406000 rw-p 00004000 fe:00 4711       /opt/a b/penstock
Anonymous:             0 kB
00406000-00408000 r--p 00000000 fe:00 4712       /lib/libc.so
Anonymous:             0 kB
00408000-0040a000 r--p 00000000 00:00 0
Anonymous:             0 kB
0040a000-0040c000 r--p 00006000 fe:00 4711       /opt/a b/penstock
Anonymous:             0 kB
`
	want := []span{{0x400000, 0x402000}, {0x40a000, 0x40c000}}
	if got := unchanged(smaps, "/opt/a b/penstock"); !slices.Equal(got, want) {
		t.Errorf("%x, want %x: what was changed, can be written or is another file's must stay", got, want)
	}
}

// TestUnmapStart: what is unmapped counts no more, and the program goes on.
func TestUnmapStart(t *testing.T) {
	own, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	mapped := func() (kib int) {
		smaps, err := os.ReadFile("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		ours := false
		for line := range strings.Lines(string(smaps)) {
			words := strings.Fields(line)
			if len(words) > 2 && strings.Contains(words[0], "-") {
				ours = strings.HasSuffix(line, " "+own+"\n") && words[1][1] == '-'
			}
			if ours && len(words) > 1 && words[0] == "Rss:" {
				n, err := strconv.Atoi(words[1])
				if err != nil {
					t.Fatal(err)
				}
				kib += n
			}
		}
		return kib
	}
	before := mapped()
	unmapStart()
	if after := mapped(); before == 0 || after > before/2 {
		t.Errorf("%d KiB of the program are mapped, %d before", after, before)
	}
}
