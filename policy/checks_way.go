package policy

import (
	"fmt"
	"slices"
	"strings"

	"penstock/policy/source"
)

func (w *walk) findAsset() no {
	a, ok := w.p.assets[w.q.Asset]
	if !ok {
		if i := slices.IndexFunc(w.p.Unplaced, func(u Unplaced) bool { return u.Name == w.q.Asset }); i >= 0 {
			return refusal("no-zone", fmt.Sprintf("the plant has not placed %s yet, so nobody reaches it; ask OT security to say its %s", w.q.Asset, w.p.Unplaced[i].Lacks), "asset %s was imported and lacks: %s", w.q.Asset, w.p.Unplaced[i].Lacks)
		}
		say := fmt.Sprintf("there is no asset %q here", w.q.Asset)
		if near := source.Nearest(string(w.q.Asset), w.assetNames()); near != "" && ValidID(string(w.q.Asset)) {
			say += "; is " + near + " meant?"
		}
		return refusal("unknown-asset", say, "asset %q is not in the plant file", w.q.Asset)
	}
	w.asset, w.zone = a, w.p.zones[a.Zone]
	if w.trace == nil {
		return nil
	}
	return w.yes("asset", "%s (%s), %s, in zone %s", a.Name, a.Tag, a.Title, a.Zone)
}

func (w *walk) assetNames() []string {
	names := make([]string, len(w.p.Assets))
	for i := range w.p.Assets {
		names[i] = string(w.p.Assets[i].Name)
	}
	return names
}

// hostZone is the zone of the host that is gone through; empty: none is.
func (w *walk) hostZone() ZoneName {
	if host := w.p.assets[w.asset.Via.Asset]; host != nil {
		return host.Zone
	}
	return ""
}

