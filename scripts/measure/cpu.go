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

// cpu is the processor time that the broker has used so far.
func (p *plant) cpu() (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.broker.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("ask for the broker's processor time: %w", err)
	}
	return usedTime(string(text))
}

// usedTime is user and system time of a /proc/PID/stat, fields 14 and 15; the
// second field is a name in parentheses, which may hold anything.
func usedTime(stat string) (time.Duration, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat tells no processor time: %q", stat)
	}
	var sum int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read a processor time: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// connections is what one more connection costs the broker, from the first byte
// until its recording is closed.
func connections(ctx context.Context, p *plant, rounds int) ([]line, error) {
	n := rounds * setUpsARound
	begun, err := p.cpu()
	if err != nil {
		return nil, err
	}
	for range n {
		if _, err := p.command(ctx, penstock, nil, nil, "true"); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, time.Second); err != nil { // the last one's recording
		return nil, err
	}
	ended, err := p.cpu()
	if err != nil {
		return nil, err
	}
	each := milliseconds(ended-begun) / float64(n)
	return []line{line{What: "broker CPU a connection", Unit: "ms", Value: map[string]float64{penstock: each}, Goal: &goal{Of: plain, Limit: 6}}.judged()}, nil
}

// costs adds up the broker's processor time over what f does.
func (p *plant) costs(sum *time.Duration, f func() error) error {
	begun, err := p.cpu()
	if err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	ended, err := p.cpu()
	*sum += ended - begun
	return err
}
