package publish

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"penstock/audit"
)

// Mail sends a checkpoint to somebody who keeps letters, over TLS only: from
// the first byte on port 465, else by STARTTLS, which must be there.
//
// The server's answer says that it took the letter, not that anybody has it.
type Mail struct {
	client   *mail.Client
	from, to string
	now      func() time.Time
	conn     net.Conn // of the present Send
}

// MailOptions of one mailbox. User and Secret may be empty.
type MailOptions struct {
	Server       string // HOST:PORT
	From, To     string
	User, Secret string
	TLS          *tls.Config
	Now          func() time.Time
}

// NewMail is a mailbox behind an SMTP server.
func NewMail(o MailOptions) (*Mail, error) {
	host, digits, err := net.SplitHostPort(o.Server)
	port, perr := strconv.Atoi(digits)
	if err != nil || perr != nil || host == "" {
		return nil, fmt.Errorf("%q is no address of a mail server: HOST:587", o.Server)
	}
	config := o.TLS.Clone()
	config.ServerName = host
	options := []mail.Option{mail.WithPort(port), mail.WithTLSConfig(config), mail.WithTimeout(sendTime), mail.WithTLSPolicy(mail.TLSMandatory)}
	m := &Mail{from: o.From, to: o.To, now: o.Now}
	var dialer interface {
		DialContext(context.Context, string, string) (net.Conn, error)
	} = &net.Dialer{}
	if port == 465 {
		options, dialer = append(options, mail.WithSSL()), &tls.Dialer{Config: config}
	}
	// The library leaves a connection open that has no STARTTLS; so it is ours to close.
	options = append(options, mail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		m.conn = c
		return c, err
	}))
	if o.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(o.User), mail.WithPassword(o.Secret))
	}
	c, err := mail.NewClient(host, options...)
	if err != nil {
		return nil, fmt.Errorf("the mail server %s: %w", host, err)
	}
	m.client = c
	return m, nil
}

// Send posts c. The letter says what it is for, because it is read years later.
func (m *Mail) Send(ctx context.Context, c audit.Checkpoint) (Copy, error) {
	letter := mail.NewMsg(mail.WithEncoding(mail.NoEncoding))
	if err := letter.From(m.from); err != nil {
		return Copy{}, fmt.Errorf("write the letter: %w", err)
	}
	if err := letter.To(m.to); err != nil {
		return Copy{}, fmt.Errorf("write the letter: %w", err)
	}
	letter.Subject(fmt.Sprintf("Penstock checkpoint: %d leaves of %s", c.Size, c.Origin))
	letter.SetDateWithValue(m.now())
	letter.SetMessageID()
	letter.SetBodyString(mail.TypeTextPlain, fmt.Sprintf(`Keep this letter. With the file in it anybody can show later whether the
record of this plant was changed:

    penstock-verify COPY-OF-THE-DATA --checkpoint checkpoint-%d.txt

leaves %d
root   %s
`, c.Size, c.Size, c.Root))
	if err := letter.AttachReader(fmt.Sprintf("checkpoint-%d.txt", c.Size), strings.NewReader(string(c.Note)),
		mail.WithFileContentType("text/plain; charset=utf-8"), mail.WithFileEncoding(mail.EncodingB64)); err != nil {
		return Copy{}, fmt.Errorf("write the letter: %w", err)
	}
	defer func() {
		if m.conn != nil {
			_ = m.conn.Close() // it is closed where all went well
		}
	}()
	if err := m.client.DialAndSendWithContext(ctx, letter); err != nil {
		return Copy{}, fmt.Errorf("post the letter: %w", err)
	}
	return Copy{Said: "taken by the mail server: " + letter.ServerResponse()}, nil
}
