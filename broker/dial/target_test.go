package dial_test

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/dial"
	"penstock/policy"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // faults are made on purpose
	goleak.VerifyTestMain(m)
}

func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rsaKey(t testing.TB) ssh.PublicKey {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ssh.NewPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func line(k ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k))) }

// authority signs for targets as broker/ca does.
type authority struct {
	key   ssh.Signer
	mu    sync.Mutex
	asked []string
	early bool // the next certificate is good since yesterday
	err   error
}

func (a *authority) SignTarget(ctx context.Context, principal, keyID string, session policy.SessionID, channel int) (ssh.Signer, error) {
	return a.sign("permit-pty", principal, keyID)
}

func (a *authority) SignHop(ctx context.Context, principal, keyID string, session policy.SessionID, channel int) (ssh.Signer, error) {
	return a.sign("permit-port-forwarding", principal, keyID)
}

func (a *authority) SignErrand(_ context.Context, principal, keyID, errand string, hop, early bool) (ssh.Signer, error) {
	a.mu.Lock()
	a.early = early
	a.mu.Unlock()
	if hop {
		return a.sign("permit-port-forwarding", principal, keyID)
	}
	return a.sign("permit-pty", principal, keyID)
}

func (a *authority) sign(extension, principal, keyID string) (ssh.Signer, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, principal+" "+keyID)
	if a.err != nil {
		return nil, a.err
	}
	since := time.Minute
	if a.early {
		since = 24 * time.Hour
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, err
	}
	cert := &ssh.Certificate{
		Key: s.PublicKey(), CertType: ssh.UserCert, KeyId: keyID, ValidPrincipals: []string{principal},
		Permissions: ssh.Permissions{Extensions: map[string]string{extension: ""}},
		ValidAfter:  uint64(time.Now().Add(-since).Unix()), ValidBefore: uint64(time.Now().Add(5 * time.Minute).Unix()),
	}
	if err := cert.SignCert(rand.Reader, a.key); err != nil {
		return nil, err
	}
	return ssh.NewCertSigner(cert, s)
}

func (a *authority) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.asked...)
}

// target is an SSH server that writes down who tries what.
type target struct {
	at       netip.AddrPort
	key      ssh.Signer
	ca       ssh.PublicKey
	mu       sync.Mutex
	attempts []string
	conns    int
	serve    func(net.Conn, *ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request) // after login
	raw      func(net.Conn)                                                              // instead of SSH
	banner   string
	name     string        // empty: plc
	clock    time.Duration // how far its clock is ahead
	tried    chan struct{} // closed by serve
	wait     sync.WaitGroup
}

// listen starts the target; change bends it first.
func listen(t testing.TB, ca ssh.PublicKey, change func(*target)) *target {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &target{at: l.Addr().(*net.TCPAddr).AddrPort(), key: newKey(t), ca: ca, tried: make(chan struct{})}
	if change != nil {
		change(g)
	}
	g.wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			g.mu.Lock()
			g.conns++
			g.mu.Unlock()
			g.wait.Go(func() { g.handle(c) })
		}
	})
	t.Cleanup(func() { l.Close(); g.wait.Wait() })
	return g
}

func (g *target) try(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.attempts = append(g.attempts, fmt.Sprintf(format, args...))
}

func (g *target) tries() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.attempts...)
}

func (g *target) handle(c net.Conn) {
	defer c.Close()
	if g.raw != nil {
		g.raw(c)
		return
	}
	checker := &ssh.CertChecker{IsUserAuthority: func(k ssh.PublicKey) bool { return string(k.Marshal()) == string(g.ca.Marshal()) },
		Clock: func() time.Time { return time.Now().Add(g.clock) }}
	config := &ssh.ServerConfig{
		MaxAuthTries: 20,
		PublicKeyCallback: func(m ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
			cert, ok := k.(*ssh.Certificate)
			if !ok {
				g.try("%s plain key", m.User())
				return nil, fmt.Errorf("no")
			}
			g.try("%s cert %v %s", m.User(), cert.ValidPrincipals, cert.KeyId)
			if !checker.IsUserAuthority(cert.SignatureKey) {
				return nil, fmt.Errorf("no")
			}
			return nil, checker.CheckCert(m.User()+"@"+cmp.Or(g.name, "plc")+".kiel", cert)
		},
		PasswordCallback: func(m ssh.ConnMetadata, _ []byte) (*ssh.Permissions, error) {
			g.try("%s password", m.User())
			return nil, nil
		},
		KeyboardInteractiveCallback: func(m ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			g.try("%s keyboard-interactive", m.User())
			_, err := ask("", "Your password at the broker, please", []string{"Password: "}, []bool{false})
			return nil, err
		},
		BannerCallback: func(ssh.ConnMetadata) string { return g.banner },
	}
	config.AddHostKey(g.key)
	conn, chans, reqs, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	defer conn.Close()
	if g.serve != nil {
		g.serve(c, conn, chans, reqs)
		return
	}
	go ssh.DiscardRequests(reqs)
	for n := range chans {
		n.Reject(ssh.Prohibited, "nothing here")
	}
}

// stage is a broker with a channel to the target.
type stage struct {
	*brokertest.Rig
	ca      *authority
	dialer  *dial.Dialer
	session *broker.Session
	channel *broker.Channel
}

func newStage(t testing.TB, change func(*target), pins ...string) (*stage, *target) {
	t.Helper()
	ca := &authority{key: newKey(t)}
	g := listen(t, ca.key.PublicKey(), change)
	if pins == nil {
		pins = []string{line(g.key.PublicKey())}
	}
	s := &stage{ca: ca, dialer: &dial.Dialer{CA: ca, Broker: "a", Loopback: true}}
	s.Rig = brokertest.New(t, brokertest.Plant(t, g.at, 0, pins...), broker.Limits{})
	s.session = s.Session(t, &brokertest.Guest{})
	s.channel = s.Channel(t, s.session, brokertest.Shell(brokertest.Maint))
	return s, g
}

func refusedBy(t *testing.T, err error) *policy.Refusal {
	t.Helper()
	r, ok := err.(*policy.Refusal)
	if !ok {
		t.Fatalf("not a refusal: %v", err)
	}
	return r
}
