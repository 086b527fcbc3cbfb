package publish

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/outsidetest"
)

// TestSyslog: the real server has in its file what the verifier can use.
func TestSyslog(t *testing.T) {
	r := newRig(t)
	server := outsidetest.Rsyslog(t)
	address, file, pool := server.Address, server.Keeps, server.Pool
	s, err := NewSyslog(address, &tls.Config{RootCAs: pool}, time.Now)
	r.must(err)
	var sent [][]byte
	for range 3 {
		r.grow(2)
		copied, err := s.Send(context.Background(), r.newest())
		r.must(err)
		if !strings.Contains(copied.Said, "own file shows") {
			t.Errorf("it promises more than syslog can: %q", copied.Said)
		}
		sent = append(sent, r.log.Checkpoint())
	}
	var kept [][]byte
	outsidetest.Awaits(t, "three messages in the server's file", func() bool {
		b, _ := os.ReadFile(file)
		kept = audit.FindNotes(b)
		return len(kept) == 3
	})
	for i := range kept {
		if !bytes.Equal(kept[i], sent[i]) {
			t.Errorf("message %d is another checkpoint", i)
		}
	}
	b, err := os.ReadFile(file)
	r.must(err)
	if line, _, _ := strings.Cut(string(b), "\n"); !strings.HasPrefix(line, "109 1 penstock checkpoint checkpoint origin=kiel/penstock/audit/a size=2 root=sha256:") && !strings.HasPrefix(line, "109 1 penstock checkpoint  checkpoint origin=") {
		t.Errorf("the server read %q", line)
	}
	strange, err := NewSyslog(address, &tls.Config{}, time.Now)
	r.must(err)
	if _, err := strange.Send(context.Background(), r.newest()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody trusts: %v", err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestSyslogFaults: a server that drops the line before it has read, and one
// that keeps it open for ever, have not got it.
func TestSyslogFaults(t *testing.T) {
	r := newRig(t)
	r.grow(1)
	cert, key, pool := outsidetest.Pair(t, t.TempDir())
	c, err := tls.LoadX509KeyPair(cert, key)
	r.must(err)
	for what, serve := range map[string]func(net.Conn){
		"reset before reading": func(c net.Conn) {
			tc := c.(*tls.Conn)
			_ = tc.Handshake()
			_ = tc.NetConn().(*net.TCPConn).SetLinger(0)
			_ = tc.NetConn().Close()
		},
		"talks for ever": func(c net.Conn) { _, _ = io.CopyN(c, endless{}, 1<<20); _, _ = io.Copy(io.Discard, c); select {} },
		"open for ever":  func(c net.Conn) { _, _ = io.Copy(io.Discard, c); select {} },
	} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c}})
		r.must(err)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go serve(c)
			}
		}()
		s, err := NewSyslog(l.Addr().String(), &tls.Config{RootCAs: pool}, time.Now)
		r.must(err)
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		if _, err := s.Send(ctx, r.newest()); err == nil {
			t.Errorf("%s: counted as a copy", what)
		}
		cancel()
		l.Close()
	}
	down, err := NewSyslog("127.0.0.1:1", &tls.Config{RootCAs: pool}, time.Now)
	r.must(err)
	if _, err := down.Send(context.Background(), r.newest()); err == nil || !strings.Contains(err.Error(), "not reached") {
		t.Errorf("down: %v", err)
	}
	if _, err := NewSyslog("nohost", nil, time.Now); err == nil {
		t.Error("an address without a port was taken")
	}
}

// TestSyslogCutOnTheWay: somebody on the way throws away what he cannot decrypt
// and closes the line. A server that says no farewell looks the same, so it counts, and is said.
func TestSyslogCutOnTheWay(t *testing.T) {
	r := newRig(t)
	r.grow(1)
	cert, key, pool := outsidetest.Pair(t, t.TempDir())
	c, err := tls.LoadX509KeyPair(cert, key)
	r.must(err)
	for _, says := range []string{"somebody on the way has cut the line", "read by the syslog server"} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c}})
		r.must(err)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			tc := c.(*tls.Conn)
			_ = tc.Handshake()
			if strings.HasPrefix(says, "read") {
				_, _ = io.Copy(io.Discard, c)
				return
			}
			_ = tc.NetConn().(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, tc.NetConn())
		}()
		s, err := NewSyslog(l.Addr().String(), &tls.Config{RootCAs: pool}, time.Now)
		r.must(err)
		copied, err := s.Send(t.Context(), r.newest())
		if err != nil || !strings.Contains(copied.Said, says) {
			t.Errorf("wanted %q: %q, %v", says, copied.Said, err)
		}
		l.Close()
		<-ended
	}
}
