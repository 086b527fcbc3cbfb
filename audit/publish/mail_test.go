package publish

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/audit/outsidetest"
)

// TestMailReal: the auditor's mailbox holds a file that is the checkpoint, to the byte.
func TestMailReal(t *testing.T) {
	r := newRig(t)
	server := outsidetest.Mailbox(t)
	o := MailOptions{Server: server.Address, From: "penstock@kiel.example", To: "audit@kiel.example", TLS: &tls.Config{RootCAs: server.Pool}, Now: time.Now}
	m, err := NewMail(o)
	r.must(err)
	r.grow(4)
	copied, err := m.Send(context.Background(), r.newest())
	r.must(err)
	if !strings.Contains(copied.Said, "taken by the mail server: OK") {
		t.Errorf("%q", copied.Said)
	}
	var letters []string
	outsidetest.Awaits(t, "the letter", func() bool {
		letters, _ = filepath.Glob(filepath.Join(server.Keeps, "new", "*"))
		return len(letters) == 1
	})
	text, err := os.ReadFile(letters[0])
	r.must(err)
	if got := outsidetest.Attachment(t, text); !bytes.Equal(got, r.log.Checkpoint()) {
		t.Errorf("the file in the letter is %q", got)
	}
	if !bytes.Contains(text, []byte("Subject: Penstock checkpoint: 4 leaves of kiel/penstock/audit/a")) {
		t.Errorf("the letter is\n%s", text)
	}
	o.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	stranger, err := NewMail(o)
	r.must(err)
	if _, err := stranger.Send(context.Background(), r.newest()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody trusts: %v", err)
	}
	o.Server = "127.0.0.1:1"
	down, err := NewMail(o)
	r.must(err)
	if _, err := down.Send(context.Background(), r.newest()); err == nil {
		t.Error("a server that is down took it")
	}
}

// TestMailWithoutTLS: a server that has no STARTTLS, or hides it, gets no letter.
func TestMailWithoutTLS(t *testing.T) {
	r := newRig(t)
	r.grow(1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r.must(err)
	defer l.Close()
	heard := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "220 plain\r\n")
		b := make([]byte, 4096)
		all := ""
		for {
			n, err := c.Read(b)
			all += string(b[:n])
			if err != nil || strings.Contains(all, "QUIT") || strings.Contains(all, "DATA") {
				heard <- all
				return
			}
			_, _ = io.WriteString(c, "250 plain\r\n")
		}
	}()
	m, err := NewMail(MailOptions{Server: l.Addr().String(), From: "a@b.example", To: "c@d.example", TLS: &tls.Config{}, Now: time.Now, User: "u", Secret: "hidden"})
	r.must(err)
	if _, err := m.Send(context.Background(), r.newest()); err == nil {
		t.Error("a letter went out in the clear")
	}
	if all := <-heard; strings.Contains(all, "MAIL FROM") || strings.Contains(all, base64.StdEncoding.EncodeToString([]byte("hidden"))) {
		t.Errorf("in the clear: %q", all)
	}
}
