package sshd

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
)

// controller is a target that speaks TCP: by default it sends back what it
// reads, and after the vendor's end of file its own.
type controller struct {
	port     int
	accepted atomic.Int64
	got      atomic.Int64 // bytes
	serve    atomic.Pointer[func(*net.TCPConn)]
	all      sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
}

func newController(t *testing.T) *controller {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	p := &controller{port: l.Addr().(*net.TCPAddr).Port, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); p.hangUp(); p.all.Wait() })
	p.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.accepted.Add(1)
			p.mu.Lock()
			p.conns[c] = true
			p.mu.Unlock()
			p.all.Go(func() {
				defer func() {
					c.Close()
					p.mu.Lock()
					defer p.mu.Unlock()
					delete(p.conns, c)
				}()
				if f := p.serve.Load(); f != nil {
					(*f)(c.(*net.TCPConn))
					return
				}
				_, _ = io.Copy(c, io.TeeReader(c, counter{&p.got}))
				_ = c.(*net.TCPConn).CloseWrite()
			})
		}
	})
	return p
}

func (p *controller) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *controller) does(f func(*net.TCPConn)) { p.serve.Store(&f) }

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// outer is ann outside, by the name that only jumps and forwards use.
func (h *house) outer(w ...policy.WindowID) *ssh.Client {
	h.t.Helper()
	c, banner, err := h.dialAs("ann", ssh.PublicKeys(h.cert("ann", w...)))
	if err != nil {
		h.t.Fatalf("ann is not let in: %v %s", err, banner)
	}
	return c
}

// tunnel is a channel of direct-tcpip, by hand: x/crypto's Dial hides half of it,
// and waits for ever where the connection ends at that moment.
func tunnel(c *ssh.Client, host string, port int) (ssh.Channel, error) {
	type opened struct {
		ch  ssh.Channel
		err error
	}
	ready, gone := make(chan opened, 1), make(chan error, 1)
	go func() {
		ch, reqs, err := c.OpenChannel("direct-tcpip", ssh.Marshal(forwardWish{host, uint32(port), "127.0.0.1", 50000}))
		ready <- opened{ch, err}
		if err == nil {
			ssh.DiscardRequests(reqs)
		}
	}()
	go func() { gone <- c.Wait() }()
	select {
	case o := <-ready:
		return o.ch, o.err
	case err := <-gone:
		return nil, errors.Join(errors.New("the connection ended"), err)
	}
}

func (h *house) plcOf(c *ssh.Client) ssh.Channel {
	h.t.Helper()
	ch, err := tunnel(c, "filler-plc", h.plc.port)
	if err != nil {
		h.t.Fatalf("the forward is refused: %v; %s", err, h.said)
	}
	return ch
}

// TestForwardByUsualNumber: 502 is the declared modbus port, wherever the plant has moved it.
func TestForwardByUsualNumber(t *testing.T) {
	h := newHouse(t, Limits{})
	ch, err := tunnel(h.outer(h.open(30)), "filler-plc", 502)
	if err != nil {
		t.Fatalf("the forward is refused: %v; %s", err, h.said)
	}
	if _, err := ch.Write([]byte("over")); err != nil {
		t.Fatal(err)
	}
	if err := ch.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := must(io.ReadAll(ch)); string(got) != "over" {
		t.Errorf("%q came back", got)
	}
	if opened := h.events("channel.opened")[0].Body.(audit.ChannelOpened); opened.Port != "modbus" || opened.Target != fmt.Sprintf("127.0.0.1:%d", h.plc.port) {
		t.Errorf("%+v", opened)
	}
}

