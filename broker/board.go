package broker

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"penstock/policy"
)

// How long the board remembers what the log will say soon, or has said long ago.
const (
	blockSettles = time.Minute    // from Block to its event in the log
	windowStale  = 48 * time.Hour // of a window that no session uses
	maxRecalled  = 4096           // windows below which nothing is swept
)

// board is what taking verbs have said and the log may not say yet, and who
// writes where. It is memory only: mu is never held across I/O, and no other
// lock is taken under it.
type board struct {
	mu      sync.Mutex
	gen     uint64 // moves with what is about everybody
	windows map[policy.WindowID]*onBoard
	full    int // windows at which to sweep next
	blocks  []postedBlock
	writers map[policy.AssetName][]*Channel
}

// onBoard is one window.
type onBoard struct {
	gen     uint64        // moves with each change that is about this window
	first   reading       // when it was seen first: its ends count from here
	stopped error         // cut or ended: for good, no window comes back
	why     string        // of Hold, for the person
	held    bool          // by Hold; until Release, or until the facts have said so too
	paused  bool          // by the facts
	rights  policy.Rights // all that Narrow has left, until the facts have said so too; zero: it was not narrowed
	pausing *pausing      // nothing new begins, and it is held once what is half done is done
	ending  *ending       // nothing new begins, what is half done may finish
}

// ending is how a window winds down. It never changes.
type ending struct {
	why  error
	idle deadline // what has nothing half done ends then
	done func()   // called once, when no channel is left
}

type postedBlock struct {
	policy.Block
	why  error
	when time.Time // monotonic
}

func newBoard() *board {
	return &board{full: maxRecalled, windows: map[policy.WindowID]*onBoard{}, writers: map[policy.AssetName][]*Channel{}}
}

// window is the entry, made when the window is first seen. mu is held.
func (b *board) window(w policy.WindowID, now reading) *onBoard {
	e := b.windows[w]
	if e == nil {
		if len(b.windows) >= b.full {
			b.sweep(now)
		}
		e = &onBoard{first: now}
		b.windows[w] = e
	}
	return e
}

// sweep forgets windows that were seen first long ago; one that still lives
// is only counted from a later moment. mu is held.
func (b *board) sweep(now reading) {
	for w, e := range b.windows {
		if now.mono.Sub(e.first.mono) > windowStale {
			delete(b.windows, w)
		}
	}
	b.full = max(maxRecalled, 2*len(b.windows)) // so that sweeping costs little per window
}

// due is the window's end t by all clocks.
func (b *board) due(w policy.WindowID, t time.Time, now reading) deadline {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.window(w, now).first.at(t)
}

// mark is how far the board has moved; a decision on facts asked for before
// holds only if it has not moved since.
func (b *board) mark(w policy.WindowID, now reading) [2]uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return [2]uint64{b.gen, b.window(w, now).gen}
}

// moved tells that facts about a window (empty: about anybody) are old.
func (b *board) moved(w policy.WindowID, now reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w == "" {
		b.gen++
		return
	}
	b.window(w, now).gen++
}

// stop, hold, release and post are the taking verbs' and GoOn's words.
func (b *board) stop(w policy.WindowID, why error, now reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.window(w, now)
	e.gen++
	if e.stopped == nil {
		e.stopped = why
	}
}

// wind begins an ending, unless one has begun; a held or stopped window has
// nothing that may finish, and false says so.
func (b *board) wind(w policy.WindowID, idle time.Time, why error, done func(), now reading) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.window(w, now)
	if e.stopped != nil || e.held || e.paused {
		return false
	}
	e.gen++
	if e.ending == nil || e.ending.done == nil {
		e.ending = &ending{why, e.first.at(idle), done}
	}
	return true
}

// endingOf is how a window winds down; nil: it does not.
func (b *board) endingOf(w policy.WindowID) *ending {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.windows[w]; e != nil && e.stopped == nil {
		return e.ending
	}
	return nil
}

// endings lists the windows that wind down.
func (b *board) endings() map[policy.WindowID]*ending {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all map[policy.WindowID]*ending
	for w, e := range b.windows {
		if e.ending != nil && e.stopped == nil {
			if all == nil {
				all = map[policy.WindowID]*ending{}
			}
			all[w] = e.ending
		}
	}
	return all
}

