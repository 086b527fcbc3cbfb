package broker

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"penstock/audit/recording"
)

const maxSaid = 16 // sentences that wait for a person

// guest speaks to a person from a goroutine of its own, so that nobody who
// takes something away waits for a slow line.
type guest struct {
	Guest
	lines chan line
	stop  context.CancelFunc
	ended context.Context
	gone  *sync.WaitGroup
}

// line is a sentence for the person and for the recordings it is about.
type line struct {
	text string
	in   []*Channel
}

func newGuest(g Guest) guest {
	ctx, cancel := context.WithCancel(context.Background())
	return guest{g, make(chan line, maxSaid), cancel, ctx, &sync.WaitGroup{}}
}

// run is the goroutine; failed is called when the recording fails.
func (g guest) run(w writer, failed func(error)) {
	g.gone.Go(func() {
		defer recovered("guest")
		for {
			select {
			case l := <-g.lines:
				for _, c := range l.in {
					if <-c.ready; c.stream == nil { // it is being opened, or never was
						continue
					}
					_ = c.Mark(g.ended, recording.Note, note("told", l.text)) // an error has ended the channel
				}
				g.tell(l.text)
			case <-g.ended.Done():
				return
			}
		}
	})
	g.gone.Go(func() {
		defer recovered("recorder watch")
		select {
		case <-w.Failed():
			failed(w.Err())
		case <-g.ended.Done():
		}
	})
}

// say waits for nobody: a person who does not read is told less.
func (g guest) say(text string, in []*Channel) {
	select {
	case g.lines <- line{text, in}:
	default:
	}
}

func (g guest) tell(text string) {
	defer recovered("Guest.Tell")
	g.Guest.Tell(text)
}

// close lets the person be told why and cut off; the channel is closed when that is done.
func (g guest) close(why error) <-chan struct{} {
	said := make(chan struct{})
	go func() {
		defer close(said)
		defer recovered("Guest.Close")
		g.Guest.Close(why)
	}()
	return said
}

// quit ends the goroutines; it waits a moment for them, so that none is left behind.
func (g guest) quit() {
	g.stop()
	all := make(chan struct{})
	go func() { g.gone.Wait(); close(all) }()
	if !waitFor(all, time.Second) {
		slog.Error("a person's end does not return from Tell")
	}
}

// recovered is deferred where a panic must not take the other sessions with it.
func recovered(where string) {
	if r := recover(); r != nil {
		slog.Error("panic", "where", where, "panic", r)
	}
}
