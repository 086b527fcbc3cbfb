package durable

import (
	"testing"
	"time"
)

func TestLatencyCountsEachInItsBucket(t *testing.T) {
	var l Latency
	for _, d := range []time.Duration{-time.Second, 100 * time.Microsecond, 3 * time.Millisecond, 2 * time.Second, time.Minute} {
		l.Observe(d)
	}
	count, seconds, below := l.Read()
	if count != 5 {
		t.Errorf("count %d, want 5", count)
	}
	if want := 62.0031; seconds < want-1e-9 || seconds > want+1e-9 {
		t.Errorf("sum %v s, want %v", seconds, want)
	}
	for bound, want := range map[float64]uint64{0.0001: 2, 0.0025: 2, 0.005: 3, 1: 3, 2: 4} {
		if below[bound] != want {
			t.Errorf("%d at or below %v s, want %d", below[bound], bound, want)
		}
	}
}

func TestADiskCountsItsSyncs(t *testing.T) {
	d, err := OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := d.Syncs().Read()
	if err := d.SyncDir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if after, _, _ := d.Syncs().Read(); before == 0 || after != before+1 {
		t.Errorf("%d syncs before, %d after one more", before, after)
	}
}
