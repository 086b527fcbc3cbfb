package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/policy/source"
)

// Stop is a line that stops if an asset fails. By is the line before it whose
// product it needs; empty: the asset stops it itself.
type Stop struct {
	Line Line
	By   LineName
}

// StopsOf are the lines that stop if the asset fails, with those that they
// feed, the most critical first.
func (p *Plant) StopsOf(name AssetName) []Stop {
	a := p.assets[name]
	if a == nil {
		return nil
	}
	var all []Stop
	seen := map[LineName]bool{}
	add := func(l, by LineName) {
		if line := p.lines[l]; line != nil && !seen[l] {
			seen[l] = true
			all = append(all, Stop{*line, by})
		}
	}
	for _, l := range a.Stops {
		add(l, "")
	}
	for i := 0; i < len(all); i++ {
		for _, next := range all[i].Line.Feeds {
			add(next, all[i].Line.Name)
		}
	}
	slices.SortStableFunc(all, func(a, b Stop) int { return cmp.Compare(a.Line.Criticality, b.Line.Criticality) })
	return all
}

// Tripped is an interlock of one asset that trips another.
type Tripped struct {
	Of, Trips AssetName
	Name      string
}

// InterlocksOf are the interlocks that an asset has, and those of others that trip it.
func (p *Plant) InterlocksOf(name AssetName) []Tripped {
	var all []Tripped
	for i := range p.Assets {
		a := &p.Assets[i]
		for _, lock := range a.Interlocks {
			if a.Name == name || lock.Trips == name {
				all = append(all, Tripped{a.Name, lock.Trips, lock.Name})
			}
		}
	}
	return all
}

// Runs are the assets whose maker, model and firmware have these words; an empty
// word is any.
func (p *Plant) Runs(maker, model, firmware string) []Asset {
	has := func(text, word string) bool { return word == "" || strings.EqualFold(text, word) }
	var all []Asset
	for i := range p.Assets {
		if a := &p.Assets[i]; a.Is != (Make{}) && has(a.Is.Maker, maker) && has(a.Is.Model, model) && has(a.Is.Firmware, firmware) {
			all = append(all, *a)
		}
	}
	return all
}

// Debt is something that the plant still owes: what the file lacks, or what is
// overdue. Since is since when; zero: the file does not say.
type Debt struct {
	Kind  string // zone, backup, review, host-key, old-ssh, rights, stale, unused; access of the roster; standing and exception of windows; envelope
	What  string // "asset filler-plc", "conduit dmz-ops"
	Text  string
	Since time.Time
}

// Bounds of what is owed.
const (
	oldBackup = 180 * 24 * time.Hour
	idleAsset = 365 * 24 * time.Hour
)

// Known is what the log says of machines, beside the plant file. Nil: it is not
// known, and not asked.
type Known struct {
	Used    map[AssetName]time.Time // when somebody last had a window on it
	Backups map[AssetName]time.Time
}

// Debts are what the plant owes at a moment, the longest owed first, then what
// has no date.
func (p *Plant) Debts(now time.Time, k Known) []Debt {
	var all []Debt
	add := func(kind, what string, since time.Time, format string, args ...any) {
		all = append(all, Debt{kind, what, fmt.Sprintf(format, args...), since})
	}
	for _, u := range p.Unplaced {
		add("zone", "asset "+string(u.Name), time.Time{}, "lacks %s, so nobody reaches it and nobody answers for it", u.Lacks)
		if !u.Stale.IsZero() {
			add("stale", "asset "+string(u.Name), u.Stale, "%s does not have it any more", u.Source.System)
		}
	}
	for i := range p.Conduits {
		owedReview(add, "conduit "+p.Conduits[i].Name, p.Conduits[i].Review, now)
	}
	for i := range p.Patterns {
		owedReview(add, "pattern "+p.Patterns[i].Name, p.Patterns[i].Review, now)
	}
	for i := range p.Assets {
		p.owed(add, &p.Assets[i], now, k)
	}
	slices.SortStableFunc(all, func(a, b Debt) int {
		if a.Since.IsZero() != b.Since.IsZero() {
			return map[bool]int{true: 1, false: -1}[a.Since.IsZero()]
		}
		return a.Since.Compare(b.Since)
	})
	return all
}

type owes func(kind, what string, since time.Time, format string, args ...any)

func owedReview(add owes, what string, review, now time.Time) {
	if due := review.AddDate(0, 0, 1); now.After(due) {
		add("review", what, review, "its review was due %s", review.Format(time.DateOnly))
	}
}

func (p *Plant) owed(add owes, a *Asset, now time.Time, k Known) {
	what := "asset " + string(a.Name)
	if !a.Stale.IsZero() {
		add("stale", what, a.Stale, "%s does not have it any more", a.Source.System)
	}
	if p.zones[a.Zone].VendorsNever || len(a.Ports) == 0 {
		return // no vendor changes it
	}
	last := p.LastBackup(a.Name, k.Backups)
	switch age := now.Sub(last); {
	case !p.changeable(a):
	case last.IsZero():
		add("backup", what, time.Time{}, "vendors can change it, and no backup is known")
	case age > oldBackup:
		add("backup", what, last, "its last backup is %d days old", int(age/(24*time.Hour)))
	}
	for _, port := range a.Ports {
		if port.Name == "ssh" && len(port.HostKeys) == 0 {
			add("host-key", what, time.Time{}, "its host key is not pinned, so nobody gets in by ssh")
		}
		if o := port.Old; o.Is() {
			add("old-ssh", what, time.Time{}, "is spoken to in old, weak SSH (%s): %s; %s answers for it, review %s", strings.Join(o.Algorithms, ", "), o.Why, o.Owner, o.Review.Format(time.DateOnly))
			owedReview(add, "old SSH of "+string(a.Name), o.Review, now)
		}
		for _, way := range port.Accounts {
			if way.Worst == everything {
				add("rights", what, time.Time{}, "account %s can do everything, or nobody has said what it can do", way.Name)
			}
		}
		if !port.Login() && port.Worst == everything {
			add("rights", what, time.Time{}, "%s can do everything, or nobody has said what it can do", port.Name)
		}
	}
	if k.Used == nil {
		return
	}
	if last, ever := k.Used[a.Name]; !ever {
		add("unused", what, time.Time{}, "no window was ever opened on it")
	} else if age := now.Sub(last); age > idleAsset {
		add("unused", what, last, "no window was opened on it for %s", source.Words(age.Truncate(24*time.Hour)))
	}
}

// changeable says whether some way into the asset can do more than look and copy.
func (p *Plant) changeable(a *Asset) bool {
	return slices.ContainsFunc(p.Ways(a.Name), func(w Way) bool { return w.Rights&^(Look|Copy) != 0 })
}
