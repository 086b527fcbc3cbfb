package inventory

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"penstock/policy"
)

// Change is what an import does to one asset.
type Change struct {
	Asset policy.AssetName
	Does  string // new, changed, unplaced, stale, back, same, left-alone
	Text  string
}

// Result is an imported file, and what it changes.
type Result struct {
	File     []byte // YAML, as penstock reads it under imported:
	Changes  []Change
	Problems []Problem
}

// item is one entry of an imported file.
type item struct {
	id     policy.AssetName
	row    Row
	zone   policy.ZoneName
	lacks  []string
	backup string
	stale  string
	ports  string // YAML
	stops  []string
	level  string
}

// Merge makes the imported file anew of rows from one system, beside what the
// plant has: its own assets are left alone, what was imported earlier keeps its
// id, and what the system does not have any more is marked stale as of day.
// Entries of other systems in the same file stay as they are.
func Merge(p *policy.Plant, system string, rows []Row, day time.Time) Result {
	m := &merging{plant: p, system: system, day: day.Format(time.DateOnly), taken: map[policy.AssetName]bool{}, mine: map[string]policy.AssetName{}, items: map[policy.AssetName]item{}}
	m.before()
	seen := map[policy.AssetName]int{}
	for _, r := range rows {
		it, problem := m.item(r)
		if first, twice := seen[it.id]; problem == "" && twice {
			problem = fmt.Sprintf("%s stands in line %d already", it.id, first)
		}
		if problem != "" {
			m.out.Problems = append(m.out.Problems, Problem{r.Line, problem})
			known, ok := m.mine[cmp.Or(r.ID, r.Tag, r.Name)]
			if !ok {
				known = nameOf(cmp.Or(r.Name, r.Tag))
				ok = m.source[known].System == m.system
			}
			if ok && seen[known] == 0 { // a broken line is no machine that is gone
				seen[known], m.items[known] = r.Line, m.old[known]
			}
			continue
		}
		seen[it.id] = r.Line
		m.take(it)
	}
	m.missing(seen)
	m.out.File = m.file()
	slices.SortStableFunc(m.out.Changes, func(a, b Change) int { return cmp.Compare(a.Asset, b.Asset) })
	return m.out
}

type merging struct {
	plant  *policy.Plant
	system string
	day    string
	taken  map[policy.AssetName]bool   // names of assets that people wrote, or other systems
	mine   map[string]policy.AssetName // id in the system → asset
	old    map[policy.AssetName]item   // as imported before, of any system
	items  map[policy.AssetName]item   // of the file to be
	source map[policy.AssetName]policy.Source
	out    Result
}

// before reads what was imported earlier out of the plant file.
func (m *merging) before() {
	m.old, m.source = map[policy.AssetName]item{}, map[policy.AssetName]policy.Source{}
	for i := range m.plant.Assets {
		a := &m.plant.Assets[i]
		if a.Source == (policy.Source{}) {
			m.taken[a.Name] = true
			continue
		}
		it := item{id: a.Name, zone: a.Zone, level: a.Level, row: Row{ID: a.Source.ID, Name: string(a.Name), Tag: a.Tag, Title: a.Title, Address: a.Address.String(),
			Maker: a.Is.Maker, Model: a.Is.Model, Firmware: a.Is.Firmware, Serial: a.Is.Serial}, ports: portsYAML(a.Ports)}
		for _, l := range a.Stops {
			it.stops = append(it.stops, string(l))
		}
		if !a.Backup.Last.IsZero() {
			it.backup = a.Backup.Last.Format(time.DateOnly)
		}
		m.remember(it, a.Source, a.Stale)
	}
	for _, u := range m.plant.Unplaced {
		m.remember(item{id: u.Name, lacks: strings.Split(u.Lacks, ", "), row: Row{ID: u.Source.ID, Tag: u.Tag, Title: u.Title, Zone: u.Said, Address: u.Address,
			Maker: u.Is.Maker, Model: u.Is.Model, Firmware: u.Is.Firmware, Serial: u.Is.Serial}}, u.Source, u.Stale)
	}
}

func (m *merging) remember(it item, from policy.Source, stale time.Time) {
	if !stale.IsZero() {
		it.stale = stale.Format(time.DateOnly)
	}
	m.old[it.id], m.source[it.id] = it, from
	if from.System == m.system {
		m.mine[from.ID] = it.id
		return
	}
	m.taken[it.id] = true
	m.items[it.id] = it
}

