package policy

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	// A plant's time zone must mean the same on every machine that checks a
	// decision, also where no zone files are installed.
	_ "time/tzdata"

	"penstock/policy/source"
)

// Bounds of what one plant file may declare.
const (
	maxNamed    = 5000 // of one kind, but for these
	maxAssets   = 20_000
	maxConduits = 5000
	maxListed   = 500 // in one list
)

// Parse reads a plant file: main is its name in files, the rest are the asset
// files and register sheets it names. All problems come at once; with any, the
// plant is nil. In this form no port has an inspector: see ParseWith.
func Parse(main string, files map[string][]byte) (*Plant, source.Problems) {
	return ParseWith(Options{}, main, files)
}

// ParseWith is Parse in a build that has inspectors.
func ParseWith(o Options, main string, files map[string][]byte) (*Plant, source.Problems) {
	return parse(&file{inspectors: o.Inspectors}, main, files)
}

func parse(f *file, main string, files map[string][]byte) (*Plant, source.Problems) {
	f.files, f.used, f.plant, f.uses, f.where = files, map[string]bool{main: true}, &Plant{}, map[string]bool{}, map[string]source.Value{}
	text, ok := files[main]
	if !ok {
		f.Add(source.Place{File: main}, "the plant file is not among the files given", "")
		return nil, f.Problems()
	}
	f.main = main
	if top := source.Load(main, text, &f.Report); top.Here() {
		f.read(top)
	}
	for name := range files {
		if !f.used[name] && len(f.Problems()) == 0 {
			f.Add(source.Place{File: name}, "no line of the plant file names this file", "name it, or leave it out")
		}
	}
	if ps := f.Problems(); len(ps) > 0 {
		return nil, ps
	}
	doc, err := Bundle(main, files)
	if err != nil {
		f.Add(source.Place{File: main}, err.Error(), "")
		return nil, f.Problems()
	}
	f.plant.document = doc
	return f.plant, nil
}

// file is one reading of a plant file.
type file struct {
	source.Report
	main  string
	files map[string][]byte
	used  map[string]bool
	plant *Plant
	names []mention
	uses  map[string]bool         // "calendar/x": something names it
	where map[string]source.Value // "calendar/x": where it is declared
	later []func()                // contradictions, looked for when all is read; a name may still be undeclared
	paths []func()                // those that need every conduit

	inspectors   []string // of this build
	anyInspector bool     // the file was in force: whoever read it then had what it counts on
}

// mention is a name that must be declared somewhere.
type mention struct {
	at   source.Value
	kind string
	name string
}

func (f *file) read(top source.Value) {
	s := top.Fields("site", "teams", "lines", "zones", "conduits", "assets", "imported", "calendars", "gates", "jacks", "rules", "patterns", "emergency", "exception", "recordings", "reviews", "retention", "plant_changes", "night", "access_reviews")
	f.site(s.Need("site"))
	f.teams(s.Need("teams"))
	f.lines(s.Get("lines"))
	f.zones(s.Need("zones"))
	f.conduits(s.Get("conduits"))
	f.assets(s.Get("assets"), s.Get("imported"))
	f.calendars(s.Get("calendars"))
	f.gates(s.Get("gates"))
	f.jacks(s.Get("jacks"))
	f.rules(s.Get("rules"))
	f.patterns(s.Get("patterns"))
	f.emergency(s.Get("emergency"))
	f.exception(s.Get("exception"))
	f.nights(s.Get("night"))
	f.recordings(s.Get("recordings").Fields("read", "input"))
	f.reviews(s.Get("reviews"))
	f.access(s.Get("access_reviews"))
	f.retention(s.Get("retention"))
	f.plant.ByFile = s.Get("plant_changes").OneOf("agreed", "by_file") == "by_file"
	f.index()
	f.mentions()
	sound := len(f.Problems()) == 0
	for _, look := range f.later {
		look()
	}
	f.unused()
	if sound { // a conduit that was not read would make every path look wrong
		for _, look := range f.paths {
			look()
		}
	}
}

func (f *file) site(v source.Value) {
	s := v.Fields("id", "name", "colour", "timezone", "control_room", "origin")
	site := Site{Name: s.Need("name").Text(), Colour: s.Get("colour").Text(), ControlRoom: s.Get("control_room").Text()}
	site.ID = f.id(s.Need("id"))
	tz := s.Need("timezone")
	site.Timezone = tz.Text()
	f.plant.location = time.UTC
	if site.Timezone != "" {
		loc, err := time.LoadLocation(site.Timezone)
		if err != nil || site.Timezone == "Local" || (site.Timezone != "UTC" && !strings.Contains(site.Timezone, "/")) {
			tz.Refuse(fmt.Sprintf("%q is no time zone", site.Timezone), "write the IANA name, such as Europe/Berlin")
		} else {
			f.plant.location = loc
		}
	}
	site.Origin = f.origin(s.Get("origin"))
	f.plant.Site = site
}

