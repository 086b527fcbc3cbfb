package calendar

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"penstock/approvals/evidence"
)

// Member is somebody whose turns a team's calendar may have.
type Member struct{ ID, Name string }

// Whose looks a summary up: as the caller said, else by short name or name among
// the members, without regard to case. A summary of nobody's or of two is an error.
func Whose(team []Member, said map[string]string) func(summary string) (string, error) {
	names := map[string][]string{}
	for _, m := range team {
		names[m.ID] = append(names[m.ID], m.ID)
		if folded := strings.ToLower(strings.TrimSpace(m.Name)); folded != m.ID {
			names[folded] = append(names[folded], m.ID)
		}
	}
	for summary, id := range said {
		names[strings.ToLower(strings.TrimSpace(summary))] = []string{id}
	}
	return func(summary string) (string, error) {
		found := names[strings.ToLower(strings.TrimSpace(summary))]
		switch len(found) {
		case 1:
			return found[0], nil
		case 0:
			return "", fmt.Errorf("its summary is nobody's of the team: say whose it is, as %q; there are %s", cut(summary)+"=NAME", strings.Join(slices.Sorted(maps.Keys(names)), ", "))
		}
		return "", fmt.Errorf("%s have this name: say whose it is", strings.Join(found, " and "))
	}
}

// Holes are the times between now and the last turn at which nobody is on duty.
// The turns are sorted by begin.
func Holes(turns []evidence.Turn, now time.Time) (list []evidence.Turn) {
	at := now
	for _, t := range turns {
		if t.From.After(at) {
			list = append(list, evidence.Turn{From: at, To: t.From})
		}
		if t.To.After(at) {
			at = t.To
		}
	}
	return list
}
