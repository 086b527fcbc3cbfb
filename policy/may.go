package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Power is one thing that somebody may do by their roles, in words.
type Power struct {
	Does string // "agree to look, copy on Filling line 1"
	By   Role   // the role that gives it
	From string // where the plant file says so: "rule line", "zone line-1", "recordings"
}

// Powers are what holders of these roles may do by the plant file: every right
// of the pages over vendors' work, and none that the file does not give. What
// the firms' own records add (a sponsor's rights) is not in here.
func (p *Plant) Powers(roles []Role) []Power {
	l := &powers{p: p}
	for _, r := range roles {
		l.role = r
		l.work()
		l.general()
	}
	return l.all
}

type powers struct {
	p    *Plant
	role Role
	all  []Power
}

func (l *powers) add(from, format string, args ...any) {
	l.all = append(l.all, Power{fmt.Sprintf(format, args...), l.role, from})
}

// work is what the role may say to work in each zone. Assets of a zone under
// the same rules are asked about once.
func (l *powers) work() {
	for i := range l.p.Zones {
		z := &l.p.Zones[i]
		if z.VendorsNever {
			continue
		}
		agrees, rules, opens := Rights(0), []string{}, Rights(0)
		seen := map[string]bool{}
		for a := range l.p.Assets {
			if one := &l.p.Assets[a]; one.Zone == z.Name && !seen[ruleNames(one.rules)] {
				seen[ruleNames(one.rules)] = true
				l.asset(one, &agrees, &opens, &rules)
			}
		}
		if agrees != 0 {
			l.add(strings.Join(rules, ", "), "agree to %s on %s", agrees.InWords(), z.Title)
		}
		if opens != 0 {
			l.add("zone "+string(z.Name), "open windows on %s (%s), extend them and let them go on", z.Title, opens.InWords())
		}
		if l.role == z.Owner || l.role == z.Opener() {
			l.add("zone "+string(z.Name), "watch and escort work on %s", z.Title)
		}
	}
}

func ruleNames(rules []*Rule) string {
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	return strings.Join(names, "\x00")
}

func (l *powers) asset(a *Asset, agrees, opens *Rights, rules *[]string) {
	for right := Look; right <= Device; right <<= 1 {
		q, err := l.p.Quorum([]AssetName{a.Name}, right)
		if err != nil {
			continue // no rule allows it to anybody
		}
		for _, n := range q.Needs {
			if !l.counts(n.Role) {
				continue
			}
			*agrees |= right
			if r := "rule " + n.Rule; !slices.Contains(*rules, r) {
				*rules = append(*rules, r)
			}
		}
		if slices.ContainsFunc(q.Openers, l.counts) {
			*opens |= right
		}
	}
}

// counts says whether the role counts in a team: its own, or one that it is part of.
func (l *powers) counts(team Role) bool {
	return team == l.role || slices.Contains(l.p.Counting([]string{string(l.role)}), string(team))
}

// general is what the role may do for the plant as a whole.
func (l *powers) general() {
	p := l.p
	if p.Takes(string(l.role)) {
		from := "it is the shift or owner of a zone"
		if l.role == security {
			from = "it is OT security"
		}
		l.add(from, "pause, end, cut and block, anywhere")
	}
	for i := range p.Gates {
		if g := &p.Gates[i]; g.By == l.role {
			l.add("gate "+g.Name, "say: %s", g.Title)
		} else if g.StandIn == l.role && !g.Safety {
			l.add("gate "+g.Name, "stand in once for: %s", g.Title)
		}
	}
	if slices.Contains(p.Emergency.Agree, l.role) {
		l.add("emergency", "agree to an emergency (%s first)", p.Emergency.StartsAs)
	}
	if p.MayReadInput([]Role{l.role}) {
		l.add("recordings", "read recordings, with what was typed")
	} else if p.MayRead([]Role{l.role}) {
		l.add("recordings", "read recordings, without what was typed")
	}
	if owns := l.owns(); len(owns) > 0 {
		l.add("owner of them", "agree to changes of the plant file: %s", strings.Join(owns, ", "))
	}
	if l.role == security {
		l.add("it is OT security", "invite anybody, give roles, write firms, vouch for keys, end anybody's access, write every roster")
	}
}

// owns are the parts of the plant file that the role answers for.
func (l *powers) owns() (all []string) {
	for i := range l.p.Zones {
		if z := &l.p.Zones[i]; z.Owner == l.role {
			all = append(all, "zone "+string(z.Name))
		}
	}
	for i := range l.p.Conduits {
		if c := &l.p.Conduits[i]; slices.Contains(c.Owners, l.role) {
			all = append(all, "conduit "+c.Name)
		}
	}
	return all
}
