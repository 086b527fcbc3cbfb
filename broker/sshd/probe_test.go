package sshd

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// Before the job ann tries the way by the account that could load a program: it is
// reached and closed, by a jump, directly and by a forward, and no byte passes.
func TestConnectivity(t *testing.T) {
	h := newHouse(t, Limits{PerSecond: 1000})
	now := time.Now()
	r, err := h.desk.Submit(h.ctx, h.actor("ann"), approvals.Ask{Firm: "krall", Kind: evidence.Connectivity, People: []policy.PersonID{"ann"}, Reason: "Before Saturday",
		Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "maint"}, {Asset: "filler-plc", Port: "modbus"}}, Rights: policy.Look, Minutes: 15, From: now, To: now.Add(3 * time.Hour)})
	h.ok(err)
	r, err = h.desk.Answer(h.ctx, h.actor("mia"), r.ID, r.Hash, approvals.Reply{Says: "yes"}) // the shift alone
	h.ok(err)
	ann := newStock(h, "ann")
	ann.setUp()
	ann.answers(h.code("ann", 0))
	out, errs, code := ann.ssh("", "cert@127.0.0.1") // its first use opens it
	if code != 0 {
		t.Fatalf("cert@: exit %d, %s", code, errs)
	}
	ann.file("id_ed25519-cert.pub", out)
	const works = "the machine was reached, it showed the pinned host key, and maint logged in"
	for _, args := range [][]string{
		{"ann+maint+filler-plc@127.0.0.1", "touch /tmp/x"}, {"-T", "ann+maint+filler-plc@127.0.0.1"}, {"maint@filler-plc.kiel", "id"},
	} {
		out, errs, code := ann.ssh("typed\n", args...)
		if code != 0 || out != "" || !strings.Contains(errs, works) {
			t.Errorf("%q: exit %d, stdout %q, stderr %s", args, code, out, errs)
		}
	}
	if out, errs, _ := ann.ssh("typed\n", "-W", "filler-plc:"+strconv.Itoa(h.plc.port), "ann@127.0.0.1"); out != "" || !strings.Contains(errs, "the way to filler-plc by modbus works") {
		t.Errorf("a forward: stdout %q, stderr %s", out, errs)
	}
	eventually(t, "four channels are closed", func() bool { return len(h.events("channel.closed")) == 4 })
	for _, leaf := range h.events("channel.closed") {
		if b := leaf.Body.(audit.ChannelClosed); b.In != 0 || b.Out != 0 {
			t.Errorf("bytes passed: %+v", b)
		}
	}
	_, err = h.desk.End(h.ctx, h.actor("mia"), r.Window, "")
	h.ok(err)
	walk := evidence.NewWalk(h.docs)
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		h.ok(err)
		for _, wrong := range walk.Leaf(h.ctx, leaf) {
			t.Errorf("leaf %d %s: %s", leaf.Index, leaf.Body.Type(), wrong)
		}
	}
	// a byte in one of them would be found
	walk, found := evidence.NewWalk(h.docs), ""
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		h.ok(err)
		if b, is := leaf.Body.(audit.ChannelClosed); is {
			b.Out = 1
			leaf.Body = b
		}
		found += strings.Join(walk.Leaf(h.ctx, leaf), "\n")
	}
	if !strings.Contains(found, "tries the way alone, and 0 bytes went in and 1 out") {
		t.Errorf("found %s", found)
	}
}
