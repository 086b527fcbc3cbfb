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
	"penstock/policy"
)

const maxLine = 4 << 10 // of a verb with its arguments, and of an answer; bytes

// textual serves join@, desk@ and cert@: one line in, text out, an exit code.
func (d *Door) textual(c *conn, nc ssh.NewChannel, who caller) {
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	defer letGo(ch, reqs)
	ctx, cancel := context.WithCancelCause(c.ctx)
	t := &desk{d: d, c: c, ch: ch, who: who}
	pace := rate.NewLimiter(50, maxRequests)
	for req := range reqs {
		switch {
		case !pace.Allow():
			reply(req, false)
		case req.Type == endOfWrite:
			cancel(errClientGone)
		default:
			t.request(ctx, cancel, req)
		}
	}
	cancel(errClientGone)
	t.runs.Wait()
}

// request takes a terminal, and starts what is asked for, once.
func (t *desk) request(ctx context.Context, cancel context.CancelCauseFunc, req *ssh.Request) {
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
			return
		}
		t.start(ctx, cancel, req, "desk")
	case "subsystem":
		name, err := parseCommand(req.Payload)
		if _, files := t.who.(certifier); files && err == nil && name == "sftp" && !t.started {
			t.start(ctx, cancel, req, "cert@ by scp")
			return
		}
		reply(req, false)
		_, _ = io.WriteString(t.ch.Stderr(), "Penstock: files are not carried here. For the certificate: "+t.d.Clerk.CertLine()+"\n")
	default: // env, agent, X11, resize: nothing here uses them
		reply(req, false)
	}
}

func (t *desk) start(ctx context.Context, cancel context.CancelCauseFunc, req *ssh.Request, what string) {
	t.started = true
	reply(req, true)
	t.runs.Go(func() {
		defer t.d.caught(what, t.c, func() { t.ch.Close() })
		t.run(ctx, cancel, req.Type, req.Payload)
	})
}

type desk struct {
	d       *Door
	c       *conn
	ch      ssh.Channel
	who     caller
	pty     *ptyRequest
	started bool
	runs    sync.WaitGroup
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
		by, err := t.d.still(t.c, who.actor, who.key)
		if err == nil {
			err = t.d.came(t.c, who)
		}
		if err != nil {
			code = t.refused(err)
			break
		}
		code = t.d.Clerk.Run(ctx, by, who.key, line, t.terminal(ctx, true))
	case certifier:
		by, err := t.d.still(t.c, who.actor, who.key)
		if err == nil {
			err = t.d.codeCounts(t.c, by)
		}
		if err != nil {
			code = t.refused(err)
			break
		}
		if kind == "subsystem" {
			code = t.sftp(ctx, who)
			break
		}
		if name, ok := scpSource(line); ok {
			code = t.scp(ctx, who, name)
			break
		}
		// The certificate goes into a file: no character of it is changed for a terminal.
		if t.pty != nil {
			go t.interrupts(cancel)
		}
		code = t.d.Clerk.Cert(ctx, by, who.key, line, t.terminal(ctx, false))
		if code == exitNo {
			t.d.refusedCert(who)
		}
	}
	t.exit(code)
}

// exitNo is the exit code of a no (DESIGN 5.3).
const exitNo = 3

// refused says why, and is the exit code for it.
func (t *desk) refused(err error) int {
	_, _ = t.errs().Write([]byte("Penstock: " + t.d.words(err) + "\n"))
	var no *policy.Refusal
	if errors.As(err, &no) {
		return exitNo
	}
	return 1
}

// still is the actor as the roster has them now. A connection lives for days,
// and each of its channels asks: a key that was taken away, or a person who was
// disabled, is nobody from then on. The proofs keep the time of their giving.
func (d *Door) still(c *conn, a people.Actor, key ssh.PublicKey) (people.Actor, error) {
	now, err := d.actor(c, key)
	if errors.Is(err, errNobody) || err == nil && now.Person != a.Person {
		return people.Actor{}, &policy.Refusal{Rule: "key-gone", Say: "The key that you came with does not count here any more. Ask your contact at the plant.",
			Why: "the key of " + string(a.Person) + " was taken away, or the person disabled, since the connection began"}
	}
	if err != nil {
		return people.Actor{}, fmt.Errorf("whose key: %w", err)
	}
	now.Proofs, now.At, now.Step = a.Proofs, a.At, a.Step
	return now, nil
}

// codeCounts holds a connection of cert@ to what its code is good for: five
// minutes, and a few lines. Who keeps the connection open for longer, or takes
// it over, gives a code again.
func (d *Door) codeCounts(c *conn, a people.Actor) error {
	age := d.Now().Sub(a.At)
	if age > codeGood || age < -30*time.Second || c.lines.Add(1) > maxLines {
		return &policy.Refusal{Rule: "code-needed", Say: "The code that this connection began with does not count any more. Close the connection, connect again and give a new one.",
			Why: fmt.Sprintf("a code %v old, %d lines", age.Round(time.Second), c.lines.Load())}
	}
	return nil
}

const (
	codeGood = 5 * time.Minute // as the Desk has it
	maxLines = 16              // of cert@ in one connection: each may be a certificate
)

// came writes that somebody is at the desk with a key alone, before anything is
// done for them: whoever's key was stolen finds it in the log. Once for a
// connection, or its channels would fill the log.
func (d *Door) came(c *conn, who clerk) error {
	c.admission.Lock()
	defer c.admission.Unlock()
	if c.came {
		return nil
	}
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
	defer cancel()
	_, err := d.Log.Append(ctx, audit.Event{Subject: string(who.actor.Person), Actor: string(who.actor.Person),
		Body: audit.LoginOK{Person: string(who.actor.Person), Proofs: []string{string(people.SSH)}, Source: c.source.String()}})
	if err != nil {
		return fmt.Errorf("write login.ok: %w", err)
	}
	c.came = true
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
