package policy_test

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

// monitor is krall's condition monitor at its gateway, in the example's own frame.
func monitor() scene {
	s := working()
	s.now = day("2026-11-24 10:00")
	s.f.Person.ID, s.f.Person.Machine, s.f.Person.Keys = "krall-monitor", true, []string{"SHA256:m"}
	s.f.Person.Terms = true // the keeper reads them
	s.f.Window = policy.WindowFacts{ID: "W-30", Agreed: true, Live: true, From: s.now.Add(-48 * time.Hour), Until: s.now.Add(80 * 24 * time.Hour), Rights: policy.Look,
		People: []policy.PersonID{"krall-monitor"}, Targets: []policy.Target{{Asset: "filler-gateway", Port: "https"}},
		Standing: policy.Standing{Frame: "filler-monitor", Key: "SHA256:m", Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32")}}}
	s.q = policy.Query{Stage: policy.AtChannel, Source: s.q.Source, Asset: "filler-gateway", Port: "https", Rights: policy.Look, Kind: "direct-tcpip"}
	return s
}

func TestStanding(t *testing.T) {
	at := func(base func() scene, change func(*scene)) scene { s := base(); change(&s); return s }
	door := func() scene {
		return at(monitor, func(s *scene) { s.q = policy.Query{Stage: policy.AtAdmit, Source: s.q.Source, Key: "SHA256:m"} })
	}
	asked := func() scene {
		return at(monitor, func(s *scene) {
			s.f.Window = policy.WindowFacts{}
			s.q.Stage, s.q.Kind, s.q.Frame, s.q.Minutes, s.q.From, s.q.Until = policy.AtAsk, "", "filler-monitor", 90*24*60, s.now, day("2027-03-31 12:00")
		})
	}
	for story, row := range map[string]struct {
		scene
		rule string
	}{
		"it looks":                         {monitor(), ""},
		"it comes":                         {door(), ""},
		"it is asked for":                  {asked(), ""},
		"after two days and 80":            {at(monitor, func(s *scene) { s.now = s.now.Add(79 * 24 * time.Hour) }), ""},
		"not confirmed":                    {at(monitor, func(s *scene) { s.now = s.now.Add(80 * 24 * time.Hour) }), "window-ended"},
		"its frame was not looked at":      {at(monitor, func(s *scene) { s.f.Window.Until = day("2028-01-01 00:00"); s.now = day("2027-04-01 00:00") }), "standing-frame"},
		"another key":                      {at(door, func(s *scene) { s.f.Person.Keys, s.q.Key = []string{"SHA256:n"}, "SHA256:n" }), "standing-key"},
		"its key was taken away":           {at(door, func(s *scene) { s.f.Person.Keys = nil }), "key-gone"},
		"by no key":                        {at(door, func(s *scene) { s.q.Key = "" }), "standing-key"},
		"from elsewhere in the firm":       {at(door, func(s *scene) { s.q.Source = netip.MustParseAddr("198.51.100.8") }), "standing-network"},
		"the firm lost the network":        {at(door, func(s *scene) { s.f.Person.Networks = nil }), "source-network"},
		"a person comes by it":             {at(door, func(s *scene) { s.f.Person.Machine, s.f.Person.Terms = false, false }), "standing"},
		"a machine in a person's window":   {at(monitor, func(s *scene) { s.f.Window.Standing = policy.Standing{} }), "machine"},
		"a machine asks as a person":       {at(asked, func(s *scene) { s.q.Frame = "" }), "machine"},
		"a person asks as a machine":       {at(asked, func(s *scene) { s.f.Person.Machine, s.f.Person.Terms = false, false }), "standing"},
		"in a frame for people":            {at(asked, func(s *scene) { s.q.Frame = "filler-callout" }), "standing-frame"},
		"in no frame":                      {at(asked, func(s *scene) { s.q.Frame = "filer-monitor" }), "standing-frame"},
		"another machine than the frame's": {at(asked, func(s *scene) { s.q.Asset, s.q.Port, s.q.Account = "historian", "ssh", "reader" }), "standing-frame"},
		"more than look or copy":           {at(asked, func(s *scene) { s.q.Rights |= policy.Set }), "standing-rights"},
		"longer than it is confirmed":      {at(asked, func(s *scene) { s.q.Minutes = 90*24*60 + 1 }), "too-long"},
		"beyond the frame's review":        {at(asked, func(s *scene) { s.q.Until = day("2027-04-01 12:00") }), "standing-frame"},
		"until before it begins":           {at(asked, func(s *scene) { s.q.Until = s.q.From }), "span-empty"},
		"an island":                        {at(monitor, func(s *scene) { s.f.Blocks = []policy.Block{{ID: "B-1", All: true}} }), "blocked"},
		"its firm is blocked":              {at(monitor, func(s *scene) { s.f.Blocks = []policy.Block{{ID: "B-1", Firm: "krall"}} }), "blocked"},
		"its firm's contract is over":      {at(monitor, func(s *scene) { s.f.Person.Until = s.now }), "firm-ended"},
		"nobody confirmed that it is here": {at(monitor, func(s *scene) { s.f.Person.Confirm = s.now }), "access-review"},
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
		})
	}
}

