package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"penstock/audit"
	"penstock/policy"
)

// Bounds of watching: a page that follows holds one connection and one word.
const (
	maxStreams        = 1000
	maxStreamsSession = 4
	heartbeat         = 15 * time.Second
	streamWrite       = 10 * time.Second // a reader who takes longer is left
	streamPause       = 500 * time.Millisecond
)

// live tells open pages that something has changed. A board gets its new parts
// with it, drawn once for all who see the same (boards.go); every other page
// asks for itself, through the same authorisation as ever. One goroutine follows
// the log while anybody watches.
type live struct {
	log     Log
	settled func() // returns when the rows of what the log has are stored
	slog    *slog.Logger

	mu       sync.Mutex
	watchers map[*watcher]bool
	stop     context.CancelFunc // of the goroutine that follows; nil: none
}

// watcher has one word waiting at most: a thousand events are one "look again".
type watcher struct {
	news  chan struct{}
	may   func(subject string) bool
	board bool
	left  atomic.Bool // somebody has left: whoever reads may be they
}

func newLive(log Log, settled func(), slog *slog.Logger) *live {
	return &live{log: log, settled: settled, slog: slog, watchers: map[*watcher]bool{}}
}

// join adds a watcher; false: there are too many.
func (l *live) join(w *watcher) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.watchers) >= maxStreams {
		return false
	}
	l.watchers[w] = true
	if l.stop == nil {
		ctx, cancel := context.WithCancel(context.Background()) // ended by the last who leaves
		l.stop = cancel
		go l.run(ctx, l.log.Size())
	}
	return true
}

func (l *live) leave(w *watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watchers, w)
	if len(l.watchers) == 0 && l.stop != nil {
		l.stop()
		l.stop = nil
	}
}

// spread is the time over which the watchers that ask for their page shall do
// so, so that a thousand of them do not at once: each draws its own moment in it.
func (l *live) spread() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	asking := 0
	for w := range l.watchers {
		if !w.board {
			asking++
		}
	}
	if asking < 20 {
		return 0
	}
	return min(time.Duration(asking)*20*time.Millisecond, 20*time.Second)
}

// run follows the log until the last watcher has left. What keeps it from reading
// passes, or the board of a control room would stand still and look alive.
func (l *live) run(ctx context.Context, from audit.Index) {
	for ctx.Err() == nil {
		for leaf, err := range l.log.Follow(ctx, from) {
			if errors.Is(err, audit.ErrClosed) || ctx.Err() != nil {
				return
			}
			if err != nil {
				l.slog.Error("pages cannot follow the log", "from", from, "err", err)
				break
			}
			if from = leaf.Index + 1; moves(leaf) {
				l.settled() // else who looks at once would see what was before
				l.tell(leaf)
			}
		}
		select {
		case <-time.After(heartbeat):
		case <-ctx.Done():
		}
	}
}

// moves says whether a leaf changes what a page shows.
func moves(leaf audit.Leaf) bool {
	kind, _, _ := strings.Cut(leaf.Body.Type(), ".")
	switch kind {
	case "request", "answer", "window", "handback", "left", "call", "question", "gate", "escort", "handover", "block", "session", "channel", "clock", "node", "config", "person", "firm", "roster", "deputy", "agent", "outside", "checkpoint", "hold", "pattern", "spoken", "terms", "training", "ending", "hostkey", "scanner", "outage", "priority", "plant", "island", "envelope", "recovery":
		return true
	case "file": // what passed stands on no board; what waits does
		_, passed := leaf.Body.(audit.FileTransferred)
		return !passed
	case "access": // who is kept out at the door changes no page
		_, refused := leaf.Body.(audit.AccessRefused)
		return !refused
	case "review": // who watches stands on the board
		o, opened := leaf.Body.(audit.ReviewOpened)
		_, noted := leaf.Body.(audit.ReviewNoted)
		return !opened && !noted || o.What == "watch"
	}
	return false
}

func (l *live) tell(leaf audit.Leaf) {
	l.mu.Lock()
	told := make([]*watcher, 0, len(l.watchers))
	for w := range l.watchers {
		told = append(told, w)
	}
	l.mu.Unlock()
	left := false
	switch leaf.Body.(type) {
	case audit.PersonDisabled, audit.FirmEnded:
		left = true
	}
	for _, w := range told {
		if left {
			w.left.Store(true)
		} else if w.may != nil && !w.may(leaf.Subject) {
			continue
		}
		select {
		case w.news <- struct{}{}:
		default: // told already and not yet looked
		}
	}
}

// follow is the stream of one page (HTML living standard, server-sent events).
func (g *Pages) follow(v *visit) error {
	if !v.s.streamBegins() {
		return tooMany
	}
	defer v.s.streamEnds()
	w := &watcher{news: make(chan struct{}, 1), board: v.r.URL.Query().Has("board")}
	if !v.actor.Plant {
		w.may = func(subject string) bool { return g.ofFirm(v, subject) }
	}
	if !g.live.join(w) {
		return tooMany
	}
	defer g.live.leave(w)
	if g.missed(v, w) {
		w.news <- struct{}{}
	}
	g.stream(v, w, streams(v.ctx(), v.w, "text/event-stream"))
	return nil
}

