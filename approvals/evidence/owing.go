package evidence

import (
	"maps"
	"slices"
	"time"

	"penstock/audit"
)

// Owing knows from a log's leaves which emergencies still wait for their review:
// a second person's verdict, other than a question, on every session that was let
// in by it. One by which nobody came in owes none; nor does a recording that is
// gone by two people's word or by its time. That whoever signed was a second
// person is judged where reviews are (audit/review, audit/verify). The Desk and
// Walk both fold it. Not safe for concurrent use.
type Owing struct {
	plants   map[string]audit.Hash // of requests that are not over
	windows  map[string]*owed      // emergencies that were opened
	asked    map[string]owed       // windows that were agreed, and not opened yet
	sessions map[string][]string   // session → emergencies that it names
	next     audit.Index
}

type owed struct {
	firm  string
	plant audit.Hash
	over  time.Time // zero: it runs
	waits map[string]bool
}

// Due is an emergency whose review is owed.
type Due struct {
	Window   string
	Firm     string
	Sessions []string // that wait, sorted
	At       time.Time
}

// NewOwing begins before leaf 0.
func NewOwing() *Owing {
	return &Owing{plants: map[string]audit.Hash{}, windows: map[string]*owed{}, asked: map[string]owed{}, sessions: map[string][]string{}}
}

// Next is the leaf that is to be folded next.
func (o *Owing) Next() audit.Index { return o.next }

// Leaf folds the next leaf.
func (o *Owing) Leaf(leaf audit.Leaf) {
	o.next = leaf.Index + 1
	switch b := leaf.Body.(type) {
	case audit.RequestSubmitted:
		o.plants[b.Request] = b.Plant
	case audit.RequestRevised:
		o.plants[b.Request] = b.Plant
	case audit.RequestWithdrawn, audit.RequestUnanswered:
		delete(o.plants, leaf.Subject)
	case audit.WindowAgreed:
		o.asked[b.Window] = owed{firm: b.Firm, plant: o.plants[b.Request]}
	case audit.WindowMoved:
		o.moved(leaf, b)
	case audit.SessionStarted:
		for _, id := range b.Windows {
			if w := o.windows[id]; w != nil {
				w.waits[b.Session] = true
				o.sessions[b.Session] = append(o.sessions[b.Session], id)
			}
		}
	case audit.ReviewSigned:
		if b.Verdict != "question" {
			o.settle(b.Session)
		}
	case audit.RecordingDeleted:
		o.settle(b.Session)
	case audit.RecordingExpired:
		o.settle(b.Session)
	}
}

func (o *Owing) moved(leaf audit.Leaf, b audit.WindowMoved) {
	switch b.To {
	case "opened":
		if w, known := o.asked[b.Window]; known && b.Emergency && o.windows[b.Window] == nil {
			w.waits = map[string]bool{}
			o.windows[b.Window] = &w
		}
		delete(o.asked, b.Window)
	case "unused", "cut", "ended":
		delete(o.asked, b.Window)
		if w := o.windows[b.Window]; w != nil && w.over.IsZero() {
			w.over = leaf.Wall
			o.forget(b.Window)
		}
	}
}

func (o *Owing) settle(session string) {
	for _, id := range o.sessions[session] {
		if w := o.windows[id]; w != nil {
			delete(w.waits, session)
			o.forget(id)
		}
	}
	delete(o.sessions, session)
}

// forget lets go of an emergency that is over and owes nothing.
func (o *Owing) forget(window string) {
	if w := o.windows[window]; !w.over.IsZero() && len(w.waits) == 0 {
		delete(o.windows, window)
	}
}

// Due are the emergencies that owe a review and are over, oldest first, each with
// the moment until which it is to be given: within says how long the plant file
// with this hash leaves for it. Firm empty: of all firms.
func (o *Owing) Due(firm string, within func(plant audit.Hash) time.Duration) []Due {
	var list []Due
	for _, id := range slices.Sorted(maps.Keys(o.windows)) {
		w := o.windows[id]
		if w.over.IsZero() || firm != "" && w.firm != firm {
			continue
		}
		list = append(list, Due{id, w.firm, slices.Sorted(maps.Keys(w.waits)), w.over.Add(within(w.plant))})
	}
	slices.SortStableFunc(list, func(a, b Due) int { return a.At.Compare(b.At) })
	return list
}

// noneOverdue: the firm of a planned request or window owes no review that was
// due before the leaf, but for what was on its way.
func (w *Walk) noneOverdue(firm string) {
	for _, d := range w.owing.Due(firm, func(h audit.Hash) time.Duration {
		if p := w.plant(h); p != nil {
			return p.Emergency.Review
		}
		return 0
	}) {
		w.must(w.leaf.Wall.Before(d.At.Add(crossTime)), "planned for %s, whose emergency %s was to be reviewed by %s", short(firm), d.Window, clock(d.At))
	}
}
