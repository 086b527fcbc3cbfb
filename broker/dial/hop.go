package dial

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/policy"
)

// through reaches a target over the host that the plant file names: the host's
// own pinned key and credential first, then a direct-tcpip to the address of the
// decision. Both ends of it are the way's: neither outlives it.
func (d *Dialer) through(ctx context.Context, w whose, way way, hop *policy.Hop, zone policy.ZoneName, target netip.AddrPort) (net.Conn, error) {
	if err := d.allowed(target); err != nil {
		return nil, err
	}
	l := leg{way: way, whose: w, asset: hop.Asset, account: hop.Account, target: hop.Target, keys: hop.HostKeys, old: hop.Old, login: hop.Login, host: true, agent: zone}
	c, err := d.login(ctx, l, nil)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })                 // the opening below has no time limit of its own
	ch, reqs, err := c.OpenChannel("direct-tcpip", ssh.Marshal(&struct { // RFC 4254, 7.2
		Host       string
		Port       uint32
		Originator string
		From       uint32
	}{target.Addr().String(), uint32(target.Port()), "127.0.0.1", 0}))
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		c.Close()
		if why := way.Look(); why != nil {
			return nil, why
		}
		return nil, &policy.Refusal{Rule: "target-unreachable",
			Say: "the machine does not answer through " + string(hop.Asset) + "; ask the plant whether it is on and in the network",
			Why: fmt.Sprintf("direct-tcpip to %s through %s: %s", target, hop.Asset, short(err.Error()))}
	}
	go func() {
		defer recovered()
		for r := range reqs { // a stream has no requests
			if r.WantReply {
				_ = r.Reply(false, nil) // the connection may be gone
			}
		}
	}()
	return &hopped{Channel: ch, host: c, way: way, target: target}, nil
}

// hopped is a stream through a host, as a connection to the target.
type hopped struct {
	ssh.Channel
	host   ssh.Conn
	way    way
	target netip.AddrPort

	mu    sync.Mutex // of limit
	limit *time.Timer
	once  sync.Once
}

// Write looks at the gate, as a dialled connection's does.
func (h *hopped) Write(p []byte) (int, error) {
	if err := h.way.Look(); err != nil {
		return 0, err
	}
	return h.Channel.Write(p)
}

// Close ends the stream, and the host's connection with it.
func (h *hopped) Close() (err error) {
	h.once.Do(func() {
		_ = h.SetDeadline(time.Time{}) // it has no error
		_ = h.Channel.CloseWrite()     // a PLC behind the host is not left half-open
		_ = h.Channel.Close()          // an error shows in the host's Close too
		err = h.host.Close()
	})
	return err
}

func (h *hopped) LocalAddr() net.Addr  { return h.host.LocalAddr() }
func (h *hopped) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(h.target) }

// SetDeadline closes the stream at t: an SSH channel knows no other. Zero: not any more.
func (h *hopped) SetDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.limit != nil {
		h.limit.Stop()
		h.limit = nil
	}
	if !t.IsZero() {
		h.limit = time.AfterFunc(time.Until(t), func() { h.Close() })
	}
	return nil
}
func (h *hopped) SetReadDeadline(t time.Time) error  { return h.SetDeadline(t) }
func (h *hopped) SetWriteDeadline(t time.Time) error { return h.SetDeadline(t) }
