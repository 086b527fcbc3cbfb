// Package sshd is the SSH front door: who comes in, as what, and with which
// limits. Authentication lives in x/crypto callbacks only; gliderlabs/ssh is
// connection loop and channel dispatch (reference/ssh-traps.md).
//
// It trusts no offered key, only proven ones, and no user name but the last.
// It decides nothing about access: ca says what a certificate is worth, login
// whose key and code it is, broker whether the person gets in and where to.
//
// Begin with auth.go (who somebody is), then conn.go and channel.go (what they open);
// text.go serves desk@ and cert@, jump.go and forward.go the other ways in.
package sshd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	glider "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker"
	"penstock/broker/ca"
	"penstock/broker/dial"
	"penstock/broker/login"
	"penstock/broker/sftp"
	"penstock/broker/verbs"
	"penstock/policy"
	"penstock/policy/inspect"
)

// Log is where refusals at the door are told.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Parts of a Door.
type Parts struct {
	Plant   func() *policy.Plant
	Broker  *broker.Broker
	CA      *ca.Authorities
	Dialer  *dial.Dialer
	Holding sftp.Holding // where files wait; nil: they cannot, and are refused
	Proofs  *login.Proofs
	Roster  *people.Roster
	Clerk   *verbs.Clerk
	Log     Log
	Names   []string // host certificate names
	Limits  Limits
	Slog    *slog.Logger
	Now     func() time.Time

	Inspectors inspect.All // of this build
}

// Door listens for SSH.
type Door struct {
	Parts
	srv     *glider.Server
	slots   chan struct{} // handshakes under way
	inners  chan struct{} // the same, of jumps
	sources *sources
	told    *teller
	alive   time.Duration // between keepalives
	// Tests break the callbacks here, to see that SelfTest notices: of the door, and behind a jump.
	spoil, spoilInner func(*ssh.ServerConfig)

	mu     sync.Mutex
	conns  map[*conn]struct{}
	active int        // connections and channel handlers that still run
	idle   *sync.Cond // on mu: active went down
}

// New makes a door; it does no I/O.
func New(p Parts) (*Door, error) {
	if p.Broker == nil || p.CA == nil || p.Proofs == nil || p.Roster == nil || p.Clerk == nil || p.Log == nil || len(p.Names) == 0 {
		return nil, errors.New("ssh door: Broker, CA, Proofs, Roster, Clerk, Log and Names are needed")
	}
	if p.Slog == nil {
		p.Slog = slog.New(slog.DiscardHandler)
	}
	if p.Now == nil {
		p.Now = time.Now
	}
	p.Limits = p.Limits.filled()
	d := &Door{Parts: p, slots: make(chan struct{}, p.Limits.Handshakes), inners: make(chan struct{}, p.Limits.Handshakes), sources: newSources(p.Limits),
		told: newTeller(p.Log, p.Now), conns: map[*conn]struct{}{}, alive: aliveEvery}
	d.idle = sync.NewCond(&d.mu)
	d.srv = &glider.Server{
		// Only the plain key stands here: gliderlabs adds it to each fresh config (and would make a key of its own if there were none).
		HostSigners:              []glider.Signer{p.CA.HostKey()},
		ServerConfigCallback:     d.config,
		ConnCallback:             d.greet,
		ConnectionFailedCallback: d.failed,
		ChannelHandlers:          map[string]glider.ChannelHandler{"session": d.channel, "direct-tcpip": d.forward, "default": d.otherChannel},
		RequestHandlers:          map[string]glider.RequestHandler{"default": d.global},
	}
	return d, nil
}

// Serve accepts until ctx ends; it returns when every connection is closed.
// Connections without a session are closed at once, those with one when it
// ends: Broker.Drain tells their people first. After Limits.Drain all are closed.
func (d *Door) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	err := d.accept(ctx, l)
	for _, c := range d.open() {
		c.retire(d.Limits.Drain)
	}
	d.wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// accept hands every connection to its own goroutine at once: nobody who is
