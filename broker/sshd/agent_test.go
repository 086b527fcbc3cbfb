package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
	"penstock/broker/agent"
	"penstock/broker/connect"
	"penstock/policy"
)

// newAgents is a house whose line is reached through its agent only.
func newAgents(t *testing.T) *house {
	t.Helper()
	return newHouseOf(t, Limits{}, strings.Replace(plantText, "owner: line-1-owner, shift: shift}", "owner: line-1-owner, shift: shift, reached_by: agent}", 1))
}

// field is a folder inside the zone, with the agent's file.
func (h *house) field(allow ...string) agent.Config {
	h.t.Helper()
	dir := h.t.TempDir()
	h.ok(os.WriteFile(filepath.Join(dir, "known_hosts"), []byte("@cert-authority 127.0.0.1 "+authorized(h.ca.Host())+"\n"), 0o600))
	text := "broker: " + h.addr + "\nzone: line-1\nloopback_targets: true\nallow: [" + strings.Join(allow, ", ") + "]\n"
	return must(agent.ParseConfig(filepath.Join(dir, "agent.yaml"), []byte(text)))
}

// joins brings the agent's key with a code.
func (h *house) joins(c agent.Config, code string) (string, error) {
	var out strings.Builder
	err := agent.Join(h.ctx, c, func(context.Context, string, bool) (string, error) { return code, nil }, &out)
	return out.String(), err
}

// runs is the agent at work; the function ends it.
func (h *house) runs(c agent.Config) (stop func() error) {
	ctx, cancel := context.WithCancel(h.ctx)
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, c, slog.New(slog.NewTextHandler(h.said, nil))) }()
	over := false
	stop = func() error {
		if over {
			return nil
		}
		over = true
		cancel()
		return <-ended
	}
	h.t.Cleanup(func() { _ = stop() })
	return stop
}

func (h *house) up(want bool) {
	h.t.Helper()
	eventually(h.t, fmt.Sprintf("the agent is up: %t", want), func() bool { return h.door.Dialer.Agents.State("line-1").Up == want })
}

// confirmed enrols the agent: lena invites, mia confirms.
func (h *house) confirmed(c agent.Config) string {
	h.t.Helper()
	code, _, err := h.roster.InviteAgent(h.ctx, h.actor("lena"), "line-1")
	h.ok(err)
	said, err := h.joins(c, code)
	h.ok(err)
	all := must(h.roster.Agents(h.ctx))
	if len(all) != 1 || all[0].Pending == "" || all[0].Key != "" || !strings.Contains(said, all[0].Pending) || !strings.Contains(said, "agent confirm line-1") {
		h.t.Fatalf("%+v, and the agent was told %s", all, said)
	}
	h.ok(h.roster.ConfirmAgent(h.ctx, h.actor("mia"), "line-1", all[0].Pending))
	return all[0].Pending
}

func TestAZoneIsReachedThroughItsAgentAlone(t *testing.T) {
	h := newAgents(t)
	c := h.field(fmt.Sprintf("127.0.0.1:%d", h.plc.port), fmt.Sprintf("127.0.0.1:%d", h.machine.port))
	w := h.open(30)

	// Nobody there: refused, in words, and nothing was dialled.
	client := h.outer(w)
	if _, err := tunnel(client, "filler-plc", 502); err == nil || !strings.Contains(err.Error(), "its agent has no connection") {
		t.Errorf("without an agent: %v", err)
	}
	if h.plc.accepted.Load() != 0 {
		t.Error("the broker dialled the machine itself")
	}

	print := h.confirmed(c)
	stop := h.runs(c)
	h.up(true)

	// Modbus, with half-close; SSH with the machine's own pinned key and a certificate of the broker's.
	ch := h.plcOf(client)
	_, err := io.WriteString(ch, "through the agent")
	h.ok(err)
	h.ok(ch.CloseWrite())
	if got := must(io.ReadAll(ch)); string(got) != "through the agent" {
		t.Errorf("%q came back", got)
	}
	s := must(h.in(w).NewSession())
	if out := must(s.Output("printf hello")); string(out) != "hello" {
		t.Errorf("by SSH: %q", out)
	}
	for _, leaf := range h.events("channel.opened") {
		if b := leaf.Body.(audit.ChannelOpened); b.Agent != "line-1" {
			t.Errorf("%+v", b)
		}
	}
	if b := h.events("agent.up")[0].Body.(audit.AgentUp); b.Key != print || b.Zone != "line-1" || b.Source != "127.0.0.1" {
		t.Errorf("%+v", b)
	}

	// A cut ends what goes through it; a machine that resets, likewise.
	there := make(chan struct{})
	h.plc.does(func(p *net.TCPConn) {
		close(there)
		_, _ = io.Copy(io.Discard, p)
	})
	ch = h.plcOf(client)
	_, _ = io.WriteString(ch, "x")
	<-there
	_, err = h.desk.Cut(h.ctx, h.actor("mia"), w, "smoke")
	h.ok(err)
	if _, err := io.ReadAll(ch); err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("after a cut: %v", err)
	}
	eventually(t, "no stream is left", func() bool { return h.door.Dialer.Agents.State("line-1").Streams == 0 })

	h.ok(stop())
	h.up(false)
	eventually(t, "agent.down", func() bool { return len(h.events("agent.down")) == 1 })
}

