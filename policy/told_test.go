package policy_test

import (
	"testing"

	"penstock/configs"
	"penstock/policy"
)

func examplePlant(t *testing.T) *policy.Plant {
	t.Helper()
	p, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, configs.PlantMain, configs.Plant())
	if problems != nil {
		t.Fatal(problems)
	}
	return p
}

func TestTold(t *testing.T) {
	p := examplePlant(t)
	filler := func(port, account string) []policy.Target {
		return []policy.Target{{Asset: "filler-plc", Port: policy.PortName(port), Account: policy.AccountName(account)}}
	}
	for _, row := range []struct {
		story               string
		targets             []policy.Target
		rights              policy.Rights
		can, worst, stopper string
	}{
		{"a look by an account that can do no more", filler("ssh", "viewer"), policy.Look,
			"Can look.", "Worst case: somebody sees what they should not.", "The machine stops everything else."},
		{"values by Modbus, held to the sheet", filler("modbus", ""), policy.Look | policy.Set,
			"Can change only: Fill volume, Cap torque.", "Worst case: wrong values, Filling line 1 may stop.", "Penstock stops everything else."},
		{"a shell that can do anything", filler("ssh", "maint"), policy.Look | policy.Copy | policy.Set | policy.Operate | policy.Load,
			"Can do anything, also load programs.", "Worst case: a wrong program runs, Filling line 1 stops.", "Nobody stops it but you."},
		{"a look by a shell that nobody holds to it", filler("ssh", "maint"), policy.Look,
			"Can look; and what was not asked for: take files out, change values, start and stop, load programs.", "Worst case: a wrong program runs, Filling line 1 stops.", "Nobody stops it but you."},
		{"two machines: the weakest stopper counts, and both lines", append(filler("modbus", ""), policy.Target{Asset: "pasteur-plc", Port: "ssh", Account: "viewer"}), policy.Look | policy.Operate,
			"Can start and stop.", "Worst case: Filling line 1 and Pasteuriser stop.", "The machine stops everything else."},
		{"a machine that the file does not know", []policy.Target{{Asset: "gone", Port: "ssh"}}, policy.Look,
			"Can look; and what was not asked for: take files out, change values, start and stop, load programs, change the device itself.", "Worst case: the machine stops and the device may have to be replaced.", "Nobody stops it but you."},
	} {
		t.Run(row.story, func(t *testing.T) {
			got := p.Told(row.targets, row.rights)
			if got.Can != row.can || got.Worst != row.worst || got.Stopper != row.stopper {
				t.Errorf("got %q, %q, %q", got.Can, got.Worst, got.Stopper)
			}
		})
	}
}

func TestPriority(t *testing.T) {
	p := examplePlant(t)
	for _, row := range []struct {
		story     string
		asset     policy.AssetName
		happening string
		want      string
	}{
		{"the filler stands", "filler-plc", policy.NowStopped, "P1"},
		{"the filler runs badly", "filler-plc", policy.NowDegraded, "P2"},
		{"upkeep of the filler", "filler-plc", policy.NowPlanned, "P4"},
		{"nobody said what is happening", "filler-plc", "", "P4"},
		{"the historian stands", "historian", policy.NowStopped, "P3"},
		{"the historian runs badly", "historian", policy.NowDegraded, "P4"},
		{"a safety function is degraded, on whatever", "historian", policy.NowSafety, "P1"},
		{"what no line hangs on stands", "line-1-ews", policy.NowStopped, "P4"},
		{"ice water feeds what is more critical", "chiller-plc", policy.NowStopped, "P1"},
	} {
		t.Run(row.story, func(t *testing.T) {
			if got := p.Priority([]policy.AssetName{row.asset}, row.happening).String(); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
	if got := p.Priority([]policy.AssetName{"historian", "filler-plc"}, policy.NowStopped).String(); got != "P1" {
		t.Errorf("the most critical of several counts: got %s", got)
	}
}
