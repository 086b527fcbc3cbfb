package sshd

import (
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
)

// listener is the door's, which may be out of file descriptors for a while.
type listener struct {
	net.Listener
	short atomic.Int32 // Accepts that fail from now on
	fails atomic.Int32 // that have
}

func (l *listener) Accept() (net.Conn, error) {
	if l.short.Load() > 0 {
		l.short.Add(-1)
		l.fails.Add(1)
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: syscall.EMFILE}
	}
	return l.Listener.Accept()
}

// Out of file descriptors, the door waits and goes on: whoever is in works on, and
// who comes meanwhile is served once others have left.
func TestTheDoorOutlivesAcceptsThatFail(t *testing.T) {
	h := newHouse(t, Limits{})
	in := h.in(h.open(30))
	h.listener.short.Store(6)
	first, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann"))) // was waited for before it ran short
	h.ok(err)
	defer first.Close()
	if out, _, code, err := runLine(in, "echo works"); err != nil || code != 0 || out != "works\n" {
		t.Errorf("who was in: %q, exit %d, %v", out, code, err)
	}
	later, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann")))
	if err != nil {
		t.Fatalf("who came meanwhile: %v", err)
	}
	later.Close()
	if h.listener.fails.Load() != 6 {
		t.Errorf("%d Accepts failed", h.listener.fails.Load())
	}
}
