package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"penstock/audit/recording"
	"penstock/policy"
)

// MaxIn is the most bytes that one call of Channel.In or Out takes.
const MaxIn = 1 << 20

// pass is what the gate knows of a channel at one moment. It never changes: it
// is replaced whole, so that one atomic load is one consistent look.
type pass struct {
	ended    error // why nothing passes any more
	held     bool  // vendor's input waits
	due      deadline
	cause    error // why it ends at due, where that is before the window's end: a freeze, a calendar, the longest; nil: its window ends
	decision policy.Decision
	query    policy.Query  // with the kind that was last allowed (shell, exec, subsystem)
	facts    *policy.Facts // that it was decided on, as heard last; for operations. They do not change
	changed  chan struct{} // closed when this pass is replaced
}

// change replaces the pass by what f makes of it; f returns false to leave it.
// An ended pass stays as it is.
func (c *Channel) change(f func(*pass) bool) bool {
	for {
		old := c.pass.Load()
		if old.ended != nil {
			return false
		}
		next := *old
		next.changed = make(chan struct{})
		if !f(&next) {
			return false
		}
		if c.pass.CompareAndSwap(old, &next) {
			close(old.changed)
			return true
		}
	}
}

// look is the look of promise 1: one atomic load, compared with three clocks.
func (c *Channel) look() (*pass, error) {
	p := c.pass.Load()
	if p.ended != nil {
		return p, p.ended
	}
	if p.due.remaining(c.s.clock.now()) <= 0 {
		return c.over(p)
	}
	return p, nil
}

// glance is a look by two of the clocks, for what passes nothing by itself: a
// look follows before anything does.
func (c *Channel) glance() (*pass, reading, error) {
	p := c.pass.Load()
	if p.ended != nil {
		return p, reading{}, p.ended
	}
	now := c.s.clock.glance()
	if p.due.glimpsed(now) <= 0 {
		p, err := c.over(p)
		return p, now, err
	}
	return p, now, nil
}

// over ends the channel, whose time p says is up.
func (c *Channel) over(p *pass) (*pass, error) {
	c.end(p.overBy(c.window))
	p = c.pass.Load()
	return p, p.ended
}

// overBy is why nothing passes once due has come.
func (p *pass) overBy(w policy.WindowID) error {
	if p.cause != nil {
		return p.cause
	}
	return windowEnded(w)
}

// Look is nil while bytes may pass in the channel, else why not. It costs less
// than a microsecond; whoever writes to a target looks before each write. A
// pause does not show here: see Pass.
func (c *Channel) Look() error {
	_, err := c.look()
	return err
}

// Pass waits while the channel is paused and then looks: what In has let
// through is written in steps of at most 32 KiB, with a Pass before each. It
// does not tell of InputOff: whoever is between two steps asks Decision as well.
func (c *Channel) Pass(ctx context.Context) error {
	_, err := c.await(ctx)
	return err
}

func (c *Channel) await(ctx context.Context) (*pass, error) {
	for {
		p, err := c.look()
		if err != nil || !p.held {
			return p, err
		}
		if err := c.resumed(ctx, p); err != nil {
			return p, err
		}
	}
}

// resumed waits until something else holds than p, or the channel has ended.
func (c *Channel) resumed(ctx context.Context, p *pass) error {
	select {
	case <-p.changed:
	case <-c.ctx.Done():
	case <-ctx.Done():
		return fmt.Errorf("wait for the pause to end: %w", context.Cause(ctx))
	}
	return nil
}

// In is the one gate for a vendor's bytes (promises 1 and 2): waits while held,
// looks at the clocks and the end, commits p to the recording, waits and looks
// once more; nil: p may be written to the target, now (more than 32 KiB: in
// steps, see Pass). InputOff swallows: forward is false. p is at most MaxIn
// bytes. An error of the recorder ends the session.
func (c *Channel) In(ctx context.Context, p []byte) (forward bool, err error) {
	if len(p) > MaxIn {
		return false, fmt.Errorf("%d bytes at once, at most %d pass the gate", len(p), MaxIn)
	}
	defer c.leave()
	c.enter()
	if _, err := c.await(ctx); err != nil {
		return false, err
	}
	if err := c.record(ctx, recording.In, p, true); err != nil {
		return false, err
	}
	now, err := c.await(ctx)
	if err != nil {
		return false, err
	}
	if now.decision.Duties.InputOff {
		return false, nil
	}
	c.in.Add(int64(len(p)))
	c.s.metrics.passed.in.Add(int64(len(p)))
	return true, nil
}

