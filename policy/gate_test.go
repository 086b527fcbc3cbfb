package policy_test

import (
	"strings"
	"testing"

	"penstock/configs"
	"penstock/policy"
)

func conditions(t *testing.T, on string, rights policy.Rights, change ...string) policy.Conditions {
	t.Helper()
	text := strings.NewReplacer(change...).Replace(string(configs.Plant()["plant.yaml"]))
	files := configs.Plant()
	files["plant.yaml"] = []byte(text)
	p, problems := policy.ParseWith(thisBuild, "plant.yaml", files)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p.Conditions([]policy.Target{{Asset: policy.AssetName(on), Port: "ssh"}}, rights)
}

func TestConditions(t *testing.T) {
	if c := conditions(t, "filler-plc", policy.Look|policy.Copy); len(c.Gates) != 0 || c.Escort {
		t.Errorf("look and copy ask %+v", c)
	}
	if c := conditions(t, "filler-plc", policy.Set); len(c.Gates) != 1 || c.Gates[0] != (policy.GateAsked{Name: "line-1-key"}) || c.Escort {
		t.Errorf("set asks %+v", c)
	}
	if c := conditions(t, "historian", policy.Load); len(c.Gates) != 0 || !c.Escort || c.EscortEnds {
		t.Errorf("load in ops asks %+v", c)
	}
	ends := []string{"gates: line-1-key}", "gates: line-1-key, on_loss: end}\n  - {name: key2, when: {zone: line-1, right: load}, gates: line-1-key, on_loss: pause}"}
	if c := conditions(t, "filler-plc", policy.Load, ends...); len(c.Gates) != 2 || c.Gates[0].Ends || !c.Gates[1].Ends || c.EscortEnds {
		t.Errorf("of two rules the strictest: %+v", c)
	}
}

func TestMayEscort(t *testing.T) {
	p := parse(t, configs.Plant())
	for role, may := range map[policy.Role]bool{"shift": true, "line-1-owner": true, "ot-security": true, "utilities-shift": false, "plant-manager": false} {
		if got := p.MayEscort([]policy.Role{role}, "filler-plc"); got != may {
			t.Errorf("%s: %t", role, got)
		}
	}
}
