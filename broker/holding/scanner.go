package holding

import (
	"context"
	"log/slog"
	"time"
)

const (
	wellEvery = time.Minute     // the scanner is asked how it is, also while nothing waits
	illAfter  = 2 * time.Minute // it is told once it has not answered well for so long: clamd reads its database for half a minute
)

// health is what is known of the scanner.
type health struct {
	asked  time.Time // when it was asked last
	asking bool
	ill    string // why it cannot look; empty: it can, as far as is known
	since  time.Time
	told   bool
}

// Ill says why the scanner cannot look, and since when; empty: it can, or there is none.
func (h *Holding) Ill() (why string, since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.health.ill, h.health.since
}

// askScanner has the scanner asked how it is, where that is due, and waits for no answer.
func (h *Holding) askScanner(ctx context.Context, run func(func())) {
	if h.Scanner == nil {
		return
	}
	h.mu.Lock()
	due := !h.health.asking && h.Now().Sub(h.health.asked) >= wellEvery
	if due {
		h.health.asking, h.health.asked = true, h.Now()
	}
	h.mu.Unlock()
	if due {
		run(func() { h.scannerIs(ctx, h.Scanner.Well(ctx)) })
	}
}

// scannerIs takes its answer in, and tells of a change once.
func (h *Holding) scannerIs(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	s := &h.health
	s.asking = false
	tell, alarm := false, ""
	switch {
	case err == nil:
		tell = s.told
		s.ill, s.since, s.told = "", time.Time{}, false
	case s.ill == "":
		s.ill, s.since = plain(err.Error()), h.Now()
	default:
		s.ill = plain(err.Error())
		tell = !s.told && h.Now().Sub(s.since) >= illAfter
		s.told, alarm = s.told || tell, s.ill
	}
	h.mu.Unlock()
	if err != nil {
		slog.Warn("the scanner cannot look, so files stay held", "err", err)
	}
	if tell && h.Tell != nil {
		h.Tell(alarm)
	}
}
