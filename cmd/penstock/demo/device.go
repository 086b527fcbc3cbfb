package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"regexp"
	"sync"
	"time"

	glider "github.com/gliderlabs/ssh"
	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// account is what a device lets one of its own logins do. It is the device that
// enforces this, as the plant file says of these accounts.
type account struct{ copies, sets, operates, loads bool }

// device is a machine with an SSH port of its own: a command line, and files by
// sftp. It takes nobody but holders of the broker's out certificates.
type device struct {
	name     string // as the plant file has it
	accounts map[string]account
	console  func(*session) console
	root     *os.Root // what sftp shows
	server   *glider.Server
	wait     sync.WaitGroup
}

// console is a device's command line.
type console interface {
	greeting() string
	prompt() string
	run(words []string) int
}

const (
	maxDeviceSessions = 32
	deviceIdle        = time.Hour
)

// start serves l; keyFile is its host key in OpenSSH's format, authority the
// broker's out CA as an authorized_keys line.
func (d *device) start(l net.Listener, keyFile, authority string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return fmt.Errorf("%s: read its host key: %w", d.name, err)
	}
	host, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return fmt.Errorf("%s: read its host key: %w", d.name, err)
	}
	ca, _, _, _, err := ssh.ParseAuthorizedKey([]byte(authority))
	if err != nil {
		return fmt.Errorf("%s: read whom it trusts: %w", d.name, err)
	}
	limit := make(chan struct{}, maxDeviceSessions)
	d.server = &glider.Server{
		Version: "Krall-FX", HostSigners: []glider.Signer{host}, IdleTimeout: deviceIdle,
		PublicKeyHandler: func(ctx glider.Context, key glider.PublicKey) bool {
			return d.admits(ca, ctx.User(), key)
		},
		SubsystemHandlers: map[string]glider.SubsystemHandler{"sftp": d.bounded(limit, d.files)},
		Handler:           d.bounded(limit, d.work),
	}
	d.wait.Go(func() { _ = d.server.Serve(l) }) // ends with stop
	return nil
}

func (d *device) stop() {
	if d.server != nil {
		_ = d.server.Close() // and with it all connections
		d.wait.Wait()
	}
	_ = d.root.Close() // it was only read and written file by file
}

// admits: a certificate of the broker, for this account on this machine, now.
func (d *device) admits(ca ssh.PublicKey, user string, key ssh.PublicKey) bool {
	cert, ok := key.(*ssh.Certificate)
	if _, known := d.accounts[user]; !ok || !known || cert.CertType != ssh.UserCert || !bytes.Equal(cert.SignatureKey.Marshal(), ca.Marshal()) {
		return false
	}
	return (&ssh.CertChecker{}).CheckCert(user+"@"+d.name+"."+siteName, cert) == nil
}

// bounded keeps a device alive whatever a session does.
func (d *device) bounded(limit chan struct{}, f func(*session)) func(glider.Session) {
	return func(s glider.Session) {
		defer func() {
			if r := recover(); r != nil {
				slog.Error("a demo machine's session panicked", "machine", d.name, "panic", r)
				_ = s.Exit(1) // may be gone
			}
		}()
		select {
		case limit <- struct{}{}:
			defer func() { <-limit }()
		default:
			fmt.Fprintln(s.Stderr(), "too many sessions")
			_ = s.Exit(1)
			return
		}
		f(newSession(s, d.accounts[s.User()]))
	}
}

func (d *device) files(s *session) {
	server := sftp.NewRequestServer(leftOpen{s.ssh}, folderFiles(d.root, s.may))
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		slog.Debug("sftp ended", "machine", d.name, "error", err)
	}
	_ = server.Close()
	_ = s.ssh.Exit(0) // scp asks how it ended; may be gone
}

// leftOpen keeps the sftp server from closing the channel: the exit status comes after.
type leftOpen struct{ io.ReadWriter }

// Close does nothing.
func (leftOpen) Close() error { return nil }

// session is one person's login on a device.
type session struct {
	ssh  glider.Session
	may  account
	by   string // for the device's own log
	keys chan []byte
	out  io.Writer
}

// keyPerson finds who is behind a login: the broker names them in the certificate.
var keyPerson = regexp.MustCompile(`p=([a-z0-9-]+/[a-z0-9-]+)`)

func newSession(s glider.Session, may account) *session {
	by := "ssh " + s.User()
	if cert, ok := s.PublicKey().(*ssh.Certificate); ok {
		if m := keyPerson.FindStringSubmatch(cert.KeyId); m != nil {
			by += ", " + m[1]
		}
	}
	return &session{ssh: s, may: may, by: by, out: s}
}
