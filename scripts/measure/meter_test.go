package main

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stream is a pipe whose near end is metered; far is for the test.
func stream(ms *meters) (m *meter, far net.Conn) {
	near, far := net.Pipe()
	go func() { // what the meter writes
		buf := make([]byte, 512)
		for {
			if _, err := far.Read(buf); err != nil {
				return
			}
		}
	}()
	return ms.add(end{from: near, to: near, said: func() string { return "cut off" }}), far
}

func TestMeters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ms meters
		_, a := stream(&ms)
		_, b := stream(&ms)
		says := func(c net.Conn) {
			t.Helper()
			if _, err := c.Write([]byte{1}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		refuses := func(want int, words string) {
			t.Helper()
			if err := ms.flowing(want, time.Now()); err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("flowing: %v, want %q", err, words)
			}
		}
		says(a)
		refuses(3, "2 streams, want 3")
		refuses(2, "has brought nothing")
		says(b)
		if err := ms.flowing(2, time.Now()); err != nil {
			t.Errorf("both flow: %v", err)
		}
		time.Sleep(cutFresh + time.Millisecond) // of the bubble's clock
		refuses(2, "too busy")

		says(a)
		time.Sleep(time.Millisecond)
		clicked := time.Now() // nothing comes to a after it; to b 20 ms after
		time.Sleep(20 * time.Millisecond)
		says(b)
		time.Sleep(10 * time.Millisecond)
		a.Close()
		b.Close()
		synctest.Wait()
		refuses(2, `by itself: "cut off"`)
		last, closed, err := ms.after(t.Context(), clicked)
		if err != nil || len(last) != 2 || last[0] != 0 || last[1] != 20 || closed[0] != 30 || closed[1] != 30 {
			t.Errorf("last %v, closed %v, %v; want [0 20], [30 30]", last, closed, err)
		}
	})
}

// A stream that goes on after a click is no figure but an error.
func TestMetersWaitForTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ms meters
		_, far := stream(&ms)
		if _, err := far.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ms.after(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "has not ended") {
			t.Errorf("after: %v", err)
		}
		far.Close()
	})
}
