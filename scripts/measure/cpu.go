package main

import (
	"context"
	"fmt"
	"os"
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

// apart is the time from one connection to the next: the broker takes five a
// second of one source, once the first twenty have come.
const apart = 220 * time.Millisecond

// connections is what one more connection costs the broker, from the first byte
// until its recording is closed, and beside it the stock jump. Both suffer alike
// from what else the machine does.
func connections(ctx context.Context, p *plant, rounds int) ([]line, error) {
	n := rounds * setUpsARound
	each := map[string]float64{}
	for column, d := range map[string]*daemon{stock: p.hops, penstock: p.broker} {
		begun, err := d.cpu()
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
		each[column] = milliseconds(ended-begun) / float64(n)
	}
	return []line{line{What: "broker's (jump's) CPU a connection", Unit: "ms", Value: each, Goal: &goal{Of: plain, Limit: 6}}.judged()}, nil
}
