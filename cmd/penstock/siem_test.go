package main

import (
	"strings"
	"testing"

	"penstock/policy/source"
)

func siemOf(t *testing.T, text string) ([]siemPlace, string) {
	t.Helper()
	var report source.Report
	all := readSIEM("/etc/penstock", source.Load("penstock.yaml", []byte(text+"\n"), &report).Fields("siem").Get("siem"))
	if err := report.Problems().Err(); err != nil {
		return all, err.Error()
	}
	return all, ""
}

func TestSIEMFile(t *testing.T) {
	all, problem := siemOf(t, "siem: [{name: soc, syslog: 'h:6514', ca: ca.pem}, {name: agent, file: e.ndjson, max: 8MiB, keep: 0}, {name: b, file: /x}]")
	want := []siemPlace{{Name: "soc", Syslog: "h:6514", CA: "/etc/penstock/ca.pem", Most: siemFileMost, Keep: siemFileKeep},
		{Name: "agent", File: "/etc/penstock/e.ndjson", Most: 8 << 20}, {Name: "b", File: "/x", Most: siemFileMost, Keep: siemFileKeep}}
	if problem != "" || len(all) != 3 || all[0] != want[0] || all[1] != want[1] || all[2] != want[2] {
		t.Errorf("%s\n%+v", problem, all)
	}
	for text, want := range map[string]string{
		"siem: [{syslog: 'h:1'}]":                              "there is no name here",
		"siem: [{name: A, syslog: 'h:1'}]":                     "no short name",
		"siem: [{name: a, syslog: 'h:1'}, {name: a, file: x}]": "is taken",
		"siem: [{name: a}]":                                    "one of them",
		"siem: [{name: a, syslog: 'h:1', file: x}]":            "one of them",
		"siem: [{name: a, syslog: h}]":                         "no host and port",
		"siem: [{name: a, syslog: 'h:1', keep: 3}]":            "are of a file",
		"siem: [{name: a, file: x, max: lots}]":                "is no size",
		"siem: [{name: a, file: x, every: 3s}]":                `unknown key "every"`,
	} {
		if _, problem := siemOf(t, text); !strings.Contains(problem, want) {
			t.Errorf("%s: %q", text, problem)
		}
	}
}
