package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"penstock/audit"
)

// State is how far the log is covered by copies outside.
type State struct {
	Size    audit.Index // leaves of the log
	Covered audit.Index // leaves that a copy outside covers
	// Age is the tamper window: how long the oldest leaf that no copy covers
	// has been in the log; 0: all are covered.
	Age    time.Duration
	Since  time.Time // that leaf's wall time; zero: all are covered
	By     Receipt   // of the copy that covers most; Size 0: nobody holds one
	Places []PlaceState
	Person *PlaceState // copies that people took; nil: none
	Alarm  string      // what people must be told; empty: nothing
	Refuse bool        // no new session begins for it
}

// PlaceState is one place, for people.
type PlaceState struct {
	Name, Kind, Where string
	Last              Receipt   // Size 0: none yet
	Failing           time.Time // since when it has not been reached; zero: it was
	Why               string
	Contrary          string // what it says against this log
	Waiting           uint64 // checkpoints that were due and have not left by themselves
	Sent, Failed      uint64
}

// State is read from memory, and one leaf of the log.
func (p *Publisher) State() State {
	s := State{}
	if c, err := audit.ParseCheckpoint(p.log.Checkpoint(), p.o.Verifier); err == nil {
		s.Size = c.Size
	}
	for _, c := range p.places {
		s.Places = append(s.Places, c.state())
	}
	all := s.Places
	if hand := p.hand.state(); hand.Last.Size > 0 || hand.Contrary != "" {
		s.Person = &hand
		all = append(slices.Clone(all), hand)
	}
	for _, c := range all {
		if c.Contrary == "" && (c.Last.Size > s.By.Size || c.Last.Size == s.By.Size && c.Last.At.After(s.By.At)) {
			s.By = c.Last
		}
	}
	s.Covered = min(s.By.Size, s.Size)
	if s.Covered < s.Size {
		s.Since, s.Age = p.oldestUncovered(s.Covered)
	}
	s.Alarm = p.alarm(s, all)
	s.Refuse = p.o.RefuseAfter > 0 && (s.Age > p.o.RefuseAfter || contrary(all) != "")
	return s
}

func (c *place) state() PlaceState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := PlaceState{Name: c.Name, Kind: c.Kind, Where: c.Where, Last: c.newest, Failing: c.since, Why: c.why, Contrary: c.contrary, Sent: c.sent, Failed: c.failed}
	if c.waiting != nil {
		s.Waiting = c.waiting.Superseded + 1
	}
	return s
}

func contrary(all []PlaceState) string {
	for _, c := range all {
		if c.Contrary != "" {
			return c.Name + ": " + c.Contrary
		}
	}
	return ""
}

// alarm is a sentence where a limit is passed or a place contradicts the log.
func (p *Publisher) alarm(s State, all []PlaceState) string {
	if c := contrary(all); c != "" {
		return c
	}
	if len(p.places) == 0 || s.Age <= p.o.AlarmAfter {
		return ""
	}
	var why []string
	for _, c := range s.Places {
		if !c.Failing.IsZero() {
			why = append(why, c.Name+": "+c.Why)
		}
	}
	if len(why) == 0 {
		why = []string{"none was due yet"}
	}
	return fmt.Sprintf("no copy outside for %s: %s", p.spoken(s.Age), strings.Join(why, "; "))
}

func (p *Publisher) spoken(d time.Duration) string {
	if d >= 2*time.Hour {
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d min", int(d.Minutes()))
}

// oldest is the leaf at the edge of what is covered.
type oldest struct {
	at   audit.Index
	wall time.Time
	mono time.Duration
	boot string
	read bool
}

// oldestUncovered is since when, and how long. In this boot the clock that
// nobody can set counts; for a leaf of an earlier one the wall clock, and at
// least the time since this boot.
func (p *Publisher) oldestUncovered(at audit.Index) (time.Time, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.oldest.read || p.oldest.at != at {
		leaf, err := p.log.Leaf(context.Background(), audit.Place{Node: p.log.Node(), Index: at})
		if err != nil { // a log that cannot be read has covered nothing that we could show
			return time.Time{}, p.o.Clock.Mono()
		}
		p.oldest = oldest{at, leaf.Wall, leaf.Mono, leaf.Boot, true}
	}
	o := p.oldest
	if o.boot == p.o.Clock.Boot {
		return o.wall, max(0, p.o.Clock.Mono()-o.mono)
	}
	return o.wall, max(p.o.Clock.Wall().Sub(o.wall), p.o.Clock.Mono())
}

// limits is what was last told about the limits.
type limits struct {
	mu       sync.Mutex
	alarm    string
	refusing bool
}

// watchLimits tells when a limit is passed, and when it is kept again.
func (p *Publisher) watchLimits(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	begun := time.Now()
	for {
		p.look(time.Since(begun) >= startGrace)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (p *Publisher) tell(alarm string) {
	if p.o.Tell != nil {
		p.o.Tell(alarm)
	}
}

// look compares with the limits; tell: the places have had time since the start.
func (p *Publisher) look(tell bool) {
	s := p.State()
	p.looked.mu.Lock()
	defer p.looked.mu.Unlock()
	switch was := p.looked.alarm; {
	case s.Alarm != "" && was == "" && tell:
		p.o.Slog.Error("tamper window: who owns this machine could rewrite what happened since then", "since", s.Since, "seconds", int64(s.Age.Seconds()), "why", s.Alarm)
		p.looked.alarm = s.Alarm
		p.tell(s.Alarm)
	case s.Alarm == "" && was != "":
		p.o.Slog.Info("tamper window: copies are outside again", "covered", uint64(s.Covered), "of", uint64(s.Size))
		p.looked.alarm = ""
		p.tell("")
	}
	if p.o.Refuse == nil || s.Refuse == p.looked.refusing {
		return
	}
	p.looked.refusing = s.Refuse
	if s.Refuse {
		why := s.Alarm
		if why == "" {
			why = fmt.Sprintf("no copy outside for %s", p.spoken(s.Age))
		}
		p.o.Slog.Error("no new session begins until a copy of the log is outside again", "why", why)
		p.o.Refuse(why)
	} else {
		p.o.Refuse("")
	}
}
