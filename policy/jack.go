package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"penstock/policy/source"
)

// Jack is a service jack: the socket for a contractor's laptop, in a network of
// its own that leads to the broker and nowhere else. Work on site through it is
// a window like any other, recorded and held to the same rules; only whence it
// comes is the jack's network, and not the firm's.
type Jack struct {
	Name    string // panel-a3
	Title   string // Service jack on panel A3
	Network netip.Prefix
	Zones   []ZoneName // whose machines are worked at from it
}

// Jack finds one by its name; ok is false if the plant file has none.
func (p *Plant) Jack(name string) (Jack, bool) {
	for _, j := range p.Jacks {
		if j.Name == name {
			return j, true
		}
	}
	return Jack{}, false
}

// widestJack is the widest network that is taken for one socket's: /24, of IPv6 /64.
func widestJack(p netip.Prefix) bool { return p.Bits() < 24 || p.Addr().Is6() && p.Bits() < 64 }

func (f *file) jacks(v source.Value) {
	for _, e := range f.named(v, "jack") {
		s := e.Fields("name", "network", "zones")
		j := Jack{Name: e.Key, Title: s.Need("name").Text()}
		for _, at := range f.some(s.Need("zones")) {
			j.Zones = append(j.Zones, ZoneName(f.mention(at, "zone")))
		}
		at := s.Need("network")
		network, err := netip.ParsePrefix(at.Text())
		switch {
		case at.Text() == "":
		case err != nil || network.Masked() != network:
			at.Refuse(fmt.Sprintf("%.60q is no network", at.Text()), "write 10.20.9.16/28")
		case widestJack(network):
			at.Refuse(fmt.Sprintf("%s is no network of one service jack", network), "a jack has a network of its own, /24 at the widest (IPv6: /64)")
		case slices.ContainsFunc(f.plant.Jacks, func(o Jack) bool { return o.Network.Overlaps(network) }):
			at.Refuse(fmt.Sprintf("%s is another jack's as well", network), "each jack has a network of its own")
		}
		j.Network = network
		f.plant.Jacks = append(f.plant.Jacks, j)
	}
	slices.SortFunc(f.plant.Jacks, func(a, b Jack) int { return strings.Compare(a.Name, b.Name) })
}

// jackOf is the jack that is asked about; empty: none is.
func (w *walk) jackOf() string {
	if w.q.Stage == AtAsk {
		return w.q.Jack
	}
	return w.f.Window.Jack
}

// jack holds work through a jack to the machines that it is for.
func (w *walk) jack() no {
	name := w.jackOf()
	if name == "" {
		return nil
	}
	j, there := w.p.Jack(name)
	if !there {
		return refusal("jack", fmt.Sprintf("the plant has no service jack %.40q any more; ask the shift which one to use", name), "the plant file has no jack %q", name)
	}
	if !slices.Contains(j.Zones, w.zone.Name) {
		return refusal("jack", fmt.Sprintf("%s is not worked at from %s; use the jack beside it", w.asset.Name, j.Title), "jack %s is for %s, and %s is in %s", name, list(j.Zones), w.asset.Name, w.zone.Name)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("jack", "on site, through %s", j.Title)
}

// atJack stands for the firm's networks where somebody works on site.
func (w *walk) atJack(name string) no {
	j, there := w.p.Jack(name)
	if !there || !inside([]netip.Prefix{j.Network}, w.q.Source) {
		return refusal("jack-network", "this window is for work on site: plug the laptop in at the service jack that was agreed", "source %s is not at jack %q", w.q.Source, name)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("source", "%s is at %s", w.q.Source, j.Title)
}
