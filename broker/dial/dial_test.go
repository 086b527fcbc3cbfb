package dial_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/dial"
)

func TestLoginWithAFreshCertificate(t *testing.T) {
	s, g := newStage(t, nil)
	conn, err := s.dialer.SSH(t.Context(), s.channel, brokertest.Maint)
	if err != nil {
		t.Fatal(err)
	}
	want := "maint@plc.kiel broker=a;w=W-1;s=S-1;p=krall/ann"
	if asked := s.ca.all(); !slices.Equal(asked, []string{want}) {
		t.Errorf("certificates: %q", asked)
	}
	for _, try := range g.tries() {
		if try != "maint cert [maint@plc.kiel] broker=a;w=W-1;s=S-1;p=krall/ann" {
			t.Errorf("the target saw: %s", try)
		}
	}
	if _, _, err := conn.OpenChannel("session", nil); err == nil || !strings.Contains(err.Error(), "nothing here") {
		t.Errorf("a channel to the target: %v", err)
	}
	s.Broker.Stop(brokertest.W1, errors.New("cut"))
	if err := conn.Wait(); err == nil {
		t.Error("the connection outlived the cut")
	}
}

func TestAChangedHostKeyGetsNoCredential(t *testing.T) {
	other := newKey(t)
	s, g := newStage(t, nil, line(other.PublicKey()))
	_, err := s.dialer.SSH(t.Context(), s.channel, brokertest.Maint)
	r := refusedBy(t, err)
	if r.Rule != "target-host-key" || !strings.Contains(r.Say, "another key than the plant pinned") || !strings.Contains(r.Say, "OT security") ||
		!strings.Contains(r.Why, ssh.FingerprintSHA256(other.PublicKey())) || !strings.Contains(r.Why, ssh.FingerprintSHA256(g.key.PublicKey())) {
		t.Errorf("%+v", r)
	}
	if tries := g.tries(); len(tries) != 0 {
		t.Errorf("the target got: %v", tries)
	}
}