// Out records bytes to the vendor: Append, or Commit where Duties.StrictBoth;
// nil: p may be shown. It glances before and looks after: nothing is shown after
// the end. p is at most MaxIn bytes.
func (c *Channel) Out(ctx context.Context, m recording.Mark, p []byte) error {
	if len(p) > MaxIn {
		return fmt.Errorf("%d bytes at once, at most %d pass the gate", len(p), MaxIn)
	}
	if m != recording.Out && m != recording.Err {
		return fmt.Errorf("mark %q is not for bytes to the vendor", m)
	}
	defer c.leave()
	c.enter()
	now, _, err := c.glance()
	if err != nil {
		return err
	}
	if err := c.record(ctx, m, p, now.decision.Duties.StrictBoth); err != nil {
		return err
	}
	if err := c.s.firstByte(c.window); err != nil {
		return err
	}
	if _, err := c.look(); err != nil {
		return err
	}
	c.out.Add(int64(len(p)))
	c.s.metrics.passed.out.Add(int64(len(p)))
	return nil
}

// record makes p part of the recording, or what Thin makes of it.
func (c *Channel) record(ctx context.Context, m recording.Mark, p []byte, durable bool) error {
	pieces := []Piece{{m, p}}
	if c.thin != nil {
		pieces = c.thin(m, p)
	}
	for i, one := range pieces {
		if durable && i == len(pieces)-1 { // those before it are durable with it
			return c.commit(ctx, one.Mark, one.Data)
		}
		if err := c.stream.Append(one.Mark, one.Data); err != nil {
			return c.unrecorded(err)
		}
	}
	return nil
}

// unrecorded is the recorder's error and ends the session; not where the channel
// has ended meanwhile, and its stream with it, while what was to pass waited.
func (c *Channel) unrecorded(err error) error {
	if why := c.ended(); why != nil && errors.Is(err, recording.ErrClosed) {
		return why
	}
	return c.recorderFailed(err)
}

// Mark records what is no byte stream: Resize, Exit, EOF, Note. nil: what it
// tells of may be passed on. Resize and EOF are durable before.
func (c *Channel) Mark(ctx context.Context, m recording.Mark, p []byte) error {
	defer c.leave()
	c.enter()
	if _, err := c.look(); err != nil {
		return err
	}
	switch m {
	case recording.Resize, recording.EOF:
		if err := c.commit(ctx, m, p); err != nil {
			return err
		}
	case recording.Exit, recording.Note:
		if err := c.stream.Append(m, p); err != nil {
			return c.unrecorded(err)
		}
		if m == recording.Exit { // known from here on: whoever is told of it may leave before Close
			c.mu.Lock()
			c.exit = string(p)
			c.mu.Unlock()
		}
	default:
		return fmt.Errorf("mark %q has its own way in", m)
	}
	_, err := c.look()
	return err
}

// commit makes a frame durable. The wait ends with the channel or with ctx;
// any other error is the recorder's and ends the session.
func (c *Channel) commit(ctx context.Context, m recording.Mark, p []byte) error {
	ctx, stop := both(ctx, c.ctx)
	defer stop()
	err := c.stream.Commit(ctx, m, p)
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil:
		return c.ended()
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		return err
	}
	return c.recorderFailed(err)
}

// both gives a context that ends with either; mostly they are one and the same.
func both(ctx, channel context.Context) (context.Context, func()) {
	if ctx == channel || ctx.Done() == nil {
		return channel, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(channel, func() { cancel(context.Cause(channel)) })
	return ctx, func() { stop(); cancel(nil) }
}

func (c *Channel) ended() error { return c.pass.Load().ended }

// enter and leave count who is between a look and its consequence, so that
// End can say when the last byte has passed.
func (c *Channel) enter() { c.inside.Add(1) }

func (c *Channel) leave() {
	if c.inside.Add(-1) == 0 && c.ended() != nil {
		c.quietOnce.Do(func() { close(c.quiet) })
	}
}

// counts is what passed.
type counts struct{ in, out atomic.Int64 }
