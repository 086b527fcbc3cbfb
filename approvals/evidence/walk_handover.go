package evidence

import (
	"slices"
	"time"

	"penstock/audit"
)

// handover is what one shift handed to the next, as the leaves tell it.
type handover struct {
	team, by string
	due      time.Time
	left     []string // windows that nobody has taken
}

func (w *Walk) handover(id string) *handover {
	h := w.handed[id]
	w.must(h != nil, "the log does not know handover %s", short(id))
	return h
}

// mayHandOver: a person of the plant who holds the team's role, on duty or not.
func (w *Walk) mayHandOver(id, team string) bool {
	p := w.known(id)
	return p != nil && w.ofPlant(p) && p.has(team)
}

func (w *Walk) handoverOffered(b audit.HandoverOffered) {
	w.must(w.handed[b.Handover] == nil, "%s was offered before", short(b.Handover))
	w.must(w.leaf.Actor == b.By && w.mayHandOver(b.By, b.Team), "%s may not hand over what %s opens", short(b.By), short(b.Team))
	for _, id := range b.Windows {
		w.window(id)
	}
	if !b.Text.IsZero() {
		w.document("what was said", b.Text)
	}
	w.handed[b.Handover] = &handover{b.Team, b.By, b.Due, slices.Clone(b.Windows)}
}

// handoverAccepted: by somebody else of the team, who works in none of them.
func (w *Walk) handoverAccepted(b audit.HandoverAccepted) {
	h := w.handover(b.Handover)
	if h == nil {
		return
	}
	w.must(w.leaf.Actor == b.By && b.By != h.by && w.mayHandOver(b.By, h.team), "%s may not take over from %s", short(b.By), h.by)
	w.takenByTap(b)
	for _, id := range b.Windows {
		v := w.window(id)
		w.must(v == nil || !w.worksIn(b.By, v), "%s works in %s", b.By, id)
		i := slices.Index(h.left, id)
		if w.must(i >= 0, "%s was not there to be taken", short(id)) {
			h.left = slices.Delete(h.left, i, i+1)
		}
	}
	if len(h.left) == 0 {
		delete(w.handed, b.Handover)
	}
}

// untaken says whether a window waits in a handover that is late.
func (w *Walk) untaken(window string) bool {
	for _, h := range w.handed {
		if slices.Contains(h.left, window) && !w.leaf.Wall.Before(h.due.Add(HandoverPauses-settleTime)) {
			return true
		}
	}
	return false
}
