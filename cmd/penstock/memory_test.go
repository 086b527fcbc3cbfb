package main

import "testing"

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
