package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"penstock/audit"
	"penstock/policy"
)

const (
	guestPatience = 5 * time.Second  // for Guest.Close
	tellPatience  = time.Second      // for Guest.Tell, behind it
	closeWriter   = 10 * time.Second // for close.json, where nothing is overdue
	askPatience   = 5 * time.Second  // for facts
	openTries     = 8                // while the agreement keeps changing under a decision
	maxChannel    = 1<<16 - 1        // numbers that a recording has
	opensAtOnce   = 64               // channel opens of one session …
	opensASecond  = 10               // … and how fast that fills up again
)

// Session is one authenticated connection of one person.
type Session struct {
	// Of the Broker, which it does not know: the parts that it needs.
	clock   Clock
	limits  Limits
	board   *board
	metrics *metrics
	facts   func(context.Context, policy.WindowID) (policy.Facts, error) // asked anew, not completed
	decide  func(policy.Facts, policy.Query) policy.Decision             // completes them and takes the board's lock
	then    func(policy.Facts, policy.Query, policy.Decision) error      // why a decision ends when it does, if not by the window's end
	judge   func(policy.Facts, policy.Query) policy.Decision             // the same with the board's lock held
	where   func() *time.Location                                        // the plant's, for what a person reads
	rights  func(policy.Query, policy.Rights) policy.Rights              // what is asked for of a window's rights
	append  func(audit.Body) error                                       // durable; an error has told the Broker
	leave   func(*Session)
	overdue overdue

	id      policy.SessionID
	person  policy.PersonID
	firm    policy.FirmID
	arrival Arrival
	started time.Time
	writer  writer
	guest   *guest
	opens   *rate.Limiter
	done    chan struct{}
	over    atomic.Bool // ended is set: for whoever must not take mu

	mu       sync.Mutex // of what follows; memory only. board.mu is taken inside it, never around it
	ended    error
	next     int // channel number
	channels map[int]*Channel
	stays    []*stay
	firsts   map[policy.WindowID]*first

	onlookers map[policy.PersonID]*onlooker // who watches, or has
}

// stay is one window of the session's certificate, as it stands.
type stay struct {
	window policy.WindowID
	due    deadline
	until  time.Time
	gone   error // ended, cut, or not this person's any more
}

// first is the one firstbyte of a session in a window.
type first struct {
	once sync.Once
	err  error
}

// ID and Person say which session, and whose.
func (s *Session) ID() policy.SessionID    { return s.id }
func (s *Session) Person() policy.PersonID { return s.person }

// Done is closed when session.ended is written, or could not be.
func (s *Session) Done() <-chan struct{} { return s.done }

// Open binds a channel to the one live window that fits asset, port and account
// (several: the one that ends last): Decide(AtChannel) → Stream →
// channel.opened, durable. q.Kind is the SSH word ("shell", "exec", "session", …).
// Stage, Source, Session and Rights are set here. A *policy.Refusal leaves the
// session alive, and is written as channel.refused.
func (s *Session) Open(ctx context.Context, q policy.Query) (_ *Channel, err error) {
	defer func() { s.metrics.refusal("channel", err) }()
	if q.Kind == "" {
		q.Kind = "session"
	}
	q.Stage, q.Source, q.Session, q.Key = policy.AtChannel, s.arrival.Source, s.id, s.arrival.Key
	if !s.opens.Allow() {
		return nil, &policy.Refusal{Rule: "too-many-opens", Say: "too many channels were opened in a short time; wait a minute", Why: "channel opens above the rate"}
	}
	c, err := s.bind(ctx, q)
	var no *policy.Refusal
	if errors.As(err, &no) {
		return nil, s.refused(q, no)
	}
	if err != nil {
		return nil, err
	}
	if err := c.begin(); err != nil {
		return nil, err
	}
	return c, c.Look()
}

