package policy_test

import (
	"slices"
	"strings"
	"testing"

	"penstock/policy"
)

// waysPlant is a plant with a machine behind a host; each edit replaces a text.
func waysPlant(t *testing.T, edits ...string) (*policy.Plant, string) {
	t.Helper()
	text := `
site: {id: kiel, name: Kiel, timezone: Europe/Berlin}
teams: {shift: {name: Shift}, owner-1: {name: Owner}, owner-2: {name: Other}, ot-security: {name: OT security}}
lines: {filling: {name: Filling, criticality: 1}}
zones:
  dmz:    {name: DMZ,  levels: [3.5], sl_t: 3, owner: ot-security, broker: here}
  ops:    {name: Ops,  levels: [3],   sl_t: 2, owner: owner-2}
  line-1: {name: Line, levels: [1],   sl_t: 2, owner: owner-1, shift: shift}
conduits:
  - {name: dmz-ops,  from: dmz, to: ops,    carries: [ssh, modbus], rights: [look, set], owners: [ot-security, owner-2], why: test, review: 2030-01-01}
  - {name: ops-line, from: ops, to: line-1, carries: [ssh, modbus], rights: [look, set], owners: [owner-2, owner-1], why: test, review: 2030-01-01}
assets:
  host:
    {tag: H, name: Host, zone: ops, level: 3, address: 10.0.0.1, stops: [], ports: {ssh: {host_keys: [KEY1], jumps: {hop: {login: key}}, accounts: {own: {rights: [look], enforced: device}}}}}
  plc:
    tag: P
    name: Machine
    zone: line-1
    level: 1
    address: 10.0.1.1
    stops: [filling]
    via: {asset: host, account: hop}
    ports:
      ssh:
        tcp: 2022
        host_keys: [KEY2]
        old_algorithms: {allow: [ssh-rsa, diffie-hellman-group14-sha1], why: the maker has no newer firmware, owner: ot-security, review: 2027-03-31}
        accounts:
          maint:  {rights: [look, set], enforced: nobody, login: password, prompts: [{asks: "Password: ?", give: secret}], rotate: {run: chpasswd, lines: ["{account}:{new}"], length: 16}}
          viewer: {rights: [look], enforced: device}
      modbus: {rights: [look], enforced: nobody}
rules:
  - {name: any, when: {right: [look, set]}, plan: [owner], open: shift, longest: 8h}
`
	for i := 0; i+1 < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			t.Fatalf("the plant file does not say %q", edits[i])
		}
		text = strings.Replace(text, edits[i], edits[i+1], 1)
	}
	text = strings.NewReplacer("KEY1", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBdZAX4EhD8TFVFdp4lIKIqMTGIzPt2eBGIqD5GjVEtQ",
		"KEY2", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBdZAX4EhD8TFVFdp4lIKIqMTGIzPt2eBGIqD5GjVEtR").Replace(text)
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		return nil, err.Error()
	}
	return p, ""
}

func TestWaysToTargets(t *testing.T) {
	p, wrong := waysPlant(t)
	if p == nil {
		t.Fatal(wrong)
	}
	f := policy.Facts{Person: policy.PersonFacts{ID: "ann", Firm: "krall", Plant: true}, Window: policy.WindowFacts{ID: "W-1", Agreed: true, Live: true,
		From: day("2026-11-22 01:00"), Until: day("2026-11-22 05:00"), People: []policy.PersonID{"ann"}, Rights: policy.Look | policy.Set,
		Targets: []policy.Target{{Asset: "plc", Port: "ssh", Account: "maint"}, {Asset: "plc", Port: "ssh", Account: "viewer"}, {Asset: "host", Port: "ssh", Account: "hop"}}}}
	ask := func(asset policy.AssetName, account policy.AccountName, rights policy.Rights) policy.Decision {
		return p.Decide(f, policy.Query{Stage: policy.AtChannel, Asset: asset, Port: "ssh", Account: account, Rights: rights, Kind: "shell"}, day("2026-11-22 02:00"))
	}
	d := ask("plc", "maint", policy.Look|policy.Set)
	if !d.Allow {
		t.Fatalf("%+v", d)
	}
	login, hop := d.Duties.Login, d.Duties.Via
	if login.By != policy.LoginPassword || login.Principal != "maint@plc.kiel" || len(login.Prompts) != 1 || !slices.Equal(d.Duties.Old, []string{"ssh-rsa", "diffie-hellman-group14-sha1"}) {
		t.Errorf("%+v, %q", login, d.Duties.Old)
	}
	if hop == nil || hop.Asset != "host" || hop.Account != "hop" || hop.Target.String() != "10.0.0.1:22" || hop.Login.By != policy.LoginKey || hop.Login.Principal != "hop@host.kiel" || len(hop.HostKeys) != 1 || hop.Old != nil {
		t.Errorf("%+v", hop)
	}
	if d := ask("plc", "viewer", policy.Look); d.Duties.Login.By != policy.LoginCertificate || d.Duties.Via == nil {
		t.Errorf("%+v", d.Duties)
	}
	if d := ask("host", "hop", policy.Look); d.Allow || d.Rule != "unknown-account" {
		t.Errorf("an account for jumps lets somebody in: %+v", d)
	}
	for _, b := range []policy.Block{{ID: "B-1", Asset: "host"}, {ID: "B-2", Zone: "ops"}} {
		f.Blocks = []policy.Block{b}
		if d := ask("plc", "maint", policy.Look|policy.Set); d.Rule != "blocked" {
			t.Errorf("%s stops the host and not what is behind it: %+v", b.ID, d)
		}
	}
	if a, ok := p.LoginOf("host", "hop"); !ok || a.Login != policy.LoginKey {
		t.Errorf("%+v", a)
	}
}