var notInID = regexp.MustCompile(`[^a-z0-9]+`)

// nameOf makes an id of what a machine is called elsewhere.
func nameOf(s string) policy.AssetName {
	s = strings.Trim(notInID.ReplaceAllString(strings.ToLower(s), "-"), "-")
	words := []string{"yes", "no", "on", "off", "y", "n", "true", "false", "null"} // other programs read these keys as no names
	if s != "" && (s[0] < 'a' || s[0] > 'z') || slices.Contains(words, s) {
		s = "a-" + s
	}
	return policy.AssetName(s)
}

// item places one row; a problem leaves it out.
func (m *merging) item(r Row) (it item, problem string) {
	r.ID = cmp.Or(r.ID, r.Tag, r.Name)
	it = item{id: nameOf(cmp.Or(r.Name, r.Tag)), row: r}
	if known, ok := m.mine[r.ID]; ok {
		it.id = known // a machine keeps its name here, whatever it is called there now
	}
	it.row.Tag, it.row.Title = cmp.Or(r.Tag, r.Name), cmp.Or(r.Title, r.Name, r.Tag)
	switch {
	case r.ID == "":
		return it, "it has neither an id nor a name nor a tag"
	case !policy.ValidID(string(it.id)):
		return it, fmt.Sprintf("%q makes no id of at most 32 characters: give it a shorter name", shown(cmp.Or(r.Name, r.Tag)))
	}
	for _, step := range []func(*item) string{m.place, m.address, m.lines, ports, backup} {
		if problem := step(&it); problem != "" {
			return it, problem
		}
	}
	return it, ""
}

// place finds the zone by its name or title, and the level within it.
func (m *merging) place(it *item) string {
	for _, z := range m.plant.Zones {
		if it.row.Zone != "" && (strings.EqualFold(string(z.Name), it.row.Zone) || strings.EqualFold(z.Title, it.row.Zone)) {
			it.zone = z.Name
			switch level := strings.TrimPrefix(strings.ToLower(it.row.Level), "level "); {
			case slices.Contains(z.Levels, level):
				it.level = level
			case level == "" && len(z.Levels) == 1:
				it.level = z.Levels[0]
			default:
				it.lacks = append(it.lacks, "level")
			}
			return ""
		}
	}
	it.lacks = append(it.lacks, "zone")
	return ""
}

func (m *merging) address(it *item) string {
	if it.row.Address == "" {
		it.lacks = append(it.lacks, "address")
		return ""
	}
	a, err := netip.ParseAddr(it.row.Address)
	if err != nil || a.Zone() != "" {
		return fmt.Sprintf("%q is no IP address", shown(it.row.Address))
	}
	if why := policy.NeverTarget(a); why != "" {
		return fmt.Sprintf("%s is no address of one machine: %s", a, why)
	}
	it.row.Address = a.String()
	return ""
}

func (m *merging) lines(it *item) string {
	for _, word := range strings.FieldsFunc(it.row.Stops, func(c rune) bool { return c == ',' || c == ';' || c == ' ' || c == '|' }) {
		i := slices.IndexFunc(m.plant.Lines, func(l policy.Line) bool { return strings.EqualFold(string(l.Name), word) })
		if i < 0 {
			return fmt.Sprintf("there is no line %q; lines are declared in the plant file", shown(word))
		}
		it.stops = append(it.stops, string(m.plant.Lines[i].Name))
	}
	slices.Sort(it.stops)
	it.stops = slices.Compact(it.stops)
	return ""
}

func backup(it *item) string {
	if it.row.Backup == "" {
		return ""
	}
	for _, form := range []string{time.DateOnly, "02.01.2006", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(form, it.row.Backup); err == nil && t.Year() >= 1970 && t.Year() <= 2200 {
			it.backup = t.Format(time.DateOnly)
			return ""
		}
	}
	return fmt.Sprintf("%q is no day of a backup; write 2026-09-22", shown(it.row.Backup))
}

