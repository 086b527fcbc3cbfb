package dial

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/vault"
	"penstock/policy"
)

// The algorithms of DESIGN 5.1, towards targets.
var (
	keyExchanges = []string{"mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384"}
	ciphers      = []string{"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr"}
	macs         = []string{"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"}
)

const (
	maxPins   = 16
	maxBanner = 4 << 10 // of what a target says before login, in the recording
)

// way is on whose behalf is dialled: a channel, or an errand of the broker's own.
type way interface {
	Context() context.Context // ends with it
	Look() error              // nil: it may go on; before each write
	Own(io.Closer) error      // closes with it; after the end: closed now
	Mark(context.Context, recording.Mark, []byte) error
}

// whose is what the log and the target's own log see of a dial.
type whose struct {
	keyID   string
	window  policy.WindowID
	session policy.SessionID
	channel int
	errand  string // the broker's own; then there is no session
	early   bool   // of an errand: its certificate is good since yesterday
}

// leg is one SSH login: at the target, or at the host on the way to it.
type leg struct {
	way     way
	whose   whose
	asset   policy.AssetName
	account policy.AccountName
	target  netip.AddrPort
	keys    []string // pinned
	old     []string // algorithms of its exception
	login   policy.Login
	host    bool            // on the way
	behind  bool            // a host
	agent   policy.ZoneName // through which the leg is dialled; empty: by the broker itself
}

// named stands before what went wrong at the host on the way.
func (l leg) named() string {
	if l.host {
		return "on the way, at " + string(l.asset) + ": "
	}
	return ""
}

func (l leg) use() vault.Use {
	return vault.Use{Asset: l.asset, Account: l.account, Window: l.whose.window, Session: l.whose.session, Channel: l.whose.channel, Errand: l.whose.errand}
}

