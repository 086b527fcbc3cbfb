package policy_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"penstock/policy"
)

var words = []string{"look", "copy", "set", "operate", "load", "device"}

// drawRights is a list of rights as a plant file writes it, look among them.
func drawRights(t *rapid.T, what string) string {
	list := []string{"look"}
	for _, w := range words[1:] {
		if rapid.Bool().Draw(t, what+" "+w) {
			list = append(list, w)
		}
	}
	return "[" + strings.Join(list, ", ") + "]"
}

// drawPlant is a sound plant file of a few zones, conduits, machines and rules,
// with calendars, a gate, a night and an emergency where they are drawn.
func drawPlant(t *rapid.T) *policy.Plant {
	flip := func(what string) bool { return rapid.Bool().Draw(t, what) }
	pick := func(what string, from ...string) string { return rapid.SampledFrom(from).Draw(t, what) }
	var b strings.Builder
	b.WriteString("site: {id: kiel, name: Kiel, timezone: Europe/Berlin}\nteams: {ot-security: {name: S}, it: {name: I}, shift: {name: H}, own: {name: O}}\nlines: {l1: {name: L1, criticality: 1}}\n")
	b.WriteString("zones:\n  dmz: {name: DMZ, levels: [3.5], sl_t: 3, owner: it, broker: here}\n")
	zones := rapid.IntRange(1, 3).Draw(t, "zones")
	night := flip("night")
	for i := range zones {
		fmt.Fprintf(&b, "  z%d: {name: Z%d, levels: [1, 2], sl_t: 2, owner: own", i, i)
		for _, more := range []string{", shift: shift", ", vendors: never"} {
			if rapid.IntRange(0, 3).Draw(t, more) == 0 {
				b.WriteString(more)
			}
		}
		if night && flip("a night of its own") {
			b.WriteString(", night: nights")
		}
		b.WriteString("}\n")
	}
	b.WriteString("conduits:\n")
	for i := range rapid.IntRange(1, 5).Draw(t, "conduits") {
		to := rapid.IntRange(0, zones-1).Draw(t, "to")
		from := "dmz"
		if to > 0 && flip("from a zone") {
			from = fmt.Sprintf("z%d", to-1)
		}
		fmt.Fprintf(&b, "  - {name: c%d, from: %s, to: z%d, carries: [%s], rights: [look, copy, set, operate, load, device], owners: [it, own], why: x, review: 2027-03-31}\n", i, from, to, pick("carries", "ssh", "ssh, sftp", "ssh, vnc", "ssh, sftp, vnc"))
	}
	b.WriteString("calendars: {nights: {weekly: [Mon-Sun 20:00-06:00]}, frost: {freeze: [{from: 2026-11-01, to: 2026-12-24, name: Frost}], except: [look]}}\n")
	b.WriteString("gates: {key: {name: Key, kind: manual}}\n")
	b.WriteString("rules:\n  - {name: all, when: {right: [look, copy, set, operate, load, device]}, plan: [owner], open: shift, longest: 8h}\n  - {name: named, when: {right: device}, not_during: [frost, nights], gates: key}\n")
	for i := range rapid.IntRange(0, 4).Draw(t, "rules") {
		fmt.Fprintf(&b, "  - {name: r%d, when: {right: %s, zone: z%d}, escort: true", i, drawRights(t, "when"), rapid.IntRange(0, zones-1).Draw(t, "zone"))
		for _, column := range []string{"gates: key", "during: nights", "not_during: frost", "backup: 30d", "ask: [work_order]", "plan: [], open: vendor, longest: 1h"} {
			if column != "plan: [], open: vendor, longest: 1h" && rapid.IntRange(0, 2).Draw(t, column) == 0 {
				b.WriteString(", " + column)
			}
		}
		b.WriteString("}\n")
	}
	if night {
		fmt.Fprintf(&b, "night: {during: nights, red: [%s]}\n", pick("red", "network", "first-visit", "number, network", "first-visit, network, number"))
	}
	if flip("emergency") {
		b.WriteString("emergency: {agree: [shift], starts_as: [look], second_tap: [set, operate], longest: 2h, tell: [ot-security], review: 3d, notice_above: 4 in 30d}\n")
	}
	b.WriteString("assets:\n")
	for i := range rapid.IntRange(1, 4).Draw(t, "assets") {
		fmt.Fprintf(&b, "  a%d: {tag: T%d, name: A%d, zone: z%d, level: 1, address: 10.0.0.%d, stops: [l1], one_writer: %t", i, i, i, rapid.IntRange(0, zones-1).Draw(t, "stands"), i+1, flip("one writer"))
		if flip("backed up") {
			b.WriteString(", backup: {last: " + pick("last", "2026-11-20", "2026-01-01") + ", where: x, tool: y}")
		}
		key := ""
		if flip("pinned") {
			key = "host_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ], "
		}
		fmt.Fprintf(&b, ", ports: {ssh: {%saccounts: {one: {rights: %s, enforced: %s}, two: {rights: [look], enforced: device}}}, vnc: {rights: [look, set], enforced: nobody}}}\n", key, drawRights(t, "can"), pick("enforced", "device", "nobody"))
	}
	p, problems := policy.ParseWith(thisBuild, "plant.yaml", map[string][]byte{"plant.yaml": []byte(b.String())})
	if problems != nil {
		if ok := !strings.Contains(problems.Error(), "beyond every conduit") && !strings.Contains(problems.Error(), "no conduit"); ok {
			t.Fatalf("the generator wrote an unsound plant file: %v\n%s", problems, b.String())
		}
		t.SkipNow() // a way that no conduit reaches is a problem of the file, and no question for a decision
	}
	return p
}

