package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"penstock/policy/source"
)

// Story is one line of a plant.test.yaml: at that moment that person wants
// that, and this is what the plant file must say.
type Story struct {
	Place   source.Place
	At      string // "Sun 02:00" or RFC 3339; see Moment
	Who     string // firm/person; the firm named as the site is the plant itself
	Want    Want
	Allowed bool
	Rule    string // refused: by which
	Hint    string // refused: words that the person is told
	Asked   []Role // allowed: exactly who hears of it
	Gates   []string
	Longest time.Duration
}

// Want is what a story or `policy explain` asks for. Port may be empty where
// the account, or the asset's only port, says which; zero Minutes are 30.
type Want struct {
	Asset   AssetName
	Port    PortName
	Account AccountName
	Rights  Rights
	Minutes int
	// Say are the gates that say yes when it is played; nil: all of them.
	Say []string
	// First plays it for somebody who never worked in a window here.
	First bool
}

// usualMinutes are asked for where nobody says how many.
const usualMinutes = 30

// ParseStories reads a plant.test.yaml: a list of stories.
func ParseStories(name string, text []byte) ([]Story, source.Problems) {
	var r source.Report
	var all []Story
	for _, item := range source.Load(name, text, &r).Items() {
		s := item.Fields("at", "who", "wants", "is", "rule", "hint", "asked", "gates", "open_gates", "longest", "first")
		one := Story{Place: item.Place(), At: s.Need("at").Text(), Who: s.Need("who").Text(), Want: parseWant(s.Need("wants")),
			Allowed: s.Need("is").OneOf("allowed", "refused") == "allowed", Rule: s.Get("rule").Text(), Hint: s.Get("hint").Text(),
			Longest: s.Get("longest").Duration(time.Minute, 31*24*time.Hour)}
		one.Want.First = s.Get("first").Bool()
		for _, at := range s.Get("asked").Items() {
			one.Asked = append(one.Asked, Role(at.Text()))
		}
		for _, at := range s.Get("gates").Items() {
			one.Gates = append(one.Gates, at.Text())
		}
		if v := s.Get("open_gates"); v.Here() {
			one.Want.Say = []string{}
			for _, at := range v.Items() {
				one.Want.Say = append(one.Want.Say, at.Text())
			}
		}
		if _, err := Moment(one.At, time.Unix(0, 0), time.UTC); err != nil && one.At != "" {
			s.Get("at").Refuse(err.Error(), "")
		}
		if _, _, ok := firmPerson(one.Who); !ok && one.Who != "" {
			s.Get("who").Refuse(fmt.Sprintf("%q is nobody", one.Who), "write firm/person, such as krall/ann")
		}
		if one.Allowed && (s.Get("rule").Here() || s.Get("hint").Here()) {
			item.Refuse("rule and hint are for what is refused", "leave them out, or say is: refused")
		}
		if !one.Allowed && !s.Get("rule").Here() {
			item.Refuse("a refused story says by which rule", "rule: no-conduit")
		}
		all = append(all, one)
	}
	return all, r.Problems()
}

func parseWant(v source.Value) Want {
	s := v.Fields("asset", "port", "account", "rights", "minutes")
	w := Want{Asset: AssetName(s.Need("asset").Text()), Port: PortName(s.Get("port").Text()), Account: AccountName(s.Get("account").Text()),
		Minutes: s.Get("minutes").Int(1, 31*24*60)}
	var words []string
	for _, at := range s.Need("rights").Items() {
		words = append(words, at.OneOf(rightWords...))
	}
	rights, err := ParseRights(words)
	if err != nil && len(words) > 0 && !slices.Contains(words, "") {
		s.Get("rights").Refuse(err.Error(), "")
	}
	w.Rights = rights
	return w
}

func firmPerson(who string) (FirmID, PersonID, bool) {
	firm, person, ok := strings.Cut(who, "/")
	return FirmID(firm), PersonID(person), ok && ValidID(firm) && ValidID(person)
}

// Moment reads RFC 3339, "2026-12-20 10:00", or "Tue 03:07", which is the next
// such moment from base on by the clock of loc.
func Moment(s string, base time.Time, loc *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if t, err := time.Parse("2006-01-02 15:04", s); err == nil {
		return resolve(t, loc, false), nil
	}
	name, clock, _ := strings.Cut(s, " ")
	day := slices.Index(weekdays, name)
	t, err := time.Parse("15:04", clock)
	if err != nil || day < 0 {
		return time.Time{}, fmt.Errorf("%q is no moment; write Tue 03:07, 2026-12-20 10:00 or 2026-12-20T10:00:00+01:00", s)
	}
	y, m, d := base.In(loc).Date()
	for i := range 9 {
		at := time.Date(y, m, d+i, t.Hour(), t.Minute(), 0, 0, time.UTC)
		if moment := resolve(at, loc, false); int(at.Weekday()) == day && !moment.Before(base) {
			return moment, nil
		}
	}
	return time.Time{}, fmt.Errorf("no %q is near %s", s, base)
}

