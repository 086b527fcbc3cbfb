package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// ways are the conduits as a graph: zones by number, and of each zone the
// conduits that leave it, in the file's order.
type ways struct {
	number  map[ZoneName]int
	leaving [][]int // conduits

	// found remembers answers: they follow from the file alone. It is bounded by
	// zones, protocols and sets of rights; the slices are never changed.
	mu    *sync.RWMutex
	found map[wanted][]ZoneName
}

// wanted is one question for a path.
type wanted struct {
	to       ZoneName
	protocol string
	rights   Rights
}

// mostFound bounds the answers that are remembered.
const mostFound = 100_000

func makeWays(p *Plant) ways {
	w := ways{number: make(map[ZoneName]int, len(p.Zones)), leaving: make([][]int, len(p.Zones)), mu: new(sync.RWMutex), found: map[wanted][]ZoneName{}}
	for i := range p.Zones {
		w.number[p.Zones[i].Name] = i
	}
	for c := range p.Conduits {
		from, ok := w.number[p.Conduits[c].From]
		if _, both := w.number[p.Conduits[c].To]; ok && both {
			w.leaving[from] = append(w.leaving[from], c)
		}
	}
	return w
}

// hop is a zone that a search reached, and the index of the hop before it.
type hop struct{ zone, from int }

// path is search, asked once for each question. What it gives is shared: read it only.
func (p *Plant) path(to ZoneName, protocol string, rights Rights) []ZoneName {
	q := wanted{to, protocol, rights}
	p.ways.mu.RLock()
	zones, known := p.ways.found[q]
	p.ways.mu.RUnlock()
	if known {
		return zones
	}
	zones = p.search(to, protocol, rights)
	if !carried(p, protocol) {
		return zones // a word from outside: nothing is remembered of it
	}
	p.ways.mu.Lock()
	defer p.ways.mu.Unlock()
	if len(p.ways.found) < mostFound {
		p.ways.found[q] = zones
	}
	return zones
}

func carried(p *Plant, protocol string) bool {
	return slices.ContainsFunc(p.Conduits, func(c Conduit) bool { return slices.Contains(c.Carries, protocol) })
}

// search is the shortest chain of zones from the broker's to the given one along
// conduits that each carry the protocol with all the rights; nil if there is
// none. Of equals, the one whose conduits stand first in the file.
func (p *Plant) search(to ZoneName, protocol string, rights Rights) []ZoneName {
	if to == p.start {
		return []ZoneName{to}
	}
	start, ok := p.ways.number[p.start]
	if !ok {
		return nil
	}
	var hopRoom [16]hop
	var beenRoom [32]bool
	hops, been := append(hopRoom[:0], hop{start, -1}), beenRoom[:]
	if len(p.Zones) > len(been) {
		been = make([]bool, len(p.Zones))
	}
	been[start] = true
	for i := 0; i < len(hops); i++ {
		for _, c := range p.ways.leaving[hops[i].zone] {
			way := &p.Conduits[c]
			next := p.ways.number[way.To]
			if been[next] || !way.Rights.Has(rights) || !slices.Contains(way.Carries, protocol) {
				continue
			}
			been[next] = true
			hops = append(hops, hop{next, i})
			if way.To == to {
				return p.chain(hops)
			}
		}
	}
	return nil
}

func (p *Plant) chain(hops []hop) []ZoneName {
	var zones []ZoneName
	for i := len(hops) - 1; i >= 0; i = hops[i].from {
		zones = append(zones, p.Zones[hops[i].zone].Name)
	}
	slices.Reverse(zones)
	return zones
}

// miss says what is missing on the way that lacks least, and who owns it.
func (p *Plant) miss(to ZoneName, protocol string, rights Rights) string {
	type best struct {
		cost int
		via  *Conduit
	}
	found := map[ZoneName]best{p.start: {}}
	for range p.Zones { // each round settles one more conduit of every cheapest way
		changed := false
		for c := range p.Conduits {
			way := &p.Conduits[c]
			at, ok := found[way.From]
			if !ok {
				continue
			}
			cost := at.cost + len(lacks(way, protocol, rights))
			if old, have := found[way.To]; !have || cost < old.cost {
				found[way.To] = best{cost, way}
				changed = true
			}
		}
		if !changed {
			break
		}
	}
	end, ok := found[to]
	if !ok {
		return fmt.Sprintf("no conduit leads from zone %s to zone %s", p.start, to)
	}
	var all []string
	for n := 0; end.via != nil && n < len(p.Zones); n++ {
		if l := lacks(end.via, protocol, rights); len(l) > 0 {
			all = append(all, fmt.Sprintf("conduit %s does not carry %s (its owners: %s, %s)", end.via.Name, strings.Join(l, ", "), end.via.Owners[0], end.via.Owners[1]))
		}
		end = found[end.via.From]
	}
	slices.Reverse(all)
	return strings.Join(all, "; ")
}

func lacks(c *Conduit, protocol string, rights Rights) []string {
	var all []string
	if !slices.Contains(c.Carries, protocol) {
		all = append(all, protocol)
	}
	return append(all, (rights &^ c.Rights).Words()...)
}
