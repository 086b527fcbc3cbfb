// Package approvals is what was agreed: requests, answers and windows, with
// their states and every step between them.
//
// It gives the Desk, the one place where these change. It decides nothing about
// the plant (policy does) and moves no bytes (broker does). It trusts the log's
// leaves and the documents they name, and no row: facts for a decision are
// recomputed from leaves by evidence.Check.
//
// The revision of its row owns the transitions of a request and of a window: a
// verb reads the row, decides, and commits one revision above; whoever was
// overtaken reads anew. No lock is held across that, but the one that makes a
// firm's requests wait for each other.
//
// Begin with Desk here, then request.go and window.go (the states, and what moves
// them) and answer.go; settle.go is what time does, fold.go how leaves make rows.
package approvals

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// penstock is the actor of what time or a crash did.
const penstock = "penstock"

// Changed tells which window, block or person to ask Facts about again. All
// empty: ask about everything.
type Changed struct {
	Window policy.WindowID
	Person policy.PersonID
	Block  string
}

// ErrConflict is state.ErrConflict, for callers who know only the Desk.
var ErrConflict = state.ErrConflict

// Parts of a Desk, in the order they are built.
type Parts struct {
	Plant   func() *policy.Plant
	Roster  *people.Roster
	Journal *state.Journal
	Rows    state.Store
	Leaves  Leaves
	Docs    *audit.Documents
	Log     Log // person.asked goes straight there; read once at start
	// Take puts a plant file in force, once its event is durable, and has every
	// session asked about again. nil: no plant file can change.
	Take func(context.Context, *policy.Plant)
	Now  func() time.Time // wall clock; nil: time.Now
}

// Desk is where requests are asked and answered, and windows opened and ended.
// Errors of every verb: *policy.Refusal, ErrConflict, else a fault.
// Safe for concurrent use.
type Desk struct {
	plant   func() *policy.Plant
	roster  roster
	journal journal
	rows    state.Store
	leaves  Leaves
	docs    documents
	log     Log
	now     func() time.Time

	heads   heads
	uses    uses
	keys    keyring
	owing   owing
	tallies tallies
	lists   lists
	debt    debtLook
	tries   tries
	began   time.Time     // of this Desk
	poke    chan struct{} // the next moment may have changed
	repair  chan struct{} // a row differs from the log
	asking  sync.Mutex    // one Submit or Revise at a time; nothing that takes needs it

	governing sync.Mutex // one step of the plant file at a time; nothing that takes access away from somebody needs it
	take      func(context.Context, *policy.Plant)

	holding sync.Mutex                 // orders Hold and Release; held for memory only
	pauses  map[policy.WindowID]uint64 // under holding: how often a pause began

	telling sync.Mutex // one input's word is written at a time; what takes a gate away has done so before

	mu         sync.Mutex // of all below; held for memory only
	stops      Stopper
	stopsFiles FileStopper
	plants     map[audit.Hash]*policy.Plant
	rosters    map[audit.Hash][]evidence.Turn
	agreeing   map[[2]audit.Hash][]policy.Need
	hashed     struct {
		plant *policy.Plant
		hash  audit.Hash
	}
	checks   map[checked]bool
	lapsed   map[string]int             // patterns that are withdrawn, and not written yet
	stopped  map[policy.WindowID]int    // ended or cut, and not written yet
	held     map[policy.WindowID]int    // paused, and not written yet
	winding  map[policy.WindowID]int    // ending, and not written yet
	kept     map[policy.WindowID]string // agreed, and why it does not open by itself
	kiosks   map[string]Kiosk           // as they were last read, or revoked and not written yet
	blocking map[int]policy.Block       // in force, and not written yet
	blocks   int
	manned   map[string]bool        // windows that are neither a machine's nor an exception, or are over
	shown    map[int]policy.HostKey // keys that machines showed, and not written yet
	phases   map[policy.WindowID]phase
	ways     map[policy.WindowID]way             // windows that run, as Facts saw them last
	inputs   map[string]*input                   // by gate
	narrowed map[policy.WindowID][]policy.Rights // narrowed, and not written yet
	unsaid   map[string]int                      // outages that are over, and not written yet
	broken   error                               // a taking that could not be written: nothing is admitted any more
}

