package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/audit"
	"penstock/audit/receipt"
	"penstock/policy"
)

// past knows where in the log each session begins and ends, so that a page
// reads its own part and not the whole log. It is a fold that goes on from
// where the last call ended; nothing is decided on it.
type past struct {
	log Log

	mu       sync.Mutex
	next     audit.Index
	sessions map[string]*pastSession
	windows  map[string][]string // sessions by window, oldest first
	done     map[doing][]audit.Index
}

// doing is what one person did with one request or window: there are receipts of it.
type doing struct{ subject, person string }

type pastSession struct {
	audit.SessionStarted
	at         time.Time
	begin, end audit.Index // end: after session.ended; 0 while it runs
	last       audit.Index // after the newest leaf that is of it or its windows, while end is 0
}

func newPast(log Log) *past {
	return &past{log: log, sessions: map[string]*pastSession{}, windows: map[string][]string{}, done: map[doing][]audit.Index{}}
}

// catchUp reads what is new; mu is held.
func (p *past) catchUp(ctx context.Context) error {
	for leaf, err := range p.log.Upto(ctx, p.next) {
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		p.next = leaf.Index + 1
		if _, ok := receipt.Of(leaf.Body); ok {
			d := doing{leaf.Subject, leaf.Actor}
			p.done[d] = append(p.done[d], leaf.Index)
		}
		switch b := leaf.Body.(type) {
		case audit.SessionStarted:
			p.sessions[b.Session] = &pastSession{SessionStarted: b, at: leaf.Wall, begin: leaf.Index}
			for _, w := range b.Windows {
				p.windows[w] = append(p.windows[w], b.Session)
			}
		case audit.SessionEnded:
			if s := p.sessions[b.Session]; s != nil {
				s.end = leaf.Index + 1
			}
		}
		p.touch(leaf)
	}
	return nil
}

// touch notes how far the leaves of a session go that has not ended: one that a
// damaged folder keeps from it would be looked for through the whole log.
// Readings are not its own, and come for ever.
func (p *past) touch(leaf audit.Leaf) {
	kind, _, _ := strings.Cut(leaf.Body.Type(), ".")
	of := []string{leaf.Subject}
	switch kind {
	case "review":
		return
	case "window":
		of = p.windows[leaf.Subject]
	}
	for _, id := range slices.Backward(of) {
		if s := p.sessions[id]; s != nil && s.end == 0 {
			s.last = leaf.Index + 1
		}
	}
}

// session is one of them; ok is false if the log has not got it.
func (p *past) session(ctx context.Context, id string) (s pastSession, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.catchUp(ctx); err != nil {
		return s, false, err
	}
	if known := p.sessions[id]; known != nil {
		return *known, true, nil
	}
	return s, false, nil
}

// mostReceipts bounds one person's file of receipts for one thing.
const mostReceipts = 200

// doings are the newest leaves of a person about a subject, oldest first.
func (p *past) doings(ctx context.Context, subject string, who policy.PersonID) ([]audit.Index, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.catchUp(ctx); err != nil {
		return nil, err
	}
	all := p.done[doing{subject, string(who)}]
	return slices.Clone(all[max(0, len(all)-mostReceipts):]), nil
}

// mostSessions bounds the list on a window's page.
const mostSessions = 100

// of lists the newest sessions of a window, newest first.
func (p *past) of(ctx context.Context, window string) ([]pastSession, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.catchUp(ctx); err != nil {
		return nil, err
	}
	var list []pastSession
	for _, id := range slices.Backward(p.windows[window]) {
		if list = append(list, *p.sessions[id]); len(list) == mostSessions {
			break
		}
	}
	return list, nil
}
