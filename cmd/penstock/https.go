package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"penstock/audit/durable"
)

// Bounds of the listener for browsers.
const (
	maxHTTPS         = 2000     // connections at once
	maxHTTPSSource   = 200      // of one address
	maxHTTPSStreams  = 32       // requests under way of one connection (HTTP/2): a browser's pages, four of which follow what happens
	maxHTTPSUnread   = 64 << 10 // bytes of a connection's bodies that wait to be read
	selfSignedLife   = 398 * 24 * time.Hour
	selfSignedRenew  = 30 * 24 * time.Hour // made anew when less is left
	selfSignedBefore = time.Hour           // for clocks that are behind
)

// httpsListener is TLS over a bounded listener, with a certificate that a reload
// can put another in the place of.
type httpsListener struct {
	net.Listener
	certificate atomic.Pointer[tls.Certificate]
	kiosks      func() bool // whether browsers are asked for a certificate at all
}

// newHTTPS serves browsers on l.
func newHTTPS(l net.Listener, cert tls.Certificate, kiosks func() bool) *httpsListener {
	h := &httpsListener{kiosks: kiosks}
	h.certificate.Store(&cert)
	h.Listener = tls.NewListener(newBounded(l), h.config())
	return h
}

// config asks a browser for a certificate only while a kiosk is enrolled, and
// only for one of a kiosk's: nobody else is asked which of theirs to show. It is
// never required, and no chain is looked at: the pages hold it to its pin.
func (h *httpsListener) config() *tls.Config {
	plain := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return h.certificate.Load(), nil },
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	asks := plain.Clone()
	asks.ClientAuth, asks.ClientCAs = tls.RequestClientCert, kioskNames()
	plain.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if h.kiosks != nil && h.kiosks() {
			return asks, nil
		}
		return nil, nil
	}
	return plain
}

// kioskNames is a pool whose one name is the kiosks'; its key is thrown away.
func kioskNames() *x509.CertPool {
	pool := x509.NewCertPool()
	if _, certificate, err := newKioskPair(time.Now()); err == nil { // else browsers may offer any
		pool.AppendCertsFromPEM(certificate)
	}
	return pool
}

// fingerprint is the SHA-256 of the certificate in use, as browsers show it.
func (h *httpsListener) fingerprint() string { return certificatePrint(*h.certificate.Load()) }

func certificatePrint(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return strings.ReplaceAll(strings.TrimSpace(strings.ToUpper(fmt.Sprintf("% x", sum))), " ", ":")
}

// listen opens the doors for SSH and, unless https is off, for browsers. Where
// both have one address they share it.
func (h *plantHouse) listen() (ssh net.Listener, https *httpsListener, err error) {
	f := h.file.HTTPS
	var cert tls.Certificate
	if f.Here {
		if cert, err = h.httpsCertificate(f, time.Now()); err != nil {
			return nil, nil, err
		}
	}
	if ssh, err = h.tcp(h.file.SSH); err != nil {
		return nil, nil, fmt.Errorf("listen for SSH: %w", err)
	}
	h.ownAddress(ssh.Addr())
	switch {
	case !f.Here:
		return ssh, nil, nil
	case f.Listen == h.file.SSH:
		first, second := sharePort(ssh)
		return first, newHTTPS(second, cert, h.hasKiosks), nil
	}
	l, err := h.tcp(f.Listen)
	if err != nil {
		ssh.Close()
		return nil, nil, fmt.Errorf("listen for HTTPS: %w; another address is https.listen in the server's file, and https: off serves no pages", err)
	}
	h.ownAddress(l.Addr())
	return ssh, newHTTPS(l, cert, h.hasKiosks), nil
}

// httpsCertificate is the pair of the server's file, else our own self-signed one.
func (h *plantHouse) httpsCertificate(f httpsFile, now time.Time) (tls.Certificate, error) {
	if f.Certificate != "" {
		c, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
		if err != nil {
			return c, fmt.Errorf("https: certificate and key: %w", err)
		}
		return c, nil
	}
	path := filepath.Join(h.folder.keys(), "https.pem")
	c, err := readSelfSigned(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (now.After(c.Leaf.NotAfter.Add(-selfSignedRenew)) || c.Leaf.VerifyHostname(h.file.Name) != nil) {
		if err = makeSelfSigned(path, h.file.Name, now); err == nil {
			c, err = readSelfSigned(path)
		}
	}
	if err != nil {
		return c, fmt.Errorf("https: the broker's own certificate: %w", err)
	}
	return c, nil
}

func readSelfSigned(path string) (tls.Certificate, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read it: %w", err)
	}
	c, err := tls.X509KeyPair(b, b)
	if err != nil {
		return c, fmt.Errorf("%s: %w; remove it, and a new one is made", path, err)
	}
	return c, nil
}

// makeSelfSigned writes key and certificate as one file, 0600, whole or not at all.
func makeSelfSigned(path, name string, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make its key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("make its number: %w", err)
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "Penstock " + name}, NotBefore: now.Add(-selfSignedBefore),
		NotAfter: now.Add(selfSignedLife), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true}
	if ip := net.ParseIP(name); ip != nil {
		t.IPAddresses = []net.IP{ip}
	} else {
		t.DNSNames = []string{name}
	}
	if name == "localhost" {
		t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return fmt.Errorf("sign it: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write its key: %w", err)
	}
	both := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	return durable.WriteFile(path, both, 0o600)
}

// pagesServer answers browsers. Streams end when the doors close.
func (h *plantHouse) pagesServer(doors context.Context) *http.Server {
	return &http.Server{Handler: newCalls(h.pages), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 5 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return doors }, ConnState: boundedState,
		HTTP2:    &http.HTTP2Config{MaxConcurrentStreams: maxHTTPSStreams, MaxReceiveBufferPerStream: maxHTTPSUnread, MaxReceiveBufferPerConnection: maxHTTPSUnread},
		ErrorLog: slog.NewLogLogger(h.slog.Handler(), slog.LevelDebug)} // a browser that distrusts our certificate is no news
}

// hasKiosks says whether a screen of the control room is enrolled.
func (h *plantHouse) hasKiosks() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return h.desk != nil && h.desk.HasKiosks(ctx)
}
