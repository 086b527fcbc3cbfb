package approvals

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// lists keeps what rows and their documents say in words, so that a board that
// is looked at all night reads no document twice. A row is read and held against
// its leaf every time; only what follows from exactly this value is kept, and
// documents do not change under their hash. Whoever altered it could show
// another text on lists and boards; nothing is decided on it.
type lists struct {
	mu       sync.Mutex // held for memory only
	requests map[string]kept[Request]
	windows  map[string]kept[Window]
}

// mostKept bounds each of the two: some 2 KiB an entry.
const mostKept = 2000

// kept is what a row of this value says. Its slices are shared: read them only.
type kept[T any] struct {
	value audit.Hash
	says  T
}

// known gives what a row says: kept, or read now.
func known[T any](l *lists, from map[string]kept[T], row state.Row, read func() (T, error)) (T, error) {
	hash := audit.HashOf(row.Value)
	l.mu.Lock()
	k, there := from[row.Key]
	l.mu.Unlock()
	if there && k.value == hash {
		return k.says, nil
	}
	says, err := read()
	if err != nil {
		return says, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, there := from[row.Key]; !there && len(from) >= mostKept {
		for key := range from { // any one: whoever needs it reads it again
			delete(from, key)
			break
		}
	}
	from[row.Key] = kept[T]{hash, says}
	return says, nil
}

// Requests are the newest 500 that the actor may see, newest first. What their
// slices hold is shared with other callers: read it only.
func (d *Desk) Requests(ctx context.Context, by people.Actor) ([]Request, error) {
	return listed(ctx, d, "request/", func(row state.Row) (_ Request, sees bool, err error) {
		r := requestRow{row: row.Rev}
		if err := decode(row, &r); err != nil || !by.Plant && r.Firm != string(by.Firm) {
			return Request{}, false, err
		}
		if r.Pattern != "" { // what it needs moves with the pattern's row
			q, err := d.view(ctx, r)
			return q, true, err
		}
		q, err := known(&d.lists, d.lists.requests, row, func() (Request, error) { return d.view(ctx, r) })
		return q, true, err
	})
}

// Windows are the newest 500 that the actor may see, newest first. What their
// slices hold is shared with other callers: read it only.
func (d *Desk) Windows(ctx context.Context, by people.Actor) ([]Window, error) {
	return listed(ctx, d, "window/", func(row state.Row) (_ Window, sees bool, err error) {
		w := windowRow{row: row.Rev}
		if err := decode(row, &w); err != nil || !by.Plant && w.Firm != string(by.Firm) {
			return Window{}, false, err
		}
		d.saw(policy.WindowID(w.Window), phase{w.row, w.State})
		v, err := known(&d.lists, d.lists.windows, row, func() (Window, error) { return d.windowView(ctx, policy.WindowID(w.Window)) })
		if err == nil && v.Call != nil { // it moves with the request's row
			var r requestRow
			r, err = d.requestRow(ctx, v.Request)
			v.Call = cmp.Or(r.Call.call(), v.Call)
		}
		return v, maySee(by, v), err
	})
}

func listed[T any](ctx context.Context, d *Desk, prefix string, read func(state.Row) (T, bool, error)) ([]T, error) {
	if err := d.heads.load(ctx, d.log, &d.keys); err != nil {
		return nil, err
	}
	var list []T
	for _, key := range slices.Backward(d.heads.keys(prefix)) {
		row, err := d.row(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", key, err)
		}
		one, sees, err := read(row)
		if err != nil {
			return nil, err
		}
		if !sees {
			continue
		}
		if list = append(list, one); len(list) == mostListed {
			break
		}
	}
	return list, nil
}
