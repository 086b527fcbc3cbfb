package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestSlowBodiesHoldLittle: bodies that never come whole, many over each
// connection of HTTP/2, from one address. Few are under way at any moment, and
// whoever comes next is answered, from there too.
func TestSlowBodiesHoldLittle(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	began, broken := make(chan struct{}, 4*maxCallsSource), make(chan struct{}, 4*maxCallsSource)
	calls := newCalls(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			broken <- struct{}{}
		}
	}))
	server := httptest.NewUnstartedServer(calls)
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	client := func(last byte) *http.Transport {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)}}
		return &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DialContext: dialer.DialContext}
	}
	post := func(c *http.Transport, body io.Reader) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL, body)
		if err != nil {
			return err
		}
		resp, err := c.RoundTrip(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	slow, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	const connections, each = 10, 25
	for range connections {
		c := client(66)
		defer c.CloseIdleConnections()
		for range each {
			all.Go(func() { _ = post(c, never{slow}) }) // broken off, or the test is over
			select {
			case <-began:
			case <-ctx.Done():
				t.Fatal("a call was not served")
			}
		}
	}
	for name, last := range map[string]byte{"the same address": 66, "another": 67} {
		c := client(last)
		defer c.CloseIdleConnections()
		if err := post(c, http.NoBody); err != nil {
			t.Errorf("who comes next, from %s: %v", name, err)
		}
	}
	for range connections*each - maxCallsSource { // the rest goes on
		select {
		case <-broken:
		case <-ctx.Done():
			t.Fatal("more are under way than may be")
		}
	}
}

// never is a body that says something and no more.
type never struct{ context.Context }

func (n never) Read([]byte) (int, error) {
	<-n.Done()
	return 0, io.ErrUnexpectedEOF
}

// TestWhoHoldsMostMakesRoom: and nobody else.
func TestWhoHoldsMostMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		b := newCalls(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-hold:
			case <-r.Context().Done():
			}
		}))
		ended := map[string]int{}
		var mu sync.Mutex
		call := func(source string) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = source + ":1"
			go func() {
				b.ServeHTTP(httptest.NewRecorder(), r)
				mu.Lock()
				defer mu.Unlock()
				ended[source]++
			}()
			synctest.Wait()
		}
		call("192.0.2.1") // somebody's download
		for i := range maxCalls + 100 {
			call(fmt.Sprintf("198.51.100.%d", i%10))
		}
		call("192.0.2.2")
		mu.Lock()
		gone := 0
		for _, n := range ended {
			gone += n
		}
		if ended["192.0.2.1"]+ended["192.0.2.2"] != 0 || gone != 102 || len(b.open) != maxCalls {
			t.Errorf("%v ended, %d are under way", ended, len(b.open))
		}
		mu.Unlock()
		close(hold)
		synctest.Wait()
		time.Sleep(time.Second)
		if len(b.open) != 0 {
			t.Errorf("%d are left", len(b.open))
		}
	})
}
