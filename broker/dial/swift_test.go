package dial

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/iotest"
	"time"
)

// pair is a TCP connection of this machine with itself.
func pair(t *testing.T) (near net.Conn, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); other.Close() })
	return Swift(c), other.(*net.TCPConn)
}

func TestSwiftGivesEveryByteOnceInOrder(t *testing.T) {
	near, far := pair(t)
	text := make([]byte, 3*readAhead+4711)
	_, _ = rand.Read(text)
	go func() {
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 1+int(rest[0])*97)
			if _, err := far.Write(rest[:n]); err != nil {
				return // the reader says what it lacks
			}
			rest = rest[n:]
		}
		far.CloseWrite()
	}()
	got, err := io.ReadAll(iotest.HalfReader(near))
	if err != nil || !bytes.Equal(got, text) {
		t.Fatalf("got %d bytes of %d, %v", len(got), len(text), err)
	}
	if n, err := near.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("after the end: %d, %v", n, err)
	}
}

func TestSwiftHoldsNoBufferWhileNothingWaits(t *testing.T) {
	near, far := pair(t)
	if _, err := far.Write([]byte("SSH-2.0-x\r\n")); err != nil {
		t.Fatal(err)
	}
	s := near.(*swift)
	for i := range 11 {
		if _, err := io.ReadFull(near, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if held := s.came != nil; held != (i < 10) {
			t.Fatalf("after byte %d: a buffer is held: %v", i, held)
		}
	}
}

func TestSwiftKeepsDeadlinesAndErrors(t *testing.T) {
	near, far := pair(t)
	if err := near.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(make([]byte, 9)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("past the deadline: %v", err)
	}
	if err := near.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	_ = far.SetLinger(0) // a reset
	far.Close()
	if n, err := near.Read(make([]byte, 9)); n != 0 || err == nil || err == io.EOF {
		t.Fatalf("after a reset: %d, %v", n, err)
	}
	near.Close()
	if _, err := near.Read(make([]byte, 9)); !errors.Is(err, net.ErrClosed) {
		t.Fatalf("after Close: %v", err)
	}
}
