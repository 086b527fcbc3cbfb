package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/policy/source"
)

// Explanation is a decision with every step that led to it. After the first
// no the checks go on as far as they make sense, so that all that would have
// to change is seen at once; Decision is what Decide says.
type Explanation struct {
	Decision Decision
	Steps    []Step
	Quorum   Quorum   // who would have to agree; empty if nobody can
	Gates    []string // that the rules ask
	Patterns []string // whose frame covers the asset and the rights
}

// Explain is Decide with its reasons: the same checks in the same order.
func (p *Plant) Explain(f Facts, q Query, now time.Time) Explanation {
	var e Explanation
	w := walk{p: p, f: &f, q: q, now: now, trace: &e.Steps}
	e.Decision = w.decide()
	a, ok := p.assets[q.Asset]
	if !ok || q.Rights == 0 {
		return e
	}
	e.Quorum, _ = p.Quorum([]AssetName{q.Asset}, q.Rights) // an error is a step already: no-rule
	e.Gates = p.gatesFor(a, q.Port, q.Rights|Look)
	for _, pattern := range p.Patterns {
		if slices.Contains(pattern.Assets, q.Asset) && pattern.Rights.Has(q.Rights) {
			e.Patterns = append(e.Patterns, pattern.Name)
		}
	}
	return e
}

// gatesFor are the gates that the rules ask for these rights, each once.
func (p *Plant) gatesFor(a *Asset, port PortName, rights Rights) []string {
	var all []string
	for _, r := range a.rules {
		if r.matches(a, port, rights) {
			all = append(all, r.Gates...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// String is the explanation for a person, one step a line.
func (e Explanation) String() string {
	var b strings.Builder
	for _, s := range e.Steps {
		mark := "yes"
		if !s.OK {
			mark = "NO "
		}
		fmt.Fprintf(&b, "  %s  %-10s  %s\n", mark, s.Check, s.Text)
	}
	d := e.Decision
	if !d.Allow {
		fmt.Fprintf(&b, "refused by %s: %s\n", d.Rule, d.Say)
		return b.String()
	}
	fmt.Fprintf(&b, "allowed by %s", d.Rule)
	if len(d.Path) > 0 {
		fmt.Fprintf(&b, ", path %s", strings.ReplaceAll(list(d.Path), ", ", " → "))
	}
	b.WriteString("\n")
	if len(d.Red) > 0 {
		fmt.Fprintf(&b, "red for whoever answers: %s; an escort watches\n", strings.Join(d.Red, ", "))
	}
	return b.String()
}

// String is who must agree and who opens, for a person.
func (q Quorum) String() string {
	if len(q.Needs) == 0 {
		return "nobody can agree to this"
	}
	var needs []string
	for _, n := range q.Needs {
		s := string(n.Role)
		if n.Count > 1 {
			s = fmt.Sprintf("%d of %s", n.Count, n.Role)
		}
		needs = append(needs, s+" (rule "+n.Rule+")")
	}
	opens := q.Open
	if q.Open == "shift" {
		opens = list(q.Openers)
	}
	s := fmt.Sprintf("must agree: %s; opens: %s; at most %s", strings.Join(needs, ", "), opens, source.Words(q.Longest))
	if q.Proof == ByCode {
		s += "; a code is enough"
	} else {
		s += "; by a key of their own"
	}
	if q.Spoken {
		s += "; a second yes may be spoken"
	}
	if q.Grace > 0 {
		s += "; " + source.Words(q.Grace) + " grace for a half-done transfer"
	}
	if q.Escort {
		s += "; with an escort"
	}
	if q.Backup > 0 {
		s += "; a backup no older than " + source.Words(q.Backup)
	}
	if len(q.Ask) > 0 {
		s += "; the request says: " + strings.Join(q.Ask, ", ")
	}
	return s
}