// take compares an item with what was there, and keeps it.
func (m *merging) take(it item) {
	if m.taken[it.id] {
		m.say(it.id, "left-alone", "it is in the plant file already, and stays as it is there")
		return
	}
	old, was := m.old[it.id]
	if was && it.ports == "" {
		it.ports = old.ports // ways in are the plant's to write; a source without them takes none away
	}
	does, text := "same", ""
	switch diff := differences(old, it); {
	case !was && len(it.lacks) > 0:
		does, text = "unplaced", "nobody reaches it: it lacks "+strings.Join(it.lacks, ", ")
		if it.row.Zone != "" && slices.Contains(it.lacks, "zone") {
			text += fmt.Sprintf(" (the source says %q, which no zone is called)", it.row.Zone)
		}
	case !was:
		does, text = "new", "in zone "+string(it.zone)
	case old.stale != "":
		does, text = "back", "its source has it again"
	case len(diff) > 0:
		does, text = "changed", strings.Join(diff, "; ")
	}
	m.items[it.id] = it
	m.source[it.id] = policy.Source{System: m.system, ID: it.row.ID}
	m.say(it.id, does, text)
}

func (m *merging) say(id policy.AssetName, does, text string) {
	m.out.Changes = append(m.out.Changes, Change{id, does, text})
}

func differences(a, b item) (all []string) {
	for _, f := range [][3]string{{"tag", a.row.Tag, b.row.Tag}, {"name", a.row.Title, b.row.Title}, {"zone", string(a.zone), string(b.zone)}, {"level", a.level, b.level},
		{"address", a.row.Address, b.row.Address}, {"maker", a.row.Maker, b.row.Maker}, {"model", a.row.Model, b.row.Model}, {"firmware", a.row.Firmware, b.row.Firmware},
		{"serial", a.row.Serial, b.row.Serial}, {"stops", strings.Join(a.stops, ", "), strings.Join(b.stops, ", ")}, {"backup", a.backup, b.backup}, {"ports", a.ports, b.ports}} {
		if f[1] != f[2] {
			all = append(all, fmt.Sprintf("%s was %s, becomes %s", f[0], cmp.Or(f[1], "none"), cmp.Or(f[2], "none")))
		}
	}
	return all
}

// missing keeps what the source does not have any more, and says so.
func (m *merging) missing(seen map[policy.AssetName]int) {
	for _, id := range m.mine {
		if _, there := seen[id]; there {
			continue
		}
		it := m.old[id]
		if it.stale == "" {
			it.stale = m.day
			m.say(id, "stale", "its source does not have it any more; it stays until somebody takes it out")
		} else {
			m.say(id, "same", "")
		}
		m.items[id] = it
	}
}

// file writes the items as an imported file.
func (m *merging) file() []byte {
	var b strings.Builder
	b.WriteString("# Written by penstock asset import; the next import writes it anew. Put what you know better into the plant file itself.\n")
	ids := make([]policy.AssetName, 0, len(m.items))
	for id := range m.items {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	if len(ids) == 0 {
		b.WriteString("{}\n")
	}
	for _, id := range ids {
		fmt.Fprintf(&b, "%s: %s\n", id, m.items[id].yaml(m.source[id]))
	}
	return []byte(b.String())
}

// yaml is one entry on one line, every text in quotes.
func (it item) yaml(from policy.Source) string {
	var fields []string
	text := func(name, s string) {
		if s != "" {
			fields = append(fields, name+": "+quoted(s))
		}
	}
	text("tag", it.row.Tag)
	text("name", it.row.Title)
	if len(it.lacks) > 0 {
		text("lacks", strings.Join(it.lacks, ", "))
		text("said", it.row.Zone)
	} else {
		text("zone", string(it.zone))
		text("level", it.level)
	}
	text("address", it.row.Address)
	var is []string
	for _, f := range [][2]string{{"maker", it.row.Maker}, {"model", it.row.Model}, {"firmware", it.row.Firmware}, {"serial", it.row.Serial}} {
		if f[1] != "" {
			is = append(is, f[0]+": "+quoted(f[1]))
		}
	}
	if len(is) > 0 {
		fields = append(fields, "is: {"+strings.Join(is, ", ")+"}")
	}
	if len(it.lacks) == 0 {
		fields = append(fields, "stops: ["+strings.Join(it.stops, ", ")+"]")
		if it.backup != "" {
			fields = append(fields, "backup: {last: "+it.backup+"}")
		}
		fields = append(fields, "ports: {"+it.ports+"}")
	}
	fields = append(fields, "source: {system: "+quoted(from.System)+", id: "+quoted(from.ID)+"}")
	if it.stale != "" {
		fields = append(fields, "stale: "+it.stale)
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// quoted is a text as YAML and JSON both read it.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(b))
}
