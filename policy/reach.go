package policy

import (
	"slices"
	"time"
)

// Way is one way into one asset, and the most that the plant file lets a
// vendor do by it, once everybody has agreed.
type Way struct {
	Target
	Rights   Rights // 0: nobody from outside gets in this way
	Shut     string // why not, in words
	Rule     string // that shuts it
	Enforced Enforced
	Path     []ZoneName
	Quorum   Quorum
	Gates    []string
	Calendar []string // rules of calendars, as "during x" and "not during y", sorted
}

// Ways are all ways into an asset: of each port and account the login itself,
// and for ssh the files beside it where conduits carry sftp. Sorted.
func (p *Plant) Ways(name AssetName) []Way {
	a, ok := p.assets[name]
	if !ok {
		return nil
	}
	var all []Way
	for i := range a.Ports {
		port := &a.Ports[i]
		accounts := port.Accounts
		if !port.Login() {
			accounts = []Account{{Worst: port.Worst, Enforced: port.Enforced}}
		}
		for _, account := range accounts {
			all = append(all, p.way(a, port, account, string(port.Name)))
			if port.Name == "ssh" && p.path(a.Zone, "sftp", Look) != nil {
				all = append(all, p.way(a, port, account, "sftp"))
			}
		}
	}
	slices.SortFunc(all, func(x, y Way) int { return x.compare(y.Target) })
	return all
}

func (t Target) compare(o Target) int {
	return slices.Compare([]string{string(t.Asset), string(t.Port), string(t.Account)}, []string{string(o.Asset), string(o.Port), string(o.Account)})
}

func (p *Plant) way(a *Asset, port *Port, account Account, protocol string) Way {
	w := Way{Target: Target{a.Name, PortName(protocol), account.Name}, Enforced: account.Enforced}
	zone := p.zones[a.Zone]
	switch {
	case zone.VendorsNever:
		w.Rule, w.Shut = "zone-never", "zone "+string(zone.Name)+" is never open to vendors"
		return w
	case a.Safety != "":
		w.Rule, w.Shut = "safety-never", "it is a safety asset"
		return w
	case port.Name == "ssh" && len(port.HostKeys) == 0:
		w.Rule, w.Shut = "host-key-not-pinned", "its host key is not pinned"
		return w
	}
	w.Rights = p.mostRights(a, PortName(protocol), account)
	if w.Rights == 0 {
		w.Rule, w.Shut = p.whyShut(a, PortName(protocol), account)
		return w
	}
	w.Path = p.path(a.Zone, protocol, w.Rights)
	p.conditions(&w)
	return w
}

// conditions fills in what the rules ask for the way's rights.
func (p *Plant) conditions(w *Way) {
	a := p.assets[w.Asset]
	w.Quorum, _ = p.Quorum([]AssetName{a.Name}, w.Rights)
	w.Gates = p.gatesFor(a, w.Port, w.Rights)
	w.Calendar = nil
	for _, r := range a.rules {
		if !r.matches(a, w.Port, w.Rights) {
			continue
		}
		for _, c := range r.During {
			w.Calendar = append(w.Calendar, "during "+c)
		}
		for _, c := range r.NotDuring {
			w.Calendar = append(w.Calendar, "not during "+c)
		}
	}
	slices.Sort(w.Calendar)
	w.Calendar = slices.Compact(w.Calendar)
}

// mostRights: an account that nobody stops is let in with all that it can do,
// or not at all; where Penstock enforces, right by right.
func (p *Plant) mostRights(a *Asset, port PortName, account Account) Rights {
	may := func(r Rights) bool { return p.path(a.Zone, string(port), r) != nil && p.uncovered(a, port, r) == 0 }
	if account.Enforced != ByPenstock {
		if may(account.Worst) {
			return account.Worst
		}
		return 0
	}
	var most Rights
	for right := Look; right <= Device; right <<= 1 {
		if account.Worst.Has(right) && may(right|Look) && p.path(a.Zone, string(port), most|right) != nil {
			most |= right
		}
	}
	return most
}

func (p *Plant) whyShut(a *Asset, port PortName, account Account) (rule, why string) {
	if p.path(a.Zone, string(port), account.Worst) == nil {
		return "no-conduit", p.miss(a.Zone, string(port), account.Worst)
	}
	return "no-rule", "no rule lets anybody agree to " + p.uncovered(a, port, account.Worst).String()
}

// Reached is what the plant file says of one way in at one moment.
type Reached struct {
	Way
	Refused string // the rule that refuses at that moment; empty: it can be open then
	Say     string // what would have to change
}

// ReachAt says of every way into an asset whether a vendor could be in by it at
// a moment, with everybody's yes, the escort there and these gates saying yes
// (nil: all). Who had a window then is not the plant file's to know.
func (p *Plant) ReachAt(name AssetName, at time.Time, gates []string) []Reached {
	var all []Reached
	for _, w := range p.Ways(name) {
		r := Reached{Way: w, Refused: w.Rule, Say: w.Shut}
		if w.Rights != 0 {
			_, channel, err := p.DryRun("some-firm/somebody", Want{Asset: w.Asset, Port: w.Port, Account: w.Account, Rights: w.Rights, Minutes: 1, Say: gates}, at)
			switch d := channel.Decision; {
			case err != nil:
				r.Refused, r.Say = "default-deny", err.Error()
			case !d.Allow:
				r.Refused, r.Say = d.Rule, d.Say
			}
		}
		all = append(all, r)
	}
	return all
}

// AllGates says yes for every gate of the plant: for questions about the file alone.
func (p *Plant) AllGates() map[string]bool {
	all := map[string]bool{}
	for i := range p.Gates {
		all[p.Gates[i].Name] = true
	}
	return all
}
