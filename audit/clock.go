package audit

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is where the log takes its time from.
type Clock struct {
	Wall func() time.Time
	Mono func() time.Duration // CLOCK_BOOTTIME
	Boot string               // id of this boot
}

// SystemClock is the machine's own. Boot is the kernel's boot_id; where it
// cannot be read, "unknown".
func SystemClock() Clock {
	boot := "unknown"
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		boot = strings.TrimSpace(string(b))
	}
	return Clock{Wall: time.Now, Mono: sinceBoot, Boot: boot}
}

// sinceBoot is CLOCK_BOOTTIME, which goes on in suspend and cannot be set.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		panic("CLOCK_BOOTTIME: " + err.Error()) // Linux has had it since 2.6.39
	}
	return time.Duration(t.Nano())
}
