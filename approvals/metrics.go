package approvals

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"penstock/policy"
)

// Tally is what a supervisor's graph wants of what was agreed.
type Tally struct {
	Windows map[WindowState]int // every state is there, also with 0
	Agreed  time.Duration       // how long the windows that are agreed and not yet open may last, together
	Waiting int                 // requests that wait for an answer
	Oldest  time.Duration       // since the oldest of them was asked, in this revision; 0: none waits
	Urgent  map[policy.Role]int // priorities that people of a team gave in place of the computed one, of all requests
}

// maxRules bounds Refusals: a plant file names as many rules as it likes.
const maxRules = 64

// tallies remembers each row as it was counted last, so that a scrape reads
// only what has changed since.
type tallies struct {
	mu       sync.Mutex // held while rows are read: scrapes wait for each other and for nobody else
	windows  map[string]talliedWindow
	requests map[string]talliedRequest

	asking  sync.Mutex // memory only
	refused map[string]uint64
}

type talliedWindow struct {
	at    head
	state WindowState
	lasts time.Duration // while it is agreed
}

type talliedRequest struct {
	at    head
	state RequestState
	asked time.Time
	teams []policy.Role // of each override
}

// noAsk counts a request that was refused as it was asked; nil is none.
func (t *tallies) noAsk(err error) {
	r, ok := errors.AsType[*policy.Refusal](err)
	if !ok {
		return
	}
	t.asking.Lock()
	defer t.asking.Unlock()
	if t.refused == nil {
		t.refused = map[string]uint64{}
	}
	rule := r.Rule
	if _, known := t.refused[rule]; !known && len(t.refused) >= maxRules {
		rule = "other"
	}
	t.refused[rule]++
}

// Refusals counts requests that were refused as they were asked, by rule, since
// the start. Rules above a bound are counted as "other".
func (d *Desk) Refusals() map[string]uint64 {
	t := &d.tallies
	t.asking.Lock()
	defer t.asking.Unlock()
	return maps.Clone(t.refused)
}

// Tally counts. A row that cannot be read is an error: half a count would look
// like an answer.
func (d *Desk) Tally(ctx context.Context) (Tally, error) {
	t := &d.tallies
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.windows == nil {
		t.windows, t.requests = map[string]talliedWindow{}, map[string]talliedRequest{}
	}
	out := Tally{Windows: map[WindowState]int{}, Urgent: map[policy.Role]int{}}
	for _, s := range []WindowState{WindowAgreed, WindowOpen, WindowPaused, WindowEnding, WindowEnded, WindowClosed, WindowCut, WindowUnused} {
		out.Windows[s] = 0
	}
	err := d.each(ctx, "window/", func(id string) error { return d.tallyWindow(ctx, id, &out) })
	if err == nil {
		err = d.each(ctx, "request/", func(id string) error { return d.tallyRequest(ctx, id, &out) })
	}
	if err != nil {
		return Tally{}, fmt.Errorf("count windows and requests: %w", err)
	}
	return out, nil
}

func (d *Desk) tallyWindow(ctx context.Context, id string, out *Tally) error {
	key := "window/" + id
	at, _ := d.heads.get(key)
	known, ok := d.tallies.windows[key]
	if !ok || known.at != at {
		w, err := d.windowRow(ctx, policy.WindowID(id))
		if err != nil {
			return err
		}
		known = talliedWindow{at: at, state: w.State}
		if w.State == WindowAgreed {
			claim, err := d.claim(ctx, w)
			if err != nil {
				return err
			}
			known.lasts = time.Duration(claim.Minutes) * time.Minute
		}
		d.tallies.windows[key] = known
	}
	out.Windows[known.state]++
	out.Agreed += known.lasts
	return nil
}

func (d *Desk) tallyRequest(ctx context.Context, id string, out *Tally) error {
	key := "request/" + id
	at, _ := d.heads.get(key)
	known, ok := d.tallies.requests[key]
	if !ok || known.at != at {
		r, err := d.requestRow(ctx, policy.RequestID(strings.TrimPrefix(key, "request/")))
		if err != nil {
			return err
		}
		known = talliedRequest{at: at, state: r.State, asked: r.At}
		for _, u := range r.Urgent {
			known.teams = append(known.teams, policy.Role(u.Team))
		}
		d.tallies.requests[key] = known
	}
	for _, team := range known.teams {
		out.Urgent[team]++
	}
	if known.state == RequestWaiting {
		out.Waiting++
		out.Oldest = max(out.Oldest, d.now().Sub(known.asked))
	}
	return nil
}
