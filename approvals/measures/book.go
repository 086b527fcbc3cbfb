package measures

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// Log is what measures are computed from.
type Log interface {
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
}

// Documents is how the Book reads what leaves name.
type Documents interface {
	Get(context.Context, audit.Hash) ([]byte, error)
}

// Book is a fold of the log, kept up when somebody asks. It keeps some 300 bytes
// of each request and window, for as long as the process lives. Safe for concurrent use.
type Book struct {
	log   Log
	docs  Documents
	plant func() *policy.Plant

	mu       sync.Mutex // one reading at a time; nothing that decides waits for it
	next     audit.Index
	last     time.Time // wall of the newest leaf
	requests map[string]*request
	windows  map[string]*window
	sessions map[string]*session
	hands    map[string]*handover
	packs    []pack
	asking   map[string][]time.Time // evidence asked and not delivered, by window and person
	byHand   []byHand
	bases    map[int][]Baseline
	owed     map[string]owed
	ended    []owed // debts that are over
	rosters  map[string][]roster
	plants   []inForce
	parsed   map[audit.Hash]*policy.Plant
	stands   map[string][]stand // by gate: when its yes said that lines stood
}

type request struct {
	plant     audit.Hash
	submitted time.Time
	from      time.Time
	priority  string
	drill     bool
	asked     []string // roles
	engaged   time.Time
}

type window struct {
	request   string
	plant     audit.Hash
	claim     evidence.WindowClaim
	opened    time.Time
	emergency bool
	ended     time.Time
	cut       time.Time
	first     time.Time // first byte
	tried     time.Time // first attempt that did not come to a channel
	acted     time.Time // somebody else did something after that
	channel   time.Time
	moved     bool
	given     time.Time
	accepted  time.Time
	sessions  []string
	last      time.Time // end of the last session that a cut ended
}

type session struct {
	person  string
	windows []string
	signed  time.Time
	ended   bool
}

type handover struct {
	team  string
	due   time.Time
	taken map[string]time.Time // by window
}

type pack struct{ asked, delivered time.Time }

type byHand struct {
	month   string
	minutes int
}

type owed struct{ since, opened, closed time.Time }

type roster struct {
	wall  time.Time
	turns []evidence.Turn
}

type inForce struct {
	wall time.Time
	hash audit.Hash
}

type stand struct{ from, to time.Time }

// NewBook does no I/O.
func NewBook(log Log, docs Documents, plant func() *policy.Plant) *Book {
	return &Book{log: log, docs: docs, plant: plant, requests: map[string]*request{}, windows: map[string]*window{}, sessions: map[string]*session{}, hands: map[string]*handover{},
		asking: map[string][]time.Time{}, bases: map[int][]Baseline{}, owed: map[string]owed{}, rosters: map[string][]roster{}, parsed: map[audit.Hash]*policy.Plant{}, stands: map[string][]stand{}}
}

// catchUp reads what the log has got since.
func (b *Book) catchUp(ctx context.Context) error {
	for leaf, err := range b.log.Upto(ctx, b.next) {
		if err != nil {
			return fmt.Errorf("read the log for the measures: %w", err)
		}
		if err := b.fold(ctx, leaf); err != nil {
			return fmt.Errorf("leaf %d: %w", leaf.Index, err)
		}
		b.next, b.last = leaf.Index+1, leaf.Wall
	}
	return nil
}

// fold takes a leaf in. A document that is missing or damaged is an error; the
// leaf counts for nothing then.
func (b *Book) fold(ctx context.Context, leaf audit.Leaf) error {
	if err := b.written(ctx, leaf); err != nil {
		return err
	}
	b.answered(leaf)
	b.work(leaf)
	b.handed(leaf)
	b.proved(leaf)
	b.told(leaf)
	b.others(leaf)
	return nil
}

// written is what documents say: requests, windows, rosters.
func (b *Book) written(ctx context.Context, leaf audit.Leaf) error {
	switch e := leaf.Body.(type) {
	case audit.ConfigChanged:
		if e.Kind == "plant" {
			b.plants = append(b.plants, inForce{leaf.Wall, e.Document})
		}
	case audit.RequestSubmitted:
		return b.submitted(ctx, leaf, e, true)
	case audit.RequestRevised:
		return b.submitted(ctx, leaf, audit.RequestSubmitted(e), false)
	case audit.WindowAgreed:
		return b.agreed(ctx, e)
	case audit.RosterWritten:
		return b.roster(ctx, leaf, e)
	}
	return nil
}

