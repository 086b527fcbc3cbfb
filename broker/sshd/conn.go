package sshd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	glider "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"penstock/broker"
	"penstock/policy"
)

var errClientGone = errors.New("client")

const (
	aliveEvery  = 15 * time.Second
	aliveMisses = 3
	forever     = time.Hour // until a timer is set
)

// conn is one TCP connection: what gliderlabs reads from.
type conn struct {
	net.Conn
	door   *Door
	source netip.Addr
	began  time.Time
	ctx    context.Context // ends with the connection
	cancel context.CancelCauseFunc
	ssh    glider.Context // of gliderlabs; its ContextKeyConn is set once authentication is over

	release func()      // gives the handshake slot back, once
	grace   *time.Timer // closes who does not finish authentication
	pulse   *time.Timer // asks whether the other end is there; runs once authentication is over

	opens    *rate.Limiter // channel opens
	requests *rate.Limiter // global requests
	refused  atomic.Int32  // opens over the limit
	handlers atomic.Int32
	inners   atomic.Int32 // handshakes of jumps under way
	codes    atomic.Int32 // wrong codes
	lines    atomic.Int32 // of cert@
	bannered atomic.Bool  // one banner for a refused key is help, seven are noise
	authed   atomic.Bool
	panicked atomic.Bool
	received atomic.Int64                    // bytes from the other end
	heard    atomic.Int64                    // of these, when a keepalive was due last
	asking   atomic.Bool                     // a keepalive has no answer yet
	missed   atomic.Int32                    // and so many more were due since
	quiet    bool                            // the self-test's: its refusals are no events
	lastWhy  atomic.Pointer[string]          // of the last refused key, for the log
	agent    atomic.Pointer[policy.ZoneName] // the zone that it is the way into; nil: it is none

	admission sync.Mutex // one Admit at a time; nothing that takes access away needs it
	came      bool       // under admission: login.ok is written for the desk

	mu      sync.Mutex // memory only
	session *broker.Session
	screens map[*screen]struct{}
	notes   []string // sentences that found no screen yet
	closing error    // why the session has ended; nil: it has not
}

func newConn(d *Door, nc net.Conn, source netip.Addr) *conn {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := &conn{Conn: nc, door: d, source: source, began: time.Now(), ctx: ctx, cancel: cancel, screens: map[*screen]struct{}{},
		opens: rate.NewLimiter(rate.Limit(d.Limits.Opens), openBurst), requests: rate.NewLimiter(50, maxRequests)}
	c.release = sync.OnceFunc(func() { <-d.slots })
	c.pulse = time.AfterFunc(forever, c.ask)
	c.pulse.Stop() // until authenticated
	// A deadline would be erased by gliderlabs' own at the first read; a timer is not.
	made := make(chan struct{})
	defer close(made)
	c.grace = time.AfterFunc(d.Limits.Grace, func() {
		<-made
		c.Close() // first: its place must not wait for the log
		d.told.refused(source, "", "grace", "authentication took too long")
	})
	return c
}

// Close closes the connection at once. It is safe to repeat.
func (c *conn) Close() error {
	c.cancel(errClientGone)
	c.grace.Stop()
	c.pulse.Stop()
	c.release()
	return c.Conn.Close()
}

// retire closes the connection when its session has ended, at the latest after
// limit; at once if it has none.
func (c *conn) retire(limit time.Duration) {
	if c.agent.Load() != nil {
		c.outlasts(c.door.Dialer.Agents, limit)
		return
	}
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s == nil {
		c.Close()
		return
	}
	c.door.begin()
	go func() {
		defer c.door.done()
		over := time.NewTimer(limit)
		defer over.Stop()
		select {
		case <-s.Done():
		case <-over.C:
		case <-c.ctx.Done():
		}
		c.Close()
	}()
}

// gone follows when the connection's loop has returned.
func (c *conn) gone() {
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil {
		s.End(errClientGone)
	}
}

// greet ties gliderlabs' context to the connection.
func (d *Door) greet(ctx glider.Context, nc net.Conn) net.Conn {
	c, ok := nc.(*conn)
	if !ok {
		return nil
	}
	c.ssh = ctx
	ctx.SetValue(connKey{}, c)
	return c
}

type connKey struct{}

func connOf(ctx glider.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// patient gives time to type a code.
func (c *conn) patient() {
	if c.grace.Stop() {
		c.grace.Reset(4 * c.door.Limits.Grace)
	}
}

// authenticated is called once, when the last step of authentication is over.
func (c *conn) authenticated() {
	if !c.authed.CompareAndSwap(false, true) {
		return
	}
	c.grace.Stop()
	c.release()
	if !c.quiet {
		c.door.sources.authenticated(c.source)
	}
	c.pulse.Reset(c.door.alive)
}

// Read counts what comes: who sends is there.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

// ask is the pulse: it closes a connection whose other end is gone, which is
// three questions without an answer. Answers of any kind count, and so does all
// else that comes: over a narrow line a question may stand for a minute behind what
// the vendor fetches. It is a timer's and no goroutine of the connection's own:
// most connections are idle.
func (c *conn) ask() {
	if c.ctx.Err() != nil {
		return
	}
	c.door.begin()
	defer c.door.done()
	defer c.door.recovered("keepalive", c)
	c.pulse.Reset(c.door.alive) // first: SendRequest has no time limit of its own
	sc, ok := c.ssh.Value(glider.ContextKeyConn).(*ssh.ServerConn)
	if !ok {
		return
	}
	received := c.received.Load()
	silent := c.heard.Swap(received) == received
	if !c.asking.CompareAndSwap(false, true) {
		if !silent {
			c.missed.Store(0)
		} else if c.missed.Add(1) >= aliveMisses {
			c.Close()
		}
		return
	}
	c.missed.Store(0)
	if _, _, err := sc.SendRequest("keepalive@openssh.com", true, nil); err == nil {
		c.asking.Store(false)
	}
}

// failed hears how a handshake ended that did not succeed.
func (d *Door) failed(nc net.Conn, err error) {
	why := err.Error()
	at := d.byAddr(nc)
	if at != nil && at.quiet {
		return
	}
	if at != nil {
		if last := at.lastWhy.Load(); last != nil {
			why = *last
		}
	}
	d.told.refused(sourceOf(nc), "", "auth", why)
}

// byAddr finds the connection of a failed handshake: gliderlabs hands out its own wrapper.
func (d *Door) byAddr(nc net.Conn) *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.conns {
		if c.RemoteAddr() == nc.RemoteAddr() {
			return c
		}
	}
	return nil
}

// admit brings the vendor's session about, once for the connection.
func (c *conn) admit(ctx context.Context, sc *ssh.ServerConn, v *vendor) (*broker.Session, error) {
	c.admission.Lock()
	defer c.admission.Unlock()
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := c.door.Broker.Admit(ctx, broker.Arrival{Person: v.claim.Person, Windows: v.claim.Windows, Serial: v.claim.Serial, Key: v.claim.Key,
		Source: c.source, Client: clean(string(sc.ClientVersion()), 128), Kex: negotiated(sc)}, guest{c})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	if c.ctx.Err() != nil { // it went while it was being admitted, and gone may have looked before
		s.End(errClientGone)
	}
	return s, nil
}

func negotiated(sc *ssh.ServerConn) string {
	m, ok := sc.Conn.(ssh.AlgorithmsConnMetadata)
	if !ok {
		return ""
	}
	a := m.Algorithms()
	return fmt.Sprintf("%s %s in %s %s out %s %s", a.KeyExchange, a.HostKey, a.Read.Cipher, a.Read.MAC, a.Write.Cipher, a.Write.MAC)
}
