package sshd

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// A context tells those who wait for it one after the other, in any order. Where
// the pump hears of a cut first and is through before the words' turn comes, the
// vendor used to read nothing, and the client waited for ever.
func TestCutIsSaidThoughThePumpIsThroughFirst(t *testing.T) {
	h := newHouse(t, Limits{})
	win := h.open(30)
	session, err := h.broker.Admit(h.ctx, broker.Arrival{Person: "ann", Windows: []policy.WindowID{win}, Serial: "1",
		Key: ssh.FingerprintSHA256(keyOf("ann").PublicKey()), Source: netip.MustParseAddr("127.0.0.1")}, &brokertest.Guest{})
	h.ok(err)
	gate, err := session.Open(h.ctx, policy.Query{Source: netip.MustParseAddr("127.0.0.1"), Asset: "filler-plc", Port: "ssh", Account: "logs", Kind: "exec"})
	h.ok(err)
	p := &page{}
	j := &job{d: h.door, ch: p, screen: newScreen(p), gone: context.Background()}
	j.screen.pty.Store(true)
	w := &wire{job: j, gate: gate, hush: func() bool { return true }} // its turn has not come
	_, err = h.desk.Block(h.ctx, h.actor("mia"), policy.Block{Asset: "filler-plc", Why: "CIP is running"})
	h.ok(err)
	w.over()
	if !strings.Contains(p.said(), "CIP is running") {
		t.Errorf("the vendor reads %q", p.said())
	}
}

// slowPage is a client on a slow line, or a broker whose every session ends at once.
type slowPage struct{ page }

func (p *slowPage) Write(b []byte) (int, error) {
	time.Sleep(2 * time.Second)
	return p.page.Write(b)
}

// The reason reaches a vendor whose line takes seconds for it, and the connection
// is closed after it and not under it.
func TestSlowLineStillReadsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := aloneConn(ours)
		p := &slowPage{}
		s := newScreen(p)
		s.opened("xterm")
		if _, closing := c.enter(s); closing != nil {
			t.Fatal(closing)
		}
		guest{c}.Close(&policy.Refusal{Rule: "recorder", Say: "the disk is full"})
		if !strings.Contains(p.said(), "the disk is full") {
			t.Errorf("the vendor reads %q", p.said())
		}
		if c.ctx.Err() == nil {
			t.Error("the connection is still there")
		}
		if _, closing := c.enter(newScreen(p)); closing == nil || !strings.Contains(c.door.words(closing), "the disk is full") {
			t.Errorf("who comes after it is told %v", closing)
		}
	})
}

// Who reads nothing at all is rid of within four seconds.
func TestDeafLineIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		c := aloneConn(ours)
		p := &page{stuck: make(chan struct{})}
		s := newScreen(p)
		s.opened("xterm")
		_, _ = c.enter(s)
		start := time.Now()
		guest{c}.Close(&policy.Refusal{Rule: "cut", Say: "over"})
		if took := time.Since(start); took > wordTime+toLeave || c.ctx.Err() == nil {
			t.Errorf("%v later: %v", took, c.ctx.Err())
		}
		close(p.stuck)
	})
}

// aloneConn is a connection of a door that does nothing else.
func aloneConn(nc net.Conn) *conn {
	d := &Door{Parts: Parts{Slog: slog.New(slog.DiscardHandler), Limits: Limits{}.filled()}, slots: make(chan struct{}, 1), alive: aliveEvery}
	d.idle = sync.NewCond(&d.mu)
	d.slots <- struct{}{}
	return newConn(d, nc, netip.MustParseAddr("127.0.0.1"))
}
