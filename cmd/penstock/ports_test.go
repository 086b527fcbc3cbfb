package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func portLines(t *testing.T, server, plant func(string) string) []string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(house, "configs"))); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(string) string{"penstock.yaml": server, "plant.yaml": plant} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(change(string(b))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := readServerFile(filepath.Join(dir, "penstock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPlantFile(f.Plant)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range portRows(f, p.plant) {
		all = append(all, fmt.Sprintf("%s: %s > %s %s %d %s, %s, %v", r.Side, r.Source, r.Destination, r.Address, r.Port, r.What, r.Direction, r.Owners))
	}
	return all
}

func TestPortsSaysWhatFirewallsMustLetThrough(t *testing.T) {
	same := func(s string) string { return s }
	has := func(all []string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !slices.Contains(all, w) {
				t.Errorf("%s is not in\n%s", w, strings.Join(all, "\n"))
			}
		}
	}
	has(portLines(t, same, same),
		"vendor: the vendor's computers > broker.kiel.example  2222 SSH, out to the plant, [the vendor]",
		"plant: vendors' networks (page People) > broker.kiel.example  2222 SSH, in to dmz, [it-network]",
		"plant: vendors' networks (page People) and the plant's people > broker.kiel.example  8443 HTTPS, in to dmz, [it-network]",
		"plant: broker.kiel.example > FIL-1-PLC-01 10.20.1.11 502 modbus, dmz to line-1, [line-1-owner ot-security]",
		"plant: broker.kiel.example > input of gate line-1-key 10.20.1.9 502 gate, out of dmz, [ot-security]")

	// One port for both, copies outside, and a zone that lets nothing in.
	all := portLines(t, func(s string) string {
		s = strings.Replace(strings.Replace(s, "listen: :2222", "listen: :443", 1), "listen: :8443", "listen: :443", 1)
		return s + "\nsiem:\n  - {name: soc, syslog: \"siem.kiel.example:6514\"}\nnotices:\n  - {name: hook, webhook: \"https://hooks.example/penstock\", secret: hook.secret}\n"
	}, func(s string) string {
		return strings.Replace(s, "shift: shift}", "shift: shift, reached_by: agent}", 1)
	})
	has(all,
		"vendor: the vendor's computers > broker.kiel.example  443 SSH and HTTPS on one port, out to the plant, [the vendor]",
		"plant: the agent of line-1 > broker.kiel.example  443 SSH, out of line-1, [line-1-owner ot-security]",
		"plant: broker.kiel.example > siem.kiel.example  6514 syslog over TLS, out of dmz, [it-network]",
		"plant: broker.kiel.example > hooks.example  443 HTTPS, out of dmz, [it-network]")
	for _, l := range all {
		if strings.Contains(l, "to line-1,") {
			t.Errorf("a connection into a zone that lets none in: %s", l)
		}
	}
}

func TestPortsForASpreadsheet(t *testing.T) {
	var out bytes.Buffer
	f, err := readServerFile(filepath.Join(house, "configs", "penstock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPlantFile(f.Plant)
	if err != nil {
		t.Fatal(err)
	}
	rows := portRows(f, p.plant)
	rows[0].Why = "=1+1"
	if err := portsCSV(&out, rows); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(lines) != len(rows)+1 || lines[1][8] != "'=1+1" {
		t.Errorf("%d lines of %d, %v: %q", len(lines), len(rows), err, lines[1])
	}
}
