package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Only are the registers that alone may be changed by one way in: what a request
// names of the machine's register sheet. Reading stays what the rights and the
// sheet say, unless reading does something. The inspector holds it; a way in that
// Penstock does not enforce has none.
type Only struct {
	Asset     AssetName
	Port      PortName
	Registers []string // labels of the sheet, sorted, at least one
}

// Label is how a register stands in texts that people answer: its object with its
// name. Where the sheet calls that object otherwise later, the label fits nothing,
// and nothing is changed by it.
func (r Register) Label() string { return r.Object + " (" + r.Name + ")" }

// mostOnly bounds the registers of one request.
const mostOnly = 64

// OnlyOf finds the registers that people name, among those of these ways in: by
// name, object or label, with "asset: " before it where two machines have one of
// that name. The error is a *Refusal that says what there is.
func (p *Plant) OnlyOf(targets []Target, said []string) (all []Only, err error) {
	if len(said) > mostOnly {
		return nil, refusal("registers", fmt.Sprintf("name at most %d registers in one request", mostOnly), "%d are named", len(said))
	}
	for _, word := range said {
		found, label, err := p.registerSaid(targets, strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(all, func(o Only) bool { return o.Asset == found.Asset && o.Port == found.Port })
		if i < 0 {
			i, all = len(all), append(all, Only{Asset: found.Asset, Port: found.Port})
		}
		if !slices.Contains(all[i].Registers, label) {
			all[i].Registers = append(all[i].Registers, label)
		}
	}
	for i := range all {
		slices.Sort(all[i].Registers)
	}
	slices.SortFunc(all, func(a, b Only) int {
		return strings.Compare(string(a.Asset)+" "+string(a.Port), string(b.Asset)+" "+string(b.Port))
	})
	return all, nil
}

func (p *Plant) registerSaid(targets []Target, word string) (found Target, label string, err error) {
	asset, name, named := strings.Cut(word, ":")
	if name = strings.TrimSpace(name); !named || !slices.ContainsFunc(targets, func(t Target) bool { return string(t.Asset) == asset }) {
		asset, name = "", word
	}
	var places, has []string
	for _, t := range targets {
		a, _ := p.Asset(t.Asset)
		port, _ := a.Port(t.Port)
		if asset != "" && string(t.Asset) != asset || port.Enforced != ByPenstock {
			continue
		}
		for i := range port.Registers {
			r := &port.Registers[i]
			has = append(has, r.Name)
			if strings.EqualFold(r.Name, name) || r.Object == name || r.Label() == name {
				found, label, places = t, r.Label(), append(places, string(t.Asset)+": "+r.Label())
			}
		}
	}
	switch {
	case len(places) == 1:
		return found, label, nil
	case len(places) > 1:
		return found, "", refusal("registers", fmt.Sprintf("%.60q is several registers; write one of: %s", name, strings.Join(firstOf(places), "; ")), "%q fits %d registers", name, len(places))
	case len(has) == 0:
		return found, "", refusal("registers", "none of these ways in has a register sheet that Penstock holds; leave the registers out, or choose another way in", "%q is named, and no port has registers", name)
	}
	return found, "", refusal("registers", fmt.Sprintf("there is no register %.60q on these ways in; there are: %s", name, strings.Join(firstOf(has), ", ")), "no register %q", name)
}

// firstOf keeps a refusal short.
func firstOf(list []string) []string {
	const most = 12
	if len(list) > most {
		return append(slices.Clone(list[:most]), fmt.Sprintf("and %d more", len(list)-most))
	}
	return list
}

// Holds says why registers that a text names cannot be held by this plant file to
// these ways in; nil if they can.
func (p *Plant) Holds(only []Only, targets []Target) error {
	for i, o := range only {
		a, _ := p.Asset(o.Asset)
		port, there := a.Port(o.Port)
		switch {
		case slices.ContainsFunc(only[:i], func(b Only) bool { return b.Asset == o.Asset && b.Port == o.Port }):
			return refusal("registers", "name the registers of each way in once", "%s by %s is named twice", o.Asset, o.Port)
		case !slices.ContainsFunc(targets, func(t Target) bool { return t.Asset == o.Asset && t.Port == o.Port }):
			return refusal("registers", fmt.Sprintf("registers of %s are named, and it is not asked for by %s; ask for that way in too, or leave its registers out", o.Asset, o.Port), "%s by %s is no target", o.Asset, o.Port)
		case !there || port.Enforced != ByPenstock || len(o.Registers) == 0:
			return refusal("registers", fmt.Sprintf("Penstock does not read along on %s by %s, so it cannot hold anybody to registers there; leave the registers out", o.Asset, o.Port), "%s by %s is not enforced by penstock", o.Asset, o.Port)
		}
		for _, label := range o.Registers {
			if !slices.ContainsFunc(port.Registers, func(r Register) bool { return r.Label() == label }) {
				return refusal("registers", fmt.Sprintf("the plant file has no register %s on %s by %s; look at the register sheet that it names", label, o.Asset, o.Port), "no register %q", label)
			}
		}
	}
	return nil
}

// OnlyFor are those for these ways in.
func OnlyFor(only []Only, targets []Target) (some []Only) {
	for _, o := range only {
		if slices.ContainsFunc(targets, func(t Target) bool { return t.Asset == o.Asset && t.Port == o.Port }) {
			some = append(some, o)
		}
	}
	return some
}

// OnlyWithin says whether the registers of one text lie inside those of a wider
// one, for ways in that both have: what the wider holds, the other holds as well.
func OnlyWithin(part, whole []Only, targets []Target) bool {
	for _, w := range whole {
		if !slices.ContainsFunc(targets, func(t Target) bool { return t.Asset == w.Asset && t.Port == w.Port }) {
			continue
		}
		within := slices.ContainsFunc(part, func(o Only) bool {
			return o.Asset == w.Asset && o.Port == w.Port && !slices.ContainsFunc(o.Registers, func(r string) bool { return !slices.Contains(w.Registers, r) })
		})
		if !within {
			return false
		}
	}
	return true
}

// Past are the ways in of those machines that a text names registers of, by which
// its registers are not held and something could be changed with these rights.
func (p *Plant) Past(only []Only, targets []Target, rights Rights) (ways []Target) {
	for _, t := range targets {
		named, held := false, false
		for _, o := range only {
			named = named || o.Asset == t.Asset
			held = held || o.Asset == t.Asset && o.Port == t.Port
		}
		a, _ := p.Asset(t.Asset)
		port, _ := a.Port(t.Port)
		worst := port.Worst
		if account, login := port.Account(t.Account); login {
			worst = account.Worst
		}
		if named && !held && rights&worst&^MachineRights != 0 {
			ways = append(ways, t)
		}
	}
	return ways
}

// Narrowed is the port as one window has it: these registers alone may be changed.
func (p Port) Narrowed(labels []string) Port {
	p.only = labels
	return p
}

// Only are the labels of the registers that alone may be changed; nil: all that the
// rights and the sheet allow.
func (p Port) Only() []string { return p.only }

// Changes says whether all of a table's objects from one number to another, as
// sheets count, belong to registers with these labels: then they may be changed
// where those alone were agreed.
func (p Port) Changes(labels []string, table string, from, to int) bool {
	for from <= to {
		end := 0
		for i := range p.Registers {
			if first, last, fits := p.Registers[i].numbers(table); fits && first <= from && from <= last && slices.Contains(labels, p.Registers[i].Label()) {
				end = last
				break
			}
		}
		if end == 0 {
			return false
		}
		from = end + 1
	}
	return true
}

// SetsOff says whether reading these objects does nothing but what reading
// registers with these labels does.
func (p Port) SetsOff(labels []string, table string, from, to int) bool {
	const harmless = Look | Copy
	listed := 0
	for i := range p.Registers {
		r := &p.Registers[i]
		first, last, fits := r.numbers(table)
		if !fits || last < from || to < first {
			continue
		}
		if r.Read&^harmless != 0 && !slices.Contains(labels, r.Label()) {
			return false
		}
		listed += min(to, last) - max(from, first) + 1
	}
	return listed > to-from || p.Unlisted.Read&^harmless == 0
}

// numbers are the register's first and last in a table, as sheets count.
func (r *Register) numbers(table string) (first, last int, fits bool) {
	name, address, err := r.Place()
	return address + 1, address + r.Size(), err == nil && name == table
}

// only is what the window holds this way in to; nil: the rights alone.
func (f *WindowFacts) only(asset AssetName, port PortName) []string {
	for i := range f.Only {
		if o := &f.Only[i]; o.Asset == asset && o.Port == port {
			return o.Registers
		}
	}
	return nil
}

// registersHeld refuses a way in that is agreed for some registers alone, and that nobody
// reads along on any more.
func (w *walk) registersHeld() no {
	if w.way.Enforced == ByPenstock || w.f.Window.only(w.q.Asset, w.q.Port) == nil {
		return nil
	}
	return refusal("registers", "this window is for some registers alone, and Penstock does not read along there any more; ask the plant", "%s names registers of %s by %s, which is not enforced by penstock", w.f.Window.ID, w.q.Asset, w.q.Port)
}

// onlySays are sentences about the registers of ways in; covers: no way in is
// without.
func (p *Plant) onlySays(only []Only, targets []Target) (says string, covers bool) {
	covers = len(only) > 0
	for _, t := range targets {
		covers = covers && slices.ContainsFunc(only, func(o Only) bool { return o.Asset == t.Asset && o.Port == t.Port })
	}
	var all []string
	for _, o := range only {
		names := o.Registers
		rest := ""
		if n := len(names) - mostNamed; n > 0 {
			names, rest = names[:mostNamed], fmt.Sprintf(" and %d more", n)
		}
		where := ""
		if !covers || len(only) > 1 {
			a, _ := p.Asset(o.Asset)
			where = "on " + a.Tag + " by " + string(o.Port) + " "
		}
		all = append(all, where+strings.Join(names, ", ")+rest)
	}
	return strings.Join(all, "; "), covers
}
