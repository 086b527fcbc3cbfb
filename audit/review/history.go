package review

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"penstock/audit"
)

// Target is one way that somebody worked by, and the most that could be done there.
type Target struct {
	Asset, Port, Account string
	Rights               []string
}

// Session is what the log says of a session, its recording and its review. Its
// slices are shared: read them only.
type Session struct {
	ID, Person, Firm string
	Windows          []string
	Started, Ended   time.Time // Ended zero: it runs, or a crash left it
	Close            audit.Hash
	Targets          []Target
	Refused          int      // things that were refused in it
	First            []string // assets that the person had never been on before
	Verdicts         []Verdict
	Threads          []Thread
	Notes            []Note
	Drawn            bool // by the draw
	Undrawn          bool // the draw for its day is still to come
	Gone             *Gone
	Deletion         *Deletion // asked for, not confirmed

	goneAt   audit.Index
	header   audit.Hash
	loads    bool
	stood    bool // in a window in which somebody stood in for a gate
	quick    bool // in an emergency
	watched  []string
	channels map[int]bool
}

// Verdict is a second person's word on a recording.
type Verdict struct {
	audit.ReviewSigned
	At time.Time
}

// Thread is a question or a finding, with what was said to it.
type Thread struct {
	Verdict
	Replies []Reply
	Settled bool
}

type Reply struct {
	audit.ReviewReplied
	At time.Time
}

type Note struct {
	audit.ReviewNoted
	At time.Time
}

// Gone says when and by what a recording went. Rule is the retention's; By and
// Asked are set where two people deleted it.
type Gone struct {
	At              time.Time
	Rule, By, Asked string
	Why             string
}

type Deletion struct {
	By, Why string
	At      time.Time
}

// Hold is a legal hold that stands.
type Hold struct {
	audit.HoldSet
	At time.Time
}

// reaches says whether the hold names the session.
func (h Hold) reaches(s *Session) bool {
	return h.All || h.Session != "" && h.Session == s.ID || h.Window != "" && slices.Contains(s.Windows, h.Window) ||
		h.Person != "" && h.Person == s.Person || h.Firm != "" && h.Firm == s.Firm ||
		h.Asset != "" && slices.ContainsFunc(s.Targets, func(t Target) bool { return t.Asset == h.Asset })
}

// window and request are who had a part in what was agreed.
type window struct {
	request string
	by      map[string]string // person → what they did
	stood   bool              // somebody stood in for a gate of it
	quick   bool              // an emergency
}

type request struct {
	by  []string // of each revision
	yes map[string]bool
}

// turn is the first leaf of a UTC day that is another than the leaf's before:
// Size leaves end with it. The sessions that ended since the turn before are drawn by it.
type turn struct {
	size     audit.Index
	began    time.Time
	sessions []*Session
	drawn    bool
}

// History is a fold of the log: all that reviews, holds and expiry go by. The
// broker's Book and penstock-verify fold alike. Not safe for concurrent use.
type History struct {
	// Root is the root of the tree of so many leaves; nil: draws are not
	// recomputed, and count for nothing.
	Root func(audit.Index) (audit.Hash, error)

	sessions map[string]*Session
	order    []*Session
	windows  map[string]*window
	requests map[string]*request
	visited  map[[2]string]bool // person, asset
	holds    map[string]Hold
	holdsSet int // ever: the next is H-n
	turns    []*turn
	ended    []*Session // since the newest turn
	day      string
	next     audit.Index
	last     time.Time
	jump     jump
	looked   audit.Index // newest expiry that a person began: leaps before it were looked at
}

// jump is the newest time that the log's clock leapt ahead.
type jump struct {
	at audit.Index
	to time.Time
	by time.Duration
}

// leap is how far the log's time goes on between two leaves before nobody
// believes it without a person's word.
const leap = 14 * 24 * time.Hour

func NewHistory() *History {
	return &History{sessions: map[string]*Session{}, windows: map[string]*window{}, requests: map[string]*request{}, visited: map[[2]string]bool{}, holds: map[string]Hold{}}
}

