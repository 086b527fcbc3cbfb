package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

const streamBytes = 64 << 20

// streams are the same text each way: by a pipe down and up, and as a file by scp.
func streams(ctx context.Context, p *plant, rounds int) ([]line, error) {
	if err := writeText(p.at("text")); err != nil {
		return nil, err
	}
	lines := []line{
		{What: "text stream down", Goal: &goal{Of: ratio, Least: true, Limit: 0.65}},
		{What: "text stream up", Goal: &goal{Of: ratio, Least: true, Limit: 0.65}},
		{What: "scp upload", Goal: &goal{Of: ratio, Least: true, Limit: 0.8}},
		{What: "scp download"},
	}
	var cost []line
	for i, one := range []func(context.Context, string) (time.Duration, error){p.down, p.up, p.put, p.get} {
		took, used := map[string][]float64{}, time.Duration(0)
		for range rounds {
			for _, c := range columns {
				d, cpu, err := p.counted(ctx, c, one)
				if err != nil {
					return nil, err
				}
				took[c] = append(took[c], speed(d))
				if c == penstock {
					used += cpu
				}
			}
		}
		lines[i].Unit, lines[i].Value = "MiB/s", medians(took)
		lines[i] = lines[i].judged()
		perGiB := used.Seconds() / float64(rounds) * (1 << 30) / streamBytes
		cost = append(cost, line{What: "  broker CPU, " + lines[i].What, Unit: "s/GiB", Value: map[string]float64{penstock: perGiB}, Goal: &goal{Of: plain, Limit: 4}}.judged())
	}
	return append(lines, cost...), nil
}

// counted is one stream, with what the broker's processors did for it.
func (p *plant) counted(ctx context.Context, column string, one func(context.Context, string) (time.Duration, error)) (took, cpu time.Duration, err error) {
	err = p.costs(&cpu, func() error {
		took, err = one(ctx, column)
		return err
	})
	return took, cpu, err
}

func (p *plant) down(ctx context.Context, column string) (time.Duration, error) {
	count := &counter{}
	d, err := p.command(ctx, column, nil, count, "cat "+p.at("text"))
	if err == nil && count.n != streamBytes {
		err = fmt.Errorf("by %s came %d bytes of %d", column, count.n, streamBytes)
	}
	return d, err
}

func (p *plant) up(ctx context.Context, column string) (time.Duration, error) {
	f, err := os.Open(p.at("text"))
	if err != nil {
		return 0, fmt.Errorf("read the text: %w", err)
	}
	defer f.Close()
	var said bytes.Buffer
	d, err := p.command(ctx, column, f, &said, "wc -c")
	if got := strings.TrimSpace(said.String()); err == nil && got != fmt.Sprint(streamBytes) {
		err = fmt.Errorf("by %s arrived %q bytes of %d", column, got, streamBytes)
	}
	return d, err
}

func (p *plant) put(ctx context.Context, column string) (time.Duration, error) {
	return p.scp(ctx, p.at("text"), p.toward("ann", column)+":"+p.at("there"), p.at("there"))
}

func (p *plant) get(ctx context.Context, column string) (time.Duration, error) {
	return p.scp(ctx, p.toward("ann", column)+":"+p.at("text"), p.at("here"), p.at("here"))
}

// scp copies, and takes the copy away when it has been found whole.
func (p *plant) scp(ctx context.Context, from, to, lands string) (time.Duration, error) {
	d, err := p.run(ctx, nil, nil, []string{"scp", "-q", "-F", p.at("ssh_config"), from, to})
	if err != nil {
		return d, err
	}
	info, err := os.Stat(lands)
	if err != nil {
		return d, fmt.Errorf("look at the copy: %w", err)
	}
	if info.Size() != streamBytes {
		return d, fmt.Errorf("scp %s %s: %d bytes of %d", from, to, info.Size(), streamBytes)
	}
	return d, os.Remove(lands)
}

// writeText makes lines as a controller's log has them: alike, never the same.
func writeText(path string) error {
	r := rand.New(rand.NewPCG(4711, 417)) // a text, no secret
	var b bytes.Buffer
	for i := 0; b.Len() < streamBytes; i++ {
		fmt.Fprintf(&b, "%07d FIL-1-PLC-01 bottle %6d fill-volume %.2f ml cap-torque %.3f Nm\n", i, r.IntN(1e6), 495+r.Float64()*10, 1.2+r.Float64())
	}
	if err := os.WriteFile(path, b.Bytes()[:streamBytes], 0o600); err != nil {
		return fmt.Errorf("write the text: %w", err)
	}
	return nil
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}

// speed of a whole stream, set-up included, in MiB/s.
func speed(d time.Duration) float64 { return streamBytes / (1 << 20) / d.Seconds() }
