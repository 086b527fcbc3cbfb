package dial_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker/brokertest"
	"penstock/broker/dial"
	"penstock/broker/vault"
	"penstock/policy"
)

// errands are of a broker that has nothing but the plant and an authority.
func errands(t testing.TB, ca *authority, plc, host machine) *dial.Errands {
	t.Helper()
	plant := plantOf(t, plc, host)
	return &dial.Errands{Dialer: &dial.Dialer{CA: ca, Broker: "a", Loopback: true}, Plant: func() *policy.Plant { return plant }}
}

// told is a check's findings as lines: what is wrong has a dash before it.
func told(all []dial.Finding) string {
	var lines []string
	for _, f := range all {
		mark := "- "
		if f.OK {
			mark = "+ "
		}
		lines = append(lines, mark+f.What+": "+f.Text+" | "+strings.Join(f.Do, " | "))
	}
	return strings.Join(lines, "\n")
}

func TestCheckSaysWhatIsMissing(t *testing.T) {
	ca := &authority{key: newKey(t)}
	for name, row := range map[string]struct {
		lines     []string
		kind      string
		principal string
		plc       func(*openssh, *machine)
		want      []string // lines that begin so, or hold it
	}{
		"nothing":        {nil, "ed25519", me() + "@plc.kiel", nil, []string{"+ plant file", "+ reached", "+ algorithms: it speaks SSH as it should be", "+ host key: it shows the pinned key, ssh-ed25519 SHA256:", "+ login: it lets the broker in"}},
		"the principal":  {nil, "ed25519", "maint@other.kiel", nil, []string{"- login: it does not take the out certificate for " + me() + "@plc.kiel", "TrustedUserCAKeys", "principals/" + me() + " the line: " + me() + "@plc.kiel"}},
		"the authority":  {[]string{"TrustedUserCAKeys none"}, "ed25519", me() + "@plc.kiel", nil, []string{"- login: it does not take the out certificate", "penstock ca show"}},
		"any key at all": {[]string{"PubkeyAuthentication no", "KbdInteractiveAuthentication yes"}, "ed25519", me() + "@plc.kiel", nil, []string{"- login: it takes no keys or certificates at all", "PubkeyAuthentication yes"}},
		"the pin":        {nil, "ed25519", me() + "@plc.kiel", func(s *openssh, m *machine) { m.pins = "" }, []string{"- host key: it is not pinned", "host_keys: [ssh-ed25519 AAAA"}},
		"the right pin":  {nil, "ed25519", me() + "@plc.kiel", func(s *openssh, m *machine) { m.pins = line(newKey(t).PublicKey()) }, []string{"- host key: it shows another key than the plant pinned", "do not log in to it"}},
		"new algorithms": {oldOnly, "rsa", me() + "@plc.kiel", nil, []string{"- algorithms: it speaks old SSH only", "old_algorithms: {allow: [", "diffie-hellman-group1-sha1", "ssh-rsa", "aes128-cbc", "hmac-sha1"}},
		"nothing, by exception": {oldOnly, "rsa", me() + "@plc.kiel", func(_ *openssh, m *machine) {
			m.port = strings.Replace(exception, "%s", "diffie-hellman-group14-sha1, diffie-hellman-group1-sha1, ssh-rsa, aes128-cbc, 3des-cbc, hmac-sha1", 1)
		}, []string{"+ algorithms: it speaks old SSH only, by the exception", "+ login: it lets the broker in"}},
	} {
		t.Run(name, func(t *testing.T) {
			device := startSSHD(t, row.kind, ca.key.PublicKey(), row.principal, row.lines...)
			plc := machine{at: device.at, pins: device.pin}
			if row.plc != nil {
				row.plc(device, &plc)
			}
			got := told(errands(t, ca, plc, machine{}).Check(t.Context(), "plc", myself()))
			for _, want := range row.want {
				if !strings.Contains(got, want) {
					t.Errorf("does not say %q:\n%s\n%s", want, got, device.said())
				}
			}
			if strings.HasPrefix(name, "nothing") != !strings.Contains(got, "\n- ") {
				t.Errorf("%s", got)
			}
		})
	}
}

func TestCheckOfAClockThatIsBehind(t *testing.T) {
	ca := &authority{key: newKey(t)}
	for behind, want := range map[time.Duration]string{-10 * time.Minute: "- clock: its clock stands more than two minutes behind", 20 * time.Minute: "must not stand more than five minutes ahead"} {
		g := listen(t, ca.key.PublicKey(), func(g *target) { g.clock = behind })
		got := told(errands(t, ca, machine{at: g.at, pins: line(g.key.PublicKey())}, machine{}).Check(t.Context(), "plc", myself()))
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s", behind, got)
		}
	}
}