// An exception stands in what people sign, and in what the plant owes.
func TestOldAlgorithmsAreTold(t *testing.T) {
	p, wrong := waysPlant(t)
	if p == nil {
		t.Fatal(wrong)
	}
	want := "plc is spoken to in old, weak SSH (ssh-rsa, diffie-hellman-group14-sha1): the maker has no newer firmware; ot-security answers for it, review 2027-03-31."
	for port, told := range map[policy.PortName]string{"ssh": want, "sftp": want, "modbus": ""} {
		if got := p.Told([]policy.Target{{Asset: "plc", Port: port, Account: "maint"}}, policy.Look).Weak; got != told {
			t.Errorf("%s: %q", port, got)
		}
	}
	if got := p.Told([]policy.Target{{Asset: "host", Port: "ssh", Account: "own"}}, policy.Look).Weak; got != "" {
		t.Errorf("host: %q", got)
	}
	p, wrong = waysPlant(t, "jumps:", "old_algorithms: {allow: [hmac-sha1], why: old box, owner: owner-2, review: 2027-03-31}, jumps:")
	if p == nil {
		t.Fatal(wrong)
	}
	if got := p.Told([]policy.Target{{Asset: "plc", Port: "modbus"}}, policy.Look).Weak; !strings.HasPrefix(got, "host is spoken to in old, weak SSH (hmac-sha1): old box; owner-2") {
		t.Errorf("through an old host: %q", got)
	}
	kinds := map[string]int{}
	for _, d := range p.Debts(day("2027-05-01 00:00"), policy.Known{}) {
		kinds[d.Kind+" "+d.What]++
	}
	if kinds["old-ssh asset plc"] != 1 || kinds["old-ssh asset host"] != 1 || kinds["review old SSH of plc"] != 1 {
		t.Errorf("%v", kinds)
	}
	other, _ := waysPlant(t, "allow: [ssh-rsa, diffie-hellman-group14-sha1]", "allow: [ssh-rsa]")
	var roles []string
	for _, n := range policy.MustAgree(p, other) {
		roles = append(roles, string(n.Role))
	}
	if !slices.Contains(roles, "ot-security") || !slices.Contains(roles, "owner-1") {
		t.Errorf("an exception is changed by %v", roles)
	}
}

func TestWaysThatContradict(t *testing.T) {
	const via, jump, rotate, prompts = "via: {asset: host, account: hop}", "jumps: {hop: {login: key}}", `rotate: {run: chpasswd, lines: ["{account}:{new}"], length: 16}`, `prompts: [{asks: "Password: ?", give: secret}]`
	for name, row := range map[string]struct{ from, to, want string }{
		"through itself":                       {via, "via: {asset: plc, account: hop}", "reached through itself"},
		"through nothing":                      {via, "via: {asset: nobody, account: hop}", `no asset "nobody"`},
		"through an account of windows":        {via, "via: {asset: host, account: own}", "has no account own for jumps"},
		"by an account that others have too":   {jump, "jumps: {own: {login: key}}", "has no account hop for jumps"},
		"through a host without a pin":         {"host_keys: [KEY1], ", "", "is not pinned"},
		"through a host off the way":           {"zone: ops, level: 3", "zone: side, level: 3", "there is no zone"},
		"an algorithm that nobody has":         {"allow: [ssh-rsa,", "allow: [rc4-md5,", "rc4-md5"},
		"an exception without a reason":        {"why: the maker has no newer firmware, ", "", "why"},
		"a long reason":                        {"the maker has no newer firmware", strings.Repeat("x", 201), "at most 200"},
		"an algorithm twice":                   {"allow: [ssh-rsa,", "allow: [ssh-rsa, ssh-rsa,", "here twice"},
		"prompts without a password":           {"login: password, ", "", "login: password only"},
		"a prompt that fits everything":        {`"Password: ?"`, `".*"`, "fits every question"},
		"a prompt that is no pattern":          {`"Password: ?"`, `"(["`, "no pattern"},
		"a secret in a command's words":        {"run: chpasswd", `run: "passwd {new}"`, "can be read by everybody"},
		"a rotation that changes nothing":      {`["{account}:{new}"]`, `["{account}"]`, "nothing would be changed"},
		"a rotation of a certificate":          {"login: password, " + prompts + ", " + rotate, rotate, "no secret to rotate"},
		"a password that is soon guessed":      {"length: 16", "length: 8", "8"},
		"a login nobody knows":                 {"login: password", "login: kerberos", "kerberos"},
		"login at a port without accounts":     {"modbus: {rights: [look], enforced: nobody}", "modbus: {rights: [look], enforced: nobody, jumps: {x: {}}}", "jumps"},
		"a host that is itself behind another": {"level: 3, address: 10.0.0.1", "level: 3, via: {asset: plc, account: x}, address: 10.0.0.1", "one host lies between"},
	} {
		t.Run(name, func(t *testing.T) {
			p, wrong := waysPlant(t, row.from, row.to)
			if p != nil || !strings.Contains(wrong, row.want) {
				t.Errorf("got %q", wrong)
			}
		})
	}
}

