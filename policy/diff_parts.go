package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"penstock/policy/source"
)

// fact is one field of a part of the plant file, as it reads.
type fact struct{ field, text string }

// part is one named piece of the file, with all that it says and who answers
// for it.
type part struct {
	what  string // "conduit dmz-ops"
	facts []fact
	roles []Role
}

// parts compares the file piece by piece. What a piece means for vendors the
// ways have said; a list of the words that changed is what its owners answer for.
func (d *differ) parts() {
	before, after := d.from.parts(), d.to.parts()
	for what, b := range each(before) {
		a, stays := after[what]
		if !stays {
			d.add(Alters, what, "is gone: "+b.words(), b.roles...)
			continue
		}
		for i, f := range b.facts {
			if is := a.facts[i]; is != f {
				d.add(Alters, what, fmt.Sprintf("%s was %s, becomes %s", f.field, orNone(f.text), orNone(is.text)), append(slices.Clone(b.roles), a.roles...)...)
			}
		}
	}
	for what, a := range each(after) {
		if _, was := before[what]; !was {
			d.add(Alters, what, "is new: "+a.words(), a.roles...)
		}
	}
}

// each goes through parts in the order of their names.
func each(parts map[string]part) func(func(string, part) bool) {
	names := make([]string, 0, len(parts))
	for what := range parts {
		names = append(names, what)
	}
	slices.Sort(names)
	return func(yield func(string, part) bool) {
		for _, what := range names {
			if !yield(what, parts[what]) {
				return
			}
		}
	}
}

func (p part) words() string {
	var all []string
	for _, f := range p.facts {
		if f.text != "" {
			all = append(all, f.field+" "+f.text)
		}
	}
	return strings.Join(all, "; ")
}

// parts are all pieces of a plant file. Every field that Parse reads is in one:
// a test alters each and looks.
func (p *Plant) parts() map[string]part {
	all := map[string]part{}
	put := func(what string, roles []Role, facts ...fact) { all[what] = part{what, facts, roles} }
	p.wholePlant(put)
	for i := range p.Teams {
		t := &p.Teams[i]
		put("team "+string(t.Name), []Role{security}, fact{"name", t.Title}, fact{"asks_next", string(t.AsksNext)}, fact{"after", length(t.After)}, fact{"deputy", string(t.Deputy)}, fact{"any", list(t.Any)})
	}
	for i := range p.Lines {
		l := &p.Lines[i]
		put("line "+string(l.Name), p.stoppers(l.Name), fact{"name", l.Title}, fact{"criticality", fmt.Sprint(l.Criticality)}, fact{"feeds", list(l.Feeds)})
	}
	for i := range p.Zones {
		z := &p.Zones[i]
		put("zone "+string(z.Name), []Role{z.Owner, security}, fact{"name", z.Title}, fact{"levels", strings.Join(z.Levels, ", ")}, fact{"sl_t", fmt.Sprint(z.SLT)},
			fact{"owner", string(z.Owner)}, fact{"shift", string(z.Shift)}, fact{"vendors", flag(z.VendorsNever, "never")}, fact{"broker", flag(z.BrokerHere, "here")}, fact{"night", z.Night},
			fact{"reached_by", flag(z.ByAgent, "agent")})
	}
	for i := range p.Conduits {
		c := &p.Conduits[i]
		roles := slices.Clone(c.Owners)
		if p.crosses(c.From, c.To) {
			roles = append(roles, security)
		}
		put("conduit "+c.Name, roles, fact{"from", string(c.From)}, fact{"to", string(c.To)}, fact{"carries", strings.Join(c.Carries, ", ")}, fact{"rights", c.Rights.String()},
			fact{"owners", list(c.Owners)}, fact{"why", c.Why}, fact{"review", dayOf(c.Review)})
	}
	for i := range p.Assets {
		p.assetParts(&p.Assets[i], put)
	}
	for i := range p.Unplaced {
		u := &p.Unplaced[i]
		put("unplaced "+string(u.Name), []Role{security}, append(makeFacts(u.Is), fact{"tag", u.Tag}, fact{"name", u.Title}, fact{"said", u.Said}, fact{"lacks", u.Lacks}, fact{"address", u.Address},
			fact{"source", u.Source.System + " " + u.Source.ID}, fact{"stale", dayOf(u.Stale)})...)
	}
	p.ruleParts(put)
	return all
}

