package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"penstock/audit"
)

// Recording checks the recording of one session in a data folder: its files by
// the hashes in session.started and session.ended, every frame, and every head
// line that the log committed to; the log's leaves are held to its checkpoint
// on the way, and nothing else is judged. A session that the log does not know
// is a finding.
func Recording(ctx context.Context, dir, session string, t Trust, progress func(done, all int64)) (Report, error) {
	c := newChecker(dir, t, progress)
	c.only = session
	if err := c.one(ctx); err != nil {
		return Report{}, fmt.Errorf("verify %s in %s: %w", session, dir, err)
	}
	return c.report, nil
}

func (c *checker) one(ctx context.Context) error {
	if err := c.plainFiles(); err != nil {
		return err
	}
	v, err := c.begin()
	if err != nil {
		return err
	}
	r, err := audit.OpenReader(filepath.Join(c.dir, "log"), v)
	if err != nil {
		return err
	}
	c.report.Origin, c.report.Size, c.report.Root = r.Head().Origin, r.Size(), r.Head().Root
	defer c.pool.wait()
	for leaf, err := range r.All(ctx) {
		if d, ok := errors.AsType[*audit.Damage](err); ok {
			c.wrong(fmt.Sprintf("%s leaf %d", c.in(d.File), d.Index), "%s", d.What)
			continue
		}
		if err != nil {
			return err
		}
		if err := c.concerns(ctx, leaf); err != nil {
			return err
		}
	}
	if c.sessions[c.only] == nil {
		c.wrong(c.only, "the log knows no such session")
		return nil
	}
	if err := c.rest(ctx); err != nil {
		return err
	}
	return c.pool.wait()
}

// concerns takes the leaves of the one session; head lines while it may still have some.
func (c *checker) concerns(ctx context.Context, leaf audit.Leaf) error {
	c.report.Leaves++
	c.last = leaf
	c.history.Fold(leaf) // so that a recording which is gone by the log is not missing
	s := c.sessions[c.only]
	switch b := leaf.Body.(type) {
	case audit.RecordingHeads:
		if s == nil || s.checked {
			c.heads[b.File] = b.Offset + b.Bytes // not read, and no gap
			return nil
		}
	default:
		if leaf.Subject != c.only {
			return nil
		}
	}
	return c.record(ctx, leaf)
}
