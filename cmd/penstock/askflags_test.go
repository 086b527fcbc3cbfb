package main

import (
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/broker/api"
)

// A request is of one kind, and what belongs to another kind is not left out in
// silence.
func TestAskFlagsAreOfOneKind(t *testing.T) {
	machine := api.Machine{Frame: "monitor", Keeper: "ann", Networks: []string{"198.51.100.7"}}
	for story, row := range map[string]struct {
		flags askFlags
		want  string // the kind, or what the usage error says
	}{
		"access":                      {askFlags{}, ""},
		"an emergency":                {askFlags{emergency: true}, evidence.Emergency},
		"a laptop":                    {askFlags{onSite: "laptop 07", targets: []string{"filler-plc"}}, evidence.OnSite},
		"a laptop at a jack":          {askFlags{onSite: "laptop 07", jack: "a3", targets: []string{"maint@filler-plc"}}, evidence.OnSite},
		"a test of the way":           {askFlags{connectivity: true}, evidence.Connectivity},
		"a machine":                   {askFlags{standing: machine}, evidence.Machine},
		"a laptop by an account":      {askFlags{onSite: "laptop 07", targets: []string{"maint@filler-plc"}}, "error: no account and no port"},
		"a jack without a laptop":     {askFlags{jack: "a3"}, "error: --on-site NAME"},
		"a keeper of nothing":         {askFlags{standing: api.Machine{Keeper: "ann"}}, "error: --standing NAME"},
		"an exception on site":        {askFlags{exception: true, onSite: "laptop 07"}, "error: --on-site and --exception are different things"},
		"a machine in an emergency":   {askFlags{emergency: true, standing: machine}, "error: --emergency and --standing are different things"},
		"a test and three others too": {askFlags{emergency: true, onSite: "x", connectivity: true, exception: true}, "error: --emergency and --on-site and --connectivity and --exception"},
	} {
		ask := api.Ask{Minutes: 60}
		row.flags.from, row.flags.to = askFrom, askTo
		err := row.flags.fill(&ask, time.UTC)
		if says, fails := strings.CutPrefix(row.want, "error: "); fails {
			if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want %q", story, err, says)
			}
			continue
		}
		stands := ask.Kind == evidence.Machine
		if err != nil || ask.Kind != row.want || stands != (ask.Machine != nil) || stands != ask.To.IsZero() || ask.Minutes != map[string]int{evidence.Machine: 0, evidence.Connectivity: 30, "": 60, evidence.Emergency: 60, evidence.OnSite: 60}[row.want] {
			t.Errorf("%s: %+v, %v", story, ask, err)
		}
	}
}
