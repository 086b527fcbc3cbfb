package demo

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// testPlant is the filler and the station with an authority of the test's own.
type testPlant struct {
	*plant
	t      *testing.T
	ca     ssh.Signer
	ground ground
}

func newTestPlant(t *testing.T) *testPlant {
	t.Helper()
	f := folder(t.TempDir())
	for _, asset := range []string{"filler-plc", "line-1-ews"} {
		if err := os.MkdirAll(f.at(asset), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := makeKey(t.Context(), f.at(asset, "host_key")); err != nil {
			t.Fatal(err)
		}
	}
	g := ground{}
	for _, p := range places {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		g[p] = l
	}
	ca := newSigner(t)
	p, err := startPlant(f, g, string(ssh.MarshalAuthorizedKey(ca.PublicKey())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.stop(); g.free() })
	return &testPlant{p, t, ca, g}
}

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pass is a certificate as the broker makes one.
type pass struct {
	ca        ssh.Signer
	principal string
	kind      uint32
	until     time.Duration
}

func (p *testPlant) good(principal string) pass {
	return pass{p.ca, principal, ssh.UserCert, time.Minute}
}

func (p *testPlant) login(user string, c pass) (*ssh.Client, error) {
	p.t.Helper()
	key := newSigner(p.t)
	cert := &ssh.Certificate{Key: key.PublicKey(), CertType: c.kind, KeyId: "broker=a;w=W-1;s=S-1;p=krall/ann", ValidPrincipals: []string{c.principal},
		ValidAfter: uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(c.until).Unix())}
	if err := cert.SignCert(rand.Reader, c.ca); err != nil {
		p.t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(cert, key)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.dial(user, ssh.PublicKeys(signer))
}

func (p *testPlant) dial(user string, how ...ssh.AuthMethod) (*ssh.Client, error) {
	c, err := ssh.Dial("tcp", p.ground.address(fillerSSH), &ssh.ClientConfig{User: user, Auth: how,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second}) // its own key is not what is tried here
	if err == nil {
		p.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func TestDeviceAdmitsTheBrokerOnly(t *testing.T) {
	p := newTestPlant(t)
	if _, err := p.login("viewer", p.good("viewer@filler-plc.kiel")); err != nil {
		t.Fatalf("a good certificate: %v", err)
	}
	for name, row := range map[string]struct {
		user string
		pass pass
	}{
		"another authority":       {"viewer", pass{newSigner(t), "viewer@filler-plc.kiel", ssh.UserCert, time.Minute}},
		"another account's":       {"maint", p.good("viewer@filler-plc.kiel")},
		"another machine's":       {"viewer", p.good("viewer@line-1-ews.kiel")},
		"a host's certificate":    {"viewer", pass{p.ca, "viewer@filler-plc.kiel", ssh.HostCert, time.Minute}},
		"ended":                   {"viewer", pass{p.ca, "viewer@filler-plc.kiel", ssh.UserCert, -time.Second}},
		"an account that is none": {"root", p.good("root@filler-plc.kiel")},
	} {
		if _, err := p.login(row.user, row.pass); err == nil {
			t.Errorf("%s was let in", name)
		}
	}
	if _, err := p.dial("viewer", ssh.PublicKeys(p.ca)); err == nil {
		t.Error("a plain key was let in")
	}
	if _, err := p.dial("maint", ssh.Password("")); err == nil {
		t.Error("an empty password was let in")
	}
}

// TestDeviceEnforcesRights: what the plant file calls enforced: device is.
func TestDeviceEnforcesRights(t *testing.T) {
	p := newTestPlant(t)
	for _, row := range []struct {
		account, line, want string
		fails               bool
	}{
		{"viewer", "show flow", "sp 800", false},
		{"viewer", "show program", "PROGRAM fil1", false},
		{"viewer", "set fill-volume 801", "may not set fill-volume", true},
		{"viewer", "stop", "may not stop", true},
		{"recipes", "set fill-volume 801", "fill-volume is 801", false},
		{"recipes", "set line-speed 10", "may not set line-speed", true},
		{"recipes", "set fill-volume NaN", "nothing was changed", true},
		{"recipes", "set fill-volume 1e9", "nothing was changed", true},
		{"recipes", "set ../../x 1", "no value", true},
		{"recipes", "start", "may not start", true},
		{"maint", "stop", "stop done", false},
		{"maint", "start", "start done", false},
		{"maint", "reboot \x1b[2J", "no command", true},
		{"maint", "set fill-volume 900", "F-417  active", false}, // the line trips by itself
		{"maint", "start", "alarm F-417 stands", true},
	} {
		c, err := p.login(row.account, p.good(row.account+"@filler-plc.kiel"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.CombinedOutput(row.line)
		if _, failed := errors.AsType[*ssh.ExitError](err); failed != row.fails || !strings.Contains(string(out), row.want) || strings.Contains(string(out), "\x1b") {
			t.Errorf("%s$ %s: %q, %v; want %q", row.account, row.line, out, err, row.want)
		}
	}
	if v := p.line.now(); v.Running || !v.Alarm || v.Volume != 900 || v.Speed != 60 {
		t.Errorf("the line is %+v", v)
	}
}

func TestDeviceFiles(t *testing.T) {
	p := newTestPlant(t)
	client := func(account string) *sftp.Client {
		t.Helper()
		c, err := p.login(account, p.good(account+"@filler-plc.kiel"))
		if err != nil {
			t.Fatal(err)
		}
		s, err := sftp.NewClient(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	viewer, recipes, maint := client("viewer"), client("recipes"), client("maint")
	if all, err := viewer.ReadDir("recipes"); err != nil || len(all) != 1 || all[0].Name() != "milk-1l.rcp" {
		t.Errorf("viewer lists %v, %v", all, err)
	}
	if _, err := viewer.Open("recipes/milk-1l.rcp"); err == nil {
		t.Error("viewer takes a file out")
	}
	if _, err := recipes.Open("recipes/milk-1l.rcp"); err != nil {
		t.Errorf("recipes takes a file out: %v", err)
	}
	for name, f := range map[string]func(*sftp.Client) error{
		"create": func(c *sftp.Client) error { _, err := c.Create("program/new.prg"); return err },
		"remove": func(c *sftp.Client) error { return c.Remove("recipes/milk-1l.rcp") },
		"rename": func(c *sftp.Client) error { return c.Rename("recipes/milk-1l.rcp", "x") },
		"mkdir":  func(c *sftp.Client) error { return c.Mkdir("x") },
		"cut":    func(c *sftp.Client) error { return c.Truncate("log/fil1.log", 0) },
		"link":   func(c *sftp.Client) error { return c.Symlink("/etc/passwd", "log/x") },
	} {
		if err := f(recipes); err == nil {
			t.Errorf("recipes may %s", name)
		}
	}
	f, err := maint.Create("program/new.prg")
	if err != nil {
		t.Fatalf("maint brings a file in: %v", err)
	}
	if _, err := f.Write([]byte("PROGRAM")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("x"), maxDeviceFile); err == nil {
		t.Error("a file grows without end")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../host_key", "/../../../etc/passwd", "../../line-1-ews/files/projects/filler-1.krs"} {
		if f, err := maint.Open(path); err == nil {
			f.Close()
			t.Errorf("%s can be read", path)
		}
	}
	root := p.devices[0].root
	if err := os.Symlink("/etc/passwd", filepath.Join(root.Name(), "log", "way-out")); err != nil {
		t.Fatal(err)
	}
	if f, err := maint.Open("log/way-out"); err == nil {
		f.Close()
		t.Error("a link leads out of the machine")
	}
}

// TestBrokenHostKey: what cannot be read is said, and nothing is left listening.
func TestBrokenHostKey(t *testing.T) {
	f := folder(t.TempDir())
	for _, asset := range []string{"filler-plc", "line-1-ews"} {
		if err := os.MkdirAll(f.at(asset), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.at(asset, "host_key"), pem.EncodeToMemory(&pem.Block{Type: "NONE"}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := startPlant(f, ground{}, string(ssh.MarshalAuthorizedKey(newSigner(t).PublicKey()))); err == nil || !strings.Contains(err.Error(), "filler-plc: read its host key") {
		t.Errorf("startPlant: %v", err)
	}
}

// TestPrompt: a terminal without a size is one too, and what is typed is not broken up.
func TestPrompt(t *testing.T) {
	p := newTestPlant(t)
	c, err := p.login("recipes", p.good("recipes@filler-plc.kiel"))
	if err != nil {
		t.Fatal(err)
	}
	for name, pty := range map[string]bool{"a terminal": true, "none": false} {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if pty {
			if err := s.RequestPty("xterm", 0, 0, nil); err != nil {
				t.Fatal(err)
			}
		}
		var out strings.Builder
		s.Stdout, s.Stdin = &out, strings.NewReader("show alarms\rnonsense\rexit\r")
		if !pty {
			s.Stdin = strings.NewReader("show alarms\nnonsense\nexit\n")
		}
		if err := s.Shell(); err != nil {
			t.Fatal(err)
		}
		if err := s.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []string{"FIL-1-PLC-01", "filler> ", "no alarm", `no command "nonsense"`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s shows %q, and not %q", name, out.String(), want)
			}
		}
	}
}
