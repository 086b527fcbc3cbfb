package sshd

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
	"penstock/broker/ca"
	"penstock/policy"
)

// behind logs in through a jump, as stock clients do with -J.
func (h *house) behind(outer *ssh.Client, host, user string, auth ...ssh.AuthMethod) (*ssh.Client, string, error) {
	h.t.Helper()
	ch, err := tunnel(outer, host, 22)
	if err != nil {
		return nil, "", err
	}
	var banners strings.Builder
	checker := &ssh.CertChecker{IsHostAuthority: func(k ssh.PublicKey, _ string) bool {
		return bytes.Equal(k.Marshal(), h.ca.Host().Marshal())
	}}
	cfg := &ssh.ClientConfig{User: user, Auth: auth, HostKeyCallback: checker.CheckHostKey,
		HostKeyAlgorithms: []string{ssh.CertAlgoED25519v01}, BannerCallback: func(m string) error { banners.WriteString(m); return nil }}
	nc := innerConn{ch, dummyAddr{}}
	conn, chans, reqs, err := ssh.NewClientConn(nc, host+":22", cfg)
	if err != nil {
		return nil, banners.String(), err
	}
	c := ssh.NewClient(conn, chans, reqs)
	h.t.Cleanup(func() { c.Close() })
	return c, banners.String(), nil
}

// dummyAddr is an address for a client's end that has none.
type dummyAddr struct{ net.Conn }

func (dummyAddr) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (dummyAddr) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func TestJump(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	me := ssh.PublicKeys(h.cert("ann", w))
	outer := h.outer(w)
	c, banner, err := h.behind(outer, "filler-plc.kiel", "logs", me)
	if err != nil {
		t.Fatalf("%v %s; %s", err, banner, h.said)
	}
	for range 2 { // as with ControlMaster: more than one in the inner connection
		if out, errs, code, err := runLine(c, "echo behind; echo oops >&2; exit 7"); err != nil || code != 7 || out != "behind\n" || errs != "oops\n" {
			t.Errorf("%v, exit %d, %q %q", err, code, out, errs)
		}
	}
	again, _, err := h.behind(outer, "FILLER-PLC.kiel.", "logs", me)
	if err == nil {
		t.Error("the host certificate is good for another spelling") // x/crypto compares names as they are
		again.Close()
	}
	if len(h.events("session.started")) != 1 || len(h.events("channel.opened")) != 2 {
		t.Errorf("%d sessions, %d channels", len(h.events("session.started")), len(h.events("channel.opened")))
	}
	for _, leaf := range h.events("channel.opened") {
		if b := leaf.Body.(audit.ChannelOpened); b.Session != "S-1" || b.Account != "logs" || b.Asset != "filler-plc" || b.Kind != "exec" {
			t.Errorf("%+v", b)
		}
	}
	names := map[string]bool{}
	for _, leaf := range h.events("cert.issued") {
		if b := leaf.Body.(audit.CertIssued); b.CA == "host" {
			names[b.KeyID] = true
		}
	}
	if !names["host=filler-plc.kiel"] {
		t.Errorf("host certificates: %v", names)
	}
	// Inside, the same is refused as outside, and forwards as well.
	for _, kind := range []string{"direct-tcpip", "direct-streamlocal@openssh.com", "x11", "auth-agent@openssh.com", "tun@openssh.com", "nonsense"} {
		_, _, err := c.OpenChannel(kind, ssh.Marshal(forwardWish{"filler-plc", 22, "", 0}))
		var no *ssh.OpenChannelError
		if !errors.As(err, &no) || len(no.Message) < 40 {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, kind := range []string{"tcpip-forward", "streamlocal-forward@openssh.com"} {
		if ok, _, err := c.SendRequest(kind, true, nil); ok || err != nil {
			t.Errorf("%s: %v %v", kind, ok, err)
		}
	}
	if ok, _, err := c.SendRequest("keepalive@openssh.com", true, nil); !ok || err != nil {
		t.Errorf("keepalive: %v %v", ok, err)
	}
	h.ok(c.Close())
	if out, _, code, err := runLine(must2(h.behind(outer, "filler-plc.kiel", "logs", me)), "echo still"); err != nil || code != 0 || out != "still\n" {
		t.Errorf("a second jump in the outer connection: %v %d %q", err, code, out)
	}
	outer.Close()
	eventually(t, "session.ended", func() bool { return len(h.events("session.ended")) == 1 })
	if h.said.String() != "" {
		t.Errorf("errors in the log: %s", h.said)
	}
}

func must2(c *ssh.Client, _ string, err error) *ssh.Client { return must(c, err) }

func TestJumpAttacks(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	w := h.open(30)
	outer := h.outer(w)
	ann := h.cert("ann", w)
	bob := h.cert("bob", w)
	sign := func(c *ssh.Certificate, k ssh.Signer) ssh.Signer { return must(ssh.NewCertSigner(c, k)) }
	unissued := must(h.ca.Unissued("ann", keyOf("ann").PublicKey()))
	elsewhere := must(h.ca.IssueVendor(h.ctx, ca.Claim{Person: "ann", Firm: "krall", Windows: []policy.WindowID{w}, Until: time.Now().Add(time.Hour)},
		keyOf("ann").PublicKey(), []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}))
	otherKey := must(h.ca.IssueVendor(h.ctx, ca.Claim{Person: "ann", Firm: "krall", Windows: []policy.WindowID{w}, Until: time.Now().Add(time.Hour)},
		keyOf("bob").PublicKey(), []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}))
	rows := []struct {
		story, user string
		auth        []ssh.AuthMethod
	}{
		{"no authentication", "logs", nil},
		{"ann's plain key", "logs", []ssh.AuthMethod{ssh.PublicKeys(keyOf("ann"))}},
		{"bob's certificate and key", "logs", []ssh.AuthMethod{ssh.PublicKeys(bob)}},
		{"ann's certificate over bob's key", "logs", []ssh.AuthMethod{ssh.PublicKeys(sign(otherKey, keyOf("bob")))}},
		{"ann's certificate, signed by bob's key", "logs", []ssh.AuthMethod{ssh.PublicKeys(thief{keyOf("bob"), ann.PublicKey()})}},
		{"a certificate that no event names", "logs", []ssh.AuthMethod{ssh.PublicKeys(sign(unissued, keyOf("ann")))}},
		{"ann's certificate for another network", "logs", []ssh.AuthMethod{ssh.PublicKeys(sign(elsewhere, keyOf("ann")))}},
		{"a password", "logs", []ssh.AuthMethod{ssh.Password("x"), ssh.KeyboardInteractive(func(_, _ string, q []string, _ []bool) ([]string, error) { return make([]string, len(q)), nil })}},
		{"an account with a blank", "lo gs", []ssh.AuthMethod{ssh.PublicKeys(ann)}},
		{"no account", "", []ssh.AuthMethod{ssh.PublicKeys(ann)}},
	}
	for _, row := range rows {
		if c, _, err := h.behind(outer, "filler-plc.kiel", row.user, row.auth...); err == nil {
			t.Errorf("%s gets in", row.story)
			c.Close()
		}
	}
	// A right certificate and a wrong account are told at the first channel.
	for _, account := range []string{"maint", "root", "desk", "ann", "logs+x"} {
		out, errs, code, err := runLine(must2(h.behind(outer, "filler-plc.kiel", account, ssh.PublicKeys(ann))), "id")
		if err != nil || code != 255 || out != "" || !strings.HasPrefix(errs, "Penstock: ") || strings.Contains(errs, "reference") {
			t.Errorf("as %s: %v, exit %d, %q %q", account, err, code, out, errs)
		}
	}
	if n := h.machine.accepted.Load(); n != 0 {
		t.Errorf("the machine was dialled %d times", n)
	}
	// A certificate that ann fetched since, over the same key, is hers too.
	if out, _, code, err := runLine(must2(h.behind(outer, "filler-plc.kiel", "logs", ssh.PublicKeys(h.cert("ann", w)))), "echo in"); err != nil || code != 0 || out != "in\n" {
		t.Errorf("with a newer certificate: %v %d %q", err, code, out)
	}
	eventually(t, "the refusals", func() bool {
		for _, leaf := range h.events("access.refused") {
			if b := leaf.Body.(audit.AccessRefused); b.Rule == "inner-auth" && b.Person == "ann" {
				return true
			}
		}
		return false
	})
}

