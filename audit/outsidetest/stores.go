package outsidetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"go/build"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// program is a program of PATH, or of the folder where it lies else.
func program(name, folder string) string {
	if _, err := exec.LookPath(name); err != nil {
		return filepath.Join(folder, name)
	}
	return name
}

// freeAddress is an address that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Mailbox is an SMTP server with STARTTLS; it keeps a maildir.
func Mailbox(t *testing.T) Server {
	t.Helper()
	s, dir, key := newServer(t)
	s.Keeps, s.Address = filepath.Join(dir, "box"), freeAddress(t)
	Program(t, []string{"PYTHONDONTWRITEBYTECODE=1"}, "aiosmtpd", "-n", "-l", s.Address, "--tlscert", s.CA, "--tlskey", key, "-c", "aiosmtpd.handlers.Mailbox", s.Keeps)
	Awaits(t, "the mail server listens", func() bool {
		c, err := net.Dial("tcp", s.Address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return s
}

// Attachment is the file in a letter.
func Attachment(t *testing.T, text []byte) []byte {
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

// User and Secret of the S3 server.
const (
	User   = "tester"
	Secret = "not-a-secret"
	Region = "us-east-1"
)

// S3 is a server with the bucket "locked", which has Object Lock, and "open",
// which has not; it keeps a folder for each.
func S3(t *testing.T) Server {
	t.Helper()
	s, dir, key := newServer(t)
	s.Keeps, s.Address = filepath.Join(dir, "objects"), freeAddress(t)
	for _, d := range []string{s.Keeps, filepath.Join(dir, "versions"), filepath.Join(dir, "side")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	Program(t, []string{"ROOT_ACCESS_KEY=" + User, "ROOT_SECRET_KEY=" + Secret}, program("versitygw", filepath.Join(filepath.SplitList(build.Default.GOPATH)[0], "bin")),
		"--port", s.Address, "--cert", s.CA, "--key", key, "--quiet",
		"posix", "--versioning-dir", filepath.Join(dir, "versions"), "--sidecar", filepath.Join(dir, "side"), s.Keeps)
	config := &tls.Config{RootCAs: s.Pool}
	Awaits(t, "the S3 server listens", func() bool {
		c, err := tls.Dial("tcp", s.Address, config)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	client, err := minio.New(s.Address, &minio.Options{Creds: credentials.NewStaticV4(User, Secret, ""), Secure: true, Region: Region,
		Transport: &http.Transport{TLSClientConfig: config}})
	if err != nil {
		t.Fatal(err)
	}
	for bucket, locked := range map[string]bool{"locked": true, "open": false} {
		if err := client.MakeBucket(context.Background(), bucket, minio.MakeBucketOptions{Region: Region, ObjectLocking: locked}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}
