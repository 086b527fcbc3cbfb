package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// clockBehindLog: the newest leaf is of tomorrow, as after a dead clock battery.
func clockBehindLog(t *testing.T, golden *rig) {
	r := golden.copy(t)
	clock := audit.SystemClock()
	ahead := clock
	ahead.Wall = func() time.Time { return clock.Wall().Add(24 * time.Hour) }
	r.newLog(ahead, 1)
	r.start()
	r.trust()
	r.aim()
	r.talk("ann", r.ssh("desk", "windows")...) // the desk serves
	r.talk("mia", "penstock", "windows")       // and the API
	r.refused("clock", "ann", r.ann("true")...)
	r.talk("mia", "penstock", "clock", "accept")
	if again := r.talk("mia", "penstock", "clock", "accept"); !containsAll(again.Stdout, "One more person") {
		t.Errorf("one person twice: %q", again.Stdout)
	}
	r.refused("clock", "ann", r.ann("true")...)
	r.stop()
	r.start() // it stays so
	r.refused("clock", "ann", r.ann("true")...)
	said := r.talk("olaf", "penstock", "clock", "accept")
	if !containsAll(said.Stdout, "accepted") || said.TTY == "" {
		t.Errorf("the second person: %+v", said)
	}
	if containsAll(said.TTY, "Code") {
		t.Errorf("it asked for a code, which is the clock's own word: %q", said.TTY)
	}
	r.talk("ann", r.ann("true")...)
	r.stop()
	r.start() // and stays accepted
	r.talk("ann", r.ann("true")...)
	r.stop()
	r.proved()
}

// guardKit is a clock guard with a clock that tests turn, and a log in memory.
type guardKit struct {
	*clockGuard
	mu      sync.Mutex
	wall    time.Duration // how far the wall clock is off
	bodies  []audit.Body
	refused *policy.Refusal
	fail    error
	during  func() // runs while an event is being written
}

func newGuard(state clockState) *guardKit {
	k := &guardKit{}
	begin := time.Now()
	k.clockGuard = &clockGuard{log: k, slog: slog.New(slog.DiscardHandler), state: state,
		clock: audit.Clock{
			Wall: func() time.Time { k.mu.Lock(); defer k.mu.Unlock(); return time.Now().Add(k.wall) },
			Mono: func() time.Duration { return time.Since(begin) }, Boot: "b"},
		refuse: func(r *policy.Refusal) { k.mu.Lock(); defer k.mu.Unlock(); k.refused = r }}
	return k
}

func (k *guardKit) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	if k.during != nil {
		k.during()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return audit.Leaf{}, k.fail
	}
	k.bodies = append(k.bodies, ev.Body)
	return audit.Leaf{Event: ev}, nil
}

func (k *guardKit) turn(by time.Duration) { k.mu.Lock(); k.wall += by; k.mu.Unlock() }

func (k *guardKit) shut() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.refused != nil }

// folded is the state that a restart would find in the log.
func (k *guardKit) folded() (s clockState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range k.bodies {
		s.fold(b)
	}
	return s
}

func actor(name string, plant bool, proof people.KeyKind) people.Actor {
	return people.Actor{Person: policy.PersonID(name), Plant: plant, Proofs: []people.KeyKind{proof}}
}

func TestClockGuardWaitsForTwoPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newGuard(clockState{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.watch(ctx) }()
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() } // the bubble's time
		pass(3 * time.Second)
		k.turn(1500 * time.Millisecond) // NTP
		pass(2 * time.Second)
		if k.shut() || len(k.bodies) != 0 {
			t.Fatalf("a slew of 1.5 s: shut %v, %v", k.shut(), k.bodies)
		}
		k.turn(time.Hour)
		pass(2 * time.Second)
		if k.shut() || len(k.bodies) != 1 {
			t.Fatalf("a step forward is an event only: shut %v, %v", k.shut(), k.bodies)
		}
		k.turn(-time.Hour)
		pass(2 * time.Second)
		if !k.shut() || !k.folded().waits {
			t.Fatal("a step back lets people in")
		}
		say := func(a people.Actor) error { _, err := k.accept(t.Context(), a); return err }
		if say(actor("mia", true, people.Password)) != nil || say(actor("mia", true, people.SSH)) != nil {
			t.Fatal("mia may not accept")
		}
		if !k.shut() {
			t.Fatal("one person twice is one person")
		}
		var no *policy.Refusal
		if err := say(actor("ann", false, people.SSH)); !errors.As(err, &no) || !k.shut() {
			t.Fatalf("a vendor: %v", err)
		}
		if err := say(actor("olaf", true, people.TOTP)); !errors.As(err, &no) || !k.shut() {
			t.Fatalf("a code alone: %v", err)
		}
		again := newGuard(k.folded()) // a restart
		if err := again.start(t.Context(), 0); err != nil || !again.shut() {
			t.Fatalf("a restart lets people in (%v)", err)
		}
		if err := say(actor("olaf", true, people.SSH)); err != nil || k.shut() || k.folded().waits {
			t.Fatalf("two people have accepted: %v, shut %v", err, k.shut())
		}
		k.turn(-time.Hour) // what they said was of the step before
		pass(2 * time.Second)
		if !k.shut() || say(actor("mia", true, people.Password)) != nil || !k.shut() {
			t.Fatal("old words count for a new step")
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// A clock that is stepped back in small steps is a clock that was stepped back.
func TestClockGuardSeesManySmallSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newGuard(clockState{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		done := make(chan error)
		go func() { done <- k.watch(ctx) }()
		for range 60 {
			k.turn(-1500 * time.Millisecond)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if !k.shut() {
			t.Error("the clock went back by 90 s in a minute, and people are let in")
		}
		cancel()
		<-done
	})
}

// A step back while the second person accepts the one before is not accepted.
func TestClockGuardStepDuringAccept(t *testing.T) {
	k := newGuard(clockState{waits: true, accepted: map[string]bool{"mia": true}})
	stepped := make(chan error, 1)
	k.during = func() {
		k.during = nil
		go func() { stepped <- k.step(context.Background(), -time.Hour) }()
		_ = within(time.Second, 20*time.Millisecond, "the step has refused", func() (bool, error) { return k.shut(), nil })
	}
	if _, err := k.accept(t.Context(), actor("olaf", true, people.SSH)); err != nil {
		t.Fatal(err)
	}
	if err := <-stepped; err != nil {
		t.Fatal(err)
	}
	if !k.shut() || !k.state.waits {
		t.Errorf("people are let in with a clock that nobody has accepted (shut %v)", k.shut())
	}
}

func TestClockGuardLogFails(t *testing.T) {
	k := newGuard(clockState{})
	k.fail = errors.New("the disk is gone")
	if err := k.start(t.Context(), time.Hour); err == nil || !k.shut() {
		t.Errorf("%v, shut %v", err, k.shut())
	}
}

func containsAll(s string, words ...string) bool {
	for _, w := range words {
		if !strings.Contains(s, w) {
			return false
		}
	}
	return true
}
