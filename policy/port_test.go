package policy_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"penstock/policy"
)

const sheetLine = "registers: registers/fil-1.csv"

func TestRegistersWrittenInThePlantFile(t *testing.T) {
	files := edited(t, sheetLine, "registers: {40012: {name: Fill volume, right: set, unit: ml, min: 0, max: 1000}, coil 17: {name: Start, right: operate}, 40090: {name: Counter, read: operate, why: reading clears it}}")
	delete(files, "registers/fil-1.csv")
	p := parse(t, files)
	a, _ := p.Asset("filler-plc")
	port, _ := a.Port("modbus")
	want := []policy.Register{
		{Object: "40012", Name: "Fill volume", Read: policy.Look, Write: policy.Set, Unit: "ml", Limited: true, Max: 1000},
		{Object: "coil 17", Name: "Start", Read: policy.Look, Write: policy.Operate},
		{Object: "40090", Name: "Counter", Read: policy.Operate, Why: "reading clears it"},
	}
	if len(port.Registers) != len(want) || port.Unit != 1 || port.Unlisted != (policy.Unlisted{Read: policy.Look, Write: policy.Operate}) {
		t.Fatalf("%+v", port)
	}
	for i := range want {
		if port.Registers[i] != want[i] {
			t.Errorf("%+v, not %+v", port.Registers[i], want[i])
		}
	}
}

func TestTheSameSheetFromAFile(t *testing.T) {
	p := parse(t, example(t))
	a, _ := p.Asset("filler-plc")
	port, _ := a.Port("modbus")
	if r := port.Registers[1]; r != (policy.Register{Object: "40013", Name: "Cap torque", Read: policy.Look, Write: policy.Set, Unit: "Nm", Limited: true, Min: 0.5, Max: 2.5, Scale: 0.01}) {
		t.Errorf("%+v", r)
	}
	if r := port.Registers[3]; r.Write != 0 || r.Read != policy.Operate || r.Why != "reading clears it" {
		t.Errorf("%+v", r)
	}
}

func TestWhatIsWrongWithRegisters(t *testing.T) {
	for story, row := range map[string]struct{ inline, want string }{
		"an object that is none":  {"{forty: {name: x}}", `"forty" is no register`},
		"min without max":         {"{1: {name: x, right: set, min: 1}}", "min and max go together"},
		"min above max":           {"{40001: {name: x, right: set, min: 2, max: 1}}", "the least value of 40001 is above its greatest"},
		"no name":                 {"{1: {right: set}}", "there is no name here"},
		"a right that is not":     {"{1: {name: x, right: setting}}", `"setting" is not known here`},
		"the same by two writing": {"{1: {name: x}, '1': {name: y}}", "is here twice"},
		"the same by two names":   {"{40012: {name: x}, holding 12: {name: y}}", "register holding 12 is here twice"},
		"half of another":         {"{40012: {name: x, type: u32}, 40013: {name: y}}", "40012 and 40013 share a register"},
		"half behind the end":     {"{holding 65536: {name: x, type: f32}}", "takes two registers"},
		"counted from 0":          {"{coil 0: {name: x}}", "counted from 1"},
		"no table":                {"{17: {name: x}}", `"17" does not say which table`},
		"a table that is none":    {"{20001: {name: x}}", "is no register"},
		"a write where none is":   {"{input 1: {name: x, right: set}}", "input 1 can only be read"},
		"a bit with limits":       {"{coil 1: {name: x, right: set, min: 0, max: 1}}", "coil 1 is one bit"},
		"a type that is not":      {"{40001: {name: x, type: u64}}", `"u64" is not known here`},
		"a scale below nothing":   {"{40001: {name: x, scale: -1}}", "the scale of 40001"},
	} {
		if _, problems := policy.ParseWith(thisBuild, "plant.yaml", edited(t, sheetLine, "registers: "+row.inline)); !strings.Contains(problems.Error(), row.want) {
			t.Errorf("%s:\n%s\nwant %s", story, problems.Error(), row.want)
		}
	}
	for story, row := range map[string]struct{ sheet, want string }{
		"nothing":             {"", "fil-1.csv:1:1: the sheet is empty"},
		"an unknown column":   {"object,nome\n1,a\n", `fil-1.csv:1:2: column "nome" is unknown`},
		"a column twice":      {"object,name,name\n1,a,b\n", `fil-1.csv:1:3: column "name" is unknown or here twice`},
		"a cell too many":     {"object,name\n1,a,b\n", "fil-1.csv:2:1: "},
		"an open quote":       {"object,name\n1,\"a\n", "fil-1.csv:2:1: "},
		"no name":             {"object,name\n1,\n", "fil-1.csv:2:1: a line has an object"},
		"a right that is not": {"object,name,right\n1,a,sett\n", `fil-1.csv:2:1: "sett" is no right`},
		"min alone":           {"object,name,min\n1,a,3\n", "min and max go together"},
		"not a number":        {"object,name,min,max\n1,a,3,NaN\n", `max "NaN" is no number`},
		"twice":               {"object,name\n40001,a\n40001,b\n", "fil-1.csv:3:1: register 40001 is here twice"},
		"a type that is not":  {"object,name,type\n40001,a,u64\n", `fil-1.csv:2:1: type "u64" is unknown`},
		"too many":            {"object,name\n" + strings.Repeat("1,a\n", 6000), "more than 5000 lines"},
	} {
		files := example(t)
		files["registers/fil-1.csv"] = []byte(row.sheet)
		if _, problems := policy.ParseWith(thisBuild, "plant.yaml", files); !strings.Contains(problems.Error(), row.want) {
			t.Errorf("%s:\n%s\nwant %s", story, problems.Error(), row.want)
		}
	}
}

