package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	glider "github.com/gliderlabs/ssh"
	"golang.org/x/crypto/ssh"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/relay"
	"penstock/policy"
)

const (
	maxHost = 255              // bytes of the name in direct-tcpip
	toOpen  = 60 * time.Second // from the ask for a forward to its yes or no
	// brokenRequest says in a channel that it is closed because it broke; who does
	// not know it passes it over (RFC 4254, 5.4: no reply is wanted).
	brokenRequest = "broken@penstock"

	toLinger = 10 * time.Second // for what a vendor sent before leaving to reach the machine
)

// forwardWish is what direct-tcpip asks for (RFC 4254, 7.2): -L, -W and -J all
// arrive so. Host is as the client wrote it, and never dialled.
type forwardWish struct {
	Host       string
	Port       uint32
	Origin     string // as the client says; nothing rests on it
	OriginPort uint32
}

func parseForward(extra []byte) (forwardWish, error) {
	var w forwardWish
	if err := ssh.Unmarshal(extra, &w); err != nil {
		return forwardWish{}, fmt.Errorf("direct-tcpip: %w", err)
	}
	switch {
	case w.Host == "" || len(w.Host) > maxHost || len(w.Origin) > maxHost:
		return forwardWish{}, errors.New("direct-tcpip: no name, or more than 255 bytes of it")
	case w.Port == 0 || w.Port > 65535:
		return forwardWish{}, fmt.Errorf("direct-tcpip: %d is no port", w.Port)
	}
	return w, nil
}

// assetOf reads the one form of name that is carried: the asset's, with or
// without the site behind it. Addresses are never dialled, whatever they are
// dressed as, and neither is what has a meaning of its own.
func (d *Door) assetOf(host string) (policy.AssetName, error) {
	example := "for example -L 1502:filler-plc:502"
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(d.Names, name) {
		return "", &policy.Refusal{Rule: "forward-to-broker",
			Say: "forwards lead to the plant's machines and never to the broker itself: name a machine of your window, " + example, Why: "forward to " + clean(host, 64)}
	}
	name = strings.TrimSuffix(name, "."+d.Plant().Site.ID)
	if !policy.ValidID(name) {
		return "", &policy.Refusal{Rule: "forward-to-address",
			Say: "forwards lead to machines by their names in the plant and never to addresses: name a machine of your window, " + example, Why: "forward to " + clean(host, 64)}
	}
	return policy.AssetName(name), nil
}

// portOf finds the declared port behind a number: 22 is the ssh port, whatever
// its number is; so is 502 the modbus port where no other port has that number.
func (d *Door) portOf(a policy.AssetName, number uint32) (policy.Port, error) {
	asset, ok := d.Plant().Asset(a)
	if !ok { // it was there when its window was agreed
		return policy.Port{}, &policy.Refusal{Rule: "unknown-asset", Say: fmt.Sprintf("%s is no longer in the plant file; ask the plant", a), Why: "a window names " + string(a)}
	}
	if p, has := asset.Port("ssh"); has && number == 22 {
		return p, nil
	}
	var there []string
	var usual policy.Port
	for _, p := range asset.Ports {
		if uint32(p.Number) == number {
			return p, nil
		}
		if uint32(p.UsualNumber()) == number {
			usual = p
		}
		there = append(there, fmt.Sprintf("%s %d", p.Name, p.Number))
	}
	if usual.Name != "" {
		return usual, nil
	}
	return policy.Port{}, &policy.Refusal{Rule: "port-not-declared",
		Say: fmt.Sprintf("%s has no port %d in the plant file; it has: %s. Ask the plant if you need another", a, number, strings.Join(there, ", ")),
		Why: fmt.Sprintf("port %d of %s is not declared", number, a)}
}

// forward serves direct-tcpip: a jump where the ssh port is meant, else one TCP
// stream through the gate. The first may bring the session about: with -N there
// is no other channel.
func (d *Door) forward(_ *glider.Server, sc *ssh.ServerConn, nc ssh.NewChannel, ctx glider.Context) {
	d.counted(connOf(ctx), nc, func(c *conn) {
		who, ok := callerOf(sc).(*vendor)
		if !ok {
			d.told.refused(c.source, "", "forward-without-certificate", "a forward of somebody who is no vendor here")
			nc.Reject(ssh.Prohibited, "forwards are for PERSON@BROKER with today's certificate, not for join, desk and cert")
			return
		}
		if why := c.isClosing(); why != nil {
			nc.Reject(ssh.ResourceShortage, c.endedBy(why))
			return
		}
		if err := d.lead(c, sc, nc, who); err != nil && c.ctx.Err() == nil {
			rule, why := ruleOf(err)
			if rule != ruleWorks {
				d.told.refused(c.source, string(who.claim.Person), rule, why)
			}
			reason := ssh.Prohibited
			if rule == "target-unreachable" {
				reason = ssh.ConnectionFailed
			}
			nc.Reject(reason, oneLine(d.words(err, "person", who.claim.Person)))
		}
	})
}

