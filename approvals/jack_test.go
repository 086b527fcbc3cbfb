package approvals

import (
	"net/netip"
	"sync"
	"testing"

	"penstock/approvals/evidence"
	"penstock/policy"
)

// jackedPlant is the kit's plant with a service jack for line 1.
var jackedPlant = sync.OnceValue(func() *policy.Plant {
	return plantOf(plantText + "jacks:\n  a3: {name: Panel A3, network: 10.20.9.16/28, zones: [line-1]}\n")
})

// plugged is ann's laptop at the jack, to look and take files out.
func plugged(a *Ask) { a.Kind, a.Laptop, a.Jack = evidence.OnSite, "laptop 07", "a3" }

func TestOnSiteThroughAJack(t *testing.T) {
	w := newWorldOf(t, nil, jackedPlant)
	for story, row := range map[string]struct {
		rule   string
		change func(*Ask)
	}{
		"no laptop":         {"on-site-laptop", func(a *Ask) { a.Laptop = "" }},
		"no such jack":      {"jack", func(a *Ask) { a.Jack = "b1" }},
		"from outside":      {"on-site", func(a *Ask) { a.Kind, a.Laptop = "", "" }},
		"a distant machine": {"jack", func(a *Ask) { on("historian", "reader")(a) }},
		"no way in":         {"bad-text", func(a *Ask) { a.Targets = []policy.Target{{Asset: "filler-plc"}} }},
	} {
		_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(plugged, row.change))
		if rule(err) != row.rule {
			t.Errorf("%s: %v, want %s", story, err, row.rule)
		}
	}
	win := w.open(plugged)
	if win.Claim.Jack != "a3" || win.Claim.OnSite() || win.Claim.Open != "shift" {
		t.Fatalf("opened as %+v", win.Claim)
	}
	if list, err := w.desk.OpenFor(w.ctx, "ann"); err != nil || len(list) != 1 {
		t.Errorf("a certificate would be for %v (%v)", list, err)
	}
	w.restart()
	facts, err := w.desk.Facts(w.ctx, win.ID, "ann")
	wants(t, err, "")
	for from, rule := range map[string]string{"10.20.9.17": "window", "198.51.100.7": "jack-network"} {
		if d := w.plant().Decide(facts, policy.Query{Stage: policy.AtAdmit, Source: netip.MustParseAddr(from)}, w.now()); d.Rule != rule {
			t.Errorf("from %s: %s (%s)", from, d.Rule, d.Why)
		}
	}
	_, err = w.desk.Cut(w.ctx, w.as("mia"), win.ID, "wrong machine")
	wants(t, err, "")
	w.judge(t)
	for _, row := range []struct {
		finding string
		change  func(*evidence.WindowClaim)
	}{
		{"is for the service jack", func(c *evidence.WindowClaim) { c.Jack = "b1" }},
		{"claim", func(c *evidence.WindowClaim) { c.Jack = "" }}, // then it would name ways in without a jack
		{"is for the laptop", func(c *evidence.WindowClaim) { c.Laptop = "laptop 08" }},
	} {
		w.finds(t, row.finding, claimed(row.change))
	}
	w.noted(t, `on site, recorded: ["ann"] with the laptop "laptop 07" at the service jack a3`)
}