func TestAnAgentHoldsTheBrokerToItsList(t *testing.T) {
	h := newAgents(t)
	c := h.field("127.0.0.1:9") // not the machine's
	w := h.open(30)
	h.confirmed(c)
	h.runs(c)
	h.up(true)
	client := h.outer(w)
	if _, err := tunnel(client, "filler-plc", 502); err == nil || !strings.Contains(err.Error(), "its own list does not have it") {
		t.Errorf("a machine that is not in the agent's list: %v", err)
	}
	if h.plc.accepted.Load() != 0 {
		t.Error("the agent dialled it")
	}
	if _, err := tunnel(client, "filler-plc", 9); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a machine that is off: %v", err)
	}
	if got := h.door.Dialer.Agents.State("line-1"); got.Streams != 0 {
		t.Errorf("%d streams are counted that are none", got.Streams)
	}
}

// A machine that resets is a reset at the vendor's end too, all the way.
func TestAResetPassesAnAgent(t *testing.T) {
	h := newAgents(t)
	c := h.field(fmt.Sprintf("127.0.0.1:%d", h.plc.port))
	h.open(30)
	h.confirmed(c)
	h.runs(c)
	h.up(true)
	h.plc.does(func(p *net.TCPConn) {
		_, _ = p.Read(make([]byte, 1))
		_ = p.SetLinger(0)
	})
	v := h.connects(h.computer("ann"), connect.Options{})
	v.hears("ready", "")
	p, err := net.Dial("tcp", v.local("filler-plc", "modbus"))
	h.ok(err)
	defer p.Close()
	_ = p.SetDeadline(time.Now().Add(time.Minute))
	_, err = io.WriteString(p, "x")
	h.ok(err)
	if b, err := io.ReadAll(p); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v", b, err)
	}
}

// removing is a log; while it writes that an agent is up, somebody removes it.
type removing struct {
	Log
	remove func()
	once   sync.Once
}

func (l *removing) Append(ctx context.Context, ev audit.Event) (audit.Leaf, error) {
	if _, up := ev.Body.(audit.AgentUp); up {
		l.once.Do(l.remove)
	}
	return l.Log.Append(ctx, ev)
}

// An agent that is removed while it comes in is not the way into its zone.
func TestAnAgentThatIsRemovedWhileItComesIn(t *testing.T) {
	h := newAgents(t)
	c := h.field(fmt.Sprintf("127.0.0.1:%d", h.plc.port))
	w := h.open(30)
	h.confirmed(c)
	h.door.Log = &removing{Log: h.log, remove: func() { // as the page does
		h.door.Dialer.Agents.Drop("line-1")
		if err := h.roster.RemoveAgent(h.ctx, h.actor("lena"), "line-1", "stolen"); err != nil {
			t.Error(err)
		}
		h.door.Dialer.Agents.Drop("line-1")
	}}
	h.runs(c)
	eventually(t, "it has come and gone", func() bool {
		return len(h.events("agent.down")) > 0 || h.door.Dialer.Agents.State("line-1").Up
	})
	if s := h.door.Dialer.Agents.State("line-1"); s.Up {
		t.Errorf("the way into the zone: %+v", s)
	}
	if _, err := tunnel(h.outer(w), "filler-plc", 502); err == nil || h.plc.accepted.Load() != 0 {
		t.Errorf("through a removed agent: %v", err)
	}
}

