package people

import (
	"fmt"
	"strings"
	"testing"

	"penstock/policy"
)

func knownRole(r policy.Role) bool { return r == "shift" || r == "ot-security" || r == "maintenance" }

func TestBootstrapProblems(t *testing.T) {
	good := first()
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the file has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	many := strings.Builder{}
	for i := range 20 {
		fmt.Fprintf(&many, "  p%d: {name: P, firm: fjord, key: %s}\n", i, key(fmt.Sprint("many", i)))
	}
	for name, c := range map[string]struct {
		text  string
		wants []string // in order; each a line
	}{
		"empty":                      {"", []string{"boot.yaml:1:1:"}},
		"a list":                     {"[a]", []string{"boot.yaml:1:1: the file is a mapping of firms, people"}},
		"no YAML":                    {"firms: {", []string{"boot.yaml:2:1: did not find expected node content: this is not YAML"}},
		"two documents":              {good + "---\nfirms: {}\n", []string{"boot.yaml:"}},
		"no people":                  {"firms: {fjord: {name: Fjord, plant: true}}", []string{"boot.yaml:1:1: people: is missing"}},
		"people who are none":        {"firms: {fjord: {name: Fjord, plant: true}}\npeople: {}", []string{"boot.yaml:2:9: people: is a mapping of ids, and not empty"}},
		"an unknown key":             {swap("plant: true", "plant: true, city: Kiel"), []string{`boot.yaml:3:48: unknown key "city"; here are name, plant, sponsor, networks, until`}},
		"a key twice":                {swap("sponsor: olaf", "sponsor: olaf, sponsor: mia"), []string{`boot.yaml:4:47: "sponsor" is there twice`}},
		"a person twice":             {good + "  mia: {name: Mia, firm: fjord, key: " + key("z") + "}\n", []string{`boot.yaml:11:3: "mia" is there twice`}},
		"a bad id":                   {swap("mia:", "Mia:"), []string{`boot.yaml:6:3: "Mia" is no id`}},
		"a reserved id":              {swap("mia:", "desk:"), []string{`boot.yaml:6:3: "desk" is no id`}},
		"no plant":                   {swap("plant: true", "plant: false, sponsor: mia"), []string{"boot.yaml:2:1: no firm is the plant"}},
		"plant: yes":                 {swap("plant: true", "plant: yes"), []string{"boot.yaml:3:42: plant is true or false"}},
		"two plants":                 {swap("sponsor: olaf", "plant: true"), []string{"boot.yaml:4:3: two firms are the plant, fjord and krall"}},
		"the plant with a sponsor":   {swap("plant: true", "plant: true, sponsor: mia"), []string{"boot.yaml:3:3: the plant has no sponsor"}},
		"no sponsor":                 {swap("sponsor: olaf, ", ""), []string{"boot.yaml:4:3: firm krall needs a sponsor"}},
		"a sponsor of the vendor":    {swap("sponsor: olaf", "sponsor: ann"), []string{"boot.yaml:4:3: firm krall needs a sponsor"}},
		"a sponsor who is not there": {swap("sponsor: olaf", "sponsor: kim"), []string{"boot.yaml:4:3: firm krall needs a sponsor"}},
		"an unknown firm":            {swap("name: Ann Berg, firm: krall", "name: Ann Berg, firm: zett"), []string{`boot.yaml:10:3: ann needs a firm that stands above; "zett" does not`}},
		"no firm":                    {swap("name: Ann Berg, firm: krall", "name: Ann Berg"), []string{`boot.yaml:10:3: ann needs a firm that stands above; "" does not`}},
		"an unknown role":            {swap("roles: [shift]", "roles: [wizard]"), []string{`boot.yaml:6:45: the plant file knows no team "wizard"`}},
		"a role twice":               {swap("roles: [shift]", "roles: [shift, shift]"), []string{`boot.yaml:6:45: role "shift" is given twice`}},
		"a role that is no list":     {swap("roles: [shift]", "roles: shift"), []string{"boot.yaml:6:45: roles is a list"}},
		"a vendor with a role":       {swap("name: Ann Berg, firm: krall", "name: Ann Berg, firm: krall, roles: [shift]"), []string{"boot.yaml:10:3: ann has roles"}},
		"no key":                     {swap(", key: "+key("ann"), ""), []string{"boot.yaml:10:8: key: is missing"}},
		"an empty key":               {swap("key: "+key("ann"), `key: ""`), []string{"boot.yaml:10:43: key is empty"}},
		"two with one key":           {swap(key("ann"), key("mia")+" ann@pc"), []string{"boot.yaml:6:59: this key is ann's too"}},
		"a key of rubbish":           {swap(key("ann"), "ssh-ed25519 AAAA"), []string{"boot.yaml:10:43: this is no public key"}},
		"a private key":              {swap(key("ann"), `"-----BEGIN OPENSSH PRIVATE KEY-----"`), []string{"boot.yaml:10:43: this is a private key: give it to nobody"}},
		"a bad network":              {swap("198.51.100.0/24", "krall.example"), []string{`boot.yaml:4:58: "krall.example" is no network`}},
		"a network with host bits":   {swap("198.51.100.0/24", "198.51.100.7/24"), []string{`boot.yaml:4:58: "198.51.100.7/24" is no network`}},
		"a day that is none":         {swap("2027-03-31", "31.03.2027"), []string{"boot.yaml:4:83: until is the last day"}},
		"no name":                    {swap("name: Mia Voss, ", ""), []string{"boot.yaml:6:8: name: is missing"}},
		"a name of nothing":          {swap("name: Mia Voss", "name:"), []string{"boot.yaml:6:14: name is a plain word"}},
		"an empty name":              {swap("name: Mia Voss", `name: ""`), []string{"boot.yaml:6:15: name is empty"}},
		"hostile text":               {swap("Mia Voss", `"Mia\e[2J"`), []string{"boot.yaml:6:15: the name holds U+001B"}},
		"text that turns":            {swap("Mia Voss", `"Mia \u202essoV"`), []string{"boot.yaml:6:15: the name holds U+202E"}},
		"an anchor":                  {swap("name: Mia Voss", "name: &a Mia Voss"), []string{"boot.yaml:6:15: name is a plain word"}},
		"an alias":                   {swap("name: Mia Voss", "name: &a Mia Voss") + "  tom: *a\n", []string{"boot.yaml:6:15:", "boot.yaml:11:8: person tom is a mapping"}},
		"one person of the plant": {"firms: {fjord: {name: Fjord, plant: true}}\npeople: {mia: {name: Mia, firm: fjord, key: " + key("mia") + "}}",
			[]string{"boot.yaml:1:1: at least two people of the plant"}},
		"too many for the first leaf": {good + many.String(), []string{"boot.yaml:2:1: too many people and firms for the first leaf"}},
		"too large":                   {good + "#" + strings.Repeat("x", 70000), []string{"boot.yaml: 7"}},
		"all problems at once": {swap("name: Mia Voss", "nme: Mia Voss") + "  tom: {name: Tom, firm: fjord, key: x}\n",
			[]string{"boot.yaml:6:8: name: is missing", `boot.yaml:6:9: unknown key "nme"`, "boot.yaml:11:38: this is no public key"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseBootstrap("boot.yaml", []byte(c.text), knownRole)
			if err == nil {
				t.Fatal("taken")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.wants) {
				t.Fatalf("%d lines, want %d:\n%v", len(lines), len(c.wants), err)
			}
			for i, want := range c.wants {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("line %d is %q, want %q", i+1, lines[i], want)
				}
			}
		})
	}
}

