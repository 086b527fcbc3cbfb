package main

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	idleSessions = 8 // as many as the broker lets one person have
	idleRounds   = 5
	settles      = 6 * time.Second // until handshakes' memory is given back, the same for all
)

// held is what each more session holds, KiB.
type held struct {
	memory
	live float64 // in the broker's heap and stacks after a collection
}

// idle is what one more session without traffic costs the broker, and the stock
// jump. The first person's sessions bring in what does not grow with sessions
// (pages of the binary, half-filled spans of the heap) and are not counted: it is
// (with the whole crew in - with the first alone) / sessions of the others. Each
// round has a fresh broker.
func idle(ctx context.Context, p *plant, rounds int) ([]line, error) {
	base, all, anonymous, live := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for range min(rounds, idleRounds) {
		if err := p.afresh(ctx); err != nil {
			return nil, err
		}
		if err := pause(ctx, settles); err != nil {
			return nil, err
		}
		fresh, err := memoryOf(p.broker.pids())
		if err != nil {
			return nil, err
		}
		base[penstock] = append(base[penstock], fresh.all/1024)
		each, err := p.idleOfARound(ctx)
		if err != nil {
			return nil, err
		}
		for column, h := range each {
			all[column], anonymous[column] = append(all[column], h.all), append(anonymous[column], h.anonymous)
		}
		live[penstock] = append(live[penstock], each[penstock].live)
	}
	return []line{
		line{What: "idle session, PSS", Unit: "KiB", Value: medians(all), Goal: &goal{Of: plain, Limit: 100}}.judged(),
		{What: "  anonymous alone", Unit: "KiB", Value: medians(anonymous)},
		{What: "  allocated after GC", Unit: "KiB", Value: medians(live)},
		line{What: "broker alone, PSS", Unit: "MiB", Value: medians(base), Goal: &goal{Of: plain, Limit: 25}}.judged(),
	}, nil
}

func (p *plant) idleOfARound(ctx context.Context) (map[string]held, error) {
	first, err := p.enter(ctx, crew()[:1])
	defer first.close()
	if err != nil {
		return nil, err
	}
	before, err := p.settled(ctx)
	if err != nil {
		return nil, err
	}
	more, err := p.enter(ctx, crew()[1:])
	defer more.close()
	if err != nil {
		return nil, err
	}
	after, err := p.settled(ctx)
	if err != nil {
		return nil, err
	}
	// Collected only now: a heap collected before would hide growth in what it freed.
	with, err := p.used(ctx)
	if err != nil {
		return nil, err
	}
	more.close()
	if err := pause(ctx, settles); err != nil {
		return nil, err
	}
	without, err := p.used(ctx)
	if err != nil {
		return nil, err
	}
	each := map[string]held{}
	for column := range before {
		each[column] = after[column].less(before[column], idleSessions*len(crew()[1:]))
	}
	h := each[penstock]
	h.live = (with - without) / float64(idleSessions*len(crew()[1:]))
	each[penstock] = h
	return each, nil
}

// settled is what the jump and the broker hold some time after the handshakes.
func (p *plant) settled(ctx context.Context) (map[string]memory, error) {
	if err := pause(ctx, settles); err != nil {
		return nil, err
	}
	all := map[string]memory{}
	for column, d := range map[string]*daemon{stock: p.hops, penstock: p.broker} {
		var err error
		if all[column], err = memoryOf(d.pids()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// less is what each of so many sessions added.
func (m memory) less(before memory, sessions int) held {
	n := float64(sessions)
	return held{memory: memory{all: (m.all - before.all) / n, anonymous: (m.anonymous - before.anonymous) / n}}
}

// terminals that are open.
type terminals []*terminal

func (all terminals) close() {
	for _, t := range all {
		t.close()
	}
}

// enter opens every idle session of some people, by the jump and then by the
// broker: the people side by side, each one's sessions in turn. What it returns
// has to be closed, also beside an error.
func (p *plant) enter(ctx context.Context, who []string) (terminals, error) {
	var mu sync.Mutex
	var all terminals
	for _, column := range []string{stock, penstock} {
		var g errgroup.Group // without a context: what is open lives longer than it
		for _, one := range who {
			g.Go(func() error {
				for range idleSessions {
					t, err := p.open(ctx, one, column)
					if err != nil {
						return err
					}
					mu.Lock()
					all = append(all, t)
					mu.Unlock()
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return all, err
		}
	}
	return all, nil
}
