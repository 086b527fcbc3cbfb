// Package broker is what is happening: sessions of proven people, each channel
// bound to one window, and the one gate that bytes pass.
//
// It gives Admit, Session.Open and Channel.In and Out. It proves nobody (sshd
// and login do), agrees nothing (approvals does) and dials nothing (dial does).
// It trusts the decision of policy, the facts of the Agreement and the
// recorder's word that a byte is durable; an error of any of them refuses.
//
// Every look at whether bytes may pass is one atomic load of a value that never
// changes, compared with three clocks (gate.go). Taking verbs replace that
// value; they wait for no disk, network or lock that is held across them.
package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"penstock/approvals"
	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
)

// Arrival is who came, proved, not offered.
type Arrival struct {
	Person  policy.PersonID
	Windows []policy.WindowID // that the certificate names
	Serial  string
	Key     string // fingerprint of the certified key: once it does not count any more, the session ends
	Source  netip.Addr
	Client  string // client version line, cut and escaped
	Kex     string // negotiated algorithms, for the record
	Errand  bool   // Penstock's own, for one delivery in the person's name: it ends with that, so With does not give it
}

// Limits of a Broker; zero fields take the defaults.
type Limits struct {
	Sessions          int             // at once; 500
	SessionsPerPerson int             // 8
	Channels          int             // open in one session; 64
	Warnings          []time.Duration // before the end: 15, 5 and 1 min
	Node              string          // short name of this broker, for recordings' headers; "a"
}

func (l Limits) defaults() Limits {
	l.Sessions = cmp.Or(l.Sessions, 500)
	l.SessionsPerPerson = cmp.Or(l.SessionsPerPerson, 8)
	l.Channels = cmp.Or(l.Channels, 64)
	l.Node = cmp.Or(l.Node, "a")
	if l.Warnings == nil {
		l.Warnings = []time.Duration{15 * time.Minute, 5 * time.Minute, time.Minute}
	}
	l.Warnings = slices.Clone(l.Warnings)
	slices.SortFunc(l.Warnings, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	return l
}

const (
	maxWindows   = 64              // of one certificate
	startMoment  = 2 * time.Second // how long Admit waits for Run to follow the Agreement, and for what is overdue
	admitRecords = 15 * time.Second
)

// Broker holds every session in one hand.
type Broker struct {
	plant     func() *policy.Plant
	agreement Agreement
	log       Log
	archive   archive
	limits    Limits
	clock     Clock
	newID     func() policy.SessionID
	board     *board
	metrics   *metrics
	wake      chan struct{} // one token: pending is not empty
	watching  sync.Mutex    // one Watch counts at a time; taken before mu
	asking    sync.Mutex    // held by one round of questions; nothing that takes or passes bytes wants it

	mu       sync.Mutex // of what follows; memory only
	sessions map[policy.SessionID]*Session
	entering map[policy.PersonID]int // on their way in, per person
	pending  map[approvals.Changed]bool
	steady   chan struct{} // closed while the Agreement is followed
	follows  bool
	draining bool
	room     recording.Room // as asked last
	ran      time.Duration  // of sessions that have ended, together
	wrote    float64        // bytes of their recordings
	agreed   func() (time.Duration, error)
	refusing *policy.Refusal
	failed   error
}

// New makes a broker. next gives session ids ("S-1", durable counter from the log: never twice).
func New(plant func() *policy.Plant, a Agreement, log Log, archive *recording.Archive, l Limits, c Clock, next func() policy.SessionID) *Broker {
	return newBroker(plant, a, log, recorded{archive}, l, c, next)
}

func newBroker(plant func() *policy.Plant, a Agreement, log Log, ar archive, l Limits, c Clock, next func() policy.SessionID) *Broker {
	return &Broker{
		plant: plant, agreement: a, log: log, archive: ar, limits: l.defaults(), clock: c, newID: next,
		board: newBoard(), metrics: newMetrics(), wake: make(chan struct{}, 1), sessions: map[policy.SessionID]*Session{},
		entering: map[policy.PersonID]int{}, pending: map[approvals.Changed]bool{}, steady: make(chan struct{}),
	}
}

// following says whether changes of the Agreement are heard of.
func (b *Broker) following(yes bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.follows == yes {
		return
	}
	b.follows = yes
	if yes {
		close(b.steady)
	} else {
		b.steady = make(chan struct{})
	}
}

// Ready says why nobody is admitted now (disk, log, clock, drain), nil if people are.
func (b *Broker) Ready() error {
	select {
	case <-b.archive.Failed():
		return recordingFailed(errors.New("the archive has failed"))
	default:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready()
}

// ready is Ready without the archive. mu is held.
func (b *Broker) ready() error {
	switch {
	case b.failed != nil:
		return recordingFailed(b.failed)
	case b.draining:
		return errDrained
	case b.refusing != nil:
		return b.refusing
	case b.room >= recording.Low:
		return diskLow
	case b.late() != nil:
		return b.late()
	case !b.follows:
		return &policy.Refusal{Rule: "starting", Say: "the broker is starting; try again in a moment", Why: "the agreement is not followed"}
	}
	return nil
}

// Refuse makes Admit refuse with this refusal until nil is set: clock not accepted, and the like.
func (b *Broker) Refuse(why *policy.Refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusing = why
}

// fail is for good: the log or the archive cannot be written any more.
func (b *Broker) fail(err error) {
	b.mu.Lock()
	first := b.failed == nil
	if first {
		b.failed = err
	}
	b.mu.Unlock()
	if first {
		slog.Error("nobody is admitted any more", "err", err)
	}
	b.endAll(recordingFailed(err))
}

func (b *Broker) endAll(why error) {
	for _, s := range b.all() {
		s.end(why)
	}
}

func (b *Broker) all() []*Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*Session, 0, len(b.sessions))
	for _, s := range b.sessions {
		all = append(all, s)
	}
	return all
}

