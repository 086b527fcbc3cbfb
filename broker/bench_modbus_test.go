package broker_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/relay"
	"penstock/policy"
	"penstock/policy/inspect/modbus"
)

// BenchmarkModbus measures what stands between a client and a machine adds to a
// 12-byte request and its answer, side by side in one run: nothing, a bare Go
// TCP proxy, Penstock's inspected stream with a recorder that acknowledges at
// once, the same with the real one, and HAProxy where it is installed. It
// prints medians in µs, what each adds to nothing, and the ratios of the issue.
func BenchmarkModbus(b *testing.B) {
	machine := listens(b, func(c net.Conn) { answersModbus(c) })
	ways := []*way{{name: "direct", to: machine}, {name: "bare", to: listens(b, func(c net.Conn) { bareProxy(c, machine) })}}
	ways = append(ways, inspectedWay(b, "penstock", machine, true), inspectedWay(b, "penstock-disk", machine, false))
	if path, err := exec.LookPath("haproxy"); err == nil {
		ways = append(ways, &way{name: "haproxy", to: haproxy(b, path, machine)})
	} else {
		b.Log("haproxy is not installed: no ratio to it")
	}
	for _, w := range ways {
		w.dial(b)
		w.ask(b, 200) // warm
		w.took = nil
	}
	for b.Loop() {
		for range 20 { // A B C A B C
			for _, w := range ways {
				w.ask(b, 100)
			}
		}
	}
	added := map[string]float64{}
	for _, w := range ways {
		slices.Sort(w.took)
		p50, p99 := micros(w.took[len(w.took)/2]), micros(w.took[len(w.took)*99/100])
		added[w.name] = p50 - micros(ways[0].took[len(ways[0].took)/2])
		b.Logf("%-14s p50 %6.1f µs, p99 %6.1f µs, adds %6.1f µs", w.name, p50, p99, added[w.name])
	}
	b.ReportMetric(added["penstock"]/added["bare"], "of-bare")
	b.ReportMetric(added["penstock-disk"]/added["bare"], "disk-of-bare")
	if a, is := added["haproxy"]; is {
		b.ReportMetric(added["penstock"]/a, "of-haproxy")
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// way is one way to the machine.
type way struct {
	name string
	to   string
	conn net.Conn
	took []time.Duration
}

func (w *way) dial(b *testing.B) {
	b.Helper()
	if w.conn != nil {
		return
	}
	var err error
	for range 100 { // haproxy does not say when it listens
		if w.conn, err = net.Dial("tcp", w.to); err == nil {
			b.Cleanup(func() { w.conn.Close() })
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.Fatal(err)
}

func (w *way) ask(b *testing.B, n int) {
	b.Helper()
	answer := make([]byte, 11)
	for k := range n {
		request := []byte{0, byte(k), 0, 0, 0, 6, 1, 3, 0, 11, 0, 1}
		began := time.Now()
		if _, err := w.conn.Write(request); err != nil {
			b.Fatal(w.name, err)
		}
		if _, err := io.ReadFull(w.conn, answer); err != nil {
			b.Fatal(w.name, err)
		}
		w.took = append(w.took, time.Since(began))
	}
}

// listens serves each connection until the benchmark's end.
func listens(b *testing.B, serve func(net.Conn)) (address string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			all.Go(func() { defer c.Close(); serve(c) })
		}
	})
	b.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String()
}

func answersModbus(c net.Conn) {
	request := make([]byte, 12)
	for {
		if _, err := io.ReadFull(c, request); err != nil {
			return
		}
		if _, err := c.Write([]byte{request[0], request[1], 0, 0, 0, 5, 1, 3, 2, 0, 1}); err != nil {
			return
		}
	}
}

// bareProxy copies both ways in 64 KiB, which is quicker here than splice.
func bareProxy(c net.Conn, to string) {
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	type only struct{ io.Writer } // no ReadFrom
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.CopyBuffer(only{far}, struct{ io.Reader }{c}, make([]byte, 64<<10))
		far.Close()
	})
	_, _ = io.CopyBuffer(only{c}, struct{ io.Reader }{far}, make([]byte, 64<<10))
	c.Close()
	both.Wait()
}

// inspectedWay is a stream through the gate, the rules, the inspector and a
// recorder: one that acknowledges at once, or the real one on this disk.
func inspectedWay(b *testing.B, name, machine string, atOnce bool) *way {
	b.Helper()
	brokertest.Inspected = true
	plant := brokertest.Plant(b, netip.MustParseAddrPort("127.0.0.1:2201"), 5020, pin)
	brokertest.Inspected = false
	var c *broker.Channel
	if atOnce {
		s := newSceneBy(b, plant, broker.Limits{}, broker.Clock{})
		s.tape.forget = true
		b.Cleanup(func() { _ = s.stop() })
		c = s.open(b, s.admit(b, brokertest.W1), brokertest.Modbus())
	} else {
		r := brokertest.New(b, plant, broker.Limits{})
		c = r.Channel(b, r.Session(b, &brokertest.Guest{}), brokertest.Modbus())
	}
	stream, err := relay.Inspect(c, func() *policy.Plant { return plant }, modbus.New)
	if err != nil {
		b.Fatal(err)
	}
	return &way{name: name, to: listens(b, func(near net.Conn) {
		far, err := net.Dial("tcp", machine)
		if err != nil {
			return
		}
		defer far.Close()
		var both sync.WaitGroup
		both.Go(func() {
			_ = stream.ToTarget(c.Context(), far, near)
			far.Close()
		})
		_ = stream.ToVendor(c.Context(), near, far)
		near.Close()
		both.Wait()
	})}
}

// haproxy forwards TCP to the machine; the port that it listens on.
func haproxy(b *testing.B, path, machine string) (address string) {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	config := filepath.Join(b.TempDir(), "haproxy.cfg")
	text := fmt.Sprintf("defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\nlisten m\n  bind %s\n  server s %s\n", address, machine)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, path, "-db", "-f", config)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cancel(); _ = cmd.Wait() })
	return address
}
