// Package syslog sends messages of RFC 5424 over TLS, framed by octet counting
// (RFC 5425 section 4.3). It knows nothing of what is in them.
//
// Syslog has no answer. So messages that belong together have their own
// connection, which we close for writing and then wait until the server closes
// it too: it has read all. That it stored them, only its own file shows.
package syslog

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
)

// Severity of a message (RFC 5424 section 6.2.1).
type Severity uint8

const (
	Critical Severity = 2
	Error    Severity = 3
	Warning  Severity = 4
	Notice   Severity = 5
	Info     Severity = 6
)

// facility is 13, log audit.
const facility = 13

// maxAnswer bounds what is read of a server that talks before it closes.
const maxAnswer = 64 << 10

// Message is one message. ID is at most 32 printable ASCII characters without a
// space; Text is one line.
type Message struct {
	Severity Severity
	At       time.Time
	ID, Text string
}

// Sender knows one server. Safe for concurrent use.
type Sender struct {
	address string
	config  *tls.Config
	host    string
}

// New is the server at HOST:PORT; HOST is the name that its certificate has to carry.
func New(address string, config *tls.Config) (*Sender, error) {
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
	return &Sender{address, c, own}, nil
}

// Send delivers all of it to the server's process, in one connection, or says
// why not: then the server may have read some of it.
func (s *Sender) Send(ctx context.Context, all ...Message) error {
	var out []byte
	for _, m := range all {
		text, err := s.text(m)
		if err != nil {
			return err
		}
		out = fmt.Appendf(out, "%d %s", len(text), text)
	}
	conn, err := (&tls.Dialer{Config: s.config}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("the syslog server was not reached: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(out); err != nil {
		return fmt.Errorf("send to the syslog server: %w", err)
	}
	if err := conn.(*tls.Conn).CloseWrite(); err != nil {
		return fmt.Errorf("send to the syslog server: %w", err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(conn, maxAnswer))
	// A server may drop the line without TLS's own farewell; what counts is that it is gone.
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the syslog server did not say that it has read it: %w", err)
	}
	return nil
}

func (s *Sender) text(m Message) (string, error) {
	line := &rfc5424.SyslogMessage{}
	line.SetPriority(facility*8 + uint8(m.Severity)).SetVersion(1).SetTimestamp(m.At.UTC().Format("2006-01-02T15:04:05.000000Z")).
		SetHostname(s.host).SetAppname("penstock").SetProcID(strconv.Itoa(os.Getpid())).SetMsgID(m.ID).SetMessage(m.Text)
	text, err := line.String()
	if err != nil {
		return "", fmt.Errorf("make the syslog message: %w", err)
	}
	return text, nil
}
