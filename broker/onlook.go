package broker

import (
	"fmt"
	"slices"
	"sync"

	"penstock/policy"
)

// Bounds of looking on. One person holds three sessions in view at most: more
// is not watching.
const (
	watchedEach = 3   // sessions of one watcher
	looksEach   = 6   // open looks of one watcher: channels, pages
	looksInAll  = 200 // open looks of everybody
)

// onlooker is somebody of the plant who watches a session.
type onlooker struct {
	says  string // name and role, as the vendor reads it
	looks int    // open now; an onlooker stays known when they have left
}

// Watch notes that by looks on at a session, and tells its person once: says
// is the watcher's name and role. leave is called when the look ends; again is
// harmless. A *policy.Refusal where there is no such session, or too much is
// watched. It gives nothing to read: review.Book.Watch does.
func (b *Broker) Watch(id policy.SessionID, by policy.PersonID, says string) (leave func(), err error) {
	b.watching.Lock()
	defer b.watching.Unlock()
	b.mu.Lock()
	s := b.sessions[id]
	b.mu.Unlock()
	if s == nil || s.over.Load() {
		return nil, &policy.Refusal{Rule: "not-in", Say: "That session is over, or there is none of that name. What it did is under Recordings.", Why: fmt.Sprintf("watch %.100q", id)}
	}
	sessions, looks, all := 0, 0, 0
	for _, other := range b.all() {
		mine, every := other.looksOf(by)
		all, looks = all+every, looks+mine
		if mine > 0 && other != s {
			sessions++
		}
	}
	switch {
	case sessions >= watchedEach:
		return nil, &policy.Refusal{Rule: "watches-enough", Say: fmt.Sprintf("You watch %d sessions already. Leave one, or ask somebody to watch this one.", watchedEach), Why: "sessions of one watcher"}
	case looks >= looksEach || all >= looksInAll:
		return nil, &policy.Refusal{Rule: "watches-full", Say: "Too many pages watch at once. Close some, then look again.", Why: "open looks"}
	}
	s.look(by, says)
	var once sync.Once
	return func() { once.Do(func() { s.lookAway(by) }) }, nil
}

// Legible says whether there is something to read in the channel: a terminal or
// a command's output. Files and streams are only counted.
func (c LiveChannel) Legible() bool { return c.Kind == "shell" || c.Kind == "exec" }

// look counts one more look, and tells the vendor of a watcher who is new.
func (s *Session) look(by policy.PersonID, says string) {
	s.mu.Lock()
	o := s.onlookers[by]
	known := o != nil
	if !known {
		o = &onlooker{}
		if s.onlookers == nil {
			s.onlookers = map[policy.PersonID]*onlooker{}
		}
		s.onlookers[by] = o
	}
	o.says, o.looks = says, o.looks+1
	s.mu.Unlock()
	if !known {
		s.guest.say(says+", watches you.", s.open(""))
	}
}

func (s *Session) lookAway(by policy.PersonID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onlookers[by].looks--
}

// looksOf counts the open looks of one watcher, and of all.
func (s *Session) looksOf(by policy.PersonID) (mine, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for who, o := range s.onlookers {
		all += o.looks
		if who == by {
			mine = o.looks
		}
	}
	return mine, all
}

// watched names who looks on now.
func (s *Session) watched() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.onlookers {
		if o.looks > 0 {
			all = append(all, o.says)
		}
	}
	slices.Sort(all)
	return all
}
