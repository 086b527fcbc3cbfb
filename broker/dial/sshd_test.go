package dial_test

import (
	"bufio"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/broker/brokertest"
)

// openssh is OpenSSH's sshd of a test, on its own port with its own files.
type openssh struct {
	at  netip.AddrPort
	dir string
	pin string // its host key, as the plant pins it

	mu  sync.Mutex
	log []string
}

// startSSHD starts sshd with these lines of configuration; ca may log in as
// "principal", to root's account. A key of kind ("ed25519", "rsa") is its host key.
func startSSHD(t testing.TB, kind string, ca ssh.PublicKey, principal string, lines ...string) *openssh {
	t.Helper()
	s := &openssh{dir: t.TempDir()}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil { // sshd's own, where no service made it
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-q", "-N", "", "-t", kind, "-f", s.file("host")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pub, err := os.ReadFile(s.file("host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	s.pin = strings.Join(strings.Fields(string(pub))[:2], " ")
	port, err := brokertest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s.at = netip.AddrPortFrom(brokertest.Source, uint16(port))
	conf := []string{"ListenAddress " + s.at.String(), "HostKey " + s.file("host"), "PidFile none", "UsePAM no", "StrictModes no",
		"PermitRootLogin yes", "LogLevel VERBOSE", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"TrustedUserCAKeys " + s.file("ca.pub"), "AuthorizedPrincipalsFile " + s.file("principals"), "AuthorizedKeysFile " + s.file("keys")}
	s.write(t, "ca.pub", string(ssh.MarshalAuthorizedKey(ca)))
	s.write(t, "principals", principal+"\n")
	s.write(t, "conf", strings.Join(append(slices.Clone(lines), conf...), "\n")+"\n") // of two lines sshd takes the first
	s.run(t)
	return s
}

func (s *openssh) file(name string) string { return filepath.Join(s.dir, name) }

func (s *openssh) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *openssh) run(t testing.TB) {
	t.Helper()
	cmd := exec.Command("/usr/sbin/sshd", "-D", "-e", "-f", s.file("conf"))
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listens, ended := make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			s.mu.Lock()
			s.log = append(s.log, lines.Text())
			s.mu.Unlock()
			if strings.HasPrefix(lines.Text(), "Server listening on 127.0.0.1") {
				listens <- true
			}
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended; _ = cmd.Wait() })
	select {
	case <-listens:
	case <-ended:
		t.Fatalf("sshd does not start: %q", s.said())
	}
}

// said is what sshd has logged.
func (s *openssh) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.log, "\n")
}