type streamsKey struct{}

// WithStreams has begins called once a call turns out to be a stream, which is
// bounded here and not by whoever counts calls.
func WithStreams(ctx context.Context, begins func()) context.Context {
	return context.WithValue(ctx, streamsKey{}, begins)
}

// streams begins an answer that has no end of its own: each write goes out at
// once, and a reader who takes longer than streamWrite for one has gone.
func streams(ctx context.Context, w http.ResponseWriter, kind string) (write func([]byte) error) {
	if begins, ok := ctx.Value(streamsKey{}).(func()); ok {
		begins()
	}
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // where it is not supported there is none
	return func(text []byte) error {
		if err := out.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
			return fmt.Errorf("bound a write: %w", err)
		}
		if _, err := w.Write(text); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
		return nil
	}
}

// tooMany is told as a refusal: it is no fault.
var tooMany = &policy.Refusal{Rule: "streams-full", Say: "Too many pages follow what happens. Close some, or load the page again by hand."}

// missed says whether something moved between the page's making, or the stream
// that broke off, and this one: where that cannot be told, it did.
func (g *Pages) missed(v *visit, w *watcher) bool {
	const most = 2000 // leaves to look at
	text := cmp.Or(v.r.Header.Get("Last-Event-ID"), v.r.URL.Query().Get("since"))
	since, err := strconv.ParseUint(text, 10, 64)
	if size := g.log.Size(); err != nil || audit.Index(since) > size || size-audit.Index(since) > most {
		return text != ""
	}
	for leaf, err := range g.log.Upto(v.ctx(), audit.Index(since)) {
		if err != nil || moves(leaf) && (w.may == nil || w.may(leaf.Subject)) {
			return true
		}
	}
	return false
}

// news is what a stream says when something has moved. The person is looked up
// anew: whoever may not see it any more gets nothing. Nil: the session is over.
func (g *Pages) news(v *visit, w *watcher) ([]byte, error) {
	id := fmt.Appendf(nil, "id: %d\n", g.log.Size())
	if w.left.Swap(false) {
		if here, err := g.here(v); err != nil || !here {
			return nil, err
		}
	}
	if !w.board {
		return fmt.Appendf(id, "event: changed\ndata: %d\n\n", g.live.spread().Milliseconds()), nil
	}
	now := &visit{w: v.w, r: v.r, plant: g.Plant(), now: g.Now(), zone: v.zone}
	if err := g.recognise(now); err != nil || now.s == nil {
		return nil, err
	}
	b, err := g.boardNews(now)
	return append(id, b...), err
}

// here says whether who follows may still be signed in; if not, they are not.
func (g *Pages) here(v *visit) (bool, error) {
	now := &visit{w: v.w, r: v.r, plant: g.Plant(), now: g.Now(), zone: v.zone}
	err := g.recognise(now)
	return now.s != nil, err
}

var streamOver = []byte("event: over\ndata: signed out\n\n")

func (g *Pages) stream(v *visit, w *watcher, write func([]byte) error) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	if write([]byte("retry: 3000\n\n")) != nil {
		return
	}
	for {
		text := []byte(": still here\n\n")
		select {
		case <-v.ctx().Done():
			return
		case <-v.s.ended:
			_ = write(streamOver)
			return
		case <-beat.C:
			if v.s.over(g.Now()) {
				g.sessions.end(v.s)
			} else if !v.actor.Plant { // a contract ends by the clock, and no leaf says so
				if _, err := g.here(v); err != nil {
					g.Slog.Error("who follows could not be looked up", "person", v.actor.Person, "err", err)
					return
				}
			}
		case <-w.news:
			var err error
			if text, err = g.news(v, w); err != nil {
				g.Slog.Error("a board could not be drawn for a stream", "person", v.actor.Person, "err", err)
				return // the page comes back and asks again
			}
			if text == nil {
				_ = write(streamOver)
				return
			}
		}
		if write(text) != nil {
			return // the reader is gone, or takes too long
		}
		if !pause(v.ctx(), streamPause) {
			return
		}
	}
}

// pause keeps a burst of events from being a burst of pages.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// ofFirm: a vendor's person hears of their own firm's requests and windows only.
func (g *Pages) ofFirm(v *visit, subject string) bool {
	var err error = fs.ErrNotExist
	switch {
	case strings.HasPrefix(subject, "R-"):
		_, err = g.Desk.Request(v.ctx(), v.actor, policy.RequestID(subject))
	case strings.HasPrefix(subject, "W-"):
		_, err = g.Desk.Window(v.ctx(), v.actor, policy.WindowID(subject))
	}
	return err == nil
}

func (s *webSession) streamBegins() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams >= maxStreamsSession {
		return false
	}
	s.streams++
	return true
}

func (s *webSession) streamEnds() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams--
}
