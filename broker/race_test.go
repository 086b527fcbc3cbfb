package broker_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/dial"
	"penstock/policy"
)

// 10 000 rounds of a dial that races a cut: when Stop has returned nothing
// more reaches the target, and no connection outlives it.
func TestNoDialOutlivesACut(t *testing.T) {
	const rounds = 10_000
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var target sync.WaitGroup
	var open, accepted atomic.Int64
	target.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			accepted.Add(1)
			target.Go(func() {
				defer open.Add(-1)
				defer c.Close()
				_, _ = io.Copy(io.Discard, c) // until the broker's side is closed
			})
		}
	})
	at := l.Addr().(*net.TCPAddr).AddrPort()
	brokertest.ManyWriters = true
	defer func() { brokertest.ManyWriters = false }()
	plant := brokertest.Plant(t, netip.AddrPortFrom(at.Addr(), 2201), at.Port(), pin)
	s := newScene(t, plant, broker.Limits{SessionsPerPerson: 1000})
	d := &dial.Dialer{Loopback: true}
	var dialled, late atomic.Int64
	var work sync.WaitGroup
	slots := make(chan struct{}, 8*runtime.GOMAXPROCS(0))
	for i := range rounds {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			w := policy.WindowID("W-" + string(rune('a'+i%26)) + time.Duration(i).String())
			raceOnce(t, s, d, w, &dialled, &late)
		})
	}
	work.Wait()
	l.Close()
	ends := make(chan struct{})
	go func() { target.Wait(); close(ends) }()
	select {
	case <-ends:
	case <-time.After(time.Minute):
		t.Errorf("%d of %d connections outlived their cut", open.Load(), accepted.Load())
	}
	if late.Load() != 0 {
		t.Errorf("%d writes passed after Stop had returned", late.Load())
	}
	if dialled.Load() == 0 || dialled.Load() == rounds {
		t.Errorf("%d of %d dials came through: this was no race", dialled.Load(), rounds)
	}
	t.Logf("%d of %d dials came through before their cut; %d connections reached the target", dialled.Load(), rounds, accepted.Load())
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func raceOnce(t *testing.T, s *scene, d *dial.Dialer, w policy.WindowID, dialled, late *atomic.Int64) {
	s.agreement.Put(w, time.Now(), time.Hour, func(*policy.Facts) {})
	ses, err := s.Admit(context.Background(), brokertest.Arrival(w), s.guest)
	if err != nil {
		t.Errorf("admit: %v", err)
		return
	}
	c, err := ses.Open(context.Background(), brokertest.Modbus())
	if err != nil {
		t.Errorf("open: %v", err)
		return
	}
	var stopped atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := d.TCP(context.Background(), c)
		if err != nil {
			return
		}
		dialled.Add(1)
		for {
			before := stopped.Load()
			if forward, err := c.In(context.Background(), []byte("x")); err != nil || !forward {
				return
			}
			if _, err := conn.Write([]byte("x")); err != nil {
				return
			}
			if before {
				late.Add(1)
				return
			}
		}
	}()
	for range rand.IntN(200) {
		runtime.Gosched()
	}
	time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond) // where in the dial the cut falls
	s.Stop(w, errors.New("cut"))
	stopped.Store(true)
	<-done
	<-ses.Done()
}
