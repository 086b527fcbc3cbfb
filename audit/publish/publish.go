package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit"
	"penstock/audit/durable"
)

// Way takes checkpoints to one place.
type Way interface {
	// Send returns once the place has the checkpoint, as far as this way can
	// know; the Copy says how far that is. *Contradiction: the place holds
	// something that this log does not continue, or has lost what it held. Any
	// other error: not now. It obeys ctx.
	Send(ctx context.Context, c audit.Checkpoint) (Copy, error)
}

// Copy is what a place gave for a checkpoint.
type Copy struct {
	Said string // for people: "cosigned 03:12:07 by witness.kiel.example"
	Note []byte // the note with lines that were added, such as a cosignature; nil: as it was sent
}

// Contradiction is a place that does not agree with the log.
type Contradiction struct{ What string }

func (c *Contradiction) Error() string { return c.What }

// Place is one place outside, as it was configured.
type Place struct {
	Name  string        // short, [a-z][a-z0-9-]*, not "people"
	Kind  string        // "witness", "syslog", "s3", "mail"
	Where string        // for people: an address, never a secret
	Every time.Duration // how far apart sends are while the log grows; 0: 10 s
	Calm  bool          // no extra copy when a window ends (mail)
	Way   Way
}

// Log is what is read of audit.Log, whose contract stands there.
type Log interface {
	Checkpoint() []byte
	Node() string
	Leaf(context.Context, audit.Place) (audit.Leaf, error)
	Follow(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
	ProveTree(from, to audit.Index) (tlog.TreeProof, error)
}

// Options of a Publisher.
type Options struct {
	Dir         string        // DATA/log/outside
	Verifier    note.Verifier // of the log
	Places      []Place
	AlarmAfter  time.Duration // tamper window at which people are told; 0: 5 minutes
	RefuseAfter time.Duration // at which Refuse is called; 0: never
	Refuse      func(why string)
	Tell        func(alarm string) // when people must be told of it, and with "" when it is over; may be nil
	Clock       audit.Clock
	Slog        *slog.Logger
}

// people is the place of copies that a person took.
const people = "people"

const (
	defaultEvery = 10 * time.Second
	defaultAlarm = 5 * time.Minute
	sendTime     = 30 * time.Second // for one attempt
	firstRetry   = time.Second
	maxRetry     = 5 * time.Minute
	lookEvery    = time.Second // how often the limits are looked at
	startGrace   = 10 * time.Second
)

// Publisher carries checkpoints out. Safe for concurrent use.
type Publisher struct {
	o      Options
	log    Log
	places []*place
	hand   *place // copies that people took
	looked limits

	mu     sync.Mutex
	oldest oldest // the oldest leaf that nothing covers, as it was read last
}

// place is one place at work. Its loop alone sends. io is held while its files
// are written, before mu, which guards what others see and is never held over I/O.
type place struct {
	Place
	files files
	wake  chan struct{} // a window ended: send at once
	done  []byte        // the loop's own: the checkpoint that the place has
	io    sync.Mutex

	mu       sync.Mutex
	newest   Receipt   // of the copy that covers most; Size 0: none
	written  time.Time // of the newest line of the receipts
	waiting  *waiting  // what could not be sent; nil: nothing
	since    time.Time // of the first failure in a row; zero: the last attempt was good
	why      string    // of the last failure
	contrary string    // what the place says against this log; empty: nothing
	sent     uint64
	failed   uint64
}

var placeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Open reads receipts and what waits, and holds both to the log: a copy outside
// that the log does not continue is told as a contradiction, never mended.
func Open(ctx context.Context, log Log, o Options) (*Publisher, error) {
	o.AlarmAfter = cmp.Or(o.AlarmAfter, defaultAlarm)
	if o.Slog == nil {
		o.Slog = slog.Default()
	}
	if err := durable.Sweep(o.Dir); err != nil {
		return nil, fmt.Errorf("what is known of copies outside: %w", err)
	}
	p := &Publisher{o: o, log: log}
	seen := map[string]bool{}
	for _, c := range append([]Place{{Name: people, Kind: "person"}}, o.Places...) {
		if seen[c.Name] || !placeName.MatchString(c.Name) {
			return nil, fmt.Errorf("place outside %q: the name must be short, of a-z, 0-9 and -, and used once", c.Name)
		}
		seen[c.Name] = true
		c.Every = cmp.Or(c.Every, defaultEvery)
		one := &place{Place: c, files: files{o.Dir, c.Name}, wake: make(chan struct{}, 1)}
		if err := p.load(one); err != nil {
			return nil, fmt.Errorf("what is known of copies at %s: %w", c.Name, err)
		}
		if c.Name == people {
			p.hand = one
		} else {
			p.places = append(p.places, one)
		}
	}
	p.look(false) // a log that was brought back from before refuses before anybody comes
	return p, ctx.Err()
}

// load reads the files of one place and holds them to the log.
func (p *Publisher) load(c *place) error {
	if err := c.files.make(); err != nil {
		return err
	}
	newest, err := c.files.lastReceipt()
	if err != nil {
		return err
	}
	var held []byte
	if newest.Size > 0 {
		c.newest, held = newest, newest.Note
		c.written = newest.At
	}
	c.waiting, err = c.files.readWaiting()
	if err != nil { // it is ours alone, and the next one replaces it
		p.o.Slog.Error("a checkpoint that waited to leave the machine cannot be read, and was put aside", "place", c.Name, "err", err)
	}
	for _, b := range [][]byte{held, c.waiting.note()} {
		if b == nil {
			continue
		}
		if why := p.against(b); why != "" {
			c.contrary = why
			c.newest = Receipt{}
			p.o.Slog.Error("this machine's own receipts do not fit its log", "place", c.Name, "why", why)
		}
	}
	if c.waiting != nil {
		c.since, c.why = c.waiting.Since, "it was not reached before the last stop"
	}
	return nil
}

// against says why the log does not continue a note of its own; "" if it does.
func (p *Publisher) against(b []byte) string {
	old, err := audit.ParseCheckpoint(b, p.o.Verifier)
	if err != nil {
		return "its copy is signed by another key: " + err.Error()
	}
	now, err := audit.ParseCheckpoint(p.log.Checkpoint(), p.o.Verifier)
	switch {
	case err != nil:
		return err.Error()
	case old.Size > now.Size:
		return fmt.Sprintf("it holds a copy of %d leaves, and this log has %d: the log was cut or brought back from before", old.Size, now.Size)
	case old.Size == now.Size && old.Root != now.Root:
		return fmt.Sprintf("it holds a copy of %d other leaves: the log was written anew", old.Size)
	case old.Size == now.Size || old.Size == 0:
		return ""
	}
	proof, err := p.log.ProveTree(old.Size, now.Size)
	if err == nil {
		err = tlog.CheckTree(proof, int64(now.Size), tlog.Hash(now.Root), int64(old.Size), tlog.Hash(old.Root))
	}
	if err != nil {
		return fmt.Sprintf("it holds a copy of %d leaves that this log does not begin with: the log was written anew", old.Size)
	}
	return ""
}

// Run sends until ctx ends. A place that fails is tried again; no failure of a
// place ends Run.
func (p *Publisher) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, c := range p.places {
		all.Go(func() { p.serve(ctx, c) })
	}
	all.Go(func() { p.watchWindows(ctx) })
	all.Go(func() { p.watchLimits(ctx) })
	all.Wait()
	return nil
}

