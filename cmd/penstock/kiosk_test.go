package main

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Browsers are asked for a certificate only while a screen is enrolled, and told
// that it is to be a screen's; the one that penstock kiosk new makes is shown, and
// none is fine as well.
func TestKioskCertificateIsAskedFor(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/https.pem"
	if err := makeSelfSigned(path, "localhost", time.Now()); err != nil {
		t.Fatal(err)
	}
	cert, err := readSelfSigned(path)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var enrolled atomic.Bool
	shown := make(chan int, 8)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { shown <- len(r.TLS.PeerCertificates) })}
	go func() { _ = server.Serve(newHTTPS(l, cert, enrolled.Load)) }() // ends with Close
	defer server.Close()
	key, certificate, err := newKioskPair(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	mine, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	get := func(with *tls.Certificate) (asked bool) {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost", GetClientCertificate: func(r *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			if with == nil {
				return &tls.Certificate{}, nil
			}
			if err := r.SupportsCertificate(with); err != nil { // as a browser decides which to offer
				t.Errorf("a screen's certificate is not what is asked for: %v", err)
			}
			return with, nil
		}}}}
		resp, err := c.Get("https://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return asked
	}
	if get(&mine) || <-shown != 0 {
		t.Error("a certificate is asked for while no screen is enrolled")
	}
	enrolled.Store(true)
	if !get(&mine) || <-shown != 1 {
		t.Error("it is not asked for, or was not shown")
	}
	if !get(nil) || <-shown != 0 {
		t.Error("without one nobody comes in")
	}
	for _, both := range []string{string(key), string(certificate)} {
		if strings.Contains(both, "PRIVATE KEY") == strings.Contains(both, "CERTIFICATE") {
			t.Error("key and certificate are in one text")
		}
	}
}
