package verify

import (
	"fmt"
	"io/fs"
	"strings"
	"time"

	"penstock/audit"
	"penstock/audit/review"
)

// Keeper is the part of a Walk that knows the plant file's word on reviews, holds
// and retention. A Walk without it is not asked, and only the log counts.
type Keeper interface {
	Keeps(plant audit.Hash, asset, port string, rights []string) (rule string, keep time.Duration, ok bool)
	Draws(oneIn int) bool                       // it draws one session in so many
	Always() []string                           // reasons for which it wants a session reviewed
	MayJudge(person string, security bool) bool // who reads recordings, or is OT security
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
	k, knows := c.walk.(Keeper)
	if !knows { // without a plant file only the log counts
		return
	}
	where := fmt.Sprintf("leaf %d (%s %s)", leaf.Index, leaf.Body.Type(), leaf.Subject)
	c.judged(where, leaf, k)
	if len(wrong) > 0 {
		return
	}
	switch b := leaf.Body.(type) {
	case audit.ReviewDrawn:
		if !k.Draws(b.OneIn) {
			c.wrong(where, "it draws one session in %d, and the plant file in force says another number", b.OneIn)
		}
	case audit.RecordingExpired:
		c.expired(where, b, k)
		c.unreviewed(where, b.Session, k)
	case audit.RecordingDeleted:
		c.unreviewed(where, b.Session, k)
	}
}

// judged holds what people do to the past to who may, by the plant file and
// their roles. The event is the broker's word that it was them: nothing in it is signed by them.
func (c *checker) judged(where string, leaf audit.Leaf, k Keeper) {
	by, security := "", false
	switch b := leaf.Body.(type) {
	case audit.ReviewSigned:
		by = b.Person
	case audit.ReviewNoted:
		by = b.Person
	case audit.ReviewReplied:
		if by = b.Person; !b.Settled { // who was asked may answer
			return
		}
	case audit.HoldSet:
		by, security = b.By, true
	case audit.HoldLifted:
		by, security = b.By, true
	case audit.DeletionAsked:
		by, security = b.By, true
	case audit.RecordingDeleted:
		by = b.By
	case audit.RecordingExpired:
		if by, security = leaf.Actor, true; by == "penstock" { // by itself
			return
		}
	default:
		return
	}
	switch {
	case by != leaf.Actor:
		c.wrong(where, "it names %.40q, and %.40q wrote it", by, leaf.Actor)
	case !k.MayJudge(by, security) && security:
		c.wrong(where, "%.40q is not OT security", by)
	case !k.MayJudge(by, security):
		c.wrong(where, "%.40q may not read recordings", by)
	}
}

func (c *checker) expired(where string, b audit.RecordingExpired, k Keeper) {
	rule, due, ok := c.history.Session(b.Session).Due(func(t review.Target) (string, time.Duration, bool) {
		return k.Keeps(b.Plant, t.Asset, t.Port, t.Rights)
	})
	switch {
	case !ok:
		c.wrong(where, "its recording expired, and the plant file in force keeps it for ever, or is not the one that is named")
	case rule != b.Rule || !due.Equal(b.Due):
		c.wrong(where, "its recording expired by %s on %s, and the plant file in force says %s on %s",
			b.Rule, b.Due.Format(time.DateOnly), rule, due.Format(time.DateOnly))
	}
}

// unreviewed: what the plant file wants reviewed does not go before it was.
func (c *checker) unreviewed(where, session string, k Keeper) {
	s := c.history.Session(session)
	if why := s.Reasons(review.Rules{Always: k.Always()}); len(why) > 0 && !s.Reviewed() {
		c.wrong(where, "its recording went without the review that the plant file in force wants: %s", strings.Join(why, ", "))
	}
}

// mayBeGone says of a recording that is not there whether the log lets it be gone.
func (c *checker) mayBeGone(id string) {
	s := c.history.Session(id)
	switch {
	case s == nil || s.Gone == nil:
		c.wrong(id, "its recording is missing from recordings/")
	case s.Gone.By != "":
		c.note(id, "its recording was deleted before its time on %s, by the server's word: %s asked, %s confirmed (%s); it was closed with %s",
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
	if n := c.history.Undrawn(); n > 0 {
		c.note("reviews", "%d sessions were not drawn for review a day after theirs was over: the draw waits for a copy outside, or the broker leaves it out", n)
	}
}
