package dial

import (
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	quickReads = 64        // reads that are acknowledged at once: more than an SSH handshake has
	readAhead  = 128 << 10 // bytes; x/crypto itself reads 4 KiB at a time, and a version line byte by byte
)

// ahead are buffers for what has come and was not asked for yet. A connection
// has one only while there is something in it: an idle one holds none.
var ahead = sync.Pool{New: func() any { return new([readAhead]byte) }}

// Swift makes the reads of an SSH connection cheap. The first are acknowledged
// at once (TCP_QUICKACK, tcp(7), which the kernel forgets by itself): a handshake
// with a peer that waits for acknowledgements takes a third of the time. All are
// as large as what has come. What is no TCP connection is given back as it is.
// One goroutine reads at a time.
func Swift(c net.Conn) net.Conn {
	raw := syscallConn(c)
	if raw == nil {
		return c
	}
	s := &swift{Conn: c, raw: raw}
	s.one = s.take
	return s
}

type swift struct {
	net.Conn
	raw   syscall.RawConn
	reads int // up to quickReads

	came     *[readAhead]byte   // nil: nothing waits
	from, to int                // what of it does
	one      func(uintptr) bool // take, made once: it and its results stand on no stack
	failed   error              // of take
}

func (s *swift) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.came == nil {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.came[s.from:s.to])
	if s.from += n; s.from == s.to {
		ahead.Put(s.came)
		s.came = nil
	}
	return n, nil
}

// fill waits until something has come.
func (s *swift) fill() error {
	if err := s.raw.Read(s.one); err != nil {
		return err // closed, or past its deadline, as net says it
	}
	if s.came != nil {
		return nil
	}
	if s.failed != nil {
		return s.readError()
	}
	return io.EOF
}

// readError is apart, and not inlined, so that it takes nothing from the stack of who waits.
//
//go:noinline
func (s *swift) readError() error {
	return &net.OpError{Op: "read", Net: "tcp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: s.failed}
}

// take reads what has come, which is at least one byte where came is set then;
// false: wait. The buffer is taken only now.
func (s *swift) take(fd uintptr) bool {
	b := ahead.Get().(*[readAhead]byte)
	n, err := readOnce(int(fd), b[:])
	if s.failed = err; n <= 0 || err != nil {
		ahead.Put(b)
		return err != syscall.EAGAIN
	}
	s.came, s.from, s.to = b, 0, n
	if s.reads < quickReads {
		s.reads++
		quickAck(int(fd))
	}
	return true
}

func readOnce(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b) // as net does: the race detector knows that a read follows its write
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// CloseWrite half-closes, where the connection can.
func (s *swift) CloseWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return s.Conn.Close()
}

// quickAck is a hint: without it the handshake is slower, no more.
func quickAck(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1) }

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
