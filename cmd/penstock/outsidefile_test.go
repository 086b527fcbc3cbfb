package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/audit"
)

func outsideOf(t *testing.T, text string) (outsideFile, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "penstock.yaml")
	if err := os.WriteFile(path, []byte("name: localhost\ndata: data\nplant: plant.yaml\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := readServerFile(path)
	if err != nil {
		return outsideFile{}, err.Error()
	}
	return f.Outside, ""
}

// TestServerFileOutside: the places of penstock.yaml, strictly and all problems at once.
func TestServerFileOutside(t *testing.T) {
	secret, err := audit.NewWitnessKey("w")
	if err != nil {
		t.Fatal(err)
	}
	k, err := audit.ParseWitnessKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	key := k.Verifier().String()
	o, problem := outsideOf(t, `outside:
  alarm_after: 2m
  refuse_after: 30m
  places:
    - {name: security, witness: "https://w.example:7443", key: "`+key+`", ca: w.crt}
    - {name: siem, syslog: "siem.example:6514", every: 1s}
    - {name: worm, s3: "https://s3.example", bucket: b, login: s3.login, retain: 30d}
    - {name: auditor, mail: audit@kiel.example, server: "smtp.example:587", from: penstock@kiel.example}
`)
	if problem != "" || len(o.Places) != 4 || o.Alarm != 2*time.Minute || o.Refuse != 30*time.Minute {
		t.Fatalf("%+v %s", o, problem)
	}
	if p := o.Places; p[0].WitnessKey.String() != key || filepath.Base(p[0].CA) != "w.crt" || p[1].Every != time.Second || p[2].Every != time.Hour || p[2].Retain != 30*24*time.Hour || p[3].Every != 24*time.Hour {
		t.Errorf("%+v", p)
	}
	for text, want := range map[string]string{
		"outside: {alarm_after: 5m}":                                                                 "there is no places here",
		"outside: {refuse_after: 1h, places: []}":                                                    "nobody would ever be let in",
		"outside: {refuse_after: 1m, alarm_after: 5m, places: []}":                                   "before anybody is told",
		"outside: {places: [{name: x}]}":                                                             "nothing says how a checkpoint gets there",
		"outside: {places: [{name: people, syslog: 'h:1'}]}":                                         "people is for copies taken by hand",
		"outside: {places: [{name: a, syslog: 'h:1'}, {name: a, syslog: 'h:2'}]}":                    `"a" is taken`,
		"outside: {places: [{name: ../a, syslog: 'h:1'}]}":                                           "no short name",
		"outside: {places: [{name: a, syslog: h}]}":                                                  "no host and port",
		"outside: {places: [{name: a, syslog: 'h:1', witness: 'https://w'}]}":                        "has one way",
		"outside: {places: [{name: a, syslog: 'h:1', bucket: b}]}":                                   `unknown key "bucket"`,
		"outside: {places: [{name: a, witness: 'http://w', key: x}]}":                                "no https address",
		"outside: {places: [{name: a, witness: 'https://w', key: '" + secret + "'}]}":                "a witness's verifier key looks like",
		"outside: {places: [{name: a, s3: 'https://u:p@h', bucket: b, login: l, retain: 30d}]}":      "a secret never belongs into it",
		"outside: {places: [{name: a, s3: 'https://h?token=p', bucket: b, login: l, retain: 30d}]}":  "a secret never belongs into it",
		"outside: {places: [{name: a, s3: 'https://h', bucket: b, login: l}]}":                       "there is no retain here",
		"outside: {places: [{name: a, mail: 'A <a@b.example>', server: 'h:25', from: a@b.example}]}": "no address of a mailbox",
	} {
		if _, problem := outsideOf(t, text+"\n"); !strings.Contains(problem, want) {
			t.Errorf("%s: %q", text, problem)
		} else if strings.Contains(problem, strings.SplitN(secret, "+", 3)[2]) || strings.Contains(problem, "u:p@h") || strings.Contains(problem, "token=p") {
			t.Errorf("the error shows a secret: %s", problem)
		}
	}
}

func TestReadLogin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "login")
	for text, ok := range map[string]bool{"name\nsecret\n": true, "name\n": false, "name\nsecret\nmore\n": false, "\nsecret": false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		user, secret, err := readLogin(path)
		if ok != (err == nil) || ok && (user != "name" || secret != "secret") {
			t.Errorf("%q: %q %q %v", text, user, secret, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret\n") {
			t.Errorf("the error shows it: %v", err)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readLogin(path); err == nil || !strings.Contains(err.Error(), "chmod go-rwx") {
		t.Errorf("a login that all may read: %v", err)
	}
}
