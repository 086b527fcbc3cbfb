package policy

import (
	"cmp"
	"fmt"
	"slices"

	"penstock/policy/source"
)

// index sorts what was read and makes the tables to look it up by name.
func (f *file) index() {
	p := f.plant
	slices.SortFunc(p.Teams, func(a, b Team) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Lines, func(a, b Line) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Zones, func(a, b Zone) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Assets, func(a, b Asset) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Unplaced, func(a, b Unplaced) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Calendars, func(a, b Calendar) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(p.Gates, func(a, b Gate) int { return cmp.Compare(a.Name, b.Name) })
	p.teams = table(p.Teams, func(t *Team) Role { return t.Name })
	p.lines = table(p.Lines, func(l *Line) LineName { return l.Name })
	p.zones = table(p.Zones, func(z *Zone) ZoneName { return z.Name })
	p.assets = table(p.Assets, func(a *Asset) AssetName { return a.Name })
	p.calendars = table(p.Calendars, func(c *Calendar) string { return c.Name })
	p.gates = table(p.Gates, func(g *Gate) string { return g.Name })
	p.ways = makeWays(p)
	p.indexRules()
	p.logins()
}

func table[K comparable, V any](all []V, name func(*V) K) map[K]*V {
	m := make(map[K]*V, len(all))
	for i := range all {
		m[name(&all[i])] = &all[i]
	}
	return m
}

// declared are the names of each kind that may be mentioned.
func (f *file) declared() map[string][]string {
	p := f.plant
	d := map[string][]string{"port": protocols()}
	ports := map[PortName]bool{}
	for i := range p.Teams {
		d["team"] = append(d["team"], string(p.Teams[i].Name))
	}
	for i := range p.Lines {
		d["line"] = append(d["line"], string(p.Lines[i].Name))
	}
	for i := range p.Zones {
		d["zone"] = append(d["zone"], string(p.Zones[i].Name))
	}
	for i := range p.Assets {
		d["asset"] = append(d["asset"], string(p.Assets[i].Name))
		for _, port := range p.Assets[i].Ports {
			if !ports[port.Name] {
				ports[port.Name] = true
				d["port"] = append(d["port"], string(port.Name))
			}
		}
	}
	for i := range p.Calendars {
		d["calendar"] = append(d["calendar"], p.Calendars[i].Name)
	}
	for i := range p.Gates {
		d["gate"] = append(d["gate"], p.Gates[i].Name)
	}
	return d
}

// mentions refuses every name that nothing declares.
func (f *file) mentions() {
	known := f.declared()
	sets := map[string]map[string]bool{}
	for kind, names := range known {
		sets[kind] = make(map[string]bool, len(names))
		for _, n := range names {
			sets[kind][n] = true
		}
	}
	for _, m := range f.names {
		if sets[m.kind][m.name] {
			continue
		}
		if f.Full() {
			m.at.Refuse("", "") // only counted: looking for near names takes its time
			continue
		}
		hint := fmt.Sprintf("declare it under %ss:, or mend the name", m.kind)
		if m.kind == "port" {
			hint = "no asset has such a port"
		}
		if near := source.Nearest(m.name, known[m.kind]); near != "" {
			hint = "is " + near + " meant?"
		}
		m.at.Refuse(fmt.Sprintf("there is no %s %q", m.kind, m.name), hint)
	}
}

// unused refuses calendars and gates that no rule names: whoever wrote a
// freeze believes that it holds.
func (f *file) unused() {
	for _, c := range f.plant.Calendars {
		if !f.uses["calendar/"+c.Name] {
			f.where["calendar/"+c.Name].Refuse(fmt.Sprintf("no rule names calendar %s, so it changes nothing", c.Name), "name it in a rule's during or not_during, or where the night is")
		}
	}
	for _, g := range f.plant.Gates {
		if !f.uses["gate/"+g.Name] && g.Stands == "" { // one that says that a line stands is for the measures
			f.where["gate/"+g.Name].Refuse(fmt.Sprintf("no rule names gate %s, so it holds nothing", g.Name), "name it in a rule's gates")
		}
	}
}
