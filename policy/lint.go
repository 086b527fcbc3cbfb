package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Lint is something in a sound plant file that IEC 62443-3-2:2020 asks for
// otherwise. It refuses nothing: it is for people to look at.
type Lint struct {
	Clause string // ZCR of IEC 62443-3-2, "ZCR 3.3"
	What   string // "zone line-1"
	Text   string
}

// Lints holds a plant file to the zone and conduit requirements that its own
// words can show: 3.2 business and control apart, 3.3 safety apart, 3.6 what is
// connected from outside, 5.6 a target level for each zone and conduit, 6 owner
// and review of what is specified. In the order of the clauses.
func (p *Plant) Lints(now time.Time) []Lint {
	var all []Lint
	add := func(clause, what, format string, args ...any) {
		all = append(all, Lint{"ZCR " + clause, what, fmt.Sprintf(format, args...)})
	}
	for i := range p.Zones {
		z := &p.Zones[i]
		above := slices.ContainsFunc(z.Levels, func(l string) bool { return l >= "4" })
		below := slices.ContainsFunc(z.Levels, func(l string) bool { return l <= "3" })
		if above && below {
			add("3.2", "zone "+string(z.Name), "business (level 4 and above) and control (level 3 and below) stand in one zone: %s", strings.Join(z.Levels, ", "))
		}
		p.lintSafety(add, z)
		if z.BrokerHere && below {
			add("3.6", "zone "+string(z.Name), "the broker, where vendors come in from outside, stands in one zone with control assets (level %s)", strings.Join(z.Levels, ", "))
		}
		if z.SLT == 0 {
			add("5.6", "zone "+string(z.Name), "its target security level is 0: nothing is asked of it")
		}
	}
	for i := range p.Conduits {
		p.lintConduit(add, &p.Conduits[i], now)
	}
	slices.SortStableFunc(all, func(a, b Lint) int { return strings.Compare(a.Clause, b.Clause) })
	return all
}

type lints func(clause, what, format string, args ...any)

// lintSafety: safety-related assets stand in zones of their own (ZCR 3.3).
func (p *Plant) lintSafety(add lints, z *Zone) {
	var safe, other []string
	for i := range p.Assets {
		switch a := &p.Assets[i]; {
		case a.Zone != z.Name:
		case a.Safety != "":
			safe = append(safe, string(a.Name))
		default:
			other = append(other, string(a.Name))
		}
	}
	if len(safe) > 0 && len(other) > 0 {
		add("3.3", "zone "+string(z.Name), "safety assets (%s) stand with others (%s)", strings.Join(safe[:min(3, len(safe))], ", "), strings.Join(other[:min(3, len(other))], ", "))
	}
}

func (p *Plant) lintConduit(add lints, c *Conduit, now time.Time) {
	what := "conduit " + c.Name
	from, to := p.zones[c.From], p.zones[c.To]
	business := slices.ContainsFunc(from.Levels, func(l string) bool { return l >= "4" })
	control := slices.ContainsFunc(to.Levels, func(l string) bool { return l <= "2" })
	if business && control {
		add("3.2", what, "leads from business (%s) straight to control (%s), past level 3.5", c.From, c.To)
	}
	if slices.ContainsFunc(p.Assets, func(a Asset) bool { return a.Zone == c.To && a.Safety != "" }) && c.Rights&^(Look|Copy) != 0 {
		add("3.3", what, "carries %s into a zone with safety assets", c.Rights&^(Look|Copy))
	}
	if from.SLT > 0 && to.SLT > from.SLT {
		add("5.6", what, "leads from %s (SL-T %d) into a zone that asks for more, %s (SL-T %d)", c.From, from.SLT, c.To, to.SLT)
	}
	sides := []Role{from.Owner, to.Owner}
	for _, owner := range sides {
		if !slices.Contains(c.Owners, owner) && !slices.Contains(c.Owners, security) {
			add("6", what, "%s owns one side of it and is not among its owners (%s)", owner, list(c.Owners))
		}
	}
	if now.After(c.Review.AddDate(0, 0, 1)) {
		add("6", what, "its review was due %s", c.Review.Format(time.DateOnly))
	}
}
