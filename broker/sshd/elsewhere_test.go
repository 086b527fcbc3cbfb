package sshd

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/policy"
)

// What broke in other brokers and SSH servers, tried here: broker/README.md, "What broke elsewhere".

// everyKind asks for all that a connection can carry, and gives what came of it:
// words of the machine's, and what was taken that never should be.
func everyKind(c *ssh.Client, plc int) (came string, taken []string) {
	for kind, start := range map[string]func(*ssh.Session) error{
		"a shell":          func(s *ssh.Session) error { return s.Shell() },
		"a command":        func(s *ssh.Session) error { return s.Start("echo inside") },
		"scp":              func(s *ssh.Session) error { return s.Start("scp -t /tmp") },
		"rsync":            func(s *ssh.Session) error { return s.Start("rsync --server -e.LsfxCIvu . /tmp") },
		"sftp":             func(s *ssh.Session) error { return s.RequestSubsystem("sftp") },
		"another":          func(s *ssh.Session) error { return s.RequestSubsystem("netconf") },
		"a terminal first": func(s *ssh.Session) error { _ = s.RequestPty("xterm", 24, 80, nil); return s.Shell() },
	} {
		s, err := c.NewSession()
		if err != nil {
			continue
		}
		in, err1 := s.StdinPipe()
		out, err2 := s.StdoutPipe()
		if err1 == nil && err2 == nil && start(s) == nil {
			go func() { _, _ = io.WriteString(in, "echo inside\n"); in.Close() }()
			said, _ := io.ReadAll(out)
			if bytes.Contains(said, []byte("inside")) {
				came += kind + ": " + string(said)
			}
		}
		s.Close()
	}
	for _, to := range []struct {
		host string
		port int
	}{{"filler-plc", plc}, {"filler-plc", 502}, {"filler-plc", 9}, {"filler-plc", 22}, {"filler-plc.kiel", 22}} {
		ch, err := tunnel(c, to.host, to.port)
		if err != nil {
			continue
		}
		go func() { _, _ = io.WriteString(ch, "echoed"); _ = ch.CloseWrite() }()
		said, _ := io.ReadAll(ch)
		if bytes.Contains(said, []byte("echoed")) {
			came += "a forward: " + string(said)
		}
		ch.Close()
	}
	for _, kind := range []string{"x11", "direct-streamlocal@openssh.com", "forwarded-tcpip", "tun@openssh.com", "auth-agent@openssh.com", "nobody@knows"} {
		if ch, _, err := c.OpenChannel(kind, ssh.Marshal(forwardWish{"filler-plc", uint32(plc), "127.0.0.1", 1})); err == nil {
			taken = append(taken, kind)
			ch.Close()
		}
	}
	for _, kind := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "hostkeys-prove-00@openssh.com"} {
		if ok, _, _ := c.SendRequest(kind, true, ssh.Marshal(struct {
			Host string
			Port uint32
		}{"127.0.0.1", 0})); ok {
			taken = append(taken, kind)
		}
	}
	return came, taken
}

// Elsewhere a forward was opened while a session still waited for its approval, and
// what it carried was not recorded; files and copies went past the second factor.
// Here no kind of channel exists before the window is open, or after it.
func TestNothingOfAnyKindWithoutAnOpenWindow(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	mia := h.actor("mia")
	for state, window := range map[string]func() policy.WindowID{
		"agreed": func() policy.WindowID { return h.agreed(30) },
		"ended": func() policy.WindowID {
			w := h.open(30)
			must(h.desk.End(h.ctx, mia, w, "done"))
			return w
		},
		"cut": func() policy.WindowID {
			w := h.open(30)
			must(h.desk.Cut(h.ctx, mia, w, "water on the floor"))
			return w
		},
	} {
		w := window()
		for _, user := range []string{"ann+logs+filler-plc", "ann"} {
			c, _, err := h.dialAs(user, ssh.PublicKeys(h.cert("ann", w)))
			if err != nil {
				continue // not even in
			}
			came, taken := everyKind(c, h.plc.port)
			if inner, _, err := h.behind(c, "filler-plc.kiel", "logs", ssh.PublicKeys(h.cert("ann", w))); err == nil {
				more, also := everyKind(inner, h.plc.port)
				came, taken = came+more, append(taken, also...)
			}
			if came != "" || len(taken) > 0 {
				t.Errorf("%s, as %s: %q came, %q were taken", state, user, came, taken)
			}
			c.Close()
		}
	}
	if n := h.machine.accepted.Load() + h.plc.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made to the machine", n)
	}
	if opened := h.events("channel.opened"); len(opened) != 0 {
		t.Errorf("%d channels were opened: %+v", len(opened), opened[0].Body)
	}
}