func TestForwardPassesWholeWithHalfClose(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.outer(h.open(30))
	ch := h.plcOf(c)
	data := make([]byte, 3<<20)
	_, _ = rand.Read(data)
	go func() { _, _ = ch.Write(data); _ = ch.CloseWrite() }()
	got := must(io.ReadAll(ch))
	if !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came back of %d, or others", len(got), len(data))
	}
	eventually(t, "channel.closed", func() bool { return len(h.events("channel.closed")) == 1 })
	opened := h.events("channel.opened")[0].Body.(audit.ChannelOpened)
	closed := h.events("channel.closed")[0].Body.(audit.ChannelClosed)
	if opened.Kind != "direct-tcpip" || opened.Port != "modbus" || opened.Account != "" || opened.Target != fmt.Sprintf("127.0.0.1:%d", h.plc.port) {
		t.Errorf("%+v", opened)
	}
	if closed.In != 3<<20 || closed.Out != 3<<20 || closed.Cause != "" {
		t.Errorf("%+v", closed)
	}
	if len(h.events("session.started")) != 1 {
		t.Error("the first forward did not bring the session about, once")
	}
	c.Close()
	eventually(t, "session.ended", func() bool { return len(h.events("session.ended")) == 1 })
	in, out, marks := h.taped("S-1", 0)
	if !bytes.Equal(in, data) || !bytes.Equal(out, data) || marks != "q m f:in f:out" && marks != "q m f:out f:in" {
		t.Errorf("recorded: %d in, %d out, %s", len(in), len(out), marks)
	}
}

// taped reads a channel of a recording back.
func (h *house) taped(session string, ch int) (in, out []byte, marks string) {
	h.t.Helper()
	rd, err := h.archive.Open(session)
	h.ok(err)
	defer rd.Close()
	for f, err := range rd.Frames(ch, 0) {
		h.ok(err)
		switch f.Mark {
		case recording.In:
			in = append(in, f.Data...)
		case recording.Out:
			out = append(out, f.Data...)
		case recording.EOF:
			marks += " f:" + string(f.Data)
		default:
			marks += " " + string(f.Mark)
		}
	}
	return in, out, strings.TrimSpace(marks)
}

// What a vendor sent before closing without an end of file still reaches the
// machine. It does not answer: one whose answer nobody reads is reset, as by any
// TCP client that leaves, and may stop reading at that.
func TestForwardClosedAtOnceDelivers(t *testing.T) {
	h := newHouse(t, Limits{})
	h.plc.does(func(nc *net.TCPConn) { _, _ = io.Copy(counter{&h.plc.got}, nc) })
	ch := h.plcOf(h.outer(h.open(30)))
	h.plc.got.Store(0)
	_, err := ch.Write(make([]byte, 100_000))
	h.ok(err)
	h.ok(ch.Close())
	eventually(t, "all bytes to arrive", func() bool { return h.plc.got.Load() == 100_000 })
	eventually(t, "channel.closed", func() bool { return len(h.events("channel.closed")) == 1 })
}

func TestForwardServerSpeaksFirstAndResets(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.outer(h.open(30))
	h.plc.does(func(nc *net.TCPConn) {
		_, _ = io.WriteString(nc, "hello")
		_, _ = io.ReadFull(nc, make([]byte, 1))
		_ = nc.SetLinger(0) // RST
	})
	ch := h.plcOf(c)
	b := make([]byte, 5)
	if _, err := io.ReadFull(ch, b); err != nil || string(b) != "hello" {
		t.Fatalf("%v %q", err, b)
	}
	_, _ = ch.Write([]byte("x"))
	if rest, err := io.ReadAll(ch); len(rest) != 0 || err != nil {
		t.Errorf("after the reset: %q %v", rest, err)
	}
	eventually(t, "channel.closed", func() bool { return len(h.events("channel.closed")) == 1 })
	if cause := h.events("channel.closed")[0].Body.(audit.ChannelClosed).Cause; cause != "" && !strings.Contains(cause, "reset") {
		t.Errorf("cause %q", cause)
	}
	// The vendor sends its end of file and goes on reading.
	h.plc.does(func(nc *net.TCPConn) {
		all, _ := io.ReadAll(nc)
		fmt.Fprintf(nc, "%d bytes", len(all))
	})
	ch = h.plcOf(c)
	_, _ = ch.Write([]byte("question"))
	h.ok(ch.CloseWrite())
	if answer := must(io.ReadAll(ch)); string(answer) != "8 bytes" {
		t.Errorf("after the vendor's end of file: %q", answer)
	}
}

