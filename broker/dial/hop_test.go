package dial_test

import (
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/broker/brokertest"
)

// Two hops over two real sshd: each is proven by its own pin and entered by its
// own certificate, and the second is reached through the first.
func TestThroughAHost(t *testing.T) {
	ca := &authority{key: newKey(t)}
	plc := startSSHD(t, "ed25519", ca.key.PublicKey(), me()+"@plc.kiel")
	host := startSSHD(t, "ed25519", ca.key.PublicKey(), me()+"@host.kiel", "PermitOpen "+plc.at.String())
	via := "via: {asset: host, account: " + me() + "}"
	jumps := "jumps: {" + me() + ": {login: certificate}}"
	s := stagedBy(t, ca, machine{at: plc.at, pins: plc.pin, asset: via}, machine{at: host.at, pins: host.pin, port: jumps})
	conn, err := s.dialer.SSH(t.Context(), s.channel, myself())
	if err != nil {
		t.Fatalf("%v\nhost: %s\nplc: %s", err, host.said(), plc.said())
	}
	ch, reqs, err := conn.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for r := range reqs {
			_ = r.Reply(false, nil)
		}
	}()
	if ok, err := ch.SendRequest("exec", true, append([]byte{0, 0, 0, 9}, "echo here"...)); err != nil || !ok {
		t.Fatalf("exec: %t, %v", ok, err)
	}
	if out, err := io.ReadAll(ch); err != nil || string(out) != "here\n" {
		t.Errorf("%q, %v", out, err)
	}
	want := []string{me() + "@plc.kiel broker=a;w=W-1;s=S-1;p=krall/ann", me() + "@host.kiel broker=a;w=W-1;s=S-1;p=krall/ann"}
	if got := ca.all(); !slices.Equal(got, want) {
		t.Errorf("certificates: %q", got)
	}
	if said := host.said(); !strings.Contains(said, "port "+strconv.Itoa(int(plc.at.Port()))) && strings.Contains(said, "session") {
		t.Errorf("the host saw: %s", said)
	}
	s.Broker.Stop(brokertest.W1, errors.New("cut"))
	if err := conn.Wait(); err == nil {
		t.Error("the connection outlived the cut")
	}
}

// What is wrong at the host on the way is said of the host, and nothing of the
// target is touched.
func TestAHostThatIsNotRight(t *testing.T) {
	ca := &authority{key: newKey(t)}
	plc := listen(t, ca.key.PublicKey(), nil)
	jumps := "jumps: {hop: {login: certificate}}"
	for name, row := range map[string]struct {
		pin  func(string) string
		bend func(*target)
		rule string
		say  string
	}{
		"another key than pinned":     {func(string) string { return line(newKey(t).PublicKey()) }, nil, "target-host-key", "The host host on the way shows another key"},
		"lets nobody further":         {nil, nil, "target-unreachable", "does not answer through host"},
		"does not trust the out CA":   {nil, func(g *target) { g.ca = g.key.PublicKey() }, "target-login", "does not accept Penstock's certificate"},
		"hangs up before it is asked": {nil, func(g *target) { g.raw = func(net.Conn) {} }, "target-handshake", "did not complete"},
	} {
		t.Run(name, func(t *testing.T) {
			host := listen(t, ca.key.PublicKey(), func(g *target) {
				if g.name = "host"; row.bend != nil {
					row.bend(g)
				}
			})
			pin := line(host.key.PublicKey())
			if row.pin != nil {
				pin = row.pin(pin)
			}
			s := stagedBy(t, ca, machine{at: plc.at, pins: line(plc.key.PublicKey()), asset: "via: {asset: host, account: hop}"}, machine{at: host.at, pins: pin, port: jumps})
			_, err := s.dialer.SSH(t.Context(), s.channel, myself())
			if r := refusedBy(t, err); r.Rule != row.rule || !strings.Contains(r.Say, row.say) {
				t.Errorf("%+v", r)
			}
			if row.pin != nil && len(host.tries()) > 0 {
				t.Errorf("the host got: %v", host.tries())
			}
			plc.mu.Lock()
			defer plc.mu.Unlock()
			if plc.conns > 0 {
				t.Errorf("%d connections to the machine itself", plc.conns)
			}
		})
	}
}

// Elsewhere (CVE-2026-91166) the key of a host on the way was kept under the address of
// the machine behind it, and so the host was let pass for the machine. Here each hop
// has pins of its own: a host that leads back to itself gets nothing of the machine's.
func TestAHostIsNotTheMachineBehindIt(t *testing.T) {
	ca := &authority{key: newKey(t)}
	plc := listen(t, ca.key.PublicKey(), nil)
	host := listen(t, ca.key.PublicKey(), func(g *target) {
		g.name = "host"
		g.serve = func(_ net.Conn, _ *ssh.ServerConn, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) {
			go ssh.DiscardRequests(reqs)
			for n := range chans {
				self, err := net.Dial("tcp", g.at.String())
				if err != nil {
					_ = n.Reject(ssh.ConnectionFailed, "")
					continue
				}
				ch, more, err := n.Accept()
				if err != nil {
					self.Close()
					continue
				}
				go ssh.DiscardRequests(more)
				g.wait.Go(func() { _, _ = io.Copy(ch, self); ch.Close() })
				g.wait.Go(func() { _, _ = io.Copy(self, ch); self.Close() })
			}
		}
	})
	s := stagedBy(t, ca, machine{at: plc.at, pins: line(plc.key.PublicKey()), asset: "via: {asset: host, account: hop}"},
		machine{at: host.at, pins: line(host.key.PublicKey()), port: "jumps: {hop: {login: certificate}}"})
	_, err := s.dialer.SSH(t.Context(), s.channel, myself())
	if r := refusedBy(t, err); r.Rule != "target-host-key" || strings.Contains(r.Say, "on the way") || !strings.Contains(r.Why, ssh.FingerprintSHA256(host.key.PublicKey())) {
		t.Errorf("%+v", r)
	}
	for _, try := range host.tries() {
		if !strings.HasPrefix(try, "hop cert [hop@host.kiel]") {
			t.Errorf("the host, as the machine, got: %s", try)
		}
	}
	host.mu.Lock()
	defer host.mu.Unlock()
	if host.conns != 2 {
		t.Errorf("%d connections to the host: it was not asked to be the machine", host.conns)
	}
}

// A TCP port behind a host: half-closes pass, and the cut ends both.
func TestATCPPortThroughAHost(t *testing.T) {
	ca := &authority{key: newKey(t)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	over := make(chan struct{})
	go func() {
		defer close(over)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		_, _ = c.Write(append([]byte("got "), b...))
	}()
	port := l.Addr().(*net.TCPAddr).Port
	host := startSSHD(t, "ed25519", ca.key.PublicKey(), me()+"@host.kiel")
	plc := startSSHD(t, "ed25519", ca.key.PublicKey(), "nobody@plc.kiel")
	s := stagedBy(t, ca, machine{at: plc.at, pins: plc.pin, asset: "via: {asset: host, account: " + me() + "}", tcp: port},
		machine{at: host.at, pins: host.pin, port: "jumps: {" + me() + ": {login: certificate}}"})
	s.channel = s.Channel(t, s.session, brokertest.Modbus())
	c, err := s.dialer.TCP(t.Context(), s.channel)
	if err != nil {
		t.Fatalf("%v\n%s", err, host.said())
	}
	if _, err := io.WriteString(c, "all"); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || string(b) != "got all" {
		t.Errorf("%q, %v", b, err)
	}
	<-over
	s.Broker.Stop(brokertest.W1, nil)
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a write after the end")
	}
	c.Close()
}