// begin starts the recorded stream and writes channel.opened.
func (c *Channel) begin() error {
	defer close(c.ready)
	s, q, d := c.s, c.Query(), c.Decision()
	kind, _, _ := strings.Cut(c.kind, " ") // the name of a subsystem is in the log
	tape, err := s.writer.Stream(c.number, kind)
	if err != nil {
		err = s.recorderFailed(err)
		c.end(err)
		return err
	}
	c.stream = tape
	err = s.append(audit.ChannelOpened{
		Session: string(s.id), Channel: c.number, Window: string(c.window), Kind: c.kind,
		Asset: string(q.Asset), Port: string(q.Port), Account: string(q.Account),
		Target: d.Target.String(), Via: string(d.Duties.Via.Name()), Agent: string(d.Duties.Agent), Path: words(d.Path), Rule: d.Rule, Rights: c.rights.Words(),
	})
	if err != nil {
		c.end(err)
		return err
	}
	c.recorded = true
	return nil
}

func words[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	return out
}

// refused writes channel.refused.
func (s *Session) refused(q policy.Query, no *policy.Refusal) error {
	err := s.append(audit.ChannelRefused{
		Session: string(s.id), Kind: short(q.Kind), Asset: short(string(q.Asset)), Port: short(string(q.Port)),
		Account: short(string(q.Account)), Rule: short(no.Rule), Why: short(no.Why),
	})
	if err != nil {
		return err
	}
	return no
}

// bind finds the window and puts the channel in its place, with no gap between
// the decision and the place: what changed meanwhile is asked again.
func (s *Session) bind(ctx context.Context, q policy.Query) (*Channel, error) {
	for range openTries {
		c, again, err := s.tryBind(ctx, q)
		if !again {
			return c, err
		}
	}
	return nil, &policy.Refusal{Rule: "agreement-moves", Say: "the agreement is being changed right now; try again", Why: "facts changed under every try"}
}

func (s *Session) tryBind(ctx context.Context, q policy.Query) (c *Channel, again bool, err error) {
	var best *offer
	var no error
	for _, st := range s.stays {
		o, err := s.offer(ctx, st.window, q)
		if err != nil {
			no = better(no, err)
			continue
		}
		if best == nil || o.later(best) {
			best = o
		}
	}
	if best == nil {
		return nil, false, no
	}
	return s.take(best)
}

// offer is one window that would do.
type offer struct {
	window policy.WindowID
	mark   [2]uint64
	facts  policy.Facts
	query  policy.Query
	d      policy.Decision
}

func (o *offer) later(than *offer) bool {
	if o.facts.Window.Until.Equal(than.facts.Window.Until) {
		return o.window > than.window
	}
	return o.facts.Window.Until.After(than.facts.Window.Until)
}

func (s *Session) offer(ctx context.Context, w policy.WindowID, q policy.Query) (*offer, error) {
	o := &offer{window: w, query: q, mark: s.board.mark(w, s.clock.now())}
	f, err := s.facts(ctx, w)
	if err != nil {
		return nil, err
	}
	f.Window.Rights = s.board.left(w, f.Window.Rights)
	o.facts, o.query.Rights = f, s.rights(q, f.Window.Rights)
	if o.d = s.decide(f, o.query); !o.d.Allow {
		return nil, o.d.Refusal()
	}
	return o, nil
}

// better keeps the refusal that helps most: a window that does not name the
// target at all says less than one that does.
func better(have, next error) error {
	var r *policy.Refusal
	if have == nil || errors.As(have, &r) && r.Rule == "target-not-in-window" {
		return next
	}
	return have
}

// take decides once more, in memory only, and binds.
func (s *Session) take(o *offer) (c *Channel, again bool, err error) {
	now := s.clock.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return nil, false, s.ended
	}
	if len(s.channels) >= s.limits.Channels || s.next > maxChannel {
		return nil, false, &policy.Refusal{Rule: "too-many-channels",
			Say: fmt.Sprintf("at most %d channels are open in one session; close some, or connect again", s.limits.Channels), Why: "channels above the limit"}
	}
	b := s.board
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.window(o.window, now)
	if o.mark != [2]uint64{b.gen, e.gen} {
		return nil, true, nil
	}
	if err := e.refuses(o.window); err != nil {
		return nil, false, err
	}
	d := s.judge(o.facts, o.query)
	if !d.Allow {
		return nil, false, d.Refusal()
	}
	due := e.first.at(d.Until)
	if due.remaining(now) <= 0 {
		return nil, false, windowEnded(o.window)
	}
	c = s.newChannel(o, d, due)
	if c.writes {
		b.writesBegin(o.query.Asset, c)
	}
	return c, false, nil
}