// answered is when somebody of those who were asked took a request up.
func (b *Book) answered(leaf audit.Leaf) {
	switch e := leaf.Body.(type) {
	case audit.PersonAsked:
		if r := b.requests[leaf.Subject]; r != nil {
			r.asked = append(r.asked, e.Role)
		}
	case audit.AnswerGiven:
		if r := b.requests[e.Request]; r != nil && r.engaged.IsZero() && slices.ContainsFunc(r.asked, func(role string) bool { return slices.Contains(e.Roles, role) }) {
			r.engaged = leaf.Wall
		}
	}
}

// handed is what is given back after the work, and from shift to shift.
func (b *Book) handed(leaf audit.Leaf) {
	switch e := leaf.Body.(type) {
	case audit.HandbackGiven:
		if w := b.windows[e.Window]; w != nil && w.given.IsZero() {
			w.given = leaf.Wall
		}
	case audit.HandbackAccepted:
		if w := b.windows[e.Window]; w != nil {
			w.accepted = leaf.Wall
		}
	case audit.HandoverOffered:
		b.hands[e.Handover] = &handover{e.Team, e.Due, map[string]time.Time{}}
	case audit.HandoverAccepted:
		if h := b.hands[e.Handover]; h != nil {
			for _, id := range e.Windows {
				h.taken[id] = leaf.Wall
			}
		}
	}
}

// proved is how long evidence took, from asking to having all of it.
func (b *Book) proved(leaf audit.Leaf) {
	switch e := leaf.Body.(type) {
	case audit.EvidenceAsked:
		key := e.Window + " " + e.Person
		b.asking[key] = append(b.asking[key], leaf.Wall)
	case audit.EvidenceDelivered:
		key := e.Window + " " + e.Person
		if open := b.asking[key]; len(open) > 0 { // the newest: one that broke off was asked for again
			b.packs, b.asking[key] = append(b.packs, pack{open[len(open)-1], leaf.Wall}), nil
		}
	}
}

// told is what people and the Desk say for the measures alone: what is owed, what
// was before, and what was done by hand.
func (b *Book) told(leaf audit.Leaf) {
	switch e := leaf.Body.(type) {
	case audit.DebtOpened:
		for _, it := range e.Items {
			b.owed[it.Kind+" "+it.What] = owed{since: it.Since, opened: leaf.Wall}
		}
	case audit.DebtClosed:
		for _, it := range e.Items {
			one := b.owed[it.Kind+" "+it.What]
			one.closed = leaf.Wall
			b.ended = append(b.ended, one)
			delete(b.owed, it.Kind+" "+it.What)
		}
	case audit.MeasureBaseline:
		b.bases[e.Measure] = append(b.bases[e.Measure], Baseline{float64(e.Tenths) / 10, e.From, e.By, leaf.Wall, e.Proof})
	case audit.MeasureMinutes:
		b.byHand = append(b.byHand, byHand{e.Month, e.Minutes})
	}
}

func (b *Book) submitted(ctx context.Context, leaf audit.Leaf, e audit.RequestSubmitted, first bool) error {
	doc, err := b.docs.Get(ctx, e.Document)
	if err != nil {
		return fmt.Errorf("request: %w", err)
	}
	text, err := evidence.ParseRequest(doc)
	if err != nil {
		return err
	}
	r := b.requests[e.Request]
	if first || r == nil {
		r = &request{submitted: leaf.Wall}
		b.requests[e.Request] = r
	}
	r.plant, r.from, r.priority, r.drill = e.Plant, text.From, text.Priority, text.Drill
	return nil
}

func (b *Book) agreed(ctx context.Context, e audit.WindowAgreed) error {
	r := b.requests[e.Request]
	doc, err := b.docs.Get(ctx, e.Claim)
	if err != nil || r == nil {
		return fmt.Errorf("claim of %s: %w", e.Window, err)
	}
	claim, err := evidence.ParseClaim(doc)
	if err != nil {
		return err
	}
	b.windows[e.Window] = &window{request: e.Request, plant: r.plant, claim: claim}
	return nil
}

func (b *Book) moved(leaf audit.Leaf, e audit.WindowMoved) {
	w := b.windows[e.Window]
	if w == nil {
		return
	}
	switch e.To {
	case "opened":
		w.opened, w.emergency = leaf.Wall, e.Emergency
	case "cut":
		w.cut, w.ended = leaf.Wall, leaf.Wall
	case "ended":
		w.ended = leaf.Wall
	}
}

func (b *Book) roster(ctx context.Context, leaf audit.Leaf, e audit.RosterWritten) error {
	one := roster{wall: leaf.Wall}
	if !e.Document.IsZero() {
		doc, err := b.docs.Get(ctx, e.Document)
		if err != nil {
			return fmt.Errorf("roster of %s: %w", e.Team, err)
		}
		r, err := evidence.ParseRoster(doc)
		if err != nil {
			return err
		}
		one.turns = r.Turns
	}
	b.rosters[e.Team] = append(b.rosters[e.Team], one)
	return nil
}

