package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Told is what a request means in the plant's words, computed from the plant
// file alone. Can, Worst and Stopper are one sentence each; they stand in the
// signed text of a request, so the words are part of the format of evidence.
type Told struct {
	Can     string   // what they can do: "Change values."
	Worst   string   // what it can come to: "Worst case: …"
	Stopper string   // who stops what goes beyond
	Weak    string   // which machines are spoken to with old algorithms, and who answers for it; empty: none
	Files   string   // which files may pass, and what waits for a look; empty: the plant file says nothing of them
	Reach   Rights   // what was asked, and what nobody stops beyond it
	By      Enforced // the weakest stopper of all ways in
	Stops   []string // titles of the lines that stop with one of the machines, in the file's order of assets
}

// Told of these ways in with these rights. A way that the plant file does not
// know can do everything, and nobody stops it. only are registers that alone may
// be changed.
func (p *Plant) Told(targets []Target, rights Rights, only ...Only) Told {
	t := Told{Reach: rights, By: ByPenstock}
	for _, one := range targets {
		worst, by := p.Worst(one)
		t.By = min(t.By, by)
		if by == ByNobody {
			t.Reach |= worst
		}
		for _, line := range p.StopsWith(one.Asset) {
			if !slices.Contains(t.Stops, line) {
				t.Stops = append(t.Stops, line)
			}
		}
	}
	t.Weak, t.Files = p.weakly(targets), p.filesSay(targets, rights)
	t.Can, t.Worst = p.canSay(targets, rights, t, only), "Worst case: "+WorstCase(t.Reach, t.Stops)
	switch t.By {
	case ByPenstock:
		t.Stopper = "Penstock stops everything else."
	case ByDevice:
		t.Stopper = "The machine stops everything else."
	default:
		t.Stopper = "Nobody stops it but you."
	}
	return t
}

// Worst is the worst that a way in can do, and who stops what was not agreed.
func (p *Plant) Worst(t Target) (Rights, Enforced) {
	a, _ := p.Asset(t.Asset)
	name := t.Port
	if name == "sftp" {
		name = "ssh"
	}
	port, ok := a.Port(name)
	if !ok {
		return ^Rights(0), ByNobody
	}
	if account, ok := port.Account(t.Account); ok {
		return account.Worst, account.Enforced
	}
	return port.Worst, port.Enforced
}

// StopsWith are the titles of the lines that stop where an asset fails.
func (p *Plant) StopsWith(name AssetName) (titles []string) {
	a, ok := p.assets[name]
	if !ok {
		return nil
	}
	for i := range p.Lines {
		if l := &p.Lines[i]; slices.Contains(a.Stops, l.Name) {
			titles = append(titles, cmp.Or(l.Title, string(l.Name)))
		}
	}
	return titles
}

var inWords = []struct {
	right Rights
	words string
}{
	{Look, "look"}, {Copy, "take files out"}, {Set, "change values"},
	{Operate, "start and stop"}, {Load, "load programs"}, {Device, "change the device itself"},
}

// InWords is a set as people say it: "look, change values".
func (r Rights) InWords() string {
	var out []string
	for _, w := range inWords {
		if r.Has(w.right) {
			out = append(out, w.words)
		}
	}
	return strings.Join(out, ", ")
}

// mostNamed is how many registers are named before the rest is counted.
const mostNamed = 3

// canSay says what they can do, and what nobody stops beyond what was asked.
func (p *Plant) canSay(targets []Target, rights Rights, t Told, only []Only) string {
	more := t.Reach &^ rights
	if len(only) > 0 {
		says, covers := p.onlySays(only, targets)
		if covers {
			return "Can change only: " + says + "."
		}
		return p.canSay(targets, rights, t, nil) + " But change only: " + says + "."
	}
	switch {
	case more == 0 && rights.Has(Load|Operate):
		last := "load programs"
		if rights.Has(Device) {
			last = "change the device itself"
		}
		return "Can do anything, also " + last + "."
	case more != 0:
		return "Can " + doing(rights) + "; and what was not asked for: " + more.InWords() + "."
	}
	if names := p.values(targets, rights); len(names) > 0 {
		rest := ""
		if n := len(names) - mostNamed; n > 0 {
			names, rest = names[:mostNamed], fmt.Sprintf(" and %d more", n)
		}
		return "Can change only: " + strings.Join(names, ", ") + rest + "."
	}
	return "Can " + doing(rights) + "."
}

// doing leaves looking out where there is more: it is in every set.
func doing(r Rights) string {
	if more := r &^ Look; more != 0 {
		return more.InWords()
	}
	return r.InWords()
}

// values are the names of what can be written, in the sheet's order, where
// every way in is held by Penstock to a sheet, nothing but looking and setting is
// asked for, and what no sheet names cannot be written with that.
func (p *Plant) values(targets []Target, rights Rights) (names []string) {
	if rights != Look|Set {
		return nil
	}
	for _, t := range targets {
		a, _ := p.Asset(t.Asset)
		port, ok := a.Port(t.Port)
		if !ok || port.Enforced != ByPenstock || port.Unlisted.Write != 0 && rights.Has(port.Unlisted.Write) {
			return nil
		}
		for i := range port.Registers {
			r := &port.Registers[i]
			if r.Write != 0 && rights.Has(r.Write) && r.Name != "" && !slices.Contains(names, r.Name) {
				names = append(names, r.Name)
			}
		}
	}
	return names
}

// WorstCase is what rights on machines that stop these lines can come to.
func WorstCase(r Rights, stops []string) string {
	line := "the machine"
	switch n := len(stops) - mostNamed; {
	case n > 0:
		line = strings.Join(stops[:mostNamed], ", ") + fmt.Sprintf(" and %d more", n)
	case len(stops) > 0:
		line = strings.Join(stops, " and ")
	}
	verb := " stops"
	if len(stops) > 1 {
		verb = " stop"
	}
	switch {
	case r.Has(Device):
		return line + verb + " and the device may have to be replaced."
	case r.Has(Load):
		return "a wrong program runs, " + line + verb + "."
	case r.Has(Operate):
		return line + verb + "."
	case r.Has(Set):
		return "wrong values, " + line + " may stop."
	case r.Has(Copy):
		return "somebody else learns how you work."
	}
	return "somebody sees what they should not."
}