func TestCheckOfWhatIsNotThere(t *testing.T) {
	ca := &authority{key: newKey(t)}
	e := errands(t, ca, machine{at: brokertest.DeadPort(t), pins: line(newKey(t).PublicKey())}, machine{})
	if got := told(e.Check(t.Context(), "plc", myself())); !strings.Contains(got, "- reached: the machine does not answer") {
		t.Error(got)
	}
	if got := told(e.Check(t.Context(), "plc", "nobody")); !strings.HasPrefix(got, "- plant file") {
		t.Error(got)
	}
	http := listen(t, ca.key.PublicKey(), func(g *target) { g.raw = func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")) } })
	if got := told(errands(t, ca, machine{at: http.at, pins: line(newKey(t).PublicKey())}, machine{}).Check(t.Context(), "plc", myself())); !strings.Contains(got, "- reached: ") {
		t.Error(got)
	}
	if len(ca.all()) != 0 {
		t.Errorf("certificates: %q", ca.all())
	}
}

// A scan behind a host goes through it, and gives nothing to the machine.
func TestScanThroughAHost(t *testing.T) {
	ca := &authority{key: newKey(t)}
	plc := startSSHD(t, "ecdsa", ca.key.PublicKey(), "nobody")
	host := startSSHD(t, "ed25519", ca.key.PublicKey(), me()+"@host.kiel")
	e := errands(t, ca, machine{at: plc.at, asset: "via: {asset: host, account: " + me() + "}"}, machine{at: host.at, pins: host.pin, port: "jumps: {" + me() + ": {login: certificate}}"})
	shown, err := e.Scan(t.Context(), "plc")
	if err != nil || len(shown.Keys) != 1 || line(shown.Keys[0]) != plc.pin || len(shown.Old) != 0 {
		t.Errorf("%+v %v\n%s", shown, err, host.said())
	}
	if strings.Contains(plc.said(), "Accepted") {
		t.Error(plc.said())
	}
}

// A key's rotation on a real sshd: told by the old one, proven by the new one.
func TestRotationOnARealMachine(t *testing.T) {
	device := startSSHD(t, "ed25519", newKey(t).PublicKey(), "nobody")
	_, one, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, two, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	old, oldPublic := privateKey(t, one)
	next, nextPublic := privateKey(t, two)
	device.write(t, "keys", string(ssh.MarshalAuthorizedKey(oldPublic)))
	e := errands(t, &authority{key: newKey(t)}, machine{at: device.at, pins: device.pin, maint: "login: key"}, machine{})
	if err := e.Try(t.Context(), "plc", myself(), old); err != nil {
		t.Fatalf("%v\n%s", err, device.said())
	}
	if err := e.Try(t.Context(), "plc", myself(), next); refusedBy(t, err).Rule != "target-login" {
		t.Errorf("the new one already: %v", err)
	}
	if err := e.Tell(t.Context(), "plc", myself(), old, "exit 7", []string{"x"}); err == nil || !strings.Contains(err.Error(), "status 7") {
		t.Errorf("a command that fails: %v", err)
	}
	if err := e.Tell(t.Context(), "plc", myself(), old, "cat > "+device.file("keys"), []string{line(nextPublic) + " penstock"}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(device.file("keys")); err != nil || string(b) != line(nextPublic)+" penstock\n" {
		t.Errorf("%q %v", b, err)
	}
	if err := e.Try(t.Context(), "plc", myself(), next); err != nil {
		t.Errorf("%v", err)
	}
	if err := e.Try(t.Context(), "plc", myself(), old); refusedBy(t, err).Rule != "target-login" {
		t.Errorf("the old one still: %v", err)
	}
	// By the account's shell, with lines that it reads.
	if err := e.Tell(t.Context(), "plc", myself(), next, "", []string{"echo " + line(oldPublic) + " > " + device.file("keys"), "exit"}); err != nil {
		t.Errorf("%v", err)
	}
	if err := e.Try(t.Context(), "plc", myself(), old); err != nil {
		t.Errorf("by the shell: %v\n%s", err, device.said())
	}
}

// Whoever dials a machine that shows another key tells of it before it is refused.
func TestAChangedKeyIsTold(t *testing.T) {
	ca := &authority{key: newKey(t)}
	device := startSSHD(t, "ed25519", ca.key.PublicKey(), me()+"@plc.kiel")
	s := stagedBy(t, ca, machine{at: device.at, pins: line(newKey(t).PublicKey())}, machine{})
	var got []dial.Other
	s.dialer.Changed = func(_ context.Context, o dial.Other) { got = append(got, o) }
	if _, err := s.dialer.SSH(t.Context(), s.channel, myself()); refusedBy(t, err).Rule != "target-host-key" {
		t.Errorf("%v", err)
	}
	if len(got) != 1 || got[0].Asset != "plc" || line(got[0].Key) != device.pin || got[0].Window != "W-1" || got[0].Session != "S-1" {
		t.Errorf("%+v", got)
	}
}

// A key of another kind than the pinned one is a changed key too, and is learned.
func TestAChangedKeyOfAnotherKindIsTold(t *testing.T) {
	ca := &authority{key: newKey(t)}
	device := startSSHD(t, "ecdsa", ca.key.PublicKey(), me()+"@plc.kiel")
	s := stagedBy(t, ca, machine{at: device.at, pins: line(newKey(t).PublicKey())}, machine{})
	var got []dial.Other
	s.dialer.Changed = func(_ context.Context, o dial.Other) { got = append(got, o) }
	if _, err := s.dialer.SSH(t.Context(), s.channel, myself()); refusedBy(t, err).Rule != "target-host-key" {
		t.Errorf("%v", err)
	}
	if len(got) != 1 || line(got[0].Key) != device.pin {
		t.Errorf("%+v", got)
	}
}

var _ vault.Machine = (*dial.Errands)(nil)
