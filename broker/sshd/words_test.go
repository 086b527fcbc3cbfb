package sshd

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// A context tells those who wait for it one after the other, in any order. Where
// the pump hears of a cut first and is through before the words' turn comes, the
// vendor used to read nothing, and the client waited for ever.
func TestCutIsSaidThoughThePumpIsThroughFirst(t *testing.T) {
	h := newHouse(t, Limits{})
	win := h.open(30)
	session, err := h.broker.Admit(h.ctx, broker.Arrival{Person: "ann", Windows: []policy.WindowID{win}, Serial: "1",
		Key: ssh.FingerprintSHA256(keyOf("ann").PublicKey()), Source: netip.MustParseAddr("127.0.0.1")}, &brokertest.Guest{})
	h.ok(err)
	gate, err := session.Open(h.ctx, policy.Query{Source: netip.MustParseAddr("127.0.0.1"), Asset: "filler-plc", Port: "ssh", Account: "logs", Kind: "exec"})
	h.ok(err)
	p := &page{}
	j := &job{d: h.door, ch: p, screen: newScreen(p), gone: context.Background()}
	j.screen.pty.Store(true)
	w := &wire{job: j, gate: gate, hush: func() bool { return true }} // its turn has not come
	_, err = h.desk.Block(h.ctx, h.actor("mia"), policy.Block{Asset: "filler-plc", Why: "CIP is running"})
	h.ok(err)
	w.over()
	if !strings.Contains(p.said(), "CIP is running") {
		t.Errorf("the vendor reads %q", p.said())
	}
}
