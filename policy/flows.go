package policy

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Flow is one connection over TCP that the plant file needs a firewall to let
// through. FromAsset is the host that is gone through, where it is one.
type Flow struct {
	From, Zone ZoneName // from where, to where
	FromAsset  AssetName
	Asset      AssetName // empty: a gate's input
	What       string    // the port's name, or the gate's
	Target     netip.AddrPort
	Conduits   []string // by which it is declared; empty: none is needed, both stand in one zone
	Owners     []Role   // of the conduits, or of the zone
	Why        string   // the conduits' own
	Agent      bool     // the zone's agent dials: no connection is let into the zone
}

// Flows are all connections into assets and inputs that the file has a way for,
// in the order of zones and names. What no conduit carries is none: a firewall
// that lets through exactly these lets everything through that can be agreed.
func (p *Plant) Flows() (all []Flow) {
	for i := range p.Assets {
		a := &p.Assets[i]
		if a.Safety != "" {
			continue // no vendor ever reaches it
		}
		for _, port := range a.Ports {
			all = append(all, p.flowsTo(a, port)...)
		}
	}
	for i := range p.Gates {
		if f, ok := p.gateFlow(&p.Gates[i]); ok {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(a, b Flow) int {
		return strings.Compare(string(a.Zone)+"\x00"+string(a.Asset), string(b.Zone)+"\x00"+string(b.Asset))
	})
	return slices.CompactFunc(all, func(a, b Flow) bool {
		return a.From == b.From && a.FromAsset == b.FromAsset && a.Asset == b.Asset && a.Target == b.Target && a.What == b.What
	})
}

// flowsTo are a port's own connection, and the one to the host on the way.
func (p *Plant) flowsTo(a *Asset, port Port) []Flow {
	path := p.path(a.Zone, string(port.Name), Look) // every right has look in it
	if path == nil {
		return nil
	}
	f := Flow{From: p.start, Zone: a.Zone, Asset: a.Name, What: string(port.Name), Target: netip.AddrPortFrom(a.Address, port.Number)}
	p.declaredBy(&f, path, string(port.Name))
	host := p.assets[a.Via.Asset]
	if host == nil {
		f.Agent = p.agentOf(a) != ""
		return []Flow{f}
	}
	way, _ := host.Port("ssh")
	to := Flow{From: p.start, Zone: host.Zone, Asset: host.Name, What: "ssh", Target: netip.AddrPortFrom(host.Address, way.Number), Agent: p.agentOf(host) != ""}
	p.declaredBy(&to, p.path(host.Zone, "ssh", Look), "ssh")
	f.From, f.FromAsset = host.Zone, host.Name
	return []Flow{to, f}
}

// declaredBy fills in by which conduits a path is declared.
func (p *Plant) declaredBy(f *Flow, path []ZoneName, protocol string) {
	var why []string
	for i := range max(len(path)-1, 0) {
		for c := range p.Conduits {
			way := &p.Conduits[c]
			if way.From != path[i] || way.To != path[i+1] || !slices.Contains(way.Carries, protocol) {
				continue
			}
			f.Conduits = append(f.Conduits, way.Name)
			f.Owners = append(f.Owners, way.Owners...)
			why = append(why, way.Why)
		}
	}
	if len(f.Conduits) == 0 {
		if z := p.zones[f.Zone]; z != nil {
			f.Owners = []Role{z.Owner}
		}
	}
	slices.Sort(f.Owners)
	f.Owners, f.Why = slices.Compact(f.Owners), strings.Join(why, "; ")
}

// gateFlow is how an input is read: by the broker, without a conduit, since it
// carries nobody's work.
func (p *Plant) gateFlow(g *Gate) (Flow, bool) {
	if !g.Read() {
		return Flow{}, false
	}
	at, _, _ := strings.Cut(g.At, "/")
	if g.Kind == GateHTTP {
		u, err := url.Parse(g.At)
		if err != nil {
			return Flow{}, false
		}
		if at = u.Host; u.Port() == "" {
			at = u.Hostname() + map[bool]string{true: ":443", false: ":80"}[u.Scheme == "https"]
		}
	}
	target, err := netip.ParseAddrPort(at)
	if err != nil {
		return Flow{}, false
	}
	return Flow{From: p.start, What: g.Name, Target: target, Owners: []Role{security}, Why: "reads: " + g.Title}, true
}
