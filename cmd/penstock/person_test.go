package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
)

// person is one of the cast of a story: somebody at a terminal of their own who
// answers what they are asked, and remembers the secret that they were shown once.
type person struct {
	name     string
	home     string
	password string

	mu         sync.Mutex
	secret     string // of the code generator
	spent      int64  // newest step that was given
	invitation string
}

// said is what a command left behind.
type said struct {
	stdout, stderr, tty string
	code                int
}

var (
	asksInvitation = regexp.MustCompile(`(?i)invitation[^\n]*: ?$`)
	asksPassword   = regexp.MustCompile(`(?i)(password|again)[^\n]*: ?$`)
	asksCode       = regexp.MustCompile(`(?i)code[^\n]*: ?$`)
	showsSecret    = regexp.MustCompile(`secret=([A-Z2-7]{16,})`)
	showsCode      = regexp.MustCompile(`(?m)^\s+([0-9A-Z]{4}(?:-[0-9A-Z]{4}){3})\s*$`)
)

// start is one command of a person.
type start struct {
	dir, stdin string
	env        []string
	args       []string
	onTTY      bool   // standard input and output are the terminal too
	types      []turn // what is typed there, each after what is waited for
	began      func(*exec.Cmd)
}

// turn is one exchange on a terminal.
type turn struct{ after, typed string }

// talk runs a command with a controlling terminal and answers its questions.
func (p *person) talk(ctx context.Context, s start) (said, error) {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Second)
	defer cancel()
	ptmx, tty, err := pty.Open()
	if err != nil {
		return said{}, fmt.Errorf("open a terminal: %w", err)
	}
	defer ptmx.Close()
	if err := pty.Setsize(ptmx, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		return said{}, fmt.Errorf("size the terminal: %w", err)
	}
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	cmd.Dir, cmd.Env = s.dir, s.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Stdin = strings.NewReader(s.stdin)
	if s.onTTY {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	}
	cmd.ExtraFiles = []*os.File{tty}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		tty.Close()
		return said{}, fmt.Errorf("start %s: %w", s.args[0], err)
	}
	tty.Close()
	if s.began != nil {
		s.began(cmd)
	}
	shown := make(chan string, 1)
	answers := make(chan error, 1)
	go func() {
		text, err := p.answer(ctx, ptmx, s.types)
		shown <- text
		answers <- err
	}()
	err = cmd.Wait()
	text := <-shown
	if e := <-answers; e != nil {
		return said{}, e
	}
	out := said{stdout: stdout.String(), stderr: stderr.String(), tty: text, code: cmd.ProcessState.ExitCode()}
	p.remember(out.stdout + "\n" + out.tty)
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		return out, fmt.Errorf("%s: %w", strings.Join(s.args, " "), err)
	}
	return out, nil
}

// answer reads the terminal until the command has gone, typing what is asked.
func (p *person) answer(ctx context.Context, ptmx io.ReadWriter, types []turn) (string, error) {
	var all, line strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := ptmx.Read(buf)
		all.Write(buf[:n])
		line.Write(buf[:n])
		if err != nil {
			return all.String(), nil // EIO: the other side has closed
		}
		p.remember(all.String())
		if len(types) > 0 && strings.Contains(line.String(), types[0].after) {
			if _, err := io.WriteString(ptmx, types[0].typed); err != nil {
				return all.String(), fmt.Errorf("type on the terminal: %w", err)
			}
			types = types[1:]
			line.Reset()
			continue
		}
		reply, asked, err := p.reply(ctx, line.String())
		if err != nil {
			return all.String(), err
		}
		if asked {
			if _, err := io.WriteString(ptmx, reply+"\n"); err != nil {
				return all.String(), fmt.Errorf("type on the terminal: %w", err)
			}
			line.Reset()
		}
	}
}

func (p *person) reply(ctx context.Context, shown string) (string, bool, error) {
	switch {
	case asksInvitation.MatchString(shown):
		return p.invitation, true, nil
	case asksPassword.MatchString(shown):
		return p.password, true, nil
	case asksCode.MatchString(shown):
		code, err := p.code(ctx)
		return code, true, err
	}
	return "", false, nil
}

func (p *person) remember(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := showsSecret.FindStringSubmatch(text); m != nil {
		p.secret = m[1]
	}
}

// code is the oldest code that still counts and was not given yet. Where all of
// them were, it waits for the next step, as a person would.
func (p *person) code(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.secret == "" {
		return "", fmt.Errorf("%s has no code generator yet", p.name)
	}
	step := max(p.spent+1, time.Now().Unix()/30-1)
	if wait := time.Until(time.Unix((step-1)*30, 0)); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	p.spent = step
	return totp.GenerateCodeCustom(p.secret, time.Unix(step*30, 0), totp.ValidateOpts{Period: 30, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
}
