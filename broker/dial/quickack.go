package dial

import (
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// quickReads is how many reads are acknowledged at once: more than an SSH
// handshake has, whose version line is read byte by byte.
const quickReads = 512

// QuickAck acknowledges a connection's first reads at once (TCP_QUICKACK,
// tcp(7), which the kernel forgets by itself): a handshake with a peer that
// waits for acknowledgements takes a third of the time. What is no TCP
// connection is given back as it is.
func QuickAck(c net.Conn) net.Conn {
	if syscallConn(c) == nil {
		return c
	}
	return &quick{Conn: c}
}

type quick struct {
	net.Conn
	reads atomic.Int32
}

func (q *quick) Read(p []byte) (int, error) {
	n, err := q.Conn.Read(p)
	if err == nil && q.reads.Load() < quickReads {
		q.reads.Add(1)
		quickAck(q.Conn)
	}
	return n, err
}

// CloseWrite half-closes, where the connection can.
func (q *quick) CloseWrite() error {
	if c, ok := q.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return q.Conn.Close()
}

func quickAck(c net.Conn) {
	raw := syscallConn(c)
	if raw == nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // it is a hint: without it the handshake is slower, no more
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
	})
}

func syscallConn(c net.Conn) syscall.RawConn {
	var tcp *net.TCPConn
	switch c := c.(type) {
	case *net.TCPConn:
		tcp = c
	case *guarded:
		tcp = c.TCPConn
	default:
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}
