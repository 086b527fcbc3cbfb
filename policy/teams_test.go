package policy_test

import (
	"slices"
	"strings"
	"testing"

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
