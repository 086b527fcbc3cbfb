package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"penstock/policy/source"
)

// What a difference means for vendors.
const (
	Gains  = "gains"  // somebody can do more, or needs less for it
	Loses  = "loses"  // somebody can do less, or needs more for it
	Alters = "alters" // neither: names, reasons, review days
)

// Difference is one thing that a new plant file says otherwise.
type Difference struct {
	Means string `json:"means"` // gains, loses or alters
	What  string `json:"what"`  // "vendors", or the part of the file: "conduit dmz-ops"
	Text  string `json:"text"`
	// Touches are the roles that answer for what it is about, before and after,
	// as far as the old file has such teams; sorted.
	Touches []Role `json:"touches"`
}

// Diff says in words what a new plant file changes: first what vendors gain
// and lose by each way into each asset, then each part of the file that reads
// otherwise. Always the same for the same two files; empty if they mean the
// same. In which order conduits and rules stand is no difference.
func Diff(from, to *Plant) []Difference {
	d := &differ{from: from, to: to}
	d.ways()
	d.nights()
	d.parts()
	order := map[string]int{Gains: 0, Loses: 1, Alters: 2}
	slices.SortStableFunc(d.all, func(a, b Difference) int { return cmp.Compare(order[a.Means], order[b.Means]) })
	return d.all
}

// nights says what becomes a red item by night, and so a wall by day, or is none
// any more. Without it, other networks and missing numbers are walls at any hour,
// and a first visit is none.
func (d *differ) nights() {
	for _, one := range []struct{ red, can, means string }{
		{RedFirst, "somebody who was never here needs the plant to ask for them, or an escort by night", Loses},
		{RedNetwork, "by night, to look under an escort, they may come from outside their firm's networks", Gains},
		{RedNumber, "by night, to look under an escort, they may come without a work order or change number", Gains},
	} {
		if was, is := d.from.Reddens(one.red), d.to.Reddens(one.red); is && !was {
			d.add(one.means, "vendors", one.can, append(d.to.nightOwners(), security)...)
		} else if was && !is {
			d.add(either(one.means == Gains, Loses, Gains), "vendors", "no longer: "+one.can, append(d.from.nightOwners(), security)...)
		}
	}
}

type differ struct {
	from, to *Plant
	all      []Difference
}

func (d *differ) add(means, what, text string, touches ...Role) {
	d.all = append(d.all, Difference{means, what, text, d.known(touches)})
}

// known are those of the roles that somebody can hold under the old file.
func (d *differ) known(roles []Role) []Role {
	roles = slices.DeleteFunc(slices.Clone(roles), func(r Role) bool { return !d.from.HasRole(r) })
	slices.Sort(roles)
	return slices.Compact(roles)
}

// shift is what changed about a way in, without saying which one: the same
// words for ten thousand assets are one line.
type shift struct{ means, text string }

type moved struct {
	shift
	targets []Target
	touches []Role
}

// ways compares what vendors can do by each way into each asset.
func (d *differ) ways() {
	var order []shift
	groups := map[shift]*moved{}
	note := func(s shift, t Target) {
		g := groups[s]
		if g == nil {
			g = &moved{shift: s}
			groups[s] = g
			order = append(order, s)
		}
		g.targets = append(g.targets, t)
		g.touches = append(g.touches, d.answering(t.Asset)...)
	}
	for _, name := range d.assets() {
		before, after := d.from.Ways(name), d.to.Ways(name)
		for _, pair := range pairs(before, after) {
			for _, s := range d.compare(pair.before, pair.after) {
				note(s, pair.target())
			}
		}
	}
	for _, s := range order {
		g := groups[s]
		d.add(s.means, "vendors", "on "+some(g.targets)+": "+s.text, g.touches...)
	}
}