type putPart = func(what string, roles []Role, facts ...fact)

// wholePlant is what is for every asset: OT security answers for it.
func (p *Plant) wholePlant(put putPart) {
	all := []Role{security}
	put("site", all, fact{"id", p.Site.ID}, fact{"name", p.Site.Name}, fact{"colour", p.Site.Colour}, fact{"timezone", p.Site.Timezone}, fact{"control_room", p.Site.ControlRoom}, fact{"origin", p.Site.Origin})
	put("recordings", all, fact{"read", list(p.Recordings.Read)}, fact{"input", list(p.Recordings.Input)})
	put("access_reviews", all, fact{"every", length(p.Access.Every)}, fact{"within", length(p.Access.Within)})
	put("reviews", all, fact{"always", strings.Join(p.Reviews.Always, ", ")}, fact{"one_in", fmt.Sprint(p.Reviews.OneIn)}, fact{"within", length(p.Reviews.Within)})
	for i := range p.Retention {
		r := &p.Retention[i]
		put("retention "+r.Name, all, append(whenFacts(r.When), fact{"keep", length(r.Keep)})...)
	}
	put("plant_changes", all, fact{"by", either(p.ByFile, "by_file", "agreed")})
	n := &p.Night
	put("night", append(p.nightOwners(), security), fact{"during", n.During}, fact{"without", string(n.Without)}, fact{"red", strings.Join(n.Red, ", ")})
	e := &p.Emergency
	put("emergency", all, fact{"agree", list(e.Agree)}, fact{"starts_as", e.StartsAs.String()}, fact{"second_tap", e.SecondTap.String()}, fact{"longest", length(e.Longest)},
		fact{"tell", list(e.Tell)}, fact{"review", length(e.Review)}, fact{"notice_above", fmt.Sprint(e.NoticeAbove)}, fact{"notice_in", length(e.NoticeIn)})
	put("exception", all, fact{"longest", length(p.Exception.Longest)}, fact{"ends", length(p.Exception.Ends)})
	for i := range p.Calendars {
		c := &p.Calendars[i]
		roles := p.ruleOwners(func(r *Rule) bool { return slices.Contains(r.During, c.Name) || slices.Contains(r.NotDuring, c.Name) })
		if p.Night.During == c.Name || slices.ContainsFunc(p.Zones, func(z Zone) bool { return z.Night == c.Name }) {
			roles = append(roles, p.nightOwners()...)
		}
		put("calendar "+c.Name, roles,
			fact{"weekly", weeklyWordsOf(c.Weekly)}, fact{"once", spanWords(c.Once, p.location)}, fact{"freeze", spanWords(c.Freeze, p.location)}, fact{"except", c.Except.String()})
	}
	for i := range p.Gates {
		g := &p.Gates[i]
		put("gate "+g.Name, p.ruleOwners(func(r *Rule) bool { return slices.Contains(r.Gates, g.Name) }),
			fact{"name", g.Title}, fact{"kind", g.Kind}, fact{"at", g.At}, fact{"pointer", g.Pointer}, fact{"is", g.Is}, fact{"cert", g.Cert},
			fact{"stale", length(g.Stale)}, fact{"by", string(g.By)}, fact{"safety", fmt.Sprint(g.Safety)}, fact{"stand_in", string(g.StandIn)}, fact{"stands", string(g.Stands)})
	}
	for i := range p.Jacks {
		j, roles := &p.Jacks[i], []Role{security}
		for _, z := range j.Zones {
			roles = append(roles, p.zones[z].Owner)
		}
		put("jack "+j.Name, roles, fact{"name", j.Title}, fact{"network", j.Network.String()}, fact{"zones", list(j.Zones)})
	}
}

