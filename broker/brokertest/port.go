package brokertest

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
)

// nextPort is the port that FreePort tries next: each is given once, and none
// is of those that the system takes for a connection that goes out.
var nextPort = func() *atomic.Int64 {
	var next atomic.Int64
	next.Store(10_000 + rand.Int64N(15_000))
	return &next
}()

// FreePort is a port of 127.0.0.1 that nobody has, and nobody here will get: for a
// process that cannot be handed a listener.
func FreePort() (int, error) {
	for {
		port := int(nextPort.Add(1))
		if port >= 32_000 {
			return 0, errors.New("no port is free")
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
	}
}

// DeadPort is an address where nobody listens while the test runs: it is held by a
// socket that does not, so that nobody else gets it.
func DeadPort(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(at.(*syscall.SockaddrInet4).Port))
}
