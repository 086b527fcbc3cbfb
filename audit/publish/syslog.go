package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/leodido/go-syslog/v4/rfc5424"

	"penstock/audit"
)

// Syslog sends each checkpoint as one message of RFC 5424 over TLS, framed by
// octet counting (RFC 5425 section 4.3).
//
// Syslog has no answer. So each message has its own connection, which we close
// for writing and then wait until the server closes it too: it has read all.
// That it was stored, only the server's own file shows, and that is said.
type Syslog struct {
	address string
	config  *tls.Config
	host    string
	now     func() time.Time
}

// priority is facility 13 (log audit), severity 5 (notice).
const priority = 13*8 + 5

// NewSyslog is the server at HOST:PORT.
func NewSyslog(address string, config *tls.Config, now func() time.Time) (*Syslog, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("%q is no address of a syslog server: HOST:6514", address)
	}
	own, err := os.Hostname()
	if err != nil {
		own = "penstock"
	}
	c := config.Clone()
	c.ServerName = host
	return &Syslog{address, c, own, now}, nil
}

// Send delivers c to the server's process.
func (s *Syslog) Send(ctx context.Context, c audit.Checkpoint) (Copy, error) {
	msg, err := s.message(c)
	if err != nil {
		return Copy{}, err
	}
	conn, err := (&tls.Dialer{Config: s.config}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return Copy{}, fmt.Errorf("the syslog server was not reached: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(fmt.Appendf(nil, "%d %s", len(msg), msg)); err != nil {
		return Copy{}, fmt.Errorf("send to the syslog server: %w", err)
	}
	if err := conn.(*tls.Conn).CloseWrite(); err != nil {
		return Copy{}, fmt.Errorf("send to the syslog server: %w", err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(conn, maxAnswer))
	// A server may drop the line without TLS's own farewell; what counts is that it is gone.
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return Copy{}, fmt.Errorf("the syslog server did not say that it has read it: %w", err)
	}
	return Copy{Said: "read by the syslog server; that it stored it, only its own file shows"}, nil
}

// message is one line for people and programs, with the note in it.
func (s *Syslog) message(c audit.Checkpoint) (string, error) {
	m := &rfc5424.SyslogMessage{}
	m.SetPriority(priority).SetVersion(1).SetTimestamp(s.now().UTC().Format("2006-01-02T15:04:05.000000Z")).
		SetHostname(s.host).SetAppname("penstock").SetProcID(strconv.Itoa(os.Getpid())).SetMsgID("checkpoint").
		SetMessage(fmt.Sprintf("checkpoint origin=%s size=%d root=%s %s", c.Origin, c.Size, c.Root, audit.NoteText(c.Note)))
	text, err := m.String()
	if err != nil {
		return "", fmt.Errorf("make the syslog message: %w", err)
	}
	return text, nil
}