// watchWindows asks for a copy at once when a window has ended.
func (p *Publisher) watchWindows(ctx context.Context) {
	at := audit.Index(0)
	if c, err := audit.ParseCheckpoint(p.log.Checkpoint(), p.o.Verifier); err == nil {
		at = c.Size
	}
	for leaf, err := range p.log.Follow(ctx, at) {
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, audit.ErrClosed) {
				p.o.Slog.Error("copies outside are no longer made at once when a window ends, only by time", "err", err)
			}
			return
		}
		if m, ok := leaf.Body.(audit.WindowMoved); ok && (m.To == "ended" || m.To == "cut") {
			p.Soon()
		}
	}
}

// Soon asks every place, but those that are calm, for a copy at once. It waits for nothing.
func (p *Publisher) Soon() {
	for _, c := range p.places {
		if c.Calm {
			continue
		}
		select {
		case c.wake <- struct{}{}:
		default: // asked already
		}
	}
}

// Took is a person taking the newest checkpoint in hand: it is given back, and
// counts from then on as a copy outside, on that person's word. The caller has
// written the event.
func (p *Publisher) Took(who string) ([]byte, error) {
	b := p.log.Checkpoint()
	c, err := audit.ParseCheckpoint(b, p.o.Verifier)
	if err != nil {
		return nil, fmt.Errorf("the newest checkpoint: %w", err)
	}
	if err := p.keep(p.hand, c, Copy{Said: "taken by " + who + ", on their word"}, true); err != nil {
		return nil, err
	}
	return b, nil
}