func TestProblemsAreBounded(t *testing.T) {
	_, err := ParseBootstrap("boot.yaml", []byte("people: {}\nfirms:\n"+strings.Repeat("  a: 1\n", 5000)), nil)
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != maxProblems+1 || lines[maxProblems] != "boot.yaml: and 4901 more" {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
}

func TestLargestBootstrapFits(t *testing.T) {
	docs := documents(t)
	var file strings.Builder
	file.WriteString("firms:\n  fjord: {name: F, plant: true}\npeople:\n")
	n := 0
	for ; ; n++ {
		next := fmt.Sprintf("  p%s%02d: {name: P, firm: fjord, roles: [shift], key: %s}\n", strings.Repeat("x", 29), n, key(fmt.Sprint("p", n)))
		if _, err := ParseBootstrap("b", []byte(file.String()+next), nil); n >= 2 && err != nil {
			break
		}
		file.WriteString(next)
	}
	if n < 10 {
		t.Errorf("only %d people fit", n)
	}
	h := &house{t: t, docs: docs}
	h.bootstrap(file.String())
	if all, err := h.r.People(ctx); err != nil || len(all) != n {
		t.Errorf("%d people of %d, %v", len(all), n, err)
	}
	h.rebuilt()
}

func FuzzBootstrap(f *testing.F) {
	f.Add([]byte(first()))
	f.Add([]byte("firms: {a: {name: A, plant: true}}\npeople: {b: &x {name: B}, c: *x, d: {<<: *x}}"))
	f.Add([]byte("firms: !!binary aGk=\npeople: [1, 2, {? [a] : b}]"))
	f.Add([]byte("a: &a [*a]\n---\n%TAG ! x"))
	f.Add([]byte("people:\n\tmia: x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		boot, err := ParseBootstrap("f", b, nil)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error of no words")
			}
			return
		}
		keys := map[string]bool{}
		for _, p := range boot.People {
			if !policy.ValidID(string(p.ID)) || len(p.Keys) != 1 || keys[p.Keys[0].ID] || p.Keys[0].Pending || checkName("", p.Name) != nil {
				t.Fatalf("taken: %+v", p)
			}
			keys[p.Keys[0].ID] = true
		}
		if len(boot.People) < 2 || len(boot.Firms) == 0 {
			t.Fatalf("taken: %+v", boot)
		}
	})
}