// NewDesk does no I/O.
func NewDesk(p Parts) *Desk {
	d := &Desk{plant: p.Plant, roster: p.Roster, journal: p.Journal, rows: p.Rows, leaves: p.Leaves, docs: p.Docs, log: p.Log, now: p.Now, take: p.Take,
		heads: heads{kinds: noRows(), files: map[string][]string{}}, keys: keyring{ring: evidence.NewKeyring(p.Docs)}, lists: lists{requests: map[string]kept[Request]{}, windows: map[string]kept[Window]{}}, poke: make(chan struct{}, 1), repair: make(chan struct{}, 1),
		pauses: map[policy.WindowID]uint64{}, plants: map[audit.Hash]*policy.Plant{}, agreeing: map[[2]audit.Hash][]policy.Need{}, rosters: map[audit.Hash][]evidence.Turn{}, checks: map[checked]bool{}, lapsed: map[string]int{},
		stopped: map[policy.WindowID]int{}, held: map[policy.WindowID]int{}, winding: map[policy.WindowID]int{}, kept: map[policy.WindowID]string{}, blocking: map[int]policy.Block{}, kiosks: map[string]Kiosk{}, phases: map[policy.WindowID]phase{},
		ways: map[policy.WindowID]way{}, inputs: map[string]*input{}, unsaid: map[string]int{}, manned: map[string]bool{}, narrowed: map[policy.WindowID][]policy.Rights{}}
	d.owing.fold = evidence.NewOwing()
	if d.now == nil {
		d.now = time.Now
	}
	d.began = d.now()
	return d
}

// Stops sets who stops sessions; before Run, which fails without.
func (d *Desk) Stops(s Stopper) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stops = s
}

func (d *Desk) stopper() Stopper {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stops
}

// second is now as documents and events hold it.
func (d *Desk) second() time.Time { return whole(d.now()) }

// commit makes one change, if the people whom it was decided on are still as
// they were read, and lets Run look at the clock again.
func (d *Desk) commit(ctx context.Context, key string, rev uint64, actor string, body audit.Body, on ...people.Person) (audit.Leaf, error) {
	_, subject, _ := strings.Cut(key, "/")
	leaf, err := d.journal.CommitOn(ctx, key, audit.Event{Subject: subject, Rev: rev, Actor: actor, Body: body}, people.Seen(on...)...)
	if err != nil {
		return leaf, err
	}
	d.heads.note(leaf)
	switch b := body.(type) {
	case audit.WindowAgreed:
		d.saw(policy.WindowID(subject), phase{rev, WindowAgreed})
	case audit.WindowMoved:
		if b.To != "extended" && b.To != "narrowed" && b.To != "stepped" && b.To != "pausing" {
			d.saw(policy.WindowID(subject), phase{rev, moves[b.To].to})
			d.mu.Lock()
			delete(d.kept, policy.WindowID(subject))
			if len(windowSteps[moves[b.To].to]) <= 1 && moves[b.To].to != WindowAgreed { // it is over
				delete(d.ways, policy.WindowID(subject))
			}
			d.mu.Unlock()
		}
	}
	d.again()
	return leaf, nil
}

// again lets Run look at the clock, and at what has finished.
func (d *Desk) again() {
	select {
	case d.poke <- struct{}{}:
	default:
	}
}

// phase is a window's newest state that this process has seen.
type phase struct {
	rev   uint64
	state WindowState
}

func (d *Desk) saw(id policy.WindowID, p phase) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.rev > d.phases[id].rev {
		d.phases[id] = p
	}
}

// stoppable asks memory alone whether there is something to end or cut. The
// broker's Stop is for good, so it must not be told of a window that is still
// to come, or that "end" leaves to be opened later.
func (d *Desk) stoppable(id policy.WindowID, to WindowState) error {
	d.mu.Lock()
	p := d.phases[id]
	d.mu.Unlock()
	if p.state == WindowAgreed && !slices.Contains(windowSteps[p.state], to) {
		return illegal(string(id), string(p.state), string(to))
	}
	if _, known := d.heads.get(windowKey(id)); !known && d.heads.loaded.Load() {
		return refuse("no-such-window", "There is no window %.40q. See `windows` for those there are.", id)
	}
	return nil
}