// With an inspector, what was asked is what can be done: the port may be able
// to do more, and no rule is asked about that.
func TestAnInspectedPortIsHeldToWhatWasAsked(t *testing.T) {
	files := example(t)
	p, problems := policy.ParseWith(thisBuild, "plant.yaml", files)
	if problems != nil {
		t.Fatal(problems)
	}
	s := looking()
	s.q.Port, s.q.Account, s.f.Window.Targets[0] = "modbus", "", policy.Target{Asset: "filler-plc", Port: "modbus"}
	s.f.Live.Gates, s.f.Live.Escort = nil, false
	d := p.Decide(s.f, s.q, s.now)
	if !d.Allow || d.Duties.Inspect != "modbus" || !d.Duties.StrictBoth || d.Duties.Login.Principal != "" || d.Rule != "look" || d.Target.Port() != 502 {
		t.Errorf("%+v", d)
	}
	if w := p.Wanted(s.q, policy.Look|policy.Set|policy.Operate); w != policy.Look {
		t.Errorf("a channel whose operations are decided one by one asks for %s", w)
	}
	s.q.Rights |= policy.Set
	if d := p.Decide(s.f, s.q, s.now); d.Rule != "rights-beyond-window" {
		t.Errorf("%+v", d)
	}
	s.f.Window.Rights |= policy.Set
	if d := p.Decide(s.f, s.q, s.now); d.Rule != "gate:line-1-key" {
		t.Errorf("setting waits for the key: %+v", d)
	}
}

