package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/policy"
)

// maxAgentStreams is of one zone's agent at once.
const maxAgentStreams = 512

// brokenRequest says in a stream's channel that it is closed because it broke
// (broker/agent says it too): SSH has no reset.
const brokenRequest = "broken@penstock"

// AgentState is how the way into a zone that has an agent stands.
type AgentState struct {
	Zone    policy.ZoneName
	Key     string // fingerprint
	Source  netip.Addr
	Up      bool
	Since   time.Time // up or down since
	Streams int
}

// Agents are the programs inside zones that have dialled the broker: the door
// hands each in after its key was proven. One stands for a zone: the newest.
// In memory only; a restart knows none until they dial again.
type Agents struct {
	mu    sync.Mutex
	zones map[policy.ZoneName]*agentLink
	last  map[policy.ZoneName]AgentState // of zones whose agent has gone
	drops map[policy.ZoneName]uint64     // how often each was dropped
	now   func() time.Time
}

// agentLink is the connection of one zone's agent.
type agentLink struct {
	conn    ssh.Conn
	state   AgentState
	streams int // Agents.mu
}

// NewAgents has none yet.
func NewAgents() *Agents {
	return &Agents{zones: map[policy.ZoneName]*agentLink{}, last: map[policy.ZoneName]AgentState{}, drops: map[policy.ZoneName]uint64{}, now: time.Now}
}

// Drops is how often the way into a zone was dropped: what Join takes, asked
// before the roster is asked whose key it is.
func (a *Agents) Drops(zone policy.ZoneName) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.drops[zone]
}

// Join makes c the way into the zone, in the place of an earlier one, which is
// closed. The function says that it has gone. ok is false, and nothing done, where
// the zone was dropped since drops was asked: that key may count no more.
func (a *Agents) Join(zone policy.ZoneName, key string, source netip.Addr, c ssh.Conn, drops uint64) (gone func(), ok bool) {
	l := &agentLink{conn: c, state: AgentState{Zone: zone, Key: key, Source: source, Up: true, Since: a.now()}}
	a.mu.Lock()
	if a.drops[zone] != drops {
		a.mu.Unlock()
		return nil, false
	}
	old := a.zones[zone]
	a.zones[zone] = l
	a.mu.Unlock()
	if old != nil {
		old.conn.Close()
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.zones[zone] == l {
			delete(a.zones, zone)
			l.state.Up, l.state.Since = false, a.now()
			a.last[zone] = l.state
		}
	}, true
}

// Drop closes the way into a zone at once; it waits for nothing, and whoever is on
// the way in (Join) has to prove themself anew.
func (a *Agents) Drop(zone policy.ZoneName) {
	a.mu.Lock()
	a.drops[zone]++
	l := a.zones[zone]
	a.mu.Unlock()
	if l != nil {
		l.conn.Close()
	}
}

// State is of one zone; the zero Since: never seen by this process.
func (a *Agents) State(zone policy.ZoneName) AgentState {
	a.mu.Lock()
	defer a.mu.Unlock()
	if l := a.zones[zone]; l != nil {
		s := l.state
		s.Streams = l.streams
		return s
	}
	s := a.last[zone]
	s.Zone = zone
	return s
}

// AgentDown is the refusal where a zone's agent is not there.
func AgentDown(zone policy.ZoneName) *policy.Refusal {
	return &policy.Refusal{Rule: "agent-down",
		Say: "the way into this zone is down: its agent has no connection to the broker; call the control room", Why: fmt.Sprintf("zone %s is reached by its agent, which is not there", zone)}
}