// origin is https, a name and perhaps a port, as a browser writes it (RFC 6454,
// 6.2): passkeys know no addresses, and no plain HTTP but on this very machine.
func (f *file) origin(v source.Value) string {
	s := v.Text()
	if s == "" {
		return ""
	}
	u, err := url.Parse(s)
	_, number := netip.ParseAddr(strings.Trim(hostOf(u), "[]"))
	if err != nil || u.Scheme != "https" || u.Host == "" || number == nil || s != "https://"+strings.ToLower(u.Host) || u.Port() == "443" || strings.HasSuffix(u.Host, ":") {
		v.Refuse(fmt.Sprintf("%q is not where a browser finds the pages", s), "write https://, the name in small letters, and the port unless it is 443: https://penstock.kiel.example:8443")
		return ""
	}
	return s
}

func hostOf(u *url.URL) string {
	if u == nil {
		return ""
	}
	return u.Hostname()
}

func (f *file) teams(v source.Value) {
	for _, e := range f.named(v, "team") {
		if Role(e.Key) == ownerWord {
			e.Name.Refuse("a team cannot be called owner", "in a plan that word is the owner of the asset's zone")
		}
		s := e.Fields("name", "asks_next", "after", "deputy", "any")
		t := Team{Name: Role(e.Key), Title: s.Need("name").Text(), After: s.Get("after").Duration(time.Minute, 24*time.Hour)}
		t.AsksNext, t.Deputy = f.team(s.Get("asks_next")), f.team(s.Get("deputy"))
		if t.AsksNext == t.Name || t.Deputy == t.Name {
			e.Name.Refuse(fmt.Sprintf("team %s stands in for itself", t.Name), "name another team")
		}
		if s.Get("asks_next").Here() != s.Get("after").Here() {
			e.Name.Refuse("asks_next and after go together", "say whom to ask next and after how long")
		}
		if any := s.Get("any"); any.Here() {
			t.Any = f.teamList(any)
			if len(t.Any) < 2 || len(t.Any) > maxAny {
				any.Refuse(fmt.Sprintf("any has %d teams; a team of teams has 2 to %d", len(t.Any), maxAny), "any: [line-1-owner, duty-engineer]")
			}
			if t.Deputy != "" {
				s.Get("deputy").Refuse("nobody holds a team of teams, so nobody stands in for one of it", "write the deputy at the teams in any")
			}
		}
		f.plant.Teams = append(f.plant.Teams, t)
	}
}

func (f *file) lines(v source.Value) {
	for _, e := range f.named(v, "line") {
		s := e.Fields("name", "criticality", "feeds")
		l := Line{Name: LineName(e.Key), Title: s.Need("name").Text(), Criticality: s.Need("criticality").Int(1, 4)}
		for _, at := range f.list(s.Get("feeds")) {
			if next := f.mention(at, "line"); next == e.Key {
				at.Refuse(fmt.Sprintf("line %s feeds itself", next), "")
			} else {
				l.Feeds = append(l.Feeds, LineName(next))
			}
		}
		f.plant.Lines = append(f.plant.Lines, l)
	}
}

var levels = []string{"0", "1", "2", "3", "3.5", "4", "5"}

func (f *file) zones(v source.Value) {
	for _, e := range f.named(v, "zone") {
		s := e.Fields("name", "levels", "sl_t", "owner", "shift", "vendors", "broker", "night", "reached_by")
		z := Zone{Name: ZoneName(e.Key), Title: s.Need("name").Text(), SLT: s.Need("sl_t").Int(0, 4)}
		for _, l := range f.list(s.Need("levels")) {
			z.Levels = append(z.Levels, l.OneOf(levels...))
		}
		z.Owner, z.Shift = f.team(s.Need("owner")), f.team(s.Get("shift"))
		z.Night, f.where["night of "+e.Key] = f.calendarAt(s.Get("night")), s.Get("night")
		z.VendorsNever = s.Get("vendors").OneOf("never") == "never"
		if by := s.Get("reached_by"); by.OneOf("agent") == "agent" {
			if z.ByAgent = true; s.Get("broker").Here() {
				by.Refuse("the broker stands in this zone and dials there itself", "leave reached_by out, or name the zone where the broker stands")
			}
		}
		if broker := s.Get("broker"); broker.OneOf("here") == "here" {
			if z.BrokerHere = true; f.plant.start != "" {
				broker.Refuse(fmt.Sprintf("the broker stands in zone %s already", f.plant.start), "say broker: here in one zone")
			}
			f.plant.start = z.Name
		}
		f.plant.Zones = append(f.plant.Zones, z)
	}
	if v.Here() && f.plant.start == "" {
		v.Refuse("no zone has the broker, so no path has a beginning", "say broker: here in the zone where it stands")
	}
}

