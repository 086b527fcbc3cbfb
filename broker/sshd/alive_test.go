package sshd

import (
	"net"
	"testing"
)

// connOf is the door's end of the connection that a client has from its address at.
func (h *house) connOf(at net.Addr) *conn {
	h.t.Helper()
	for _, c := range h.door.open() {
		if c.RemoteAddr().String() == at.String() {
			return c
		}
	}
	h.t.Fatalf("nobody is connected from %v", at)
	return nil
}

// neverAnswers lets one keepalive after another be due on a connection whose other
// end is gone, until it is left. The time between them is left out: with a short
// one a busy machine is taken for a dead client.
func neverAnswers(t *testing.T, c *conn) {
	t.Helper()
	eventually(t, "who answers no keepalive is left", func() bool {
		go c.ask() // the first waits for the answer
		return c.ctx.Err() != nil
	})
}
