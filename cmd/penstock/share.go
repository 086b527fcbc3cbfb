package main

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// tlsHandshake begins every TLS connection (RFC 8446 section 5.1: content type 22).
	tlsHandshake = 0x16
	// firstByte is how long a client may wait for us to speak before it is taken
	// for SSH: a TLS client speaks first, an SSH client may wait for the server's
	// line (RFC 4253 section 4.2). Long enough for one lost packet.
	firstByte = time.Second
	// hurry is that where as many wait already as may: a browser's first bytes come
	// with the connection, and silence then means SSH.
	hurry = 150 * time.Millisecond
)

// sharedPort tells SSH and TLS on one port apart by the first byte.
type sharedPort struct {
	l        net.Listener
	room     *sources // counts who waits, in all and of each source
	hurried  *sources // likewise who waits although the room is full
	ssh, tls *branch
	over     chan struct{} // closed with err set
	err      error
	once     sync.Once
}

// branch is the listener of one of the two.
type branch struct {
	*sharedPort
	conns chan net.Conn
	mine  chan struct{} // closed when this branch is
	shut  sync.Once
}

// sharePort serves both from l. The port closes when both branches have.
func sharePort(l net.Listener) (ssh, tls net.Listener) {
	p := &sharedPort{l: l, room: &sources{by: map[string]int{}}, hurried: &sources{by: map[string]int{}}, over: make(chan struct{})}
	p.ssh = &branch{sharedPort: p, conns: make(chan net.Conn), mine: make(chan struct{})}
	p.tls = &branch{sharedPort: p, conns: make(chan net.Conn), mine: make(chan struct{})}
	go p.accept()
	return p.ssh, p.tls
}

func (p *sharedPort) accept() {
	for {
		c, err := p.l.Accept()
		if errors.Is(err, net.ErrClosed) {
			p.end(err)
			return
		}
		if err != nil { // out of file descriptors: whoever accepts says so and waits
			select {
			case p.ssh.conns <- failed{err: err}:
			case <-p.ssh.mine:
				p.end(err)
				return
			}
			continue
		}
		source, err := network(c.RemoteAddr())
		room, patience := p.room, firstByte
		if err == nil && !room.enter(source) {
			room, patience = p.hurried, hurry
			if p.room.has(source) >= maxHTTPSSource || !room.enter(source) {
				room = nil
			}
		}
		if err != nil || room == nil { // SSH's door has limits, and says why it closes
			go p.ssh.give(c)
			continue
		}
		go func() {
			to, c := p.decide(c, patience)
			room.left(source)
			to.give(c)
		}()
	}
}

// decide waits for the first byte.
func (p *sharedPort) decide(c net.Conn, patience time.Duration) (*branch, net.Conn) {
	var first [1]byte
	_ = c.SetReadDeadline(time.Now().Add(patience)) // a connection that takes none is dead, and Read says so
	n, err := c.Read(first[:])
	_ = c.SetReadDeadline(time.Time{})
	switch {
	case n == 1 && first[0] == tlsHandshake:
		return p.tls, &begun{Conn: c, first: first[:]}
	case n == 1:
		return p.ssh, &begun{Conn: c, first: first[:]}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return p.ssh, c
	}
	_ = c.Close()
	return p.ssh, nil
}

func (p *sharedPort) end(err error) {
	p.once.Do(func() { p.err = err; close(p.over) })
}

// give hands a connection to whoever accepts on this branch; nil is nothing.
func (b *branch) give(c net.Conn) {
	if c == nil {
		return
	}
	select {
	case b.conns <- c:
	case <-b.mine:
		_ = c.Close()
	case <-b.over:
		_ = c.Close()
	}
}

func (b *branch) Accept() (net.Conn, error) {
	select {
	case c := <-b.conns:
		if f, ok := c.(failed); ok {
			return nil, f.err
		}
		return c, nil
	case <-b.mine:
		return nil, net.ErrClosed
	case <-b.over:
		return nil, b.err
	}
}

func (b *branch) Addr() net.Addr { return b.l.Addr() }

func (b *branch) Close() error {
	b.shut.Do(func() { close(b.mine) })
	for _, other := range []*branch{b.ssh, b.tls} {
		select {
		case <-other.mine:
		default:
			return nil // the other one goes on
		}
	}
	return b.l.Close()
}

// failed stands for a connection that could not be accepted.
type failed struct {
	net.Conn
	err error
}

// begun is a connection whose first byte was read already.
type begun struct {
	net.Conn
	first []byte
}

func (c *begun) Read(p []byte) (int, error) {
	if len(c.first) == 0 || len(p) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.first)
	c.first = c.first[n:]
	return n, nil
}
