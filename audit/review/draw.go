package review

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"penstock/audit"
)

// Drawn says whether the draw takes a session, one in so many. root is of the
// log up to the first leaf of a day after the session's end: nobody knew it
// while the session ran. 0 takes none.
func Drawn(root audit.Hash, session string, closed audit.Hash, oneIn int) bool {
	if oneIn <= 0 {
		return false
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "penstock draw 1\n%s\n%s\n%s\n", root, session, closed))
	return binary.BigEndian.Uint64(sum[:])%uint64(oneIn) == 0
}

// draw takes a draw, if it is what its turn's root gives.
func (h *History) draw(b audit.ReviewDrawn) error {
	i := slices.IndexFunc(h.turns, func(t *turn) bool { return t.size == b.Size })
	if i < 0 || h.turns[i].drawn {
		return fmt.Errorf("no day begins with leaf %d and is still to be drawn", b.Size-1)
	}
	t := h.turns[i]
	if h.Root == nil {
		return errors.New("the root of that day is not known")
	}
	root, err := h.Root(b.Size)
	if err != nil {
		return err
	}
	want := t.draw(root, b.OneIn)
	if b != want {
		return fmt.Errorf("it says %d of %d by %s, and the log gives %d of %d by %s", b.Drawn, b.Of, b.Root, want.Drawn, want.Of, want.Root)
	}
	t.drawn = true
	for _, s := range t.sessions {
		s.Undrawn, s.Drawn = false, Drawn(root, s.ID, s.Close, b.OneIn)
	}
	return nil
}

func (t *turn) draw(root audit.Hash, oneIn int) audit.ReviewDrawn {
	d := audit.ReviewDrawn{Size: t.size, Root: root, OneIn: oneIn, Of: len(t.sessions)}
	for _, s := range t.sessions {
		if Drawn(root, s.ID, s.Close, oneIn) {
			d.Drawn++
		}
	}
	return d
}

// undrawn are turns without a draw, oldest first.
func (h *History) undrawn() []*turn {
	return slices.DeleteFunc(slices.Clone(h.turns), func(t *turn) bool { return t.drawn })
}

// Undrawn counts the ended sessions that no draw has taken although their day
// has been over for a day: so long it may wait for a copy outside.
func (h *History) Undrawn() (n int) {
	for _, t := range h.undrawn() {
		if h.last.Sub(t.began) > 24*time.Hour {
			n += len(t.sessions)
		}
	}
	return n
}
