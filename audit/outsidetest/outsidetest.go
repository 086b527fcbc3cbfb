// Package outsidetest starts real servers that stand outside a broker, for
// tests. ./scripts/test installs them.
package outsidetest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Pair is a self-signed certificate for localhost, as PEM files in dir.
func Pair(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(cert, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return cert, key, pool
}

// Awaits asks again until it holds: the other side is a program of its own.
func Awaits(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain: " + what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Program runs a server until the test ends.
func Program(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &out, append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: ./scripts/test installs what the tests need", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, out.String())
		}
	})
}

// Server is a real server with TLS, and what it keeps.
type Server struct {
	Address string         // host and port
	Keeps   string         // its file, or the folder of its letters or objects
	CA      string         // PEM file of its certificate
	Pool    *x509.CertPool // the same
}

// newServer makes a server's certificate, in a folder of its own.
func newServer(t *testing.T) (s Server, dir, key string) {
	t.Helper()
	dir = t.TempDir()
	s.CA, key, s.Pool = Pair(t, dir)
	return s, dir, key
}

// Rsyslog is a syslog server; it keeps a file.
func Rsyslog(t *testing.T) Server {
	t.Helper()
	s, dir, key := newServer(t)
	s.Keeps = filepath.Join(dir, "received")
	conf := filepath.Join(dir, "conf")
	text := fmt.Sprintf(`global(workDirectory="%s" defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="%s" defaultNetstreamDriverCertFile="%s" defaultNetstreamDriverKeyFile="%s")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="whole" type="string" string="%%pri%% %%protocol-version%% %%app-name%% %%msgid%% %%msg%%\n")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="%s/port" ruleset="keep")
ruleset(name="keep") { action(type="omfile" file="%s" template="whole") }
`, dir, s.CA, s.CA, key, dir, s.Keeps)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	Program(t, nil, program("rsyslogd", "/usr/sbin"), "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
	var port string
	Awaits(t, "rsyslog listens", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "port"))
		port = strings.TrimSpace(string(b))
		return err == nil && port != ""
	})
	s.Address = "localhost:" + port
	return s
}
