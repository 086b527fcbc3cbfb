package dial

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit/recording"
	"penstock/policy"
)

// stuck is an agent of a hostile make: it takes every stream, reads nothing, and
// answers no close. x/crypto's own client could not do so.
type stuck struct {
	ssh.Conn
	reqs []chan *ssh.Request // of each stream
}

func (s *stuck) OpenChannel(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	r := make(chan *ssh.Request)
	s.reqs = append(s.reqs, r)
	return silent{}, r, nil
}

type silent struct{ ssh.Channel }

func (silent) CloseWrite() error { return nil }
func (silent) Close() error      { return nil }

type free struct{}

func (free) Context() context.Context                           { return context.Background() }
func (free) Look() error                                        { return nil }
func (free) Own(io.Closer) error                                { return nil }
func (free) Mark(context.Context, recording.Mark, []byte) error { return nil }

// An agent that closes nothing holds goroutines of ours: at most as many as a zone
// has places, because a place is given back once the agent has closed its stream.
func TestAnAgentThatClosesNothing(t *testing.T) {
	agent := &stuck{}
	d := &Dialer{Agents: NewAgents()}
	if _, ok := d.Agents.Join("line-1", "SHA256:x", netip.Addr{}, agent, 0); !ok {
		t.Fatal("the agent is not taken")
	}
	target := netip.MustParseAddrPort("10.20.1.11:502")
	open := func() error {
		c, err := d.byAgent(t.Context(), free{}, "line-1", target)
		if err == nil {
			err = c.Close() // as a cut does
		}
		return err
	}
	for i := range maxAgentStreams {
		if err := open(); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	var no *policy.Refusal
	if err := open(); !errors.As(err, &no) || no.Rule != "agent-full" {
		t.Errorf("one more than there are places: %v", err)
	}
	for _, r := range agent.reqs[:3] { // it closes some after all
		close(r)
	}
	for end := time.Now().Add(time.Minute); d.Agents.State("line-1").Streams != maxAgentStreams-3; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal("the places are not given back")
		}
	}
	if err := open(); err != nil {
		t.Errorf("where there is a place again: %v", err)
	}
	for _, r := range agent.reqs[3:] {
		close(r)
	}
}