// windowFor is an open window of ann's for these ports alone.
func (h *house) windowFor(targets ...policy.Target) policy.WindowID {
	h.t.Helper()
	now := time.Now()
	r := must(h.desk.Submit(h.ctx, h.actor("ann"), approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: targets,
		Rights: policy.Look | policy.Copy, Reason: "test", Minutes: 30, From: now, To: now.Add(3 * time.Hour)}))
	r = must(h.desk.Answer(h.ctx, h.actor("olaf"), r.ID, r.Hash, approvals.Reply{Says: "yes"}))
	must(h.desk.Open(h.ctx, h.actor("mia"), r.Window))
	return r.Window
}

// Elsewhere a tunnel went where the roles did not, and a forward did not ask for the
// account. Here a window for one port of a machine opens no other of the same machine.
func TestAWindowOfOnePortOpensNoOther(t *testing.T) {
	h := newHouseOf(t, Limits{PerSecond: 1000}, strings.Replace(plantText, "accounts: {logs: {", "accounts: {peer: {rights: [look, copy], enforced: device}, logs: {", 1))
	shell := h.windowFor(policy.Target{Asset: "filler-plc", Port: "ssh", Account: "logs"})
	c := h.outer(shell)
	for _, port := range []int{h.plc.port, 502, 9} {
		if ch, err := tunnel(c, "filler-plc", port); err == nil {
			ch.Close()
			t.Errorf("a window for logs by ssh forwards to port %d", port)
		}
	}
	for _, account := range []string{"peer", "maint", "root", ""} {
		if inner, _, err := h.behind(c, "filler-plc.kiel", account, ssh.PublicKeys(h.cert("ann", shell))); err == nil {
			if out, _, code, err := runLine(inner, "echo inside"); err == nil && (code == 0 || out != "") {
				t.Errorf("a window for logs is one for %q: %q", account, out)
			}
		}
	}
	wire := h.windowFor(policy.Target{Asset: "filler-plc", Port: "modbus"})
	c = h.outer(wire)
	if _, err := tunnel(c, "filler-plc", 9); err == nil {
		t.Error("a window for Modbus forwards to tcp")
	}
	if inner, _, err := h.behind(c, "filler-plc.kiel", "logs", ssh.PublicKeys(h.cert("ann", wire))); err == nil {
		if out, _, code, err := runLine(inner, "echo inside"); err == nil && (code == 0 || out != "") {
			t.Errorf("a window for Modbus is one for ssh: %q", out)
		}
	}
	if n := h.machine.accepted.Load() + h.plc.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
	h.plcOf(c).Close() // and what it is for, works
	h.both(shell)
}

// both: the window's own account answers, direct and behind a jump.
func (h *house) both(w policy.WindowID) {
	h.t.Helper()
	inner, _, err := h.behind(h.outer(w), "filler-plc.kiel", "logs", ssh.PublicKeys(h.cert("ann", w)))
	h.ok(err)
	for _, c := range []*ssh.Client{inner, h.in(w)} {
		if out, errs, code, err := runLine(c, "echo inside"); err != nil || code != 0 || out != "inside\n" {
			h.t.Errorf("the window's own account: %q %q %d %v", out, errs, code, err)
		}
	}
}

