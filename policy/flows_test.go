package policy

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

func flowLines(t *testing.T, change func(string) string) (all []string) {
	t.Helper()
	text, err := os.ReadFile("../configs/plant.yaml")
	if err != nil {
		t.Fatal(err)
	}
	sheet, err := os.ReadFile("../configs/registers/fil-1.csv")
	if err != nil {
		t.Fatal(err)
	}
	p, problems := ParseWith(Options{Inspectors: []string{"modbus"}}, "plant.yaml", map[string][]byte{"plant.yaml": []byte(change(string(text))), "registers/fil-1.csv": sheet})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Flows() {
		all = append(all, fmt.Sprintf("%s%s > %s %s %s %s %v %v agent=%t", f.From, f.FromAsset, f.Zone, f.Asset, f.What, f.Target, f.Conduits, f.Owners, f.Agent))
	}
	return all
}

// What a firewall must let through is exactly what the file has a conduit for.
func TestFlows(t *testing.T) {
	got := flowLines(t, func(s string) string { return s })
	for _, want := range []string{
		"dmz > line-1 filler-plc ssh 10.20.1.11:22 [dmz-line-1] [line-1-owner ot-security] agent=false",
		"dmz > line-1 filler-plc modbus 10.20.1.11:502 [dmz-line-1] [line-1-owner ot-security] agent=false",
		"dmz > ops historian ssh 10.10.0.30:2222 [dmz-ops] [it-network ot-security] agent=false",
		"dmz > utilities chiller-plc ssh 10.30.1.11:22 [dmz-ops ops-utilities] [it-network ot-security utilities-owner] agent=false",
		"dmz >   line-1-key 10.20.1.9:502 [] [ot-security] agent=false",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not in\n%s", want, strings.Join(got, "\n"))
		}
	}
	if text := strings.Join(got, "\n"); strings.Contains(text, "safety") {
		t.Errorf("a way to the safety system:\n%s", text)
	}
	// Without the conduit there is no flow, and an agent's zone lets nothing in.
	if text := strings.Join(flowLines(t, func(s string) string {
		return strings.Replace(s, "carries: [ssh, sftp, modbus, vnc]", "carries: [ssh]", 1)
	}), "\n"); strings.Contains(text, "10.20.1.11:502") || !strings.Contains(text, "10.20.1.11:22") {
		t.Errorf("after the conduit carries less:\n%s", text)
	}
	for _, l := range flowLines(t, func(s string) string {
		return strings.Replace(s, "shift: shift}", "shift: shift, reached_by: agent}", 1)
	}) {
		if strings.Contains(l, "> line-1 ") != strings.HasSuffix(l, "agent=true") {
			t.Errorf("with an agent: %s", l)
		}
	}
}
