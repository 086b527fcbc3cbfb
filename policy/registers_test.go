package policy_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/policy"
)

func TestRegistersPeopleName(t *testing.T) {
	p := parse(t, example(t))
	modbus := []policy.Target{{Asset: "filler-plc", Port: "modbus"}, {Asset: "filler-plc", Port: "ssh", Account: "viewer"}}
	for story, row := range map[string]struct {
		said []string
		want string // labels, or the refusal
	}{
		"by name":                            {[]string{"Fill volume"}, "40012 (Fill volume)"},
		"in other letters":                   {[]string{" fill VOLUME "}, "40012 (Fill volume)"},
		"by object":                          {[]string{"40012"}, "40012 (Fill volume)"},
		"by label":                           {[]string{"filler-plc: 40012 (Fill volume)"}, "40012 (Fill volume)"},
		"two, one of them again":             {[]string{"Cap torque", "Fill volume", "40013"}, "40012 (Fill volume),40013 (Cap torque)"},
		"none":                               {nil, ""},
		"nobody's":                           {[]string{"Phase of the moon"}, "!there are: Fill volume, Cap torque"},
		"of a machine that is not asked for": {[]string{"capper-drive: Fill volume"}, "!no register"},
		"too many":                           {slices.Repeat([]string{"40012"}, 65), "!at most 64"},
	} {
		only, err := p.OnlyOf(modbus, row.said)
		got := ""
		for _, o := range only {
			if o.Asset != "filler-plc" || o.Port != "modbus" {
				t.Errorf("%s: %+v", story, o)
			}
			got = strings.Join(o.Registers, ",")
		}
		if want, no := strings.CutPrefix(row.want, "!"); no && (err == nil || !strings.Contains(err.(*policy.Refusal).Say, want)) || !no && (err != nil || got != row.want) {
			t.Errorf("%s: %q %v, want %q", story, got, err, row.want)
		}
		if err == nil {
			if err := p.Holds(only, modbus); err != nil {
				t.Errorf("%s: %v", story, err)
			}
		}
	}
	if _, err := p.OnlyOf(modbus[1:], []string{"Fill volume"}); err == nil || !strings.Contains(err.Error(), "registers") {
		t.Errorf("named where nobody reads along: %v", err)
	}
	for story, only := range map[string]policy.Only{
		"a register that is not there":  {Asset: "filler-plc", Port: "modbus", Registers: []string{"40012 (Recipe)"}},
		"a way in that is not asked":    {Asset: "capper-drive", Port: "modbus", Registers: []string{"40012 (Fill volume)"}},
		"a way in without an inspector": {Asset: "filler-plc", Port: "ssh", Registers: []string{"40012 (Fill volume)"}},
		"no register":                   {Asset: "filler-plc", Port: "modbus"},
	} {
		if p.Holds([]policy.Only{only}, modbus) == nil {
			t.Errorf("%s holds", story)
		}
	}
}

func TestOnlyWithin(t *testing.T) {
	fill, both := policy.Only{Asset: "a", Port: "modbus", Registers: []string{"1 (x)"}}, policy.Only{Asset: "a", Port: "modbus", Registers: []string{"1 (x)", "2 (y)"}}
	here, other := []policy.Target{{Asset: "a", Port: "modbus"}}, []policy.Target{{Asset: "b", Port: "modbus"}}
	for story, row := range map[string]struct {
		part, whole []policy.Only
		targets     []policy.Target
		want        bool
	}{
		"fewer":                {[]policy.Only{fill}, []policy.Only{both}, here, true},
		"the same":             {[]policy.Only{both}, []policy.Only{both}, here, true},
		"more":                 {[]policy.Only{both}, []policy.Only{fill}, here, false},
		"all of them":          {nil, []policy.Only{fill}, here, false},
		"some, where all were": {[]policy.Only{fill}, nil, here, true},
		"a way in it has not":  {nil, []policy.Only{fill}, other, true},
	} {
		if policy.OnlyWithin(row.part, row.whole, row.targets) != row.want {
			t.Errorf("%s: not %v", story, row.want)
		}
	}
}