// Elsewhere a certificate that was issued again had lost the address that it was
// held to. Here each one has the firm's networks as they are at that moment, and
// one of before lets nobody work from where the firm is no longer.
func TestEachCertificateIsHeldToTheFirmsNetworks(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.open(30)
	held := func(step int, to string) {
		t.Helper()
		c := h.asCertifier(step)
		files := must(sftp.NewClient(c))
		defer files.Close()
		for _, fetch := range []func() []byte{
			func() []byte { out, _, _, err := runLine(c, string(w)); h.ok(err); return []byte(out) },
			func() []byte { out, _, _, err := runLine(c, ""); h.ok(err); return []byte(out) },
			func() []byte { return must(io.ReadAll(must(files.Open(string(w))))) },
			func() []byte { return must(io.ReadAll(must(files.Open("latest")))) },
		} {
			k, _, _, _, err := ssh.ParseAuthorizedKey(fetch())
			h.ok(err)
			if got := k.(*ssh.Certificate).CriticalOptions["source-address"]; got != to {
				t.Errorf("a certificate is held to %q, not to %q", got, to)
			}
		}
	}
	moves := func(to ...netip.Prefix) {
		t.Helper()
		krall := must(h.roster.Firm(h.ctx, "krall"))
		h.ok(h.roster.SetFirm(h.ctx, h.actor("lena"), people.Firm{ID: krall.ID, Name: krall.Name, Sponsor: krall.Sponsor, Until: krall.Until, Networks: to}))
	}
	held(0, "127.0.0.0/8")
	before := h.cert("ann", w)
	moves(netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("192.0.2.0/24"))
	held(1, "127.0.0.1/32,192.0.2.0/24")
	moves(netip.MustParsePrefix("192.0.2.0/24"))
	if c, _, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(before)); err == nil {
		if out, _, code, err := runLine(c, "echo inside"); err == nil && (code == 0 || out != "") {
			t.Errorf("from where the firm is no longer: %q", out)
		}
	}
	if n := h.machine.accepted.Load(); n != 0 {
		t.Errorf("the machine was dialled %d times", n)
	}
}

// nested is a certificate whose authority is itself a certificate, as x/crypto
// would never make one: a vendor's own genuine certificate stands for the authority.
func nested(key, owner ssh.Signer, authority *ssh.Certificate, like *ssh.Certificate) ssh.Signer {
	c := *like
	c.Key, c.SignatureKey = key.PublicKey(), authority
	signed := c
	signed.Signature = nil
	text := signed.Marshal()
	c.Signature = must(owner.Sign(rand.Reader, text[:len(text)-4])) // without the empty signature's length
	return must(ssh.NewCertSigner(&c, key))
}

// Elsewhere (CVE-2025-49825) who held a genuine certificate could be the authority
// of another one, and so be anybody.
func TestACertificateIsNoAuthority(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	ann := h.cert("ann", h.open(30)).PublicKey().(*ssh.Certificate)
	mallory := keyOf("mallory")
	for name, cert := range map[string]ssh.Signer{
		"ann's, for mallory's key": nested(mallory, keyOf("ann"), ann, ann),
		"ann's, for her own key":   nested(keyOf("ann"), keyOf("ann"), ann, ann),
		"a made one over the real authority": nested(mallory, mallory, &ssh.Certificate{Nonce: []byte("n"), Key: mallory.PublicKey(), CertType: ssh.UserCert, SignatureKey: h.ca.In(),
			ValidPrincipals: []string{"ann"}, ValidBefore: ssh.CertTimeInfinity, Signature: ann.Signature}, ann),
	} {
		if c, _, err := h.dialAs("ann+logs+filler-plc", ssh.PublicKeys(cert)); err == nil {
			c.Close()
			t.Errorf("%s: in", name)
		}
		if _, _, err := h.ca.CheckVendor(nobodysMeta{}, "ann", cert.PublicKey()); err == nil {
			t.Errorf("%s: the authorities take it", name)
		}
	}
}

type nobodysMeta struct{ ssh.ConnMetadata }

func (nobodysMeta) User() string         { return "ann" }
func (nobodysMeta) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// halting is a client's end that, once told, hands on nothing more of what the
// door says: the client begins new keys, never sees the answer, and sends nothing.
type halting struct {
	net.Conn
	halt atomic.Bool
	free chan struct{}
	once sync.Once
}

func (c *halting) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.halt.Load() {
		<-c.free
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *halting) Close() error {
	c.once.Do(func() { close(c.free) })
	return c.Conn.Close()
}

