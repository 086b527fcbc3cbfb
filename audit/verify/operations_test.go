package verify_test

import (
	"strings"
	"testing"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/audit/verify"
)

// What the log says was done on an inspected channel is held to the rows of its recording.
func TestOperationsAreHeldToTheirRows(t *testing.T) {
	rows := []recording.Operation{
		{N: 1, Allowed: true, Right: "look", Rule: "look", Service: "read"},
		{N: 2, Allowed: true, Right: "load", Rule: "load", Service: "write"},
		{N: 2, Right: "load", Rule: "rights-beyond-window", Service: "write"}, // decided anew
		{N: 1, Outcome: "done"},
		{N: 3, Allowed: true, Right: "look", Rule: "look", Service: "read"},
	}
	wrote := func(n uint64, object string, count int, rule string) recording.Operation {
		changes := []recording.Change{{Object: object, New: "1"}}
		return recording.Operation{N: n, Allowed: rule == "", Right: "load", Rule: rule, Service: "write", Object: object, Count: count, Changes: changes}
	}
	rows = append(rows, wrote(40, "holding 12", 1, ""), wrote(41, "holding 13", 2, ""), wrote(42, "coil 7", 1, ""), wrote(43, "holding 90", 1, "register-not-agreed"),
		recording.Operation{N: 44, Allowed: true, Right: "load", Service: "restart communications"})
	for n := range uint64(30) {
		rows = append(rows, recording.Operation{N: 50 + n, Rule: "register-limits", Right: "load", Service: "write"})
	}
	const refused = 32
	set := func(spans ...string) map[string][]string { return map[string][]string{"load": spans} }
	off := map[string][]string{"load": {"restart communications"}}
	allowed := map[string]int{"look": 2, "load": 4}
	rules := map[string]int{"register-limits": 30, "rights-beyond-window": 1, "register-not-agreed": 1}
	all := set("coil 7", "holding 12-14")
	counts, objects := "refused, and its rows say map[load:4", "it changed"
	for story, row := range map[string]struct {
		sum  audit.OperationsSummary
		want string
	}{
		"as it was":                    {audit.OperationsSummary{Allowed: allowed, Refused: rules, Changed: all, SetOff: off}, ""},
		"the last batch went nowhere":  {audit.OperationsSummary{Allowed: map[string]int{"look": 1, "load": 4}, Refused: map[string]int{"register-limits": refused - 16}, Changed: all, SetOff: off}, ""},
		"fewer refused":                {audit.OperationsSummary{Allowed: allowed, Refused: map[string]int{"register-limits": refused - 17}, Changed: all, SetOff: off}, counts},
		"more looked at":               {audit.OperationsSummary{Allowed: map[string]int{"look": 3, "load": 4}, Refused: rules, Changed: all, SetOff: off}, counts},
		"something else was let pass":  {audit.OperationsSummary{Allowed: map[string]int{"look": 2, "load": 4, "set": 1}, Refused: rules, Changed: all, SetOff: off}, counts},
		"nothing is said to have been": {audit.OperationsSummary{}, counts},
		"one object is left out":       {audit.OperationsSummary{Allowed: allowed, Refused: rules, Changed: set("holding 12-14"), SetOff: off}, objects},
		"a part of what follows is":    {audit.OperationsSummary{Allowed: allowed, Refused: rules, Changed: set("coil 7", "holding 12-13"), SetOff: off}, objects},
		"another object":               {audit.OperationsSummary{Allowed: allowed, Refused: rules, Changed: set("coil 7", "holding 12-15"), SetOff: off}, objects},
		"what was refused is named":    {audit.OperationsSummary{Allowed: allowed, Refused: rules, Changed: set("coil 7", "holding 12-14", "holding 90"), SetOff: off}, objects},
		"what was set off is left out": {audit.OperationsSummary{Allowed: allowed, Refused: rules, Changed: all}, objects},
		"as if there were no room":     {audit.OperationsSummary{Allowed: allowed, Refused: rules, Changed: set("coil 7"), SetOff: off, More: 1}, objects},
	} {
		t.Run(story, func(t *testing.T) {
			s := night()
			s.Rows = rows
			row.sum.Session, row.sum.Window, row.sum.Asset, row.sum.Port = "S-1", "W-1", "filler-plc", "ssh"
			s.Add(4030, "penstock", row.sum, "S-1")
			for i := 0; ; i++ {
				if b, is := s.Step("firstbyte", i).Event.Body.(audit.FirstByte); is && b.Session == "S-1" {
					s.Insert(s.Step("firstbyte", i))
					break
				}
			}
			f := build(t, t.TempDir(), s)
			r, err := f.check(t, f.trust())
			if err != nil {
				t.Fatal(err)
			}
			wrong := strings.Join(weights(r, verify.Wrong), "\n")
			if !strings.Contains(wrong, row.want) || row.want == "" && wrong != "" {
				t.Errorf("findings:\n%s", wrong)
			}
		})
	}
}
