package brokertest

import (
	"context"
	"net"
	"sync"
	"time"
)

// Line is a slow network between a client and a broker: each byte comes Late
// later than it was sent, each way, and so many a second. It may fall silent, and
// it may drop. TCP below it is loopback's: what is lost, is lost to both ends.
type Line struct {
	net.Listener
	late   time.Duration
	rate   int // bytes a second each way; 0: no bound
	to     string
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	silent chan struct{} // closed when it speaks again; nil: it speaks
}

// NewLine listens on loopback for who wants to reach the address to.
func NewLine(to string, late time.Duration, rate int) (*Line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n := &Line{Listener: l, late: late, rate: rate, to: to, conns: map[net.Conn]bool{}}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.all.Go(n.accept)
	return n, nil
}

// Close drops all and waits until nothing of it runs.
func (n *Line) Close() error {
	n.cancel()
	err := n.Listener.Close()
	n.Drop()
	n.all.Wait()
	return err
}

// Drop resets every connection that there is now.
func (n *Line) Drop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // a reset
		}
		_ = c.Close()
	}
}

// Silence lets nothing pass any more, and nobody know; false: it speaks again.
func (n *Line) Silence(yes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case yes && n.silent == nil:
		n.silent = make(chan struct{})
	case !yes && n.silent != nil:
		close(n.silent)
		n.silent = nil
	}
}

func (n *Line) accept() {
	for {
		c, err := n.Listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", n.to)
		if err != nil {
			_ = c.Close()
			continue
		}
		for _, end := range []net.Conn{c, far} { // little fits in between: who is silenced is soon felt
			_ = end.(*net.TCPConn).SetReadBuffer(64 << 10) // an error leaves more room, no more
		}
		n.mu.Lock()
		n.conns[c], n.conns[far] = true, true
		n.mu.Unlock()
		if n.ctx.Err() != nil {
			n.Drop()
		}
		n.all.Go(func() { n.carry(c, far) })
		n.all.Go(func() { n.carry(far, c) })
	}
}

// piece is what was read, and when it is due at the other end.
type piece struct {
	b   []byte
	due time.Time
}

// carry takes one direction; its end is the end of both.
func (n *Line) carry(from, to net.Conn) {
	ctx, cancel := context.WithCancel(n.ctx)
	under := make(chan piece, 64) // on their way: what a network holds
	n.all.Go(func() {
		defer cancel()
		defer n.gone(from, to)
		n.deliver(ctx, under, to)
	})
	defer close(under)
	for {
		b := make([]byte, 4<<10)
		k, err := from.Read(b)
		if k > 0 {
			select {
			case under <- piece{b[:k], time.Now().Add(n.late)}:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (n *Line) deliver(ctx context.Context, under <-chan piece, to net.Conn) {
	for p := range under {
		wait := time.Until(p.due)
		if n.rate > 0 {
			wait = max(wait, 0) + time.Duration(len(p.b))*time.Second/time.Duration(n.rate)
		}
		if !pause(ctx, wait) || !n.speaks(ctx) {
			return
		}
		if _, err := to.Write(p.b); err != nil {
			return
		}
	}
}

func (n *Line) speaks(ctx context.Context) bool {
	n.mu.Lock()
	silent := n.silent
	n.mu.Unlock()
	if silent == nil {
		return true
	}
	select {
	case <-silent:
		return true
	case <-ctx.Done():
		return false
	}
}

func (n *Line) gone(ends ...net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range ends {
		_ = c.Close()
		delete(n.conns, c)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
