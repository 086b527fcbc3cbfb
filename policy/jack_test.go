package policy_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"penstock/policy"
)

func TestJack(t *testing.T) {
	at := func(base func() scene, change func(*scene)) scene { s := base(); change(&s); return s }
	jack := func(base func() scene) func() scene {
		return func() scene {
			return at(base, func(s *scene) {
				s.f.Window.Jack, s.q.Source, s.f.Person.Networks = "panel-a3", netip.MustParseAddr("10.20.9.17"), nil
			})
		}
	}
	asked := func() scene { return at(asking, func(s *scene) { s.q.Jack = "panel-a3" }) }
	door := func() scene {
		return at(jack(working), func(s *scene) { s.q = policy.Query{Stage: policy.AtAdmit, Source: s.q.Source} })
	}
	for story, row := range map[string]struct {
		scene
		rule string
	}{
		"asked for":                            {asked(), ""},
		"at the jack":                          {jack(working)(), ""},
		"it comes":                             {door(), ""},
		"from outside":                         {at(door, func(s *scene) { s.q.Source = netip.MustParseAddr("198.51.100.7") }), "jack-network"},
		"from the firm's own network":          {at(working, func(s *scene) { s.f.Window.Jack = "panel-a3" }), "jack-network"},
		"at the jack, for access from outside": {at(working, func(s *scene) { s.q.Source = netip.MustParseAddr("10.20.9.17") }), "source-network"},
		"a jack that is gone":                  {at(jack(working), func(s *scene) { s.f.Window.Jack = "panel-b1" }), "jack"},
		"asked by no jack":                     {at(asking, func(s *scene) { s.q.Jack = "panel-b1" }), "jack"},
		"another zone's machine": {at(asking, func(s *scene) {
			s.q.Jack, s.q.Asset, s.q.Account, s.q.Rights = "panel-a3", "historian", "reader", policy.Look
		}), "jack"},
		"an island":             {at(jack(working), func(s *scene) { s.f.Blocks = []policy.Block{{ID: "B-1", All: true}} }), "blocked"},
		"the key is not turned": {at(jack(working), func(s *scene) { s.f.Live.Gates = nil }), "gate:line-1-key"},
	} {
		t.Run(story, func(t *testing.T) {
			p := parse(t, example(t))
			d := p.Decide(row.f, row.q, row.now)
			if d.Rule != row.rule && !d.Allow || d.Allow != (row.rule == "") {
				t.Errorf("allow %t by %q: %s (%s), want %q", d.Allow, d.Rule, d.Say, d.Why, row.rule)
			}
			if e := p.Explain(row.f, row.q, row.now); !reflect.DeepEqual(e.Decision, d) {
				t.Errorf("explained otherwise: %+v\n%+v", e.Decision, d)
			}
		})
	}
}

func TestJacksInAPlantFile(t *testing.T) {
	const line = "  panel-a3: {name: Service jack on panel A3, network: 10.20.9.16/28, zones: [line-1]}\n"
	for story, row := range map[string]struct{ to, says string }{
		"no network":        {strings.Replace(line, "10.20.9.16/28", "10.20.9", 1), `"10.20.9" is no network`},
		"an address":        {strings.Replace(line, "10.20.9.16/28", "10.20.9.17/28", 1), "is no network"},
		"a whole plant's":   {strings.Replace(line, "10.20.9.16/28", "10.0.0.0/8", 1), "is no network of one service jack"},
		"another jack's":    {line + "  panel-b1: {name: B, network: 10.20.9.24/29, zones: [line-1]}\n", "is another jack's as well"},
		"no such zone":      {strings.Replace(line, "[line-1]", "[lime-1]", 1), `there is no zone "lime-1"`},
		"it is for nothing": {strings.Replace(line, ", zones: [line-1]", "", 1), "zones"},
	} {
		_, problems := policy.ParseWith(thisBuild, "plant.yaml", edited(t, line, row.to))
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", story, err)
		}
	}
}
