package broker

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock is where the gate takes its three times from. Zero fields are the
// machine's own.
type Clock struct {
	Wall func() time.Time     // may step
	Boot func() time.Duration // CLOCK_BOOTTIME: goes on in suspend; monotonic comes with time.Now
}

// bootTime reads CLOCK_BOOTTIME (clock_gettime(2)): monotonic, and unlike
// CLOCK_MONOTONIC it also counts while the machine sleeps.
func bootTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("CLOCK_BOOTTIME: " + err.Error()) // every Linux since 2.6.39 has it
	}
	return time.Duration(ts.Nano())
}

// reading is one moment by all three clocks.
type reading struct {
	wall time.Time     // no monotonic part
	boot time.Duration // CLOCK_BOOTTIME
	mono time.Time     // compared by its monotonic part only
}

func (c Clock) now() reading {
	r := c.glance()
	if c.Boot != nil {
		r.boot = c.Boot()
	} else {
		r.boot = bootTime()
	}
	return r
}

// glance is now without CLOCK_BOOTTIME, which alone takes a system call, as long
// as all else of a look: the other two come from the page that the kernel shares.
func (c Clock) glance() reading {
	now := time.Now()
	r := reading{wall: now.Round(0), mono: now}
	if c.Wall != nil {
		r.wall = c.Wall().Round(0)
	}
	return r
}

// deadline is an end that has come as soon as one of the three clocks says so:
// a wall clock that steps back, or a machine that slept, extends nothing.
type deadline struct {
	wall time.Time
	boot time.Duration
	seen time.Time // monotonic, when the window was first seen
	left time.Duration
}

// at is the end t, counted on the other two clocks from the moment r.
func (r reading) at(t time.Time) deadline {
	left := t.Sub(r.wall)
	return deadline{wall: t.Round(0), boot: r.boot + left, seen: r.mono, left: left}
}

// remaining is how long until the first of the three clocks is there; ≤ 0: over.
func (d deadline) remaining(now reading) time.Duration {
	return min(d.glimpsed(now), d.boot-now.boot)
}

// glimpsed is remaining by the two clocks of a glance.
func (d deadline) glimpsed(now reading) time.Duration {
	return min(d.wall.Sub(now.wall), d.left-now.mono.Sub(d.seen))
}

// sooner is the one of two ends that comes first.
func (d deadline) sooner(than deadline, now reading) deadline {
	if d.remaining(now) < than.remaining(now) {
		return d
	}
	return than
}

// wallNow is the wall clock as the one of three clocks that is furthest has it,
// counted from the moment r: it does not go back.
func (r reading) wallNow(now reading) time.Time {
	most := max(now.wall.Sub(r.wall), now.boot-r.boot, now.mono.Sub(r.mono))
	return r.wall.Add(most)
}
