// Package notify tells people that something waits for them: it follows the log
// and sends mail, Standard Webhooks and one templated HTTP call.
//
// Nothing waits for it and nothing rests on it: who was asked, and who is asked
// next, are events whether or not a letter arrives, and losing all of them opens
// and closes nothing. A notice carries no power: its link leads to a page that
// asks who you are, and its words name no machine, because they stand on a
// locked screen. It trusts no receiver: what one answers is read to 4 KiB and
// only shown to whoever runs the broker.
//
// DATA/notices/NAME.cursor says how far a place has been told. A place that is
// new begins at the log's end; one that was down is told what is younger than an
// hour, at least once, in order. Who alters a cursor makes us tell twice or not.
package notify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/audit/durable"
	"penstock/policy"
)

// Log is what is read of audit.Log, whose contract stands there.
type Log interface {
	Size() audit.Index
	Follow(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
}

// Roster is what is asked of people.Roster.
type Roster interface {
	Person(context.Context, policy.PersonID) (people.Person, error)
	People(context.Context) ([]people.Person, error)
}

// Notice is one thing to tell. Text is whole sentences without a line's end; it
// names no machine.
type Notice struct {
	ID     string    // the leaf's place: the same whenever it is sent again
	Type   string    // request.asked, request.answered, window.opened …
	At     time.Time // of the leaf
	Title  string
	Text   string
	Path   string   // of the page, "/requests/R-214"
	Words  []string // the eight of the request's text, where it is known
	About  string   // R-214 or W-17
	People []people.Person
	Plant  bool // People are of the plant
}

// Sink sends one notice to one place, or says why not. An error of type
// permanent is not tried again.
type Sink interface {
	Send(ctx context.Context, n Notice, link string) error
}

// permanent is a failure that trying again does not mend.
type permanent struct{ error }

// Place is one receiver.
type Place struct {
	Name  string // [a-z][a-z0-9-]*
	Where string // for people: an address, never a secret
	Sink  Sink
}

// Options of a Notifier.
type Options struct {
	Dir    string // DATA/notices
	Base   string // of links, https://broker.kiel.example:8443
	Plant  func() *policy.Plant
	Roster Roster
	Words  func(audit.Hash) []string
	// FileAsks says whether a file waits for a person, and for whom; approvals.Desk.FileAsks is it. nil: of files nothing is told.
	FileAsks func(ctx context.Context, file string) ([]policy.PersonID, bool, error)
	// Screen is the control room's screen at which a signed answer was tapped; empty: at none. nil: of taps nothing is told.
	Screen func(ctx context.Context, answer audit.Hash) string
	Places []Place
	Now    func() time.Time
	Slog   *slog.Logger
}

const (
	sendTime   = 15 * time.Second
	firstRetry = 2 * time.Second
	maxRetry   = 2 * time.Minute
	stale      = time.Hour // what is older is told to nobody: it would only confuse
)

// Notifier tells places. Safe for concurrent use.
type Notifier struct {
	o      Options
	log    Log
	places []*place
}

type place struct {
	Place
	next   audit.Index // the first leaf that it was not told of
	mu     sync.Mutex
	since  time.Time // of the first failure in a row; zero: the last went well
	why    string
	sent   uint64
	failed uint64
	lost   uint64 // that were given up
}

// State is how a place does.
type State struct {
	Name, Where        string
	Failing            time.Time // since when; zero: it does not
	Why                string
	Sent, Failed, Lost uint64
}

// Open reads the cursors.
func Open(log Log, o Options) (*Notifier, error) {
	n := &Notifier{o: o, log: log}
	if len(o.Places) == 0 {
		return n, nil
	}
	if err := durable.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of notices: %w", err)
	}
	for _, c := range o.Places {
		p := &place{Place: c, next: log.Size()}
		b, err := os.ReadFile(n.cursor(p))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("how far %s was told: %w", c.Name, err)
		}
		if at, bad := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 63); err == nil && bad == nil && audit.Index(at) <= p.next {
			p.next = audit.Index(at)
		} else if err == nil {
			o.Slog.Warn("how far a place was told is not known any more: it is told what comes from now on", "place", c.Name)
		}
		n.places = append(n.places, p)
	}
	return n, nil
}

func (n *Notifier) cursor(p *place) string { return filepath.Join(n.o.Dir, p.Name+".cursor") }

// Run tells until ctx ends. No failure of a place ends it.
func (n *Notifier) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, p := range n.places {
		all.Go(func() {
			for tries := 0; ctx.Err() == nil; tries++ {
				if err := n.serve(ctx, p); err != nil && ctx.Err() == nil {
					n.o.Slog.Error("a place for notices stopped and begins again", "place", p.Name, "err", err)
				}
				pause(ctx, min(firstRetry<<min(tries, 6), maxRetry))
			}
		})
	}
	all.Wait()
	<-ctx.Done()
	return nil
}

// serve follows the log for one place, from its beginning: what a request said
// has to be known to tell of its answers.
func (n *Notifier) serve(ctx context.Context, p *place) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	s := newStory(n.o)
	for leaf, err := range n.log.Follow(ctx, 0) {
		if err != nil {
			return err
		}
		due := s.tell(ctx, leaf, leaf.Index >= p.next)
		if leaf.Index < p.next {
			continue
		}
		for _, notice := range due {
			n.send(ctx, p, notice)
			if ctx.Err() != nil {
				return nil
			}
		}
		p.next = leaf.Index + 1
		if len(due) > 0 {
			if err := durable.WriteFile(n.cursor(p), []byte(strconv.FormatUint(uint64(p.next), 10)+"\n"), 0o600); err != nil {
				return fmt.Errorf("keep how far %s was told: %w", p.Name, err)
			}
		}
	}
	return nil
}

// send tries until the place took it, it is stale, or ctx ends.
func (n *Notifier) send(ctx context.Context, p *place, notice Notice) {
	for tries := 0; ; tries++ {
		if n.o.Now().Sub(notice.At) > stale {
			p.gave(&p.lost)
			n.o.Slog.Warn("a notice is older than an hour and is told to nobody", "place", p.Name, "notice", notice.ID)
			return
		}
		once, cancel := context.WithTimeout(ctx, sendTime)
		err := p.Sink.Send(once, notice, n.o.Base+notice.Path)
		cancel()
		if err == nil {
			p.went()
			return
		}
		if ctx.Err() != nil {
			return
		}
		first := p.missed(err, n.o.Now())
		if first {
			n.o.Slog.Warn("a notice could not be sent; trying again", "place", p.Name, "notice", notice.ID, "err", err)
		}
		if _, final := errors.AsType[permanent](err); final {
			p.gave(&p.lost)
			n.o.Slog.Warn("a notice was refused and is told to nobody there", "place", p.Name, "notice", notice.ID, "err", err)
			return
		}
		wait := min(firstRetry<<min(tries, 6), maxRetry)
		pause(ctx, wait/2+rand.N(wait))
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (p *place) went() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	p.since, p.why = time.Time{}, ""
}

func (p *place) missed(err error, now time.Time) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed++
	if p.why = err.Error(); p.since.IsZero() {
		p.since, first = now, true
	}
	return first
}

func (p *place) gave(count *uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*count++
}

// States are the places as they do now.
func (n *Notifier) States() []State {
	var list []State
	for _, p := range n.places {
		p.mu.Lock()
		list = append(list, State{p.Name, p.Where, p.since, p.why, p.sent, p.failed, p.lost})
		p.mu.Unlock()
	}
	return list
}