// SSH dials, checks the pinned host key, and only then logs in: with a fresh
// out certificate, whose event was durable before the dial, or with a sealed
// secret, whose use is durable before it is given. What the target itself wants
// to open or ask is refused here.
func (d *Dialer) SSH(ctx context.Context, ch *broker.Channel, a policy.AccountName) (ssh.Conn, error) {
	q := ch.Query()
	if a == "" || a != q.Account {
		return nil, &policy.Refusal{Rule: "account-not-decided", Say: "this account is not the one that was asked for; connect again with the one that was agreed", Why: fmt.Sprintf("login as %q, decided for %q", a, q.Account)}
	}
	decision := ch.Decision()
	duties := decision.Duties
	l := leg{way: ch, whose: d.whose(ch), asset: q.Asset, account: a, target: decision.Target, keys: duties.HostKeys, old: duties.Old, login: duties.Login, behind: duties.Via != nil}
	// The guard ends the work with the channel: the wait for the certificate,
	// the dial and the handshake.
	patience := connectTime + handshakeTime
	if duties.Via != nil {
		patience *= 2
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(ch.Context(), cancel)()
	return d.login(ctx, l, func(ctx context.Context) (net.Conn, error) { return d.TCP(ctx, ch) })
}

func (d *Dialer) whose(ch *broker.Channel) whose {
	return whose{keyID: d.keyID(ch), window: ch.Window(), session: ch.Session(), channel: ch.Number()}
}

// login is one leg: pins, credential, connection, handshake. dial nil: the leg's
// own target is dialled, which is its host on the way.
func (d *Dialer) login(ctx context.Context, l leg, dial func(context.Context) (net.Conn, error)) (ssh.Conn, error) {
	pins, err := parsePins(l.keys)
	if err != nil {
		return nil, err
	}
	cred, err := d.credential(ctx, l)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	if dial != nil {
		conn, err = dial(ctx)
	} else {
		conn, err = d.tcp(ctx, l.way, l.agent, l.target)
	}
	if err != nil {
		return nil, err
	}
	c, chans, reqs, err := d.handshake(ctx, conn, l, pins, cred)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return reach(c, chans, reqs), nil
}

// keyID is what the target's own log shows of the person behind the login.
func (d *Dialer) keyID(ch *broker.Channel) string {
	return fmt.Sprintf("broker=%s;w=%s;s=%s;p=%s/%s", d.Broker, ch.Window(), ch.Session(), ch.Firm(), ch.Person())
}

func (d *Dialer) handshake(ctx context.Context, conn net.Conn, l leg, pins []ssh.PublicKey, cred *credential) (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	var changed *policy.Refusal
	var other ssh.PublicKey
	banner := &banner{way: l.way, clean: cred.clean}
	config := &ssh.ClientConfig{
		Config:            algorithms(l.old),
		User:              string(l.account),
		Auth:              cred.methods, // nothing else is ever answered
		HostKeyAlgorithms: pinAlgorithms(pins, l.old),
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			if isPinned(pins, k) {
				return nil
			}
			changed, other = keyChanged(l, pins, k), k
			return changed
		},
		BannerCallback: banner.said,
		ClientVersion:  "SSH-2.0-Penstock",
	}
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, nil, nil, fmt.Errorf("handshake with the target: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c, chans, reqs, err := ssh.NewClientConn(Swift(conn), conn.RemoteAddr().String(), config)
	if !stop() && err == nil {
		c.Close()
		err = context.Cause(ctx)
	}
	if err != nil && changed == nil && l.whose.errand == "" && strings.Contains(err.Error(), "no common algorithm for host key") {
		other = d.otherKind(ctx, l)
	}
	if other != nil && d.Changed != nil {
		d.Changed(context.WithoutCancel(ctx), Other{Asset: l.asset, Key: other, Window: l.whose.window, Session: l.whose.session, Channel: l.whose.channel})
	}
	if why := l.way.Look(); why != nil {
		err = why
		if c != nil {
			c.Close()
		}
	}
	switch {
	case changed != nil:
		return nil, nil, nil, changed
	case err != nil:
		return nil, nil, nil, loginFailed(l, cred, err)
	}
	cred.forget()
	if err := conn.SetDeadline(time.Time{}); err != nil {
		c.Close()
		return nil, nil, nil, fmt.Errorf("after the handshake with the target: %w", err)
	}
	if err := l.noteOld(ctx, c); err != nil {
		c.Close()
		return nil, nil, nil, err
	}
	return c, chans, reqs, nil
}

// noteOld puts into the recording what an exception was used for.
func (l leg) noteOld(ctx context.Context, c ssh.Conn) error {
	meta, ok := c.(ssh.AlgorithmsConnMetadata)
	if len(l.old) == 0 || !ok {
		return nil
	}
	a := meta.Algorithms()
	return l.way.Mark(ctx, recording.Note, fmt.Appendf(nil, "%s is spoken to by exception: %s, %s, %s, %s", l.asset, a.KeyExchange, a.HostKey, a.Write.Cipher, a.Write.MAC))
}

// banner keeps the beginning of what a target says before login.
type banner struct {
	way   way
	clean func(string) string
	mu    sync.Mutex
	left  int
	used  bool
}

func (b *banner) said(text string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.used {
		b.used, b.left = true, maxBanner
	}
	text = b.clean(text)
	quoted := strconv.QuoteToASCII(text[:min(len(text), b.left)])
	if quoted = quoted[:min(len(quoted), b.left)]; quoted == "" {
		return nil // it says too much: the rest is dropped
	}
	b.left -= len(quoted)
	return b.way.Mark(b.way.Context(), recording.Note, []byte("target's banner: "+quoted))
}

// deaf refuses all that a target opens or asks, until its connection ends.
func deaf(chans <-chan ssh.NewChannel, reqs <-chan *ssh.Request) {
	defer recovered()
	for chans != nil || reqs != nil {
		select {
		case c, more := <-chans:
			if !more {
				chans = nil
				continue
			}
			_ = c.Reject(ssh.Prohibited, "a target opens nothing here") // the connection may be gone
		case r, more := <-reqs:
			if !more {
				reqs = nil
				continue
			}
			if r.WantReply {
				_ = r.Reply(false, nil) // the connection may be gone
			}
		}
	}
}

func recovered() {
	if r := recover(); r != nil {
		slog.Error("panic while refusing what a target asks", "panic", r)
	}
}

// short keeps a text that a target may have chosen inside a leaf.
func short(s string) string {
	s = strconv.QuoteToASCII(s)
	return s[1:min(len(s)-1, 500)]
}
