package broker

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"penstock/policy"
)

// Live is one session for a list.
type Live struct {
	Session  policy.SessionID
	Person   policy.PersonID
	Firm     policy.FirmID
	Source   netip.Addr
	Started  time.Time
	Channels []LiveChannel
	Watched  []string // who of the plant looks on: name and role
}

// LiveChannel is one channel of it.
type LiveChannel struct {
	Number  int
	Window  policy.WindowID
	Kind    string
	Target  policy.Target
	Until   time.Time
	In, Out int64
	Held    bool
	Inspect string // the inspector that reads along; empty: none
}

// Session is one of Sessions; ok is false where it is not in (any more).
func (b *Broker) Session(id policy.SessionID) (l Live, ok bool) {
	b.mu.Lock()
	s := b.sessions[id]
	b.mu.Unlock()
	if s == nil || s.over.Load() {
		return l, false
	}
	return s.live(), true
}

func (s *Session) live() Live {
	l := Live{Session: s.id, Person: s.person, Firm: s.firm, Source: s.arrival.Source, Started: s.started, Watched: s.watched()}
	for _, c := range s.open("") {
		p := c.pass.Load()
		l.Channels = append(l.Channels, LiveChannel{
			Number: c.number, Window: c.window, Kind: p.query.Kind, Until: p.due.wall, In: c.in.Load(), Out: c.out.Load(), Held: p.held, Inspect: p.decision.Duties.Inspect,
			Target: policy.Target{Asset: p.query.Asset, Port: p.query.Port, Account: p.query.Account},
		})
	}
	slices.SortFunc(l.Channels, func(a, b LiveChannel) int { return cmp.Compare(a.Number, b.Number) })
	return l
}

// Sessions lists who is in, in the order of arrival.
func (b *Broker) Sessions() []Live {
	var all []Live
	for _, s := range b.all() {
		all = append(all, s.live())
	}
	slices.SortFunc(all, func(a, b Live) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Session, b.Session))
	})
	return all
}

// With is a session of somebody's that is in and has a window, the oldest; nil: none.
func (b *Broker) With(p policy.PersonID, w policy.WindowID) *Session {
	var found *Session
	for _, s := range b.all() {
		if s.person == p && !s.over.Load() && !s.arrival.Errand && slices.Contains(s.arrival.Windows, w) && (found == nil || s.started.Before(found.started)) {
			found = s
		}
	}
	return found
}

// Say tells the person something, where they read it; it waits for nobody.
func (s *Session) Say(text string) { s.guest.say(text, nil) }
