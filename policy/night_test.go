package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

const (
	exampleNight = "night: {during: nights, red: [network, number]}"
	everyNight   = "night: {during: nights, red: [first-visit, network, number]}"
)

// lookAsked is ann asking to look at the filler at a moment, known and in order.
func lookAsked(at time.Time) scene {
	s := asking()
	s.q.Account, s.q.Rights, s.q.Minutes = "viewer", policy.Look, 30
	s.q.From, s.q.Until, s.now = at, at.Add(2*time.Hour), at
	s.q.Source = netip.MustParseAddr("198.51.100.7")
	s.f.Ask.Known = true
	return s
}

// By night and to look, what is out of order is red, under an escort; by day, and
// for more than looking, it is a wall with the rule's name.
func TestWhatIsUnusualByNightAndByDay(t *testing.T) {
	p := changedPlant(t, exampleNight, everyNight)
	night, noon := day("2026-11-24 03:07"), day("2026-11-24 12:00")
	stranger := func(s *scene) { s.f.Ask.Known = false }
	elsewhere := func(s *scene) { s.q.Source = netip.MustParseAddr("203.0.113.9") }
	lacks := func(fields ...string) func(*scene) { return func(s *scene) { s.f.Ask.Missing = fields } }
	copies := func(s *scene) {
		s.q.Account, s.q.Rights = "recipes", policy.Look|policy.Copy|policy.Set
	}
	for _, row := range []struct {
		story string
		at    time.Time
		is    []func(*scene)
		rule  string
		red   string
	}{
		{"nothing, by night", night, nil, "", ""},
		{"nothing, by day", noon, nil, "", ""},
		{"a stranger by night", night, []func(*scene){stranger}, "", "first-visit"},
		{"a stranger by day", noon, []func(*scene){stranger}, "first-visit", ""},
		{"a stranger by night who wants more", night, []func(*scene){stranger, copies}, "first-visit", ""},
		{"from elsewhere by night", night, []func(*scene){elsewhere}, "", "network"},
		{"from elsewhere by day", noon, []func(*scene){elsewhere}, "source-network", ""},
		{"from elsewhere, for more", night, []func(*scene){elsewhere, copies}, "source-network", ""},
		{"no work order by night", night, []func(*scene){lacks("work_order")}, "", "number"},
		{"no work order by day", noon, []func(*scene){lacks("work_order")}, "fields-missing", ""},
		{"no backout by night", night, []func(*scene){lacks("backout")}, "fields-missing", ""},
		{"no backout, and a stranger", night, []func(*scene){lacks("backout"), stranger}, "fields-missing", ""},
		{"all three by night", night, []func(*scene){stranger, elsewhere, lacks("change", "work_order")}, "", "first-visit network number"},
		{"all three by day: the worst is told", noon, []func(*scene){stranger, elsewhere, lacks("change")}, "first-visit", ""},
		{"a minute before the night", day("2026-11-24 19:59"), []func(*scene){stranger}, "first-visit", ""},
		{"at its first minute", day("2026-11-24 20:00"), []func(*scene){stranger}, "", "first-visit"},
		{"at its last", day("2026-11-24 05:59"), []func(*scene){stranger}, "", "first-visit"},
		{"after it", day("2026-11-24 06:00"), []func(*scene){stranger}, "first-visit", ""},
		{"a Sunday noon, when nobody plans", day("2026-11-22 12:00"), []func(*scene){stranger}, "", "first-visit"},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := lookAsked(row.at)
			for _, change := range row.is {
				change(&s)
			}
			e := p.Explain(s.f, s.q, s.now)
			if d := e.Decision; d.Allow != (row.rule == "") || !d.Allow && d.Rule != row.rule || strings.Join(d.Red, " ") != row.red || d.Duties.Escort != (row.red != "") {
				t.Errorf("%+v\n%s", d, e)
			}
		})
	}
	// Where the plant file says nothing of a night, a first visit is nothing, and a number is missing at any hour.
	plain := changedPlant(t, exampleNight, "", "  nights:        {weekly: [Mon-Sun 20:00-06:00, Sat-Sun 06:00-20:00]}     # nobody plans\n", "")
	s := lookAsked(night)
	s.f.Ask.Known = false
	if d := plain.Decide(s.f, s.q, s.now); !d.Allow || d.Red != nil {
		t.Errorf("without a night: %+v", d)
	}
	s.f.Ask.Missing = []string{"work_order"}
	if d := plain.Decide(s.f, s.q, s.now); d.Rule != "fields-missing" {
		t.Errorf("without a night: %+v", d)
	}
}

// The night is by the wall clock: eleven hours long when the clock goes back,
// nine when it goes forward.
func TestTheNightAcrossClockChanges(t *testing.T) {
	p := changedPlant(t, "weekly: [Mon-Sun 20:00-06:00, Sat-Sun 06:00-20:00]", "weekly: [Mon-Sun 20:00-06:00]")
	filler := []policy.AssetName{"filler-plc"}
	for _, row := range []struct {
		from  string
		hours int
	}{{"2026-11-23 20:00", 10}, {"2026-10-24 20:00", 11}, {"2027-03-27 20:00", 9}, {"2028-02-28 20:00", 10}, {"2028-02-29 20:00", 10}} {
		begin := day(row.from)
		end := begin.Add(time.Duration(row.hours) * time.Hour)
		for _, at := range []struct {
			when  time.Time
			night bool
		}{{begin.Add(-time.Second), false}, {begin, true}, {end.Add(-time.Second), true}, {end, false}} {
			if got := p.IsNight(filler, at.when, false); got != at.night {
				t.Errorf("%s: night %t at %s", row.from, got, at.when)
			}
		}
	}
}