// At a login there is sftp for a machine, and neither shell nor command.
func TestStandingLogin(t *testing.T) {
	p := parse(t, edited(t, "{assets: [filler-gateway], rights: [look], machine", "{assets: [historian], rights: [look, copy], machine"))
	for port, rule := range map[policy.PortName]string{"sftp": "", "ssh": "standing-shell"} {
		s := monitor()
		s.f.Window.Rights, s.f.Window.Targets = policy.Look|policy.Copy, []policy.Target{{Asset: "historian", Port: "ssh", Account: "reader"}}
		s.q.Asset, s.q.Port, s.q.Account, s.q.Kind = "historian", port, "reader", "exec"
		if d := p.Decide(s.f, s.q, s.now); d.Rule != rule && !d.Allow || d.Allow != (rule == "") {
			t.Errorf("%s: allow %t by %s (%s), want %q", port, d.Allow, d.Rule, d.Why, rule)
		}
	}
}

func TestStandingQuorum(t *testing.T) {
	p := parse(t, example(t))
	gateway, until := []policy.AssetName{"filler-gateway"}, day("2027-03-31 12:00")
	q, err := p.StandingQuorum("filler-monitor", gateway, policy.Look, until)
	if err != nil {
		t.Fatal(err)
	}
	var roles []policy.Role
	for _, n := range q.Needs {
		roles = append(roles, n.Role)
	}
	if !slices.Equal(roles, []policy.Role{"it-network", "ot-security"}) || q.Proof != policy.ByKey || q.Open != "auto" || q.Spoken || q.Longest != 90*24*time.Hour ||
		!slices.Equal(q.Openers, []policy.Role{"it-network", "ot-security"}) {
		t.Errorf("%+v", q)
	}
	for story, row := range map[string]struct {
		frame  string
		assets []policy.AssetName
		rights policy.Rights
		until  time.Time
		rule   string
	}{
		"a frame for people": {"filler-callout", []policy.AssetName{"filler-plc"}, policy.Look, until, "standing-frame"},
		"no frame":           {"", gateway, policy.Look, until, "standing-frame"},
		"another machine":    {"filler-monitor", []policy.AssetName{"filler-gateway", "historian"}, policy.Look, until, "standing-frame"},
		"more":               {"filler-monitor", gateway, policy.Copy, until, "standing-rights"},
		"longer":             {"filler-monitor", gateway, policy.Look, day("2027-04-01 00:01"), "standing-frame"},
	} {
		_, err := p.StandingQuorum(row.frame, row.assets, row.rights, row.until)
		if no, is := errors.AsType[*policy.Refusal](err); !is || no.Rule != row.rule {
			t.Errorf("%s: %v, want %s", story, err, row.rule)
		}
	}
}

func TestStandingFrames(t *testing.T) {
	for story, row := range map[string]struct{ from, to, says string }{
		"it changes":                     {"{assets: [filler-gateway], rights: [look], machine", "{assets: [filler-gateway], rights: [look, set], machine", "a machine looks or takes copies"},
		"it is not confirmed for a year": {"confirm: every 90d", "confirm: every 366d", "confirmed every 90 days at the latest"},
	} {
		_, problems := policy.ParseWith(thisBuild, "plant.yaml", edited(t, row.from, row.to))
		if err := problems.Err(); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", story, err)
		}
	}
}
