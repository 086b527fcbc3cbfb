package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"penstock/audit"
)

// S3 puts each checkpoint as an object of its own into a bucket with Object
// Lock, in compliance mode: nobody, its owner's administrator included, can
// change or remove it before the time is up.
//
// The server's word is not taken: what was put is read back and compared, its
// lock is read from the object's own headers, and before each new object the
// last one is asked for again.
type S3 struct {
	client *minio.Client
	bucket string
	prefix string
	retain time.Duration
	now    func() time.Time
	last   object // the loop's own
}

// object is what was put last.
type object struct {
	name, version string
	sum           [32]byte
	size          audit.Index
}

// S3Options of one bucket.
type S3Options struct {
	Address        string // https URL
	Bucket, Prefix string
	Region         string
	User, Secret   string
	Retain         time.Duration
	TLS            *tls.Config
	Now            func() time.Time
}

// NewS3 is a bucket, which must exist and have Object Lock.
func NewS3(o S3Options) (*S3, error) {
	u, err := url.Parse(o.Address)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is no address of an S3 server: https://HOST", o.Address)
	}
	c, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(o.User, o.Secret, ""), Secure: true, Region: o.Region, MaxRetries: 1,
		BucketLookup: minio.BucketLookupPath, Transport: plainClient(o.TLS).Transport})
	if err != nil {
		return nil, fmt.Errorf("the S3 server %s: %w", u.Host, err)
	}
	return &S3{client: c, bucket: o.Bucket, prefix: strings.Trim(o.Prefix, "/"), retain: o.Retain, now: o.Now}, nil
}

// Send puts c, locked, and looks whether it is there.
func (s *S3) Send(ctx context.Context, c audit.Checkpoint) (Copy, error) {
	if err := s.stillThere(ctx); err != nil {
		return Copy{}, err
	}
	until := s.now().Add(s.retain).UTC().Truncate(time.Second)
	put := object{name: s.name(c), sum: sha256.Sum256(c.Note), size: c.Size}
	info, err := s.client.PutObject(ctx, s.bucket, put.name, bytes.NewReader(c.Note), int64(len(c.Note)),
		minio.PutObjectOptions{ContentType: "text/plain; charset=utf-8", Mode: minio.Compliance, RetainUntilDate: until, SendContentMd5: true, DisableMultipart: true})
	if err != nil {
		return Copy{}, fmt.Errorf("put %s into %s: %w", put.name, s.bucket, err)
	}
	put.version = info.VersionID
	held, err := s.held(ctx, put)
	if err != nil {
		return Copy{}, fmt.Errorf("it took %s, and: %w", put.name, err)
	}
	if held.Before(until.Add(-time.Minute)) {
		return Copy{}, fmt.Errorf("it took %s, and holds it only until %s: give the bucket Object Lock", put.name, held.Format(time.RFC3339))
	}
	s.last = put
	return Copy{Said: fmt.Sprintf("object %s version %s, locked until %s", put.name, put.version, held.Format("2006-01-02"))}, nil
}

// name sorts by size, so that a listing shows a log that became shorter.
func (s *S3) name(c audit.Checkpoint) string {
	name := fmt.Sprintf("%s/%016d.txt", c.Origin, uint64(c.Size))
	if s.prefix != "" {
		name = s.prefix + "/" + name
	}
	return name
}

// held reads an object back and gives until when nobody can remove it.
func (s *S3) held(ctx context.Context, o object) (time.Time, error) {
	r, err := s.client.GetObject(ctx, s.bucket, o.name, minio.GetObjectOptions{VersionID: o.version})
	if err != nil {
		return time.Time{}, err
	}
	defer r.Close()
	b := make([]byte, maxAnswer)
	n := 0
	for n < len(b) {
		k, err := r.Read(b[n:])
		n += k
		if err != nil {
			if k == 0 && n == 0 {
				return time.Time{}, err
			}
			break
		}
	}
	if sha256.Sum256(b[:n]) != o.sum {
		return time.Time{}, &Contradiction{fmt.Sprintf("%s, the copy of %d leaves, reads back as something else", o.name, o.size)}
	}
	// The retention is asked of HEAD: servers differ in the body of GetObjectRetention.
	info, err := s.client.StatObject(ctx, s.bucket, o.name, minio.StatObjectOptions{VersionID: o.version})
	if err != nil {
		return time.Time{}, err
	}
	if mode := info.Metadata.Get("X-Amz-Object-Lock-Mode"); !strings.EqualFold(mode, "COMPLIANCE") {
		return time.Time{}, fmt.Errorf("its lock is %q, and not in compliance mode: make the bucket with Object Lock", mode)
	}
	until, err := time.Parse(time.RFC3339, info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"))
	if err != nil {
		return time.Time{}, errors.New("it does not say until when it is locked")
	}
	return until, nil
}

// stillThere asks for what was put last: a store that loses a locked object, or
// lets somebody remove it, is not what it says it is.
func (s *S3) stillThere(ctx context.Context) error {
	if s.last.name == "" {
		return nil
	}
	_, err := s.held(ctx, s.last)
	if err == nil {
		return nil
	}
	if minio.ToErrorResponse(err).StatusCode == http.StatusNotFound {
		lost := s.last
		s.last = object{} // said once; the next copy is tried all the same
		return &Contradiction{fmt.Sprintf("%s, the locked copy of %d leaves, is gone", lost.name, lost.size)}
	}
	if against, ok := errors.AsType[*Contradiction](err); ok {
		s.last = object{}
		return against
	}
	return fmt.Errorf("ask for the last copy again: %w", err)
}
