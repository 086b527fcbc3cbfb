package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"penstock/policy"
)

// HTTPOptions of a webhook or a templated call.
type HTTPOptions struct {
	URL      string         // https
	Networks []netip.Prefix // inside which the address may lie though it is of no public network
	TLS      *tls.Config
	Now      func() time.Time
}

// caller posts to one address and nowhere else.
type caller struct {
	url    string
	client *http.Client
	now    func() time.Time
}

// newCaller refuses redirects and proxies, and every address that is inside
// some network and not in those named. The address is looked at as it is
// dialled, so that a name which means something else a moment later (DNS
// rebinding) leads nowhere.
func newCaller(o HTTPOptions) (*caller, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, errors.New("the address must begin with https:// and hold no password")
	}
	dialer := &net.Dialer{Timeout: sendTime, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return permanent{fmt.Errorf("address %q: %w", address, err)}
		}
		if a := to.Addr().Unmap(); !policy.Public(a) && !slices.ContainsFunc(o.Networks, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return permanent{fmt.Errorf("%s is inside a network, and the server's file does not name it under networks", a)}
		}
		return nil
	}}
	t := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: o.TLS, TLSHandshakeTimeout: sendTime, ResponseHeaderTimeout: sendTime,
		MaxResponseHeaderBytes: 16 << 10, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	c := &http.Client{Transport: t, Timeout: sendTime, CheckRedirect: func(*http.Request, []*http.Request) error {
		return permanent{errors.New("it sends us elsewhere, and we do not follow")}
	}}
	return &caller{o.URL, c, o.Now}, nil
}

// post sends a body; 2xx is yes. What will not get better is permanent.
func (c *caller) post(ctx context.Context, body []byte, header http.Header) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return permanent{errors.New("make the call")} // the error would show the address, which may be a secret
	}
	r.Header = header
	r.Header.Set("User-Agent", "Penstock")
	resp, err := c.client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		if p, ok := errors.AsType[permanent](err); ok {
			return p
		}
		return fmt.Errorf("call: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10) // nothing of it is used
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case resp.StatusCode/100 == 4 && resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusRequestTimeout:
		return permanent{fmt.Errorf("it answers %d", resp.StatusCode)}
	}
	return fmt.Errorf("it answers %d", resp.StatusCode)
}

// Webhook is one receiver of Standard Webhooks (standardwebhooks.com, version 1,
// symmetric signatures).
type Webhook struct {
	*caller
	key []byte
}

// secretPrefix begins a written secret.
const secretPrefix = "whsec_"

// NewWebhook takes the secret as it is written: whsec_ and the base64 of 24 to
// 64 bytes.
func NewWebhook(o HTTPOptions, secret string) (*Webhook, error) {
	digits, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(digits)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("the secret must be whsec_ and the base64 of 24 to 64 bytes: (printf whsec_; openssl rand -base64 32)")
	}
	c, err := newCaller(o)
	return &Webhook{c, key}, err
}

// event is the body of a webhook.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      struct {
		About  string   `json:"about"`
		Text   string   `json:"text"`
		Link   string   `json:"link"`
		People []string `json:"people"`
		Words  []string `json:"words,omitempty"`
	} `json:"data"`
}

// Send signs "id.timestamp.body" with HMAC-SHA256.
func (w *Webhook) Send(ctx context.Context, n Notice, link string) error {
	e := event{Type: n.Type, Timestamp: n.At.UTC()}
	e.Data.About, e.Data.Text, e.Data.Link, e.Data.People, e.Data.Words = n.About, n.Text, link, ids(n.People), n.Words
	body, err := json.Marshal(e)
	if err != nil {
		return permanent{err}
	}
	id, at := "msg_"+strings.ReplaceAll(n.ID, "/", "_"), strconv.FormatInt(w.now().Unix(), 10)
	mac := hmac.New(sha256.New, w.key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", at)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return w.post(ctx, body, h)
}

// Call is an HTTP call whose body is a template: for a chat, a pager, a gateway
// for short messages.
type Call struct {
	*caller
	body   *template.Template
	header http.Header
	each   bool
}

// maxCall bounds a call's body; bytes.
const maxCall = 16 << 10

// filled is what a template may use. json writes any of it as a JSON value, and
// query as part of a form.
type filled struct {
	ID, Type, Title, Text, Link, About string
	Words                              []string
	People                             []string // names
	Name, Phone, Mail                  string   // of the one person, where a call is made for each
}

var functions = template.FuncMap{
	"json": func(v any) (string, error) {
		b, err := json.Marshal(v)
		return string(b), err
	},
	"query": url.QueryEscape,
	"join":  strings.Join,
}

// NewCall reads the template; each makes one call for each person with a number.
func NewCall(o HTTPOptions, body string, header http.Header, each bool) (*Call, error) {
	t, err := template.New("body").Funcs(functions).Option("missingkey=error").Parse(body)
	if err != nil {
		return nil, fmt.Errorf("the template: %w", err)
	}
	c := &Call{body: t, header: header, each: each}
	if _, err := c.fill(filled{Words: []string{"a", "b"}, People: []string{"x"}}); err != nil {
		return nil, fmt.Errorf("the template: %w", err)
	}
	c.caller, err = newCaller(o)
	return c, err
}

func (c *Call) fill(f filled) ([]byte, error) {
	b := &bounded{most: maxCall}
	if err := c.body.Execute(b, f); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// bounded is a buffer that refuses to grow beyond most.
type bounded struct {
	bytes.Buffer
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		return 0, fmt.Errorf("it makes more than %d bytes", b.most)
	}
	return b.Buffer.Write(p)
}

// Send makes the call, or one for each person who has a number.
func (c *Call) Send(ctx context.Context, n Notice, link string) error {
	f := filled{ID: n.ID, Type: n.Type, Title: n.Title, Text: n.Text, Link: link, About: n.About, Words: n.Words}
	for _, p := range n.People {
		f.People = append(f.People, p.Name)
	}
	if !c.each {
		return c.call(ctx, f)
	}
	var errs []error
	for _, p := range n.People {
		if p.Phone == "" {
			continue
		}
		f.Name, f.Phone, f.Mail = p.Name, p.Phone, p.Mail
		if err := c.call(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("to %s: %w", p.ID, err))
		}
	}
	if len(errs) > 0 && len(n.People) > 1 {
		return permanent{errors.Join(errs...)} // those who were reached are not rung twice
	}
	return errors.Join(errs...)
}

func (c *Call) call(ctx context.Context, f filled) error {
	body, err := c.fill(f)
	if err != nil {
		return permanent{err}
	}
	return c.post(ctx, body, c.header.Clone())
}
