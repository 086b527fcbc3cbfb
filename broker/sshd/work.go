package sshd

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"penstock/policy"
)

const (
	toStart = 30 * time.Second // from the channel's opening to shell or exec
	toBegin = 60 * time.Second // from shell or exec to the machine's own start of it, a pause included
)

var errTooSlow = &policy.Refusal{Rule: "too-slow",
	Say: "This did not begin within a minute: the machine does not answer, or your window is paused. Try again in a moment.", Why: "no start within a minute"}

// job is one session channel of a vendor: one shell or one command on one machine.
type job struct {
	d      *Door
	c      *conn
	sc     *ssh.ServerConn
	who    *vendor
	ch     ssh.Channel
	screen *screen

	pty     *ptyRequest
	env     [][]byte
	refused []string // env names, for the record; bounded

	started bool
	aside   aside
	gone    context.Context // ends when the vendor's side of the channel is closed
}

// work accepts a vendor's session channel and serves its requests to the end.
func (d *Door) work(c *conn, sc *ssh.ServerConn, nc ssh.NewChannel, who *vendor) {
	if why := c.isClosing(); why != nil {
		nc.Reject(ssh.ResourceShortage, c.endedBy(why))
		return
	}
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	defer letGo(ch, reqs)
	gone, left := context.WithCancelCause(c.ctx)
	j := &job{d: d, c: c, sc: sc, who: who, ch: ch, screen: newScreen(ch), gone: gone}
	defer left(errClientGone)
	notes, closing := c.enter(j.screen)
	if closing != nil {
		j.screen.last(d.words(closing))
		return
	}
	defer c.leave(j.screen)
	for _, n := range notes {
		j.say(n)
	}
	late := time.AfterFunc(toStart, func() { j.screen.last("No shell and no command was asked for, so the channel is closed.") })
	defer late.Stop()
	var run sync.WaitGroup
	j.serve(reqs, late, &run)
	left(errClientGone)
	run.Wait()
}

// letGo closes a channel however its handler has ended; a request of it that
// nobody takes would hold up the whole connection.
func letGo(ch ssh.Channel, reqs <-chan *ssh.Request) {
	ch.Close()
	select {
	case req, open := <-reqs:
		if !open { // the other side has closed it too, as it mostly has
			return
		}
		reply(req, false)
	default:
	}
	go func() {
		for req := range reqs {
			reply(req, false)
		}
	}()
}

// say puts a sentence on stderr, in its turn.
func (j *job) say(text string) {
	end := "\n"
	if j.pty != nil {
		end = "\r\n"
	}
	if j.screen.take(tellTime, false) {
		_, _ = j.ch.Stderr().Write([]byte("Penstock: " + text + end))
		<-j.screen.lock
	}
}

// serve drains the channel's requests until the vendor's side is closed: one
// that is not drained would stop the whole connection.
func (j *job) serve(reqs <-chan *ssh.Request, late *time.Timer, run *sync.WaitGroup) {
	pace := rate.NewLimiter(50, maxRequests)
	for req := range reqs {
		if req.Type != "window-change" && !pace.Allow() { // of sizes only the newest counts; they have a pace of their own
			reply(req, false)
			continue
		}
		switch req.Type {
		case "shell", "exec", "subsystem":
			if j.started {
				reply(req, false)
				continue
			}
			j.started = true
			late.Stop()
			reply(req, true) // what is refused is said in words on stderr, and by the exit status
			run.Go(func() {
				defer j.d.caught("session", j.c, func() { j.screen.last(j.d.words(errBroke)) })
				j.start(req.Type, req.Payload)
			})
		default:
			j.request(req)
		}
	}
}

func reply(req *ssh.Request, ok bool) {
	if req.WantReply {
		_ = req.Reply(ok, nil)
	}
}

// request serves what comes beside shell, exec and subsystem.
func (j *job) request(req *ssh.Request) {
	switch req.Type {
	case "pty-req":
		p, err := parsePty(req.Payload)
		if err != nil || j.started || j.pty != nil {
			reply(req, false)
			if err != nil {
				j.say("This terminal was refused: TERM is letters, digits, dot, dash and underscore, at most 40 of them.")
			}
			return
		}
		j.pty = &p
		j.screen.opened(p.Term)
		reply(req, true)
	case "env":
		name, _, err := parseEnv(req.Payload)
		ok := err == nil && !j.started && len(j.env) < maxEnv
		if ok {
			j.env = append(j.env, append([]byte(nil), req.Payload...))
		} else if !j.started && len(j.refused) < maxEnv {
			j.refused = append(j.refused, clean(name, 64))
		}
		reply(req, ok)
	case "window-change":
		if _, _, err := parseResize(req.Payload); err == nil && j.pty != nil {
			j.aside.resize(append([]byte(nil), req.Payload...))
		}
		reply(req, false)
	case "signal", "break", endOfWrite:
		j.queue(req)
	case "auth-agent-req@openssh.com":
		reply(req, false)
		j.say("Your agent is not forwarded: nothing behind this broker may use your keys. Leave out -A, or set ForwardAgent no.")
	case "x11-req":
		reply(req, false)
		j.say("X11 is not carried. Leave out -X and -Y, or set ForwardX11 no.")
	default:
		reply(req, false)
	}
}

// queue hands signals, breaks (RFC 4335) and the end of showing on; too many
// are dropped.
func (j *job) queue(req *ssh.Request) {
	if !readable(req) || !j.aside.signal(req) {
		reply(req, false)
	}
}

// start runs the shell or command to its end; it says so where it may not.
func (j *job) start(kind string, payload []byte) {
	if err := j.run(kind, payload); err != nil {
		j.refuse(err)
	}
}

// refuse is apart, and not inlined, so that it takes nothing from the stack of who waits.
//
//go:noinline
func (j *job) refuse(err error) {
	if j.gone.Err() != nil { // nobody is there to be told, and nobody was refused
		return
	}
	rule, why := ruleOf(err)
	j.d.told.refused(j.c.source, string(j.who.claim.Person), rule, why)
	j.screen.last(j.d.words(err, "person", j.who.claim.Person, "asset", j.who.asset, "account", j.who.account))
}

// run keeps little on its stack: it stands there as long as the channel does.
func (j *job) run(kind string, payload []byte) error {
	w, err := j.begun(kind, payload)
	if w != nil {
		defer w.over()
	}
	if err != nil {
		return err
	}
	if w.target == nil { // a connectivity test: it was reached, logged in to, and left
		w.proven()
		return nil
	}
	w.pump()
	return nil
}

// wanted reads what was asked for, a transfer of files apart from the rest.
func (j *job) wanted(kind string, payload []byte) (command string, files *transfer, err error) {
	if kind == "shell" {
		return "", nil, nil
	}
	command, err = parseCommand(payload)
	if err == nil && kind == "subsystem" && !word(command, 1, 64, "._@+-") {
		err = errors.New("a subsystem's name is 1 to 64 letters, digits and ._@+-")
	}
	if err != nil {
		return "", nil, &policy.Refusal{Rule: "bad-request", Say: "That command cannot be passed on. It is at most 32 KiB of text; put what is longer into a script on the machine.", Why: err.Error()}
	}
	files, err = j.transfer(kind, command)
	return command, files, err
}