func TestJumpSaysWhatIsWrong(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	outer := h.outer(w)
	_, banner, err := h.behind(outer, "filler-plc.kiel", "logs", ssh.PublicKeys(h.cert("bob", w)))
	if err == nil || !strings.Contains(banner, "same certificate as before it") {
		t.Errorf("%v %q", err, banner)
	}
	if _, err := outer.NewSession(); err == nil || !strings.Contains(err.Error(), "ssh -J ann@127.0.0.1:") || !strings.Contains(err.Error(), "ann+ACCOUNT+ASSET") {
		t.Errorf("a session in the outer connection: %v", err)
	}
}

// Who opens jumps and says nothing holds a few places for the grace, and no more.
func TestSilentJumps(t *testing.T) {
	t.Run("few places", func(t *testing.T) {
		h := newHouse(t, Limits{Grace: time.Hour}) // none is free again before the last has asked
		outer := h.outer(h.open(30))
		for n := range maxInner + 4 {
			if _, err := tunnel(outer, "filler-plc", 22); (err == nil) != (n < maxInner) {
				t.Errorf("silent jump %d: %v", n+1, err)
			}
		}
		outer.Close()
	})
	h := newHouse(t, Limits{Grace: 2 * time.Second})
	outer := h.outer(h.open(30))
	var silent []ssh.Channel
	for range maxInner {
		ch, err := tunnel(outer, "filler-plc", 22)
		h.ok(err)
		silent = append(silent, ch)
	}
	for _, ch := range silent { // closed when the grace is over
		_, _ = io.Copy(io.Discard, ch)
	}
	eventually(t, "the places to be free", func() bool {
		ch, err := tunnel(outer, "filler-plc", 22)
		if err == nil {
			ch.Close()
		}
		return err == nil
	})
}

func TestCutReachesBehindTheJump(t *testing.T) {
	h := newHouse(t, Limits{})
	w := h.open(30)
	outer := h.outer(w)
	c := must2(h.behind(outer, "filler-plc.kiel", "logs", ssh.PublicKeys(h.cert("ann", w))))
	s := must(c.NewSession())
	var errs lockedBuffer
	s.Stderr = &errs
	in, out := must(s.StdinPipe()), must(s.StdoutPipe())
	h.ok(s.Start("cat"))
	_, _ = io.WriteString(in, "x")
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err := h.desk.Cut(h.ctx, h.actor("mia"), w, "water on the floor")
	h.ok(err)
	if err := s.Wait(); err == nil || time.Since(start) > patience || !strings.Contains(errs.String(), "water on the floor") {
		t.Errorf("after %v: %v, %q", time.Since(start), err, errs.String())
	}
	_ = outer.Wait()
	if _, err := tunnel(outer, "filler-plc", 22); err == nil {
		t.Error("a jump after the cut")
	}
}
