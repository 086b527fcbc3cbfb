package sshd

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"
)

func TestSilentClientsHoldNothing(t *testing.T) {
	h := newHouse(t, Limits{Handshakes: 4, PerSource: 8, PerSecond: 1000, Grace: 2 * time.Second})
	var silent []net.Conn
	for range 20 {
		c := must(net.Dial("tcp", h.addr))
		defer c.Close()
		silent = append(silent, c)
	}
	// The first four are cut after the grace, the others at once; then there is room again.
	for _, c := range silent {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Fatalf("a silent client was still connected after %v: %v", patience, err)
		}
	}
	eventually(t, "a free slot", func() bool {
		c, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann")))
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

func TestOneSourceDoesNotTakeAll(t *testing.T) {
	h := newHouse(t, Limits{PerSource: 3, PerSecond: 1000})
	for range 3 * insideFactor { // a firm behind one address
		if _, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann"))); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann"))); err == nil {
		t.Error("one connection more of the same source is let in")
	}
	eventually(t, "the refusal in the log", func() bool { return len(h.events("access.refused")) > 0 })
}

func TestWhoHasNotAuthenticatedIsFewer(t *testing.T) {
	s := newSources(Limits{PerSource: 3, PerSecond: 1000}.filled())
	a := netip.MustParseAddr("192.0.2.1")
	for range 3 * insideFactor {
		if !s.enter(a) {
			t.Fatal("the next of a firm's people is refused")
		}
		s.authenticated(a)
	}
	if s.enter(a) {
		t.Error("one source has any number of people inside")
	}
	for range 4 {
		s.leave(a, true)
	}
	let := 0
	for range 10 {
		if s.enter(a) {
			let++
		}
	}
	if let != 3 {
		t.Errorf("%d silent connections of one source, not 3", let)
	}
}

// TestFewAddressesDoNotHoldEverySlot: all handshakes belong to one silent
// source; somebody else comes.
func TestFewAddressesDoNotHoldEverySlot(t *testing.T) {
	h := newHouse(t, Limits{Handshakes: 4, PerSource: 8, PerSecond: 1000})
	from := func(ip byte) (client *memConn, in bool) {
		client, server := memPipe(&net.TCPAddr{IP: net.IPv4(192, 0, 2, ip), Port: 1}, doorAddr)
		c, _ := h.door.admitted(server)
		if c == nil {
			server.Close()
			return client, false
		}
		go h.door.serve(c)
		t.Cleanup(func() { c.Close() })
		return client, true
	}
	var greedy []*memConn
	for range 4 {
		c, in := from(1)
		if !in {
			t.Fatal("there was room")
		}
		greedy = append(greedy, c)
	}
	if _, in := from(1); in {
		t.Error("the source that holds every place gets one more")
	}
	for i, c := range []struct {
		ip byte
		in bool
	}{{2, true}, {1, false}, {2, true}, {2, false}, {1, false}} {
		if _, in := from(c.ip); in != c.in {
			t.Errorf("step %d: 192.0.2.%d is let in: %v", i, c.ip, in)
		}
	}
	for i, c := range greedy {
		wait := 300 * time.Millisecond // nothing is to come
		if i < 2 {
			wait = patience
		}
		_ = c.SetReadDeadline(time.Now().Add(wait))
		_, err := io.Copy(io.Discard, c)
		if gone := err == nil; gone != (i < 2) {
			t.Errorf("silent connection %d is gone: %v (%v); the oldest two make room", i, gone, err)
		}
	}
}

func TestSourcesAreBounded(t *testing.T) {
	s := newSources(Limits{}.filled())
	for i := range 3 * maxSources {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if !s.enter(a) {
			t.Fatalf("the first connection of %v is refused", a)
		}
		s.leave(a, false)
	}
	if len(s.known) > maxSources || s.order.Len() != len(s.known) {
		t.Errorf("%d sources are remembered", len(s.known))
	}
	six := netip.MustParseAddr("2001:db8::1")
	for i := range 100 {
		b := six.As16()
		b[15] = byte(i)
		if !s.enter(netip.AddrFrom16(b)) {
			return // one network of 64 bits is one source
		}
	}
	t.Error("an IPv6 host is as many sources as it has addresses")
}

func TestTenThousandChannelOpens(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	c := h.in(h.open(30))
	opened, refused := 0, 0
	for range 10000 {
		_, reqs, err := c.OpenChannel("session", nil)
		var no *ssh.OpenChannelError
		switch {
		case err == nil:
			opened++
			go ssh.DiscardRequests(reqs)
		case errors.As(err, &no):
			refused++
		default: // the connection was closed
			if opened > openBurst+20 || refused > maxRefusedOpens {
				t.Errorf("%d were opened, %d refused before the connection was closed", opened, refused)
			}
			if h.machine.accepted.Load() != 0 {
				t.Error("the machine was dialled")
			}
			other := h.in("W-1")
			if out, _, code, err := runLine(other, "echo well"); err != nil || code != 0 || out != "well\n" {
				t.Errorf("another connection suffers: %q %d %v", out, code, err)
			}
			return
		}
	}
	t.Errorf("10000 opens: %d were opened, %d refused, and the connection still stands", opened, refused)
}

func TestGraceIsKeptToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Only the timer of the connection: what it asks over needs a real handshake, which the others do.
		d := &Door{Parts: Parts{Limits: Limits{}.filled()}, slots: make(chan struct{}, 1), conns: map[*conn]struct{}{}, sources: newSources(Limits{}.filled())}
		d.told = newTeller(&countingLog{}, time.Now)
		d.slots <- struct{}{}
		_, server := memPipe(selfAddr, doorAddr)
		c := newConn(d, server, netip.MustParseAddr("127.0.0.1"))
		start := time.Now()
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("read from nobody")
		}
		if took := time.Since(start); took != d.Limits.Grace {
			t.Errorf("a silent client was closed after %v, not after %v", took, d.Limits.Grace)
		}
		if len(d.slots) != 0 {
			t.Error("its slot was not given back")
		}
	})
}

// deaf drops what it should send once its machine has died.
type deaf struct {
	net.Conn
	dead atomic.Bool
}

func (d *deaf) Write(p []byte) (int, error) {
	if d.dead.Load() {
		return len(p), nil
	}
	return d.Conn.Write(p)
}

func TestDeadClientIsNoticed(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	h.door.alive = 300 * time.Millisecond // nobody here has to answer in it: see TestForwardThatIsIdleStays
	dying := &deaf{Conn: must(net.Dial("tcp", h.addr))}
	c, chans, reqs, err := ssh.NewClientConn(dying, h.addr, &ssh.ClientConfig{User: "desk", Auth: []ssh.AuthMethod{ssh.PublicKeys(keyOf("ann"))},
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, HostKeyCallback: ssh.FixedHostKey(h.ca.HostKey().PublicKey())})
	h.ok(err)
	gone := ssh.NewClient(c, chans, reqs)
	defer gone.Close()
	dying.dead.Store(true)
	over := make(chan error, 1)
	go func() { over <- gone.Wait() }()
	select {
	case <-over:
	case <-time.After(patience):
		t.Error("a client that answers no keepalive is kept")
	}
}