// take reserves a stream.
func (a *Agents) take(zone policy.ZoneName) (*agentLink, error) {
	if a == nil {
		return nil, AgentDown(zone)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.zones[zone]
	if l == nil {
		return nil, AgentDown(zone)
	}
	if l.streams >= maxAgentStreams {
		return nil, &policy.Refusal{Rule: "agent-full", Say: "too many streams go into this zone already; try again when others have ended", Why: fmt.Sprintf("%d streams through the agent of %s", l.streams, zone)}
	}
	l.streams++
	return l, nil
}

func (a *Agents) give(l *agentLink) {
	a.mu.Lock()
	defer a.mu.Unlock()
	l.streams--
}

// byAgent reaches a target through its zone's agent: one stream, to the one
// address of the decision, which the agent holds to a list of its own. What is
// spoken over it (host keys, certificates) stays between broker and target.
func (d *Dialer) byAgent(ctx context.Context, w way, zone policy.ZoneName, target netip.AddrPort) (net.Conn, error) {
	if err := d.allowed(target); err != nil {
		return nil, err
	}
	l, err := d.Agents.take(zone)
	if err != nil {
		return nil, err
	}
	type opened struct {
		ch   ssh.Channel
		reqs <-chan *ssh.Request
		err  error
	}
	ready := make(chan opened, 1)
	go func() { // an open has no time limit of its own, and the connection is everybody's
		defer recovered()
		ch, reqs, err := l.conn.OpenChannel("direct-tcpip", ssh.Marshal(&struct { // RFC 4254, 7.2
			Host       string
			Port       uint32
			Originator string
			From       uint32
		}{target.Addr().String(), uint32(target.Port()), "127.0.0.1", 0}))
		ready <- opened{ch, reqs, err}
	}()
	var o opened
	select {
	case o = <-ready:
	case <-ctx.Done():
		go func() { // whoever answers late finds nobody
			defer recovered()
			defer d.Agents.give(l)
			if late := <-ready; late.err == nil {
				go ssh.DiscardRequests(late.reqs)
				late.ch.Close()
			}
		}()
		if why := w.Look(); why != nil {
			return nil, why
		}
		return nil, context.Cause(ctx)
	}
	if o.err != nil {
		d.Agents.give(l)
		if why := w.Look(); why != nil {
			return nil, why
		}
		return nil, agentSays(zone, target, o.err)
	}
	s := &agentStream{Channel: o.ch, link: l, way: w, target: target, left: func() { d.Agents.give(l) }, ended: make(chan struct{})}
	go s.hear(o.reqs)
	if err := w.Own(s); err != nil {
		return nil, err // Own has closed it
	}
	return s, w.Look()
}

// agentSays puts the agent's no into words; what it says itself is only logged.
func agentSays(zone policy.ZoneName, target netip.AddrPort, err error) *policy.Refusal {
	why := fmt.Sprintf("%s through the agent of %s: %s", target, zone, short(err.Error()))
	var no *ssh.OpenChannelError
	if !errors.As(err, &no) {
		return AgentDown(zone)
	}
	if no.Reason == ssh.Prohibited {
		return &policy.Refusal{Rule: "agent-refuses", Say: "the agent in that zone does not let Penstock reach this machine: its own list does not have it; call OT security", Why: why}
	}
	return &policy.Refusal{Rule: "target-unreachable", Say: "the machine does not answer; ask the plant whether it is on and in the network", Why: why}
}

// agentStream is a stream through an agent, as a connection to the target.
type agentStream struct {
	ssh.Channel
	link   *agentLink
	way    way
	target netip.AddrPort
	left   func()
	ended  chan struct{} // closed when the agent has closed it

	mu     sync.Mutex // of what follows
	limit  *time.Timer
	late   bool // the limit has passed
	broken bool // the agent said that it broke
	once   sync.Once
}

// hear reads the agent's requests until it closes the stream. Only then its place
// is given back: an agent that reads nothing and closes nothing holds a goroutine of
// ours for each, and so can hold no more than there are places.
func (s *agentStream) hear(reqs <-chan *ssh.Request) {
	defer recovered()
	defer s.left()
	defer close(s.ended)
	for r := range reqs {
		if r.Type == brokenRequest {
			s.mu.Lock()
			s.broken = true
			s.mu.Unlock()
		}
		if r.WantReply {
			_ = r.Reply(false, nil) // the connection may be gone
		}
	}
}

// Read gives io.EOF for the target's own end of file alone: a stream that broke,
// or whose agent went, says so.
func (s *agentStream) Read(p []byte) (int, error) {
	n, err := s.Channel.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if _, e := s.SendRequest("keepalive@openssh.com", true, nil); e == nil {
		return n, io.EOF // it stands: only this direction has ended
	}
	<-s.ended
	s.mu.Lock()
	late, broken := s.late, s.broken
	s.mu.Unlock()
	switch {
	case late:
		return n, errors.New("the target did not answer in time")
	case broken:
		return n, errors.New("the target's connection broke")
	}
	if _, _, e := s.link.conn.SendRequest("keepalive@openssh.com", true, nil); e != nil {
		return n, errors.New("the agent's connection broke")
	}
	return n, io.EOF
}

// Write looks at the gate, as a dialled connection's does.
func (s *agentStream) Write(p []byte) (int, error) {
	if err := s.way.Look(); err != nil {
		return 0, err
	}
	return s.Channel.Write(p)
}

// Close ends the stream, end of file first, so that a PLC is not left half-open.
func (s *agentStream) Close() (err error) {
	s.once.Do(func() {
		s.stopLimit()
		_ = s.CloseWrite() // an error shows in Close too
		err = s.Channel.Close()
	})
	return err
}

func (s *agentStream) LocalAddr() net.Addr  { return s.link.conn.RemoteAddr() }
func (s *agentStream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.target) }

func (s *agentStream) stopLimit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit != nil {
		s.limit.Stop()
		s.limit = nil
	}
}

// SetDeadline closes the stream at t: an SSH channel knows no other. Zero: not any more.
func (s *agentStream) SetDeadline(t time.Time) error {
	s.stopLimit()
	if !t.IsZero() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.limit = time.AfterFunc(time.Until(t), func() {
			s.mu.Lock()
			s.late = true
			s.mu.Unlock()
			s.Close()
		})
	}
	return nil
}
func (s *agentStream) SetReadDeadline(t time.Time) error  { return s.SetDeadline(t) }
func (s *agentStream) SetWriteDeadline(t time.Time) error { return s.SetDeadline(t) }

// States are of these zones, in their order.
func (a *Agents) States(zones []policy.ZoneName) []AgentState {
	all := make([]AgentState, 0, len(zones))
	for _, z := range slices.Compact(zones) {
		all = append(all, a.State(z))
	}
	return all
}
