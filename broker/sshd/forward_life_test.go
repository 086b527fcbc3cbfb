package sshd

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals"
	"penstock/policy"
)

// A machine that has said all it will say still takes what the vendor sends:
// printers and old controllers end their side first.
func TestForwardWhoseMachineEndsFirst(t *testing.T) {
	h := newHouse(t, Limits{})
	took := make(chan string, 1)
	h.plc.does(func(nc *net.TCPConn) {
		_, _ = io.WriteString(nc, "ready")
		_ = nc.CloseWrite()
		all, _ := io.ReadAll(nc)
		took <- string(all)
	})
	ch := h.plcOf(h.outer(h.open(30)))
	if said := must(io.ReadAll(ch)); string(said) != "ready" {
		t.Errorf("the machine said %q", said)
	}
	for _, part := range []string{"a label, ", "after the end"} {
		_, err := io.WriteString(ch, part)
		h.ok(err)
	}
	h.ok(ch.CloseWrite())
	if got := <-took; got != "a label, after the end" {
		t.Errorf("the machine took %q", got)
	}
	eventually(t, "channel.closed", func() bool { return len(h.events("channel.closed")) == 1 })
	if in, out, marks := h.taped("S-1", 0); string(in) != "a label, after the end" || string(out) != "ready" || marks != "q m f:out f:in" {
		t.Errorf("recorded: %q in, %q out, %s", in, out, marks)
	}
}

// A forward over which nothing passes stays: the line's own keepalives are
// answered, and nothing here counts how long a machine is silent.
func TestForwardThatIsIdleStays(t *testing.T) {
	h := newHouse(t, Limits{})
	nc := must(net.Dial("tcp", h.addr))
	conn, chans, reqs, err := ssh.NewClientConn(nc, h.addr, &ssh.ClientConfig{User: "ann", Auth: []ssh.AuthMethod{ssh.PublicKeys(h.cert("ann", h.open(30)))},
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}, HostKeyCallback: ssh.FixedHostKey(h.ca.HostKey().PublicKey())})
	h.ok(err)
	var asked atomic.Int32
	counted, none := make(chan *ssh.Request), make(chan *ssh.Request)
	close(none)
	go func() {
		for r := range reqs {
			asked.Add(1)
			_ = r.Reply(false, nil) // as OpenSSH answers
		}
		close(counted)
	}()
	c := ssh.NewClient(conn, chans, none)
	t.Cleanup(func() { c.Close(); <-counted })
	ch := h.plcOf(c)
	at := h.connOf(nc.LocalAddr())
	for range 4 * aliveMisses {
		at.ask() // due now; it returns with the answer, whenever that comes
	}
	if n := asked.Load(); n < 4*aliveMisses {
		t.Errorf("%d keepalives were asked", n)
	}
	_, err = io.WriteString(ch, "still there?")
	h.ok(err)
	if _, err := io.ReadFull(ch, make([]byte, 12)); err != nil {
		t.Errorf("after a silence: %v; %s", err, h.said)
	}
	if len(h.events("channel.closed")) != 0 {
		t.Error("an idle forward was closed")
	}
}

// Where the machine says one writer, a second session's forward that could
// write is refused in words, and gets in when the first has gone.
func TestOneForwardWritesAtATime(t *testing.T) {
	text := strings.Replace(plantText, "level: 1, address: 127.0.0.1, stops: [filling-1], ports: {ssh: {tcp", "level: 1, one_writer: true, address: 127.0.0.1, stops: [filling-1], ports: {ssh: {tcp", 1)
	text = strings.Replace(text, "modbus: {tcp: %d, rights: [look, copy]", "modbus: {tcp: %d, rights: [look, copy, set]", 1)
	text = strings.Replace(text, "right: [look, copy]}", "right: [look, copy, set]}", 1)
	h := newHouseOf(t, Limits{}, text)
	now := time.Now()
	r, err := h.desk.Submit(h.ctx, h.actor("ann"), approvals.Ask{Firm: "krall", People: []policy.PersonID{"ann"}, Targets: []policy.Target{{Asset: "filler-plc", Port: "modbus"}},
		Rights: policy.Look | policy.Copy | policy.Set, Reason: "test", Minutes: 30, From: now, To: now.Add(3 * time.Hour)})
	h.ok(err)
	r, err = h.desk.Answer(h.ctx, h.actor("olaf"), r.ID, r.Hash, approvals.Reply{Says: "yes"})
	h.ok(err)
	_, err = h.desk.Open(h.ctx, h.actor("mia"), r.Window)
	h.ok(err)

	first, second := h.outer(r.Window), h.outer(r.Window)
	writes := h.plcOf(first)
	if ch, err := tunnel(first, "filler-plc", h.plc.port); err != nil {
		t.Errorf("a second forward of the one who writes: %v", err)
	} else {
		h.ok(ch.Close())
	}
	_, err = tunnel(second, "filler-plc", h.plc.port)
	if err == nil || !strings.Contains(err.Error(), "somebody else is changing filler-plc now") {
		t.Fatalf("a second writer: %v", err)
	}
	if n := h.plc.accepted.Load(); n != 2 {
		t.Errorf("the machine was dialled %d times", n)
	}
	h.ok(writes.Close())
	eventually(t, "the first's channels are closed", func() bool { return len(h.events("channel.closed")) == 2 })
	ch := h.plcOf(second)
	_, err = io.WriteString(ch, "mine now")
	h.ok(err)
	if _, err := io.ReadFull(ch, make([]byte, 8)); err != nil {
		t.Error(err)
	}
}