func TestForwardsThatAreRefused(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	_, port, _ := net.SplitHostPort(h.addr)
	var own int
	fmt.Sscan(port, &own)
	rows := []struct {
		story, host string
		port        int
		say         string
	}{
		{"an address", "10.20.1.11", 502, "never to addresses"},
		{"loopback", "127.0.0.1", h.plc.port, "never to"},
		{"loopback, short", "127.1", h.plc.port, "never to addresses"},
		{"loopback, hexadecimal", "0x7f000001", h.plc.port, "never to addresses"},
		{"loopback, one number", "2130706433", h.plc.port, "never to addresses"},
		{"loopback, IPv6", "::1", h.plc.port, "never to addresses"},
		{"loopback, in brackets", "[::1]", h.plc.port, "never to addresses"},
		{"loopback, mapped", "::ffff:127.0.0.1", h.plc.port, "never to addresses"},
		{"unspecified", "0.0.0.0", own, "never to addresses"},
		{"metadata", "169.254.169.254", 80, "never to addresses"},
		{"localhost", "localhost", own, "never to the broker"},
		{"localhost, dressed up", "LocalHost.", own, "never to the broker"},
		{"under localhost", "x.localhost", own, "never to the broker"},
		{"another domain", "filler-plc.example.com", 502, "never to addresses"},
		{"a machine outside the window", "press-plc", 502, "none of your open windows"},
		{"the same by ssh", "press-plc.kiel", 22, "none of your open windows"},
		{"a machine that is none", "boiler", 502, "none of your open windows"},
		{"a port that is not declared", "filler-plc", own, "has no port"},
		{"port 0", "filler-plc", 0, "cannot be read"},
		{"a port beyond all", "filler-plc", 65536 + 22, "cannot be read"},
		{"a machine that does not answer", "filler-plc", 9, "does not answer"},
	}
	c := h.outer(w)
	for _, row := range rows {
		_, err := tunnel(c, row.host, row.port)
		var no *ssh.OpenChannelError
		if !errors.As(err, &no) || !strings.Contains(no.Message, row.say) || strings.ContainsAny(no.Message, "\r\n") {
			t.Errorf("%s: %v", row.story, err)
		}
	}
	if n := h.plc.accepted.Load() + h.machine.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	for story, extra := range map[string][]byte{"nothing": nil, "a length of 0xFFFFFFFF": {0xff, 0xff, 0xff, 0xff}, "more behind": append(ssh.Marshal(forwardWish{"filler-plc", 502, "", 0}), 1)} {
		if _, _, err := c.OpenChannel("direct-tcpip", extra); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%s: %v", story, err)
		}
	}
	unopened, _, err := h.dialAs("ann", ssh.PublicKeys(h.cert("ann", h.agreed(30))))
	h.ok(err)
	if _, err := tunnel(unopened, "filler-plc", h.plc.port); err == nil || !strings.Contains(err.Error(), "not open") {
		t.Errorf("an agreed window that is not open: %v", err)
	}
	desk, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann")))
	h.ok(err)
	if _, err := tunnel(desk, "filler-plc", h.plc.port); err == nil || !strings.Contains(err.Error(), "today's certificate") {
		t.Errorf("from desk@: %v", err)
	}
}

