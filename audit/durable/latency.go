package durable

import (
	"sync/atomic"
	"time"
)

// LatencyBounds are the upper bounds of a Latency's buckets, in seconds: from
// a fast disk's sync to the patience of a Disk.
var LatencyBounds = [...]float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2}

// Latency counts how long something took, in buckets. The zero value is ready;
// it knows no monitoring system, so that the offline verifier needs none either.
type Latency struct {
	buckets [len(LatencyBounds) + 1]atomic.Uint64 // the last: above all bounds
	nanos   atomic.Int64
}

// Since counts the time from a moment to now.
func (l *Latency) Since(from time.Time) { l.Observe(time.Since(from)) }

// Observe counts one duration.
func (l *Latency) Observe(d time.Duration) {
	l.nanos.Add(int64(max(0, d)))
	for i, b := range LatencyBounds {
		if d.Seconds() <= b {
			l.buckets[i].Add(1)
			return
		}
	}
	l.buckets[len(LatencyBounds)].Add(1)
}

// Read gives how many there were, their sum in seconds, and how many were at
// or below each bound. It may be a few counts off while others count.
func (l *Latency) Read() (count uint64, seconds float64, atOrBelow map[float64]uint64) {
	atOrBelow = make(map[float64]uint64, len(LatencyBounds))
	for i, b := range LatencyBounds {
		count += l.buckets[i].Load()
		atOrBelow[b] = count
	}
	return count + l.buckets[len(LatencyBounds)].Load(), float64(l.nanos.Load()) / 1e9, atOrBelow
}

// Syncs is how long this Disk's operations took that make things durable.
func (d *Disk) Syncs() *Latency { return &d.syncs }