// assets are the names of both files, sorted.
func (d *differ) assets() []AssetName {
	var all []AssetName
	for _, p := range []*Plant{d.from, d.to} {
		for i := range p.Assets {
			all = append(all, p.Assets[i].Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// answering are the owners of the zone where an asset stands, before and after,
// and OT security where the way to it crosses level 3.5.
func (d *differ) answering(name AssetName) []Role {
	var all []Role
	for _, p := range []*Plant{d.from, d.to} {
		if a := p.assets[name]; a != nil {
			all = append(all, p.zones[a.Zone].Owner)
			if p.crosses(p.start, a.Zone) {
				all = append(all, security)
			}
		}
	}
	return all
}

// some names the first of the targets and counts the others.
func some(all []Target) string {
	const most = 4
	var words []string
	for _, t := range all[:min(len(all), most)] {
		words = append(words, t.String())
	}
	if len(all) > most {
		words = append(words, fmt.Sprintf("and %d more", len(all)-most))
	}
	return strings.Join(words, ", ")
}

// String is what a page shows: "filler-plc by ssh as maint".
func (t Target) String() string {
	s := string(t.Asset) + " by " + string(t.Port)
	if t.Account != "" {
		s += " as " + string(t.Account)
	}
	return s
}

// pair is a way in before and after; the zero Way is none.
type pair struct{ before, after Way }

func (p pair) target() Target {
	if p.before.Asset != "" {
		return p.before.Target
	}
	return p.after.Target
}

func pairs(before, after []Way) []pair {
	var all []pair
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].compare(after[0].Target) < 0:
			all = append(all, pair{before: before[0]})
			before = before[1:]
		case len(before) == 0 || before[0].compare(after[0].Target) > 0:
			all = append(all, pair{after: after[0]})
			after = after[1:]
		default:
			all = append(all, pair{before[0], after[0]})
			before, after = before[1:], after[1:]
		}
	}
	return all
}

// compare says what changed between two states of one way in.
func (d *differ) compare(a, b Way) []shift {
	switch {
	case a.Rights == 0 && b.Rights == 0:
		return nil
	case a.Rights == 0:
		return []shift{{Gains, "can " + b.Rights.String() + "; " + b.Quorum.String()}}
	case b.Rights == 0:
		why := "it is not in the file any more"
		if b.Shut != "" {
			why = b.Shut
		}
		return []shift{{Loses, "can nothing any more (" + why + "); could " + a.Rights.String()}}
	}
	var all []shift
	if more := b.Rights &^ a.Rights; more != 0 {
		all = append(all, shift{Gains, "can " + more.String() + " as well"})
	}
	if less := a.Rights &^ b.Rights; less != 0 {
		all = append(all, shift{Loses, "can no longer " + less.String()})
	}
	if a.Enforced != b.Enforced {
		means := Gains
		if rank := []Enforced{ByNobody, ByDevice, ByPenstock}; slices.Index(rank, b.Enforced) > slices.Index(rank, a.Enforced) {
			means = Loses
		}
		all = append(all, shift{means, fmt.Sprintf("what is not allowed was stopped by %s, becomes %s", a.Enforced, b.Enforced)})
	}
	if a.Rights != b.Rights { // what is asked for the part that stays: less is asked for less anyway
		both := a.Rights & b.Rights
		a.Rights, b.Rights = both, both
		d.from.conditions(&a)
		d.to.conditions(&b)
	}
	return append(all, conditions(a, b)...)
}

// conditions compares who must agree, who opens, for how long and what else is asked.
func conditions(a, b Way) []shift {
	var all []shift
	say := func(means, what, was, is string) {
		all = append(all, shift{means, fmt.Sprintf("%s was %s, becomes %s", what, orNone(was), orNone(is))})
	}
	x, y := a.Quorum, b.Quorum
	if was, is := needWords(x.Needs), needWords(y.Needs); was != is {
		means := Gains // where it is not plainly more, it may be less
		if covers(y.Needs, x.Needs) {
			means = Loses
		}
		say(means, "who must agree", was, is)
	}
	if was, is := opensBy(x), opensBy(y); was != is {
		say(either(openRank(y.Open) > openRank(x.Open), Loses, Gains), "who opens", was, is)
	}
	if x.Longest != y.Longest {
		say(either(y.Longest < x.Longest, Loses, Gains), "the longest", source.Words(x.Longest), source.Words(y.Longest))
	}
	if x.Proof != y.Proof {
		say(either(y.Proof == ByKey, Loses, Gains), "what a yes rests on", x.Proof, y.Proof)
	}
	if x.Spoken != y.Spoken {
		say(either(y.Spoken, Gains, Loses), "a yes on the telephone", allowedOrNot(x.Spoken), allowedOrNot(y.Spoken))
	}
	if x.Grace != y.Grace {
		say(either(y.Grace < x.Grace, Loses, Gains), "the grace", source.Words(x.Grace), source.Words(y.Grace))
	}
	if x.Backup != y.Backup {
		less := y.Backup == 0 || x.Backup != 0 && y.Backup > x.Backup
		say(either(less, Gains, Loses), "how old a backup may be", length(x.Backup), length(y.Backup))
	}
	if x.Escort != y.Escort {
		say(either(y.Escort, Loses, Gains), "an escort", yesNo(x.Escort), yesNo(y.Escort))
	}
	for _, set := range []struct {
		what    string
		was, is []string
	}{{"what a request must say", x.Ask, y.Ask}, {"the gates asked", a.Gates, b.Gates}, {"the calendar", a.Calendar, b.Calendar}} {
		if !slices.Equal(set.was, set.is) {
			fewer := slices.ContainsFunc(set.was, func(s string) bool { return !slices.Contains(set.is, s) })
			say(either(fewer, Gains, Loses), set.what, strings.Join(set.was, ", "), strings.Join(set.is, ", "))
		}
	}
	return all
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}

func yesNo(b bool) string { return either(b, "asked", "not asked") }

func allowedOrNot(b bool) string { return either(b, "enough", "not enough") }

func opensBy(q Quorum) string {
	if q.Open == "shift" {
		return list(q.Openers)
	}
	return q.Open
}

func needWords(needs []Need) string {
	var all []string
	for _, n := range needs {
		all = append(all, fmt.Sprintf("%d × %s", n.Count, n.Role))
	}
	return strings.Join(all, " and ")
}

// covers says whether these needs ask at least for all that those ask.
func covers(these, those []Need) bool {
	return !slices.ContainsFunc(those, func(n Need) bool {
		return !slices.ContainsFunc(these, func(o Need) bool { return o.Role == n.Role && o.Count >= n.Count })
	})
}

// MustAgree is who has to say yes before the new file may take the old one's
// place: everybody who answers for something that it touches, and OT security
// where that crosses level 3.5 or is for the whole plant; two different people
// at least. Roles are the old file's: those that only the new one has, nobody
// can hold yet. Nil if the files mean the same.
func MustAgree(from, to *Plant) []Need {
	var roles []Role
	differences := Diff(from, to)
	if len(differences) == 0 && string(from.document) == string(to.document) {
		return nil
	}
	for _, d := range differences {
		roles = append(roles, d.Touches...)
	}
	first := from.zones[from.start].Owner // of the zone where the broker stands
	if len(roles) == 0 {
		roles = append(roles, security)
	}
	slices.Sort(roles)
	roles = slices.DeleteFunc(slices.Compact(roles), func(r Role) bool { return !from.HasRole(r) })
	if len(roles) < 2 && !slices.Contains(roles, first) {
		roles = append(roles, first)
	}
	var needs []Need
	for _, r := range roles {
		needs = append(needs, Need{Role: r, Count: 1, Rule: "plant-change"})
	}
	if len(needs) == 1 {
		needs[0].Count = 2
	}
	slices.SortFunc(needs, func(a, b Need) int { return cmp.Compare(a.Role, b.Role) })
	return needs
}

// ChangeProof is what a yes to a change of this plant file rests on: a key of
// the person's own, unless every rule that lets work be done is content with
// codes. Nobody changes the rules by less than the rules themselves ask for.
func (p *Plant) ChangeProof() string {
	for i := range p.Rules {
		if r := &p.Rules[i]; r.Open != "" && r.proof() == ByKey {
			return ByKey
		}
	}
	return ByCode
}
