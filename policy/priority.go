package policy

import (
	"fmt"
	"slices"
)

// Priority is how urgent a request is, 1 (most) to 4; 0 is none. It is computed
// (Plant.Priority), never typed by whoever asks.
type Priority int

// String is "P1" … "P4"; empty for none.
func (p Priority) String() string {
	if p < 1 || p > 4 {
		return ""
	}
	return fmt.Sprintf("P%d", int(p))
}

// ParsePriority reads P1 … P4.
func ParsePriority(s string) (Priority, error) {
	if len(s) == 2 && s[0] == 'P' && s[1] >= '1' && s[1] <= '4' {
		return Priority(s[1] - '0'), nil
	}
	return 0, fmt.Errorf("%.10q is no priority: P1, P2, P3 or P4", s)
}

// What is happening at the machines that a request is for, as whoever asks sees
// it. Empty: they did not say, which counts as planned.
const (
	NowSafety   = "safety"   // a safety function is degraded
	NowStopped  = "stopped"  // the machine or its line stands
	NowDegraded = "degraded" // it runs, worse than it should
	NowPlanned  = "planned"  // nothing is wrong: upkeep, a look
)

// Happenings are all of them, the most urgent first.
var Happenings = []string{NowSafety, NowStopped, NowDegraded, NowPlanned}

// unlinedCriticality is that of a machine with which no line stops.
const unlinedCriticality = 4

// Criticality is an asset's, 1 (most) to 4: the most critical of the lines that
// stop with it, and of those which these feed.
func (p *Plant) Criticality(name AssetName) int {
	a, ok := p.assets[name]
	if !ok {
		return unlinedCriticality
	}
	most, seen, next := unlinedCriticality, []LineName{}, slices.Clone(a.Stops)
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		l := p.lines[name]
		if l == nil || slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		most = min(most, max(l.Criticality, 1))
		next = append(next, l.Feeds...)
	}
	return most
}

// Priority of a request: a degraded safety function is P1; a stop is as urgent as
// the most critical of the assets; what runs badly one less; what is planned, or not said, P4.
func (p *Plant) Priority(assets []AssetName, happening string) Priority {
	most := unlinedCriticality
	for _, a := range assets {
		most = min(most, p.Criticality(a))
	}
	switch happening {
	case NowSafety:
		return 1
	case NowStopped:
		return Priority(most)
	case NowDegraded:
		return Priority(min(most+1, 4))
	}
	return 4
}
