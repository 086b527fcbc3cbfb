package web

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/configs"
	"penstock/policy"
)

var longestWords = regexp.MustCompile(`(open: shift, longest: \w+)}`)

// demoPlant is the example plant file, where a code is enough for every yes.
func demoPlant(t *testing.T) *policy.Plant {
	t.Helper()
	files := configs.Plant()
	text := strings.ReplaceAll(string(files[configs.PlantMain]), ", ask: [", ", proof: code, ask: [")
	files[configs.PlantMain] = []byte(longestWords.ReplaceAllString(text, "$1, proof: code}"))
	p, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, configs.PlantMain, files)
	if problems != nil {
		t.Fatal(problems)
	}
	return p
}

func requestFor(account string, rights []string) evidence.Request {
	from := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	return evidence.Request{Assets: []evidence.Target{{Asset: "filler-plc", Port: "ssh", Account: account}}, Rights: rights, Minutes: 60, From: from, To: from.Add(4 * time.Hour)}
}