// Fold takes the next leaf. What it returns is what is wrong with it, by the
// rules of this package; such an event counts for nothing.
func (h *History) Fold(leaf audit.Leaf) (wrong []string) {
	h.turn(leaf)
	if d := leaf.Wall.Sub(h.last); !h.last.IsZero() && d > leap {
		h.jump = jump{leaf.Index, leaf.Wall, d}
	}
	h.last, h.next = leaf.Wall, leaf.Index+1
	var err error
	switch b := leaf.Body.(type) {
	case audit.ClockStepped:
		if d := time.Duration(b.Millis) * time.Millisecond; d > time.Hour {
			h.jump = jump{leaf.Index, leaf.Wall, d}
		}
	case audit.ReviewNoted:
		err = h.noted(leaf, b)
	case audit.ReviewSigned:
		err = h.signed(leaf, b)
	case audit.ReviewReplied:
		err = h.replied(leaf, b)
	case audit.ReviewDrawn:
		err = h.draw(b)
	case audit.HoldSet:
		err = h.held(leaf, b)
	case audit.HoldLifted:
		if _, ok := h.holds[b.Hold]; !ok {
			err = fmt.Errorf("no hold %.20q stands", b.Hold)
		}
		delete(h.holds, b.Hold)
	case audit.RecordingExpired:
		err = h.expired(leaf, b)
	case audit.DeletionAsked:
		if s := h.sessions[b.Session]; s != nil && s.Gone == nil {
			s.Deletion = &Deletion{b.By, b.Why, leaf.Wall}
		}
	case audit.RecordingDeleted:
		err = h.deleted(leaf, b)
	default:
		h.work(leaf)
	}
	if err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

// turn begins a new day.
func (h *History) turn(leaf audit.Leaf) {
	day := leaf.Wall.UTC().Format(time.DateOnly)
	if h.day != "" && day != h.day && len(h.ended) > 0 {
		h.turns = append(h.turns, &turn{size: leaf.Index + 1, began: leaf.Wall, sessions: h.ended})
		h.ended = nil
	}
	h.day = day
}

// Turn is how many leaves the newest day that is to be drawn by begins with: the
// root of that many is wanted later.
func (h *History) Turn() audit.Index {
	if len(h.turns) == 0 {
		return 0
	}
	return h.turns[len(h.turns)-1].size
}

// work folds what people do: sessions, and who had a part in agreeing to them.
func (h *History) work(leaf audit.Leaf) {
	switch b := leaf.Body.(type) {
	case audit.RequestSubmitted:
		h.requests[leaf.Subject] = &request{[]string{b.By}, map[string]bool{}}
	case audit.RequestRevised: // voids the answers, and not who had asked before
		r := &request{[]string{b.By}, map[string]bool{}}
		if before := h.requests[leaf.Subject]; before != nil && !slices.Contains(before.by, b.By) {
			r.by = append(before.by, b.By)
		} else if before != nil {
			r.by = before.by
		}
		h.requests[leaf.Subject] = r
	case audit.AnswerGiven:
		if r := h.requests[b.Request]; r != nil && b.Says == "yes" {
			r.yes[b.Person] = true
		}
	case audit.WindowAgreed:
		h.windows[b.Window] = &window{request: b.Request, by: map[string]string{}}
	case audit.WindowMoved:
		word := map[string]string{"opened": "opened", "extended": "extended", "stepped": "stepped up", "wenton": "let go on"}[b.To]
		if w := h.windows[b.Window]; w != nil {
			w.quick = w.quick || b.Emergency
			if word != "" && w.by[b.By] == "" {
				w.by[b.By] = word
			}
		}
	case audit.GateChanged:
		h.gate(b)
	case audit.EscortChanged:
		if w := h.windows[b.Window]; w != nil && b.Says == "took" && w.by[b.By] == "" {
			w.by[b.By] = "escorted"
		}
	case audit.SessionStarted:
		if h.sessions[b.Session] == nil {
			s := &Session{ID: b.Session, Person: b.Person, Firm: b.Firm, Windows: b.Windows, Started: leaf.Wall, Undrawn: true, header: b.Header, channels: map[int]bool{}}
			s.stood = slices.ContainsFunc(b.Windows, func(id string) bool { w := h.windows[id]; return w != nil && w.stood })
			s.quick = slices.ContainsFunc(b.Windows, func(id string) bool { w := h.windows[id]; return w != nil && w.quick })
			h.sessions[b.Session], h.order = s, append(h.order, s)
		}
	case audit.ReviewOpened:
		if s := h.sessions[b.Session]; s != nil && b.What == "watch" && !slices.Contains(s.watched, b.Person) {
			s.watched = append(s.watched, b.Person)
		}
	default:
		h.channel(leaf)
	}
}

// gate is a person's word about a gate of a window.
func (h *History) gate(b audit.GateChanged) {
	w := h.windows[b.Window]
	if w == nil || b.By == "" || b.Says == "no" {
		return
	}
	if w.by[b.By] == "" {
		w.by[b.By] = map[bool]string{true: "stood in for a gate of", false: "said a gate of"}[b.Says == "stood-in"]
	}
	if b.Says != "stood-in" || w.stood {
		return
	}
	w.stood = true
	for _, s := range h.order {
		s.stood = s.stood || s.Ended.IsZero() && slices.Contains(s.Windows, b.Window)
	}
}

func (h *History) channel(leaf audit.Leaf) {
	switch b := leaf.Body.(type) {
	case audit.ChannelOpened:
		s := h.sessions[b.Session]
		if s == nil {
			return
		}
		s.channels[b.Channel] = true
		t := Target{b.Asset, b.Port, b.Account, b.Rights}
		if !slices.ContainsFunc(s.Targets, func(o Target) bool {
			return o.Asset == t.Asset && o.Port == t.Port && o.Account == t.Account && slices.Equal(o.Rights, t.Rights)
		}) {
			s.Targets = append(s.Targets, t)
		}
		if key := [2]string{s.Person, b.Asset}; !h.visited[key] {
			h.visited[key] = true
			s.First = append(s.First, b.Asset)
		}
	case audit.ChannelRefused:
		if s := h.sessions[b.Session]; s != nil {
			s.Refused++
		}
	case audit.FileTransferred:
		if s := h.sessions[b.Session]; s != nil && b.Direction == "in" && b.Bytes > 0 {
			s.loads = true
		}
	case audit.SessionEnded:
		if s := h.sessions[b.Session]; s != nil && s.Ended.IsZero() {
			s.Ended, s.Close = leaf.Wall, b.Close
			h.ended = append(h.ended, s)
		}
	}
}

// Sessions are all that were ever admitted, oldest first; shared: read it only.
func (h *History) Sessions() []*Session { return h.order }

// Session is one of them; nil: the log has none of that name.
func (h *History) Session(id string) *Session { return h.sessions[id] }

// Holds that stand, oldest first.
func (h *History) Holds() []Hold {
	return slices.SortedFunc(maps.Values(h.holds), func(a, b Hold) int { return a.At.Compare(b.At) })
}

// Held says by which hold a session is kept, the oldest of several; "" by none.
func (h *History) Held(s *Session) string {
	var by Hold
	for _, hold := range h.holds {
		if hold.reaches(s) && (by.HoldSet.Hold == "" || hold.At.Before(by.At) || hold.At.Equal(by.At) && hold.HoldSet.Hold < by.HoldSet.Hold) {
			by = hold
		}
	}
	return by.HoldSet.Hold
}

// Part says in a sentence what part somebody had in a session; "" none. Who had
// one is no second person.
func (h *History) Part(s *Session, person string) string {
	if person == s.Person {
		return "You worked in " + s.ID
	}
	for _, id := range s.Windows {
		w := h.windows[id]
		if w == nil {
			continue
		}
		if word := w.by[person]; word != "" {
			return fmt.Sprintf("You %s %s", word, id)
		}
		if r := h.requests[w.request]; r != nil && r.yes[person] {
			return "You agreed to " + w.request
		} else if r != nil && slices.Contains(r.by, person) {
			return "You asked for " + w.request
		}
	}
	if slices.Contains(s.watched, person) {
		return "You watched " + s.ID + " while it ran"
	}
	return ""
}
