package main

import (
	"fmt"
	"io"
	"net"
	"testing"
)

// Whoever fills the places of those that wait for their first byte keeps no
// browser from the pages: its bytes come with the connection.
func TestSilenceOnASharedPortKeepsNobodyOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ssh, tls := sharePort(l)
	defer ssh.Close()
	defer tls.Close()
	p := tls.(*branch).sharedPort
	first := func(door net.Listener, say string) error {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, say); err != nil {
			return err
		}
		got, err := door.Accept()
		if err != nil {
			return err
		}
		defer got.Close()
		b := make([]byte, len(say))
		if _, err := io.ReadFull(got, b); err != nil || string(b) != say {
			return fmt.Errorf("the door reads %q: %w", b, err)
		}
		return nil
	}
	for i := range maxHTTPS { // they wait, from ten sources
		if !p.room.enter(fmt.Sprintf("192.0.2.%d/32", i/maxHTTPSSource)) {
			t.Fatalf("only %d wait", i)
		}
	}
	if err := first(tls, "\x16\x03\x01"); err != nil {
		t.Errorf("a browser: %v", err)
	}
	if err := first(ssh, "SSH-2.0-x\r\n"); err != nil {
		t.Errorf("a client that speaks first: %v", err)
	}
	if err := first(ssh, ""); err != nil {
		t.Errorf("a client that waits: %v", err)
	}
	p.room.counts.Lock()
	p.room.by["127.0.0.1/32"] = maxHTTPSSource
	p.room.counts.Unlock()
	// And one who has its share itself is SSH's to count.
	if err := first(ssh, "\x16\x03\x01"); err != nil {
		t.Errorf("one too many of a source: %v", err)
	}
	if n := p.hurried.has("127.0.0.1/32"); n != 0 {
		t.Errorf("%d are counted that are gone", n)
	}
}
