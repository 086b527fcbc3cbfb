package policy_test

import (
	"reflect"
	"strings"
	"testing"

	"penstock/policy"
)

const maintLine = "maint:   {rights: [look, copy, set, operate, load], enforced: nobody}"

func withFiles(rules string) string {
	return "maint:   {rights: [look, copy, set, operate, load], enforced: nobody, files: " + rules + "}"
}

func TestFileRulesAreRead(t *testing.T) {
	p := changedPlant(t, maintLine, withFiles("{keep: hashes, in: {paths: [/srv/recipes/, /srv/fw/*.bin], most: 50MiB, types: [text, zip], quarantine: true}, out: {paths: [/var/log/**], most: 2GiB, types: [text], quarantine: true}}"))
	a, _ := p.Asset("filler-plc")
	port, _ := a.Port("ssh")
	maint, _ := port.Account("maint")
	want := policy.FileRules{
		In:  policy.FileRule{Paths: []string{"/srv/recipes/**", "/srv/fw/*.bin"}, Most: 50 << 20, Types: []string{"text", "zip"}, Quarantine: true},
		Out: policy.FileRule{Paths: []string{"/var/log/**"}, Most: 2 << 30, Types: []string{"text"}, Quarantine: true},
	}
	if !maint.Hashes || !reflect.DeepEqual(maint.Files, want) {
		t.Errorf("%+v", maint)
	}
	said := p.Told([]policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "maint"}}, policy.Look|policy.Load).Files
	if said != "Files as maint on FIL-1-PLC-01: in: only /srv/recipes/** /srv/fw/*.bin, at most 50MiB each, only text, zip, each waits until it was looked at." {
		t.Errorf("told as %q", said)
	}
	if said := p.Told([]policy.Target{{Asset: "filler-plc", Port: "ssh", Account: "maint"}}, policy.Look).Files; said != "" {
		t.Errorf("who only looks is told %q", said)
	}
	// Whoever answers for the asset is asked when the rules change.
	told := false
	for _, d := range policy.Diff(changedPlant(t), p) {
		told = told || strings.Contains(d.What, "account maint") && strings.Contains(d.Text, "file rules") && strings.Contains(d.Text, "at most 50MiB each")
	}
	if !told {
		t.Errorf("the difference is told as %+v", policy.Diff(changedPlant(t), p))
	}
}

func TestFileRulesThatAreWrong(t *testing.T) {
	for rules, want := range map[string]string{
		"{in: {paths: [recipes/x]}}":             "is no absolute path in its shortest form",
		"{in: {paths: [/srv/../etc]}}":           "is no absolute path in its shortest form",
		"{in: {paths: [/a/**/b/**]}}":            "** more than once",
		"{in: {paths: ['/a/x**']}}":              "** is no name of its own",
		"{in: {paths: ['/a/[']}}":                "syntax error in pattern",
		"{in: {most: 50}}":                       `"50" is no size`,
		"{in: {most: 50MB}}":                     `"50MB" is no size`,
		"{in: {most: 0MiB}}":                     "is not from 1B",
		"{in: {types: [text]}}":                  "while it waits",
		"{in: {types: [txt], quarantine: true}}": `"txt" is not known here`,
		"{out: {types: [text]}}":                 "while it waits",
		"{both: {most: 1MiB}}":                   "both",
		"{keep: nothing}":                        `"nothing" is not known here`,
		"all":                                    `"all" is not known here`,
	} {
		files := edited(t, maintLine, withFiles(rules))
		_, problems := policy.ParseWith(thisBuild, "plant.yaml", files)
		if problems == nil || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: %v", rules, problems)
		}
	}
	files := edited(t, "recipes: {rights: [look, copy, set], enforced: device, files: content}", "recipes: {rights: [look, copy, set], enforced: device, files: {in: {most: 1MiB}}}")
	if _, problems := policy.ParseWith(thisBuild, "plant.yaml", files); problems == nil || !strings.Contains(problems.Error(), "no right to load") {
		t.Errorf("%v", problems)
	}
}

func TestPathsOfFileRules(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		may           bool
	}{
		{"/srv/recipes/**", "/srv/recipes/a", true},
		{"/srv/recipes/**", "/srv/recipes/a/b/c", true},
		{"/srv/recipes/**", "/srv/recipes", false}, // the folder itself is not below it
		{"/srv/recipes/**", "/srv/recipes2/a", false},
		{"/srv/recipes/**", "/srv/recipes/../x", false}, // not canonical
		{"/srv/recipes/**", "srv/recipes/a", false},
		{"/srv/*.csv", "/srv/a.csv", true},
		{"/srv/*.csv", "/srv/b/a.csv", false},
		{"/srv/**/x", "/srv/a/b/x", true},
		{"/srv/**/x", "/srv/x", false},
		{"/srv/**/x", "/srv/a/y", false},
		{"/srv/a", "/srv/a", true},
		{"/srv/a", "/srv/a/b", false},
		{"/srv/a", "/srv", false},
	} {
		if got := (policy.FileRule{Paths: []string{c.pattern}}).May(c.path); got != c.may {
			t.Errorf("%s of %s: %v", c.pattern, c.path, got)
		}
	}
	for path, might := range map[string]bool{"/C:/out/a.log": true, "/c:/OUT/A.LOG": true, "/C:/out. ./a.log..": true, "/C:/out/a.log::$DATA": true, "/C:/OUT~1/a.log": true,
		"/C:/out/a.txt": false, "/C:/etc/a.log": false, "/D:/out/a.log": false, "/C:/out~/a.log": false} {
		if got := (policy.FileRule{Paths: []string{"/C:/out/*.log"}}).Might(path); got != might {
			t.Errorf("%s might pass: %v", path, got)
		}
	}
	if !(policy.FileRule{}).May("anything") {
		t.Error("no paths are all paths")
	}
}
