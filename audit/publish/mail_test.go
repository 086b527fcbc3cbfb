package publish

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/audit/outsidetest"
)

// sink is a real SMTP server that keeps letters in a maildir.
func sink(t *testing.T) (address, box string, pool *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	cert, key, pool := outsidetest.Pair(t, dir)
	box, address = filepath.Join(dir, "box"), freeAddress(t)
	outsidetest.Program(t, []string{"PYTHONDONTWRITEBYTECODE=1"}, "aiosmtpd", "-n", "-l", address, "--tlscert", cert, "--tlskey", key, "-c", "aiosmtpd.handlers.Mailbox", box)
	outsidetest.Awaits(t, "the mail server listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return address, box, pool
}

// TestMailReal: the auditor's mailbox holds a file that is the checkpoint, to the byte.
func TestMailReal(t *testing.T) {
	r := newRig(t)
	address, box, pool := sink(t)
	o := MailOptions{Server: address, From: "penstock@kiel.example", To: "audit@kiel.example", TLS: &tls.Config{RootCAs: pool}, Now: time.Now}
	m, err := NewMail(o)
	r.must(err)
	r.grow(4)
	copied, err := m.Send(context.Background(), r.newest())
	r.must(err)
	if !strings.Contains(copied.Said, "taken by the mail server: OK") {
		t.Errorf("%q", copied.Said)
	}
	var letters []string
	outsidetest.Awaits(t, "the letter", func() bool { letters, _ = filepath.Glob(filepath.Join(box, "new", "*")); return len(letters) == 1 })
	text, err := os.ReadFile(letters[0])
	r.must(err)
	if got := attachment(t, text); !bytes.Equal(got, r.log.Checkpoint()) {
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

// attachment is the file in a letter.
func attachment(t *testing.T, text []byte) []byte {
	t.Helper()
	letter, err := mail.ReadMessage(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(letter.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(letter.Body, params["boundary"])
	for {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatalf("no file in the letter: %v\n%s", err, text)
		}
		if p.FileName() != "" {
			b, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
	}
}
