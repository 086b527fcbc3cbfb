package policy_test

import (
	"reflect"
	"testing"

	"penstock/policy"
)

// siteAsk is ann's laptop beside the filler, asked for the night of the outage.
func siteAsk() scene {
	s := asking()
	s.q.Port, s.q.Account, s.q.OnSite, s.q.Rights = "", "", true, all
	return s
}

// siteWindow is the same as it was agreed, and about to be opened.
func siteWindow() scene {
	s := opening()
	s.f.Window.OnSite, s.f.Window.Rights = true, all
	s.f.Window.Targets = []policy.Target{{Asset: "filler-plc"}}
	return s
}

func TestOnSite(t *testing.T) {
	at := func(base func() scene, change func(*scene)) scene { s := base(); change(&s); return s }
	running := func(stage policy.Stage) scene {
		return at(working, func(s *scene) { s.f.Window.OnSite, s.q.Stage = true, stage })
	}
	for story, row := range map[string]struct {
		scene
		rule string
	}{
		"asked":                        {siteAsk(), ""},
		"opened":                       {siteWindow(), ""},
		"with a way in":                {at(siteAsk, func(s *scene) { s.q.Port = "ssh" }), "on-site"},
		"more than a conduit carries":  {at(siteAsk, func(s *scene) { s.q.Rights |= policy.Device }), ""}, // it goes through none
		"an unknown machine":           {at(siteAsk, func(s *scene) { s.q.Asset = "filer-plc" }), "unknown-asset"},
		"a blocked firm":               {at(siteAsk, func(s *scene) { s.f.Blocks = []policy.Block{{ID: "B-1", Firm: "krall"}} }), "blocked"},
		"an island":                    {at(siteWindow, func(s *scene) { s.f.Blocks = []policy.Block{{ID: "B-1", All: true}} }), "blocked"},
		"a safety machine":             {at(siteAsk, func(s *scene) { s.q.Asset = "safety-plc" }), "zone-never"},
		"longer than the rules allow":  {at(siteAsk, func(s *scene) { s.q.Minutes = 241 }), "too-long"},
		"in no outage":                 {at(siteAsk, func(s *scene) { s.q.From, s.q.Until = day("2026-11-23 08:00"), day("2026-11-24 18:00") }), "calendar:line-1-outage"},
		"in the campaign":              {at(siteAsk, func(s *scene) { s.q.From, s.q.Until = day("2026-12-20 00:00"), day("2026-12-27 12:00") }), "freeze:campaign"},
		"opened in no outage":          {at(siteWindow, func(s *scene) { s.now = day("2026-11-22 06:00") }), "calendar:line-1-outage"},
		"opened, key not turned":       {at(siteWindow, func(s *scene) { s.f.Live.Gates = nil }), "gate:line-1-key"},
		"somebody connects":            {at(func() scene { return running(policy.AtAdmit) }, func(s *scene) { s.q.Asset, s.q.Port, s.q.Account, s.q.Rights = "", "", "", 0 }), "on-site"},
		"somebody opens a channel":     {running(policy.AtChannel), "on-site"},
		"an operation passes":          {running(policy.AtOperation), "on-site"},
		"a channel that names no port": {at(func() scene { return running(policy.AtChannel) }, func(s *scene) { s.q.Port, s.q.Account = "", "" }), "unknown-port"},
		"nobody else's window is it":   {at(working, func(s *scene) { s.q.OnSite = true }), ""}, // the window's facts count, and not the question
	} {
		t.Run(story, func(t *testing.T) {
			p := parse(t, example(t))
			d := p.Decide(row.f, row.q, row.now)
			if d.Allow != (row.rule == "") || !d.Allow && d.Rule != row.rule {
				t.Errorf("allow %t by %q: %s (%s), want %q", d.Allow, d.Rule, d.Say, d.Why, row.rule)
			}
			if e := p.Explain(row.f, row.q, row.now); !reflect.DeepEqual(e.Decision, d) {
				t.Errorf("explained otherwise: %+v\n%+v", e.Decision, d)
			}
			if row.f.Window.OnSite && d.Target.IsValid() {
				t.Errorf("it may dial %s", d.Target)
			}
		})
	}
}
