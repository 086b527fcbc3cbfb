package publish

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"penstock/audit/outsidetest"
)

func (r *rig) s3(o S3Options) *S3 {
	r.t.Helper()
	s, err := NewS3(o)
	r.must(err)
	return s
}

// TestS3Real: a real server with Object Lock holds what was sent, and lets nobody remove it.
func TestS3Real(t *testing.T) {
	r, ctx := newRig(t), context.Background()
	server := outsidetest.S3(t)
	o := S3Options{Address: "https://" + server.Address, Bucket: "locked", Prefix: "kiel", Region: outsidetest.Region, User: outsidetest.User, Secret: outsidetest.Secret,
		Retain: 48 * time.Hour, TLS: &tls.Config{RootCAs: server.Pool}, Now: time.Now}
	s := r.s3(o)
	r.grow(3)
	copied, err := s.Send(ctx, r.newest())
	r.must(err)
	if !strings.Contains(copied.Said, "locked until") {
		t.Errorf("%q", copied.Said)
	}
	err = s.client.RemoveObject(ctx, "locked", s.last.name, minio.RemoveObjectOptions{VersionID: s.last.version})
	if err == nil {
		t.Error("the owner of the bucket could remove it")
	}
	got, err := s.client.GetObject(ctx, "locked", s.last.name, minio.GetObjectOptions{})
	r.must(err)
	b, err := io.ReadAll(got)
	r.must(err)
	if !bytes.Equal(b, r.log.Checkpoint()) {
		t.Errorf("it holds %q", b)
	}
	r.grow(1)
	_, err = s.Send(ctx, r.newest())
	r.must(err)

	// A bucket without the lock is no such place.
	plain := o
	plain.Bucket = "open"
	if copied, err := r.s3(plain).Send(ctx, r.newest()); err == nil {
		t.Errorf("a bucket without Object Lock: %q", copied.Said)
	}
	plain.Bucket = "absent"
	if _, err := r.s3(plain).Send(ctx, r.newest()); err == nil {
		t.Error("a bucket that is not there took it")
	}
	wrong := o
	wrong.Secret = "another-secret"
	if _, err := r.s3(wrong).Send(ctx, r.newest()); err == nil || strings.Contains(err.Error(), "another-secret") {
		t.Errorf("a wrong secret: %v", err)
	}

	// Somebody with the server's disk removes the object all the same.
	lost := filepath.Join(server.Keeps, "locked", filepath.FromSlash(s.last.name))
	r.must(os.Remove(lost))
	r.grow(1)
	_, err = s.Send(ctx, r.newest())
	if against, ok := errors.AsType[*Contradiction](err); !ok || !strings.Contains(against.What, "the locked copy of 4 leaves, is gone") {
		t.Errorf("a lost object: %v", err)
	}
	_, err = s.Send(ctx, r.newest())
	r.must(err)

	// Somebody between answers as if all were well, and keeps something else.
	target, err := url.Parse(o.Address)
	r.must(err)
	var spoil, shorten atomic.Bool
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{TLSClientConfig: o.TLS}
	director := proxy.Director
	proxy.Director = func(q *http.Request) { director(q) } // Host stays: it is under the signature
	proxy.ModifyResponse = func(a *http.Response) error {
		if shorten.Load() && a.Request.Method == http.MethodHead {
			a.Header.Set("X-Amz-Object-Lock-Retain-Until-Date", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		}
		if !spoil.Load() || a.Request.Method != http.MethodGet {
			return nil
		}
		text, err := io.ReadAll(a.Body)
		if len(text) > 0 {
			text[0] ^= 1
		}
		a.Body = io.NopCloser(bytes.NewReader(text))
		return err
	}
	between := httptest.NewTLSServer(proxy)
	defer between.Close()
	spoiled := o
	spoiled.Address, spoiled.TLS = between.URL, trusts(between)
	liar := r.s3(spoiled)
	if _, err := liar.Send(ctx, r.newest()); err != nil {
		t.Fatalf("through a relay that changes nothing: %v", err)
	}
	spoil.Store(true)
	r.grow(1)
	if _, err := liar.Send(ctx, r.newest()); err == nil || !strings.Contains(err.Error(), "reads back as something else") {
		t.Errorf("another content: %v", err)
	}
	spoil.Store(false)
	shorten.Store(true)
	if _, err := liar.Send(ctx, r.newest()); err == nil || !strings.Contains(err.Error(), "holds it only until") {
		t.Errorf("a shorter lock: %v", err)
	}
}
