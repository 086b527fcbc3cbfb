package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const ticks = 100 // of a second; what the kernel counts in, for every program (proc(5), stat)

// cpu is the processor time of a daemon, and of those of its children that have ended.
func (d *daemon) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("ask for a processor time: %w", err)
	}
	return usedTime(string(text))
}

// usedTime is user and system time of a /proc/PID/stat, and of the children that
// it has waited for, fields 14 to 17; the second field is a name in parentheses,
// which may hold anything.
func usedTime(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 15 {
		return 0, fmt.Errorf("stat tells no processor time: %q", stat)
	}
	var sum int64
	for _, f := range fields[11:15] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read a processor time: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// switches are the context switches of a daemon's threads so far, of its own will
// and not (proc_pid_status(5)): unlike times they say the same on a busy machine.
// Threads that have ended are not counted; Go's stay.
func (d *daemon) switches() (n float64, err error) {
	all, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", d.cmd.Process.Pid)) // the pattern is sound
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // has ended
		}
		of, err := switchesOf(string(text))
		if err != nil {
			return 0, err
		}
		n += of
	}
	return n, nil
}

func switchesOf(status string) (n float64, err error) {
	found := contextSwitches.FindAllStringSubmatch(status, -1)
	if len(found) != 2 {
		return 0, fmt.Errorf("a thread's status tells no context switches: %q", status)
	}
	for _, one := range found {
		of, err := strconv.ParseFloat(one[1], 64)
		if err != nil {
			return 0, fmt.Errorf("read context switches: %w", err)
		}
		n += of
	}
	return n, nil
}

var contextSwitches = regexp.MustCompile(`(?m)^(?:non)?voluntary_ctxt_switches:\s+(\d+)$`)

// apart is the time from one connection to the next: the broker takes five a
// second of one source, once the first twenty have come.
const apart = 220 * time.Millisecond

// connections is what one more connection costs the broker, from the first byte
// until its recording is closed, and beside it the stock jump. Both suffer alike
// from what else the machine does.
func connections(ctx context.Context, p *plant, rounds int) ([]line, error) {
	n := rounds * setUpsARound
	each := map[string]float64{}
	switches := map[string]float64{}
	for column, d := range map[string]*daemon{stock: p.hops, penstock: p.broker} {
		begun, err := d.cpu()
		if err != nil {
			return nil, err
		}
		switched, err := d.switches()
		if err != nil {
			return nil, err
		}
		for range n {
			took, err := p.command(ctx, column, nil, nil, "true")
			if err != nil {
				return nil, err
			}
			if err := pause(ctx, apart-took); err != nil {
				return nil, err
			}
		}
		if err := pause(ctx, time.Second); err != nil { // the last one's recording
			return nil, err
		}
		ended, err := d.cpu()
		if err != nil {
			return nil, err
		}
		then, err := d.switches()
		if err != nil {
			return nil, err
		}
		each[column], switches[column] = milliseconds(ended-begun)/float64(n), (then-switched)/float64(n)
	}
	delete(switches, stock) // made in children, which have ended
	return []line{
		line{What: "broker's (jump's) CPU a connection", Unit: "ms", Value: each, Goal: &goal{Of: plain, Limit: 6}}.judged(),
		{What: "  broker's context switches", Unit: "", Value: switches},
	}, nil
}
