package sshd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/term"
	"golang.org/x/time/rate"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/verbs"
)

const maxLine = 4 << 10 // of a verb with its arguments, and of an answer; bytes

// textual serves join@, desk@ and cert@: one line in, text out, an exit code.
func (d *Door) textual(c *conn, nc ssh.NewChannel, who caller) {
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	ctx, cancel := context.WithCancelCause(c.ctx)
	t := &desk{d: d, c: c, ch: ch, who: who}
	var run sync.WaitGroup
	pace := rate.NewLimiter(50, maxRequests)
	for req := range reqs {
		if !pace.Allow() {
			reply(req, false)
			continue
		}
		switch req.Type {
		case "pty-req":
			p, err := parsePty(req.Payload)
			ok := err == nil && t.pty == nil && !t.started
			if ok {
				t.pty = &p
			}
			reply(req, ok)
		case "shell", "exec":
			if t.started {
				reply(req, false)
				continue
			}
			t.started = true
			reply(req, true)
			run.Go(func() {
				defer d.recovered("desk", c)
				t.run(ctx, cancel, req.Type, req.Payload)
			})
		case "subsystem":
			reply(req, false)
			_, _ = io.WriteString(ch.Stderr(), "Penstock: files are not carried here. For the certificate: "+d.Clerk.CertLine()+"\n")
		default: // env, agent, X11, resize: nothing here uses them
			reply(req, false)
		}
	}
	cancel(errClientGone)
	run.Wait()
	ch.Close()
}

type desk struct {
	d       *Door
	c       *conn
	ch      ssh.Channel
	who     caller
	pty     *ptyRequest
	started bool
}

func (t *desk) run(ctx context.Context, cancel context.CancelCauseFunc, kind string, payload []byte) {
	line := ""
	if kind == "exec" {
		var err error
		if line, err = parseCommand(payload); err != nil || len(line) > maxLine {
			t.errs().Write([]byte("Penstock: a line has at most 4096 characters of text. Try: help\n"))
			t.exit(2)
			return
		}
	}
	code := 1
	switch who := t.who.(type) {
	case joiner:
		code = t.d.Clerk.Joined(ctx, who.person, who.print, t.terminal(ctx, true))
	case clerk:
		if err := t.d.came(t.c, who); err != nil {
			t.errs().Write([]byte("Penstock: " + t.d.words(err) + "\n"))
			break
		}
		code = t.d.Clerk.Run(ctx, who.actor, who.key, line, t.terminal(ctx, true))
	case certifier:
		// The certificate goes into a file: no character of it is changed for a terminal.
		if t.pty != nil {
			go t.interrupts(cancel)
		}
		code = t.d.Clerk.Cert(ctx, who.actor, who.key, line, t.terminal(ctx, false))
		if code == exitNo {
			t.d.refusedCert(who)
		}
	}
	t.exit(code)
}

// exitNo is the exit code of a no (DESIGN 5.3).
const exitNo = 3

// came writes that somebody is at the desk with a key alone, before anything is
// done for them: whoever's key was stolen finds it in the log.
func (d *Door) came(c *conn, who clerk) error {
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
	defer cancel()
	_, err := d.Log.Append(ctx, audit.Event{Subject: string(who.actor.Person), Actor: string(who.actor.Person),
		Body: audit.LoginOK{Person: string(who.actor.Person), Proofs: []string{string(people.SSH)}, Source: c.source.String()}})
	if err != nil {
		return fmt.Errorf("write login.ok: %w", err)
	}
	return nil
}

// refusedCert writes that there was no certificate; codes bound how often.
func (d *Door) refusedCert(who certifier) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := d.Log.Append(ctx, audit.Event{Subject: string(who.actor.Person), Actor: "penstock",
		Body: audit.CertRefused{Person: string(who.actor.Person), Key: ssh.FingerprintSHA256(who.key), Rule: "no-certificate", Why: "no open window, or no network of the firm"}})
	if err != nil {
		d.Slog.Error("write cert.refused", "err", err)
	}
}

// interrupts lets a person at a terminal stop waiting: there ^C is a byte, no signal.
func (t *desk) interrupts(cancel context.CancelCauseFunc) {
	defer func() { _ = recover() }()
	b := make([]byte, 64)
	for {
		n, err := t.ch.Read(b)
		if err != nil || strings.ContainsAny(string(b[:n]), "\x03\x04") {
			cancel(errors.New("interrupted"))
			return
		}
	}
}

func (t *desk) exit(code int) {
	_, _ = t.ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(code)}))
	_ = t.ch.CloseWrite()
	_ = t.ch.Close()
}

func (t *desk) errs() io.Writer {
	if t.pty != nil {
		return newlines{t.ch.Stderr()}
	}
	return t.ch.Stderr()
}

// newlines makes lines for a terminal in raw mode.
type newlines struct{ io.Writer }

func (n newlines) Write(p []byte) (int, error) {
	if _, err := n.Writer.Write(crlf(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// terminal is the person's end for verbs. Questions without echo are asked
// only where there is a terminal that can leave it out.
func (t *desk) terminal(ctx context.Context, text bool) verbs.Terminal {
	v := verbs.Terminal{Out: t.ch, Err: t.errs(), Width: 80, TTY: t.pty != nil}
	if t.pty == nil {
		lines := bufio.NewReaderSize(io.LimitReader(t.ch, 64<<10), maxLine)
		v.Ask = func(prompt string, echo bool) (string, error) {
			if !echo {
				return "", verbs.ErrNoTerminal
			}
			if _, err := io.WriteString(t.ch.Stderr(), prompt); err != nil {
				return "", err
			}
			line, err := lines.ReadSlice('\n')
			if err != nil && !(errors.Is(err, io.EOF) && len(line) > 0) {
				return "", err
			}
			return strings.TrimRight(string(line), "\r\n"), nil
		}
		return v
	}
	if t.pty.Cols >= 20 && t.pty.Cols <= 500 {
		v.Width = int(t.pty.Cols)
	}
	if text {
		// One stream, as on any terminal: stock clients keep no order between two.
		v.Out = newlines{t.ch}
		v.Err = v.Out
	}
	screen := term.NewTerminal(t.ch, "")
	v.Ask = func(prompt string, echo bool) (string, error) {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if !echo {
			return screen.ReadPassword(prompt)
		}
		screen.SetPrompt(prompt)
		return screen.ReadLine()
	}
	return v
}
