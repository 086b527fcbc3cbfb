package web

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
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

// live tells open pages that something has changed. It says only that; a page
// then asks for itself, through the same authorisation as ever. One goroutine
// follows the log while anybody watches.
type live struct {
	log Log

	mu       sync.Mutex
	watchers map[*watcher]bool
	stop     context.CancelFunc // of the goroutine that follows; nil: none
}

// watcher has one word waiting at most: a thousand events are one "look again".
type watcher struct {
	news chan struct{}
	may  func(subject string) bool
}

func newLive(log Log) *live { return &live{log: log, watchers: map[*watcher]bool{}} }

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

// spread is the time over which the watchers shall look, so that a thousand of
// them do not look at once: each draws its own moment in it.
func (l *live) spread() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.watchers) < 20 {
		return 0
	}
	return min(time.Duration(len(l.watchers))*20*time.Millisecond, 20*time.Second)
}

func (l *live) run(ctx context.Context, from audit.Index) {
	for leaf, err := range l.log.Follow(ctx, from) {
		if err != nil {
			return
		}
		if moves(leaf) {
			l.tell(leaf)
		}
	}
}

// moves says whether a leaf changes what a page shows.
func moves(leaf audit.Leaf) bool {
	kind, _, _ := strings.Cut(leaf.Body.Type(), ".")
	switch kind {
	case "request", "answer", "window", "handback", "block", "session", "channel", "clock", "node", "config":
		return true
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
	for _, w := range told {
		if w.may != nil && !w.may(leaf.Subject) {
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
	w := &watcher{news: make(chan struct{}, 1)}
	if !v.actor.Plant {
		w.may = func(subject string) bool { return g.ofFirm(v, subject) }
	}
	if !g.live.join(w) {
		return tooMany
	}
	defer g.live.leave(w)
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	out := http.NewResponseController(v.w)
	_ = out.SetReadDeadline(time.Time{}) // where it is not supported there is none
	write := func(text string) error {
		if err := out.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
			return fmt.Errorf("bound a write: %w", err)
		}
		if _, err := v.w.Write([]byte(text)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("flush: %w", err)
		}
		return nil
	}
	g.stream(v, w, write)
	return nil
}

// tooMany is told as a refusal: it is no fault.
var tooMany = &policy.Refusal{Rule: "streams-full", Say: "Too many pages follow what happens. Close some, or load the page again by hand."}

func (g *Pages) stream(v *visit, w *watcher, write func(string) error) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	if write("retry: 3000\n\n") != nil {
		return
	}
	for {
		text := ": still here\n\n"
		select {
		case <-v.ctx().Done():
			return
		case <-v.s.ended:
			_ = write("event: over\ndata: signed out\n\n")
			return
		case <-beat.C:
			if v.s.over(g.Now()) {
				g.sessions.end(v.s)
			}
		case <-w.news:
			text = fmt.Sprintf("event: changed\ndata: %d\n\n", g.live.spread().Milliseconds())
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
