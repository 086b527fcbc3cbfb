package main

import (
	"log/slog"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how late the kernel may wake a thread that sleeps; its own choice is
// 50 µs (prctl(2), PR_SET_TIMERSLACK). Nothing here is due more exactly than this.
const timerSlack = 500 * time.Microsecond

// startedOver is set, in the environment, in the program that was started over:
// once is enough also where the slack does not hold.
const startedOver = "PENSTOCK_STARTED_OVER"

// sleepSounder starts this program over with timerSlack, once, where nobody has
// chosen a slack for it (systemd: TimerSlackNSec). While anything runs, a sync too,
// Go's runtime looks around each 20 µs, which with the kernel's slack are 70: that
// was an eighth of a connection's processor time and a third of its context
// switches. The thread that does it is there before any code of ours, and threads
// take the slack from who makes them: so only a new program has it. Where that
// cannot be done everything works as well, for more processor time.
func sleepSounder() {
	if os.Getenv(startedOver) != "" {
		_ = os.Unsetenv(startedOver) // for whatever is started from here; the name is sound
		return
	}
	runtime.LockOSThread() // slack is a thread's, and the one that starts the new program hands it on
	defer runtime.UnlockOSThread()
	now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil || time.Duration(now) != 50*time.Microsecond {
		return
	}
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0); err != nil {
		return
	}
	own, err := os.Executable()
	if err == nil {
		err = syscall.Exec(own, os.Args, append(os.Environ(), startedOver+"=1")) // returns only if it fails
	}
	slog.Info("could not start over with a longer timer slack; that costs processor time, no more", "err", err)
}
