package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A pattern has two halves. Its frame stands in the plant file: which assets and
// rights, for how long at most, and whose answer it needs. What is agreed in that
// frame, for which firm, whom and until when, is a document that people answer by
// day (approvals/evidence.Pattern). Nothing is waived by the frame alone.

// Pattern finds a frame by its name; ok is false if the plant file has none.
func (p *Plant) Pattern(name string) (Pattern, bool) {
	for i := range p.Patterns {
		if p.Patterns[i].Name == name {
			return p.Patterns[i], true
		}
	}
	return Pattern{}, false
}

// Ends is the last moment at which something may be agreed in this frame: the end of
// its review's day in the plant's time zone.
func (p *Plant) Ends(f Pattern) time.Time {
	y, m, d := f.Review.Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, p.location)
}

// Outside says why a use of the frame does not fit it; nil if it does. longest is
// of one window.
func (f Pattern) Outside(assets []AssetName, rights Rights, longest time.Duration) error {
	switch {
	case f.Machine || f.Open == "standing":
		return &Refusal{Rule: "pattern-frame", Say: fmt.Sprintf("%s is for machines, and nobody is called in under it; choose another frame", f.Name)}
	case !f.Rights.Has(rights):
		return &Refusal{Rule: "pattern-frame", Say: fmt.Sprintf("%s is for %s, and %s is more; ask for less, or choose another frame", f.Name, f.Rights, rights)}
	case longest > f.Longest:
		return &Refusal{Rule: "pattern-frame", Say: fmt.Sprintf("%s is for %d minutes at most; ask for fewer", f.Name, int(f.Longest/time.Minute))}
	}
	for _, a := range assets {
		if !slices.Contains(f.Assets, a) {
			return &Refusal{Rule: "pattern-frame", Say: fmt.Sprintf("%s is not for %s; leave it out, or choose another frame", f.Name, a)}
		}
	}
	return nil
}

// PatternQuorum is who must agree by day to a pattern in a frame: everybody whose
// yes it stands for at night (the plan of each rule that matches), the owner of
// each asset's zone, the frame's owners, and OT security; two different people at
// least. Proof is the strictest of those rules. The error is a *Refusal.
func (p *Plant) PatternQuorum(f Pattern, assets []AssetName, rights Rights) (Quorum, error) {
	q, err := p.Quorum(assets, rights)
	if err != nil {
		return q, err
	}
	needs := map[Role]Need{}
	add := func(n Need) {
		if old, have := needs[n.Role]; !have || n.Count > old.Count {
			needs[n.Role] = n
		}
	}
	for _, name := range assets {
		a := p.assets[name]
		add(Need{p.zones[a.Zone].Owner, 1, f.Name})
		for _, r := range a.rules {
			if !r.matches(a, "", rights|Look) {
				continue
			}
			for _, n := range r.Plan {
				if n.Role == ownerWord {
					n.Role = p.zones[a.Zone].Owner
				}
				add(Need{n.Role, n.Count, r.Name})
			}
		}
	}
	for _, r := range append(slices.Clone(f.Owners), security) {
		add(Need{r, 1, f.Name})
	}
	q.Needs, q.Spoken = nil, false // by day there is time to sign
	for _, n := range needs {
		if len(needs) == 1 {
			n.Count = max(n.Count, 2)
		}
		q.Needs = append(q.Needs, n)
	}
	slices.SortFunc(q.Needs, func(a, b Need) int { return strings.Compare(string(a.Role), string(b.Role)) })
	return q, nil
}

// QuorumUnder is Quorum for a request that names a pattern in this frame. stands:
// the pattern is agreed and in force, so that it stands for the plan of every rule,
// and one of the shift says yes instead. Who must agree besides at certain times
// (Rule.Also), gates, calendars, escort and what the request must say are waived by
// nothing; the frame's own opening and longest count in either case.
func (p *Plant) QuorumUnder(f Pattern, stands bool, assets []AssetName, rights Rights, within ...Within) (Quorum, error) {
	by := ""
	if stands {
		by = f.Name
	}
	q, err := p.quorum(assets, rights, within, by)
	if err != nil {
		return q, err
	}
	if openRank(f.Open) > openRank(q.Open) {
		q.Open = f.Open
	}
	if f.Longest > 0 && f.Longest < q.Longest {
		q.Longest = f.Longest
	}
	return q, nil
}