// The words that people answer name what may be changed, and a channel has the
// registers as its duty; where nobody reads along any more, there is none.
func TestRegistersAreToldAndHeld(t *testing.T) {
	files := example(t)
	p := parse(t, files)
	way := []policy.Target{{Asset: "filler-plc", Port: "modbus"}}
	only, err := p.OnlyOf(way, []string{"Fill volume", "Start filler"})
	if err != nil {
		t.Fatal(err)
	}
	if can := p.Told(way, policy.Look|policy.Set|policy.Operate, only...).Can; can != "Can change only: 40012 (Fill volume), coil 17 (Start filler)." {
		t.Error(can)
	}
	more := append(slices.Clone(way), policy.Target{Asset: "filler-plc", Port: "ssh", Account: "recipes"})
	if can := p.Told(more, policy.Look|policy.Set, only...).Can; !strings.HasSuffix(can, ". But change only: on FIL-1-PLC-01 by modbus 40012 (Fill volume), coil 17 (Start filler).") {
		t.Error(can)
	}
	now := time.Date(2026, 11, 22, 2, 0, 0, 0, p.Location())
	f := policy.Facts{Person: policy.PersonFacts{ID: "ann", Firm: "krall", Keys: []string{"SHA256:x"}, Networks: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		Window: policy.WindowFacts{ID: "W-1", Agreed: true, Live: true, From: now, Until: now.Add(time.Hour), People: []policy.PersonID{"ann"}, Targets: way, Rights: policy.Look | policy.Set, Only: only},
		Live:   policy.LiveFacts{Gates: map[string]bool{"line-1-key": true}}}
	q := policy.Query{Stage: policy.AtChannel, Source: netip.MustParseAddr("198.51.100.7"), Asset: "filler-plc", Port: "modbus", Rights: policy.Look | policy.Set, Kind: "direct-tcpip"}
	d := p.Decide(f, q, now)
	if !d.Allow || !slices.Equal(d.Duties.Only, only[0].Registers) {
		t.Errorf("%+v", d)
	}
	f.Window.Only = nil
	if d := p.Decide(f, q, now); !d.Allow || d.Duties.Only != nil {
		t.Errorf("%+v", d)
	}
	files["plant.yaml"] = []byte(strings.Replace(string(files["plant.yaml"]), "enforced: penstock", "enforced: nobody", 1))
	f.Window.Only = only
	if d := parse(t, files).Decide(f, q, now); d.Allow || d.Rule != "registers" {
		t.Errorf("held to registers where nobody reads along: %+v", d)
	}
}

func TestRegistersOfAFrame(t *testing.T) {
	const frame = "  filler-callout:\n    {assets: [filler-plc], "
	with := func(text string) map[string][]byte {
		files := example(t)
		was := string(files["plant.yaml"])
		files["plant.yaml"] = []byte(strings.Replace(was, frame, frame+"registers: "+text+", ", 1))
		if string(files["plant.yaml"]) == was {
			t.Fatal("the example has no such frame any more")
		}
		return files
	}
	p := parse(t, with("{filler-plc: [Fill volume, 40013]}"))
	f, _ := p.Pattern("filler-callout")
	if len(f.Only) != 1 || f.Only[0].Port != "modbus" || !slices.Equal(f.Only[0].Registers, []string{"40012 (Fill volume)", "40013 (Cap torque)"}) {
		t.Errorf("%+v", f.Only)
	}
	for text, want := range map[string]string{"{filler-plc: [Nothing]}": `filler-plc has no register "Nothing"`, "{historian: [Fill volume]}": "is no asset of this pattern"} {
		if _, problems := policy.ParseWith(thisBuild, "plant.yaml", with(text)); problems == nil || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