func (b *board) hold(w policy.WindowID, why string, now reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.window(w, now)
	e.gen++
	e.held, e.why, e.pausing = true, why, nil
}

// narrow leaves a window no more than these rights.
func (b *board) narrow(w policy.WindowID, rights policy.Rights, now reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.window(w, now)
	e.gen++
	if e.rights == 0 {
		e.rights = ^policy.Rights(0)
	}
	e.rights &= rights
}

// left is what of these rights a window has by Narrow.
func (b *board) left(w policy.WindowID, rights policy.Rights) policy.Rights {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.windows[w]; e != nil && e.rights != 0 {
		return rights & e.rights
	}
	return rights
}

func (b *board) release(w policy.WindowID, now reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.window(w, now)
	e.gen++
	e.held, e.paused, e.why, e.pausing = false, false, "", nil
}

func (b *board) post(bl policy.Block, why error, now reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gen++
	b.blocks = append(b.blocks, postedBlock{bl, why, now.mono})
}

// settled drops a posted block that the log has spoken of; id empty: those
// that it must have spoken of by now.
func (b *board) settled(id string, now reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blocks = slices.DeleteFunc(b.blocks, func(p postedBlock) bool {
		return id != "" && p.ID == id || now.mono.Sub(p.when) > blockSettles
	})
}

// told brings what the facts say of a pause together with what Hold said. A
// Hold stays until facts that were asked for after it (at mark) have shown the
// pause once; then the facts lead.
func (b *board) told(f *policy.Facts, mark [2]uint64, now reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.window(f.Window.ID, now)
	e.paused = f.Window.Paused
	if e.paused && e.gen == mark[1] {
		e.held = false
	}
	if e.gen == mark[1] && f.Window.Rights&^e.rights == 0 {
		e.rights = 0
	}
}

// pausedBy says by whom and why a window is paused, as far as a Hold has said.
func (b *board) pausedBy(w policy.WindowID) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.windows[w]; e != nil && e.why != "" {
		return e.why
	}
	return "paused by the plant"
}

// isHeld says whether a window's input waits.
func (b *board) isHeld(w policy.WindowID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.windows[w]
	return e != nil && (e.held || e.paused)
}

// complete adds to facts what only the broker knows. mu is held.
func (b *board) complete(f *policy.Facts) {
	if e := b.windows[f.Window.ID]; e != nil && e.rights != 0 {
		f.Window.Rights &= e.rights
	}
	for _, p := range b.blocks {
		f.Blocks = append(slices.Clip(f.Blocks), p.Block)
	}
	writers := make(map[policy.AssetName]policy.SessionID, len(b.writers)+len(f.Live.Writers))
	maps.Copy(writers, f.Live.Writers)
	f.Live.Writers = writers
	for asset, all := range b.writers {
		f.Live.Writers[asset] = all[0].s.id
	}
}

// refuses says why nothing new begins in a window, whatever the facts say. mu is held.
func (e *onBoard) refuses(w policy.WindowID) error {
	switch {
	case e.stopped != nil:
		return e.stopped
	case e.ending != nil:
		return windowEnding(w)
	case e.held, e.pausing != nil:
		return &policy.Refusal{Rule: "window-paused", Say: "the plant has paused this window; wait", Why: fmt.Sprintf("window %s is held", w)}
	}
	return nil
}

// refusal is refuses for whoever does not hold mu.
func (b *board) refusal(w policy.WindowID, now reading) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.window(w, now).refuses(w)
}

// writesBegin and writesEnd count who writes on an asset. For writesBegin mu is held.
func (b *board) writesBegin(a policy.AssetName, c *Channel) { b.writers[a] = append(b.writers[a], c) }

func (b *board) writesEnd(a policy.AssetName, c *Channel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := slices.DeleteFunc(b.writers[a], func(other *Channel) bool { return other == c })
	if len(left) == 0 {
		delete(b.writers, a)
		return
	}
	b.writers[a] = left
}
