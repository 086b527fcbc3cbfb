package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/policy"
	"penstock/policy/source"
)

// thisBuild is what a plant file may count on.
var thisBuild = policy.Options{Inspectors: []string{"modbus"}}

// example reads the plant file that ships.
func example(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := policy.Gather("plant.yaml", func(name string) ([]byte, error) {
		return os.ReadFile(filepath.Join("..", "configs", name))
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func parse(t testing.TB, files map[string][]byte) *policy.Plant {
	t.Helper()
	p, problems := policy.ParseWith(thisBuild, "plant.yaml", files)
	if problems != nil {
		t.Fatal(problems)
	}
	return p
}

// edited is the example with one piece of text replaced by another.
func edited(t testing.TB, from, to string) map[string][]byte {
	t.Helper()
	files := example(t)
	text := string(files["plant.yaml"])
	if !strings.Contains(text, from) {
		t.Fatalf("the example has no %q any more", from)
	}
	files["plant.yaml"] = []byte(strings.Replace(text, from, to, 1))
	return files
}

// One row is one way to get the example wrong, and what the author is told.
func TestWhatIsWrongWithAPlantFile(t *testing.T) {
	for story, row := range map[string]struct{ from, to, want string }{
		"a zone that is not there":            {"zone: line-1\n    level: 1\n    address: 10.20.1.11", "zone: lime-1\n    level: 1\n    address: 10.20.1.11", `there is no zone "lime-1" (is line-1 meant?)`},
		"a team that is not there":            {"owner: it-network, broker", "owner: it-netwrk, broker", `there is no team "it-netwrk" (is it-network meant?)`},
		"a line that is not there":            {"stops: [batch-data]", "stops: [batches]", `there is no line "batches"`},
		"a protocol that nobody speaks":       {"carries: [ssh, sftp, https]", "carries: [ssh, sftp, htpps]", `there is no port "htpps" (is https meant?)`},
		"a calendar that is not there":        {"during: line-1-outage", "during: line-1-outtage", `there is no calendar "line-1-outtage" (is line-1-outage meant?)`},
		"a gate that is not there":            {"gates: line-1-key", "gates: line-2-key", `there is no gate "line-2-key" (is line-1-key meant?)`},
		"a conduit to itself":                 {"from: dmz\n    to: ops", "from: ops\n    to: ops", "a conduit from a zone to itself leads nowhere"},
		"a conduit with one owner":            {"owners: [it-network, ot-security]\n    why: Historian", "owners: [it-network]\n    why: Historian", "a conduit has two different owners"},
		"a conduit owned twice by one":        {"owners: [it-network, ot-security]\n    why: Historian", "owners: [it-network, it-network]\n    why: Historian", "it-network is here twice"},
		"a conduit without its why":           {"    why: Historian and engineering station upkeep\n", "", "there is no why here"},
		"a conduit without its review":        {"why: Historian and engineering station upkeep\n    review: 2027-03-31", "why: Historian and engineering station upkeep", "there is no review here"},
		"two conduits of one name":            {"name: dmz-line-1", "name: dmz-ops", "the name dmz-ops is taken already"},
		"an account beyond every conduit":     {"viewer:  {rights: [look], enforced: device}", "viewer:  {rights: [look, device], enforced: device}", "ssh account viewer of filler-plc can do more (look, device) than any conduit"},
		"an account whose rights are unsaid":  {"viewer:  {rights: [look], enforced: device}", "viewer:  {enforced: device}", "declare its real rights (undeclared is everything)"},
		"an inspector that is not built":      {"ports: {vnc: {rights: [look, set, operate], enforced: nobody}}", "ports: {vnc: {rights: [look, set, operate], enforced: penstock}}", "no inspector for vnc in this build"},
		"a level outside its zone":            {"level: 1\n    address: 10.20.1.11", "level: 3\n    address: 10.20.1.11", "filler-plc is at level 3, but zone line-1 has levels 0, 1, 2"},
		"a name for an address":               {"address: 10.20.1.11", "address: plc.kiel.example", "names are not looked up"},
		"an address of everybody":             {"address: 10.20.1.11", "address: 224.0.0.1", "224.0.0.1 is no address of one machine"},
		"a cloud's metadata":                  {"address: 10.20.1.11", "address: 169.254.169.254", "169.254.169.254 is no address of one machine"},
		"another cloud's metadata":            {"address: 10.20.1.11", `address: "fd00:ec2::254"`, "is no address of one machine"},
		"a machine disguised":                 {"address: 10.20.1.11", `address: "::ffff:10.20.1.11"`, "is no address of one machine"},
		"an address of nobody":                {"address: 10.20.1.11", "address: 0.0.0.0", "0.0.0.0 is no address of one machine"},
		"an address of nobody, disguised":     {"address: 10.20.1.11", `address: "::ffff:0.0.0.0"`, "is no address of one machine"},
		"a safety asset where vendors come":   {"vendors: never", "shift: shift", "safety asset safety-plc stands in zone safety, which lets vendors in"},
		"two zones with the broker":           {"owner: ot-security}\n  line-1:", "owner: ot-security, broker: here}\n  line-1:", "the broker stands in zone dmz already"},
		"no zone with the broker":             {", broker: here", "", "no zone has the broker"},
		"an unknown zone of time":             {"timezone: Europe/Berlin", "timezone: Europe/Kiel", `"Europe/Kiel" is no time zone`},
		"the machine's own zone of time":      {"timezone: Europe/Berlin", "timezone: Local", `"Local" is no time zone`},
		"an abbreviation as zone of time":     {"timezone: Europe/Berlin", "timezone: CET", `"CET" is no time zone`},
		"an ssh port without accounts":        {"ports: {ssh: {accounts: {viewer: {rights: [look], enforced: device}}}}}", "ports: {ssh: {}}}", "an ssh port has accounts"},
		"sftp as a port":                      {"ports: {vnc: {", "ports: {sftp: {tcp: 99}, vnc: {", "sftp is no port of its own (it uses the ssh port's accounts; let the conduit carry sftp)"},
		"a port without a usual number":       {"ports: {vnc: {", "ports: {fanuc: {}, vnc: {", "fanuc has no usual TCP port (add tcp: and its number)"},
		"two ports of one number":             {"ports: {vnc: {", "ports: {https: {tcp: 5900}, vnc: {", "https and vnc are both TCP 5900"},
		"a port number out of range":          {"ssh: {tcp: 2222,", "ssh: {tcp: 65536,", `"65536" is no whole number from 1 to 65535`},
		"a host key that is none":             {"host_keys: [ssh-ed25519 ", "host_keys: [ssh-ed25519 x", "this is no host key"},
		"a private thing as a host key":       {"host_keys: [ssh-ed25519 ", "host_keys: [command=\"x\" ssh-ed25519 ", "host key"},
		"an account with a plus in its name":  {"trend: {rights", "tr+end: {rights", `"tr+end" cannot name an account`},
		"a team called owner":                 {"  it-network:       {name: IT network}", "  owner: {name: Mine}\n  it-network:       {name: IT network}", "a team cannot be called owner"},
		"an unused calendar":                  {", not_during: campaign}\n  - {name: campaign, when: {zone: ops, right: [set, load]}, not_during: campaign}", "}", "no rule names calendar campaign, so it changes nothing"},
		"an unused gate":                      {"  - {name: key,      when: {zone: line-1, right: [set, operate, load, device]}, gates: line-1-key}\n", "", "no rule names gate line-1-key, so it holds nothing"},
		"work during a freeze":                {"during: line-1-outage, not_during: campaign", "during: campaign", "work is not done during a freeze (is not_during meant?)"},
		"a calendar both ways":                {"during: line-1-outage, not_during: campaign", "during: line-1-outage, not_during: line-1-outage", "no moment is left"},
		"a weekly time that is none":          {"Sun 00:00-06:00", "Sunday 0-6", `"Sunday 0-6" is no weekly time`},
		"a weekly hour that never comes":      {"Sun 00:00-06:00", "Sun 00:00-25:00", `is no weekly time`},
		"a freeze that ends first":            {"from: 2026-12-18, to: 2027-01-04", "from: 2027-12-18, to: 2027-01-04", "this time ends before it begins"},
		"except without a freeze":             {"name: Winter overhaul}]}", "name: Winter overhaul}], except: [look]}", "except is about a freeze, and there is none"},
		"nobody agrees and nobody opens":      {"plan: [],                           open: shift", "plan: [],                           open: auto ", "lets somebody in whom nobody agreed to"},
		"a plan without longest":              {"open: shift, longest: 8h}", "open: shift}", "plan, open and longest go together"},
		"a grace that lasts too long":         {"open: shift, longest: 8h}", "open: shift, longest: 8h, grace: 11m}", "11m is not from 1s to 10m"},
		"a grace without an opening":          {"gates: line-1-key}", "gates: line-1-key, grace: 5m}", "only a rule with plan, open and longest can give a grace"},
		"a rule that says nothing":            {"gates: line-1-key}", "}", "this rule says nothing"},
		"a duration without its unit":         {"longest: 4h, ask: [work_order]}", "longest: 4, ask: [work_order]}", `"4" is no length of time`},
		"a role twice in a plan":              {"plan: [owner, ot-security],  ", "plan: [owner, {owner: 2}],  ", "owner is in this plan twice"},
		"an unknown field to ask for":         {"ask: [work_order]}", "ask: [workorder]}", `"workorder" is not known here (is work_order meant?)`},
		"a pattern beyond every conduit":      {"rights: [look, copy, set], open: shift, longest: 4h,", "rights: [look, device], open: shift, longest: 4h,", "no conduit carries look, device to any port of filler-plc"},
		"a pattern for the safety system":     {"assets: [filler-plc], rights", "assets: [safety-plc], rights", "no vendor ever reaches safety-plc"},
		"a standing pattern for people":       {"machine: true, open: standing", "machine: false, open: standing", "a standing pattern is for a machine"},
		"an emergency that starts at writing": {"starts_as: [look]", "starts_as: [look, set]", "an emergency starts with looking"},
		"a register file that is missing":     {"registers/fil-1.csv", "registers/fil-2.csv", "there is no file registers/fil-2.csv"},
		"a register file outside":             {"registers/fil-1.csv", "../fil-1.csv", `is no relative file name`},
		"a gate's coil that is none":          {"10.20.1.9:502/1/5", "10.20.1.9/1/5", `"10.20.1.9/1/5" is no coil`},
		"a gate without stale":                {", stale: 10s, stand_in", ", stand_in", "after how long its last value counts no more"},
		"a stale of a day":                    {"stale: 10s", "stale: 8h", "what was read an hour ago says nothing about now"},
		"a stand-in at a safety gate":         {"stand_in: shift", "stand_in: shift, safety: true", "nobody stands in for a safety gate"},
		"an http gate by a name":              {`kind: modbus-coil, at: "10.20.1.9:502/1/5"`, `kind: http, is: x, at: "https://panel.kiel/state"`, "is no address to read"},
		"an http gate with a password":        {`kind: modbus-coil, at: "10.20.1.9:502/1/5"`, `kind: http, is: x, at: "https://a:b@10.20.1.9/state"`, "is no address to read"},
		"an http gate that means nothing":     {`kind: modbus-coil, at: "10.20.1.9:502/1/5"`, `kind: http, at: "https://10.20.1.9/state"`, "says which value means yes"},
		"a pointer that is none":              {`kind: modbus-coil, at: "10.20.1.9:502/1/5"`, `kind: http, is: x, pointer: state, at: "https://10.20.1.9/state"`, "a JSON pointer begins with a slash"},
		"a certificate that is none":          {`kind: modbus-coil, at: "10.20.1.9:502/1/5"`, `kind: http, is: x, cert: abcd, at: "https://10.20.1.9/state"`, "64 hex digits"},
		"a coil with a pointer":               {"stale: 10s", "stale: 10s, pointer: /x", "only an http gate has pointer"},
		"a coil that is yes":                  {"stale: 10s", "stale: 10s, is: maybe", "is nothing that it could be"},
		"a coil that people say":              {"stale: 10s", "stale: 10s, by: shift", "an input says this gate, and no person"},
		"a manual gate with a place":          {"kind: modbus-coil", "kind: manual", "is a person's word and stands nowhere"},
		"an outage that nobody may say":       {`kind: modbus-coil, at: "10.20.1.9:502/1/5", stale: 10s`, "kind: outage", "an outage gate says who may say that it runs"},
		"a loss of nothing":                   {"longest: 8h}", "longest: 8h, on_loss: end}", "this rule has no gate and no escort that could be lost"},
		"an interlock with itself":            {"trips: safety-plc}]\n    backup: {last: 2026-09-22", "trips: filler-plc}]\n    backup: {last: 2026-09-22", "an interlock trips another asset"},
		"input for who reads nothing":         {"input: [ot-security]", "input: [shift]", "shift may see what was typed in recordings that it may not read"},
		"a section nobody knows":              {"recordings: {read", "recording: {read", `unknown key "recording" (is recordings meant?)`},
		"a number as an asset's name":         {"  cip-plc:\n", "  7-plc:\n", `"7-plc" cannot be the name of this asset`},
		"strict_both as a bare yes":           {"strict_both: true", "strict_both: yes", `"yes" is neither true nor false`},
	} {
		t.Run(story, func(t *testing.T) {
			plant, problems := policy.ParseWith(thisBuild, "plant.yaml", edited(t, row.from, row.to))
			if plant != nil || len(problems) == 0 {
				t.Fatal("nobody minds")
			}
			if !strings.Contains(problems.Error(), row.want) {
				t.Errorf("got:\n%s\nwant: %s", problems.Error(), row.want)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 || p.File == "" {
					t.Errorf("no place: %+v", p)
				}
			}
		})
	}
}

func TestAllProblemsComeAtOnceInOrder(t *testing.T) {
	files := edited(t, "timezone: Europe/Berlin", "timezone: Nowhere")
	text := string(files["plant.yaml"])
	text = strings.Replace(text, "sl_t: 2", "sl_t: 9", 1)
	text = strings.Replace(text, "level: 1\n    address: 10.20.1.11", "level: 3\n    address: 10.20.1.11", 1)
	text = strings.Replace(text, "stops: [batch-data]", "stops: [batches]", 1)
	text = strings.Replace(text, "tell: [ot-security", "tell: [ot-securty", 1)
	files["plant.yaml"] = []byte(text)
	files["registers/fil-1.csv"] = []byte("object,name,right\n40012,Fill volume,sett\nx,y,set\n")
	_, problems := policy.ParseWith(thisBuild, "plant.yaml", files)
	if len(problems) != 7 {
		t.Fatalf("%d problems:\n%s", len(problems), problems.Error())
	}
	for i := 1; i < len(problems); i++ {
		if a, b := problems[i-1], problems[i]; a.File == b.File && a.Line > b.Line {
			t.Errorf("%s stands before %s", a.Place, b.Place)
		}
	}
}

func TestAnInspectorMakesPenstockEnforce(t *testing.T) {
	a, _ := parse(t, example(t)).Asset("filler-plc")
	port, _ := a.Port("modbus")
	if port.Enforced != policy.ByPenstock {
		t.Errorf("enforced by %s", port.Enforced)
	}
	if _, problems := policy.Parse("plant.yaml", example(t)); !strings.Contains(problems.Error(), "no inspector for modbus in this build") {
		t.Errorf("a build that has none: %v", problems)
	}
}

// A file out of a log may be anybody's: however it is made, reading ends soon.
func TestHostileFilesEndSoon(t *testing.T) {
	var zones, conduits, assets strings.Builder
	for i := range 200 {
		fmt.Fprintf(&zones, "  z%d: {name: Z, levels: [1], sl_t: 1, owner: t}\n", i)
		fmt.Fprintf(&conduits, "  - {name: c%d, from: %s, to: z%d, carries: [ssh], rights: [look], owners: [t, u], why: w, review: 2027-01-01}\n", i, map[bool]string{true: "b", false: fmt.Sprintf("z%d", i-1)}[i == 0], i)
	}
	for i := range 1500 {
		fmt.Fprintf(&assets, "  a%d: {tag: A, name: A, zone: z199, level: 1, address: 10.0.0.1, stops: [], ports: {ssh: {accounts: {v: {rights: [look]}}}}}\n", i)
	}
	head := "site: {id: a, name: b, timezone: UTC}\nteams: {t: {name: T}, u: {name: U}}\nzones:\n  b: {name: B, levels: [3], sl_t: 1, owner: t, broker: here}\n"
	long := head + zones.String() + "conduits:\n" + conduits.String() + "assets:\n" + assets.String()
	for story, row := range map[string]struct {
		text  string
		sound bool
	}{
		"a chain of every zone":       {long, true},
		"a chain, and nobody fits":    {strings.ReplaceAll(long, "v: {rights: [look]}", "v: {}"), false},
		"names that nobody declared":  {strings.ReplaceAll(long, "zone: z199", "zone: z200"), false},
		"a team that nobody declared": {strings.ReplaceAll(long, "owner: t}", "owner: tt}"), false},
	} {
		begin := time.Now()
		p, problems := policy.ParseWith(thisBuild, "plant.yaml", map[string][]byte{"plant.yaml": []byte(row.text)})
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%s: took %s", story, took)
		}
		if (p != nil) != row.sound || len(problems) > 201 {
			t.Errorf("%s: %d problems, first %v", story, len(problems), problems[:min(3, len(problems))])
		}
	}
}

func TestTextStaysAsWritten(t *testing.T) {
	p := parse(t, example(t))
	for asset, want := range map[policy.AssetName]string{"filler-hmi": "2.10", "pasteur-plc": "7.0", "chiller-plc": "4.20"} {
		if a, _ := p.Asset(asset); a.Is.Firmware != want {
			t.Errorf("firmware of %s is %q, not %q", asset, a.Is.Firmware, want)
		}
	}
}

func TestAssetsMayStandInFiles(t *testing.T) {
	files := example(t)
	text := string(files["plant.yaml"])
	begin, end := strings.Index(text, "assets:\n"), strings.Index(text, "calendars:")
	var sheet strings.Builder
	for _, line := range strings.Split(text[begin+len("assets:\n"):end], "\n") {
		sheet.WriteString(strings.TrimPrefix(line, "  ") + "\n")
	}
	files["plant.yaml"] = []byte(text[:begin] + "assets: [assets/all.yaml]\n" + text[end:])
	files["assets/all.yaml"] = []byte(sheet.String())
	p := parse(t, files)
	if len(p.Assets) != 10 {
		t.Errorf("%d assets", len(p.Assets))
	}
	gathered, err := policy.Gather("plant.yaml", func(name string) ([]byte, error) { return files[name], nil })
	if err != nil || len(gathered) != 3 {
		t.Errorf("gathered %d files: %v", len(gathered), err)
	}
	files["more.yaml"] = []byte("a: b\n")
	if _, problems := policy.ParseWith(thisBuild, "plant.yaml", files); !strings.Contains(problems.Error(), "more.yaml: no line of the plant file names this file") {
		t.Errorf("a file that nobody names: %v", problems)
	}
}

func TestBundle(t *testing.T) {
	files := example(t)
	p := parse(t, files)
	doc, err := policy.Bundle("plant.yaml", files)
	if err != nil || string(doc) != string(p.Document()) {
		t.Fatal("the document is not the bundle", err)
	}
	again, problems := policy.ParseBundle(doc)
	if problems != nil || string(again.Document()) != string(doc) {
		t.Fatal(problems)
	}
	text := string(doc)
	for story, bad := range map[string]string{
		"empty":             "",
		"not JSON":          "{",
		"another version":   strings.Replace(text, `"v":1}`, `"v":2}`, 1),
		"an unknown field":  strings.Replace(text, `"v":1}`, `"v":1,"w":1}`, 1),
		"a field twice":     strings.Replace(text, `"v":1}`, `"v":1,"v":1}`, 1),
		"other order":       `{"v":1,` + strings.TrimSuffix(strings.TrimPrefix(text, "{"), `,"v":1}`) + "}",
		"space at the end":  text + "\n",
		"two documents":     text + text,
		"a main not there":  strings.Replace(text, `"main":"plant.yaml"`, `"main":"plans.yaml"`, 1),
		"a path upwards":    strings.Replace(strings.Replace(text, `"registers/fil-1.csv":`, `"../fil-1.csv":`, 1), "registers/fil-1.csv", "../fil-1.csv", 1),
		"other escapes":     strings.Replace(text, "Fjord", `\u0046jord`, 1),
		"a wrong file type": `{"files":{"plant.yaml":1},"main":"plant.yaml","v":1}`,
	} {
		if p, problems := policy.ParseBundle([]byte(bad)); p != nil || problems == nil {
			t.Errorf("%s: read as a plant", story)
		}
	}
	for story, files := range map[string]map[string][]byte{
		"no main":       {"x": nil},
		"not UTF-8":     {"plant.yaml": []byte("\xff")},
		"an odd name":   {"plant.yaml": nil, "a b": nil},
		"absolute":      {"plant.yaml": nil, "/etc/passwd": nil},
		"upwards":       {"plant.yaml": nil, "a/../../b": nil},
		"far too large": {"plant.yaml": make([]byte, 5<<20)},
	} {
		if doc, err := policy.Bundle("plant.yaml", files); err == nil {
			t.Errorf("%s: bundled as %.60s", story, doc)
		}
	}
}

func FuzzParse(f *testing.F) {
	files := example(f)
	f.Add(files["plant.yaml"], files["registers/fil-1.csv"])
	f.Add([]byte("site: {id: a, name: b, timezone: UTC}\nteams: {t: {name: T}}\nzones: {z: {name: Z, levels: [1], sl_t: 1, owner: t, broker: here}}\n"), []byte("object,name\n1,a\n"))
	f.Add([]byte("rules: [{name: a, plan: [{owner: 3}], open: shift, longest: 1h, when: {right: look}}]"), []byte(""))
	f.Add([]byte("calendars: {c: {weekly: [Sat-Mon 24:00-00:00], freeze: [{from: 1970-01-01, to: 2200-12-31, name: x}]}}"), []byte("\"\n"))
	f.Add([]byte("conduits: [{from: a, to: a, carries: [], owners: [b, b]}]\nassets: [plant.yaml]"), []byte("a,a\n"))
	f.Fuzz(func(t *testing.T, text, sheet []byte) {
		p, problems := policy.ParseWith(thisBuild, "plant.yaml", map[string][]byte{"plant.yaml": text, "registers/fil-1.csv": sheet})
		holds(t, p, problems)
	})
}

func FuzzParseBundle(f *testing.F) {
	doc, err := policy.Bundle("plant.yaml", example(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	f.Add([]byte(`{"files":{"a":"site: 1"},"main":"a","v":1}`))
	f.Add([]byte(`{"files":{"a":"","a":""},"main":"a","v":1}`))
	f.Add([]byte(`{"files":{"a":"\u2028\ud800"},"main":"a","v":1}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, problems := policy.ParseBundle(doc)
		holds(t, p, problems)
		if p != nil && string(p.Document()) != string(doc) {
			t.Error("a document was read that is not the plant's own")
		}
	})
}

// holds: either a plant or problems, each with its place, and a plant that can
// be asked anything without harm.
func holds(t *testing.T, p *policy.Plant, problems source.Problems) {
	if (p == nil) == (problems == nil) {
		t.Fatalf("plant %v, problems %v", p != nil, problems)
	}
	if p == nil {
		return
	}
	for _, a := range p.Assets {
		q, err := p.Quorum([]policy.AssetName{a.Name}, policy.Look)
		if err == nil && (len(q.Needs) == 0 || len(q.Openers) == 0 || q.Longest == 0 || q.Open == "") {
			t.Errorf("%s: quorum %+v", a.Name, q)
		}
		if _, _, err := p.DryRun("krall/ann", policy.Want{Asset: a.Name, Rights: policy.Look}, day("2026-11-22 12:00")); err != nil {
			t.Error(err)
		}
	}
}

// What an import could not place is told when it changes, and nobody reaches it.
func TestImported(t *testing.T) {
	with := func(imported string) *policy.Plant {
		files := example(t)
		files["plant.yaml"] = append(files["plant.yaml"], "\nimported: [imported.yaml]\n"...)
		files["imported.yaml"] = []byte(imported)
		return parse(t, files)
	}
	entry := `old-plc: {tag: O, name: Old, lacks: zone, said: Halle 7, address: "10.0.0.1", is: {maker: K, model: M, firmware: "1", serial: S}, source: {system: csv, id: "7"}, stale: 2026-11-01}` + "\n"
	from := with(entry)
	for _, edit := range [][2]string{{"tag: O", "tag: P"}, {"name: Old", "name: New"}, {"lacks: zone", "lacks: level"}, {"Halle 7", "Halle 8"}, {"10.0.0.1", "10.0.0.2"}, {"maker: K", "maker: L"},
		{"model: M", "model: N"}, {`firmware: "1"`, `firmware: "2"`}, {"serial: S", "serial: T"}, {`id: "7"`, `id: "8"`}, {"2026-11-01", "2026-11-02"}} {
		if to := with(strings.Replace(entry, edit[0], edit[1], 1)); len(policy.Diff(from, to)) != 1 {
			t.Errorf("%s: %v", edit[1], policy.Diff(from, to))
		}
	}
	if d := policy.Diff(from, with("{}")); len(d) != 1 || !strings.Contains(d[0].Text, "is gone") {
		t.Errorf("%v", d)
	}
	files := example(t)
	files["plant.yaml"] = append(files["plant.yaml"], "\nimported: [imported.yaml]\n"...)
	files["imported.yaml"] = []byte("filler-plc: {tag: O, name: Old, lacks: zone}\n")
	if _, problems := policy.Parse("plant.yaml", files); problems == nil || !strings.Contains(problems.Error(), "asset filler-plc is here twice") {
		t.Errorf("%v", problems)
	}
	if names, err := policy.Files(files["plant.yaml"]); err != nil || !strings.Contains(strings.Join(names, " "), "imported.yaml") {
		t.Errorf("%v %v", names, err)
	}
}