// A host stands in a zone that the conduits lead through.
func TestAHostOffTheWay(t *testing.T) {
	p, wrong := waysPlant(t, "  line-1: {name: Line", "  side: {name: Side, levels: [3], sl_t: 2, owner: owner-2}\n  line-1: {name: Line", "zone: ops, level: 3", "zone: side, level: 3",
		"  - {name: ops-line", "  - {name: dmz-side, from: dmz, to: side, carries: [ssh], rights: [look], owners: [ot-security, owner-2], why: test, review: 2030-01-01}\n  - {name: ops-line")
	if p != nil || !strings.Contains(wrong, "a host on the way stands in a zone on the way") {
		t.Errorf("got %q", wrong)
	}
}

func TestPromptFits(t *testing.T) {
	for prompt, want := range map[string]bool{"Password:": true, " Password: \n": true, "password:": false, "Old Password:": false, "Password: or PIN": false, strings.Repeat("x", 600): false} {
		if got := (policy.Prompt{Asks: "Password: ?"}).Fits(prompt); got != want {
			t.Errorf("%q: %t", prompt, got)
		}
	}
}

func TestSubsystems(t *testing.T) {
	const account = "viewer: {rights: [look], enforced: device"
	p, wrong := waysPlant(t, account, account+", subsystems: [netconf, acme@maker.example]")
	if p == nil {
		t.Fatal(wrong)
	}
	f := policy.Facts{Person: policy.PersonFacts{ID: "ann", Firm: "krall", Plant: true}, Window: policy.WindowFacts{ID: "W-1", Agreed: true, Live: true,
		From: day("2026-11-22 01:00"), Until: day("2026-11-22 05:00"), People: []policy.PersonID{"ann"}, Rights: policy.Look | policy.Set,
		Targets: []policy.Target{{Asset: "plc", Port: "ssh", Account: "maint"}, {Asset: "plc", Port: "ssh", Account: "viewer"}, {Asset: "plc", Port: "modbus"}}}}
	for name, ask := range map[string]struct {
		account policy.AccountName
		port    policy.PortName
		kind    string
		rule    string
	}{
		"declared":            {"viewer", "ssh", "subsystem netconf", ""},
		"with a maker's name": {"viewer", "ssh", "subsystem acme@maker.example", ""},
		"another":             {"viewer", "ssh", "subsystem netconf2", "no-subsystem"},
		"no name":             {"viewer", "ssh", "subsystem ", "no-subsystem"},
		"another account's":   {"maint", "ssh", "subsystem netconf", "no-subsystem"},
		"files go their way":  {"viewer", "ssh", "subsystem", "no-conduit"},
		"as a port of files":  {"viewer", "sftp", "subsystem netconf", "no-conduit"},
		"on another port":     {"", "modbus", "subsystem netconf", "no-subsystem"},
	} {
		rights := policy.Look
		if ask.account == "maint" {
			rights |= policy.Set
		}
		d := p.Decide(f, policy.Query{Stage: policy.AtChannel, Asset: "plc", Port: ask.port, Account: ask.account, Rights: rights, Kind: ask.kind}, day("2026-11-22 02:00"))
		if d.Allow != (ask.rule == "") || ask.rule != "" && d.Rule != ask.rule {
			t.Errorf("%s: %+v", name, d)
		}
		if d.Rule == "no-subsystem" && ask.account == "viewer" && !strings.Contains(d.Say, "it has: acme@maker.example, netconf") {
			t.Errorf("%s: %s", name, d.Say)
		}
	}
	for text, want := range map[string]string{"[sftp]": "conduits carry it", "[SFTP]": "conduits carry it", "[a b]": "cannot name a subsystem", "[netconf, netconf]": "here twice", "[]": "", "netconf": ""} {
		if p, wrong := waysPlant(t, account, account+", subsystems: "+text); p != nil || !strings.Contains(wrong, want) {
			t.Errorf("subsystems: %s: %s", text, wrong)
		}
	}
	const modbus = "modbus: {rights: [look], enforced: nobody}"
	if p, wrong := waysPlant(t, modbus, "vnc: {accounts: {any: {rights: [look], enforced: nobody, subsystems: [netconf]}}}"); p != nil || !strings.Contains(wrong, "subsystems are SSH's") {
		t.Errorf("without ssh: %s", wrong)
	}
}
