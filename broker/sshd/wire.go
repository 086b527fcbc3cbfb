package sshd

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/relay"
	"penstock/policy"
)

const (
	toFinish = time.Second // for the pumps, once a channel is over
	// toApart is how long after a machine's end of output its channel is still
	// open where that end is one of its own, and not the channel's.
	toApart = 200 * time.Millisecond
)

// wire is a job that has its channel at the gate.
type wire struct {
	*job
	gate   *broker.Channel
	files  *transfer // nil: this is none
	target ssh.Channel
	reqs   <-chan *ssh.Request
	close  func()
	hush   func() bool // speak is not wanted any more
	exit   string
	cause  error
}

// begun brings the machine to run what was asked for. The wire, where there is
// one, has its channel at the gate, also beside an error.
func (j *job) begun(kind string, payload []byte) (*wire, error) {
	command, files, err := j.wanted(kind, payload)
	if err != nil {
		return nil, err
	}
	port := policy.PortName("ssh")
	if files != nil {
		port = "sftp" // the ssh port's accounts, where conduits carry sftp
	}
	ctx, cancel := context.WithTimeoutCause(j.gone, toBegin, errTooSlow)
	defer cancel()
	session, err := j.c.admit(ctx, j.sc, j.who)
	if err != nil {
		return nil, fmt.Errorf("admit: %w", err)
	}
	ch, err := session.Open(ctx, policy.Query{Source: j.c.source, Asset: j.who.asset, Port: port, Account: j.who.account, Kind: files.kindOr(askedFor(kind, command))})
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	w := &wire{job: j, gate: ch, files: files}
	// A cut, or the window's end, speaks and closes the vendor's side at once, whatever else waits here.
	w.hush = context.AfterFunc(ch.Context(), w.speak)
	broke := true
	defer func() {
		if broke { // by a panic: nobody else closes what was opened
			w.cause = errBroke
			w.over()
		}
	}()
	err = w.comeAbout(ctx, kind, command, payload)
	broke = false
	return w, err
}

// comeAbout asks, and has the machine run what was allowed.
func (w *wire) comeAbout(ctx context.Context, kind, command string, payload []byte) error {
	if w.cause = w.ask(ctx, kind, command); w.cause != nil {
		return w.cause
	}
	if w.cause = w.reach(ctx, kind, payload); w.cause != nil {
		if ended := context.Cause(w.gate.Context()); ended != nil {
			return ended
		}
		return w.cause
	}
	return nil
}

// speak tells the vendor why the channel has ended.
func (w *wire) speak() {
	defer w.d.caught("end of a channel", w.c, func() { w.ch.Close() })
	if why := w.gate.Look(); why != nil && w.gone.Err() == nil {
		w.screen.last(w.d.words(why))
	}
}

// over closes the gate. The pump may be through with an end before that end has
// come to hush, which then never speaks: the words are this side's to say.
func (w *wire) over() {
	if w.hush() {
		w.speak()
	}
	w.gate.Close(w.exit, w.cause)
}

// askedFor is what policy is asked for: of subsystems, each by its name.
func askedFor(kind, command string) string {
	if kind == "subsystem" {
		return kind + " " + command
	}
	return kind
}

// ask has every request decided and recorded before any of it is passed on.
func (w *wire) ask(ctx context.Context, kind, command string) error {
	if w.pty != nil {
		detail := map[string]any{"term": w.pty.Term, "cols": w.pty.Cols, "rows": w.pty.Rows}
		if err := w.gate.Ask(ctx, "pty-req", detail).Refusal(); err != nil {
			return err
		}
	}
	for _, e := range w.env {
		name, value, _ := parseEnv(e)
		if err := w.gate.Ask(ctx, "env", map[string]any{"name": name, "value": value}).Refusal(); err != nil {
			return err
		}
	}
	for _, name := range w.refused {
		if err := w.gate.Mark(ctx, recording.Note, []byte("environment variable "+name+" was not passed on")); err != nil {
			return err
		}
	}
	if w.files != nil {
		return w.files.ask(ctx, w.gate)
	}
	var detail any
	if kind == "exec" {
		detail = map[string]any{"command": command}
		if !utf8.ValidString(command) {
			detail = map[string]any{"command_base64": base64.StdEncoding.EncodeToString([]byte(command))}
		}
	}
	return w.gate.Ask(ctx, askedFor(kind, command), detail).Refusal()
}

