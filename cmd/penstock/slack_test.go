package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const slackProcess = "PENSTOCK_TEST_SLACK" // set: this process is the one that starts over

// A process that begins with the kernel's slack has the longer one when it goes
// on, under the same number; a slack that somebody has chosen stays.
func TestServeSleepsSounder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		begins, has time.Duration
	}{{50 * time.Microsecond, timerSlack}, {60 * time.Microsecond, 60 * time.Microsecond}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "a word", "and=another")
		cmd.Env = append(os.Environ(), slackProcess+"="+c.begins.String())
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		want := fmt.Sprintf("%v %d [a word and=another]", c.has, cmd.Process.Pid)
		if got := strings.TrimSpace(string(out)); got != want {
			t.Errorf("begun with a slack of %v: %q, want %q", c.begins, got, want)
		}
	}
}

// sleepsSounder is what that process does instead of testing.
func sleepsSounder() error {
	begins, err := time.ParseDuration(os.Getenv(slackProcess))
	if err != nil {
		return err
	}
	if os.Getenv(startedOver) == "" {
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(begins), 0, 0, 0); err != nil {
			return err
		}
	}
	sleepSounder()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Printf("%v %d %v%s", time.Duration(slack), os.Getpid(), os.Args[1:], os.Getenv(startedOver))
	return err
}