// silent, slow or too much can hold it.
func (d *Door) accept(ctx context.Context, l net.Listener) error {
	delay := 5 * time.Millisecond
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			if err == nil {
				nc.Close()
			}
			return err
		}
		if err != nil { // out of file descriptors, and the like: others must be able to leave
			d.Slog.Warn("accept ssh connection", "err", err)
			select {
			case <-time.After(delay):
			case <-ctx.Done():
				return nil
			}
			delay = min(2*delay, time.Second)
			continue
		}
		delay = 5 * time.Millisecond
		c, why := d.admitted(nc)
		if c == nil {
			d.told.metrics.limited.WithLabelValues(why).Inc()
			nc.Close()
			d.begin()
			go func() { // the log must not hold accept up; teller bounds how many there are
				defer d.done()
				d.told.refused(sourceOf(nc), "", "limit", why)
			}()
			continue
		}
		go d.serve(c)
	}
}

// admitted takes a connection in if the limits have room for it.
func (d *Door) admitted(nc net.Conn) (*conn, string) {
	source := sourceOf(nc)
	if !d.sources.enter(source) {
		return nil, "too many connections of this source"
	}
	d.mu.Lock()
	full := len(d.conns) >= d.Limits.Connections
	d.mu.Unlock()
	if full {
		d.sources.leave(source, false)
		return nil, "too many connections"
	}
	if !d.slot(source) {
		d.sources.leave(source, false)
		return nil, "too many handshakes under way"
	}
	c := newConn(d, dial.Swift(nc), source)
	d.mu.Lock()
	d.conns[c] = struct{}{}
	d.active++
	d.mu.Unlock()
	return c, ""
}

// slot takes a place for a handshake. Where all are taken, the source that holds
// most of them gives its oldest to one that holds fewer: a few addresses that
// stay silent keep nobody else out.
func (d *Door) slot(source netip.Addr) bool {
	select {
	case d.slots <- struct{}{}:
		return true
	default:
	}
	greedy := d.greediest(network(source))
	if greedy == nil {
		return false
	}
	greedy.Close() // its place is free when this returns
	select {
	case d.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// greediest is the oldest handshake of the source that has most under way, nil
// where that is no more than one above what this source has.
func (d *Door) greediest(own netip.Addr) (oldest *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held := map[netip.Addr]int{}
	for c := range d.conns {
		if !c.authed.Load() && c.ctx.Err() == nil {
			held[network(c.source)]++
		}
	}
	for c := range d.conns {
		n := held[network(c.source)]
		if c.authed.Load() || c.ctx.Err() != nil || n <= held[own]+1 {
			continue
		}
		most := 0
		if oldest != nil {
			most = held[network(oldest.source)]
		}
		if n > most || n == most && c.began.Before(oldest.began) {
			oldest = c
		}
	}
	return oldest
}

// serve runs one connection to its end. A panic ends the connection, not the server.
func (d *Door) serve(c *conn) {
	defer d.left(c)
	defer d.recovered("connection", c)
	d.srv.HandleConn(c)
}

func (d *Door) left(c *conn) {
	c.Close()
	c.gone()
	if !c.quiet {
		d.sources.leave(c.source, c.authed.Load())
	}
	d.mu.Lock()
	delete(d.conns, c)
	d.mu.Unlock()
	d.done()
}

func (d *Door) open() []*conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*conn, 0, len(d.conns))
	for c := range d.conns {
		all = append(all, c)
	}
	return all
}

func (d *Door) begin() {
	d.mu.Lock()
	d.active++
	d.mu.Unlock()
}

func (d *Door) done() {
	d.mu.Lock()
	d.active--
	d.idle.Broadcast()
	d.mu.Unlock()
}

func (d *Door) wait() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.active > 0 {
		d.idle.Wait()
	}
}

// errBroke is what a vendor reads whose channel met a fault of ours.
var errBroke = &policy.Refusal{Rule: "fault", Say: "Something is wrong here, so this has ended; what else you have open goes on. Tell OT security.", Why: "panic"}

// caught is deferred where one channel is served: end ends that channel, and
// nothing beside it. end may be nil.
func (d *Door) caught(what string, c *conn, end func()) {
	if p := recover(); p != nil {
		d.broke(what, c, p)
		if end != nil {
			end()
		}
	}
}

// broke is apart, and not inlined, so that it takes nothing from the stack of who waits.
//
//go:noinline
func (d *Door) broke(what string, c *conn, p any) {
	d.Slog.Error("panic in the ssh door", "in", what, "source", c.source, "panic", fmt.Sprint(p))
	c.panicked.Store(true)
}

// recovered is deferred in every goroutine that reads a stranger's bytes and is
// no single channel's.
func (d *Door) recovered(what string, c *conn) {
	if p := recover(); p != nil {
		d.broke(what, c, p)
		c.Close()
	}
}
