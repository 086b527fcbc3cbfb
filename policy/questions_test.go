package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

func TestWhatAnAssetStops(t *testing.T) {
	p := changedPlant(t)
	var got []string
	for _, s := range p.StopsOf("chiller-plc") { // ice water feeds the pasteuriser, which feeds filling
		got = append(got, string(s.Line.Name)+"<"+string(s.By))
	}
	if want := "ice-water< pasteur< filling-1<pasteur"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
	if p.StopsOf("nobody") != nil {
		t.Error("an asset that is not there stops something")
	}
	if l := p.InterlocksOf("safety-plc"); len(l) != 2 || l[0].Of != "filler-plc" || l[1].Name != "Divert valve" {
		t.Errorf("%+v", l)
	}
	if a := p.Runs("krall", "", ""); len(a) != 2 {
		t.Errorf("%d of Krall", len(a))
	}
	if a := p.Runs("", "", "4.20"); len(a) != 1 || a[0].Name != "chiller-plc" {
		t.Errorf("%+v", a)
	}
}

func TestDebts(t *testing.T) {
	p := changedPlant(t)
	now := time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	used := map[policy.AssetName]time.Time{"filler-plc": now.AddDate(0, -1, 0), "chiller-plc": now.AddDate(-2, 0, 0)}
	var lines []string
	for _, d := range p.Debts(now, policy.Known{Used: used}) {
		lines = append(lines, fmt.Sprintf("%s %s: %s", d.Kind, d.What, d.Text))
	}
	for _, want := range []string{"review conduit ops-utilities: its review was due 2026-12-31", "backup asset pasteur-plc: its last backup is 210 days old", "backup asset filler-hmi: vendors can change it, and no backup is known",
		"host-key asset cip-plc", "unused asset chiller-plc: no window was opened on it for 730d", "unused asset historian: no window was ever opened on it"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, want) }) {
			t.Errorf("no %q in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	for _, l := range lines {
		if strings.Contains(l, "asset filler-plc: no window") || strings.Contains(l, "safety-plc") || strings.Contains(l, "backup asset filler-plc") || strings.Contains(l, "conduit dmz-ops") {
			t.Errorf("not owed: %s", l)
		}
	}
	if first := p.Debts(now, policy.Known{Used: used})[0]; first.Kind != "unused" || first.Since.IsZero() {
		t.Errorf("the longest owed is not first: %+v", first)
	}
	for _, d := range p.Debts(now, policy.Known{}) {
		if d.Kind == "unused" {
			t.Error("unused, and nobody knows what was used")
		}
	}
}
