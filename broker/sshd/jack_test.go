package sshd

import (
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// Eve's firm comes from elsewhere; with her laptop at the service jack she works
// by the same ssh, recorded, and from outside the same window lets nobody in.
func TestOnSiteThroughAJack(t *testing.T) {
	h := newHouseOf(t, Limits{PerSecond: 1000}, plantText+"jacks:\n  a3: {name: Panel A3, network: 127.0.0.0/24, zones: [line-1]}\n  b1: {name: Panel B1, network: 127.0.1.0/24, zones: [line-1]}\n")
	h.enrol("eve")
	ask := func(jack string) policy.WindowID {
		now := time.Now()
		a := approvals.Ask{Firm: "polar", People: []policy.PersonID{"eve"}, Targets: []policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "logs"}},
			Rights: policy.Look | policy.Copy, Reason: "Panel", Minutes: 30, From: now, To: now.Add(3 * time.Hour)}
		if jack != "" {
			a.Kind, a.Laptop, a.Jack = evidence.OnSite, "laptop 07", jack
		}
		r, err := h.desk.Submit(h.ctx, h.actor("mia"), a)
		h.ok(err)
		r, err = h.desk.Answer(h.ctx, h.actor("olaf"), r.ID, r.Hash, approvals.Reply{Says: "yes"})
		h.ok(err)
		_, err = h.desk.Open(h.ctx, h.actor("mia"), r.Window)
		h.ok(err)
		return r.Window
	}
	eve := newStock(h, "eve")
	eve.setUp()
	const me = "eve+logs+filler-plc@127.0.0.1"
	comes := func(step int, windows ...policy.WindowID) (out, errs string, code int) {
		t.Helper()
		eve.answers(h.code("eve", step))
		out, errs, code = eve.ssh("", "cert@127.0.0.1")
		if code != 0 {
			t.Fatalf("cert@: exit %d, %s", code, errs)
		}
		eve.file("id_ed25519-cert.pub", out)
		out, errs, code = eve.ssh("", me, "echo here")
		for _, w := range windows {
			_, err := h.desk.End(h.ctx, h.actor("mia"), w, "")
			h.ok(err)
		}
		return out, errs, code
	}
	// neither access from outside nor the jack beside another panel lets her in from here
	if out, errs, code := comes(0, ask(""), ask("b1")); code == 0 || out != "" || !strings.Contains(errs, "holds only for connections from 198.51.100.0/24,127.0.1.0/24") {
		t.Errorf("elsewhere: exit %d, %q %s", code, out, errs)
	}
	if out, errs, code := comes(1, ask("a3")); code != 0 || out != "here\n" {
		t.Errorf("at the jack: exit %d, %q %s", code, out, errs)
	}
	if n := len(h.events("session.started")); n != 1 {
		t.Errorf("%d sessions", n)
	}
	eventually(t, "the session has ended", func() bool { return len(h.events("session.ended")) == 1 })
	if b := h.events("session.started")[0].Body.(audit.SessionStarted); b.Header.IsZero() || !strings.HasPrefix(b.Source, "127.0.0.1") {
		t.Errorf("recorded as %+v", b)
	}
	walk := evidence.NewWalk(h.docs)
	for leaf, err := range h.log.Upto(h.ctx, 0) {
		h.ok(err)
		for _, wrong := range walk.Leaf(h.ctx, leaf) {
			t.Errorf("leaf %d %s: %s", leaf.Index, leaf.Body.Type(), wrong)
		}
	}
}
