package sshd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"crypto/ed25519"

	"golang.org/x/crypto/ssh"

	"penstock/broker/brokertest"
	"penstock/broker/connect"
	"penstock/policy"
)

// caller is "penstock connect" on a vendor's computer, against the real door.
type connector struct {
	t      *testing.T
	home   string
	asked  int
	events chan map[string]any
	ended  chan error
	seen   []map[string]any
	stop   func()
}

// computer is a vendor's home with the key and the line of known_hosts.
func (h *house) computer(name string) string {
	home := h.t.TempDir()
	h.ok(os.Mkdir(filepath.Join(home, ".ssh"), 0o700))
	seed := make([]byte, 32)
	copy(seed, "seed of "+name)
	block := must(ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(seed), name))
	h.ok(os.WriteFile(filepath.Join(home, ".ssh", "id_ed25519"), pem.EncodeToMemory(block), 0o600))
	h.ok(os.WriteFile(filepath.Join(home, ".ssh", "known_hosts"), []byte("@cert-authority 127.0.0.1,*.kiel "+authorized(h.ca.Host())+"\n"), 0o600))
	return home
}

func (h *house) connects(home string, o connect.Options) *connector {
	h.t.Setenv("SSH_AUTH_SOCK", "")
	c := &connector{t: h.t, home: home, events: make(chan map[string]any, 1000), ended: make(chan error, 1)}
	if o.Broker == "" {
		o.Broker = h.addr
	}
	o.Home, o.JSON = home, true
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(h.ctx)
	c.stop = cancel
	over := make(chan struct{})
	go func() {
		defer close(over)
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			var e map[string]any
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				h.t.Errorf("%s: %v", lines.Text(), err)
			}
			c.events <- e
		}
	}()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err := connect.Run(ctx, o, connect.Terminal{Out: w, Err: io.Discard, Ask: func(context.Context, string, bool) (string, error) {
			c.asked++
			return h.code("ann", 0), nil
		}})
		w.Close()
		<-over // what it said last is heard before its end
		c.ended <- err
	}()
	h.t.Cleanup(func() { cancel(); <-ended; <-over })
	return c
}

// hears waits for an event whose words contain one text.
func (c *connector) hears(event, text string) map[string]any {
	c.t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case e := <-c.events:
			c.seen = append(c.seen, e)
			if e["event"] == event && strings.Contains(fmt.Sprint(e["say"]), text) {
				return e
			}
		case err := <-c.ended:
			if len(c.events) > 0 {
				c.ended <- err
				continue
			}
			c.t.Fatalf("it ended with %v before %s %q; it had said %v", err, event, text, c.seen)
		case <-limit:
			c.t.Fatalf("%s %q is not said, but %v", event, text, c.seen)
		}
	}
}

// end is how it ended; it must, soon.
func (c *connector) end() error {
	c.t.Helper()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(time.Minute):
		c.t.Fatalf("it goes on, and said %d events", len(c.events))
		return nil
	}
}

// local is where a port of an asset is on the vendor's computer.
func (c *connector) local(asset, port string) string {
	for _, e := range c.seen {
		if e["event"] == "listening" && e["asset"] == asset && e["port"] == port {
			return e["local"].(string)
		}
	}
	c.t.Fatalf("%s %s is not listened for: %v", asset, port, c.seen)
	return ""
}