// lead serves the forward to its end; an error is a no, and nothing was accepted.
func (d *Door) lead(c *conn, sc *ssh.ServerConn, nc ssh.NewChannel, who *vendor) error {
	wish, err := parseForward(nc.ExtraData())
	if err != nil {
		return &policy.Refusal{Rule: "bad-request", Say: "that forward cannot be read: name a machine and a port from 1 to 65535", Why: err.Error()}
	}
	asset, err := d.assetOf(wish.Host)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(c.ctx, toOpen, errors.New("the forward took too long to open"))
	defer cancel()
	session, err := c.admit(ctx, sc, who)
	if err != nil {
		return fmt.Errorf("admit: %w", err)
	}
	if err := session.Names(ctx, asset); err != nil {
		return err
	}
	port, err := d.portOf(asset, wish.Port)
	if err != nil {
		return err
	}
	if port.Name == "ssh" {
		return d.jump(ctx, c, sc, nc, who, asset)
	}
	return d.carry(ctx, c, nc, session, policy.Query{Source: c.source, Asset: asset, Port: port.Name, Kind: "direct-tcpip"}, wish, port.Number)
}

// carry takes one TCP stream through the gate, to its end. declared is the
// port's number when the wish was read.
func (d *Door) carry(ctx context.Context, c *conn, nc ssh.NewChannel, session *broker.Session, q policy.Query, wish forwardWish, declared uint16) (err error) {
	s := &stream{d: d, c: c, declared: declared}
	if s.gate, err = session.Open(ctx, q); err != nil {
		return fmt.Errorf("open channel: %w", err)
	}
	defer func() { s.gate.Close("", s.cause) }()
	if s.cause = s.reach(ctx, wish); s.cause != nil {
		if ended := context.Cause(s.gate.Context()); ended != nil {
			return ended
		}
		return s.cause
	}
	if s.gate.Decision().Duties.Probe { // reached, and left
		return s.proven(ctx)
	}
	if err := s.accept(nc); err != nil {
		return nil // the client took its ask back
	}
	defer s.vendor.Close()
	s.pump()
	return nil
}

// stream is one TCP forward that has its channel at the gate.
type stream struct {
	d      *Door
	c      *conn
	gate   *broker.Channel
	target net.Conn
	vendor ssh.Channel
	gone   chan struct{}    // closed when the vendor has closed the channel
	read   *relay.Inspected // nil: nobody reads along
	cause  error

	declared uint16
}

// reach records between which addresses the bytes will pass, then dials.
func (s *stream) reach(ctx context.Context, wish forwardWish) error {
	if to := s.gate.Decision().Target.Port(); to != s.declared {
		return &policy.Refusal{Rule: "port-moved", Say: "the plant file was changed just now; try again", Why: fmt.Sprintf("port %d was meant, the decision says %d", s.declared, to)}
	}
	detail := map[string]any{
		"host": clean(wish.Host, 64), "port": wish.Port, "target": s.gate.Decision().Target.String(),
		"source": addressOf(s.c).String(), "origin": clean(fmt.Sprintf("%s:%d", wish.Origin, wish.OriginPort), 64),
	}
	d := s.gate.Ask(ctx, "direct-tcpip", detail)
	if err := d.Refusal(); err != nil {
		return err
	}
	if err := s.inspect(d.Duties.Inspect); err != nil {
		return err
	}
	conn, err := s.d.Dialer.TCP(ctx, s.gate)
	if err != nil {
		return fmt.Errorf("reach %s: %w", s.gate.Query().Asset, err)
	}
	s.target = conn
	return s.gate.Mark(ctx, recording.Note, []byte(recording.ConnectedNote+s.gate.Decision().Target.String()+" from "+conn.LocalAddr().String()))
}

// inspect puts the port's inspector between the two, where the plant says that
// Penstock enforces.
func (s *stream) inspect(name string) (err error) {
	if name == "" {
		return nil
	}
	open, there := s.d.Inspectors[policy.PortName(name)]
	if !there { // the plant file's reader refuses this too
		return &policy.Refusal{Rule: "no-inspector", Say: "this port is only open through an inspector, and this broker has none for it; call OT security",
			Why: "no inspector " + name}
	}
	if s.read, err = relay.Inspect(s.gate, s.d.Plant, open); err != nil {
		return fmt.Errorf("inspect %s: %w", name, err)
	}
	s.gate.Finally(func(string) {
		if err := s.read.Summary(); err != nil {
			s.d.Slog.Error("operations.summary could not be written", "session", s.gate.Session(), "err", err)
		}
	})
	return nil
}

