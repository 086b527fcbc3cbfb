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
	for n := range uint64(30) {
		rows = append(rows, recording.Operation{N: 4 + n, Rule: "register-limits", Right: "load", Service: "write"})
	}
	const refused = 31
	for story, row := range map[string]struct {
		sum   audit.OperationsSummary
		wrong bool
	}{
		"as it was":                    {audit.OperationsSummary{Allowed: map[string]int{"look": 2}, Refused: map[string]int{"register-limits": 30, "rights-beyond-window": 1}}, false},
		"the last batch went nowhere":  {audit.OperationsSummary{Allowed: map[string]int{"look": 1}, Refused: map[string]int{"register-limits": refused - 16}}, false},
		"fewer refused":                {audit.OperationsSummary{Allowed: map[string]int{"look": 2}, Refused: map[string]int{"register-limits": refused - 17}}, true},
		"more looked at":               {audit.OperationsSummary{Allowed: map[string]int{"look": 3}, Refused: map[string]int{"register-limits": refused}}, true},
		"something else was let pass":  {audit.OperationsSummary{Allowed: map[string]int{"look": 2, "load": 1}, Refused: map[string]int{"register-limits": refused}}, true},
		"nothing is said to have been": {audit.OperationsSummary{}, true},
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
			if strings.Contains(wrong, "and its rows say") != row.wrong || !row.wrong && wrong != "" {
				t.Errorf("findings:\n%s", wrong)
			}
		})
	}
}
