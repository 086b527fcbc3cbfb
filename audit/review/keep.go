package review

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"time"

	"penstock/audit"
)

// House is what the Book goes by beside its archive. All are asked anew each time.
type House struct {
	Log interface {
		Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
		RootAt(audit.Index) (audit.Hash, error)
		Size() audit.Index
	}
	Rules func() Rules
	// Covered is how many leaves a copy outside covers: what is drawn or goes
	// waits for it. Where nothing is configured, the log's size.
	Covered func() audit.Index
	// Clock says why today's date is not to be believed; nil: it is.
	Clock func() error
	Now   func() time.Time
	Slog  *slog.Logger
}

// errNoHouse: this Book reads recordings, and knows nothing of reviews.
var errNoHouse = errors.New("reviews are not kept here")

// Keeps gives the Book what it goes by, before anything else of reviews, holds
// and retention is asked of it.
func (b *Book) Keeps(h House) {
	if h.Now == nil {
		h.Now = time.Now
	}
	if h.Slog == nil {
		h.Slog = slog.New(slog.DiscardHandler)
	}
	b.house, b.history = h, NewHistory()
	b.history.Root = h.Log.RootAt
}

// catchUp folds what is new; mu is held.
func (b *Book) catchUp(ctx context.Context) error {
	if b.history == nil {
		return errNoHouse
	}
	for leaf, err := range b.house.Log.Upto(ctx, b.history.next) {
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		for _, wrong := range b.history.Fold(leaf) {
			b.house.Slog.Warn("an event of reviews counts for nothing", "leaf", leaf.Index, "type", leaf.Body.Type(), "why", wrong)
		}
	}
	return nil
}

func (b *Book) reads(who Reader) bool { return who.Person != "" && b.may != nil && b.may(who.Roles) }

// judge is step for who reads recordings.
func (b *Book) judge(ctx context.Context, who Reader, session string, make func(*Session) (audit.Body, error)) (Session, error) {
	if !b.reads(who) {
		return Session{}, fmt.Errorf("review %.40q: %w", session, ErrMayNot)
	}
	return b.step(ctx, who, session, make)
}

// step writes one event about a session. Steps follow each other: what make
// decides on stands until its event is in the log.
func (b *Book) step(ctx context.Context, who Reader, session string, make func(*Session) (audit.Body, error)) (Session, error) {
	if who.Person == "" {
		return Session{}, ErrMayNot
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return Session{}, err
	}
	s := b.history.Session(session)
	if s == nil {
		return Session{}, fmt.Errorf("session %.40q: %w", session, fs.ErrNotExist)
	}
	body, err := make(s)
	if err != nil {
		return Session{}, err
	}
	if err := b.tell(ctx, s.ID, who.Person, body); err != nil {
		return Session{}, err
	}
	return s.copy(), nil
}

// tell writes an event and folds it; mu is held.
func (b *Book) tell(ctx context.Context, subject, actor string, body audit.Body) error {
	if _, err := b.log.Append(ctx, audit.Event{Subject: subject, Actor: actor, Body: body}); err != nil {
		return fmt.Errorf("write %s: %w", body.Type(), err)
	}
	return b.catchUp(ctx)
}

// Session is what the log says of one, with no event: what is read of the
// recording itself goes through Read and List. fs.ErrNotExist.
func (b *Book) Session(ctx context.Context, who Reader, session string) (Session, []string, error) {
	if !b.reads(who) {
		return Session{}, nil, ErrMayNot
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.catchUp(ctx); err != nil {
		return Session{}, nil, err
	}
	s := b.history.Session(session)
	if s == nil {
		return Session{}, nil, fmt.Errorf("session %.40q: %w", session, fs.ErrNotExist)
	}
	return s.copy(), s.Reasons(b.house.Rules()), nil
}

// Part says why somebody is no second person for a session; "": they are.
func (b *Book) Part(ctx context.Context, who Reader, session string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.catchUp(ctx) != nil {
		return ""
	}
	if s := b.history.Session(session); s != nil {
		return b.history.Part(s, who.Person)
	}
	return ""
}

// Run draws, and lets go what has expired, until ctx ends: once an hour. What
// fails is told and tried again: nothing that runs rests on it.
func (b *Book) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := b.Tend(ctx); err != nil && ctx.Err() == nil {
			b.house.Slog.Error("draws and expiry did not come to their end", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Tend is one round of Run: draws that are due, what expires by itself, and the
// files of what is gone. It may be interrupted at any place and called again.
func (b *Book) Tend(ctx context.Context) error {
	b.mu.Lock()
	err := b.catchUp(ctx)
	if err == nil {
		err = b.drawAll(ctx)
	}
	if err == nil {
		err = b.expireByItself(ctx)
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return b.sweep(ctx)
}

// drawAll draws the days that a copy outside covers; mu is held.
func (b *Book) drawAll(ctx context.Context) error {
	covered := b.house.Covered()
	for _, t := range b.history.undrawn() {
		if t.size > covered {
			return nil
		}
		root, err := b.house.Log.RootAt(t.size)
		if err != nil {
			return fmt.Errorf("draw for review: %w", err)
		}
		if err := b.tell(ctx, "reviews", "penstock", t.draw(root, b.house.Rules().OneIn)); err != nil {
			return err
		}
		if !t.drawn {
			return errors.New("draw for review: the draw does not hold against the log")
		}
	}
	return nil
}
