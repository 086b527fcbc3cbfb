package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
)

// boundedListener closes what is too much, at once, so that one source keeps
// nobody else out; and so that a few do not either, a newcomer takes the place
// of a connection that says nothing, of the source that has most of those.
type boundedListener struct {
	net.Listener
	sources

	mu   sync.Mutex
	open []*boundedConn // oldest first
}

func newBounded(l net.Listener) *boundedListener {
	return &boundedListener{Listener: l, sources: sources{by: map[string]int{}}}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		source, err := network(c.RemoteAddr())
		if err == nil && (l.enter(source) || l.instead(source) && l.enter(source)) {
			b := &boundedConn{Conn: c, l: l, source: source}
			l.mu.Lock()
			l.open = append(l.open, b)
			l.mu.Unlock()
			return b, nil
		}
		_ = c.Close() // one too many
	}
}

// instead makes room for a newcomer where there is none: the oldest connection
// without a request under way goes, of the source that has most of those, or
// where there is none the oldest of a source that has half of what one may have.
// Who has as many as one may have takes the place of one of their own: behind one
// address (NAT, a proxy) may be a whole plant, and one who wants to keep it out.
func (l *boundedListener) instead(source string) bool {
	own := l.has(source) >= maxHTTPSSource
	l.mu.Lock()
	var victim *boundedConn
	if own {
		if i := slices.IndexFunc(l.open, func(c *boundedConn) bool { return c.source == source && !c.busy }); i >= 0 {
			victim = l.open[i]
		}
	} else {
		victim = l.most(source, func(c *boundedConn) bool { return !c.busy }, 1)
	}
	if victim == nil && !own {
		victim = l.most(source, func(*boundedConn) bool { return true }, maxHTTPSSource/2)
	}
	l.mu.Unlock()
	if victim == nil {
		return false
	}
	_ = victim.Close()
	return true
}

// most is the oldest such connection of the source that has most of them: at
// least so many, and more than the newcomer's. mu is held.
func (l *boundedListener) most(newcomer string, such func(*boundedConn) bool, least int) (oldest *boundedConn) {
	n := map[string]int{}
	first := map[string]*boundedConn{}
	for _, c := range l.open {
		if such(c) {
			if n[c.source]++; first[c.source] == nil {
				first[c.source] = c
			}
		}
	}
	most := max(least-1, n[newcomer])
	for source, has := range n {
		if has > most {
			most, oldest = has, first[source]
		}
	}
	return oldest
}

// boundedConn is busy while a request of it is under way.
type boundedConn struct {
	net.Conn
	l      *boundedListener
	source string
	busy   bool // l.mu
	once   sync.Once
}

func (c *boundedConn) Close() error {
	c.once.Do(func() {
		c.l.left(c.source)
		c.l.mu.Lock()
		defer c.l.mu.Unlock()
		if i := slices.Index(c.l.open, c); i >= 0 {
			c.l.open = slices.Delete(c.l.open, i, i+1)
		}
	})
	return c.Conn.Close()
}

// boundedState is a server's ConnState.
func boundedState(c net.Conn, s http.ConnState) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if b, ok := c.(*boundedConn); ok {
		b.l.mu.Lock()
		defer b.l.mu.Unlock()
		b.busy = s == http.StateActive
	}
}

// sources counts connections, in all and of each source.
type sources struct {
	counts sync.Mutex
	all    int
	by     map[string]int
}

func (l *sources) enter(source string) bool {
	l.counts.Lock()
	defer l.counts.Unlock()
	if l.all >= maxHTTPS || l.by[source] >= maxHTTPSSource {
		return false
	}
	l.all++
	l.by[source]++
	return true
}

func (l *sources) left(source string) {
	l.counts.Lock()
	defer l.counts.Unlock()
	l.all--
	if l.by[source]--; l.by[source] <= 0 {
		delete(l.by, source)
	}
}

func (l *sources) has(source string) int {
	l.counts.Lock()
	defer l.counts.Unlock()
	return l.by[source]
}

// network is a source as it is counted: IPv6 hosts own 64 bits of addresses.
func network(a net.Addr) (string, error) {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return "", fmt.Errorf("where from: %w", err)
	}
	bits, ip := 32, ap.Addr().Unmap().WithZone("")
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	return p.String(), err
}
