package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// keepMemoryPrivate forbids core dumps, and looks into this process by others
// of the same user (prctl(2) PR_SET_DUMPABLE): session keys and passwords pass
// through its memory.
func keepMemoryPrivate() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	return nil
}
