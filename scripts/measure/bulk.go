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

// bulk is one way for much to pass.
type bulk struct {
	what  string
	least float64 // of ssh -J; 0: nothing is asked
	most  float64 // the broker's seconds of processor time for a GiB
	by    string  // the column that stands for penstock
	one   func(context.Context, string) (time.Duration, error)
}

// bulks in the order in which they are taken: the text that comes down last,
// because it is put into the search index meanwhile and after it. Nothing passes
// unrecorded: nearest to that are files of which hashes are kept.
func (p *plant) bulks() []bulk {
	return []bulk{
		{"scp upload, hashes only", 0.9, 2.1, hashes, p.put},
		{"scp download, hashes only", 0.9, 2.1, hashes, p.get},
		{"scp upload", 0.8, 4, penstock, p.put},
		{"scp download", 0, 4, penstock, p.get},
		{"text stream up", 0.65, 4, penstock, p.up},
		{"text stream down", 0.65, 4, penstock, p.down},
	}
}

// streams are the same text each way: as a file by scp, and by a pipe up and down.
func streams(ctx context.Context, p *plant, rounds int) ([]line, error) {
	if err := writeText(p.at("text")); err != nil {
		return nil, err
	}
	var lines, cost []line
	for _, b := range p.bulks() {
		took, used := map[string][]float64{}, map[string]float64{}
		for range rounds {
			for _, c := range columns {
				by := c
				if c == penstock {
					by = b.by
				} else if b.by != penstock && c != baseline {
					continue // as without hashes
				}
				d, cpu, err := p.counted(ctx, by, b.one)
				if err != nil {
					return nil, err
				}
				took[c] = append(took[c], speed(d))
				if c == penstock || c == baseline {
					used[c] += cpu.Seconds() / float64(rounds) * (1 << 30) / streamBytes
				}
			}
		}
		l := line{What: b.what, Unit: "MiB/s", Value: medians(took)}
		if b.least > 0 {
			l.Goal = &goal{Of: ratio, Least: true, Limit: b.least}
		}
		lines = append(lines, l.judged())
		cost = append(cost, line{What: "  broker's (jump's) CPU, " + b.what, Unit: "s/GiB", Value: used, Goal: &goal{Of: plain, Limit: b.most}}.judged())
	}
	return append(lines, cost...), nil
}

// counted is one stream, with what the processors did for it in the broker, or in
// the stock jump where it goes that way.
func (p *plant) counted(ctx context.Context, column string, one func(context.Context, string) (time.Duration, error)) (took, cpu time.Duration, err error) {
	d := p.broker
	if column == stock {
		d = p.hops
	}
	begun, err := d.cpu()
	if err != nil {
		return 0, 0, err
	}
	if took, err = one(ctx, column); err != nil {
		return took, 0, err
	}
	ended, err := d.cpu()
	return took, ended - begun, err
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