func TestHostKeys(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert := &ssh.Certificate{Key: key, CertType: ssh.HostCert, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, signer); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	certLine := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert)))
	from := "viewer: {rights: [look], enforced: device}}}}}     #"
	with := func(keys string) map[string][]byte {
		return edited(t, "ports: {ssh: {accounts: {"+from, "ports: {ssh: {host_keys: ["+keys+"], accounts: {"+from)
	}
	p := parse(t, with(line+" root@cip"))
	a, _ := p.Asset("cip-plc")
	if port, _ := a.Port("ssh"); len(port.HostKeys) != 1 || port.HostKeys[0] != line {
		t.Errorf("the comment is no part of a pin: %q", port.HostKeys)
	}
	for story, row := range map[string]struct{ keys, want string }{
		"twice":            {line + ", " + line + " again", "this host key is here twice"},
		"with options":     {"restrict " + line, "a host key has no options"},
		"a certificate":    {certLine, "cannot be pinned"},
		"cut short":        {line[:len(line)-8], "this is no host key"},
		"none in the list": {"", "the list is empty"},
	} {
		if _, problems := policy.ParseWith(thisBuild, "plant.yaml", with(row.keys)); !strings.Contains(problems.Error(), row.want) {
			t.Errorf("%s:\n%s\nwant %s", story, problems.Error(), row.want)
		}
	}
}

func TestLookingThingsUp(t *testing.T) {
	p := parse(t, example(t))
	if z, ok := p.Zone("line-1"); !ok || z.Opener() != "shift" {
		t.Errorf("%+v", z)
	}
	if z, _ := p.Zone("ops"); z.Opener() != "ot-security" {
		t.Errorf("nobody is on shift in ops, so its owner opens: %+v", z)
	}
	if _, ok := p.Zone("x"); ok {
		t.Error("a zone that nobody declared")
	}
	if _, ok := p.Asset("x"); ok {
		t.Error("an asset that nobody declared")
	}
	if team, ok := p.Team("shift"); !ok || team.AsksNext != "duty-engineer" || !p.HasRole("safety") || p.HasRole("owner") || len(p.Roles()) != 9 {
		t.Errorf("%+v %v", team, p.Roles())
	}
	if p.Location().String() != "Europe/Berlin" || p.Host("filler-plc") != "filler-plc.kiel" || p.Principal("filler-plc", "maint") != "maint@filler-plc.kiel" {
		t.Error("the site is called otherwise")
	}
	before := p.Document()
	p.Document()[0] = 'x'
	if string(before) != string(p.Document()) {
		t.Error("a caller changed the plant's document")
	}
}

// An inspector holds a client to one unit: the plant file must say which.
func TestWhatPenstockEnforcesNamesItsUnit(t *testing.T) {
	files := edited(t, "unit: 1\n        rights: [look, set, operate]", "rights: [look, set, operate]")
	_, problems := policy.ParseWith(thisBuild, "plant.yaml", files)
	if !strings.Contains(problems.Error(), "none is said") {
		t.Error(problems)
	}
}

// A plant file that was in force is judged by what it says, whatever this build has.
func TestAPlantDocumentMayCountOnAnyInspector(t *testing.T) {
	files := example(t)
	p, problems := policy.ParseWith(thisBuild, "plant.yaml", files)
	if problems != nil {
		t.Fatal(problems)
	}
	again, problems := policy.ParseBundle(p.Document())
	if problems != nil {
		t.Fatal(problems)
	}
	a, _ := again.Asset("filler-plc")
	if port, _ := a.Port("modbus"); port.Enforced != policy.ByPenstock {
		t.Errorf("enforced by %s", port.Enforced)
	}
}

func TestWhereARegisterStands(t *testing.T) {
	for object, want := range map[string]string{
		"40012": "holding 11", "400012": "holding 11", "465536": "holding 65535", "holding 12": "holding 11", "00017": "coil 16", "coil 17": "coil 16",
		"10003": "discrete 2", "30001": "input 0", "discrete 3": "discrete 2", "input 65536": "input 65535",
		"40000": "", "465537": "", "coil": "", "coil x": "", "coil -1": "", "coil 65537": "", "50001": "", "4": "", "holding 12 ": "",
	} {
		table, address, err := policy.Register{Object: object}.Place()
		if got := fmt.Sprintf("%s %d", table, address); err == nil && got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %s, %v; want %q", object, got, err, want)
		}
	}
}
