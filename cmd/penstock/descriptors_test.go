package main

import (
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Where file descriptors are scarce, who comes is closed at once and who is in works
// on; once there are some again, people get in.
func TestDescriptorsAreSparedForThoseWhoAreIn(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	said := &liveBuffer{}
	l := spare(inner, slog.New(slog.NewTextHandler(said, nil))).(*sparing)
	if l.most < 10 {
		t.Fatalf("of this process' descriptors connections may have %d", l.most)
	}
	var held []*os.File
	for range 200 { // more than tests beside this one take and give back
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, f)
	}
	l.most = int(held[0].Fd()) + 50
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		return c
	}
	late := dial()
	if _, err := late.Read(make([]byte, 1)); err == nil || !strings.Contains(said.String(), "scarce") {
		t.Errorf("with no descriptor to spare: %v, %q", err, said.String())
	}
	late.Close()
	for _, f := range held {
		f.Close()
	}
	in := dial()
	defer in.Close()
	c := <-accepted
	go func() { _, _ = c.Write([]byte("hello")); c.Close() }()
	if b, err := io.ReadAll(in); string(b) != "hello" {
		t.Errorf("with some again: %q, %v", b, err)
	}
	inner.Close()
	<-accepted
}
