package policy_test

import (
	"slices"
	"strings"
	"testing"

	"penstock/configs"
	"penstock/policy"
)

func shippedPlant(t *testing.T) *policy.Plant {
	t.Helper()
	p, problems := policy.ParseWith(thisBuild, "plant.yaml", configs.Plant())
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// What is said of a role is what Quorum asks of it, zone by zone and right by
// right: nothing is said that does not count, and nothing is left out.
func TestPowersAreWhatCounts(t *testing.T) {
	p := shippedPlant(t)
	said := 0
	for _, role := range p.Roles() {
		all := p.Powers([]policy.Role{role})
		for _, z := range p.Zones {
			var agrees, opens policy.Rights
			for _, a := range p.Assets {
				if a.Zone != z.Name || z.VendorsNever {
					continue
				}
				for right := policy.Look; right <= policy.Device; right <<= 1 {
					q, err := p.Quorum([]policy.AssetName{a.Name}, right)
					if err != nil {
						continue
					}
					if slices.ContainsFunc(q.Needs, func(n policy.Need) bool { return n.Role == role }) {
						agrees |= right
					}
					if slices.Contains(q.Openers, role) {
						opens |= right
					}
				}
			}
			for begins, want := range map[string]policy.Rights{"agree to " + agrees.InWords() + " on " + z.Title: agrees,
				"open windows on " + z.Title + " (" + opens.InWords() + ")": opens} {
				is := slices.ContainsFunc(all, func(one policy.Power) bool { return strings.HasPrefix(one.Does, begins) && one.By == role })
				if is != (want != 0) {
					t.Errorf("%s: %q is said: %t, counts: %t; all: %+v", role, begins, is, want != 0, all)
				}
				if is {
					said++
				}
			}
		}
	}
	if said < 4 {
		t.Errorf("only %d were said", said)
	}
}

func TestPowersInWords(t *testing.T) {
	p := shippedPlant(t)
	for role, want := range map[policy.Role][]policy.Power{
		"shift":       {{Does: "watch and escort work on Filling line 1", By: "shift", From: "zone line-1"}, {Does: "pause, end, cut and block, anywhere", By: "shift", From: "it is the shift or owner of a zone"}},
		"ot-security": {{Does: "pause, end, cut and block, anywhere", By: "ot-security", From: "it is OT security"}},
	} {
		have := p.Powers([]policy.Role{role})
		for _, w := range want {
			if !slices.Contains(have, w) {
				t.Errorf("%s: %+v is not among %+v", role, w, have)
			}
		}
	}
	if have := p.Powers([]policy.Role{"nobody"}); len(have) != 0 {
		t.Errorf("a role that the plant has not: %+v", have)
	}
}
