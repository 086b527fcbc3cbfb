package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	setUpsARound     = 8
	keysARound       = 300 // a pty's line holds 4095
	syncsARound      = 100
	operationAtMost  = 60 * time.Second
	keystrokeAtMost  = 5 * time.Second
	sessionMark      = "== it is open =="
	sessionMarkQuote = "'== it ''is open =='" // so that an echoed command is not taken for it
)

// command runs one ssh to its end.
func (p *plant) command(ctx context.Context, column string, in io.Reader, out io.Writer, more ...string) (time.Duration, error) {
	return p.run(ctx, in, out, p.way("ann", column, more...))
}

func (p *plant) run(ctx context.Context, in io.Reader, out io.Writer, args []string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, operationAtMost)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var said bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, &said
	cmd.Env = p.environment("ann")
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun)
	if err != nil {
		return took, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return took, nil
}

func setUp(ctx context.Context, p *plant, rounds int) ([]line, error) {
	took := map[string][]float64{}
	for range rounds * setUpsARound {
		for _, c := range columns {
			d, err := p.command(ctx, c, nil, nil, "true")
			if err != nil {
				return nil, err
			}
			took[c] = append(took[c], milliseconds(d))
		}
	}
	cost, err := connections(ctx, p, rounds)
	if err != nil {
		return nil, err
	}
	value := medians(took)
	byJump := map[string]float64{baseline: value[baseline], penstock: value[jump]}
	return append([]line{
		line{What: "ssh … true", Unit: "ms", Value: value, Goal: &goal{Of: ratio, Limit: 0.25}}.judged(),
		line{What: "  the same by -J", Unit: "ms", Value: byJump, Goal: &goal{Of: ratio, Limit: 0.6}}.judged(),
	}, cost...), nil
}

// terminal is an ssh with a pty over there; keys go in, echoes come out.
type terminal struct {
	cmd    *exec.Cmd
	keys   io.WriteCloser
	echoes chan byte
}

// open returns when the command over there runs.
func (p *plant) open(ctx context.Context, who, column string) (*terminal, error) {
	args := p.way(who, column, "-tt", "printf "+sessionMarkQuote+"; exec cat >/dev/null")
	t := &terminal{cmd: exec.CommandContext(ctx, args[0], args[1:]...), echoes: make(chan byte, 64)}
	t.cmd.Env = p.environment(who)
	in, err := t.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	t.keys = in
	if err := t.cmd.Start(); err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	go func() {
		defer close(t.echoes)
		buf := make([]byte, 4096)
		for {
			n, err := out.Read(buf)
			for _, b := range buf[:n] {
				t.echoes <- b
			}
			if err != nil {
				return // the session has ended
			}
		}
	}()
	if err := t.waits(sessionMark, operationAtMost); err != nil {
		t.close()
		return nil, fmt.Errorf("open a session by %s: %w", column, err)
	}
	return t, nil
}

// waits reads until text has come, whatever comes before it.
func (t *terminal) waits(text string, most time.Duration) error {
	late := time.NewTimer(most)
	defer late.Stop()
	var last []byte
	for {
		select {
		case b, ok := <-t.echoes:
			if !ok {
				return fmt.Errorf("the session ended: %q", last)
			}
			if last = append(last, b); bytes.HasSuffix(last, []byte(text)) {
				return nil
			}
			if len(last) > 8192 {
				last = last[4096:]
			}
		case <-late.C:
			return fmt.Errorf("nothing came within %v: %q", most, last)
		}
	}
}

// key sends one key and waits for its echo.
func (t *terminal) key(b byte) (time.Duration, error) {
	begun := time.Now()
	if _, err := t.keys.Write([]byte{b}); err != nil {
		return 0, fmt.Errorf("send a key: %w", err)
	}
	err := t.waits(string(b), keystrokeAtMost)
	return time.Since(begun), err
}

// close hangs up, and returns when ssh has ended.
func (t *terminal) close() {
	t.keys.Close()
	_ = t.cmd.Process.Kill() // a pty over there does not end with our input
	for range t.echoes {     // the reader must not stay
	}
	_ = t.cmd.Wait() // killed
}

func keystrokes(ctx context.Context, p *plant, rounds int) ([]line, error) {
	took := map[string][]float64{}
	for range rounds {
		if err := p.keysOfARound(ctx, took); err != nil {
			return nil, err
		}
	}
	return []line{
		line{What: "keystroke p50", Unit: "ms", Value: medians(took), Goal: &goal{Of: over, Limit: 1}}.judged(),
		line{What: "keystroke p99", Unit: "ms", Value: quantiles(took, 0.99), Goal: &goal{Of: over, Limit: 5}}.judged(),
	}, nil
}

func (p *plant) keysOfARound(ctx context.Context, took map[string][]float64) error {
	open := map[string]*terminal{}
	for _, c := range columns {
		t, err := p.open(ctx, "ann", c)
		if err != nil {
			return err
		}
		defer t.close()
		open[c] = t
	}
	for i := range keysARound {
		for _, c := range columns {
			d, err := open[c].key('a' + byte(i%26))
			if err != nil {
				return fmt.Errorf("keystroke by %s: %w", c, err)
			}
			if i >= 20 { // warm
				took[c] = append(took[c], milliseconds(d))
			}
		}
	}
	return nil
}

// disk is what one durable append costs where the broker's data lies.
func disk(_ context.Context, p *plant, rounds int) ([]line, error) {
	f, err := os.Create(filepath.Join(p.demo.Broker.Data, "..", "sync"))
	if err != nil {
		return nil, fmt.Errorf("make a file to sync: %w", err)
	}
	defer f.Close()
	var took []float64
	for range rounds * syncsARound {
		if _, err := f.Write(make([]byte, 300)); err != nil {
			return nil, fmt.Errorf("write a file to sync: %w", err)
		}
		begun := time.Now()
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return nil, fmt.Errorf("sync a file: %w", err)
		}
		took = append(took, milliseconds(time.Since(begun)))
	}
	return []line{{What: "fdatasync p50", Unit: "ms", Value: map[string]float64{penstock: median(took)}}}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("ended before it was done"), ctx.Err())
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
