package publish

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/audit"
)

// pair is a self-signed certificate for localhost, as PEM files in dir.
func pair(t *testing.T, dir string) (cert, key string, pool *x509.CertPool) {
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

// awaits asks again until it holds: the other side is a program of its own.
func awaits(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain: " + what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// program runs a server until the test ends.
func program(t *testing.T, env []string, name string, args ...string) {
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

// rsyslog is the real server with TLS; it gives its address and its file.
func rsyslog(t *testing.T) (address, file string, pool *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	cert, key, pool := pair(t, dir)
	file = filepath.Join(dir, "received")
	conf := filepath.Join(dir, "conf")
	text := fmt.Sprintf(`global(workDirectory="%s" defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="%s" defaultNetstreamDriverCertFile="%s" defaultNetstreamDriverKeyFile="%s")
module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")
template(name="whole" type="string" string="%%pri%% %%protocol-version%% %%app-name%% %%msgid%% %%msg%%\n")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="%s/port" ruleset="keep")
ruleset(name="keep") { action(type="omfile" file="%s" template="whole") }
`, dir, cert, cert, key, dir, file)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	name := "rsyslogd"
	if _, err := exec.LookPath(name); err != nil {
		name = "/usr/sbin/rsyslogd"
	}
	program(t, nil, name, "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
	var port string
	awaits(t, "rsyslog listens", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "port"))
		port = strings.TrimSpace(string(b))
		return err == nil && port != ""
	})
	return "localhost:" + port, file, pool
}

// TestSyslog: the real server has in its file what the verifier can use.
func TestSyslog(t *testing.T) {
	r := newRig(t)
	address, file, pool := rsyslog(t)
	s, err := NewSyslog(address, &tls.Config{RootCAs: pool}, time.Now)
	r.must(err)
	var sent [][]byte
	for range 3 {
		r.grow(2)
		copied, err := s.Send(context.Background(), r.newest())
		r.must(err)
		if !strings.Contains(copied.Said, "only its own file shows") {
			t.Errorf("it promises more than syslog can: %q", copied.Said)
		}
		sent = append(sent, r.log.Checkpoint())
	}
	var kept [][]byte
	awaits(t, "three messages in the server's file", func() bool {
		b, _ := os.ReadFile(file)
		kept = audit.FindNotes(b)
		return len(kept) == 3
	})
	for i := range kept {
		if !bytes.Equal(kept[i], sent[i]) {
			t.Errorf("message %d is another checkpoint", i)
		}
	}
	b, err := os.ReadFile(file)
	r.must(err)
	if line, _, _ := strings.Cut(string(b), "\n"); !strings.HasPrefix(line, "109 1 penstock checkpoint checkpoint origin=kiel/penstock/audit/a size=2 root=sha256:") && !strings.HasPrefix(line, "109 1 penstock checkpoint  checkpoint origin=") {
		t.Errorf("the server read %q", line)
	}
	if _, err := (&Syslog{address, &tls.Config{ServerName: "localhost"}, "h", time.Now}).Send(context.Background(), r.newest()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody trusts: %v", err)
	}
}

// TestSyslogFaults: a server that drops the line before it has read, and one
// that keeps it open for ever, have not got it.
func TestSyslogFaults(t *testing.T) {
	r := newRig(t)
	r.grow(1)
	cert, key, pool := pair(t, t.TempDir())
	c, err := tls.LoadX509KeyPair(cert, key)
	r.must(err)
	for what, serve := range map[string]func(net.Conn){
		"reset before reading": func(c net.Conn) {
			tc := c.(*tls.Conn)
			_ = tc.Handshake()
			_ = tc.NetConn().(*net.TCPConn).SetLinger(0)
			_ = tc.NetConn().Close()
		},
		"open for ever": func(c net.Conn) { _, _ = io.Copy(io.Discard, c); select {} },
	} {
		l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c}})
		r.must(err)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go serve(c)
			}
		}()
		s, err := NewSyslog(l.Addr().String(), &tls.Config{RootCAs: pool}, time.Now)
		r.must(err)
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		if _, err := s.Send(ctx, r.newest()); err == nil {
			t.Errorf("%s: counted as a copy", what)
		}
		cancel()
		l.Close()
	}
	down, err := NewSyslog("127.0.0.1:1", &tls.Config{RootCAs: pool}, time.Now)
	r.must(err)
	if _, err := down.Send(context.Background(), r.newest()); err == nil || !strings.Contains(err.Error(), "not reached") {
		t.Errorf("down: %v", err)
	}
	if _, err := NewSyslog("nohost", nil, time.Now); err == nil {
		t.Error("an address without a port was taken")
	}
}