// Elsewhere (CVE-2025-22869) who began new keys and never finished them made the
// server keep all that it wanted to say. Here little waits, a cut does not, and
// the connection is found dead like any other.
func TestNewKeysThatAreNeverFinished(t *testing.T) {
	stuck := func(t *testing.T) (*house, policy.WindowID) {
		h := newHouse(t, Limits{PerSecond: 1000})
		w := h.open(30)
		nc := &halting{Conn: must(net.Dial("tcp", h.addr)), free: make(chan struct{})}
		conn, chans, reqs, err := ssh.NewClientConn(nc, h.addr, &ssh.ClientConfig{Config: ssh.Config{RekeyThreshold: 64 << 10}, User: "ann+logs+filler-plc",
			Auth:            []ssh.AuthMethod{ssh.PublicKeys(h.cert("ann", w))},
			HostKeyCallback: ssh.FixedHostKey(h.ca.HostKey().PublicKey()), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}})
		h.ok(err)
		c := ssh.NewClient(conn, chans, reqs)
		t.Cleanup(func() { c.Close() })
		in, out := echoes(t, c, "x\n")
		go func() { _, _ = io.Copy(io.Discard, out) }()
		nc.halt.Store(true)
		go func() { _, _ = io.WriteString(in, strings.Repeat("more than 64 KiB\n", 8<<10)) }() // and so new keys are begun
		return h, w
	}
	over := func(h *house, cause string) {
		eventually(h.t, "the session to end", func() bool { return len(h.events("session.ended")) == 1 && len(h.door.open()) == 0 })
		if ended := h.events("session.ended")[0].Body.(audit.SessionEnded); ended.Cause != cause || ended.Close == (audit.Hash{}) {
			h.t.Errorf("session.ended: %+v", ended)
		}
	}
	t.Run("is found", func(t *testing.T) {
		h, _ := stuck(t)
		neverAnswers(t, h.door.open()[0])
		over(h, "client")
	})
	t.Run("holds no cut", func(t *testing.T) {
		h, w := stuck(t)
		begun := time.Now()
		must(h.desk.Cut(h.ctx, h.actor("mia"), w, "water on the floor"))
		over(h, "cut")
		if took := time.Since(begun); took > aliveMisses*aliveEvery/2 {
			t.Errorf("it ended %v after the cut: with the dead line, and not with the cut", took)
		}
	})
}

// Elsewhere (CVE-2018-15473) a stranger could tell who exists. Here one without a
// good certificate reads the same, whoever and whatever is in the user name.
func TestStrangersAreToldTheSame(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	good := h.cert("ann", h.open(30)).PublicKey().(*ssh.Certificate)
	mallory := keyOf("mallory")
	forged := *good
	forged.Key = mallory.PublicKey()
	h.ok(forged.SignCert(rand.Reader, mallory))
	users := []string{"ann", "zoe", "ann+logs+filler-plc", "zoe+logs+filler-plc", "ann+root+filler-plc", "ann+logs+boiler", "zoe+root+boiler", "mia", "lena+logs+filler-plc"}
	same(h, "a plain key", ssh.PublicKeys(mallory), users...)
	same(h, "a certificate of their own", ssh.PublicKeys(must(ssh.NewCertSigner(&forged, mallory))), users...)
	// A copy of ann's says whose it is by itself; what else there is, it does not.
	same(h, "a copy of ann's", ssh.PublicKeys(thief{mallory, good}), "ann", "ann+logs+filler-plc", "ann+root+filler-plc", "ann+logs+boiler")
}

// same: all of these user names hear one thing, but for the name itself.
func same(h *house, what string, auth ssh.AuthMethod, users ...string) {
	h.t.Helper()
	said := map[string][]string{}
	for _, user := range users {
		c, banner, err := h.dialAs(user, auth)
		if err == nil {
			c.Close()
			h.t.Errorf("%s, as %s: in", what, user)
			continue
		}
		text := strings.ReplaceAll(banner+err.Error(), user, "USER")
		said[text] = append(said[text], user)
	}
	if len(said) != 1 {
		h.t.Errorf("%s is told different things: %q", what, said)
	}
}
