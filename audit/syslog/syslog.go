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
// why not: then the server may have read some of it. proved: the server said
// its farewell inside TLS (close_notify); else the line was closed by a FIN only,
// which can come from anybody on the way who threw away what we sent. rsyslog
// 8 with GnuTLS says none, so it is no error.
func (s *Sender) Send(ctx context.Context, all ...Message) (proved bool, err error) {
	var out []byte
	for _, m := range all {
		text, err := s.text(m)
		if err != nil {
			return false, err
		}
		out = fmt.Appendf(out, "%d %s", len(text), text)
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return false, fmt.Errorf("the syslog server was not reached: %w", err)
	}
	conn := tls.Client(uncut{raw}, s.config)
	defer conn.Close()
	if err := conn.HandshakeContext(ctx); err != nil {
		return false, fmt.Errorf("the syslog server was not reached: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(out); err != nil {
		return false, fmt.Errorf("send to the syslog server: %w", err)
	}
	if err := conn.CloseWrite(); err != nil {
		return false, fmt.Errorf("send to the syslog server: %w", err)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(conn, maxAnswer))
	if errors.Is(err, errCut) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("the syslog server did not say that it has read it: %w", err)
	}
	if n == maxAnswer {
		return false, errors.New("the syslog server answers without an end, and syslog has no answers")
	}
	return true, nil
}

var errCut = errors.New("the line ended without TLS's farewell")

// uncut makes an error of a FIN: crypto/tls takes one between two records for a
// good end.
type uncut struct{ net.Conn }

func (c uncut) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == io.EOF {
		err = errCut
	}
	return n, err
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
