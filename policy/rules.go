package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// matches says whether a rule of the asset's own list is for any of these
// rights by this port. An empty port is any port: who asks for an asset as a
// whole meets the rules of all its ports.
func (r *Rule) matches(a *Asset, port PortName, rights Rights) bool {
	w := &r.When
	return (w.Rights == 0 || w.Rights&rights != 0) && (len(w.Ports) == 0 || w.port(a, port))
}

// meant says whether the rule is for this asset, whatever is done there.
func (w *When) meant(a *Asset) bool {
	return (len(w.Zones) == 0 || slices.Contains(w.Zones, a.Zone)) &&
		(len(w.Assets) == 0 || slices.Contains(w.Assets, a.Name)) &&
		(len(w.Lines) == 0 || slices.ContainsFunc(a.Stops, func(l LineName) bool { return slices.Contains(w.Lines, l) }))
}

// indexRules gives each asset the rules that are for it, in the file's order, so
// that a decision does not walk over those of five hundred other zones. Assets
// that no rule tells apart share one list.
func (p *Plant) indexRules() {
	named := map[AssetName]bool{}
	for i := range p.Rules {
		for _, a := range p.Rules[i].When.Assets {
			named[a] = true
		}
	}
	lists := map[string][]*Rule{}
	for i := range p.Assets {
		a := &p.Assets[i]
		kind := string(a.Zone) + "/" + list(a.Stops)
		if named[a.Name] {
			kind = "asset " + string(a.Name)
		}
		rules, have := lists[kind]
		if !have {
			for r := range p.Rules {
				if p.Rules[r].When.meant(a) {
					rules = append(rules, &p.Rules[r])
				}
			}
			lists[kind] = rules
		}
		a.rules = rules
	}
}

// port says whether one of the rule's ports is meant. sftp is a way through
// the ssh port: rules for either are for it.
func (w *When) port(a *Asset, port PortName) bool {
	switch port {
	case "":
		return slices.ContainsFunc(a.Ports, func(p Port) bool {
			return slices.Contains(w.Ports, p.Name) || p.Name == "ssh" && slices.Contains(w.Ports, "sftp")
		})
	case "sftp":
		return slices.Contains(w.Ports, "sftp") || slices.Contains(w.Ports, "ssh")
	}
	return slices.Contains(w.Ports, port)
}

// uncovered are those of the rights for which no rule with plan, open and
// longest is written: nobody could agree to them.
func (p *Plant) uncovered(a *Asset, port PortName, rights Rights) Rights {
	for _, r := range a.rules {
		if r.Open == "" || !r.matches(a, port, rights) {
			continue
		}
		if r.When.Rights == 0 {
			return 0
		}
		rights &^= r.When.Rights
		if rights == 0 {
			return 0
		}
	}
	return rights
}

var strictness = map[string]int{"vendor": 1, "auto": 2, "shift": 3}

// stricter says whether a asks more than b: first by who opens, then by the
// shorter longest, then by the weightier right, then by more people.
func stricter(a, b *Rule) bool {
	if x, y := openRank(a.Open), openRank(b.Open); x != y {
		return x > y
	}
	if a.Longest != b.Longest {
		return a.Longest < b.Longest
	}
	if a.When.Rights != b.When.Rights {
		return a.When.Rights > b.When.Rights
	}
	return len(a.Plan) > len(b.Plan)
}

func openRank(open string) int { return strictness[open] }

// Quorum is who must say yes to these rights on these assets, who opens, for
// how long at most, and what the request must fill in: of all rules that
// match, the strictest of each column. Each role counts once, with the largest
// number any rule asks of it. Where the rules ask nobody, one of the shift
// must say yes: somebody always does. Who must agree besides at certain times
// (Rule.Also, At) counts where within touches them, and where nothing is said
// of times. The error is a *Refusal.
func (p *Plant) Quorum(assets []AssetName, rights Rights, within ...Within) (Quorum, error) {
	return p.quorum(assets, rights, within, "")
}

// quorum is Quorum; pattern names the frame that stands for every plan, if one does.
func (p *Plant) quorum(assets []AssetName, rights Rights, within []Within, pattern string) (Quorum, error) {
	if len(assets) == 0 || rights == 0 {
		return Quorum{}, &Refusal{Rule: "no-rights", Say: "say which assets and which rights are wanted", Why: "no asset or no right is named"}
	}
	rights |= Look
	q := &quorum{needs: map[Role]Need{}, weights: map[Role]Rights{}, pattern: pattern}
	for _, name := range assets {
		a, ok := p.assets[name]
		if !ok {
			return Quorum{}, &Refusal{Rule: "unknown-asset", Say: fmt.Sprintf("there is no asset %q here; look at the list of assets", name), Why: "asset is not in the plant file"}
		}
		if left := p.uncovered(a, "", rights); left != 0 {
			return Quorum{}, noRule(a, left)
		}
		q.asset(p, a, rights)
		q.also(p, a, rights, within)
		q.silent = q.silent || a.Safety != ""
	}
	q.Spoken = q.spoken && !q.silent && rights&NeverSpoken == 0
	return q.done(), nil
}

// NeverSpoken are the rights to which nobody agrees on the telephone.
const NeverSpoken = Load | Device

// Within is a span that a request names.
type Within struct{ From, To time.Time }