func (s *stream) accept(nc ssh.NewChannel) error {
	ch, reqs, err := nc.Accept()
	if err != nil {
		s.cause = err
		return fmt.Errorf("accept a forward: %w", err)
	}
	s.vendor, s.gone = ch, make(chan struct{})
	s.d.begin()
	go func() {
		defer s.d.done()
		defer close(s.gone)
		for req := range reqs { // none is known for this kind of channel
			reply(req, false)
		}
	}()
	return nil
}

// pump relays until both directions have ended, one has failed, the vendor has
// closed the channel, or the gate has. A half-close passes as one; a reset of
// the target closes the vendor's channel, which is all that SSH has for it, with
// a word before it that penstock connect makes a reset of.
func (s *stream) pump() {
	ctx, cancel := context.WithCancelCause(s.gate.Context())
	defer cancel(nil)
	var pumps sync.WaitGroup
	in, out := s.goes(&pumps, func() error { return s.inward(ctx) }), s.goes(&pumps, func() error { return s.outward(ctx) })
	s.cause = s.over(in, out)
	if s.cause != nil && !errors.Is(s.cause, errClientGone) {
		_, _ = s.vendor.SendRequest(brokenRequest, false, nil)
	}
	_ = s.vendor.Close() // half-closed both ways it would stay
	cancel(s.cause)
	s.target.Close()
	bounded(&pumps)
}

func (s *stream) goes(g *sync.WaitGroup, f func() error) <-chan error {
	ended := make(chan error, 1)
	s.d.begin()
	g.Go(func() {
		defer s.d.done()
		err := errors.New("panic in a forward")
		defer func() { ended <- err }()
		defer s.d.caught("forward", s.c, nil)
		err = f()
	})
	return ended
}

// over waits for the stream's end and says why, nil for a good one.
func (s *stream) over(in, out <-chan error) error {
	var linger <-chan time.Time
	var broken <-chan error
	if s.read != nil {
		broken = s.read.Broken()
	}
	gone := s.gone
	for in != nil || out != nil {
		select {
		case err := <-in:
			if err != nil || linger != nil {
				return err
			}
			in = nil
		case err := <-out:
			if err != nil && !errors.Is(err, io.EOF) { // EOF of a write: the vendor has closed the channel
				return err
			}
			out = nil
		case <-gone: // what was sent before still goes to the machine
			if in == nil {
				return nil
			}
			gone = nil
			t := time.NewTimer(toLinger)
			defer t.Stop()
			linger = t.C
		case err := <-broken:
			return err
		case <-linger:
			return errClientGone
		case <-s.gate.Context().Done():
			return context.Cause(s.gate.Context())
		}
	}
	return nil
}

// inward is the vendor's side, with its end of file.
func (s *stream) inward(ctx context.Context) error {
	if err := s.toTarget(ctx); err != nil {
		return err
	}
	return s.inputEnds(ctx)
}

// inputEnds is apart, and not inlined, so that it takes nothing from the stack of who waits.
//
//go:noinline
func (s *stream) inputEnds(ctx context.Context) error {
	if err := s.gate.Mark(ctx, recording.EOF, []byte("in")); err != nil {
		return err
	}
	if err := s.gate.Pass(ctx); err != nil { // an end of file is input: it waits in a pause …
		return err
	}
	if s.gate.Decision().Duties.InputOff { // … and goes nowhere where input goes nowhere
		return nil
	}
	return halfClose(s.target)
}

// outward is the machine's side.
func (s *stream) outward(ctx context.Context) error {
	if err := s.toVendor(ctx); err != nil {
		return err
	}
	if err := s.gate.Mark(ctx, recording.EOF, []byte("out")); err != nil {
		return err
	}
	return s.vendor.CloseWrite()
}

func (s *stream) toTarget(ctx context.Context) error {
	if s.read != nil {
		return s.read.ToTarget(ctx, s.target, s.vendor)
	}
	return relay.ToTarget(ctx, s.gate, s.target, s.vendor)
}

func (s *stream) toVendor(ctx context.Context) error {
	if s.read != nil {
		return s.read.ToVendor(ctx, s.vendor, s.target)
	}
	return relay.ToVendor(ctx, s.gate, recording.Out, s.vendor, s.target)
}

// halfClose sends the end of file; a target that has closed already has had its fill.
func halfClose(c net.Conn) error {
	w, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("the connection to the machine cannot be half-closed")
	}
	_ = w.CloseWrite()
	return nil
}

// addressOf is the vendor's end, for what shows it.
func addressOf(c net.Conn) netip.AddrPort {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	return netip.AddrPort{}
}
