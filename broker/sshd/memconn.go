package sshd

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// memConn is one end of a buffered connection in memory: unlike net.Pipe a
// write does not wait for its reader, as SSH's opening exchange needs.
// The two ends have TCP addresses, because source-address looks at them.
type memConn struct {
	in, out       *memBuffer
	local, remote net.Addr
}

type memBuffer struct {
	mu     sync.Mutex
	cond   *sync.Cond
	data   []byte
	closed bool
	late   bool // the read deadline has passed
	timer  *time.Timer
}

// maxMem bounds what waits in one direction: a writer waits above it.
const maxMem = 1 << 20

func memPipe(client, server net.Addr) (*memConn, *memConn) {
	a, b := newMemBuffer(), newMemBuffer()
	return &memConn{in: a, out: b, local: client, remote: server}, &memConn{in: b, out: a, local: server, remote: client}
}

func newMemBuffer() *memBuffer {
	b := &memBuffer{}
	b.cond = sync.NewCond(&b.mu)
	return b
}

func (c *memConn) Read(p []byte) (int, error) {
	b := c.in
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.data) == 0 {
		if b.closed {
			return 0, io.EOF
		}
		if b.late {
			return 0, os.ErrDeadlineExceeded
		}
		b.cond.Wait()
	}
	n := copy(p, b.data)
	b.data = b.data[n:]
	b.cond.Broadcast()
	return n, nil
}

func (c *memConn) Write(p []byte) (int, error) {
	b := c.out
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.data) > maxMem && !b.closed {
		b.cond.Wait()
	}
	if b.closed {
		return 0, io.ErrClosedPipe
	}
	b.data = append(b.data, p...)
	b.cond.Broadcast()
	return len(p), nil
}

func (c *memConn) Close() error {
	for _, b := range []*memBuffer{c.in, c.out} {
		b.mu.Lock()
		b.closed = true
		if b.timer != nil {
			b.timer.Stop()
		}
		b.cond.Broadcast()
		b.mu.Unlock()
	}
	return nil
}

func (c *memConn) LocalAddr() net.Addr  { return c.local }
func (c *memConn) RemoteAddr() net.Addr { return c.remote }

func (c *memConn) SetDeadline(t time.Time) error      { return c.SetReadDeadline(t) }
func (c *memConn) SetWriteDeadline(t time.Time) error { return nil } // writes are buffered

func (c *memConn) SetReadDeadline(t time.Time) error {
	b := c.in
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
	b.late = false
	if !t.IsZero() {
		b.timer = time.AfterFunc(time.Until(t), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.late = true
			b.cond.Broadcast()
		})
	}
	return nil
}
