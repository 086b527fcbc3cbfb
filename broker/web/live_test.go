package web

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"testing"
	"testing/synctest"

	"penstock/audit"
)

// brokenLog cannot be read once, in the middle.
type brokenLog struct {
	Log
	leaves []audit.Leaf
	from   []audit.Index // of each time it was followed
}

func (b *brokenLog) Size() audit.Index { return 0 }
func (b *brokenLog) Follow(ctx context.Context, from audit.Index) iter.Seq2[audit.Leaf, error] {
	b.from = append(b.from, from)
	broken := len(b.from) == 1
	return func(yield func(audit.Leaf, error) bool) {
		for _, leaf := range b.leaves[from:] {
			if broken && leaf.Index == 1 {
				yield(audit.Leaf{}, errors.New("input/output error"))
				return
			}
			if !yield(leaf, nil) {
				return
			}
		}
		<-ctx.Done()
		yield(audit.Leaf{}, ctx.Err())
	}
}

// A log that cannot be read for a moment leaves no page behind that looks alive
// and stands still.
func TestPagesFollowAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &brokenLog{}
		for i, body := range []audit.Body{audit.RequestUnanswered{}, audit.PriorityChanged{}} {
			log.leaves = append(log.leaves, audit.Leaf{Event: audit.Event{Subject: "R-1", Body: body}, Index: audit.Index(i)})
		}
		l := newLive(log, func() {}, slog.New(slog.DiscardHandler))
		w := &watcher{news: make(chan struct{}, 1)}
		l.join(w)
		<-w.news
		<-w.news // else every goroutine is asleep, and the test fails
		l.leave(w)
		synctest.Wait()
		if len(log.from) != 2 || log.from[1] != 1 {
			t.Errorf("followed from %v", log.from)
		}
	})
}
