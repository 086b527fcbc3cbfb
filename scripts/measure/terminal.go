package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// A question ends with a colon and a space.
var (
	asksInvitation = regexp.MustCompile(`(?i)invitation[^\n]*: $`)
	asksPassword   = regexp.MustCompile(`(?i)password[^\n]*: $`)
	asksCode       = regexp.MustCompile(`(?i)code[^\n]*: $`)
)

// types lets somebody type a line for a shell at a terminal of
// their own and answer its questions. Anything but exit code 0 is an error.
func (p *plant) types(ctx context.Context, who, shellLine string) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second) // a fresh code may take 30 s
	defer cancel()
	ptmx, tty, err := pty.Open()
	if err != nil {
		return fmt.Errorf("open a terminal: %w", err)
	}
	defer ptmx.Close()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", "exec "+shellLine)
	cmd.Dir, cmd.Env = p.demo.Dir, p.environment(who)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		tty.Close()
		return fmt.Errorf("start a shell: %w", err)
	}
	shown := make(chan string, 1)
	go func() { shown <- p.answers(ctx, who, ptmx) }()
	err = cmd.Wait()
	tty.Close() // not before: a terminal that nobody holds is gone
	if text := <-shown; err != nil {
		return fmt.Errorf("%s$ %s: %w: %s", who, shellLine, err, strings.TrimSpace(text))
	}
	return nil
}

// answers reads the terminal until nobody holds it any more, at most 1 MiB.
func (p *plant) answers(ctx context.Context, who string, ptmx *os.File) string {
	var all, asked strings.Builder
	buf := make([]byte, 4096)
	for all.Len() < 1<<20 {
		n, err := ptmx.Read(buf)
		all.Write(buf[:n])
		asked.Write(buf[:n])
		if err != nil {
			break // EIO: the other side has closed
		}
		reply := ""
		switch {
		case asksInvitation.MatchString(asked.String()) && p.others[who] != nil:
			reply = p.others[who].invitation
		case asksPassword.MatchString(asked.String()):
			reply = p.person(who).Password
		case asksCode.MatchString(asked.String()):
			var err error
			if reply, err = p.code(ctx, who, all.String()); err != nil {
				return all.String() + "\nno code: " + err.Error()
			}
		default:
			continue
		}
		if _, err := ptmx.WriteString(reply + "\n"); err != nil {
			break
		}
		asked.Reset()
	}
	return all.String()
}

func (p *plant) environment(who string) []string {
	return []string{"HOME=" + p.person(who).Home, "USER=" + who, "LOGNAME=" + who, "TERM=xterm",
		"PATH=" + p.bin() + ":" + os.Getenv("PATH"), "PENSTOCK_SOCKET=" + p.demo.Broker.Socket}
}