// Who brings an agent, and which counts.
func TestAnAgentIsEnrolledByTwo(t *testing.T) {
	h := newAgents(t)
	h.roster.Zones = func(z policy.ZoneName) bool { zone, ok := h.plant.Zone(z); return ok && zone.ByAgent }
	rule := func(err error) string { r, _ := ruleOf(err); return r }
	for who, want := range map[string]string{"mia": "security-only", "ann": "plant-people-only"} {
		if _, _, err := h.roster.InviteAgent(h.ctx, h.actor(who), "line-1"); err == nil || rule(err) != want {
			t.Errorf("%s invites: %v", who, err)
		}
	}
	if _, _, err := h.roster.InviteAgent(h.ctx, h.actor("lena"), "dmz"); err == nil || rule(err) != "no-such-zone" {
		t.Errorf("for a zone that the broker dials itself: %v", err)
	}
	c := h.field("127.0.0.1:9")
	if _, err := h.joins(c, "AAAA-BBBB-CCCC-DDDD"); err == nil {
		t.Error("a made-up code")
	}
	code, _, err := h.roster.InviteAgent(h.ctx, h.actor("lena"), "line-1")
	h.ok(err)
	_, err = h.joins(c, code)
	h.ok(err)
	if _, err := h.joins(h.field("127.0.0.1:9"), code); err == nil {
		t.Error("a code twice")
	}
	pending := must(h.roster.Agents(h.ctx))[0].Pending
	for who, want := range map[string]string{"lena": "confirm", "ann": "plant-people-only"} {
		if err := h.roster.ConfirmAgent(h.ctx, h.actor(who), "line-1", pending); err == nil || rule(err) != want {
			t.Errorf("%s confirms: %v", who, err)
		}
	}
	if err := h.roster.ConfirmAgent(h.ctx, h.actor("mia"), "line-1", "SHA256:other"); err == nil || rule(err) != "no-pending-agent" {
		t.Errorf("another fingerprint: %v", err)
	}
	// Pending counts for nothing: it is asked for a code again.
	key := must(ssh.ParsePrivateKey(must(os.ReadFile(c.Key))))
	if _, _, err := h.dialAs("agent", ssh.PublicKeys(key)); err == nil {
		t.Error("a key that waits was let in")
	}
	h.ok(h.roster.ConfirmAgent(h.ctx, h.actor("mia"), "line-1", pending))
	// It is no person's, and opens nothing towards the broker.
	for _, user := range []string{"desk", "cert", "ann", "ann+logs+filler-plc"} {
		if _, _, err := h.dialAs(user, ssh.PublicKeys(key)); err == nil {
			t.Errorf("an agent's key came in as %s", user)
		}
	}
	a, _, err := h.dialAs("agent", ssh.PublicKeys(key))
	h.ok(err)
	if _, err := tunnel(a, "filler-plc", 502); err == nil {
		t.Error("an agent opened a forward")
	}
	// A person's key is no agent's, with or without a code.
	if _, _, err := h.dialAs("agent", ssh.PublicKeys(keyOf("ann"))); err == nil {
		t.Error("ann came in as an agent")
	}

	stop := h.runs(c)
	h.up(true)
	h.door.Dialer.Agents.Drop("line-1")
	h.ok(h.roster.RemoveAgent(h.ctx, h.actor("lena"), "line-1", "the cabinet was open"))
	h.up(false)
	if _, err := h.roster.AgentByKey(h.ctx, authorized(key.PublicKey())); err == nil {
		t.Error("a removed agent's key still counts")
	}
	h.ok(stop())
	// The key does not come back, for nobody.
	code, _, err = h.roster.InviteAgent(h.ctx, h.actor("lena"), "line-1")
	h.ok(err)
	if _, err := h.roster.JoinAgent(h.ctx, code, authorized(key.PublicKey())); err == nil || rule(err) != "key-known" {
		t.Errorf("a removed key again: %v", err)
	}
	// All of it is in the log: rows made anew are the same.
	if diff, err := h.journal.Check(h.ctx); err != nil || len(diff) > 0 {
		t.Errorf("%v %v", diff, err)
	}
}