// newChannel takes the next number. mu is held.
func (s *Session) newChannel(o *offer, d policy.Decision, due deadline) *Channel {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &Channel{
		s: s, number: s.next, window: o.window, kind: o.query.Kind, rights: o.facts.Window.Rights,
		writes: mayWrite(o), ctx: ctx, cancel: cancel,
		ready: make(chan struct{}), quiet: make(chan struct{}), shut: make(chan struct{}), finished: make(chan struct{}),
	}
	c.warned = s.limits.behind(due.remaining(s.clock.now()))
	c.pass.Store(&pass{due: due, cause: s.then(o.facts, o.query, d), decision: d, query: o.query, facts: &o.facts, changed: make(chan struct{})})
	s.next++
	s.channels[c.number] = c
	return c
}

// mayWrite says whether the channel may come to change something: where an
// inspector decides each operation, by all that the window has.
func mayWrite(o *offer) bool {
	rights := o.query.Rights
	if o.d.Duties.Inspect != "" {
		rights |= o.facts.Window.Rights
	}
	return rights&^(policy.Look|policy.Copy) != 0
}

// forget lets a finished channel go.
func (s *Session) forget(c *Channel) {
	if c.writes {
		s.board.writesEnd(c.Query().Asset, c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.channels, c.number)
}

// open lists the channels of a window; empty: all.
func (s *Session) open(w policy.WindowID) []*Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Channel, 0, len(s.channels))
	for _, c := range s.channels {
		if w == "" || c.window == w {
			all = append(all, c)
		}
	}
	return all
}

// End ends the session; it returns when the last byte has passed, within
// bounds. The recording and session.ended follow; Done is closed after them.
func (s *Session) End(why error) {
	all := s.end(why)
	quiet := time.NewTimer(closePatience + quietPatience)
	defer quiet.Stop()
	for _, c := range all {
		for _, ch := range []<-chan struct{}{c.shut, c.quiet} {
			select {
			case <-ch:
			case <-quiet.C:
				return
			}
		}
	}
}

// end takes everything away in memory, at once; the rest goes its own way.
func (s *Session) end(why error) []*Channel {
	if why == nil {
		why = errClient
	}
	s.mu.Lock()
	begun := s.ended == nil
	if begun {
		s.ended = why
		s.over.Store(true)
	}
	s.mu.Unlock()
	all := s.open("") // after ended is set nothing is added
	for _, c := range all {
		c.end(s.cause())
	}
	if begun {
		go s.finish(why, all)
	}
	return all
}

var errClient = errors.New("the person has left")

func (s *Session) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// finish says goodbye, closes the recording and writes session.ended.
func (s *Session) finish(why error, all []*Channel) {
	defer close(s.done)
	defer s.leave(s)
	said := s.guest.close(why)
	for _, c := range all {
		<-c.finished // bounded in itself
	}
	ctx, done := patiently(context.Background(), s.overdue, lateClose)
	defer done()
	word := causeWord(why)
	hash, err := s.writer.Close(ctx, word)
	if err != nil {
		slog.Error("a recording could not be closed", "session", s.id, "err", err)
	}
	s.say(audit.SessionEnded{Session: string(s.id), Cause: word, Why: short(why.Error()), Close: hash})
	waitFor(said, guestPatience)
	if !s.guest.quit() {
		slog.Error("a person's end does not return from Tell: a goroutine is left behind", "session", s.id)
	}
}

// say writes an event about what has ended: there is nobody left to tell an error to.
func (s *Session) say(body audit.Body) {
	if err := s.append(body); err != nil {
		slog.Error("an event could not be written", "session", s.id, "event", body.Type(), "err", err)
	}
}

// recorderFailed ends the session and gives the refusal for it.
func (s *Session) recorderFailed(err error) error {
	why := recordingFailed(err)
	if !s.over.Load() {
		slog.Error("recording failed", "session", s.id, "err", err)
	}
	s.end(why)
	return s.cause()
}

// firstByte writes firstbyte before the first byte to the person in a window.
func (s *Session) firstByte(w policy.WindowID) error {
	s.mu.Lock()
	f := s.firsts[w]
	if f == nil {
		f = &first{}
		s.firsts[w] = f
	}
	s.mu.Unlock()
	f.once.Do(func() { f.err = s.append(audit.FirstByte{Session: string(s.id), Window: string(w)}) })
	return f.err
}
