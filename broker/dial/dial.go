// Package dial reaches targets: the one address that the decision names, the
// pinned host key first, the credential after.
//
// A connection is registered with its channel before it is used, so that no
// dial outlives a cut, and each write on it looks at the channel's gate once
// more. It trusts the decision for address, keys and principal, and nothing
// that the target says.
package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker"
	"penstock/broker/vault"
	"penstock/policy"
)

const (
	connectTime   = 10 * time.Second
	handshakeTime = 15 * time.Second
)

// Signer makes the credential for a target; *ca.Authorities is it. The event
// of it is durable on return.
type Signer interface {
	SignTarget(ctx context.Context, principal, keyID string, session policy.SessionID, channel int) (ssh.Signer, error)
	// SignHop is for a host on the way: it lets a stream through.
	SignHop(ctx context.Context, principal, keyID string, session policy.SessionID, channel int) (ssh.Signer, error)
	// SignErrand is either of them for what the broker does for itself; early: good
	// since yesterday, to find out whether a machine's clock is behind.
	SignErrand(ctx context.Context, principal, keyID, errand string, hop, early bool) (ssh.Signer, error)
}

// Secrets opens what the vault keeps sealed; *vault.Vault is it.
type Secrets interface {
	// Use gives the secrets of an account that may log in now, the newest first;
	// that they are used is durable in the log on return.
	Use(ctx context.Context, u vault.Use) ([]vault.Secret, error)
}

// Other is a key that a target showed and nobody has pinned.
type Other struct {
	Asset   policy.AssetName
	Key     ssh.PublicKey
	Window  policy.WindowID // on whose behalf was dialled; empty: an errand of the broker's own
	Session policy.SessionID
	Channel int
}

// Dialer dials for channels.
type Dialer struct {
	CA       Signer
	Secrets  Secrets          // nil: no account has a secret
	Broker   string           // short name of this broker, for key ids
	Loopback bool             // loopback_targets of penstock.yaml: demo and tests
	Own      []netip.AddrPort // the broker's own listeners: never a target
	Agents   *Agents          // of zones that dial out; nil: none is there
	// Changed is told of a key that nobody has pinned, before the dial is refused; nil: nobody is.
	Changed func(context.Context, Other)
}

// TCP dials the Decision's Target, checked below DNS, or reaches it through the
// host that the decision names; owned by the channel before return. The
// connection has CloseWrite for half-closing. A *policy.Refusal has words for
// the person.
func (d *Dialer) TCP(ctx context.Context, ch *broker.Channel) (net.Conn, error) {
	decision := ch.Decision()
	if err := decision.Refusal(); err != nil {
		return nil, err
	}
	if hop := decision.Duties.Via; hop != nil {
		ctx, cancel := context.WithTimeout(ctx, 2*connectTime+handshakeTime)
		defer cancel()
		defer context.AfterFunc(ch.Context(), cancel)()
		return d.through(ctx, d.whose(ch), ch, hop, decision.Duties.Agent, decision.Target)
	}
	return d.tcp(ctx, ch, decision.Duties.Agent, decision.Target)
}

// tcp reaches an address: itself, or through the agent of a zone.
func (d *Dialer) tcp(ctx context.Context, w way, zone policy.ZoneName, target netip.AddrPort) (net.Conn, error) {
	if err := d.allowed(target); err != nil {
		return nil, err
	}
	if err := w.Look(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	defer context.AfterFunc(w.Context(), cancel)()
	if zone != "" {
		return d.byAgent(ctx, w, zone, target)
	}
	dialer := net.Dialer{ControlContext: d.control(target)}
	raw, err := dialer.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return nil, unreachable(w, target, err)
	}
	conn := &guarded{TCPConn: raw.(*net.TCPConn), way: w}
	if err := w.Own(conn); err != nil {
		return nil, err // Own has closed it
	}
	_ = conn.SetNoDelay(true) // already the default; a keystroke must not wait
	return conn, w.Look()
}

// control looks at the address that is really dialled, after any resolution.
func (d *Dialer) control(want netip.AddrPort) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		got, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("dial: %q is no address", address)
		}
		if got != want {
			return refuse(got, "another address than the decision's would be dialled")
		}
		return d.allowed(got)
	}
}

func unreachable(ch way, target netip.AddrPort, err error) error {
	if why := ch.Look(); why != nil {
		return why
	}
	var r *policy.Refusal
	if errors.As(err, &r) {
		return r
	}
	return &policy.Refusal{Rule: "target-unreachable",
		Say: "the machine does not answer; ask the plant whether it is on and in the network", Why: fmt.Sprintf("dial %s: %v", target, err)}
}

// guarded is a connection whose every write looks at the gate: what lies
// between relay and wire (SSH packets, key exchange) ends with the channel too.
type guarded struct {
	*net.TCPConn
	way way
}

func (g *guarded) Write(p []byte) (int, error) {
	if err := g.way.Look(); err != nil {
		return 0, err
	}
	return g.TCPConn.Write(p)
}

// ReadFrom hides TCPConn's, which would write past the look.
func (g *guarded) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{g}, r)
}

// Close sends a FIN first, so that a PLC is not left half-open.
func (g *guarded) Close() error {
	_ = g.TCPConn.CloseWrite() // an error shows in Close too
	return g.TCPConn.Close()
}