func (p *Plant) assetParts(a *Asset, put putPart) {
	owner := []Role{p.zones[a.Zone].Owner}
	var locks []string
	for _, i := range a.Interlocks {
		locks = append(locks, i.Name+" trips "+string(i.Trips))
	}
	put("asset "+string(a.Name), owner, append(makeFacts(a.Is), fact{"tag", a.Tag}, fact{"name", a.Title}, fact{"zone", string(a.Zone)}, fact{"level", a.Level}, fact{"address", a.Address.String()},
		fact{"source", strings.TrimSpace(a.Source.System + " " + a.Source.ID)}, fact{"stale", dayOf(a.Stale)}, fact{"stops", list(a.Stops)},
		fact{"interlocks", strings.Join(locks, ", ")}, fact{"last backup", dayOf(a.Backup.Last)}, fact{"backup where", a.Backup.Where}, fact{"backup tool", a.Backup.Tool},
		fact{"one_writer", fmt.Sprint(a.OneWriter)}, fact{"safety", a.Safety})...)
	if a.Via != (Via{}) {
		put("way to "+string(a.Name), append(owner, security), fact{"via", string(a.Via.Asset)}, fact{"account", string(a.Via.Account)})
	}
	for i := range a.Ports {
		port := &a.Ports[i]
		what := "port " + string(port.Name) + " of " + string(a.Name)
		put(what, owner, fact{"number", fmt.Sprint(port.Number)}, fact{"rights", flag(!port.Login(), port.Worst.String())}, fact{"enforced", flag(!port.Login(), port.Enforced.String())},
			fact{"host_keys", strings.Join(port.HostKeys, ", ")}, fact{"strict_both", fmt.Sprint(port.StrictBoth)}, fact{"unit", fmt.Sprint(port.Unit)}, fact{"umas", fmt.Sprint(port.UMAS)},
			fact{"unlisted", "read " + port.Unlisted.Read.String() + ", write " + port.Unlisted.Write.String()}, fact{"registers", registerWords(port.Registers)})
		for _, account := range port.Accounts {
			put("account "+string(account.Name)+" at "+what, owner, append(loginFacts(account), fact{"rights", account.Worst.String()}, fact{"enforced", account.Enforced.String()}, fact{"files", flag(account.Hashes, "hashes")}, fact{"file rules", account.Files.words()}, fact{"subsystems", strings.Join(account.Subsystems, ", ")})...)
		}
		p.wayParts(a, port, what, put)
	}
}

// wayParts are what weakens or lengthens the way to a machine: OT security is asked too.
func (p *Plant) wayParts(a *Asset, port *Port, what string, put putPart) {
	roles := []Role{p.zones[a.Zone].Owner, security}
	if o := port.Old; o.Is() {
		put("old algorithms at "+what, append(roles, o.Owner), fact{"allow", strings.Join(o.Algorithms, ", ")}, fact{"why", o.Why}, fact{"owner", string(o.Owner)}, fact{"review", dayOf(o.Review)})
	}
	for _, account := range port.Jumps {
		put("account "+string(account.Name)+" for jumps at "+what, roles, append(loginFacts(account), fact{"rights", account.Worst.String()}, fact{"enforced", account.Enforced.String()}, fact{"files", flag(account.Hashes, "hashes")}, fact{"file rules", account.Files.words()}, fact{"subsystems", strings.Join(account.Subsystems, ", ")})...)
	}
}

func loginFacts(a Account) []fact {
	var prompts []string
	for _, p := range a.Prompts {
		prompts = append(prompts, fmt.Sprintf("%q gives %s", p.Asks, p.Give))
	}
	rotate := ""
	if r := a.Rotate; r.Run != "" || r.Is() || r.Length != 0 {
		rotate = fmt.Sprintf("%q with %q, %d characters", r.Run, r.Lines, r.Length)
	}
	return []fact{{"login", flag(a.Login != LoginCertificate, string(a.Login))}, {"prompts", strings.Join(prompts, ", ")}, {"rotate", rotate}}
}

func (p *Plant) ruleParts(put putPart) {
	for i := range p.Rules {
		r := &p.Rules[i]
		put("rule "+r.Name, p.ruleOwners(func(o *Rule) bool { return o == r }), append(whenFacts(r.When), fact{"plan", needWords(r.Plan)}, fact{"open", r.Open},
			fact{"longest", length(r.Longest)}, fact{"proof", r.Proof}, fact{"spoken", fmt.Sprint(r.Spoken)}, fact{"grace", length(r.Grace)}, fact{"ask", strings.Join(r.Ask, ", ")}, fact{"backup", length(r.Backup)}, fact{"escort", fmt.Sprint(r.Escort)},
			fact{"during", strings.Join(r.During, ", ")}, fact{"not_during", strings.Join(r.NotDuring, ", ")}, fact{"gates", strings.Join(r.Gates, ", ")}, fact{"on_loss", r.OnLoss}, fact{"training", strings.Join(r.Training, ", ")}, fact{"also", needWords(r.Also)}, fact{"at", strings.Join(r.At, ", ")})...)
	}
	for i := range p.Patterns {
		n := &p.Patterns[i]
		put("pattern "+n.Name, append(slices.Clone(n.Owners), security), fact{"assets", list(n.Assets)}, fact{"rights", n.Rights.String()}, fact{"open", n.Open}, fact{"longest", length(n.Longest)},
			fact{"machine", fmt.Sprint(n.Machine)}, fact{"confirm", length(n.Confirm)}, fact{"owners", list(n.Owners)}, fact{"why", n.Why}, fact{"review", dayOf(n.Review)}, fact{"registers", onlyWords(n.Only)})
	}
}

