package sshd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/audit"
	"penstock/broker/dial"
	"penstock/policy"
)

// zoneAgent is the program inside a zone: with a confirmed key it is the way
// into it; with one that was just brought it waits to be confirmed.
type zoneAgent struct {
	agent  people.Agent
	key    ssh.PublicKey
	joined bool // just now, over a code
}

// agentProven: whoever has proven a confirmed agent's key is that agent; any
// other key may be brought with the code of an invitation.
func (d *Door) agentProven(c *conn, k ssh.PublicKey) (*ssh.Permissions, error) {
	a, err := d.Roster.AgentByKey(c.ctx, authorized(k))
	if err == nil {
		return as(zoneAgent{agent: a, key: k}), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("whose agent: %w", err)
	}
	return nil, d.thenCodeOf(c, "The key of this agent is "+ssh.FingerprintSHA256(k)+"\nIt counts once somebody else than who invited it has confirmed it.", func(code string) (*ssh.Permissions, error) {
		a, err := d.Roster.JoinAgent(c.ctx, code, authorized(k))
		if err != nil {
			return nil, err
		}
		return as(zoneAgent{agent: a, key: k, joined: true}), nil
	})
}

// serveAgent makes the connection the way into its zone, for as long as the
// agent keeps this channel open.
func (d *Door) serveAgent(c *conn, sc *ssh.ServerConn, nc ssh.NewChannel, who zoneAgent) {
	ch, reqs, err := nc.Accept()
	if err != nil {
		return
	}
	defer ch.Close()
	if who.joined {
		d.agentWaits(ch, reqs, who)
		return
	}
	zone, print := who.agent.Zone, ssh.FingerprintSHA256(who.key)
	agents, drops := d.Dialer.Agents, uint64(0)
	if agents != nil {
		drops = agents.Drops(zone) // first: a removal from here on is seen by Join
	}
	now, err := d.Roster.AgentByKey(c.ctx, authorized(who.key)) // the connection may be old
	if err == nil && (now.Zone != zone || agents == nil) {
		err = errDenied
	}
	if err == nil {
		err = d.agentEvent(string(zone), audit.AgentUp{Zone: string(zone), Key: print, Source: c.source.String()})
	}
	if err != nil {
		d.told.refused(c.source, "", "agent", fmt.Sprintf("the agent of %s: %v", zone, err))
		go ssh.DiscardRequests(reqs)
		return
	}
	gone, ok := agents.Join(zone, print, c.source, sc, drops)
	if !ok {
		d.agentGone(zone, print, "it was removed, or another was confirmed, while it came in")
		go ssh.DiscardRequests(reqs)
		sc.Close()
		return
	}
	c.agent.Store(&zone)
	_, _ = fmt.Fprintf(ch, "zone %s\n", zone) // an agent that stands elsewhere goes
	for req := range reqs {
		reply(req, req.Type == "exec" || req.Type == "shell")
	}
	gone()
	why := "its connection closed"
	if c.missed.Load() >= aliveMisses {
		why = "it did not answer any more"
	}
	d.agentGone(zone, print, why)
}

func (d *Door) agentGone(zone policy.ZoneName, print, why string) {
	if err := d.agentEvent(string(zone), audit.AgentDown{Zone: string(zone), Key: print, Why: why}); err != nil {
		d.Slog.Error("agent.down could not be written", "zone", zone, "err", err)
	}
	d.Slog.Warn("the way into a zone is down: its agent is gone", "zone", zone, "why", why)
}

// agentWaits says what happens next to who has just brought an agent's key.
func (d *Door) agentWaits(ch ssh.Channel, reqs <-chan *ssh.Request, who zoneAgent) {
	for req := range reqs {
		run := req.Type == "exec" || req.Type == "shell"
		reply(req, run)
		if !run {
			continue
		}
		_, _ = fmt.Fprintf(ch, "zone %s\nThe key waits to be confirmed, by somebody else than who invited it:\n    penstock agent confirm %s %s --as …\n",
			who.agent.Zone, who.agent.Zone, ssh.FingerprintSHA256(who.key))
		_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
		_ = ch.CloseWrite()
		_ = ch.Close()
	}
}

func (d *Door) agentEvent(subject string, b audit.Body) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := d.Log.Append(ctx, audit.Event{Subject: subject, Actor: "penstock", Body: b})
	return err
}

// outlasts keeps an agent's connection, while the broker stops, for as long as
// streams go through it; at most limit.
func (c *conn) outlasts(agents *dial.Agents, limit time.Duration) {
	c.door.begin()
	go func() {
		defer c.door.done()
		defer c.Close()
		over := time.NewTimer(limit)
		defer over.Stop()
		look := time.NewTicker(50 * time.Millisecond)
		defer look.Stop()
		for agents.State(*c.agent.Load()).Streams > 0 {
			select {
			case <-look.C:
			case <-over.C:
				return
			case <-c.ctx.Done():
				return
			}
		}
	}()
}
