package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"penstock/policy/source"
)

// Night says when nobody plans: what by day is a wall is then, for looking
// under an escort, a red item that whoever answers reads. Without any of Red the
// plant has no night.
type Night struct {
	During  string // a calendar; a zone may name another
	Without Role   // instead: whenever nobody of this team is on duty; a team without a roster always is
	Red     []string
}

// What may be out of order with who asks.
const (
	RedFirst   = "first-visit" // somebody who never worked in a window here, and nobody of the plant asked for them
	RedNetwork = "network"     // whoever asks, and would work, comes from outside the firm's networks
	RedNumber  = "number"      // a work order or change number that the rules ask for is missing
)

var redWords = []string{RedFirst, RedNetwork, RedNumber}

// NightSpan is the longest span of a request with a red item: it is for this
// night, and not for the days after.
const NightSpan = 12 * time.Hour

// Numbers are the fields of a request that RedNumber is about.
var Numbers = []string{"work_order", "change"}

// AskFacts are what is known of who asks, at AtAsk. The zero value is somebody
// unknown, by day.
type AskFacts struct {
	Known    bool     // worked in a window here before, or somebody of the plant asks for them
	Unmanned bool     // nobody of the team in Night.Without is on duty
	Missing  []string // fields that the rules ask for and the request lacks
}

// IsNight says whether all these assets have their night at a moment: where one
// has day, it is day.
func (p *Plant) IsNight(assets []AssetName, at time.Time, unmanned bool) bool {
	return len(assets) > 0 && !slices.ContainsFunc(assets, func(name AssetName) bool {
		a := p.assets[name]
		return a == nil || !p.night(p.zones[a.Zone], at, unmanned)
	})
}

func (p *Plant) night(z *Zone, at time.Time, unmanned bool) bool {
	name := p.Night.During
	if z.Night != "" {
		name = z.Night
	}
	if c := p.calendars[name]; c != nil {
		times := c.times(nil, p.location, 0, at, at.Add(time.Second))
		return len(times) > 0 && !times[0].from.After(at)
	}
	return p.Night.Without != "" && unmanned
}

// Reddens says whether the plant file makes a red item of this by night, and so
// a wall of it by day.
func (p *Plant) Reddens(what string) bool { return slices.Contains(p.Night.Red, what) }

// MayMiss are those of the fields whose lack can be a red item.
func (p *Plant) MayMiss(fields []string) bool {
	return p.Reddens(RedNumber) && !slices.ContainsFunc(fields, func(f string) bool { return !slices.Contains(Numbers, f) })
}

// oddity is one thing that is out of order, and the wall that it is by day.
type oddity struct {
	red  string // empty: it is a wall at any hour
	wall no
}

// unusual asks, at AtAsk, whether all is in order with who asks. What is not is a
// wall, or by night, for looking, a red item under an escort.
func (w *walk) unusual() no {
	if w.frame() != "" { // its key and networks are in the text that two people sign
		return nil
	}
	var found []oddity
	for _, look := range []func() oddity{w.firstVisit, w.newNetwork, w.missing} {
		if one := look(); one.wall != nil {
			found = append(found, one)
		}
	}
	if len(found) == 0 {
		if w.trace == nil {
			return nil
		}
		return w.yes("unusual", "nothing")
	}
	for _, one := range found {
		if one.red == "" || w.q.Rights != Look || !w.p.night(w.zone, w.now, w.f.Ask.Unmanned) {
			return one.wall
		}
	}
	w.d.Duties.Escort = true
	for _, one := range found {
		w.d.Red = append(w.d.Red, one.red)
	}
	if w.trace == nil {
		return nil
	}
	return w.yes("unusual", "by night, to look under an escort: %s", strings.Join(w.d.Red, ", "))
}

const nightSay = "by night, to look under an escort, the shift decides"

func (w *walk) firstVisit() oddity {
	if w.f.Ask.Known || w.f.Person.Plant || !w.p.Reddens(RedFirst) {
		return oddity{}
	}
	return oddity{RedFirst, refusal(RedFirst, fmt.Sprintf("%s was never here: have your contact at the plant ask for the first visit; %s", w.f.Person.ID, nightSay), "%s never worked in a window here, and nobody of the plant asked", w.f.Person.ID)}
}

