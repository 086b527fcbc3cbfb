package broker

import (
	"context"
	"log/slog"
	"sync"

	"penstock/audit/recording"
)

const maxSaid = 16 // sentences that wait for a person

// guest speaks to a person from a goroutine of its own, so that nobody who
// takes something away waits for a slow line. The goroutine is there while
// there is something to say: most of a session there is not.
type guest struct {
	Guest
	ended context.Context
	stop  context.CancelFunc

	mu    sync.Mutex // of what follows; memory only
	lines []line
	said  chan struct{} // of the goroutine, closed when it returns; nil: there is none
	gone  bool
}

// line is a sentence for the person and for the recordings it is about.
type line struct {
	text string
	in   []*Channel
}

func newGuest(g Guest) *guest {
	ctx, cancel := context.WithCancel(context.Background())
	return &guest{Guest: g, ended: ctx, stop: cancel}
}

// say waits for nobody: a person who does not read is told less.
func (g *guest) say(text string, in []*Channel) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone || len(g.lines) >= maxSaid {
		return
	}
	g.lines = append(g.lines, line{text, in})
	if g.said == nil {
		g.said = make(chan struct{})
		go g.speak(g.said)
	}
}

// speak says what waits, to the end of it.
func (g *guest) speak(said chan struct{}) {
	defer close(said)
	for l, more := g.next(); more; l, more = g.next() {
		g.utter(l)
	}
}

func (g *guest) next() (l line, more bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.lines) == 0 || g.gone {
		g.lines, g.said = nil, nil
		return l, false
	}
	l = g.lines[0]
	g.lines = g.lines[1:]
	return l, true
}

func (g *guest) utter(l line) {
	defer recovered("guest")
	for _, c := range l.in {
		if <-c.ready; c.stream == nil { // it is being opened, or never was
			continue
		}
		_ = c.Mark(g.ended, recording.Note, note("told", l.text)) // an error has ended the channel
	}
	g.tell(l.text)
}

func (g *guest) tell(text string) {
	defer recovered("Guest.Tell")
	g.Guest.Tell(text)
}

// close lets the person be told why and cut off; the channel is closed when that is done.
func (g *guest) close(why error) <-chan struct{} {
	said := make(chan struct{})
	go func() {
		defer close(said)
		defer recovered("Guest.Close")
		g.Guest.Close(why)
	}()
	return said
}

// quit ends what is being said; it waits a moment for it, so that no goroutine is
// left behind, and says whether none is. Nothing passes to or from the person here.
func (g *guest) quit() bool {
	g.stop()
	g.mu.Lock()
	g.gone = true
	said := g.said
	g.mu.Unlock()
	return said == nil || waitFor(said, tellPatience)
}

// recovered is deferred where a panic must not take the other sessions with it.
func recovered(where string) {
	if r := recover(); r != nil {
		slog.Error("panic", "where", where, "panic", r)
	}
}