// drawQuestion is anything that somebody might ask of that plant.
func drawQuestion(t *rapid.T, p *policy.Plant) (policy.Facts, policy.Query, time.Time) {
	flip := func(what string) bool { return rapid.IntRange(0, 11).Draw(t, what) > 0 } // mostly as it should be
	a := rapid.SampledFrom(p.Assets).Draw(t, "asset")
	target := policy.Target{Asset: a.Name, Port: policy.PortName(rapid.SampledFrom([]string{"ssh", "ssh", "sftp", "vnc", "modbus"}).Draw(t, "port"))}
	if target.Port == "ssh" || target.Port == "sftp" {
		target.Account = policy.AccountName(rapid.SampledFrom([]string{"one", "one", "two", "none"}).Draw(t, "account"))
	}
	now := day("2026-11-22 02:00").Add(time.Duration(rapid.IntRange(-3000, 3000).Draw(t, "hours")) * time.Hour)
	worst, _ := p.Worst(target)
	rights := worst & 63
	if !flip("all that it can") {
		rights = policy.Rights(rapid.IntRange(0, 64).Draw(t, "rights"))
	}
	from := netip.MustParseAddr(rapid.SampledFrom([]string{"198.51.100.7", "198.51.100.7", "203.0.113.9"}).Draw(t, "source"))
	f := policy.Facts{
		Person: policy.PersonFacts{ID: "ann", Firm: "krall", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Disabled: !flip("active"), Plant: !flip("vendor")},
		Window: policy.WindowFacts{ID: "W-1", Rev: 2, Agreed: flip("agreed"), Live: flip("live"), Ending: !flip("goes on"), Paused: !flip("runs"), From: now.Add(-time.Hour), Until: now.Add(time.Duration(rapid.IntRange(-1, 9).Draw(t, "until")) * time.Hour),
			People: []policy.PersonID{"ann"}, Targets: []policy.Target{target}, Rights: rights | policy.Look, Escort: !flip("no escort needed"), Emergency: !flip("planned"), Most: rights | policy.Look},
		Live: policy.LiveFacts{Escort: flip("watched"), Gates: map[string]bool{"key": flip("key")}, Writers: map[policy.AssetName]policy.SessionID{}},
		Ask:  policy.AskFacts{Known: flip("known")},
	}
	if !flip("filled in") {
		f.Ask.Missing = []string{"work_order"}
	}
	if !flip("nobody writes") {
		f.Live.Writers[a.Name] = "S-9"
	}
	if !flip("free") {
		f.Blocks = []policy.Block{{ID: "B-1", Zone: a.Zone, By: "mia", Why: "x"}}
	}
	if flip("backed up lately") {
		f.Backups = map[policy.AssetName]time.Time{a.Name: now.Add(-time.Duration(rapid.IntRange(0, 60).Draw(t, "days")) * 24 * time.Hour)}
	}
	q := policy.Query{Stage: policy.Stage(rapid.IntRange(1, 5).Draw(t, "stage")), Source: from, Asset: target.Asset, Port: target.Port, Account: target.Account, Rights: rights, Kind: rapid.SampledFrom([]string{"shell", "exec", "subsystem"}).Draw(t, "kind"),
		Session: "S-1", From: now, Until: now.Add(6 * time.Hour), Minutes: rapid.IntRange(0, 600).Draw(t, "minutes"), Emergency: !flip("planned work")}
	if q.Stage == policy.AtOpen && flip("the whole window") {
		q.Asset, q.Port, q.Account = "", "", ""
	}
	return f, q, now
}

// Explanation and enforcement are one function: of any plant and any question they
// say the same, by the same rule, along the same path, with the same duties; the
// first step that says no is the decision's; and neither remembers the other.
func TestExplainIsDecide(t *testing.T) {
	allowed, rules := 0, map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlant(t)
		for range 60 {
			f, q, now := drawQuestion(t, p)
			d := p.Decide(f, q, now)
			e := p.Explain(f, q, now)
			if !reflect.DeepEqual(e.Decision, d) || !reflect.DeepEqual(p.Decide(f, q, now), d) {
				t.Fatalf("Explain says %+v\nDecide %+v", e.Decision, d)
			}
			first := slices.IndexFunc(e.Steps, func(s policy.Step) bool { return !s.OK })
			switch {
			case d.Allow != (first < 0):
				t.Fatalf("allowed %t, and a step says no: %d of %+v", d.Allow, first, e.Steps)
			case !d.Allow && (e.Steps[first].Rule != d.Rule || e.Steps[first].Text != d.Why || d.Say == ""):
				t.Fatalf("refused by %s, and the first no is by %s", d.Rule, e.Steps[first].Rule)
			case d.Allow:
				allowed++
			}
			rules[d.Rule] = true
		}
	})
	if allowed < 20 || len(rules) < 15 { // some 120, and 30
		t.Errorf("%d questions were allowed, by or against %d rules: a generator that reaches nothing proves nothing", allowed, len(rules))
	}
	t.Logf("%d allowed, by or against %d rules", allowed, len(rules))
}