func (w *walk) zoneLets() no {
	if !w.f.Person.Plant {
		switch {
		case w.zone.VendorsNever:
			return refusal("zone-never", fmt.Sprintf("zone %s is never open to vendors; the plant's own people do this work", w.zone.Name), "zone %s says vendors: never", w.zone.Name)
		case w.asset.Safety != "":
			return refusal("safety-never", fmt.Sprintf("%s is a safety asset, and no vendor reaches it; the plant's own people do this work", w.asset.Name), "asset %s has safety: %s", w.asset.Name, w.asset.Safety)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("zone", "%s lets such a person in, where the rest agrees", w.zone.Name)
}

// findWay looks the port and the account up. sftp is the ssh port with its
// accounts, for which conduits must carry sftp; so is "subsystem" of the ssh
// port. "subsystem NAME" is another one, which the account must have.
func (w *walk) findWay() no {
	if w.onSite() {
		return w.atMachine()
	}
	name := w.q.Port
	w.protocol = string(name)
	if name == "sftp" {
		name = "ssh"
	} else if name == "ssh" && w.q.Kind == "subsystem" {
		w.protocol = "sftp"
	}
	for i := range w.asset.Ports {
		if w.asset.Ports[i].Name == name {
			w.port = &w.asset.Ports[i]
		}
	}
	if w.port == nil {
		return refusal("unknown-port", fmt.Sprintf("%s has no port %q; it has: %s", w.asset.Name, w.q.Port, orNone(portNames(w.asset))), "asset %s has no port %q", w.asset.Name, w.q.Port)
	}
	if r := w.findAccount(); r != nil {
		return r
	}
	if sub, other := strings.CutPrefix(w.q.Kind, "subsystem "); other && (name != "ssh" || !slices.Contains(w.way.Subsystems, sub)) {
		return refusal("no-subsystem", fmt.Sprintf("account %s of %s may not be asked for the subsystem %s; it has: %s. Ask the plant to declare it at the account, or run a command or a shell", orNone(string(w.way.Name)), w.asset.Name, sub, orNone(strings.Join(w.way.Subsystems, ", "))),
			"account %s of %s has no subsystem %s", w.way.Name, w.asset.Name, sub)
	}
	if w.trace == nil {
		return nil
	}
	also := ""
	if w.way.Files.Is() {
		also = "; files " + w.way.Files.words()
	}
	if len(w.way.Subsystems) > 0 {
		also += "; subsystems " + strings.Join(w.way.Subsystems, ", ")
	}
	return w.yes("way in", "by %s as %s; at its worst it can %s; the rest is stopped by %s%s", w.protocol, orNone(string(w.way.Name)), w.way.Worst, w.way.Enforced, also)
}

// findAccount looks the account up at the port; a port without accounts is the way
// in itself.
func (w *walk) findAccount() no {
	if !w.port.Login() {
		w.way = Account{Worst: w.port.Worst, Enforced: w.port.Enforced}
		if w.q.Account != "" {
			return refusal("unknown-account", fmt.Sprintf("%s of %s has no accounts; leave the account out", w.port.Name, w.asset.Name), "port %s has no accounts", w.port.Name)
		}
		return nil
	}
	a, ok := w.port.Account(w.q.Account)
	if !ok {
		return refusal("unknown-account", fmt.Sprintf("%s has no account %q by %s; it has: %s", w.asset.Name, w.q.Account, w.port.Name, accountNames(w.port)), "no account %q at %s of %s", w.q.Account, w.port.Name, w.asset.Name)
	}
	w.way = a
	return nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func portNames(a *Asset) string {
	var all []PortName
	for _, p := range a.Ports {
		all = append(all, p.Name)
	}
	return list(all)
}

func accountNames(p *Port) string {
	var all []AccountName
	for _, a := range p.Accounts {
		all = append(all, a.Name)
	}
	return list(all)
}

func (w *walk) rights() no {
	if w.q.Rights&everything != w.q.Rights || w.q.Rights == 0 {
		return refusal("no-rights", "say what you need to do: look, copy, set, operate, load or device", "rights %d", w.q.Rights)
	}
	return w.probed()
}

func (w *walk) conduit() no {
	if w.onSite() {
		return nil
	}
	rights := w.effect()
	w.d.Path = w.p.path(w.asset.Zone, w.protocol, rights)
	if w.d.Path == nil {
		miss := w.p.miss(w.asset.Zone, w.protocol, rights)
		return refusal("no-conduit", fmt.Sprintf("no way leads to %s by %s with these rights: %s", w.asset.Name, w.protocol, miss), "%s by %s with %s: %s", w.asset.Name, w.protocol, rights, miss)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("conduit", "path %s carries %s with %s", list(w.d.Path), w.protocol, rights)
}

// account holds the worst that the way in can do to what was asked and to
// what the window allows.
func (w *walk) account() no {
	if w.onSite() || w.probe() {
		return nil
	}
	if !w.way.Worst.Has(w.q.Rights) && w.way.Enforced != ByPenstock {
		return refusal("account-cannot", fmt.Sprintf("%s cannot %s%s", w.wayName(), w.q.Rights&^w.way.Worst, w.fitting(w.q.Rights)), "%s can %s, asked %s", w.wayName(), w.way.Worst, w.q.Rights)
	}
	allowed := w.q.Rights
	if w.q.Stage != AtAsk {
		allowed = w.f.Window.Rights
	}
	if w.q.Stage == AtOpen && w.emergency() {
		allowed |= w.f.Window.Most // such an account waits for the second tap; each channel asks again
	}
	if more := w.way.Worst &^ allowed; more != 0 && w.way.Enforced != ByPenstock {
		if w.q.Stage == AtOperation && allowed == Look {
			w.d.Duties.InputOff = true // narrowed to look while it ran: the picture goes on, the hands are off
		} else {
			return refusal("account-can-more", fmt.Sprintf("%s can do more than you ask for (%s)%s", w.wayName(), more, w.fitting(allowed)), "%s can %s, allowed is %s, nobody stops the rest", w.wayName(), w.way.Worst, allowed)
		}
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("account", "%s can do no more than is allowed, or is stopped", w.wayName())
}

func (w *walk) wayName() string {
	if w.way.Name != "" {
		return "account " + string(w.way.Name)
	}
	return string(w.port.Name) + " of " + string(w.asset.Name)
}

// fitting names a way into the asset that covers the rights asked and can do
// no more than what is allowed.
func (w *walk) fitting(allowed Rights) string {
	ports := []*Port{w.port} // another account of the same port is the nearest
	for i := range w.asset.Ports {
		if other := &w.asset.Ports[i]; other != w.port {
			ports = append(ports, other)
		}
	}
	for _, port := range ports {
		ways := port.Accounts
		if !port.Login() {
			ways = []Account{{Worst: port.Worst, Enforced: port.Enforced}}
		}
		for _, a := range ways {
			if !a.Worst.Has(w.q.Rights) || a.Worst&^allowed != 0 && a.Enforced != ByPenstock || w.p.path(w.asset.Zone, string(port.Name), w.q.Rights) == nil {
				continue
			}
			if a.Name != "" {
				return "; use " + string(a.Name)
			}
			return "; use " + string(port.Name)
		}
	}
	return "; no way into " + string(w.asset.Name) + " fits exactly: ask for what this one can do, or have the plant set up an account"
}

func (w *walk) hostKey() no {
	if w.port.Name == "ssh" && len(w.port.HostKeys) == 0 {
		return refusal("host-key-not-pinned", fmt.Sprintf("the plant has not pinned the host key of %s yet; ask OT security to add it", w.asset.Name), "port ssh of %s has no host_keys in the plant file", w.asset.Name)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("host key", "%d pinned", len(w.port.HostKeys))
}
