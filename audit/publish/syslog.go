package publish

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"penstock/audit"
	"penstock/audit/syslog"
)

// Syslog sends each checkpoint as one message of RFC 5424 over TLS. What the
// server's closing of the line means, and what not, package syslog says.
type Syslog struct {
	sender *syslog.Sender
	now    func() time.Time
}

// NewSyslog is the server at HOST:PORT.
func NewSyslog(address string, config *tls.Config, now func() time.Time) (*Syslog, error) {
	s, err := syslog.New(address, config)
	if err != nil {
		return nil, err
	}
	return &Syslog{s, now}, nil
}

// Send delivers c to the server's process: one line for people and programs, with the note in it.
func (s *Syslog) Send(ctx context.Context, c audit.Checkpoint) (Copy, error) {
	proved, err := s.sender.Send(ctx, syslog.Message{Severity: syslog.Notice, At: s.now(), ID: "checkpoint",
		Text: fmt.Sprintf("checkpoint origin=%s size=%d root=%s %s", c.Origin, c.Size, c.Root, audit.NoteText(c.Note))})
	if err != nil {
		return Copy{}, err
	}
	if !proved {
		return Copy{Said: "the line was closed after it, without TLS's farewell: the syslog server has read it, or somebody on the way has cut the line; only the server's own file shows"}, nil
	}
	return Copy{Said: "read by the syslog server; that it stored it, only its own file shows"}, nil
}
