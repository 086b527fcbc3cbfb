package approvals

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// trying is a connectivity test by the account of the job that it is for.
func trying(a *Ask) {
	on("filler-plc", "maint")(a)
	a.Kind, a.Rights, a.Minutes = evidence.Connectivity, policy.Look, 15
}

func TestConnectivity(t *testing.T) {
	w := newWorld(t, nil)
	for story, row := range map[string]struct {
		rule   string
		change func(*Ask)
	}{
		"to take files out": {"connectivity", func(a *Ask) { a.Rights |= policy.Copy }},
		"for an hour":       {"too-long", func(a *Ask) { a.Minutes = 31 }},
		"with a file":       {"connectivity", func(a *Ask) { a.FileHashes = []audit.Hash{audit.HashOf([]byte("x"))} }},
		"for nobody":        {"bad-text", func(a *Ask) { a.People = nil }},
	} {
		_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(trying, row.change))
		if rule(err) != row.rule {
			t.Errorf("%s: %v, want %s", story, err, row.rule)
		}
	}
	r := w.submit(trying)
	if d := r.Document; d.Open != "vendor" || !strings.Contains(d.Can, "try whether the way works") || len(r.Needs) != 1 || r.Needs[0].Role != "shift" {
		t.Fatalf("the text says %+v, needs %v", d, r.Needs)
	}
	_, err := w.say("ann", r, evidence.Yes)
	wants(t, err, "not-plant")
	_, err = w.say("olaf", r, evidence.Yes) // the line's owner is not asked
	if err == nil {
		t.Error("the owner's yes counts")
	}
	r = w.yes("mia", r) // the shift alone, though the rules want the owner for any look
	if r.Window == "" {
		t.Fatalf("not agreed: %+v", r)
	}
	wants(t, w.desk.OpenByUse(w.ctx, "ann", r.Window), "")
	facts, err := w.desk.Facts(w.ctx, r.Window, "ann")
	wants(t, err, "")
	facts.HostKeys = nil
	q := policy.Query{Stage: policy.AtAdmit, Source: netip.MustParseAddr("198.51.100.7")}
	if d := w.plant().Decide(facts, q, w.now()); !d.Allow {
		t.Errorf("admit: %+v", d)
	}
	// by any account, though it can load a program; never more than looking
	q = policy.Query{Stage: policy.AtChannel, Source: q.Source, Asset: "filler-plc", Port: "ssh", Account: "maint", Rights: policy.Look, Kind: "shell"}
	if d := w.plant().Decide(facts, q, w.now()); d.Rule != "host-key-not-pinned" { // this plant pins none: all before it said yes
		t.Errorf("channel: %+v", d)
	}
	q.Rights |= policy.Load
	if d := w.plant().Decide(facts, q, w.now()); d.Allow || d.Rule != "rights-beyond-window" {
		t.Errorf("to load: %+v", d)
	}
	w.restart()
	if f, err := w.desk.Facts(w.ctx, r.Window, "ann"); err != nil || !f.Window.Probe || !f.Window.Live {
		t.Errorf("after a restart: %+v %v", f.Window, err)
	}
	w.pass(16 * time.Minute)
	w.settle()
	if w.state(r.Window) != WindowEnded {
		t.Errorf("after its end it is %s", w.state(r.Window))
	}
	if win, err := w.desk.Accept(w.ctx, w.as("mia"), r.Window); err != nil || win.State != WindowClosed { // nothing was changed, so nobody says what
		t.Errorf("closed: %s %v", win.State, err)
	}
	w.judge(t)
}

func TestConnectivityIsRecomputed(t *testing.T) {
	for _, row := range []struct {
		story, finding string
		change         func(*world, *audit.Leaf)
	}{
		{"nothing", "", asItIs},
		{"the claim is for work", "the window tries the way: false", claimed(func(c *evidence.WindowClaim) { c.Probe = false })},
		{"the claim has more rights", "the window's rights are", claimed(func(c *evidence.WindowClaim) { c.Rights = []string{"look", "set"} })},
		{"it is longer", "minutes long", claimed(func(c *evidence.WindowClaim) { c.Minutes = 60 })},
	} {
		t.Run(row.story, func(t *testing.T) {
			w := newWorld(t, nil)
			r := w.yes("mia", w.submit(trying))
			wants(t, w.desk.OpenByUse(w.ctx, "ann", r.Window), "")
			w.finds(t, row.finding, row.change)
		})
	}
}
