package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker/connect"
)

const (
	maxStreams = 512
	machine    = 8 * time.Second // to reach a machine
	silences   = 2               // questions whether the broker is there, 15 s apart, that end the line where nothing comes
)

// brokenRequest says in a stream's channel that it is closed because it broke.
const brokenRequest = "broken@penstock"

// serve is one connection to the broker, to its end.
func serve(ctx context.Context, c Config, log *slog.Logger) error {
	key, err := readKey(c.Key)
	if err != nil {
		return err
	}
	conn, chans, reqs, err := login(ctx, c, ssh.PublicKeys(key))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer conn.Close()
	defer cancel()
	all.Go(func() { answer(conn, reqs) })
	served := &served{Config: c, log: log}
	all.Go(func() { served.streams(ctx, conn, chans) })
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	ch, creqs, err := conn.OpenChannel("session", nil)
	if err != nil {
		return fmt.Errorf("stand for the zone: %w", err)
	}
	all.Go(func() { ssh.DiscardRequests(creqs) })
	if _, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{"serve"})); err != nil {
		return fmt.Errorf("stand for the zone: %w", err)
	}
	zone, err := bufio.NewReaderSize(ch, 256).ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("stand for the zone: %w", err)
	}
	if got := strings.TrimSpace(strings.TrimPrefix(string(zone), "zone ")); got != string(c.Zone) {
		return fmt.Errorf("%w: %.40q, and here it is %s", errElsewhere, got, c.Zone)
	}
	log.Info("ready", "broker", c.Broker, "zone", c.Zone, "allow", len(c.Allow), "key", ssh.FingerprintSHA256(key.PublicKey()))
	defer connect.Alive(conn, silences)()
	return conn.Wait()
}

// answer answers what the broker asks of the connection: keepalives.
func answer(conn ssh.Conn, reqs <-chan *ssh.Request) {
	for r := range reqs {
		if r.WantReply {
			_ = r.Reply(r.Type == "keepalive@openssh.com", nil) // the connection may be gone
		}
	}
}

// served opens streams for the broker.
type served struct {
	Config
	log *slog.Logger
	n   atomic.Int32
}

func (s *served) streams(ctx context.Context, conn ssh.Conn, chans <-chan ssh.NewChannel) {
	var all sync.WaitGroup
	defer all.Wait()
	for nc := range chans {
		if s.n.Add(1) > maxStreams {
			s.n.Add(-1)
			_ = nc.Reject(ssh.ResourceShortage, "too many streams")
			continue
		}
		all.Go(func() {
			defer s.n.Add(-1)
			defer func() {
				if p := recover(); p != nil {
					s.log.Error("panic in a stream", "panic", fmt.Sprint(p))
					conn.Close()
				}
			}()
			s.stream(ctx, nc)
		})
	}
}

// wanted reads what a direct-tcpip asks for (RFC 4254, 7.2): an address of the
// list, never a name.
func (s *served) wanted(nc ssh.NewChannel) (netip.AddrPort, error) {
	if nc.ChannelType() != "direct-tcpip" {
		return netip.AddrPort{}, fmt.Errorf("a channel of kind %.40q", nc.ChannelType())
	}
	return wanted(nc.ExtraData(), s.Allow)
}

func wanted(extra []byte, allow []netip.AddrPort) (netip.AddrPort, error) {
	var w struct {
		Host       string
		Port       uint32
		Originator string
		From       uint32
	}
	if err := ssh.Unmarshal(extra, &w); err != nil {
		return netip.AddrPort{}, fmt.Errorf("direct-tcpip: %w", err)
	}
	a, err := netip.ParseAddr(w.Host)
	if err != nil || w.Port == 0 || w.Port > 65535 {
		return netip.AddrPort{}, fmt.Errorf("%.80q port %d is no address and port", w.Host, w.Port)
	}
	at := netip.AddrPortFrom(a, uint16(w.Port))
	if !slices.Contains(allow, at) {
		return netip.AddrPort{}, fmt.Errorf("%s is not in this agent's list", at)
	}
	return at, nil
}

func (s *served) stream(ctx context.Context, nc ssh.NewChannel) {
	at, err := s.wanted(nc)
	if err != nil {
		s.log.Warn("refused the broker", "why", err)
		_ = nc.Reject(ssh.Prohibited, "not in the agent's list")
		return
	}
	dialer := net.Dialer{Timeout: machine}
	c, err := dialer.DialContext(ctx, "tcp", at.String())
	if err != nil {
		_ = nc.Reject(ssh.ConnectionFailed, "the machine does not answer")
		return
	}
	defer c.Close()
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	s.log.Info("stream", "to", at.String())
	pump(ctx, c.(*net.TCPConn), ch, reqs)
}

// pump relays both ways, half-closes kept, until both have ended, the broker has
// closed the stream, or ctx ends. What broke on the machine's side is said so.
func pump(ctx context.Context, c *net.TCPConn, ch ssh.Channel, reqs <-chan *ssh.Request) {
	var both sync.WaitGroup
	gone, finished := make(chan struct{}), make(chan struct{})
	go func() { // until the broker has closed the stream, or the connection is gone
		defer close(gone)
		for r := range reqs {
			if r.WantReply {
				_ = r.Reply(false, nil)
			}
		}
	}()
	broke := func() {
		_, _ = ch.SendRequest(brokenRequest, false, nil)
		_ = ch.Close()
	}
	both.Go(func() { // to the machine
		if _, err := io.Copy(c, ch); err != nil {
			broke()
			return
		}
		_ = c.CloseWrite() // a machine that has gone has had its fill
	})
	both.Go(func() { // to the broker
		if _, err := io.Copy(ch, c); err != nil && !errors.Is(err, io.EOF) {
			broke()
			return
		}
		_ = ch.CloseWrite()
	})
	go func() { both.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-gone:
	case <-ctx.Done():
	}
	_ = ch.Close()
	c.Close()
	<-finished
	<-gone
}