// ruleOwners are the owners of the zones in which such rules hold for vendors, and OT security.
func (p *Plant) ruleOwners(which func(*Rule) bool) []Role {
	roles := []Role{security}
	for i := range p.Rules {
		r := &p.Rules[i]
		if !which(r) {
			continue
		}
		for z := range p.Zones {
			if !p.Zones[z].VendorsNever && (len(r.When.Zones) == 0 || slices.Contains(r.When.Zones, p.Zones[z].Name)) {
				roles = append(roles, p.Zones[z].Owner)
			}
		}
	}
	return roles
}

// nightOwners are the owners of the zones that vendors reach: what is a wall there by day.
func (p *Plant) nightOwners() (roles []Role) {
	for i := range p.Zones {
		if z := &p.Zones[i]; !z.VendorsNever {
			roles = append(roles, z.Owner)
		}
	}
	return roles
}

// stoppers are the owners of the zones with assets that stop a line, and OT security.
func (p *Plant) stoppers(line LineName) []Role {
	roles := []Role{security}
	for i := range p.Assets {
		if a := &p.Assets[i]; slices.Contains(a.Stops, line) {
			roles = append(roles, p.zones[a.Zone].Owner)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// crosses says whether one of two zones has something at level 3.5 or above
// and the other something below it.
func (p *Plant) crosses(from, to ZoneName) bool {
	a, b := p.zones[from], p.zones[to]
	if a == nil || b == nil {
		return false
	}
	above := func(z *Zone) bool { return slices.ContainsFunc(z.Levels, func(l string) bool { return l >= "3.5" }) }
	below := func(z *Zone) bool { return slices.ContainsFunc(z.Levels, func(l string) bool { return l < "3.5" }) }
	return above(a) && below(b) || above(b) && below(a)
}

func whenFacts(w When) []fact {
	return []fact{{"right", w.Rights.String()}, {"zone", list(w.Zones)}, {"asset", list(w.Assets)}, {"line", list(w.Lines)}, {"port", list(w.Ports)}}
}

func makeFacts(m Make) []fact {
	return []fact{{"maker", m.Maker}, {"model", m.Model}, {"firmware", m.Firmware}, {"serial", m.Serial}}
}

func flag(is bool, word string) string { return either(is, word, "") }

func length(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return source.Words(d)
}

func dayOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.DateOnly)
}

func weeklyWordsOf(all []Weekly) string {
	c := Calendar{Weekly: slices.Clone(all)}
	slices.SortFunc(c.Weekly, func(a, b Weekly) int { return cmp.Or(a.From-b.From, a.To-b.To) })
	var words []string
	for _, w := range c.Weekly {
		words = append(words, w.String())
	}
	return strings.Join(words, ", ")
}

func spanWords(all []Span, loc *time.Location) string {
	var words []string
	for _, s := range all {
		words = append(words, fmt.Sprintf("%s %s to %s", s.Name, s.From.In(loc).Format("2006-01-02 15:04"), s.To.In(loc).Format("2006-01-02 15:04")))
	}
	return strings.Join(words, ", ")
}

func onlyWords(all []Only) string {
	var words []string
	for _, o := range all {
		words = append(words, string(o.Asset)+" by "+string(o.Port)+": "+strings.Join(o.Registers, ", "))
	}
	return strings.Join(words, "; ")
}

func registerWords(all []Register) string {
	var words []string
	for _, r := range all {
		words = append(words, fmt.Sprintf("%s %s read %s write %s %s %t %g %g %s %s scale %g", r.Object, r.Name, r.Read, r.Write, r.Unit, r.Limited, r.Min, r.Max, r.Why,
			cmp.Or(r.Type, "u16"), cmp.Or(r.Scale, 1)))
	}
	return strings.Join(words, "; ")
}