// work is what happens in windows.
func (b *Book) work(leaf audit.Leaf) {
	switch e := leaf.Body.(type) {
	case audit.WindowMoved:
		b.moved(leaf, e)
	case audit.GateChanged:
		b.gate(leaf, e)
	case audit.SessionStarted:
		b.sessions[e.Session] = &session{person: e.Person, windows: e.Windows}
		for _, id := range e.Windows {
			if w := b.windows[id]; w != nil {
				w.sessions = append(w.sessions, e.Session)
			}
		}
	case audit.SessionEnded:
		if s := b.sessions[e.Session]; s != nil && !s.ended {
			s.ended = true
			for _, id := range s.windows {
				if w := b.windows[id]; w != nil && !w.cut.IsZero() {
					w.last = leaf.Wall
				}
			}
		}
	case audit.FirstByte:
		if w := b.windows[e.Window]; w != nil && w.first.IsZero() {
			w.first = leaf.Wall
		}
	case audit.ChannelOpened:
		if w := b.windows[e.Window]; w != nil {
			if w.channel.IsZero() {
				w.channel = leaf.Wall
			}
			w.moved = w.moved || (e.Kind == "shell" || e.Kind == "exec" || e.Kind == "pty-req" || strings.HasPrefix(e.Kind, "subsystem ")) && changes(e.Rights)
		}
	case audit.OperationsSummary:
		if w := b.windows[e.Window]; w != nil {
			for right, n := range e.Allowed {
				w.moved = w.moved || n > 0 && changes([]string{right})
			}
		}
	case audit.FileTransferred:
		if w := b.windows[e.Window]; w != nil {
			w.moved = w.moved || e.Direction == "in"
		}
	case audit.ChannelRefused:
		if s := b.sessions[e.Session]; s != nil {
			b.attempt(s.person, leaf.Wall)
		}
	case audit.AccessRefused:
		b.attempt(e.Person, leaf.Wall)
	case audit.ReviewSigned:
		if s := b.sessions[e.Session]; s != nil && e.Verdict != "question" && s.signed.IsZero() {
			s.signed = leaf.Wall
		}
	}
}

func changes(rights []string) bool {
	return slices.ContainsFunc(rights, func(r string) bool { return r != "look" && r != "copy" })
}

// attempt is somebody proven who did not get in: it counts for each of their
// windows that is open and that they have not got a channel in yet.
func (b *Book) attempt(person string, at time.Time) {
	for _, w := range b.windows {
		if person != "" && !w.opened.IsZero() && w.ended.IsZero() && w.channel.IsZero() && w.tried.IsZero() && slices.Contains(w.claim.People, person) {
			w.tried = at
		}
	}
}

// others notes that somebody who does not work in a window did something, while
// whoever works in it could not get in.
func (b *Book) others(leaf audit.Leaf) {
	if leaf.Rev == 0 || leaf.Actor == "" || leaf.Actor == "penstock" {
		return
	}
	for _, w := range b.windows {
		if !w.tried.IsZero() && w.channel.IsZero() && w.acted.IsZero() && !slices.Contains(w.claim.People, leaf.Actor) {
			w.acted = leaf.Wall
		}
	}
}

// gate keeps when a gate whose yes means that lines stand said so.
func (b *Book) gate(leaf audit.Leaf, e audit.GateChanged) {
	if e.Window != "" {
		return
	}
	list := b.stands[e.Gate]
	open := len(list) > 0 && list[len(list)-1].to.IsZero()
	switch {
	case e.Says == "yes" && !open:
		b.stands[e.Gate] = append(list, stand{from: leaf.Wall})
	case e.Says != "yes" && open:
		list[len(list)-1].to = leaf.Wall
	}
}

// plantOf is a plant file out of the documents; nil: it cannot be read.
func (b *Book) plantOf(ctx context.Context, h audit.Hash) *policy.Plant {
	if p, known := b.parsed[h]; known {
		return p
	}
	doc, err := b.docs.Get(ctx, h)
	if err != nil {
		return nil
	}
	p, problems := policy.ParseBundle(doc)
	if problems != nil {
		return nil
	}
	if len(b.parsed) >= 8 {
		clear(b.parsed)
	}
	b.parsed[h] = p
	return p
}

// then is the plant file in force at a moment; nil: none was.
func (b *Book) then(ctx context.Context, at time.Time) *policy.Plant {
	for i := len(b.plants) - 1; i >= 0; i-- {
		if !b.plants[i].wall.After(at) {
			return b.plantOf(ctx, b.plants[i].hash)
		}
	}
	return nil
}