// echo sends a text, half-closes, and reads what comes back.
func echo(addr string, text string) (string, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		return "", err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

func stopped(t *testing.T, err error, code int, say string) {
	t.Helper()
	var s *connect.Stop
	if !errors.As(err, &s) || s.Code != code || !strings.Contains(s.Say, say) {
		t.Errorf("it ends with %v, and should with %d: … %s …", err, code, say)
	}
}

func TestConnectOpensAllPortsForAsLongAsTheWindowLasts(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	home := h.computer("ann")
	c := h.connects(home, connect.Options{Socks: "127.0.0.1:0"})
	c.hears("ready", "")
	if got, err := echo(c.local("filler-plc", "modbus"), "over"); err != nil || got != "over" {
		t.Errorf("through the port: %q, %v", got, err)
	}
	if got := h.echoOverSSH(home, c.local("filler-plc", "ssh")); got != "hello" {
		t.Errorf("stock ssh's way through the port: %q", got)
	}
	h.socksIsHeldToTheWindow(c)

	// The link drops: nobody is asked anything, and the same port works again.
	for _, conn := range h.door.open() {
		conn.Close()
	}
	c.hears("down", "")
	c.hears("up", "")
	if got, err := echo(c.local("filler-plc", "modbus"), "again"); err != nil || got != "again" {
		t.Errorf("after the line was back: %q, %v", got, err)
	}
	if c.asked != 1 {
		t.Errorf("asked for a code %d times", c.asked)
	}

	_, err := h.desk.Pause(h.ctx, h.actor("mia"), w, "Guard door 3 is open")
	h.ok(err)
	c.hears("window", "Guard door 3 is open")
	_, err = h.desk.Cut(h.ctx, h.actor("mia"), w, "smoke")
	h.ok(err)
	stopped(t, <-c.ended, connect.ExitNo, "smoke")
	if _, err := net.Dial("tcp", c.local("filler-plc", "modbus")); err == nil {
		t.Error("a port is still open after the end")
	}

	// And the certificate was left for stock ssh, so a second call asks nothing; but there is no window.
	again := h.connects(home, connect.Options{})
	stopped(t, <-again.ended, connect.ExitNo, "no window of yours is open")
}

// echoOverSSH runs a command by the inner SSH of a jump, as the printed line does.
func (h *house) echoOverSSH(home, addr string) string {
	b := must(os.ReadFile(filepath.Join(home, ".ssh", "id_ed25519-cert.pub")))
	k, _, _, _, err := ssh.ParseAuthorizedKey(b)
	h.ok(err)
	checker := &ssh.CertChecker{IsHostAuthority: func(k ssh.PublicKey, _ string) bool { return bytes.Equal(k.Marshal(), h.ca.Host().Marshal()) }}
	nc, err := net.Dial("tcp", addr)
	h.ok(err)
	conn, chans, reqs, err := ssh.NewClientConn(nc, "filler-plc.kiel:22", &ssh.ClientConfig{User: "logs", HostKeyCallback: checker.CheckHostKey,
		HostKeyAlgorithms: []string{ssh.CertAlgoED25519v01}, Auth: []ssh.AuthMethod{ssh.PublicKeys(must(ssh.NewCertSigner(k.(*ssh.Certificate), keyOf("ann"))))}})
	h.ok(err)
	client := ssh.NewClient(conn, chans, reqs)
	defer client.Close()
	s, err := client.NewSession()
	h.ok(err)
	out, err := s.Output("printf hello")
	h.ok(err)
	return string(out)
}

func (h *house) socksIsHeldToTheWindow(c *connector) {
	h.t.Helper()
	at := ""
	for _, e := range c.seen {
		if e["event"] == "socks" {
			at = e["local"].(string)
		}
	}
	for _, row := range []struct {
		name  string
		ask   []byte
		reply byte
	}{
		{"by name", append([]byte("\x05\x01\x00\x03\x0afiller-plc"), 502>>8, 502&255), 0},
		{"by the site's name", append([]byte("\x05\x01\x00\x03\x0ffiller-plc.kiel"), 502>>8, 502&255), 0},
		{"by the machine's own address", append([]byte("\x05\x01\x00\x01\x7f\x00\x00\x01"), byte(h.plc.port>>8), byte(h.plc.port)), 0},
		{"another machine", append([]byte("\x05\x01\x00\x03\x09press-plc"), 502>>8, 502&255), 2},
		{"another port", append([]byte("\x05\x01\x00\x03\x0afiller-plc"), 0, 80), 2},
		{"another address", []byte("\x05\x01\x00\x01\x0a\x14\x01\x0b\x01\xf6"), 2},
		{"the broker", []byte("\x05\x01\x00\x03\x09localhost\x01\xf6"), 2},
		{"bind", []byte("\x05\x02\x00\x01\x7f\x00\x00\x01\x01\xf6"), 7},
		{"a kind of address that is none", []byte("\x05\x01\x00\x07"), 8},
	} {
		func() {
			s, err := net.Dial("tcp", at)
			h.ok(err)
			defer s.Close()
			_ = s.SetDeadline(time.Now().Add(time.Minute))
			_, _ = s.Write(append([]byte{5, 2, 2, 0}, row.ask...))
			var reply [12]byte
			if _, err := io.ReadFull(s, reply[:]); err != nil || reply[1] != 0 || reply[3] != row.reply {
				h.t.Errorf("SOCKS %s: % x, %v", row.name, reply, err)
				return
			}
			if row.reply != 0 {
				return
			}
			_, _ = io.WriteString(s, "x")
			_ = s.(*net.TCPConn).CloseWrite()
			if b, err := io.ReadAll(s); err != nil || string(b) != "x" {
				h.t.Errorf("SOCKS %s: %q, %v", row.name, b, err)
			}
		}()
	}
}

// A machine that resets, and a stream that the plant cuts, are a reset for the
// program on the vendor's computer; what came before it is there, and an end of
// file is one.
func TestConnectResetsWhatBroke(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	c := h.connects(h.computer("ann"), connect.Options{})
	c.hears("ready", "")
	read := func() (string, error) {
		p, err := net.Dial("tcp", c.local("filler-plc", "modbus"))
		h.ok(err)
		defer p.Close()
		_ = p.SetDeadline(time.Now().Add(time.Minute))
		_, err = io.WriteString(p, "x")
		h.ok(err)
		b, err := io.ReadAll(p)
		return string(b), err
	}
	h.plc.does(func(p *net.TCPConn) {
		_, _ = p.Read(make([]byte, 1))
		_, _ = io.WriteString(p, "half")
		_ = p.SetLinger(0)
	})
	if got, err := read(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a machine that resets: %q, %v", got, err)
	}
	h.plc.does(func(p *net.TCPConn) { _, _ = io.WriteString(p, "all of it") })
	if got, err := read(); err != nil || got != "all of it" {
		t.Errorf("a machine that has said all: %q, %v", got, err)
	}
	there := make(chan struct{})
	h.plc.does(func(p *net.TCPConn) {
		close(there)
		_, _ = io.Copy(io.Discard, p)
	})
	ended := make(chan error, 1)
	go func() { _, err := read(); ended <- err }()
	<-there
	_, err := h.desk.Cut(h.ctx, h.actor("mia"), w, "smoke")
	h.ok(err)
	if err := <-ended; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a stream that was cut: %v", err)
	}
	stopped(t, <-c.ended, connect.ExitNo, "smoke")
}

