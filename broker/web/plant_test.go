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
func demoPlant(t *testing.T) *policy.Plant { return plantAt(t, "", true) }

// reviewDays are moved far ahead: the pages have the machine's clock, and nothing
// is agreed in a frame whose review is over.
var reviewDays = regexp.MustCompile(`review: \d{4}-`)

// plantAt is the example plant file with its pages at an origin, with codes or as it is.
func plantAt(t *testing.T, origin string, codes bool) *policy.Plant {
	t.Helper()
	files := configs.Plant()
	text := reviewDays.ReplaceAllString(string(files[configs.PlantMain]), "review: 2137-")
	if codes {
		text = strings.ReplaceAll(text, ", ask: [", ", proof: code, ask: [")
		text = longestWords.ReplaceAllString(text, "$1, proof: code}")
	}
	if origin != "" {
		text = strings.Replace(text, "https://penstock.kiel.example:8443", origin, 1)
	}
	files[configs.PlantMain] = []byte(text)
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
