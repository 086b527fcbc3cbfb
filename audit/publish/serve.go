package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit"
)

// serve is one place's loop: a copy each Every while the log grows, at once
// when a window ends, and after a failure again, later each time.
func (p *Publisher) serve(ctx context.Context, c *place) {
	timer := time.NewTimer(0) // at start at once: what the last life left has waited long enough
	defer timer.Stop()
	for tries := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.wake:
		}
		switch sent, err := p.send(ctx, c); {
		case ctx.Err() != nil:
			return
		case err != nil:
			timer.Reset(retryIn(tries, max(c.Every, firstRetry)))
			tries++
		case sent:
			tries = 0
			timer.Reset(c.Every)
		default: // nothing new: look again soon, without asking anybody
			timer.Reset(min(c.Every, lookEvery))
		}
	}
}

// retryIn doubles from a second to five minutes or the place's own pace, the
// longer of them, and spreads by a half so that brokers do not come together.
func retryIn(tries int, every time.Duration) time.Duration {
	d := min(firstRetry<<min(tries, 20), max(maxRetry, min(every, time.Hour)))
	return d/2 + rand.N(d)
}

// send takes the newest checkpoint out, if the place has it not yet.
func (p *Publisher) send(ctx context.Context, c *place) (sent bool, err error) {
	signed := p.log.Checkpoint()
	if bytes.Equal(signed, c.done) {
		return false, nil
	}
	newest, err := audit.ParseCheckpoint(signed, p.o.Verifier)
	if err != nil {
		return false, p.miss(c, newest, fmt.Errorf("the log's own checkpoint: %w", err))
	}
	c.mu.Lock()
	have := c.newest.Size
	healthy := c.contrary == "" && c.since.IsZero()
	c.mu.Unlock()
	if newest.Size == 0 || newest.Size == have && healthy {
		c.done = signed
		return false, nil
	}
	attempt, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	copied, err := guarded(attempt, c.Way, newest)
	if err == nil {
		err = p.genuine(newest, &copied)
	}
	if err != nil {
		if ctx.Err() != nil {
			return false, err // we are stopping; the place has done nothing wrong
		}
		return false, p.miss(c, newest, err)
	}
	c.done = signed
	return true, p.keep(c, newest, copied, false)
}

// guarded keeps a panic of one way from the process.
func guarded(ctx context.Context, w Way, c audit.Checkpoint) (copied Copy, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v\n%s", r, debug.Stack())
		}
	}()
	return w.Send(ctx, c)
}

// genuine holds a note that came back to the one that went out.
func (p *Publisher) genuine(sent audit.Checkpoint, copied *Copy) error {
	if copied.Note == nil {
		copied.Note = sent.Note
		return nil
	}
	n, err := note.Open(copied.Note, note.VerifierList(p.o.Verifier))
	if err != nil || !bytes.HasPrefix(sent.Note, []byte(n.Text)) {
		return errors.New("what came back is not the checkpoint that went out")
	}
	return nil
}

// keep notes that a place has a copy.
func (p *Publisher) keep(c *place, sent audit.Checkpoint, copied Copy, byHand bool) error {
	now := p.o.Clock.Wall().UTC()
	r := Receipt{At: now, Place: c.Name, Kind: c.Kind, Size: sent.Size, Root: sent.Root, Said: short(copied.Said), Note: copied.Note}
	if r.Note == nil {
		r.Note = sent.Note
	}
	c.io.Lock()
	defer c.io.Unlock()
	c.mu.Lock()
	recovered := !c.since.IsZero() || c.contrary != ""
	waited, written := c.waiting, c.written
	c.mu.Unlock()
	if waited != nil {
		r.Superseded, r.Since = waited.Superseded, waited.Since
	}
	// A line a minute is enough to prove each stretch; after a gap, always.
	if byHand || recovered || now.Sub(written).Abs() >= receiptEvery {
		if err := c.files.addReceipt(r); err != nil {
			p.o.Slog.Error("a copy is outside, and its receipt could not be kept here", "place", c.Name, "size", uint64(r.Size), "err", err)
			if byHand {
				return fmt.Errorf("keep the receipt: %w", err)
			}
		} else {
			written = now
		}
	}
	if waited != nil {
		if err := c.files.dropWaiting(); err != nil {
			p.o.Slog.Error("what had waited was sent, and could not be removed here", "place", c.Name, "err", err)
		}
	}
	if recovered {
		p.o.Slog.Info("checkpoints reach this place again", "place", c.Name, "superseded", r.Superseded)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.newest, c.written, c.waiting, c.since, c.why, c.contrary = r, written, nil, time.Time{}, "", ""
	c.sent++
	return nil
}

// miss notes that a place was not reached, and spools what it should have had:
// the newest replaces those before it, for it commits to all of them, and how
// many it replaced since when is kept for the receipt.
func (p *Publisher) miss(c *place, want audit.Checkpoint, err error) error {
	now := p.o.Clock.Wall().UTC()
	c.io.Lock()
	defer c.io.Unlock()
	c.mu.Lock()
	first := c.since.IsZero()
	if first {
		c.since = now
	}
	c.failed++
	c.why = short(err.Error())
	against, disagrees := errors.AsType[*Contradiction](err)
	news := disagrees && c.contrary == ""
	if disagrees {
		c.contrary = short(against.What)
	}
	why, since, waited := c.why, c.since, c.waiting
	c.mu.Unlock()
	switch {
	case news:
		p.o.Slog.Error("a place outside contradicts this log: it counts as no copy", "place", c.Name, "why", why)
	case first && !disagrees:
		p.o.Slog.Warn("a checkpoint could not leave the machine; it is tried again", "place", c.Name, "err", why)
	}
	if want.Note == nil || waited != nil && waited.Size == want.Size {
		return err
	}
	w := &waiting{Since: since, Signed: want.Note, Size: want.Size}
	if waited != nil {
		w.Superseded = waited.Superseded + 1
	}
	if spool := c.files.writeWaiting(w); spool != nil && first {
		p.o.Slog.Error("what waits to leave the machine could not be kept over a restart", "place", c.Name, "err", spool)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = w
	return err
}

// short bounds what others made us say; it is for people, and for one line.
func short(s string) string {
	const most = 300
	out := make([]rune, 0, min(len(s), most))
	for _, r := range s {
		if len(out) == most {
			return string(out) + " …"
		}
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}
