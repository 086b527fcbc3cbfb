package sshd

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit/durable"
	"penstock/audit/durable/faultdisk"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/verbs"
	"penstock/policy"
)

// A context tells those who wait for it one after the other, in any order. Where
// the pump hears of a cut first and is through before the words' turn comes, the
// vendor used to read nothing, and the client waited for ever.
func TestCutIsSaidThoughThePumpIsThroughFirst(t *testing.T) {
	h := newHouse(t, Limits{})
	win := h.open(30)
	gate := h.gate(win)
	p := &page{}
	j := &job{d: h.door, ch: p, screen: newScreen(p), gone: context.Background()}
	j.screen.pty.Store(true)
	w := &wire{job: j, gate: gate, hush: func() bool { return true }} // its turn has not come
	_, err := h.desk.Block(h.ctx, h.actor("mia"), policy.Block{Asset: "filler-plc", Why: "CIP is running"})
	h.ok(err)
	w.over()
	if !strings.Contains(p.said(), "CIP is running") {
		t.Errorf("the vendor reads %q", p.said())
	}
}

// gate is a channel of ann's at the gate, without a client.
func (h *house) gate(win policy.WindowID) *broker.Channel {
	h.t.Helper()
	session, err := h.broker.Admit(h.ctx, broker.Arrival{Person: "ann", Windows: []policy.WindowID{win}, Serial: "1",
		Key: ssh.FingerprintSHA256(keyOf("ann").PublicKey()), Source: netip.MustParseAddr("127.0.0.1")}, &brokertest.Guest{})
	h.ok(err)
	c, err := session.Open(h.ctx, policy.Query{Source: netip.MustParseAddr("127.0.0.1"), Asset: "filler-plc", Port: "ssh", Account: "logs", Kind: "exec"})
	h.ok(err)
	return c
}

// The disk fails under many people at once: each of them reads why, at a shell, a
// command and a transfer of files.
func TestEverybodyReadsThatTheRecordingFailed(t *testing.T) {
	const connections = 8 // of one person, at most
	var broken atomic.Bool
	h := newHouseOf(t, Limits{}, strings.Replace(plantText, "[ssh, modbus", "[ssh, sftp, modbus", 1), func(dir string) durable.FS {
		fault := faultdisk.New(dir)
		fault.On(func(op faultdisk.Op) faultdisk.When {
			if broken.Load() && op.Kind == "sync" {
				return faultdisk.Before
			}
			return faultdisk.Never
		})
		return fault
	})
	win := h.open(30)
	var all sync.WaitGroup
	heard := make(chan string, 3*connections)
	in := make(chan io.Writer, 3*connections)
	for range connections {
		c := h.in(win)
		for _, kind := range []string{"shell", "exec", "subsystem"} {
			ch, reqs := open(t, c)
			go ssh.DiscardRequests(reqs)
			said, payload := ch.Stderr(), ssh.Marshal(struct{ C string }{map[string]string{"exec": "cat", "subsystem": "sftp"}[kind]})
			if kind == "shell" {
				said, payload = ch, nil
				_, err := ch.SendRequest("pty-req", true, ssh.Marshal(ptyWire{"xterm", 80, 24, 0, 0, ""}))
				h.ok(err)
			}
			if ok, err := ch.SendRequest(kind, true, payload); !ok || err != nil {
				t.Fatalf("%s: %v %v", kind, ok, err)
			}
			in <- ch
			all.Go(func() {
				text, _ := io.ReadAll(said) // the connection may end with an error
				heard <- kind + ": " + string(text)
			})
		}
	}
	eventually(t, "all of them inside", func() bool { return len(h.events("channel.opened")) == 3*connections })
	broken.Store(true)
	_, _ = io.WriteString(<-in, "x\n")
	all.Wait()
	close(heard)
	for text := range heard {
		if !strings.Contains(text, "the recording failed") {
			t.Errorf("a vendor reads only %q", text)
		}
	}
}

// slowPage is a client on a slow line, or a broker whose every session ends at once.
type slowPage struct{ page }

func (p *slowPage) Write(b []byte) (int, error) {
	time.Sleep(time.Second) // of the bubble's time: the line's own
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
	d := &Door{Parts: Parts{Slog: slog.New(slog.DiscardHandler), Clerk: &verbs.Clerk{}, Limits: Limits{}.filled()}, slots: make(chan struct{}, 1), alive: aliveEvery}
	d.idle = sync.NewCond(&d.mu)
	d.slots <- struct{}{}
	return newConn(d, nc, netip.MustParseAddr("127.0.0.1"))
}
