package sshd

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limits of the door; zero fields take the defaults.
type Limits struct {
	Handshakes  int           // under way at once, all sources; 64
	PerSource   int           // connections of one source at once that have not authenticated; 16. Together with those that have, four times as many: a firm works from behind one address
	PerSecond   float64       // new connections of one source; 5, burst 20
	Grace       time.Duration // to finish authentication; 30 s (where a code is typed: four times as long)
	Connections int           // at once; 1000
	Drain       time.Duration // how long Serve waits, once it is told to stop, for sessions that nobody ends; 60 s
	Opens       float64       // channel opens per second in one connection; 10, burst 64
}

func (l Limits) filled() Limits {
	l.Handshakes = orElse(l.Handshakes, 64)
	l.PerSource = orElse(l.PerSource, 16)
	l.PerSecond = orElse(l.PerSecond, 5)
	l.Grace = orElse(l.Grace, 30*time.Second)
	l.Connections = orElse(l.Connections, 1000)
	l.Opens = orElse(l.Opens, 10)
	l.Drain = orElse(l.Drain, 60*time.Second)
	return l
}

func orElse[T int | float64 | time.Duration](v, other T) T {
	if v <= 0 {
		return other
	}
	return v
}

// Bounds inside one connection.
const (
	openBurst       = 64
	maxHandlers     = 64   // channel handlers that still run
	maxRefusedOpens = 256  // opens over the limit, before the connection is closed
	maxRequests     = 200  // burst of requests in a channel or connection; 50 a second after that
	maxTries        = 20   // MaxAuthTries: a refused key is no guess (DESIGN 5.1)
	maxCodes        = 3    // wrong codes in one connection: those are guesses
	maxSources      = 4096 // remembered
	insideFactor    = 4    // connections of a source that has people inside, as times PerSource
)

// sources counts the connections of each source. What is remembered of
// sources without a connection is bounded, the oldest forgotten first.
type sources struct {
	limits Limits

	mu    sync.Mutex
	known map[netip.Addr]*list.Element
	order *list.List // *sourceState; newest in front
}

type sourceState struct {
	key  netip.Addr
	open int // not authenticated
	in   int // authenticated
	rate *rate.Limiter
	code *rate.Limiter // guesses at invitations
}

func newSources(l Limits) *sources {
	return &sources{limits: l, known: map[netip.Addr]*list.Element{}, order: list.New()}
}

// network is a source as it is counted: IPv6 hosts own 64 bits of addresses.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

func (s *sources) enter(a netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := network(a)
	e := s.known[key]
	if e == nil {
		s.makeRoom()
		e = s.order.PushFront(&sourceState{key: key, rate: rate.NewLimiter(rate.Limit(s.limits.PerSecond), int(4*s.limits.PerSecond)+1),
			code: rate.NewLimiter(rate.Every(6*time.Second), 10)})
		s.known[key] = e
	}
	s.order.MoveToFront(e)
	st := e.Value.(*sourceState)
	if !st.rate.Allow() || st.open >= s.limits.PerSource || st.open+st.in >= insideFactor*s.limits.PerSource {
		return false
	}
	st.open++
	return true
}

// guess counts one code of an invitation against the source.
func (s *sources) guess(a netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.known[network(a)]
	return e != nil && e.Value.(*sourceState).code.Allow()
}

// authenticated moves one connection of the source to those that have.
func (s *sources) authenticated(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.known[network(a)]; e != nil {
		st := e.Value.(*sourceState)
		st.open--
		st.in++
	}
}

func (s *sources) leave(a netip.Addr, authenticated bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.known[network(a)]
	if e == nil {
		return
	}
	if st := e.Value.(*sourceState); authenticated {
		st.in--
	} else {
		st.open--
	}
}

// makeRoom forgets the oldest source that has no connection. Those that have
// one are bounded by Limits.Connections.
func (s *sources) makeRoom() {
	for e := s.order.Back(); e != nil && len(s.known) >= maxSources; {
		before := e.Prev()
		if st := e.Value.(*sourceState); st.open+st.in == 0 {
			s.order.Remove(e)
			delete(s.known, st.key)
		}
		e = before
	}
}

func sourceOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