// DryRun says what would happen if who wanted this at that moment for its
// minutes: first the ask, then a channel in the middle of a window that was
// agreed, opened and kept as asked, with an escort there and the gates of
// w.Say, or all, saying yes; a gate that the plant has not is an error. It shows what the plant file says, not what anybody agreed.
func (p *Plant) DryRun(who string, w Want, now time.Time) (ask, channel Explanation, err error) {
	firm, person, ok := firmPerson(who)
	if !ok {
		return ask, channel, fmt.Errorf("%q is nobody; write firm/person, such as krall/ann", who)
	}
	for _, name := range w.Say {
		if p.gates[name] == nil {
			return ask, channel, fmt.Errorf("%q is no gate of this plant", name)
		}
	}
	p.complete(&w)
	length := time.Duration(w.Minutes) * time.Minute
	from := netip.MustParseAddr("192.0.2.1") // an example's address, in an example's network
	f := Facts{Person: PersonFacts{ID: person, Firm: firm, Plant: string(firm) == p.Site.ID, Networks: []netip.Prefix{netip.PrefixFrom(from, 32)}, Training: p.allTraining(now)}}
	f.Ask.Known = !w.First
	q := Query{Stage: AtAsk, Source: from, Asset: w.Asset, Port: w.Port, Account: w.Account, Rights: w.Rights, From: now, Until: now.Add(length), Minutes: w.Minutes}
	ask = p.Explain(f, q, now)
	f.Window = WindowFacts{ID: "W-0", Rev: 1, Agreed: true, Live: true, From: now, Until: now.Add(length), People: []PersonID{person},
		Targets: []Target{{w.Asset, w.Port, w.Account}}, Rights: w.Rights | Look}
	f.Live = LiveFacts{Escort: true, Gates: map[string]bool{}}
	for _, g := range p.Gates {
		f.Live.Gates[g.Name] = w.Say == nil || slices.Contains(w.Say, g.Name)
	}
	q.Stage = AtChannel
	return ask, p.Explain(f, q, now), nil
}

// complete fills in the port where only one can be meant, and the minutes.
func (p *Plant) complete(w *Want) {
	if w.Minutes == 0 {
		w.Minutes = usualMinutes
	}
	a, ok := p.assets[w.Asset]
	if !ok || w.Port != "" {
		return
	}
	for _, port := range a.Ports {
		if _, has := port.Account(w.Account); has || len(a.Ports) == 1 {
			w.Port = port.Name
			return
		}
	}
}

// moment is when the story plays. A weekday without a date is the next such
// moment of an ordinary day, so that a story means the same in every season.
func (s Story) moment(p *Plant, base time.Time) (time.Time, error) {
	for range 60 {
		at, err := Moment(s.At, base, p.location)
		if err != nil || at.Before(base) || !slices.Contains(weekdays, strings.SplitN(s.At, " ", 2)[0]) || p.ordinary(at) {
			return at, err
		}
		base = at.Add(time.Minute)
	}
	return time.Time{}, fmt.Errorf("no ordinary %s in more than a year; give the day's date", s.At)
}

// ordinary says whether nothing but the weekly calendars holds on the days
// around t: no freeze, nothing that is once, no change of the clock.
func (p *Plant) ordinary(t time.Time) bool {
	from, to := t.Add(-24*time.Hour), t.Add(48*time.Hour)
	for i := range p.Calendars {
		for _, s := range slices.Concat(p.Calendars[i].Once, p.Calendars[i].Freeze) {
			if s.From.Before(to) && from.Before(s.To) {
				return false
			}
		}
	}
	_, before := from.In(p.location).Zone()
	_, after := to.In(p.location).Zone()
	return before == after
}

// Check plays the story on the plant and lists what came out otherwise.
// A weekday without a date is looked for from base on.
func (s Story) Check(p *Plant, base time.Time) []string {
	now, err := s.moment(p, base)
	if err != nil {
		return []string{err.Error()}
	}
	ask, channel, err := p.DryRun(s.Who, s.Want, now)
	if err != nil {
		return []string{err.Error()}
	}
	d := ask.Decision
	if d.Allow {
		d = channel.Decision
	}
	var off []string
	differ := func(what string, is, want any) {
		off = append(off, fmt.Sprintf("%s is %v, not %v", what, is, want))
	}
	switch {
	case d.Allow && !s.Allowed:
		return []string{"is allowed by " + d.Rule + ", not refused"}
	case !d.Allow && s.Allowed:
		return []string{"is refused by " + d.Rule + ", not allowed: " + d.Say}
	case !d.Allow:
		if d.Rule != s.Rule {
			differ("the rule", d.Rule, s.Rule)
		}
		if !strings.Contains(d.Say, s.Hint) {
			differ("what the person is told", fmt.Sprintf("%q", d.Say), fmt.Sprintf("something with %q", s.Hint))
		}
		return off
	}
	if want := slices.Sorted(slices.Values(s.Asked)); s.Asked != nil && !slices.Equal(ask.Quorum.Asked(), want) {
		differ("asked", list(ask.Quorum.Asked()), list(want))
	}
	if want := slices.Sorted(slices.Values(s.Gates)); s.Gates != nil && !slices.Equal(ask.Gates, want) {
		differ("gates", ask.Gates, want)
	}
	if s.Longest != 0 && ask.Quorum.Longest != s.Longest {
		differ("longest", source.Words(ask.Quorum.Longest), source.Words(s.Longest))
	}
	return off
}
