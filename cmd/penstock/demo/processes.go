package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adoptOrphans makes what an ssh leaves behind our child, such as the one that
// jumps for it: the demo leaves no process behind.
func adoptOrphans() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("ask for orphans: %w", err)
	}
	return nil
}

// sweep ends whatever still descends from this process, and from nobody else.
func sweep() {
	for range 50 { // each round may make new orphans ours; 5 s at most
		left := children(os.Getpid(), 0)
		if len(left) == 0 {
			return
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // may have ended
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		time.Sleep(100 * time.Millisecond) // the kernel hands over grandchildren as their parents go
	}
}

// children are the descendants of pid.
func children(pid, depth int) []int {
	if depth > 16 {
		return nil
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is sound
	var all []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has gone
		}
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), children(child, depth+1)...)
			}
		}
	}
	return all
}
