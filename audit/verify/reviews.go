package verify

import (
	"fmt"
	"io/fs"
	"time"

	"penstock/audit"
	"penstock/audit/review"
)

// keeper is the part of a Walk that knows the plant file's word on retention.
type keeper interface {
	Keeps(plant audit.Hash, asset, port string, rights []string) (rule string, keep time.Duration, ok bool)
}

func (c *checker) rootAt(size audit.Index) (audit.Hash, error) {
	if root, ok := c.roots[size]; ok {
		return root, nil
	}
	return audit.Hash{}, fmt.Errorf("root of %d leaves: %w", size, fs.ErrNotExist)
}

// reviewed folds verdicts, draws, holds and expiry, and judges them as the Book does.
func (c *checker) reviewed(leaf audit.Leaf) {
	wrong := c.history.Fold(leaf)
	for _, what := range wrong {
		c.wrong(fmt.Sprintf("leaf %d (%s %s)", leaf.Index, leaf.Body.Type(), leaf.Subject), "%s", what)
	}
	if c.history.Turn() == audit.Index(c.tree.size) {
		c.roots[audit.Index(c.tree.size)] = audit.Hash(c.tree.root())
	}
	b, ok := leaf.Body.(audit.RecordingExpired)
	k, knows := c.walk.(keeper)
	if !ok || !knows || len(wrong) > 0 { // without a plant file only the log counts
		return
	}
	rule, due, ok := c.history.Session(b.Session).Due(func(t review.Target) (string, time.Duration, bool) {
		return k.Keeps(b.Plant, t.Asset, t.Port, t.Rights)
	})
	switch {
	case !ok:
		c.wrong(fmt.Sprintf("leaf %d (%s)", leaf.Index, b.Session), "its recording expired, and the plant file in force keeps it for ever")
	case rule != b.Rule || !due.Equal(b.Due):
		c.wrong(fmt.Sprintf("leaf %d (%s)", leaf.Index, b.Session), "its recording expired by %s on %s, and the plant file in force says %s on %s",
			b.Rule, b.Due.Format(time.DateOnly), rule, due.Format(time.DateOnly))
	}
}

// mayBeGone says of a recording that is not there whether the log lets it be gone.
func (c *checker) mayBeGone(id string) {
	s := c.history.Session(id)
	switch {
	case s == nil || s.Gone == nil:
		c.wrong(id, "its recording is missing from recordings/")
	case s.Gone.By != "":
		c.note(id, "its recording was deleted before its time on %s: %s asked, %s confirmed (%s); it was closed with %s",
			s.Gone.At.Format(time.DateOnly), s.Gone.Asked, s.Gone.By, s.Gone.Why, s.Close)
	default:
		c.note(id, "its recording expired on %s (%s); it was closed with %s", s.Gone.At.Format(time.DateOnly), s.Gone.Rule, s.Close)
	}
}

// stillThere names recordings that are gone by the log, and not yet taken away.
func (c *checker) stillThere() {
	for _, s := range c.history.Sessions() {
		if dir, there := c.folders.dirs[s.ID]; there && s.Gone != nil {
			c.note(c.in(dir), "is gone by the log, and its files still wait to be taken away")
		}
	}
}
