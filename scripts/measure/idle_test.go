package main

import "testing"

func TestRolledUp(t *testing.T) {
	// As proc(5) and the kernel's Documentation/ABI/testing/procfs-smaps_rollup have it.
	const text = "00400000-7fff6000 ---p 00000000 00:00 0    [rollup]\nRss:     884 kB\nPss:     385 kB\nPss_Anon:   301 kB\nPss_File:  80 kB\n"
	for name, want := range map[string]float64{"Pss:": 385, "Pss_Anon:": 301} {
		if got, err := rolledUp(text, name); err != nil || got != want {
			t.Errorf("%s %v, %v; want %v", name, got, err, want)
		}
	}
	for _, bad := range []string{"Rss: 884 kB\n", "Pss:", "Pss: much kB"} {
		if got, err := rolledUp(bad, "Pss:"); err == nil {
			t.Errorf("%q tells %v", bad, got)
		}
	}
}

func TestLess(t *testing.T) {
	// 8 sessions in, then 56 more: only those count, and what was there before does not.
	got := memory{all: 20000 + 56*150, anonymous: 9000 + 56*140}.less(memory{all: 20000, anonymous: 9000}, 56)
	if got.all != 150 || got.anonymous != 140 {
		t.Errorf("got %+v, want 150 and 140 of each", got)
	}
}
