package dial

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit/recording"
	"penstock/broker"
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

// SSH dials, checks the pinned host key, and only then logs in with a fresh
// out certificate, whose event was durable before the dial. What the target
// itself wants to open or ask is refused here.
func (d *Dialer) SSH(ctx context.Context, ch *broker.Channel, a policy.AccountName) (ssh.Conn, error) {
	if asked := ch.Query().Account; a == "" || a != asked {
		return nil, &policy.Refusal{Rule: "account-not-decided", Say: "this account is not the one that was asked for", Why: fmt.Sprintf("login as %q, decided for %q", a, asked)}
	}
	duties := ch.Decision().Duties
	pins, err := parsePins(duties.HostKeys)
	if err != nil {
		return nil, err
	}
	if duties.Login.Principal == "" {
		return nil, &policy.Refusal{Rule: "no-principal", Say: "the plant file does not say how to log in there; call OT security", Why: "the decision has no principal"}
	}
	// The guard ends the work with the channel: the wait for the certificate,
	// the dial and the handshake.
	ctx, cancel := context.WithTimeout(ctx, connectTime+handshakeTime)
	defer cancel()
	defer context.AfterFunc(ch.Context(), cancel)()
	signer, err := d.CA.SignTarget(ctx, duties.Login.Principal, d.keyID(ch), ch.Session(), ch.Number())
	if err != nil {
		return nil, fmt.Errorf("certificate for the target: %w", err)
	}
	conn, err := d.TCP(ctx, ch)
	if err != nil {
		return nil, err
	}
	c, chans, reqs, err := handshake(ctx, conn, ch, a, pins, signer)
	if err != nil {
		conn.Close()
		return nil, err
	}
	go deaf(chans, reqs)
	return c, nil
}

// keyID is what the target's own log shows of the person behind the login.
func (d *Dialer) keyID(ch *broker.Channel) string {
	return fmt.Sprintf("broker=%s;w=%s;s=%s;p=%s/%s", d.Broker, ch.Window(), ch.Session(), ch.Firm(), ch.Person())
}

func handshake(ctx context.Context, conn net.Conn, ch *broker.Channel, a policy.AccountName, pins []ssh.PublicKey, signer ssh.Signer) (ssh.Conn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	var changed *policy.Refusal
	banner := &banner{ch: ch}
	config := &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: keyExchanges, Ciphers: ciphers, MACs: macs},
		User:              string(a),
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signer)}, // nothing else is ever answered
		HostKeyAlgorithms: pinAlgorithms(pins),
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			if isPinned(pins, k) {
				return nil
			}
			changed = keyChanged(pins, k)
			return changed
		},
		BannerCallback: banner.said,
		ClientVersion:  "SSH-2.0-Penstock",
	}
	if err := conn.SetDeadline(time.Now().Add(handshakeTime)); err != nil {
		return nil, nil, nil, fmt.Errorf("handshake with the target: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c, chans, reqs, err := ssh.NewClientConn(QuickAck(conn), conn.RemoteAddr().String(), config)
	if !stop() && err == nil {
		c.Close()
		err = context.Cause(ctx)
	}
	if why := ch.Look(); why != nil {
		err = why
		if c != nil {
			c.Close()
		}
	}
	switch {
	case changed != nil:
		return nil, nil, nil, changed
	case err != nil:
		return nil, nil, nil, loginFailed(ch, err)
	}
	if err := conn.SetDeadline(time.Time{}); err != nil {
		c.Close()
		return nil, nil, nil, fmt.Errorf("after the handshake with the target: %w", err)
	}
	return c, chans, reqs, nil
}

func loginFailed(ch *broker.Channel, err error) error {
	if why := ch.Look(); why != nil {
		return why
	}
	say := "the machine did not complete the SSH handshake; ask the plant"
	rule := "target-handshake"
	if strings.Contains(err.Error(), "unable to authenticate") {
		rule, say = "target-login", "the machine does not accept Penstock's certificate for this account; call OT security"
	}
	if strings.Contains(err.Error(), "no common algorithm for host key") {
		rule, say = "target-host-key", "the machine does not show a key of the kind that the plant pinned; do not go on, call OT security"
	}
	return &policy.Refusal{Rule: rule, Say: say, Why: "handshake with the target: " + short(err.Error())}
}

// parsePins reads the decision's pinned keys; none refuses.
func parsePins(lines []string) ([]ssh.PublicKey, error) {
	if len(lines) == 0 || len(lines) > maxPins {
		return nil, &policy.Refusal{Rule: "host-key-not-pinned",
			Say: "the plant has not pinned this machine's key yet; call OT security", Why: fmt.Sprintf("%d pinned keys", len(lines))}
	}
	var pins []ssh.PublicKey
	for _, line := range lines {
		k, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
		if err == nil && (len(options) > 0 || len(rest) > 0) {
			err = errors.New("more than one key on the line")
		}
		if err == nil && pinAlgorithms([]ssh.PublicKey{k}) == nil {
			err = fmt.Errorf("keys of type %s are not used", k.Type())
		}
		if err != nil {
			return nil, &policy.Refusal{Rule: "host-key-not-pinned",
				Say: "the key that the plant pinned for this machine cannot be read; call OT security", Why: "pinned key: " + err.Error()}
		}
		pins = append(pins, k)
	}
	return pins, nil
}

// pinAlgorithms are the host key algorithms that can show a pinned key, and no
// others: a target cannot choose a key that nobody has pinned.
func pinAlgorithms(pins []ssh.PublicKey) []string {
	var all []string
	for _, k := range pins {
		switch t := k.Type(); t {
		case ssh.KeyAlgoRSA:
			all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521:
			all = append(all, t)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func isPinned(pins []ssh.PublicKey, k ssh.PublicKey) bool {
	return slices.ContainsFunc(pins, func(pin ssh.PublicKey) bool {
		return pin.Type() == k.Type() && string(pin.Marshal()) == string(k.Marshal())
	})
}

func keyChanged(pins []ssh.PublicKey, k ssh.PublicKey) *policy.Refusal {
	var want []string
	for _, p := range pins {
		want = append(want, p.Type()+" "+ssh.FingerprintSHA256(p))
	}
	return &policy.Refusal{Rule: "target-host-key",
		Say: "The machine shows another key than the plant pinned. Nothing was sent to it. Do not go on; call OT security",
		Why: fmt.Sprintf("target shows %s %s, pinned is %s", k.Type(), ssh.FingerprintSHA256(k), strings.Join(want, " or "))}
}

// banner keeps the beginning of what a target says before login.
type banner struct {
	ch   *broker.Channel
	mu   sync.Mutex
	left int
	used bool
}

func (b *banner) said(text string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.used {
		b.used, b.left = true, maxBanner
	}
	quoted := strconv.QuoteToASCII(text[:min(len(text), b.left)])
	if quoted = quoted[:min(len(quoted), b.left)]; quoted == "" {
		return nil // it says too much: the rest is dropped
	}
	b.left -= len(quoted)
	return b.ch.Mark(b.ch.Context(), recording.Note, []byte("target's banner: "+quoted))
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
