package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

const eitherTeam = "  either: {name: Owner or duty engineer, any: [line-1-owner, duty-engineer]}\n  duty-engineer: "

// A team of teams: whoever counts in one of them counts in it, two of it are two
// people of any of them, and nobody holds it.
func TestTeamOfTeams(t *testing.T) {
	files := edited(t, "  duty-engineer: ", eitherTeam)
	files["plant.yaml"] = []byte(strings.Replace(string(files["plant.yaml"]), "plan: [owner, ot-security], ", "plan: [{either: 2}, ot-security], ", 1))
	p := parse(t, files)
	q, err := p.Quorum([]policy.AssetName{"filler-plc"}, policy.Look|policy.Load)
	if err != nil || !slices.ContainsFunc(q.Needs, func(n policy.Need) bool { return n.Role == "either" && n.Count == 2 }) {
		t.Fatalf("%+v, %v", q.Needs, err)
	}
	if p.HasRole("either") || !p.HasRole("duty-engineer") {
		t.Error("nobody can hold a team of teams")
	}
	for _, row := range []struct{ roles, want string }{
		{"duty-engineer", "duty-engineer either"}, {"line-1-owner shift", "either line-1-owner shift"}, {"shift", "shift"}, {"", ""},
		{"duty-engineer line-1-owner", "duty-engineer either line-1-owner"},
	} {
		if got := strings.Join(p.Counting(strings.Fields(row.roles)), " "); got != row.want {
			t.Errorf("%q count as %q, want %q", row.roles, got, row.want)
		}
	}
}

func TestTeamOfTeamsRefused(t *testing.T) {
	for story, row := range map[string]struct{ from, to, want string }{
		"of one":              {"  duty-engineer: ", "  either: {name: E, any: [duty-engineer]}\n  duty-engineer: ", "any has 1 teams"},
		"of itself":           {"  duty-engineer: ", "  either: {name: E, any: [duty-engineer, either]}\n  duty-engineer: ", "either is a team of teams"},
		"of another such":     {"  duty-engineer: ", "  more: {name: M, any: [either, it-network]}\n" + eitherTeam, "either is a team of teams"},
		"of what is not":      {"  duty-engineer: ", "  either: {name: E, any: [duty-engineer, moon]}\n  duty-engineer: ", "moon"},
		"twice the same":      {"  duty-engineer: ", "  either: {name: E, any: [duty-engineer, duty-engineer]}\n  duty-engineer: ", "here twice"},
		"with a deputy":       {"  duty-engineer: ", "  either: {name: E, any: [duty-engineer, line-1-owner], deputy: it-network}\n  duty-engineer: ", "nobody stands in"},
		"as whom to ask next": {"asks_next: plant-manager, after: 10m", "asks_next: either, after: 10m}\n  either: {name: E, any: [line-1-owner, ot-security]", "either is a team of teams"},
	} {
		_, problems := policy.ParseWith(thisBuild, "plant.yaml", edited(t, row.from, row.to))
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", story, err, row.want)
		}
	}
}

// Who must agree besides at night: where the span touches it, by a minute, and
// where nothing is said of times; over the end of summer time too.
func TestAlsoAtNight(t *testing.T) {
	files := edited(t, "\nrules:", "\nrules:\n  - {name: night, when: {zone: line-1, right: [set]}, also: [duty-engineer], at: dark}")
	files["plant.yaml"] = []byte(strings.Replace(string(files["plant.yaml"]), "\ncalendars:", "\ncalendars:\n  dark: {weekly: [Mon 22:00-06:00, Tue 22:00-06:00, Wed 22:00-06:00, Thu 22:00-06:00, Fri 22:00-06:00, Sat 22:00-06:00, Sun 22:00-06:00]}", 1))
	p := parse(t, files)
	at := func(s string) time.Time {
		when, err := time.ParseInLocation("2006-01-02 15:04", s, p.Location())
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, row := range []struct {
		story  string
		within []policy.Within
		rights policy.Rights
		asked  bool
	}{
		{"by day", []policy.Within{{From: at("2026-11-24 06:00"), To: at("2026-11-24 22:00")}}, policy.Look | policy.Set, false},
		{"a minute into the night", []policy.Within{{From: at("2026-11-24 06:00"), To: at("2026-11-24 22:01")}}, policy.Look | policy.Set, true},
		{"in the night that is an hour longer", []policy.Within{{From: at("2026-10-25 05:30"), To: at("2026-10-25 05:45")}}, policy.Look | policy.Set, true},
		{"nothing said of times", nil, policy.Look | policy.Set, true},
		{"another right", nil, policy.Look, false},
	} {
		q, err := p.Quorum([]policy.AssetName{"filler-plc"}, row.rights, row.within...)
		if err != nil {
			t.Fatal(err)
		}
		asked := slices.ContainsFunc(q.Needs, func(n policy.Need) bool { return n.Role == "duty-engineer" && n.Rule == "night" })
		if asked != row.asked || len(q.Needs) < 1 || !slices.ContainsFunc(q.Needs, func(n policy.Need) bool { return n.Role != "duty-engineer" }) {
			t.Errorf("%s: %+v", row.story, q.Needs)
		}
	}
	for story, row := range map[string]struct{ rule, want string }{
		"with a plan":    {"{name: x, when: {right: set}, plan: [owner], open: shift, longest: 1h, also: [safety]}", "has a plan already"},
		"at for nothing": {"{name: x, when: {right: set}, escort: true, at: campaign}", "nobody is there"},
		"no calendar":    {"{name: x, when: {right: set}, also: [safety], at: moon}", "moon"},
		"nobody":         {"{name: x, when: {right: set}, also: []}", "says nothing"},
	} {
		_, problems := policy.ParseWith(thisBuild, "plant.yaml", edited(t, "\nrules:", "\nrules:\n  - "+row.rule))
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", story, err, row.want)
		}
	}
}
