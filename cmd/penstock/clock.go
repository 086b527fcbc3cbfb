package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// stepped is how far wall clock and CLOCK_BOOTTIME may drift apart within a
// minute before it is a step, in one jump or in many: more than NTP slews and
// more than a leap second, less than harms a window.
const stepped = 2 * time.Second

// minute is how many looks, one a second, share one place to measure from.
const minute = 60

// clockState is what the log says of the clock: a step back waits for two
// people. So does a log that was brought back from a backup: what was cut,
// blocked or disabled after that is not known to it.
type clockState struct {
	waits    bool
	restored bool // what it waits for is a restored log
	accepted map[string]bool
}

func (c *clockState) fold(b audit.Body) {
	switch b := b.(type) {
	case audit.ClockStepped:
		if b.Millis < 0 {
			c.waits, c.accepted = true, map[string]bool{}
		}
	case audit.BackupRestored:
		c.waits, c.restored, c.accepted = true, true, map[string]bool{}
	case audit.ClockAccepted:
		if c.waits {
			c.accepted[b.Person] = true
			c.waits = len(c.accepted) < 2
			c.restored = c.restored && c.waits
		}
	}
}

// clockGuard refuses sessions after the wall clock stepped back, until two
// people of the plant say that it is right again (DESIGN promise 7). Pages,
// verbs and desk@ go on.
type clockGuard struct {
	log interface {
		Append(context.Context, audit.Event) (audit.Leaf, error)
	}
	refuse func(*policy.Refusal)
	slog   *slog.Logger
	clock  audit.Clock

	mu    sync.Mutex
	state clockState
}

var clockRefusal = &policy.Refusal{
	Rule: "clock-not-accepted",
	Say:  "The broker's clock was set back, so nobody is let in until two people of the plant have checked it. Call the control room.",
	Why:  "the wall clock stepped back; sessions wait for penstock clock accept by two people",
}

var restoredRefusal = &policy.Refusal{
	Rule: "restored-not-accepted",
	Say:  "The broker was brought back from a backup, so nobody is let in until two people of the plant have checked it. Call the control room.",
	Why:  "the log is of a backup and may not know of cuts and blocks; sessions wait for penstock clock accept by two people",
}

// refusal is what a person is told while it waits.
func (c *clockState) refusal() *policy.Refusal {
	if c.restored {
		return restoredRefusal
	}
	return clockRefusal
}

// restored takes note that the log is of a backup, before start.
func (g *clockGuard) restored(b audit.BackupRestored) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.fold(b)
}

// start looks at the clock against the log, before anything listens.
func (g *clockGuard) start(ctx context.Context, behind time.Duration) error {
	if behind > stepped {
		return g.step(ctx, -behind)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.waits {
		g.refuse(g.state.refusal())
	}
	return nil
}

// watch looks once a second for steps against CLOCK_BOOTTIME, until ctx ends.
func (g *clockGuard) watch(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	offset := func() time.Duration { return time.Duration(g.clock.Wall().UnixNano()) - g.clock.Mono() }
	since, looks := offset(), 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := offset()
		if d := now - since; d > stepped || d < -stepped {
			if err := g.step(ctx, d); err != nil {
				return err
			}
			since, looks = now, 0
		}
		if looks++; looks == minute {
			since, looks = now, 0
		}
	}
}

// step refuses first, when the clock went back, and then writes the event.
func (g *clockGuard) step(ctx context.Context, by time.Duration) error {
	if by < 0 {
		g.refuse(clockRefusal)
	}
	body := audit.ClockStepped{Millis: by.Milliseconds()}
	g.mu.Lock()
	g.state.fold(body)
	if by < 0 {
		g.refuse(clockRefusal) // again: the word of a second person about the step before may have come between
	}
	g.mu.Unlock()
	g.slog.Warn("the wall clock stepped", "by", by)
	if _, err := g.log.Append(ctx, audit.Event{Subject: "clock", Actor: "penstock", Body: body}); err != nil {
		return fmt.Errorf("write that the clock stepped: %w", err)
	}
	return nil
}

// waits says whether the clock still needs somebody's word.
func (g *clockGuard) waits() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state.waits
}

// accept takes one person's word.
func (g *clockGuard) accept(ctx context.Context, by people.Actor) (string, error) {
	if !by.Plant {
		return "", &policy.Refusal{Rule: "plant-only", Say: "Only people of the plant may accept the clock.", Why: string(by.Person)}
	}
	var proof string
	switch {
	case by.Proved(people.SSH):
		proof = "key"
	case by.Proved(people.Password):
		proof = "password"
	default:
		return "", &policy.Refusal{Rule: "clock-proof", Say: "Prove yourself by key or password: a code is the clock's own word.", Why: string(by.Person)}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.state.waits {
		return "The clock needs no word from you.", nil
	}
	if g.state.accepted[string(by.Person)] {
		return "You have said so. One more person must.", nil
	}
	body := audit.ClockAccepted{Person: string(by.Person), At: g.clock.Wall().UTC(), Proof: proof}
	if _, err := g.log.Append(ctx, audit.Event{Subject: "clock", Actor: string(by.Person), Body: body}); err != nil {
		return "", fmt.Errorf("write that the clock was accepted: %w", err)
	}
	g.state.fold(body)
	if g.state.waits {
		return "Noted. One more person must say so: penstock clock accept --as …", nil
	}
	g.refuse(nil)
	return "The clock is accepted. People are let in again.", nil
}
