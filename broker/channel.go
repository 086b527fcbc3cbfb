package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
)

// Bounds of what a channel's end may wait for.
const (
	closePatience = 2 * time.Second // for what it owns to be closed
	quietPatience = 3 * time.Second // for calls of In and Out to return
)

const maxOwned = 64 // connections and cancels of one channel

// ErrChannelClosed is the cause of a channel that was closed from this side.
var ErrChannelClosed = errors.New("the channel is closed")

// Channel is one shell, exec or stream: the gate for its bytes.
type Channel struct {
	s      *Session
	number int
	window policy.WindowID
	kind   string // as opened: the kind of the recorded stream
	rights policy.Rights
	writes bool // it may change something: counts for one_writer

	pass   atomic.Pointer[pass]
	asked  atomic.Pointer[asked] // of May
	stream stream
	thin   func(recording.Mark, []byte) []Piece // see Thin; set before bytes pass
	ctx    context.Context
	cancel context.CancelCauseFunc
	counts
	work work

	ready    chan struct{} // closed: Open is through, well or not; guards stream and recorded
	recorded bool          // channel.opened is written

	inside    atomic.Int64 // calls between look and consequence
	quietOnce sync.Once
	quiet     chan struct{} // closed: ended and nobody inside
	shut      chan struct{} // closed: ended and everything owned is closed
	finished  chan struct{} // closed: channel.closed is written, or could not be

	refused atomic.Int32 // operations, for tellRefused

	warned int // how many of Limits.Warnings are behind; Broker.Run's alone

	mu     sync.Mutex // of what follows; never held across I/O
	owned  []io.Closer
	atLast func(exit string) // see Finally
	gone   bool              // owned was taken to be closed: nothing more is taken in
	exit   string
}

// Number is the channel's in its session, from 0.
func (c *Channel) Number() int { return c.number }

// Decision is what the channel is allowed on; it may be replaced while the channel lives.
func (c *Channel) Decision() policy.Decision { return c.pass.Load().decision }

// Query is what was asked, with the kind that was allowed last.
func (c *Channel) Query() policy.Query { return c.pass.Load().query }

// Session, Person, Firm and Window say whose the channel is.
func (c *Channel) Session() policy.SessionID { return c.s.id }
func (c *Channel) Person() policy.PersonID   { return c.s.person }
func (c *Channel) Firm() policy.FirmID       { return c.s.firm }
func (c *Channel) Window() policy.WindowID   { return c.window }

// Context ends with the channel; its cause is why. Where the cause is a
// *policy.Refusal, its Say is for the person, and the door shows it.
func (c *Channel) Context() context.Context { return c.ctx }

