package sshd

import (
	"crypto/ed25519"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// standingText is the kit's plant with a frame for krall's monitor at the filler.
var standingText = strings.Replace(plantText, "[ssh, modbus, tcp]", "[ssh, sftp, modbus, tcp]", 1) + `
patterns:
  monitor: {assets: [filler-plc], rights: [look, copy], machine: true, open: standing, confirm: every 90d, owners: [line-1-owner, ot-security], why: Monitoring, review: 2037-03-31}
`

// machineIn brings the monitor's key, and a standing agreement that is open.
func (h *house) machineIn() policy.WindowID {
	h.t.Helper()
	inv := must(h.roster.Invite(h.ctx, h.actor("olaf"), people.Invitation{Person: "monitor", Firm: "krall", Name: "Krall condition monitor", Machine: true}))
	must(h.roster.Join(h.ctx, inv.Code, authorized(keyOf("monitor").PublicKey())))
	h.ok(h.roster.Confirm(h.ctx, h.actor("olaf"), "monitor", ssh.FingerprintSHA256(keyOf("monitor").PublicKey())))
	r, err := h.desk.Submit(h.ctx, h.actor("ann"), approvals.Ask{Firm: "krall", Kind: evidence.Machine, People: []policy.PersonID{"monitor"}, Reason: "Condition monitoring",
		Targets: []policy.Target{{Asset: "filler-plc", Port: "modbus"}, {Asset: "filler-plc", Port: "ssh", Account: "logs"}}, Rights: policy.Look | policy.Copy,
		To:      time.Now().Add(200 * 24 * time.Hour),
		Machine: approvals.Machine{Frame: "monitor", Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}})
	h.ok(err)
	for _, id := range []string{"olaf", "lena"} {
		by := h.actor(id)
		a := must(h.desk.Draft(h.ctx, by, r.ID, r.Hash, approvals.Reply{Says: "yes"}))
		evidencetest.Signed(func(namespace string, text []byte) evidence.Proof {
			return evidencetest.SSHSignWith(secretOf(id), namespace, text)
		})(&a)
		r = must(h.desk.Answer(h.ctx, by, r.ID, r.Hash, approvals.Reply{Signed: &a}))
	}
	eventually(h.t, "the standing agreement opens", func() bool {
		w, err := h.desk.Window(h.ctx, h.actor("mia"), r.Window)
		return err == nil && w.State == approvals.WindowOpen
	})
	return r.Window
}

// A script with a key and nothing else: a certificate without a code, a forward
// to the one port, no shell, nothing at the desk; cut, it is out and stays out.
func TestAMachineStands(t *testing.T) {
	h := newHouseOf(t, Limits{PerSecond: 1000}, standingText)
	w := h.machineIn()
	m := newStock(h, "monitor")
	m.setUp()
	out, errs, code := m.ssh("", "-o", "BatchMode=yes", "cert@127.0.0.1") // as cron does: nobody could type a code
	if code != 0 || strings.Count(out, "\n") != 1 {
		t.Fatalf("cert@: exit %d, stdout %q, stderr %s", code, out, errs)
	}
	m.file("id_ed25519-cert.pub", out)
	leaf := h.events("cert.issued")
	if b := leaf[len(leaf)-1].Body.(audit.CertIssued); b.Person != "monitor" || len(b.Windows) != 1 || b.Windows[0] != string(w) {
		t.Errorf("issued %+v", b)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(out))
	h.ok(err)
	if from := key.(*ssh.Certificate).CriticalOptions["source-address"]; from != "127.0.0.1/32" {
		t.Errorf("its certificate holds from %s", from)
	}
	before := len(h.events("cert.issued"))
	if out, errs, code := m.ssh("", "-o", "BatchMode=yes", "-o", "BindAddress=127.0.0.2", "cert@127.0.0.1"); code != 3 || out != "" || !strings.Contains(errs, "comes from 127.0.0.2") || len(h.events("cert.issued")) != before {
		t.Errorf("its stolen key has a certificate written from elsewhere: exit %d, %q %s", code, out, errs)
	}
	for what, args := range map[string][]string{
		"a machine moves files by sftp": {"monitor+logs+filler-plc@127.0.0.1", "id"},
		"has no port 503":               {"-W", "filler-plc:503", "monitor@127.0.0.1"},
		"not for filler-plc by tcp":     {"-W", "filler-plc:9", "monitor@127.0.0.1"},
		"A machine has no request":      {"desk@127.0.0.1", "request"},
		"A machine has no totp":         {"desk@127.0.0.1", "totp"},
	} {
		if out, errs, code := m.ssh("", args...); code == 0 || out != "" || !strings.Contains(errs, what) {
			t.Errorf("%q: exit %d, stdout %q, stderr %s", args, code, out, errs)
		}
	}
	if out, _, code := m.ssh("", "desk@127.0.0.1", "help"); code != 0 || !strings.Contains(out, "  windows ") || strings.Contains(out, "--kind") {
		t.Errorf("help: exit %d, %s", code, out)
	}
	// What else its firm does here is not a machine's to read, and nothing is from elsewhere: no code stands behind its key.
	other := h.open(60)
	for _, verb := range []string{"windows", "windows --json", "follow " + string(w), "follow " + string(other)} {
		out, errs, code := m.ssh("", "-o", "BatchMode=yes", "-o", "BindAddress=127.0.0.2", "desk@127.0.0.1", verb)
		if code != 3 || out != "" || !strings.Contains(errs, "comes from 127.0.0.2") {
			t.Errorf("%s from elsewhere: exit %d, %q %s", verb, code, out, errs)
		}
	}
	for _, verb := range []string{"windows", "windows --json"} {
		if out, _, code := m.ssh("", "desk@127.0.0.1", verb); code != 0 || !strings.Contains(out, string(w)) || strings.Contains(out, string(other)) {
			t.Errorf("%s: exit %d, %s", verb, code, out)
		}
	}
	if out, errs, code := m.ssh("", "desk@127.0.0.1", "follow", string(other)); code != 3 || out != "" {
		t.Errorf("it follows a person's window: exit %d, %q %s", code, out, errs)
	}

	local := strconv.Itoa(must(brokertest.FreePort()))
	tunnel := exec.Command("ssh", "-F", m.path("config"), "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-N", "-L", "127.0.0.1:"+local+":filler-plc:"+strconv.Itoa(h.plc.port), "monitor@127.0.0.1")
	tunnel.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + m.home}
	h.ok(tunnel.Start())
	gone := make(chan error, 1)
	go func() { gone <- tunnel.Wait() }()
	defer tunnel.Process.Kill()
	var nc net.Conn
	eventually(h.t, "the forward listens", func() bool {
		var err error
		nc, err = net.Dial("tcp", "127.0.0.1:"+local)
		return err == nil
	})
	defer nc.Close()
	h.ok(nc.SetDeadline(time.Now().Add(patience)))
	if _, err := nc.Write([]byte("trend\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 6)
	if _, err := io.ReadFull(nc, answer); err != nil || string(answer) != "trend\n" {
		t.Fatalf("through the forward: %q %v", answer, err)
	}
	_, err = h.desk.Cut(h.ctx, h.actor("mia"), w, "odd traffic")
	h.ok(err)
	if n, err := nc.Read(answer); err == nil {
		t.Errorf("after the cut it reads %q", answer[:n])
	}
	select {
	case <-gone:
	case <-time.After(patience):
		t.Error("after the cut the tunnel stays")
	}
	if _, errs, code := m.ssh("", "-o", "BatchMode=yes", "-W", "filler-plc:"+strconv.Itoa(h.plc.port), "monitor@127.0.0.1"); code == 0 || !strings.Contains(errs, "cut") {
		t.Errorf("after the cut: exit %d, %s", code, errs)
	}
	if out, errs, code := m.ssh("", "-o", "BatchMode=yes", "cert@127.0.0.1"); code != 3 || out != "" {
		t.Errorf("a certificate after the cut: exit %d, %q %s", code, out, errs)
	}
	// the record is the machine's own, and the walk finds nothing wrong with any of it
	started := h.events("session.started")
	if b := started[len(started)-1].Body.(audit.SessionStarted); b.Person != "monitor" || b.Header.IsZero() {
		t.Errorf("recorded as %+v", b)
	}
	walk := evidence.NewWalk(h.docs)
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		h.ok(err)
		for _, wrong := range walk.Leaf(h.ctx, leaf) {
			t.Errorf("leaf %d %s: %s", leaf.Index, leaf.Body.Type(), wrong)
		}
	}
}

// An unconfirmed machine is out, whatever certificate it has.
func TestAMachineIsNotConfirmed(t *testing.T) {
	h := newHouseOf(t, Limits{PerSecond: 1000}, standingText)
	w := h.machineIn()
	f := must(h.desk.Facts(h.ctx, w, "monitor"))
	if d := h.plant.Decide(f, policy.Query{Stage: policy.AtAdmit, Key: ssh.FingerprintSHA256(keyOf("monitor").PublicKey()), Source: netip.MustParseAddr("127.0.0.1")}, time.Now().Add(91*24*time.Hour)); d.Allow || d.Rule != "window-ended" {
		t.Errorf("91 days later: %+v", d)
	}
	// as somebody else's key it is nothing, and a person's key opens nothing of it
	ann := newStock(h, "ann")
	ann.setUp()
	ann.answers(h.code("ann", 0))
	if out, errs, code := ann.ssh("", "cert@127.0.0.1", string(w)); code != 3 || out != "" {
		t.Errorf("ann's certificate for it: exit %d, %q %s", code, out, errs)
	}
}

func secretOf(name string) ed25519.PrivateKey {
	seed := make([]byte, 32)
	copy(seed, "seed of "+name)
	return ed25519.NewKeyFromSeed(seed)
}