func (f *file) conduits(v source.Value) {
	names := map[string]bool{}
	all := v.Items()
	if len(all) > maxConduits {
		v.Refuse(fmt.Sprintf("%d conduits; at most %d are read", len(all), maxConduits), "")
		return
	}
	for _, item := range all {
		s := item.Fields("name", "from", "to", "carries", "rights", "owners", "why", "review")
		c := Conduit{Name: f.once(s.Need("name"), names), Why: s.Need("why").Text(), Review: s.Need("review").Date()}
		c.From = ZoneName(f.mention(s.Need("from"), "zone"))
		c.To = ZoneName(f.mention(s.Need("to"), "zone"))
		if c.From != "" && c.From == c.To {
			s.Get("to").Refuse("a conduit from a zone to itself leads nowhere", "inside a zone nothing needs a conduit")
		}
		for _, at := range f.some(s.Need("carries")) {
			c.Carries = append(c.Carries, f.mention(at, "port"))
		}
		c.Rights = f.rights(s.Need("rights"))
		c.Owners = f.teamList(s.Need("owners"))
		if o := s.Get("owners"); o.Here() && (len(c.Owners) != 2 || c.Owners[0] == c.Owners[1]) {
			o.Refuse("a conduit has two different owners, one for each side", "owners: [team, other team]")
		}
		f.plant.Conduits = append(f.plant.Conduits, c)
	}
}

// named are the entries of a mapping whose keys are ids.
func (f *file) named(v source.Value, kind string) []source.Entry {
	all := v.Entries()
	if len(all) > maxNamed {
		v.Refuse(fmt.Sprintf("%d of one kind; at most %d are read", len(all), maxNamed), "")
		return nil
	}
	return slices.DeleteFunc(all, func(e source.Entry) bool {
		if !ValidID(e.Key) {
			e.Name.Refuse(fmt.Sprintf("%q cannot be the name of this %s", e.Key, kind), "a small letter, then up to 31 small letters, digits or dashes")
			return true
		}
		return false
	})
}

func (f *file) id(v source.Value) string {
	s := v.Text()
	if s != "" && !ValidID(s) {
		v.Refuse(fmt.Sprintf("%q is no id", s), "a small letter, then up to 31 small letters, digits or dashes")
		return ""
	}
	return s
}

// once is an id that no earlier one of its kind has.
func (f *file) once(v source.Value, seen map[string]bool) string {
	s := f.id(v)
	if s != "" && seen[s] {
		v.Refuse(fmt.Sprintf("the name %s is taken already", s), "names are unique")
	}
	seen[s] = true
	return s
}

// list are the values of a list that may be empty; some wants at least one.
func (f *file) list(v source.Value) []source.Value { return f.bounded(v, v.Items()) }

func (f *file) some(v source.Value) []source.Value {
	all := f.list(v)
	if v.Kind() == "list" && len(all) == 0 {
		v.Refuse("the list is empty", "")
	}
	return all
}

func (f *file) bounded(v source.Value, all []source.Value) []source.Value {
	if len(all) > maxListed {
		v.Refuse(fmt.Sprintf("%d in one list; at most %d are read", len(all), maxListed), "")
		return nil
	}
	return all
}

func (f *file) rights(v source.Value) Rights {
	var words []string
	for _, w := range f.some(v) {
		if s := w.OneOf(rightWords...); s != "" {
			words = append(words, s)
		}
	}
	if len(words) == 0 {
		return 0
	}
	r, err := ParseRights(words)
	if err != nil {
		v.Refuse(err.Error(), "")
	}
	return r
}

// right is one right, or 0 for "never" where that may stand.
func (f *file) right(v source.Value, never bool) Rights {
	words := rightWords
	if never {
		words = append(slices.Clone(words), "never")
	}
	if i := slices.Index(rightWords, v.OneOf(words...)); i >= 0 {
		return 1 << i
	}
	return 0
}

// mention notes that v names something of a kind and returns the name.
func (f *file) mention(v source.Value, kind string) string {
	s := v.Text()
	if s != "" {
		f.names = append(f.names, mention{v, kind, s})
		f.uses[kind+"/"+s] = true
	}
	return s
}

// team is one that people hold; a team of teams stands in plans alone.
func (f *file) team(v source.Value) Role {
	r := f.anyTeam(v)
	f.later = append(f.later, func() {
		if t := f.plant.teams[r]; t != nil && len(t.Any) > 0 {
			v.Refuse(fmt.Sprintf("%s is a team of teams, which only a plan may name", r), "name one of "+list(t.Any))
		}
	})
	return r
}

func (f *file) anyTeam(v source.Value) Role { return Role(f.mention(v, "team")) }

// maxAny bounds a team of teams.
const maxAny = 16

func (f *file) recordings(s source.Fields) {
	r := &f.plant.Recordings
	r.Read, r.Input = f.teamList(s.Get("read")), f.teamList(s.Get("input"))
	for _, role := range r.Input {
		if !slices.Contains(r.Read, role) {
			s.Get("input").Refuse(fmt.Sprintf("%s may see what was typed in recordings that it may not read", role), "name it under read as well")
		}
	}
}

func (f *file) teamList(v source.Value) []Role {
	var all []Role
	for _, at := range f.some(v) {
		r := f.team(at)
		if r != "" && slices.Contains(all, r) {
			at.Refuse(fmt.Sprintf("%s is here twice", r), "")
			continue
		}
		all = append(all, r)
	}
	return all
}