// append writes an event, durable; an error is final for the broker.
func (b *Broker) append(ctx context.Context, who policy.PersonID, subject policy.SessionID, body audit.Body) error {
	ctx, done := patiently(ctx, b.archive.Overdue(), lateEvent)
	defer done()
	_, err := b.log.Append(ctx, audit.Event{Subject: string(subject), Actor: cmp.Or(string(who), "penstock"), Body: body})
	if errors.Is(err, audit.ErrFull) { // what is left is for the ends: this one is refused, and no more
		return diskGone
	}
	if err != nil {
		err = fmt.Errorf("write %s: %w", body.Type(), err)
		b.fail(err)
		return recordingFailed(err)
	}
	return nil
}

// decide completes the facts with what only the broker knows, and asks policy.
func (b *Broker) decide(f policy.Facts, q policy.Query) policy.Decision {
	b.board.mu.Lock()
	defer b.board.mu.Unlock()
	return b.judge(f, q)
}

// judge is decide with the board's lock held. A wall clock that steps back does
// not make a window younger.
func (b *Broker) judge(f policy.Facts, q policy.Query) policy.Decision {
	b.board.complete(&f)
	now := b.clock.now()
	return b.plant().Decide(f, q, b.board.window(f.Window.ID, now).first.wallNow(now))
}

// then asks the rules why a decision ends before its window does: they say no
// at that moment. nil: the window ends, and nothing else.
func (b *Broker) then(f policy.Facts, q policy.Query, d policy.Decision) error {
	if !d.Allow || d.Until.IsZero() || !d.Until.Before(f.Window.Until) {
		return nil
	}
	return b.plant().Decide(f, q, d.Until).Refusal()
}

// facts asks the Agreement, within bounds.
func (b *Broker) facts(ctx context.Context, w policy.WindowID, p policy.PersonID) (f policy.Facts, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("facts about %s: panic: %v", w, r)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	f, err = b.agreement.Facts(ctx, w, p)
	if err != nil {
		return f, fmt.Errorf("facts about %s: %w", w, err)
	}
	if f.Window.ID != w || f.Person.ID != p {
		return f, fmt.Errorf("asked for facts about %s and %s, got %s and %s", w, p, f.Window.ID, f.Person.ID)
	}
	return f, nil
}