// also adds who must agree besides, by the rules whose times are touched.
func (q *quorum) also(p *Plant, a *Asset, rights Rights, within []Within) {
	for _, r := range a.rules {
		if len(r.Also) == 0 || !r.matches(a, "", rights) || !p.touched(r, rights, within) {
			continue
		}
		for _, n := range r.Also {
			if n.Role == ownerWord {
				n.Role = p.zones[a.Zone].Owner
			}
			q.need(Need{n.Role, n.Count, r.Name}, r.When.Rights&rights)
		}
	}
}

func (p *Plant) touched(r *Rule, rights Rights, within []Within) bool {
	return len(r.At) == 0 || len(within) == 0 || slices.ContainsFunc(r.At, func(name string) bool {
		return slices.ContainsFunc(within, func(w Within) bool {
			return len(p.calendars[name].times(nil, p.location, rights, w.From, w.To)) > 0
		})
	})
}

func noRule(a *Asset, left Rights) *Refusal {
	return &Refusal{Rule: "no-rule", Say: fmt.Sprintf("nobody can agree to %s on %s: the plant wrote no rule for it; ask for less", left, a.Name),
		Why: fmt.Sprintf("no rule with plan, open and longest covers %s on %s", left, a.Name)}
}

type quorum struct {
	Quorum
	needs   map[Role]Need
	weights map[Role]Rights // of the right for which a need's rule asks
	graced  bool            // a rule has said what Grace is
	spoken  bool            // a rule lets a yes be spoken
	silent  bool            // one that lets work be done does not
	pattern string          // stands for every plan; empty: none does
}

func (q *quorum) asset(p *Plant, a *Asset, rights Rights) {
	zone := p.zones[a.Zone]
	asked := false
	opens, weightiest := "", Rights(0) // the rule that lets the weightiest of it be done
	for _, r := range a.rules {
		if !r.matches(a, "", rights) {
			continue
		}
		for _, n := range r.Plan {
			if q.pattern != "" {
				break
			}
			if n.Role == ownerWord {
				n.Role = zone.Owner
			}
			q.need(Need{n.Role, n.Count, r.Name}, r.When.Rights&rights)
			asked = true
		}
		if w := r.When.Rights & rights; r.Open != "" && (opens == "" || w > weightiest) {
			opens, weightiest = r.Name, w
		}
		q.column(r)
	}
	if !asked {
		if q.pattern != "" {
			opens = q.pattern
		}
		q.need(Need{zone.Opener(), 1, opens}, weightiest)
	}
	if !slices.Contains(q.Openers, zone.Opener()) {
		q.Openers = append(q.Openers, zone.Opener())
	}
}

// column takes over what a rule says beside its plan, where it is stricter.
func (q *quorum) column(r *Rule) {
	if openRank(r.Open) > openRank(q.Open) {
		q.Open = r.Open
	}
	if r.Longest > 0 && (q.Longest == 0 || r.Longest < q.Longest) {
		q.Longest = r.Longest
	}
	if r.Open != "" && (!q.graced || r.Grace < q.Grace) {
		q.Grace, q.graced = r.Grace, true
	}
	if r.Open != "" {
		q.spoken, q.silent = q.spoken || r.Spoken, q.silent || !r.Spoken
	}
	if proof := r.proof(); proof == ByKey || q.Proof == "" {
		q.Proof = proof
	}
	q.Escort = q.Escort || r.Escort
	if r.Backup > 0 && (q.Backup == 0 || r.Backup < q.Backup) {
		q.Backup = r.Backup
	}
	for _, field := range r.Ask {
		if !slices.Contains(q.Ask, field) {
			q.Ask = append(q.Ask, field)
		}
	}
}

// proof is what a yes by this rule rests on. Codes are enough only where the
// plant says so: a rule that lets work be done and does not say asks for a key.
func (r *Rule) proof() string {
	if r.Proof == "" && r.Open != "" {
		return ByKey
	}
	return r.Proof
}

// need names the rule that asks for the most people; of several, the one with
// the weightiest right: who is asked to let values be changed is asked by that
// rule, and not by the one about looking that matches as well.
func (q *quorum) need(n Need, weight Rights) {
	old, have := q.needs[n.Role]
	if !have || n.Count > old.Count || n.Count == old.Count && weight > q.weights[n.Role] {
		q.needs[n.Role], q.weights[n.Role] = n, weight
	}
}

func (q *quorum) done() Quorum {
	for _, n := range q.needs {
		q.Needs = append(q.Needs, n)
	}
	slices.SortFunc(q.Needs, func(a, b Need) int { return strings.Compare(string(a.Role), string(b.Role)) })
	slices.Sort(q.Openers)
	slices.Sort(q.Ask)
	return q.Quorum
}

// Asked are the roles that hear of such a request, sorted: all who must say
// yes, and where the shift opens, those.
func (q Quorum) Asked() []Role {
	var all []Role
	for _, n := range q.Needs {
		all = append(all, n.Role)
	}
	if q.Open == "shift" {
		all = append(all, q.Openers...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// opening are the moments within from … to at which the calendars of all
// matching rules let work be done.
func (p *Plant) opening(a *Asset, port PortName, rights Rights, from, to time.Time) []span {
	open := []span{{from, to}}
	for _, r := range a.rules {
		if len(r.During)+len(r.NotDuring) == 0 || !r.matches(a, port, rights) {
			continue
		}
		for _, c := range r.During {
			open = both(open, p.calendars[c].times(nil, p.location, rights, from, to))
		}
		for _, c := range r.NotDuring {
			open = without(open, p.calendars[c].times(nil, p.location, rights, from, to))
		}
	}
	return open
}
