package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// Over HTTP/2 one connection carries many requests: a stranger who begins as many as
// a connection takes, and ends none, holds a goroutine and a body's room for each.
// Connections are counted, so what one may hold is held small.
func TestAConnectionHoldsFewRequests(t *testing.T) {
	const begun, most = 250, 32
	var under atomic.Int32
	reached := make(chan struct{}, begun)
	h := &plantHouse{slog: slog.New(slog.DiscardHandler)}
	path := filepath.Join(t.TempDir(), "https.pem")
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	try(makeSelfSigned(path, "localhost", time.Now()))
	cert, err := readSelfSigned(path)
	try(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	try(err)
	srv := h.pagesServer(context.Background())
	srv.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		under.Add(1)
		reached <- struct{}{}
		_, _ = io.Copy(io.Discard, r.Body) // never ends
	})
	go srv.Serve(newHTTPS(l, cert, nil))
	defer srv.Close()

	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	try(err)
	defer c.Close()
	frame := func(kind, flags byte, stream uint32, body []byte) { // RFC 9113, 4.1
		head := []byte{byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body)), kind, flags}
		_, err := c.Write(append(binary.BigEndian.AppendUint32(head, stream), body...))
		try(err)
	}
	const headers, reset, settings, ping = 1, 3, 4, 6
	_, err = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	try(err)
	frame(settings, 0, 0, nil)
	post := append([]byte{0x83, 0x87, 0x04, 8}, "/sign-in\x01\x09localhost"...) // RFC 7541: POST, https, path, authority
	for i := range uint32(begun) {
		frame(headers, 4, 2*i+1, post) // the head is whole, and the body never comes
	}
	frame(ping, 0, 0, make([]byte, 8))
	refused := 0
	for {
		var head [9]byte
		_, err := io.ReadFull(c, head[:])
		try(err)
		body := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		_, err = io.ReadFull(c, body)
		try(err)
		if head[3] == reset {
			refused++
		}
		if head[3] == ping && head[4]&1 != 0 { // all before it was looked at
			break
		}
	}
	if refused < begun-most {
		t.Errorf("of %d requests of one connection %d are refused, and %d are under way", begun, refused, begun-refused)
	}
	for range begun - refused {
		<-reached
	}
	if n := under.Load(); n > most {
		t.Errorf("%d requests of one connection are under way", n)
	}
}
