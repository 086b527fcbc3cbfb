package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

func withRetention(t *testing.T, extra string) (*policy.Plant, string) {
	t.Helper()
	text := `
site: {id: kiel, name: Kiel, timezone: Europe/Berlin}
teams: {shift: {name: Shift}, ot-security: {name: Security}, owner-1: {name: Owner}}
zones: {dmz: {name: DMZ, levels: [3.5], sl_t: 2, owner: ot-security, broker: here}, line-1: {name: Line, levels: [1], sl_t: 2, owner: owner-1}}
assets:
  plc: {tag: PLC-1, name: PLC, zone: line-1, level: 1, address: 10.0.0.1, stops: [], ports: {vnc: {rights: [look], enforced: device}}}
  his: {tag: HIS-1, name: His, zone: dmz, level: 3.5, address: 10.0.0.2, stops: [], ports: {vnc: {rights: [look], enforced: device}}}
` + extra
	p, problems := policy.ParseWith(thisBuild, "plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if len(problems) > 0 {
		return nil, problems.Err().Error()
	}
	return p, ""
}

func TestKeeps(t *testing.T) {
	const day = 24 * time.Hour
	p, wrong := withRetention(t, `
retention:
  - {name: short, when: {right: look}, keep: 90d}
  - {name: line,  when: {zone: line-1, right: [look, set]}, keep: 1y}
  - {name: load,  when: {right: load}, keep: 7y}
`)
	if p == nil {
		t.Fatal(wrong)
	}
	rows := []struct {
		story, asset, port string
		rights             policy.Rights
		rule               string
		keep               time.Duration
	}{
		{"looking anywhere", "his", "vnc", policy.Look, "short", 90 * day},
		{"looking in the zone that keeps longer", "plc", "vnc", policy.Look, "line", 365 * day},
		{"the longest of all rights", "plc", "vnc", policy.Look | policy.Set | policy.Load, "load", 7 * 365 * day},
		{"a right that no row matches", "his", "vnc", policy.Look | policy.Set, "", 0},
		{"a right that no row matches beside one that is kept long", "plc", "vnc", policy.Load | policy.Device, "", 0},
		{"a machine that is not declared any more", "gone", "vnc", policy.Look, "short", 90 * day},
		{"no machine: everything in it was refused", "", "", 0, "short", 90 * day},
	}
	for _, r := range rows {
		rule, keep, ok := p.Keeps(policy.AssetName(r.asset), policy.PortName(r.port), r.rights)
		if rule != r.rule || keep != r.keep || ok != (r.rule != "") {
			t.Errorf("%s: %q %s %t", r.story, rule, keep, ok)
		}
	}
	none, _ := withRetention(t, "")
	if _, _, ok := none.Keeps("plc", "vnc", policy.Look); ok {
		t.Error("a plant file without retention lets a recording go")
	}
}

func TestReviews(t *testing.T) {
	p, _ := withRetention(t, "")
	if r := p.Reviews; len(r.Always) != 6 || r.OneIn != 10 || r.Within != 7*24*time.Hour {
		t.Errorf("without the section: %+v", r)
	}
	p, wrong := withRetention(t, "reviews: {always: [load], one_in: 0, within: 3d}\n")
	if p == nil || !slices.Equal(p.Reviews.Always, []string{"load"}) || p.Reviews.OneIn != 0 || p.Reviews.Within != 72*time.Hour {
		t.Errorf("%+v %s", p, wrong)
	}
	if !p.IsSecurity([]policy.Role{"shift", "ot-security"}) || p.IsSecurity([]policy.Role{"shift"}) || p.IsSecurity(nil) {
		t.Error("who is OT security")
	}
	for _, bad := range []struct{ text, says string }{
		{"reviews: {always: [load, load]}\n", "twice"},
		{"reviews: {always: [look]}\n", "look"},
		{"reviews: {one_in: -1}\n", "-1"},
		{"reviews: {never: true}\n", "never"},
		{"retention: [{name: a, when: {right: look}}]\n", "keep"},
		{"retention: [{name: a, keep: 1h}]\n", "1h"},
		{"retention: [{name: a, keep: 999999d}]\n", "999999d"},
		{"retention: [{name: a, keep: 1d}, {name: a, keep: 2d}]\n", "taken"},
		{"retention: [{name: a, when: {zone: nowhere}, keep: 2d}]\n", "nowhere"},
	} {
		if p, wrong := withRetention(t, bad.text); p != nil || !strings.Contains(wrong, bad.says) {
			t.Errorf("%s: %q", bad.text, wrong)
		}
	}
}