func TestCutAndPauseReachForwards(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	c := h.outer(w)
	ch, second := h.plcOf(c), h.plcOf(c)
	echo := func(ch ssh.Channel, s string) string {
		_, _ = io.WriteString(ch, s)
		b := make([]byte, len(s))
		_, _ = io.ReadFull(ch, b)
		return string(b)
	}
	if echo(ch, "a") != "a" || echo(second, "b") != "b" {
		t.Fatal("no echo")
	}
	_, err := h.desk.Pause(h.ctx, h.actor("mia"), w, "a look at the line")
	h.ok(err)
	before := h.plc.got.Load()
	_, _ = io.WriteString(ch, "held")
	if _, err := tunnel(c, "filler-plc", h.plc.port); err == nil || !strings.Contains(err.Error(), "paused") {
		t.Errorf("a forward during the pause: %v", err)
	}
	if now := h.plc.got.Load(); now != before {
		t.Errorf("%d bytes passed while the window was paused", now-before)
	}
	_, err = h.desk.GoOn(h.ctx, h.actor("mia"), w)
	h.ok(err)
	b := make([]byte, 4)
	if _, err := io.ReadFull(ch, b); err != nil || string(b) != "held" {
		t.Fatalf("after the pause: %q %v", b, err)
	}
	before = h.plc.got.Load()
	flood := make(chan struct{})
	go func() { // a vendor that goes on sending
		defer close(flood)
		for {
			if _, err := second.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
	}()
	eventually(t, "the flood to arrive", func() bool { return h.plc.got.Load() > before })
	go func() { _, _ = io.Copy(io.Discard, second) }()
	_, err = h.desk.Cut(h.ctx, h.actor("mia"), w, "water on the floor")
	h.ok(err)
	_ = c.Wait()
	<-flood
	eventually(t, "session.ended", func() bool { return len(h.events("session.ended")) == 1 })
	passed := int64(0)
	for _, leaf := range h.events("channel.closed") {
		b := leaf.Body.(audit.ChannelClosed)
		passed += b.In
		if !strings.Contains(b.Cause, "water on the floor") {
			t.Errorf("channel %d closed because %q", b.Channel, b.Cause)
		}
	}
	if got := h.plc.got.Load(); got > passed {
		t.Errorf("the machine has %d bytes, and %d were let through before the cut", got, passed)
	}
	if _, err := tunnel(c, "filler-plc", h.plc.port); err == nil {
		t.Error("a forward after the cut")
	}
}

// A machine that never reads, and a vendor that never reads, end with the window.
func TestForwardThatNobodyReads(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	c := h.outer(w)
	over := make(chan struct{})
	defer close(over)
	h.plc.does(func(nc *net.TCPConn) { <-over })
	deaf := h.plcOf(c)
	stuck := make(chan struct{})
	go func() {
		defer close(stuck)
		for {
			if _, err := deaf.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}()
	h.plc.does(func(nc *net.TCPConn) {
		for {
			if _, err := nc.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mute := h.plcOf(c) // never read
	defer mute.Close()
	start := time.Now()
	_, err := h.desk.Cut(h.ctx, h.actor("mia"), w, "enough")
	h.ok(err)
	_ = c.Wait()
	<-stuck
	eventually(t, "session.ended", func() bool { return len(h.events("session.ended")) == 1 })
	if took := time.Since(start); took > patience {
		t.Errorf("the end took %v", took)
	}
}

// A client that opens forwards without end is refused above the limits, and closed.
func TestThousandForwards(t *testing.T) {
	h := newHouse(t, Limits{})
	c := h.outer(h.open(30))
	opened, refused := 0, 0
	for range 1000 {
		if _, err := tunnel(c, "filler-plc", h.plc.port); err == nil {
			opened++
		} else {
			refused++
		}
	}
	if opened == 0 || opened > 80 || int(h.plc.accepted.Load()) != opened {
		t.Errorf("%d opened, %d refused, %d at the controller", opened, refused, h.plc.accepted.Load())
	}
	if _, err := tunnel(c, "filler-plc", h.plc.port); err == nil {
		t.Error("the connection survived a flood of opens")
	}
	other := h.outer(h.open(30))
	if _, err := tunnel(other, "filler-plc", h.plc.port); err != nil {
		t.Errorf("another connection: %v", err)
	}
}

func TestAssetOf(t *testing.T) {
	d := &Door{Parts: Parts{Names: []string{"broker.example"}, Plant: func() *policy.Plant { return &policy.Plant{Site: policy.Site{ID: "kiel"}} }}}
	for host, want := range map[string]policy.AssetName{
		"filler-plc": "filler-plc", "Filler-PLC.Kiel": "filler-plc", "filler-plc.kiel.": "filler-plc", "kiel": "kiel",
		"filler-plc.kiel.kiel": "", "broker.example": "", "BROKER.example.": "", "filler plc": "", "": "", ".kiel": "", "a\x00b": "", "ﬁller-plc": "", "127.0.0.1.kiel": "",
	} {
		if got, err := d.assetOf(host); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v", host, got, err)
		}
	}
}

// Whatever a client writes, what comes out is an asset's name or nothing.
func FuzzForward(f *testing.F) {
	f.Add(ssh.Marshal(forwardWish{"filler-plc.kiel", 22, "127.0.0.1", 50000}))
	f.Add(ssh.Marshal(forwardWish{"::ffff:127.0.0.1", 65535, "", 0}))
	f.Add(ssh.Marshal(forwardWish{"0x7f.1", 1 << 31, "\x1b]0;x\x07", 1 << 31}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0, 0, 0, 0, 0, 0})
	d := &Door{Parts: Parts{Names: []string{"broker.example"}, Plant: func() *policy.Plant { return &policy.Plant{Site: policy.Site{ID: "kiel"}} }}}
	f.Fuzz(func(t *testing.T, extra []byte) {
		w, err := parseForward(extra)
		if err != nil {
			return
		}
		if w.Port < 1 || w.Port > 65535 || len(w.Host) > maxHost {
			t.Fatalf("%+v", w)
		}
		a, err := d.assetOf(w.Host)
		if (err == nil) != policy.ValidID(string(a)) {
			t.Fatalf("%q gives %q, %v", w.Host, a, err)
		}
		if ip := net.ParseIP(strings.TrimSuffix(w.Host, ".")); ip != nil && err == nil {
			t.Fatalf("an address passes: %q", w.Host)
		}
	})
}

// Forwards and jumps that are being opened while the window is cut: nothing of
// them is left, and the machine has no byte that was not let through before.
func TestOpeningWhileCut(t *testing.T) {
	h := newHouse(t, Limits{Opens: 1000})
	w := h.open(30)
	c := h.outer(w)
	me := ssh.PublicKeys(h.cert("ann", w))
	var openers sync.WaitGroup
	var first sync.Once
	some := make(chan struct{})
	for i := range 8 {
		openers.Go(func() {
			for {
				if i == 0 {
					ch, err := tunnel(c, "filler-plc", 22)
					if err != nil {
						return
					}
					conn, chans, reqs, err := ssh.NewClientConn(innerConn{ch, dummyAddr{}}, "x", &ssh.ClientConfig{User: "logs", Auth: []ssh.AuthMethod{me}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
					if err != nil {
						return
					}
					inner := ssh.NewClient(conn, chans, reqs)
					_, _, _, err = runLine(inner, "true")
					inner.Close()
					if err != nil {
						return
					}
					continue
				}
				ch, err := tunnel(c, "filler-plc", h.plc.port)
				if err != nil {
					return
				}
				go func() { _, _ = io.Copy(io.Discard, ch) }()
				if _, err := ch.Write(make([]byte, 1000)); err != nil {
					return
				}
				first.Do(func() { close(some) })
				if ch.Close() != nil {
					return
				}
			}
		})
	}
	<-some
	_, err := h.desk.Cut(h.ctx, h.actor("mia"), w, "water on the floor")
	h.ok(err)
	dialled := h.plc.accepted.Load()
	_ = c.Wait()
	openers.Wait()
	eventually(t, "session.ended", func() bool { return len(h.events("session.ended")) == 1 })
	passed := int64(0)
	for _, leaf := range h.events("channel.closed") {
		passed += leaf.Body.(audit.ChannelClosed).In
	}
	if opened, closed := len(h.events("channel.opened")), len(h.events("channel.closed")); opened == 0 || opened != closed {
		t.Errorf("%d channels opened, %d closed", opened, closed)
	}
	if got := h.plc.got.Load(); got > passed {
		t.Errorf("the machine has %d bytes, and %d were let through", got, passed)
	}
	if after := h.plc.accepted.Load(); after > dialled+8 { // the listener may be behind the kernel
		t.Errorf("%d connections after the cut", after-dialled)
	}
}