// newNetwork: only somebody who would work has a source at the ask.
func (w *walk) newNetwork() oddity {
	if !w.q.Source.IsValid() || w.f.Person.Plant || !w.p.Reddens(RedNetwork) || inside(w.f.Person.Networks, w.q.Source) {
		return oddity{}
	}
	return oddity{RedNetwork, refusal("source-network", "your address is not in your firm's networks, and from there you would not get in: ask from one of them, or have the plant add this one; "+nightSay, "source %s is in none of %v of firm %s", w.q.Source, w.f.Person.Networks, w.f.Person.Firm)}
}

func (w *walk) missing() oddity {
	if len(w.f.Ask.Missing) == 0 {
		return oddity{}
	}
	list := strings.Join(w.f.Ask.Missing, ", ")
	one := oddity{"", refusal("fields-missing", "The plant asks for more here. Fill in: "+list+".", "the request lacks %s", list)}
	if w.p.MayMiss(w.f.Ask.Missing) {
		one.red = RedNumber
	}
	return one
}

func inside(networks []netip.Prefix, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(from) })
}

// Address is the one network that a red item lets through: a whole address of
// IPv4, and of IPv6 the /64 that one machine's addresses change within.
func Address(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := 32
	if from.Is6() {
		bits = 64
	}
	p, _ := from.Prefix(bits) // an address that is none gives the zero prefix
	return p
}

// byNight says whether a window's red item lets a source through: the address
// that was agreed to with it, to look under an escort, and nothing more.
func (f *WindowFacts) byNight(from netip.Addr) bool {
	return f.Escort && f.Rights == Look && f.Network.Contains(from.Unmap().WithZone(""))
}

// nights reads night:, which is for the whole plant; zones name their own calendar.
func (f *file) nights(v source.Value) {
	s := v.Fields("during", "without", "red")
	n := Night{During: f.calendarAt(s.Get("during")), Without: f.team(s.Get("without"))}
	if v.Here() && s.Get("during").Here() == s.Get("without").Here() {
		v.Refuse("night says when it is: during a calendar, or without anybody of a team on duty; one of the two", "night: {during: nights, red: [first-visit, network, number]}")
	}
	red := s.Get("red")
	if v.Here() {
		red = s.Need("red")
	}
	for _, at := range f.some(red) {
		if word := at.OneOf(redWords...); slices.Contains(n.Red, word) {
			at.Refuse(word+" is here twice", "")
		} else {
			n.Red = append(n.Red, word)
		}
	}
	f.plant.Night = n
	for _, z := range f.plant.Zones {
		if at := f.where["night of "+string(z.Name)]; z.Night != "" && !v.Here() {
			at.Refuse("a night that nothing is different in", "say what is then a red item: night: {during: …, red: [network]}, for the whole plant")
		}
	}
}

// calendarAt is a calendar by which it is night; none is a freeze.
func (f *file) calendarAt(v source.Value) string {
	name := f.mention(v, "calendar")
	f.later = append(f.later, func() {
		if c := f.plant.calendars[name]; c != nil && len(c.Freeze) > 0 {
			v.Refuse(fmt.Sprintf("calendar %s has a freeze, which is no night", name), "weekly: [Mon-Sun 20:00-06:00]")
		}
	})
	return name
}

// ByDay is how much of a time is not night in a zone; all of it where the plant
// has no night by a calendar.
func (p *Plant) ByDay(zone ZoneName, from, to time.Time) time.Duration {
	z := p.zones[zone]
	if z == nil || !from.Before(to) {
		return max(0, to.Sub(from))
	}
	name := p.Night.During
	if z.Night != "" {
		name = z.Night
	}
	day := to.Sub(from)
	if c := p.calendars[name]; c != nil {
		for _, s := range both([]span{{from, to}}, c.times(nil, p.location, 0, from, to)) {
			day -= s.to.Sub(s.from)
		}
	}
	return day
}

// Outage says whether the rules for these rights on an asset want work to be done
// during calendars, and whether all of those are open at a moment.
func (p *Plant) Outage(name AssetName, rights Rights, at time.Time) (asked, open bool) {
	a := p.assets[name]
	if a == nil {
		return false, false
	}
	open = true
	for _, r := range a.rules {
		for _, c := range r.During {
			if !r.matches(a, "", rights) {
				continue
			}
			times := p.calendars[c].times(nil, p.location, rights, at, at.Add(time.Second))
			asked, open = true, open && len(times) > 0 && !times[0].from.After(at)
		}
	}
	return asked, open
}
