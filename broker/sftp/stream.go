package sftp

import (
	"context"
	"crypto/sha256"
	"hash"
	"log/slog"
	"sync"

	"penstock/audit"
)

// stream counts and hashes what rsync and git say to each other; it does not
// understand it. The direction is that of the files, by the command's words.
type stream struct {
	c *Carrier
	j *Job

	mu    sync.Mutex
	sum   hash.Hash
	once  *once // nil where the machine sends
	bytes int64
	done  func()
}

func newStream(c *Carrier, j *Job) *stream {
	s := &stream{c: c, j: j, sum: sha256.New()}
	word := "download of"
	if j.in {
		word = "upload of"
	}
	if j.in {
		s.once = c.in
	}
	s.done = c.gate.Busy(word + " " + safe(j.paths[0].text) + " by " + j.Kind)
	return s
}

func (s *stream) count(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.once.write(s.sum, p)
	s.bytes += int64(len(p))
}

func (s *stream) fromVendor(_ context.Context, p []byte, send func([]byte) error) error {
	if s.j.in {
		s.count(p)
	}
	return send(p)
}

func (s *stream) fromTarget(p []byte, show func([]byte) error) error {
	if !s.j.in {
		s.count(p)
	}
	return show(p)
}

func (s *stream) ended(exit string) {
	s.done()
	s.mu.Lock()
	defer s.mu.Unlock()
	f := audit.FileTransferred{By: s.j.Kind, Direction: "out", Path: joined(s.j.paths), Bytes: s.bytes, Hashed: "stream", Whole: exit == "0"}
	if s.j.in {
		f.Direction = "in"
	}
	if s.sum.Sum(f.SHA256[:0]); !f.Whole {
		f.Why = "the machine ended it with " + exit
		if exit == "" {
			f.Why = "broke off"
		}
	}
	if err := s.c.transferred(f); err != nil {
		slog.Error("a transfer could not be told", "err", err)
	}
}

// joined are the paths as one text, safe to show.
func joined(paths []word) string {
	all := ""
	for i, w := range paths {
		if i > 0 {
			all += " "
		}
		all += w.text
	}
	return safe(all)
}
