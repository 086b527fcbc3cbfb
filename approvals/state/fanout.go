package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Bounds of what waits for one watcher; beyond them it is cut off.
const (
	maxWaiting      = 1024
	maxWaitingBytes = 16 << 20
)

// ErrSlow ends a Watch whose reader was too slow: list again and watch anew.
var ErrSlow = errors.New("the watcher fell behind and was cut off")

// Fanout is Watch for a store in one process. The zero value is ready. A store
// calls Publish after a change is readable and before the next one is made, so
// that whoever watches first and lists then misses nothing.
type Fanout struct {
	mu       sync.Mutex // held for memory only, never across I/O
	watchers map[*watcher]struct{}
	closed   error
}

type watcher struct {
	prefix string
	ready  chan struct{} // one token: something is waiting, or ended is set
	leave  func() bool   // takes the watch off its context

	// under Fanout.mu
	waiting []Row
	bytes   int
	ended   error
	taken   bool // ranged over
}

// Publish hands rows to the watchers; it never waits for one.
func (f *Fanout) Publish(rows []Row) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		for _, r := range rows {
			if w.ended == nil && strings.HasPrefix(r.Key, w.prefix) {
				f.add(w, r)
			}
		}
	}
}

func (f *Fanout) add(w *watcher, r Row) {
	if len(w.waiting) >= maxWaiting || w.bytes+len(r.Value) > maxWaitingBytes {
		f.end(w, ErrSlow)
		return
	}
	r.Value = bytes.Clone(r.Value)
	w.waiting = append(w.waiting, r)
	w.bytes += len(r.Value)
	w.wake()
}

func (w *watcher) wake() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// end is called under mu. What waits is dropped: after an error the reader lists anew.
func (f *Fanout) end(w *watcher, why error) {
	if w.ended == nil {
		w.ended, w.waiting, w.bytes = why, nil, 0
		delete(f.watchers, w)
		w.wake()
	}
}

// Close ends every watch with why, and each later one at once.
func (f *Fanout) Close(why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed == nil {
		f.closed = why
	}
	for w := range f.watchers {
		f.end(w, why)
	}
}

// Watch begins at the call, not at the first look; see Store.Watch.
func (f *Fanout) Watch(ctx context.Context, prefix string) iter.Seq2[Row, error] {
	w := &watcher{prefix: prefix, ready: make(chan struct{}, 1)}
	f.mu.Lock()
	if f.closed != nil {
		w.ended = f.closed
		w.wake()
	} else {
		if f.watchers == nil {
			f.watchers = map[*watcher]struct{}{}
		}
		f.watchers[w] = struct{}{}
	}
	f.mu.Unlock()
	// A watch that nobody ranges over must not stay when its context is over.
	w.leave = context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.end(w, context.Cause(ctx))
	})
	return func(yield func(Row, error) bool) { f.run(w, yield) }
}

func (f *Fanout) run(w *watcher, yield func(Row, error) bool) {
	f.mu.Lock()
	again := w.taken
	w.taken = true
	f.mu.Unlock()
	if again {
		yield(Row{}, fmt.Errorf("watch of %q: it can be ranged over once", w.prefix))
		return
	}
	defer func() {
		w.leave()
		f.mu.Lock()
		defer f.mu.Unlock()
		f.end(w, errors.New("the reader left"))
	}()
	for range w.ready {
		rows, err := f.take(w)
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
		if err != nil {
			yield(Row{}, err)
			return
		}
	}
}

func (f *Fanout) take(w *watcher) ([]Row, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rows := slices.Clone(w.waiting)
	clear(w.waiting)
	w.waiting, w.bytes = w.waiting[:0], 0
	return rows, w.ended
}
