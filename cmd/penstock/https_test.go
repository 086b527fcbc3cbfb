package main

import (
	"net"
	"net/http"
	"slices"
	"testing"
)

// TestAnIPv6HostIsOneSource: it has 2^64 addresses, and as many connections if
// each address counts for itself.
func TestAnIPv6HostIsOneSource(t *testing.T) {
	l := &sources{by: map[string]int{}}
	let := 0
	for i := range 2 * maxHTTPSSource {
		ip := net.ParseIP("2001:db8::")
		ip[15], ip[14] = byte(i), byte(i>>8)
		source, err := network(&net.TCPAddr{IP: ip, Port: i + 1})
		if err != nil {
			t.Fatal(err)
		}
		if l.enter(source) {
			let++
		}
	}
	if let != maxHTTPSSource {
		t.Errorf("one IPv6 host has %d connections", let)
	}
	for address, want := range map[string]string{"192.0.2.7:1": "192.0.2.7/32", "[::ffff:192.0.2.7]:1": "192.0.2.7/32", "[fe80::1%eth0]:1": "fe80::/64"} {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := network(a); err != nil || got != want {
			t.Errorf("%s counts as %s, %v", address, got, err)
		}
	}
	if source, _ := network(&net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 1}); !l.enter(source) {
		t.Error("somebody else is kept out")
	}
}

// calling is a listener whose callers are made up.
type calling struct {
	net.Listener
	calls []net.Conn
}

func (l *calling) Accept() (net.Conn, error) {
	if len(l.calls) == 0 {
		return nil, net.ErrClosed
	}
	c := l.calls[0]
	l.calls = l.calls[1:]
	return c, nil
}

// stranger is one of them.
type stranger struct {
	net.Conn
	from   net.Addr
	closed bool
}

func (c *stranger) RemoteAddr() net.Addr { return c.from }
func (c *stranger) Close() error         { c.closed = true; return nil }

// Whoever fills every place from a few addresses, or from many, keeps nobody
// else from the pages, and breaks no request of others.
func TestFewSourcesDoNotHoldEveryPlace(t *testing.T) {
	from := func(source, n int) *stranger {
		return &stranger{from: &net.TCPAddr{IP: net.IPv4(10, 9, byte(source>>8), byte(source)), Port: 1000 + n}}
	}
	for name, c := range map[string]struct {
		sources int
		busy    bool
		in      bool
	}{
		"few who say nothing":                {maxHTTPS / maxHTTPSSource, false, true},
		"many who say nothing":               {maxHTTPS, false, true},
		"few with a request each never done": {maxHTTPS / maxHTTPSSource, true, true},
		"many at work":                       {maxHTTPS, true, false}, // nobody of them has more than a reader has
	} {
		t.Run(name, func(t *testing.T) {
			calls := &calling{}
			l := newBounded(calls)
			for i := range maxHTTPS {
				calls.calls = append(calls.calls, from(i%c.sources, i))
			}
			all := slices.Clone(calls.calls)
			for range all {
				conn, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				if c.busy {
					boundedState(conn, http.StateActive)
				}
			}
			mia := from(60_000, 1)
			calls.calls = []net.Conn{mia}
			_, err := l.Accept()
			if in := err == nil && !mia.closed; in != c.in {
				t.Fatalf("one more is let in: %v, %v", in, err)
			}
			gone := slices.DeleteFunc(all, func(c net.Conn) bool { return !c.(*stranger).closed })
			if c.in != (len(gone) == 1) {
				t.Fatalf("%d others were closed", len(gone))
			}
			if l.all != maxHTTPS || len(l.open) != maxHTTPS {
				t.Errorf("%d counted, %d known", l.all, len(l.open))
			}
		})
	}
	t.Run("who has most takes a place of their own", func(t *testing.T) {
		calls := &calling{}
		l := newBounded(calls)
		for i := range maxHTTPS + maxHTTPS/maxHTTPSSource {
			calls.calls = append(calls.calls, from(i%(maxHTTPS/maxHTTPSSource), i))
		}
		all := slices.Clone(calls.calls)
		for {
			if _, err := l.Accept(); err != nil {
				break
			}
		}
		for i, c := range all { // the oldest of each
			if c.(*stranger).closed != (i < maxHTTPS/maxHTTPSSource) {
				t.Fatalf("call %d closed: %v", i, c.(*stranger).closed)
			}
		}
	})
	t.Run("nobody at the same address is kept out by silence", func(t *testing.T) {
		calls := &calling{}
		l := newBounded(calls)
		for i := range maxHTTPSSource {
			calls.calls = append(calls.calls, from(1, i))
		}
		all := slices.Clone(calls.calls)
		for i := range all {
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				boundedState(conn, http.StateActive) // somebody reads there
			}
		}
		mia := from(1, 60_000)
		calls.calls = []net.Conn{mia}
		if _, err := l.Accept(); err != nil || mia.closed || all[0].(*stranger).closed || !all[1].(*stranger).closed {
			t.Errorf("in: %v, %v; the reader is out: %v", !mia.closed, err, all[0].(*stranger).closed)
		}
	})
	t.Run("a request under way is not broken off where others say nothing", func(t *testing.T) {
		calls := &calling{}
		l := newBounded(calls)
		for i := range maxHTTPS {
			calls.calls = append(calls.calls, from(i%(maxHTTPS/maxHTTPSSource), i))
		}
		all := slices.Clone(calls.calls)
		for i := range all {
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if i != 1999 {
				boundedState(conn, http.StateActive)
			}
			if i == 7 {
				boundedState(conn, http.StateIdle)
				boundedState(conn, http.StateActive)
			}
		}
		calls.calls = []net.Conn{from(60_000, 1)}
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		for i, c := range all {
			if c.(*stranger).closed != (i == 1999) {
				t.Fatalf("call %d closed: %v", i, c.(*stranger).closed)
			}
		}
	})
}