func TestWithoutAPinNothingIsDialled(t *testing.T) {
	s, g := newStage(t, nil)
	// Policy would refuse the channel; the dialer must not count on it.
	for name, pins := range map[string][]string{
		"none": nil, "no key": {"ssh-ed25519 AAAA"}, "options": {`command="x" ` + line(g.key.PublicKey())},
		"two on a line": {line(g.key.PublicKey()) + "\n" + line(g.key.PublicKey())},
	} {
		if _, err := dial.ParsePins(pins); err == nil || refusedBy(t, err).Rule != "host-key-not-pinned" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.dialer.SSH(t.Context(), s.channel, brokertest.Viewer); refusedBy(t, err).Rule != "account-not-decided" {
		t.Errorf("another account: %v", err)
	}
	s.ca.err = errors.New("the log has failed")
	if _, err := s.dialer.SSH(t.Context(), s.channel, brokertest.Maint); err == nil {
		t.Error("dialled without a certificate")
	}
	if g.mu.Lock(); g.conns != 0 {
		t.Errorf("%d connections were made", g.conns)
	}
	g.mu.Unlock()
}

func TestATargetThatIsDown(t *testing.T) {
	s, _ := newStage(t, nil)
	down := brokertest.New(t, brokertest.Plant(t, brokertest.DeadPort(t), 0, line(newKey(t).PublicKey())), broker.Limits{})
	c := down.Channel(t, down.Session(t, &brokertest.Guest{}), brokertest.Shell(brokertest.Maint))
	if _, err := s.dialer.TCP(t.Context(), c); refusedBy(t, err).Rule != "target-unreachable" {
		t.Errorf("%v", err)
	}
}

func TestAddressesThatAreNeverDialled(t *testing.T) {
	own := []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:2222"), netip.MustParseAddrPort("10.0.0.5:8443"), netip.MustParseAddrPort("[::]:9443")}
	for _, row := range []struct {
		to       string
		loopback bool
		ok       bool
	}{
		{"10.20.1.11:22", false, true},
		{"192.168.7.4:502", false, true},
		{"[fd12:3456::7]:22", false, true},
		{"203.0.113.9:22", false, true},
		{"127.0.0.1:22", false, false},
		{"127.0.0.1:22", true, true},
		{"127.8.9.1:22", false, false},
		{"[::1]:22", false, false},
		{"[::1]:22", true, true},
		{"127.0.0.1:2222", true, false},
		{"127.0.0.1:8443", true, false},
		{"[::1]:9443", true, false},
		{"10.0.0.5:8443", false, false},
		{"0.0.0.0:22", true, false},
		{"[::]:22", true, false},
		{"0.1.2.3:22", true, false},
		{"169.254.169.254:80", true, false},
		{"169.254.1.1:22", true, false},
		{"[fe80::1]:22", true, false},
		{"[fe80::1%eth0]:22", true, false},
		{"224.0.0.1:22", true, false},
		{"[ff02::1]:22", true, false},
		{"255.255.255.255:22", true, false},
		{"240.0.0.1:22", true, false},
		{"[::ffff:127.0.0.1]:22", true, false},
		{"[::ffff:10.20.1.11]:22", true, false},
		{"[::127.0.0.1]:22", true, false},
		{"[64:ff9b::7f00:1]:22", true, false},
		{"[2002:7f00:1::]:22", true, false},
		{"[fd00:ec2::254]:80", true, false},
		{"100.100.100.200:80", true, false},
		{"168.63.129.16:80", true, false},
		{"192.0.0.192:80", true, false},
		{"10.20.1.11:0", true, false},
	} {
		d := &dial.Dialer{Loopback: row.loopback, Own: own}
		if err := d.Allowed(netip.MustParseAddrPort(row.to)); (err == nil) != row.ok {
			t.Errorf("%s, loopback targets %t: %v", row.to, row.loopback, err)
		}
	}
	if err := (&dial.Dialer{Loopback: true}).Allowed(netip.AddrPort{}); err == nil {
		t.Error("no address at all is dialled")
	}
}

// The broker's own port on each address that this machine has.
func TestOwnListenersOnAnyLocalAddress(t *testing.T) {
	d := &dial.Dialer{Loopback: true, Own: []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:2222")}}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		p := netip.MustParsePrefix(a.String())
		if err := d.Allowed(netip.AddrPortFrom(p.Addr().Unmap(), 2222)); err == nil {
			t.Errorf("%s:2222 is dialled", p.Addr())
		}
	}
}

func TestLoopbackTargetsAreRefusedUnlessSaid(t *testing.T) {
	s, g := newStage(t, nil)
	s.dialer.Loopback = false
	if _, err := s.dialer.SSH(t.Context(), s.channel, brokertest.Maint); refusedBy(t, err).Rule != "target-address" {
		t.Errorf("%v", err)
	}
	s.dialer.Loopback, s.dialer.Own = true, []netip.AddrPort{g.at}
	if _, err := s.dialer.TCP(t.Context(), s.channel); refusedBy(t, err).Rule != "target-address" {
		t.Errorf("%v", err)
	}
}

// What a target may try: each must leave the broker's side whole, and get nothing.
func TestHostileTargets(t *testing.T) {
	flood := bytes.Repeat([]byte("\x1b]0;owned\a A"), 20_000)
	for name, row := range map[string]struct {
		bend func(*target)
		rule string // "" : login works
	}{
		"asks for a password in keyboard-interactive": {func(g *target) { g.ca = g.key.PublicKey() }, "target-login"},
		"a banner of 200 kB":                          {func(g *target) { g.banner = string(flood) }, ""},
		"opens channels and asks": {func(g *target) {
			g.serve = func(_ net.Conn, c *ssh.ServerConn, chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) {
				go ssh.DiscardRequests(reqs)
				for _, kind := range []string{"auth-agent@openssh.com", "x11", "forwarded-tcpip", "session", "direct-tcpip"} {
					if ch, _, err := c.OpenChannel(kind, []byte("junk")); err == nil {
						g.try("opened %s", kind)
						ch.Close()
					}
				}
				for _, kind := range []string{"tcpip-forward", "hostkeys-00@openssh.com", "keepalive@openssh.com"} {
					if ok, _, _ := c.SendRequest(kind, true, nil); ok {
						g.try("granted %s", kind)
					}
				}
				close(g.tried)
				for n := range chans {
					n.Reject(ssh.Prohibited, "")
				}
			}
		}, ""},
		"speaks HTTP":     {func(g *target) { g.raw = func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n") } }, "target-handshake"},
		"hangs up":        {func(g *target) { g.raw = func(c net.Conn) {} }, "target-handshake"},
		"an endless line": {func(g *target) { g.raw = func(c net.Conn) { _, _ = c.Write(flood); _, _ = c.Write(flood) } }, "target-handshake"},
		"a packet of 4 GB": {func(g *target) {
			g.raw = func(c net.Conn) {
				_, _ = c.Write(append([]byte("SSH-2.0-x\r\n"), 0xff, 0xff, 0xff, 0xff, 4, 20))
				_, _ = c.Write(flood)
			}
		}, "target-handshake"},
		"old algorithms only": {func(g *target) {
			g.raw = func(c net.Conn) {
				config := &ssh.ServerConfig{Config: ssh.Config{KeyExchanges: []string{"diffie-hellman-group14-sha1"}}, NoClientAuth: true}
				config.AddHostKey(g.key)
				if sc, _, _, err := ssh.NewServerConn(c, config); err == nil {
					sc.Close()
				}
			}
		}, "target-old-ssh"},
	} {
		t.Run(name, func(t *testing.T) {
			s, g := newStage(t, row.bend)
			conn, err := s.dialer.SSH(t.Context(), s.channel, brokertest.Maint)
			switch {
			case row.rule == "" && err != nil:
				t.Fatal(err)
			case row.rule != "" && refusedBy(t, err).Rule != row.rule:
				t.Errorf("refused by %v", err)
			}
			if g.serve != nil {
				<-g.tried
			}
			if conn != nil {
				conn.Close()
			}
			for _, try := range g.tries() {
				if strings.HasPrefix(try, "opened") || strings.HasPrefix(try, "granted") || strings.Contains(try, "password") || strings.Contains(try, "plain") {
					t.Errorf("the target got: %s", try)
				}
			}
			s.channel.Close("", nil)
			notes := s.Recorded(t, s.session.ID(), 0, recording.Note)
			if len(notes) > 8<<10 || bytes.ContainsAny(notes, "\x1b\a") {
				t.Errorf("%d bytes of notes: %.100q", len(notes), notes)
			}
			if g.banner != "" && !bytes.Contains(notes, []byte("owned")) {
				t.Errorf("the banner is not on the record: %q", notes)
			}
		})
	}
}

func TestAnRSAPinAsksForSHA2Only(t *testing.T) {
	if got := dial.PinAlgorithms([]ssh.PublicKey{rsaKey(t)}, nil); !slices.Equal(got, []string{"rsa-sha2-256", "rsa-sha2-512"}) {
		t.Errorf("%v", got)
	}
	if got := dial.PinAlgorithms([]ssh.PublicKey{newKey(t).PublicKey()}, nil); !slices.Equal(got, []string{"ssh-ed25519"}) {
		t.Errorf("%v", got)
	}
}

// A target that answers nothing is left when the channel ends, at once.
func TestACutDuringTheHandshake(t *testing.T) {
	there, gone := make(chan struct{}), make(chan struct{})
	s, _ := newStage(t, func(g *target) {
		g.raw = func(c net.Conn) {
			close(there)
			_, _ = io.Copy(io.Discard, c)
			close(gone)
		}
	})
	failed := make(chan error, 1)
	go func() {
		_, err := s.dialer.SSH(context.Background(), s.channel, brokertest.Maint)
		failed <- err
	}()
	<-there
	s.Broker.Stop(brokertest.W1, errors.New("cut by Mia"))
	<-gone
	if r := refusedBy(t, <-failed); r.Rule != "window-cut" || !strings.Contains(r.Say, "cut by Mia") {
		t.Errorf("%+v", r)
	}
}

func TestACallerWhoLeavesDuringTheHandshake(t *testing.T) {
	there := make(chan struct{})
	s, _ := newStage(t, func(g *target) {
		g.raw = func(c net.Conn) { close(there); _, _ = io.Copy(io.Discard, c) }
	})
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := s.dialer.SSH(ctx, s.channel, brokertest.Maint)
		failed <- err
	}()
	<-there
	cancel()
	if err := <-failed; err == nil {
		t.Error("logged in after the caller had left")
	}
}

func TestAConnectionOfTheDialerHalfCloses(t *testing.T) {
	s, _ := newStage(t, func(g *target) {
		g.raw = func(c net.Conn) {
			b, _ := io.ReadAll(c)
			_, _ = c.Write(append([]byte("got "), b...))
		}
	})
	c, err := s.dialer.TCP(t.Context(), s.channel)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(c, strings.NewReader("all")); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(c); err != nil || string(b) != "got all" {
		t.Errorf("%q, %v", b, err)
	}
	s.Broker.Stop(brokertest.W1, nil)
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("a write after the end")
	}
}
