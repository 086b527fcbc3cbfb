package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
)

// TestServerFileRecordings: who can open recordings, strictly; a secret in the wrong place is not shown.
func TestServerFileRecordings(t *testing.T) {
	read := func(text string) (recordingsFile, string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "penstock.yaml")
		if err := os.WriteFile(path, []byte("name: localhost\ndata: data\nplant: plant.yaml\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := readServerFile(path)
		if err != nil {
			return recordingsFile{}, err.Error()
		}
		return f.Recordings, ""
	}
	var ids []*age.X25519Identity
	for range mostAuditors + 1 {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	key, two, secret := ids[0].Recipient().String(), ids[1].Recipient().String(), ids[0].String()
	r, problem := read("recordings: {mode: sealed, auditors: [{person: sec, key: " + key + "}, {person: sec, key: " + two + "}]}")
	if problem != "" || r.Mode != modeSealed || !slices.Equal(r.recipients(), []string{key, two}) || !slices.Equal(r.people(), []string{"sec"}) {
		t.Errorf("%+v %s", r, problem)
	}
	for _, text := range []string{"", "recordings: {mode: readable}"} {
		if r, problem := read(text); problem != "" || r.Mode != modeReadable || r.Auditors != nil {
			t.Errorf("%q: %+v %s", text, r, problem)
		}
	}
	many := "recordings: {mode: sealed, auditors: ["
	for _, id := range ids {
		many += "{person: sec, key: " + id.Recipient().String() + "},"
	}
	for text, want := range map[string]string{
		"recordings: {}":                           "there is no mode here",
		"recordings: {mode: shut}":                 `"shut"`,
		"recordings: {mode: sealed}":               "there is no auditors here",
		"recordings: {mode: sealed, auditors: []}": "nobody could ever open",
		"recordings: {mode: readable, auditors: [{person: sec, key: " + key + "}]}":                            "auditors are for sealed recordings",
		"recordings: {mode: sealed, auditors: [{key: " + key + "}]}":                                           "there is no person here",
		"recordings: {mode: sealed, auditors: [{person: sec}]}":                                                "there is no key here",
		"recordings: {mode: sealed, auditors: [{person: Sec X, key: " + key + "}]}":                            "no short name of a person",
		"recordings: {mode: sealed, auditors: [{person: sec, key: " + secret + "}]}":                           "this is a secret key",
		"recordings: {mode: sealed, auditors: [{person: sec, key: age1abc}]}":                                  "no age recipient",
		"recordings: {mode: sealed, auditors: [{person: a, key: " + key + "}, {person: b, key: " + key + "}]}": "named twice",
		"recordings: {mode: sealed, auditors: [{person: sec, key: " + key + ", since: today}]}":                `unknown key "since"`,
		many + "]}": "are the most",
	} {
		if _, problem := read(text); !strings.Contains(problem, want) || strings.Contains(problem, secret) {
			t.Errorf("%.60s: %q", text, problem)
		}
	}
	f, old := serverFile{Recordings: r}, serverFile{Recordings: recordingsFile{Mode: modeReadable}}
	if got := f.needRestart(old); !slices.Contains(got, "recordings") {
		t.Errorf("a reload would take another mode: %v", got)
	}
}