// Admit lets a proven person in: at least one of Windows is live (Facts,
// Decide(AtAdmit)) → Archive.Create → session.started, durable. The first no
// or error; nothing is left behind. A *policy.Refusal has words for the person.
func (b *Broker) Admit(ctx context.Context, a Arrival, g Guest) (_ *Session, err error) {
	defer func() { b.metrics.refusal("admit", err) }()
	if len(a.Windows) == 0 || len(a.Windows) > maxWindows {
		return nil, &policy.Refusal{Rule: "no-window", Say: "your certificate names no window; get a new one", Why: fmt.Sprintf("%d windows in the certificate", len(a.Windows))}
	}
	a.Windows = slices.Clone(a.Windows)
	slices.Sort(a.Windows)
	a.Windows = slices.Compact(a.Windows)
	if err := b.enter(ctx, a.Person); err != nil {
		return nil, err
	}
	entering := true
	entered := func() { // b.mu is held; the place is given back, or has become a session
		if entering {
			entering = false
			b.entered(a.Person)
		}
	}
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		entered()
	}()
	ad, err := b.mayEnter(ctx, a)
	if err != nil {
		return nil, err
	}
	return b.admit(ctx, a, g, ad, entered)
}

// enter takes a place for somebody on the way in.
func (b *Broker) enter(ctx context.Context, p policy.PersonID) error {
	b.mu.Lock()
	steady := b.steady
	b.mu.Unlock()
	moment, cancel := context.WithTimeout(ctx, startMoment)
	defer cancel()
	for _, ready := range []<-chan struct{}{steady, b.archive.Overdue().Well()} {
		select {
		case <-ready:
		case <-moment.Done():
		}
	}
	if err := b.Ready(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	total, own := len(b.sessions), b.entering[p]
	for _, n := range b.entering {
		total += n
	}
	for _, s := range b.sessions {
		if s.person == p {
			own++
		}
	}
	switch {
	case own >= b.limits.SessionsPerPerson:
		return &policy.Refusal{Rule: "too-many-sessions", Say: fmt.Sprintf("you have %d connections open; close one", own), Why: "sessions of one person above the limit"}
	case total >= b.limits.Sessions:
		return &policy.Refusal{Rule: "too-many-sessions", Say: "this broker is full; try again in a few minutes", Why: "sessions above the limit"}
	}
	b.entering[p]++
	return nil
}

// entered gives the place on the way in back. mu is held.
func (b *Broker) entered(p policy.PersonID) {
	if b.entering[p]--; b.entering[p] == 0 {
		delete(b.entering, p)
	}
}

// admitted is what mayEnter found.
type admitted struct {
	firm  policy.FirmID
	stays []*stay
	marks map[policy.WindowID][2]uint64
}

// mayEnter asks about every window of the certificate.
func (b *Broker) mayEnter(ctx context.Context, a Arrival) (*admitted, error) {
	ad := &admitted{marks: map[policy.WindowID][2]uint64{}}
	var no error
	for _, w := range a.Windows {
		now := b.clock.now()
		ad.marks[w] = b.board.mark(w, now)
		f, err := b.facts(ctx, w, a.Person)
		if err != nil {
			no = graver(no, err)
			continue
		}
		st := &stay{window: w, until: f.Window.Until, due: b.board.due(w, f.Window.Until, now)}
		d := b.decide(f, policy.Query{Stage: policy.AtAdmit, Source: a.Source, Key: a.Key})
		if err := b.board.refusal(w, now); d.Allow && err != nil {
			d = denied(err)
		}
		if d.Allow {
			ad.firm = f.Person.Firm
		} else {
			no = graver(no, d.Refusal())
		}
		if !d.Allow && d.Rule != "window-paused" { // a paused one may go on while the session lives
			st.gone = d.Refusal()
		}
		ad.stays = append(ad.stays, st)
	}
	if ad.firm == "" {
		return nil, no
	}
	return ad, nil
}

// graver keeps the first refusal, but a cut before all: who was cut is not to
// read of another window that they may ask anew.
func graver(have, next error) error {
	var no *policy.Refusal
	if have == nil || errors.As(next, &no) && (no.Rule == "window-cut" || no.Rule == "cut") { // by the rules; by the Desk a moment ago
		return next
	}
	return have
}

// admit records from here on.
func (b *Broker) admit(ctx context.Context, a Arrival, g Guest, ad *admitted, entered func()) (*Session, error) {
	s := b.newSession(a, g, ad)
	plant := audit.HashOf(b.plant().Document())
	ctx, cancel := context.WithTimeout(ctx, admitRecords)
	defer cancel()
	w, header, keys, err := b.archive.Create(ctx, recording.Header{
		Session: string(s.id), Node: b.limits.Node, Person: string(a.Person), Firm: string(ad.firm), Windows: words(a.Windows),
		Serial: a.Serial, Source: a.Source.String(), Client: a.Client, Kex: a.Kex, Plant: plant, Started: s.started,
	})
	if errors.Is(err, recording.ErrDiskFull) {
		return nil, &policy.Refusal{Rule: diskLow.Rule, Say: diskLow.Say, Why: err.Error()}
	}
	if err != nil {
		return nil, recordingFailed(err)
	}
	s.writer = w
	err = s.append(audit.SessionStarted{
		Session: string(s.id), Person: string(a.Person), Firm: string(ad.firm), Windows: words(a.Windows), Serial: a.Serial,
		Source: a.Source.String(), Client: short(a.Client), Kex: short(a.Kex), Mode: b.archive.Mode(), Header: header, Keys: keys,
	})
	if err != nil {
		_, _ = w.Close(context.WithoutCancel(ctx), causeWord(err)) // the log is gone: nothing can be said about it
		return nil, err
	}
	w.OnFail(func(err error) {
		defer recovered("recorder watch")
		s.recorderFailed(err)
	})
	if err := b.letIn(s, ad, entered); err != nil {
		s.end(err)
		<-s.done
		return nil, err
	}
	return s, nil
}

// letIn makes the session one that taking verbs find, unless one has come by
// meanwhile. It counts once towards the limits: on the way in, and from here on in.
func (b *Broker) letIn(s *Session, ad *admitted, entered func()) error {
	b.mu.Lock()
	if err := b.ready(); err != nil {
		b.mu.Unlock()
		return err
	}
	b.sessions[s.id] = s
	entered()
	b.mu.Unlock()
	moved, stopped, alive := false, error(nil), 0
	now := b.clock.now()
	s.mu.Lock()
	b.board.mu.Lock()
	for _, st := range ad.stays {
		e := b.board.window(st.window, now)
		moved = moved || ad.marks[st.window] != [2]uint64{b.board.gen, e.gen}
		if st.gone == nil && e.stopped != nil {
			st.gone, stopped = e.stopped, e.stopped
		}
		if st.gone == nil {
			alive++
		}
	}
	b.board.mu.Unlock()
	s.mu.Unlock()
	if alive == 0 {
		return stopped
	}
	if moved {
		for _, st := range ad.stays {
			s.askAgain(context.Background(), st.window)
		}
	}
	if s.over.Load() {
		return s.cause()
	}
	return nil
}

func (b *Broker) newSession(a Arrival, g Guest, ad *admitted) *Session {
	id := b.newID()
	return &Session{
		clock: b.clock, overdue: b.archive.Overdue(), limits: b.limits, board: b.board, metrics: b.metrics, decide: b.decide, judge: b.judge, rights: func(q policy.Query, w policy.Rights) policy.Rights { return b.plant().Wanted(q, w) }, then: b.then, where: func() *time.Location { return b.plant().Location() },
		facts:  func(ctx context.Context, w policy.WindowID) (policy.Facts, error) { return b.facts(ctx, w, a.Person) },
		append: func(body audit.Body) error { return b.append(context.Background(), a.Person, id, body) },
		leave:  b.left,
		id:     id, person: a.Person, firm: ad.firm, arrival: a, started: b.clock.now().wall.UTC(), guest: newGuest(g),
		opens: rate.NewLimiter(opensASecond, opensAtOnce), done: make(chan struct{}),
		channels: map[int]*Channel{}, stays: ad.stays, firsts: map[policy.WindowID]*first{},
	}
}

func (b *Broker) left(s *Session) {
	age, wrote := s.age(b.clock.now()), s.writer.Written()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ran, b.wrote = b.ran+age, b.wrote+float64(wrote)
	delete(b.sessions, s.id)
}