// A zone may have its own, and a request for two zones is by night only where
// both have it; a team's roster may say it instead.
func TestWhoseNightItIs(t *testing.T) {
	p := changedPlant(t, "utilities: {name: Utilities,        levels: [1, 2],", "utilities: {name: Utilities, night: late, levels: [1, 2],",
		"calendars:  ", "calendars:\n  late: {weekly: [Mon-Sun 23:00-04:00]}\n#")
	at := day("2026-11-24 05:00")
	for _, row := range []struct {
		assets []policy.AssetName
		night  bool
	}{{[]policy.AssetName{"filler-plc"}, true}, {[]policy.AssetName{"chiller-plc"}, false}, {[]policy.AssetName{"chiller-plc", "filler-plc"}, false}, {[]policy.AssetName{"gone"}, false}, {nil, false}} {
		if got := p.IsNight(row.assets, at, true); got != row.night {
			t.Errorf("%v: %t", row.assets, got)
		}
	}
	p = changedPlant(t, "night: {during: nights,", "night: {without: line-1-owner,", "not_during: campaign}\n  - {name: campaign", "not_during: [campaign, nights]}\n  - {name: campaign")
	for _, off := range []bool{true, false} {
		if got := p.IsNight([]policy.AssetName{"filler-plc"}, day("2026-11-24 12:00"), off); got != off {
			t.Errorf("nobody on duty %t: night %t", off, got)
		}
	}
}

// At the doors a red item lets through what was agreed to with it, and no more:
// that address, to look, and only while the escort is there.
func TestARedItemAtTheDoors(t *testing.T) {
	p := parse(t, example(t))
	for _, row := range []struct {
		story string
		is    func(*scene)
		rule  string
	}{
		{"as agreed", func(*scene) {}, ""},
		{"no escort", func(s *scene) { s.f.Live.Escort = false }, "escort"},
		{"another address", func(s *scene) { s.q.Source = netip.MustParseAddr("203.0.113.10") }, "source-network"},
		{"its own network", func(s *scene) { s.q.Source = netip.MustParseAddr("198.51.100.9") }, ""},
		{"agreed without a network", func(s *scene) { s.f.Window.Network = netip.Prefix{} }, "source-network"},
		{"agreed without an escort", func(s *scene) { s.f.Window.Escort = false }, "source-network"},
		{"a window for more", func(s *scene) { s.f.Window.Rights |= policy.Copy }, "source-network"},
		{"as IPv4 in IPv6", func(s *scene) { s.q.Source = netip.MustParseAddr("::ffff:203.0.113.9") }, ""},
	} {
		s := looking()
		s.f.Window.Escort, s.f.Window.Network = true, policy.Address(netip.MustParseAddr("203.0.113.9"))
		s.q.Source = netip.MustParseAddr("203.0.113.9")
		row.is(&s)
		if d := p.Decide(s.f, s.q, s.now); d.Allow != (row.rule == "") || !d.Allow && d.Rule != row.rule {
			t.Errorf("%s: %+v", row.story, d)
		}
	}
	if got := policy.Address(netip.MustParseAddr("2001:db8::5")).String(); got != "2001:db8::/64" {
		t.Error(got)
	}
}

func TestWhatIsWrongWithANight(t *testing.T) {
	for _, row := range []struct{ is, says string }{
		{"night: {red: [network]}", "one of the two"},
		{"night: {during: nights, without: shift, red: [network]}", "one of the two"},
		{"night: {during: nights}", "red"},
		{"night: {during: nights, red: []}", "empty"},
		{"night: {during: nights, red: [network, network]}", "twice"},
		{"night: {during: nights, red: [key]}", "first-visit"},
		{"night: {during: campaign, red: [network]}", "freeze"},
		{"night: {during: nowhere, red: [network]}", "nowhere"},
	} {
		_, problems := policy.ParseWith(thisBuild, "plant.yaml", edited(t, exampleNight, row.is))
		if problems == nil || !strings.Contains(problems.Error(), row.says) {
			t.Errorf("%s: %v", row.is, problems)
		}
	}
}

// Whoever answers for a zone that vendors reach agrees to another night, and the
// change says who gains.
func TestAnotherNightIsAgreed(t *testing.T) {
	before, after := changedPlant(t, exampleNight, "night: {during: nights, red: [number]}"), changedPlant(t, exampleNight, everyNight)
	var means []string
	for _, d := range policy.Diff(before, after) {
		if d.What == "vendors" {
			means = append(means, d.Means)
			if !slices.Contains(d.Touches, "line-1-owner") || !slices.Contains(d.Touches, "ot-security") {
				t.Errorf("%+v", d)
			}
		}
	}
	if !slices.Equal(means, []string{policy.Gains, policy.Loses}) {
		t.Errorf("%q", policy.Diff(before, after))
	}
}