// Whoever is not proved by the line in known_hosts gets neither key nor code.
func TestConnectTakesNobodysWordForTheBroker(t *testing.T) {
	h := newHouse(t, Limits{})
	h.open(30)
	foreign := keyOf("somebody else's authority").PublicKey()
	for name, known := range map[string]struct {
		lines string
		code  int
		say   string
	}{
		"no line":             {"", connect.ExitError, "no line in"},
		"a bare key":          {"127.0.0.1 " + authorized(h.ca.HostKey().PublicKey()), connect.ExitError, "no line in"},
		"another authority":   {"@cert-authority 127.0.0.1 " + authorized(foreign), connect.ExitNo, "not proved"},
		"for another host":    {"@cert-authority broker.example " + authorized(h.ca.Host()), connect.ExitError, "no line in"},
		"not for this host":   {"@cert-authority *,!127.0.0.1 " + authorized(h.ca.Host()), connect.ExitError, "no line in"},
		"for another port":    {"@cert-authority [127.0.0.1]:1 " + authorized(h.ca.Host()), connect.ExitNo, "not proved"},
		"a revoked authority": {"@cert-authority 127.0.0.1 " + authorized(h.ca.Host()) + "\n@revoked * " + authorized(h.ca.Host()), connect.ExitNo, "not proved"},
	} {
		t.Run(name, func(t *testing.T) {
			home := h.computer("ann")
			h.ok(os.WriteFile(filepath.Join(home, ".ssh", "known_hosts"), []byte(known.lines+"\n"), 0o600))
			before := len(h.events("login.ok"))
			c := h.connects(home, connect.Options{})
			stopped(t, c.end(), known.code, known.say)
			if c.asked != 0 || len(h.events("login.ok")) != before {
				t.Errorf("a code was asked for %d times", c.asked)
			}
		})
	}
}

