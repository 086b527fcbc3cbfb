package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
)

// MailOptions of one mail server. User and Secret may be empty.
type MailOptions struct {
	Server       string // HOST:PORT; TLS from the first byte on 465, else STARTTLS, which must be there
	From         string
	User, Secret string
	TLS          *tls.Config
}

// Mail sends a letter to each person whose address is known.
type Mail struct {
	o    MailOptions
	host string
	port int
}

// NewMail is a mail server; nothing is dialled.
func NewMail(o MailOptions) (*Mail, error) {
	host, digits, err := net.SplitHostPort(o.Server)
	port, perr := strconv.Atoi(digits)
	if err != nil || perr != nil || host == "" {
		return nil, fmt.Errorf("%q is no address of a mail server: HOST:587", o.Server)
	}
	return &Mail{o, host, port}, nil
}

// Send writes one letter to each of them, in one connection. Where nobody has
// an address there is nothing to send. A refused address does not keep the
// others from their letter; it is an error all the same, and not tried again.
func (m *Mail) Send(ctx context.Context, n Notice, link string) error {
	var letters []*mail.Msg
	for _, p := range n.People {
		if p.Mail == "" {
			continue
		}
		l, err := m.letter(n, link, p.Mail)
		if err != nil {
			return permanent{err}
		}
		letters = append(letters, l)
	}
	if len(letters) == 0 {
		return nil
	}
	client, closer, err := m.client()
	if err != nil {
		return err
	}
	defer closer()
	err = client.DialAndSendWithContext(ctx, letters...)
	if err == nil {
		return nil
	}
	sent := 0
	for _, l := range letters {
		if l.IsDelivered() {
			sent++
		}
	}
	var said *mail.SendError
	if sent > 0 || errors.As(err, &said) && !said.IsTemp() && said.Reason != mail.ErrConnCheck {
		return permanent{fmt.Errorf("%d of %d letters were taken: %w", sent, len(letters), err)}
	}
	return fmt.Errorf("post the notice: %w", err)
}

func (m *Mail) letter(n Notice, link, to string) (*mail.Msg, error) {
	l := mail.NewMsg(mail.WithEncoding(mail.EncodingQP))
	if err := errors.Join(l.From(m.o.From), l.To(to)); err != nil {
		return nil, fmt.Errorf("write the letter: %w", err)
	}
	l.Subject(n.Title + ": " + n.About)
	l.SetDateWithValue(n.At)
	l.SetMessageIDWithValue(strings.NewReplacer("/", ".", " ", "").Replace(n.ID) + "@" + m.host)
	l.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 5
	text := n.Text + "\n\n" + link + "\n\n"
	if len(n.Words) >= 2 {
		text += "Say on the phone: " + strings.ToUpper(n.Words[0]+" "+n.Words[1]) + "\nAll eight words:  " + strings.Join(n.Words, " ") + "\n\n"
	}
	l.SetBodyString(mail.TypeTextPlain, text+"Nothing is decided by this letter or its link: the page asks who you are.\n")
	return l, nil
}

func (m *Mail) client() (*mail.Client, func(), error) {
	config := m.o.TLS.Clone()
	config.ServerName = m.host
	options := []mail.Option{mail.WithPort(m.port), mail.WithTLSConfig(config), mail.WithTimeout(sendTime), mail.WithTLSPolicy(mail.TLSMandatory)}
	var dialer interface {
		DialContext(context.Context, string, string) (net.Conn, error)
	} = &net.Dialer{}
	if m.port == 465 {
		options, dialer = append(options, mail.WithSSL()), &tls.Dialer{Config: config}
	}
	var conn net.Conn // the library leaves one open that has no STARTTLS
	options = append(options, mail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		conn = c
		return c, err
	}))
	if m.o.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.o.User), mail.WithPassword(m.o.Secret))
	}
	c, err := mail.NewClient(m.host, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("the mail server %s: %w", m.host, err)
	}
	return c, func() {
		if conn != nil {
			_ = conn.Close() // it is closed where all went well
		}
	}, nil
}
