package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands of stories about size:
//
//	grown [MIB]   without MIB, remember how large the broker is now; with it, its largest since then is at most so much above
func init() { sceneCommands["grown"] = noNeg((*story).grown) }

func (s *story) grown(ts *testscript.TestScript, args []string) error {
	if s.serving == nil {
		return errors.New("no broker is running")
	}
	proc := filepath.Join("/proc", strconv.Itoa(s.serving.Process.Pid))
	if len(args) == 0 {
		if err := os.WriteFile(filepath.Join(proc, "clear_refs"), []byte("5"), 0); err != nil { // proc(5): sets VmHWM back to VmRSS
			return err
		}
	}
	status, err := os.ReadFile(filepath.Join(proc, "status"))
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return fmt.Errorf("no VmHWM in %s", status)
	}
	kib, err := strconv.Atoi(fields[0])
	if err != nil {
		return err
	}
	if len(args) == 0 {
		s.size = kib
		return nil
	}
	most, err := strconv.Atoi(args[0])
	if err != nil || s.size == 0 {
		return fmt.Errorf("usage: grown, and later grown MIB: %w", err)
	}
	ts.Logf("the broker was %d KiB and became %d", s.size, kib)
	if kib-s.size > most<<10 {
		return fmt.Errorf("the broker was %d KiB and became %d, which is more than %d MiB above", s.size, kib, most)
	}
	return nil
}