func TestConnectSaysNo(t *testing.T) {
	h := newHouse(t, Limits{})
	stopped(t, <-h.connects(h.computer("ann"), connect.Options{}).ended, connect.ExitNo, "nothing that was agreed")
	w := h.agreed(30)
	stopped(t, <-h.connects(h.computer("ann"), connect.Options{}).ended, connect.ExitNo, "waits for the shift")
	stopped(t, <-h.connects(h.computer("stranger"), connect.Options{}).ended, connect.ExitNo, "")
	stopped(t, <-h.connects(h.computer("ann"), connect.Options{Windows: []string{"W-99"}}).ended, connect.ExitNo, "no window of yours")
	stopped(t, <-h.connects(h.computer("ann"), connect.Options{Socks: "0.0.0.0:1080"}).ended, connect.ExitUsage, "this computer alone")
	stopped(t, <-h.connects(h.computer("ann"), connect.Options{Broker: brokertest.DeadPort(t).String()}).ended, connect.ExitNoReach, "cannot be reached")

	// With --wait it comes in when the shift opens, and leaves when somebody ends it.
	c := h.connects(h.computer("ann"), connect.Options{Wait: true})
	c.hears("waiting", "")
	eventually(t, "the code is given", func() bool { return len(h.events("login.ok")) > 0 })
	_, err := h.desk.Open(h.ctx, h.actor("mia"), w)
	h.ok(err)
	c.hears("ready", "")
	_, err = h.desk.End(h.ctx, h.actor("mia"), policy.WindowID(w), "done")
	h.ok(err)
	c.hears("end", "is over")
	if err := <-c.ended; err != nil {
		t.Error(err)
	}
}

// Whoever works through "ssh -N" reads at the desk what happens meanwhile.
func TestFollowAWindowAtTheDesk(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(10)
	c, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("ann")))
	h.ok(err)
	s := must(c.NewSession())
	out := bufio.NewScanner(must(s.StdoutPipe()))
	h.ok(s.Start("follow " + string(w)))
	line := func(want string) {
		t.Helper()
		if !out.Scan() || !strings.Contains(out.Text(), want) {
			t.Errorf("%q does not say %q", out.Text(), want)
		}
	}
	line("(10 min left)")
	_, err = h.desk.Pause(h.ctx, h.actor("mia"), w, "guard door")
	h.ok(err)
	line("paused by mia (Shift), because: guard door")
	_, err = h.desk.GoOn(h.ctx, h.actor("mia"), w)
	h.ok(err)
	line("open, ends")
	_, err = h.desk.Cut(h.ctx, h.actor("mia"), w, "smoke")
	h.ok(err)
	line("cut by mia (Shift), because: smoke")
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	for words, code := range map[string]int{"follow": 2, "follow W-99": 3, "follow R-1": 2} {
		if _, got := h.says(c, words); got != code {
			t.Errorf("%s: exit %d", words, got)
		}
	}
	// Another firm's window is none.
	other, _, err := h.dialAs("desk", ssh.PublicKeys(keyOf("bob")))
	h.ok(err)
	if _, got := h.says(other, "follow "+string(w)); got != 0 {
		t.Errorf("a colleague of the same firm: exit %d", got)
	}
}

// says runs one line at the desk.
func (h *house) says(c *ssh.Client, line string) (string, int) {
	s := must(c.NewSession())
	defer s.Close()
	out, err := s.CombinedOutput(line)
	var code *ssh.ExitError
	if errors.As(err, &code) {
		return string(out), code.ExitStatus()
	}
	h.ok(err)
	return string(out), 0
}