// trouble is why nothing may be admitted: the journal is broken, or a taking
// could not be written.
func (d *Desk) trouble() error {
	select {
	case <-d.journal.Failed():
		return errors.Join(errors.New("the journal is broken"), d.journal.Err())
	default:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.broken
}

// admitNothing keeps what has taken effect, and refuses everybody from now on.
func (d *Desk) admitNothing(doing, err error) error {
	err = &unwritten{doing, err}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken == nil {
		d.broken = err
	}
	return err
}

// unwritten is a taking that took effect and could not be written.
type unwritten struct{ doing, err error }

func (u *unwritten) Error() string {
	return "it has taken effect, and nobody is admitted any more, because this failed: " + u.doing.Error() + ": " + u.err.Error() +
		". Look at the disk and the log, then start penstock again"
}
func (u *unwritten) Unwrap() error { return u.err }

func (d *Desk) mark(m map[policy.WindowID]int, id policy.WindowID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m[id]++
}

func (d *Desk) unmark(m map[policy.WindowID]int, id policy.WindowID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m[id]--; m[id] <= 0 {
		delete(m, id)
	}
}

// hold stops a window's input in memory.
func (d *Desk) hold(id policy.WindowID, why string) {
	d.mark(d.held, id)
	s := d.stopper()
	d.holding.Lock()
	defer d.holding.Unlock()
	d.pauses[id]++
	if s != nil {
		s.Hold(id, why)
	}
}

func (d *Desk) pausesOf(id policy.WindowID) uint64 {
	d.holding.Lock()
	defer d.holding.Unlock()
	return d.pauses[id]
}

// release lets input go on, unless a pause began after the count was taken.
func (d *Desk) release(id policy.WindowID, pauses uint64) {
	s := d.stopper()
	d.holding.Lock()
	defer d.holding.Unlock()
	if s != nil && d.pauses[id] == pauses {
		s.Release(id)
	}
}

// isPaused: also where that cannot be read.
func (d *Desk) isPaused(ctx context.Context, id policy.WindowID) bool {
	w, err := d.windowRow(ctx, id)
	return !isRule(err, "no-such-window") && (err != nil || w.State == WindowPaused)
}

// blockNow puts a block in force in memory.
func (d *Desk) blockNow(b *policy.Block) int {
	b.ID = d.heads.next("block/B-")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.blocks++
	d.blocking[d.blocks] = *b
	return d.blocks
}

func (d *Desk) unblock(number int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.broken == nil {
		delete(d.blocking, number)
	}
}

// Settled returns when what the log had at the call can be asked of the Desk:
// for those who follow the log, and then look.
func (d *Desk) Settled() { d.journal.Settled() }

// Watch yields what to ask again about, from the call on, until ctx ends. An
// error means that something may have been missed: ask about everything.
func (d *Desk) Watch(ctx context.Context) iter.Seq2[Changed, error] {
	rows := d.rows.Watch(ctx, "")
	return func(yield func(Changed, error) bool) {
		for row, err := range rows {
			if err != nil {
				yield(Changed{}, err)
				return
			}
			if c, ok := changed(row.Key); ok && !yield(c, nil) {
				return
			}
		}
	}
}

func changed(key string) (Changed, bool) {
	kind, id, _ := strings.Cut(key, "/")
	switch kind {
	case "window":
		return Changed{Window: policy.WindowID(id)}, true
	case "block":
		return Changed{Block: id}, true
	case "person":
		return Changed{Person: policy.PersonID(id)}, true
	case "firm":
		return Changed{}, true
	}
	return Changed{}, false
}

func refused(err error) bool {
	var r *policy.Refusal
	return errors.As(err, &r) && r.Rule != "row-differs"
}

func isRule(err error, rule string) bool {
	var r *policy.Refusal
	return errors.As(err, &r) && r.Rule == rule
}

// cleaned makes any text one that may stand in the log: taking never fails for
// a character.
func cleaned(s string) string {
	var b strings.Builder
	for _, c := range strings.TrimSpace(s) {
		if c == '\n' || c == '\t' {
			c = ' '
		}
		if c == utf8.RuneError || evidence.CheckText("", "x"+string(c)+"x", evidence.MaxText) != nil {
			continue
		}
		if b.Len()+utf8.RuneLen(c) > evidence.MaxText {
			break
		}
		b.WriteRune(c)
	}
	return strings.TrimSpace(b.String())
}
