package web

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/configs"
	"penstock/policy"
)

// demoPlant is the example plant file.
func demoPlant(t *testing.T) *policy.Plant {
	t.Helper()
	p, problems := policy.Parse(configs.PlantMain, configs.Plant())
	if problems != nil {
		t.Fatal(problems)
	}
	return p
}

func requestFor(account string, rights []string) evidence.Request {
	from := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	return evidence.Request{Assets: []evidence.Target{{Asset: "filler-plc", Port: "ssh", Account: account}}, Rights: rights, Minutes: 60, From: from, To: from.Add(4 * time.Hour)}
}
