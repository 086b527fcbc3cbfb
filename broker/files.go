package broker

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
)

// Finally has f called once, when the channel has ended, nothing passes any
// more and channel.closed is not written yet: for events of what broke off. exit
// is the machine's status, or empty. f must not wait for the channel.
func (c *Channel) Finally(f func(exit string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.atLast = f
}

func (c *Channel) runLast() {
	defer recovered("the end of a channel")
	c.mu.Lock()
	f, exit := c.atLast, c.exit
	c.atLast = nil
	c.mu.Unlock()
	if f != nil {
		f(exit)
	}
}

// Transferred writes file.transferred, durable, and a note into the recording.
// Whose channel it is, is filled in here. An error ends the session.
func (c *Channel) Transferred(f audit.FileTransferred) error {
	q := c.Query()
	f.Session, f.Channel, f.Window = string(c.s.id), c.number, string(c.window)
	f.Asset, f.Account = string(q.Asset), string(q.Account)
	whole := "whole"
	if !f.Whole {
		whole = "not whole: " + cmp.Or(f.Why, "not known to be")
	}
	text := fmt.Sprintf("%s by %s, %d bytes, %s of %s, %s: %s", f.Direction, f.By, f.Bytes, f.SHA256, f.Hashed, whole, f.Path)
	if err := c.stream.Append(recording.Note, note("transferred", text)); err != nil {
		slog.Error("a transfer could not be noted in its recording", "session", c.s.id, "channel", c.number, "err", err)
	}
	return c.s.append(f)
}

// Refuse records and tells a no of the rules for files, to a request that was
// otherwise allowed. An error ends the session.
func (c *Channel) Refuse(ctx context.Context, kind string, detail any, no *policy.Refusal) error {
	d := denied(no)
	c.s.metrics.refusal("operation", no)
	frame, err := requestFrame(kind, detail, d)
	if err != nil {
		return err
	}
	defer c.leave()
	c.enter()
	if err := c.commit(ctx, recording.Request, frame); err != nil {
		return err
	}
	return c.tellRefused(kind, detail, c.Query(), d)
}

// Piece is what is recorded in the place of some bytes.
type Piece struct {
	Mark recording.Mark
	Data []byte
}

// Thin has the recording keep what f makes of the bytes that pass, where the
// plant says so of the account (Duties.Hashes), and not the bytes; elsewhere it
// does nothing, and says so. It is called before any byte passes. f sees each direction in order,
// one call at a time for each. What f keeps back must not be forwarded yet.
func (c *Channel) Thin(f func(recording.Mark, []byte) []Piece) bool {
	if !c.Decision().Duties.Hashes {
		return false
	}
	c.thin = f
	return true
}
