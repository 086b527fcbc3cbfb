package approvals

import (
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// exceptingPlant is the kit's plant with a campaign that freezes copying on line 1.
var exceptingPlant = sync.OnceValue(func() *policy.Plant {
	return plantOf(edited(plantText, "rules:\n", "calendars:\n  campaign: {freeze: [{from: 2026-11-20, to: 2026-12-24, name: Campaign}]}\nexception: {longest: 12h, ends: 3d}\nrules:\n  - {name: frozen, when: {zone: line-1, right: [copy]}, not_during: campaign}\n"))
})

func except(a *Ask) { a.Kind = evidence.Exception }

func TestException(t *testing.T) {
	w := newWorldOf(t, nil, exceptingPlant)
	_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask())
	wants(t, err, "freeze:campaign")
	for story, row := range map[string]struct {
		rule   string
		change func(*Ask)
	}{
		"for too long":          {"too-long", func(a *Ask) { a.Minutes, a.To = 13*60, a.To.Add(12*time.Hour) }},
		"within four days":      {"exception-ends", func(a *Ask) { a.To = a.From.Add(4 * day) }},
		"where nothing says no": {"exception", func(a *Ask) { on("filler-plc", "viewer")(a); a.Rights = policy.Look }},
		"beyond the account":    {"account-can-more", func(a *Ask) { on("filler-plc", "maint")(a) }},
		"of what nobody rules":  {"no-rule", func(a *Ask) { a.Rights |= policy.Operate }},
		"without saying why":    {"fields-missing", func(a *Ask) { a.Reason = " " }},
		"of a list":             {"no-such-outage", func(a *Ask) { a.Outage = "O-1" }},
	} {
		_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(except, row.change))
		if rule(err) != row.rule {
			t.Errorf("%s: %v, want %s", story, err, row.rule)
		}
	}
	plain := newWorld(t, nil)
	_, err = plain.desk.Submit(plain.ctx, plain.as("ann"), plain.ask(except))
	wants(t, err, "no-exception")

	r := w.submit(except, func(a *Ask) { a.Minutes, a.To = 9*60, a.From.Add(day) }) // and for longer than the rule's eight hours
	if !slices.Equal(r.Document.Waives, []string{"campaign", "longest"}) {
		t.Fatalf("it waives %q", r.Document.Waives)
	}
	var roles []string
	for _, n := range r.Needs {
		roles = append(roles, string(n.Role))
	}
	if !slices.Equal(roles, []string{"it-network", "line-1-owner", "ot-security"}) {
		t.Fatalf("asked are %q", roles)
	}
	_, err = w.say("olaf", r, evidence.Yes)
	wants(t, err, "key-needed")
	for _, id := range []policy.PersonID{"olaf", "ida", "sara"} {
		if r.Window != "" {
			t.Errorf("agreed before %s was asked", id)
		}
		if r, err = w.signs(id, r, yesReply, w.ssh(id), nil); err != nil {
			t.Fatal(err)
		}
	}
	owed := func() bool {
		debts, err := w.desk.Debts(w.ctx, w.as("sara"))
		wants(t, err, "")
		return slices.ContainsFunc(debts, func(d policy.Debt) bool {
			return d.Kind == "exception" && strings.Contains(d.Text, "campaign, longest") && strings.Contains(d.Text, "valve drifts")
		})
	}
	if !owed() {
		t.Error("agreed, and no debt")
	}
	_, err = w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	w.restart()
	facts, err := w.desk.Facts(w.ctx, r.Window, "ann")
	wants(t, err, "")
	q := policy.Query{Stage: policy.AtChannel, Source: netip.MustParseAddr("198.51.100.7"), Asset: "filler-plc", Port: "ssh", Account: "recipes", Rights: policy.Look | policy.Copy}
	if d := w.plant().Decide(facts, q, w.now().Add(8*time.Hour+time.Minute)); d.Rule != "host-key-not-pinned" { // this plant pins none: all before it said yes
		t.Errorf("in the campaign, after eight hours: %s (%s)", d.Rule, d.Why)
	}
	for _, row := range []struct {
		named []string
		rule  string
	}{{[]string{"longest"}, "freeze:campaign"}, {[]string{"campaign"}, "too-long"}, {nil, "too-long"}} {
		facts.Window.Waives = row.named // as where the plant file has got another freeze, or a shorter longest, since
		if d := w.plant().Decide(facts, q, w.now().Add(8*time.Hour+time.Minute)); d.Rule != row.rule {
			t.Errorf("agreed to pass over %q alone: %s (%s)", row.named, d.Rule, d.Why)
		}
	}
	short := r.Document
	short.Minutes = 60
	if q, err := evidence.QuorumOf(w.plant(), short); err != nil || q.Longest != 8*time.Hour {
		t.Errorf("an hour in the campaign may be extended to %s (%v)", q.Longest, err)
	}
	facts.Window.Waives, facts.Window.Exception = []string{"campaign"}, false
	if d := w.plant().Decide(facts, q, w.now().Add(time.Minute)); d.Rule != "freeze:campaign" {
		t.Errorf("without the exception: %s (%s)", d.Rule, d.Why)
	}
	w.pass(9*time.Hour + time.Minute)
	w.settle()
	if w.state(r.Window) != WindowEnded || owed() {
		t.Errorf("after its end it is %s, owed %t", w.state(r.Window), owed())
	}
	w.judge(t)
	for _, row := range []struct {
		finding string
		change  func(*world, *audit.Leaf)
	}{
		{"", asItIs},
		{"the window is an exception: false", claimed(func(c *evidence.WindowClaim) { c.Exception, c.Waives = false, nil })},
		{"the window waives", claimed(func(c *evidence.WindowClaim) { c.Waives = c.Waives[1:] })},
		{"minutes long", claimed(func(c *evidence.WindowClaim) { c.Minutes = 24 * 60 })},
		{"yes of ot-security missing", func(_ *world, l *audit.Leaf) {
			if b, is := l.Body.(audit.WindowAgreed); is {
				b.Answers = b.Answers[:2]
				l.Body = b
			}
		}},
	} {
		w.finds(t, row.finding, row.change)
	}
}