// reach dials the machine and starts there what was asked for here.
func (w *wire) reach(ctx context.Context, kind string, payload []byte) error {
	tc, err := w.d.Dialer.SSH(ctx, w.gate, w.who.account)
	if err != nil {
		return fmt.Errorf("reach %s: %w", w.who.asset, err)
	}
	if w.gate.Decision().Duties.Probe {
		tc.Close()
		return w.gate.Mark(ctx, recording.Note, []byte(wayWorks))
	}
	w.close = sync.OnceFunc(func() { tc.Close() })
	stop := context.AfterFunc(ctx, w.close) // requests below have no time limit of their own
	defer stop()
	if err := w.begin(ctx, tc, kind, payload); err != nil {
		w.close()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}

// begin passes on what was decided before the dial. A pause may have come
// since: each step waits for it to end, and looks again.
func (w *wire) begin(ctx context.Context, tc ssh.Conn, kind string, payload []byte) (err error) {
	if w.target, w.reqs, err = tc.OpenChannel("session", nil); err != nil {
		return w.notThere("open a session", err)
	}
	if err := w.gate.Pass(ctx); err != nil {
		return err
	}
	if w.pty != nil {
		if ok, err := w.target.SendRequest("pty-req", true, w.pty.raw); err != nil || !ok {
			return w.notThere("get a terminal", err)
		}
	}
	for _, e := range w.env {
		if _, err := w.target.SendRequest("env", false, e); err != nil {
			return w.notThere("set the locale", err)
		}
	}
	if err := w.gate.Pass(ctx); err != nil { // the machine took its time to answer
		return err
	}
	if w.files != nil {
		payload = w.files.payload(payload)
	}
	if ok, err := w.target.SendRequest(kind, true, payload); err != nil || !ok {
		return w.notThere("start the "+kind, err)
	}
	return nil
}

func (w *wire) notThere(what string, err error) error {
	why := "the machine refused"
	if err != nil {
		why = err.Error()
	}
	return &policy.Refusal{Rule: "target-refused",
		Say: fmt.Sprintf("The machine %s was reached, but it did not %s. Ask the plant whether the account %s may.", w.who.asset, what, w.who.account),
		Why: fmt.Sprintf("%s: %s: %s", w.who.asset, what, why)}
}

// pump relays until the machine closes its side, the vendor leaves, or the
// channel ends; then it passes the exit status on, verbatim and last.
func (w *wire) pump() {
	defer w.close()
	ctx, cancel := context.WithCancelCause(w.gate.Context())
	defer cancel(nil)
	defer context.AfterFunc(w.gone, func() { cancel(errClientGone); w.close() })()

	var shown, pumps sync.WaitGroup
	if w.files != nil {
		w.files.carrier = w.files.Carry(w.gate, w.d.Holding, func(text string) { w.say(w.d.Clerk.Typed(text)) })
	}
	over := make(chan struct{}) // closed when the machine has ended its output
	var ends atomic.Int32
	end := func() {
		if ends.Add(1) == 2 {
			close(over)
		}
	}
	w.goes(ctx, &shown, cancel, end, w.output)
	w.goes(ctx, &shown, cancel, end, w.errors)
	w.goes(ctx, &pumps, cancel, func() {}, w.input)
	w.aside.begin(func() { w.goes(ctx, &pumps, cancel, func() {}, w.outward) })
	defer w.aside.end()

	last := w.inward(ctx, over) // returns when the machine has closed its side
	select {
	case <-over:
	case <-ctx.Done():
	}
	if w.gate.Context().Err() == nil && w.gone.Err() == nil {
		w.goodbye(context.Cause(ctx), last)
	}
	if w.cause == nil {
		w.cause = context.Cause(ctx)
	}
	cancel(nil)
	w.close()
	w.aside.end()
	bounded(&shown, &pumps)
}

// goes runs f in a goroutine of its own; end follows whatever comes of it. An idle
// session is f that waits: what stands above it stays on its stack, so there is little.
func (w *wire) goes(ctx context.Context, g *sync.WaitGroup, cancel context.CancelCauseFunc, end func(), f func(context.Context) error) {
	w.d.begin()
	g.Add(1)
	go func() {
		defer g.Done()
		defer w.d.done()
		defer w.d.caught("relay", w.c, func() { cancel(errBroke) })
		defer end()
		if err := f(ctx); err != nil && ctx.Err() == nil {
			cancel(err)
		}
	}()
}

// bounded waits for the pumps a moment: a write to a vendor who does not read
// ends only with the connection, and must not hold up the channel's end.
func bounded(groups ...*sync.WaitGroup) {
	all := make(chan struct{})
	go func() {
		for _, g := range groups {
			g.Wait()
		}
		close(all)
	}()
	select {
	case <-all:
	case <-time.After(toFinish):
	}
}

// output is what the machine shows.
func (w *wire) output(ctx context.Context) error {
	if w.files != nil {
		return w.files.carrier.ToVendor(ctx, w.screen, w.target)
	}
	return relay.ToVendor(ctx, w.gate, recording.Out, w.screen, w.target)
}

// errors is what it shows beside that.
func (w *wire) errors(ctx context.Context) error {
	return relay.ToVendor(ctx, w.gate, recording.Err, w.screen.stderr(), w.target.Stderr())
}

// input is the vendor's side: bytes, then end of file, each kept apart from the
// output.
func (w *wire) input(ctx context.Context) error {
	if w.files != nil {
		return w.inputEnds(ctx, w.files.carrier.ToTarget(ctx, w.target, w.ch))
	}
	return w.inputEnds(ctx, relay.ToTarget(ctx, w.gate, w.target, w.ch))
}

// inputEnds follows the bytes. An end of file is input too: it is recorded,
// waits while the channel is paused, and is swallowed where input is. It is apart,
// and not inlined, so that it takes nothing from the stack of who waits.
//
//go:noinline
func (w *wire) inputEnds(ctx context.Context, err error) error {
	if errors.Is(err, io.EOF) { // of a write: the machine takes no more, and what it said is still on its way
		return nil
	} else if err != nil {
		return err
	}
	if w.gone.Err() != nil || ctx.Err() != nil {
		return nil
	}
	if err := w.gate.Mark(ctx, recording.EOF, []byte("in")); err != nil {
		return err
	}
	if !w.passes(ctx) {
		return nil
	}
	_ = w.target.CloseWrite()
	return nil
}

// passes waits while the channel is paused; false: nothing of the vendor's goes
// on to the machine.
func (w *wire) passes(ctx context.Context) bool {
	return w.gate.Pass(ctx) == nil && !w.gate.Decision().Duties.InputOff
}

// exitRequest is what a machine says last.
type exitRequest struct {
	kind    string
	payload []byte
}

// inward drains the machine's requests; only its exit is passed back. shown is
// closed when the machine has ended its output.
func (w *wire) inward(ctx context.Context, shown <-chan struct{}) (last *exitRequest) {
	var apart <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return last
		case <-shown:
			shown, apart = nil, time.After(toApart)
		case <-apart:
			w.endOfOutput(ctx)
		case req, open := <-w.reqs:
			if !open {
				return last
			}
			if text, ok := exitOf(req.Type, req.Payload); ok {
				last, w.exit = &exitRequest{req.Type, req.Payload}, text
			}
			reply(req, false)
		}
	}
}

// endOfOutput passes on the end of a command's output while the command goes
// on: somebody may wait for it before they end its input. From here on the
// channel has no way to show a word of ours either.
func (w *wire) endOfOutput(ctx context.Context) {
	if w.files != nil || w.gate.Mark(ctx, recording.EOF, []byte("out")) != nil {
		return
	}
	if w.screen.take(lastTime, false) {
		w.screen.end()
		<-w.screen.lock
	}
}

// goodbye ends the vendor's side as the machine ended its own.
func (w *wire) goodbye(cause error, last *exitRequest) {
	if last == nil {
		say := "The machine closed the connection without an exit status."
		if cause != nil {
			say = w.d.words(cause)
		}
		w.screen.last(say)
		return
	}
	if w.gate.Mark(w.gate.Context(), recording.Exit, []byte(w.exit)) != nil {
		return // ended meanwhile, and it says so
	}
	w.screen.once.Do(func() {
		alone := w.screen.take(lastTime, false) // a warning may be on its way out
		_, _ = w.ch.SendRequest(last.kind, false, last.payload)
		if alone {
			w.screen.end()
		}
		_ = w.ch.Close()
		if alone {
			<-w.screen.lock
		}
		close(w.screen.ended)
	})
}
