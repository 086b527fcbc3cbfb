package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
)

// Moment is a channel as it stood at one glance. What is decided on it holds
// until Through, which looks by all clocks, finds that it has passed. It is for
// deciding now.
type Moment struct {
	c   *Channel
	p   *pass
	now reading // of a glance
}

// Moment waits while the channel is paused, and glances.
func (c *Channel) Moment(ctx context.Context) (Moment, error) {
	for {
		p, now, err := c.glance()
		if err != nil || !p.held {
			return Moment{c, p, now}, err
		}
		if err := c.resumed(ctx, p); err != nil {
			return Moment{c, p, now}, err
		}
	}
}

// May decides one operation that takes these rights, at the moment, on what was heard
// last of the window: the rules, gates, calendars and blocks are asked again,
// nothing is read. It takes microseconds, and less where the same was asked of
// the same moment within the last 100 ms: until then nothing that it rests on
// can have changed without a new Moment, but for the plant file, whose Recheck
// is on its way.
func (m Moment) May(need policy.Rights) policy.Decision {
	now := m.now
	if a := m.c.asked.Load(); a != nil && a.p == m.p && a.need == need && now.mono.Sub(a.at) < askedAgain && (a.d.Until.IsZero() || now.wall.Before(a.d.Until)) {
		return a.d
	}
	d := m.decide(need)
	m.c.asked.Store(&asked{m.p, need, now.mono, d})
	return d
}

// askedAgain is how long an answer of May is good for the same moment.
const askedAgain = 100 * time.Millisecond

// asked is the newest answer of May.
type asked struct {
	p    *pass
	need policy.Rights
	at   time.Time // monotonic
	d    policy.Decision
}

func (m Moment) decide(need policy.Rights) policy.Decision {
	q := m.p.query
	q.Stage, q.Kind, q.Rights = policy.AtOperation, "operation", need
	d := m.c.s.decide(*m.p.facts, q)
	switch {
	case d.Allow && d.Target != m.p.decision.Target:
		return denied(targetMoved)
	case d.Allow && m.p.decision.Duties.InputOff && need != policy.Look:
		return denied(inputOff)
	}
	return d
}

// Has are the rights that the window has at that moment.
func (m Moment) Has() policy.Rights { return m.p.facts.Window.Rights }

// Came waits while the channel is paused, and records bytes as they came, on a
// channel whose inspector makes others of them. They are durable with the next
// Through.
func (c *Channel) Came(ctx context.Context, p []byte) error {
	if _, err := c.Moment(ctx); err != nil {
		return err
	}
	return c.keep(recording.In, p)
}

// Row records a row of what was done: recording.Operation. It is for right after
// a Moment, or for what has passed.
func (c *Channel) Row(p []byte) error { return c.keep(recording.Did, p) }

// keep looks at no clock: its caller has, and nothing passes by what is only recorded.
func (c *Channel) keep(m recording.Mark, p []byte) error {
	defer c.leave()
	c.enter()
	if why := c.ended(); why != nil {
		return why
	}
	if err := c.stream.Append(m, p); err != nil {
		return c.unrecorded(err)
	}
	return nil
}

// Through is In for what an inspector made of the vendor's bytes: it commits p,
// and all that was kept before, to the recording, waits while paused, and looks
// once more. true: p may be written to the target now. false: m has passed
// meanwhile, so all of it must be decided anew, and p must not be written. p is
// at most 32 KiB.
func (c *Channel) Through(ctx context.Context, m Moment, p []byte) (bool, error) {
	defer c.leave()
	c.enter()
	if err := c.commit(ctx, recording.Passed, p); err != nil {
		return false, err
	}
	now, err := c.await(ctx)
	if err != nil {
		return false, err
	}
	if now != m.p {
		text := fmt.Sprintf("the %d bytes before this were not passed on: what the window allows was asked again meanwhile", len(p))
		if err := c.stream.Append(recording.Note, note("decided anew", text)); err != nil {
			return false, c.recorderFailed(err)
		}
		return false, nil
	}
	c.in.Add(int64(len(p)))
	c.s.metrics.passed.in.Add(int64(len(p)))
	return true, nil
}

// Refused writes channel.refused for an operation inside the channel: the first
// few of a channel, so that nobody fills the log. The recording has them all.
func (c *Channel) Refused(kind string, detail any, no error) error {
	c.s.metrics.refusal("operation", no)
	var r *policy.Refusal
	if !errors.As(no, &r) {
		return nil
	}
	q := c.Query()
	return c.tellRefused(kind, detail, q, policy.Decision{Rule: r.Rule, Say: r.Say, Why: r.Why})
}

// Summarised writes operations.summary, durable. Whose channel it is, is filled in here.
func (c *Channel) Summarised(sum audit.OperationsSummary) error {
	q := c.Query()
	sum.Session, sum.Channel, sum.Window = string(c.s.id), c.number, string(c.window)
	sum.Asset, sum.Port = string(q.Asset), string(q.Port)
	return c.s.append(sum)
}