// Own registers what must be closed with the channel: a dialled connection, a
// cancel. After the end: closed now, and the cause is returned. So a dial cannot outlive a cut.
func (c *Channel) Own(x io.Closer) error {
	c.mu.Lock()
	full := len(c.owned) >= maxOwned
	if !c.gone && !full {
		c.owned = append(c.owned, x)
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()
	closeSafely(x)
	if full {
		return fmt.Errorf("a channel owns at most %d things", maxOwned)
	}
	return c.ended()
}

// end takes the channel's pass away, at once and in memory, and lets a
// goroutine see to the rest. The first cause stays. It takes no lock.
func (c *Channel) end(why error) {
	if !c.change(func(p *pass) bool { p.ended, p.held = why, false; return true }) {
		return
	}
	c.cancel(why)
	if c.inside.Load() == 0 {
		c.quietOnce.Do(func() { close(c.quiet) })
	}
	go c.finish(why)
}

// finish does, with bounds, what end must not wait for.
func (c *Channel) finish(why error) {
	defer close(c.finished)
	defer c.s.forget(c)
	c.idle()
	c.closeOwned()
	close(c.shut)
	waitFor(c.quiet, quietPatience)
	<-c.ready // Open is bounded by the disk's and the log's patience
	if c.stream == nil {
		return
	}
	c.runLast()
	if c.recorded && !errors.Is(why, ErrChannelClosed) { // what the log has not opened says nothing: it would be a finding
		if err := c.stream.Append(recording.Note, note("ended", says(why))); err != nil {
			c.recorderFailed(err)
		}
	}
	ctx, done := patiently(context.Background(), c.s.overdue, lateClose)
	defer done()
	if err := c.stream.Close(ctx); err != nil {
		c.recorderFailed(err)
	}
	if !c.recorded {
		return
	}
	c.mu.Lock()
	exit := c.exit
	c.mu.Unlock()
	body := audit.ChannelClosed{Session: string(c.s.id), Channel: c.number, In: c.in.Load(), Out: c.out.Load(), Exit: short(exit)}
	if why != ErrChannelClosed { // that alone says nothing: it ended well
		body.Cause = short(strings.TrimPrefix(why.Error(), ErrChannelClosed.Error()+": "))
	}
	c.s.say(body)
}

// closeOwned closes everything at the same time and waits for it, within bounds.
func (c *Channel) closeOwned() {
	c.mu.Lock()
	owned := c.owned
	c.owned, c.gone = nil, true
	c.mu.Unlock()
	if len(owned) == 0 {
		return
	}
	all := make(chan struct{})
	var left atomic.Int32
	left.Store(int32(len(owned)))
	for _, x := range owned {
		go func() {
			closeSafely(x)
			if left.Add(-1) == 0 {
				close(all)
			}
		}()
	}
	if !waitFor(all, closePatience) {
		slog.Error("what a channel owns does not close", "session", c.s.id, "channel", c.number)
	}
}

func closeSafely(x io.Closer) {
	defer func() {
		if r := recover(); r != nil {
			slog.Error("panic while closing what a channel owns", "panic", r)
		}
	}()
	_ = x.Close() // it is gone either way
}

// waitFor says whether ch was closed in time. It waits in ticks: on a machine that
// is busy everybody stands still for longer than a whole patience, and who is waited
// for gets its turn between two ticks.
func waitFor(ch <-chan struct{}, patience time.Duration) bool {
	const ticks = 20
	tick := time.NewTicker(patience / ticks)
	defer tick.Stop()
	for range ticks {
		select {
		case <-ch:
			return true
		case <-tick.C:
		}
	}
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// Close ends the channel from this side: exit is the target's status or "".
// It returns when channel.closed is written, or when that has failed.
func (c *Channel) Close(exit string, cause error) {
	c.mu.Lock()
	if c.exit == "" {
		c.exit = exit
	}
	c.mu.Unlock()
	switch {
	case cause == nil:
		cause = ErrChannelClosed
	case !errors.Is(cause, ErrChannelClosed):
		cause = fmt.Errorf("%w: %w", ErrChannelClosed, cause)
	}
	c.end(cause)
	<-c.finished
}

// recorderFailed ends the session: nothing passes that is not recorded.
func (c *Channel) recorderFailed(err error) error {
	return c.s.recorderFailed(err)
}

// Ask is one decision inside the channel (pty-req, exec, subsystem, an
// operation): facts are asked for again, and the outcome is durable as a
// Request frame before it is returned. A JSON object as detail stands in the
// frame beside kind, allowed and rule; anything else under "detail". It waits
// while the channel is paused.
func (c *Channel) Ask(ctx context.Context, kind string, detail any) policy.Decision {
	return c.AskFor(ctx, kind, 0, detail)
}

// AskFor is Ask for one operation that needs these rights and no more; none:
// all that the channel has.
func (c *Channel) AskFor(ctx context.Context, kind string, need policy.Rights, detail any) (d policy.Decision) {
	defer func() { c.s.metrics.refusal("operation", d.Refusal()) }()
	defer c.leave()
	c.enter()
	var q policy.Query
	d, q = c.decide(ctx, kind, need)
	frame, err := requestFrame(kind, detail, d)
	if err != nil {
		return denied(&policy.Refusal{Rule: "request-unreadable", Say: "this request cannot be recorded, so it is refused; call OT security", Why: err.Error()})
	}
	if err := c.commit(ctx, recording.Request, frame); err != nil {
		return denied(err)
	}
	if !d.Allow {
		if err := c.tellRefused(kind, detail, q, d); err != nil {
			return denied(err)
		}
		return d
	}
	if _, err := c.await(ctx); err != nil {
		return denied(err)
	}
	switch first, _, _ := strings.Cut(kind, " "); first {
	case "shell", "exec", "subsystem": // what the channel is from now on
		c.change(func(p *pass) bool {
			off := p.decision.Duties.InputOff // narrowed since it was asked
			p.query, p.decision.Duties = q, d.Duties
			p.decision.Duties.InputOff = off || d.Duties.InputOff
			return true
		})
	}
	return d
}

// mostRefused bounds the leaves that one channel makes of what it was refused.
const mostRefused = 20

// tellRefused writes channel.refused for an operation inside the channel.
func (c *Channel) tellRefused(kind string, detail any, q policy.Query, d policy.Decision) error {
	var no *policy.Refusal
	if !errors.As(d.Refusal(), &no) || c.refused.Add(1) > mostRefused {
		return nil
	}
	asked := ""
	if b, err := audit.Canonical(detail); err == nil {
		asked = strings.ToValidUTF8(string(b[:min(len(b), 200)]), "")
	}
	return c.s.append(audit.ChannelRefused{Session: string(c.s.id), Kind: short(kind), Asked: asked,
		Asset: short(string(q.Asset)), Port: short(string(q.Port)), Account: short(string(q.Account)), Rule: short(no.Rule), Why: short(no.Why)})
}

// decide asks everything anew for one request inside the channel.
func (c *Channel) decide(ctx context.Context, kind string, need policy.Rights) (policy.Decision, policy.Query) {
	p, err := c.await(ctx)
	q := p.query
	q.Stage, q.Kind = policy.AtOperation, kind
	if err != nil {
		return denied(err), q
	}
	both, stop := both(ctx, c.ctx)
	defer stop()
	f, err := c.s.facts(both, c.window)
	if err != nil {
		return denied(err), q
	}
	q.Rights = c.s.rights(q, f.Window.Rights)
	asked := q
	if need != 0 {
		asked.Rights = need
	}
	d := c.s.decide(f, asked)
	switch {
	case d.Allow && d.Target != p.decision.Target:
		d = denied(targetMoved)
	case d.Allow && d.Duties.InputOff && !d.Duties.Probe: // of a connectivity test nothing runs on
		d = denied(inputOff)
	}
	return d, q
}

// requestFrame is the text of a Request frame.
func requestFrame(kind string, detail any, d policy.Decision) ([]byte, error) {
	frame := map[string]any{}
	if detail != nil {
		b, err := json.Marshal(detail)
		if err != nil {
			return nil, fmt.Errorf("request %s: %w", kind, err)
		}
		if json.Unmarshal(b, &frame) != nil || frame == nil {
			frame = map[string]any{"detail": json.RawMessage(b)}
		}
	}
	frame["kind"], frame["allowed"], frame["rule"] = kind, d.Allow, d.Rule
	b, err := audit.Canonical(frame)
	if err != nil {
		return nil, fmt.Errorf("request %s: %w", kind, err)
	}
	if len(b) > maxFrame {
		return nil, fmt.Errorf("request %s: %d bytes, at most %d are recorded", kind, len(b), maxFrame)
	}
	return b, nil
}

const maxFrame = 64 << 10 // of a message in a recording

func denied(err error) policy.Decision {
	var r *policy.Refusal
	if errors.As(err, &r) {
		return policy.Decision{Rule: r.Rule, Say: r.Say, Why: r.Why}
	}
	return policy.Decision{Rule: "fault", Why: err.Error()}
}

// note is the text of a Note frame: what Penstock itself did, in words.
func note(what, text string) []byte {
	if len(text) > 2048 {
		text = text[:2048]
	}
	return []byte(what + ": " + text)
}
