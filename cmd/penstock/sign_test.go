package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/broker/api"
)

// What a broker that somebody else commands could give to sign in place of what was
// typed: an agent signs it before anybody has read it.
func TestNothingElseIsSigned(t *testing.T) {
	end := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	text := audit.HashOf([]byte("R-3"))
	typed := meant{by: "mia", says: evidence.Yes, text: text.String(), limits: api.Limits{Rights: []string{"set"}, Minutes: 30, Until: end, Targets: []api.Target{{Asset: "filler-plc", Port: "ssh", Account: "maint"}}}}
	given := evidence.Answer{Person: "mia", Says: evidence.Yes, Request: text, Limits: evidence.Limits{Rights: []string{"look", "set"}, Minutes: 30, Until: end, Assets: []evidence.Target{{Asset: "filler-plc", Port: "ssh", Account: "maint"}}}}
	later := meant{by: "mia", says: evidence.Extend, window: "W-3", until: end.Add(time.Millisecond)}
	longer := evidence.Answer{Person: "mia", Says: evidence.Extend, Request: text, Window: "W-3", Until: end}
	heard := meant{by: "mia", says: evidence.Yes, heard: "olaf"}
	wrote := evidence.Answer{Person: "olaf", Heard: "mia", Says: evidence.Yes}
	for _, row := range []struct {
		story  string
		m      meant
		a      evidence.Answer
		change func(*evidence.Answer)
		is     bool
	}{
		{"what was typed", typed, given, func(*evidence.Answer) {}, true},
		{"less", typed, given, func(a *evidence.Answer) { a.Limits.Minutes, a.Limits.Rights = 10, []string{"look"} }, true},
		{"a yes for a no", meant{by: "mia", says: evidence.No}, given, func(*evidence.Answer) {}, false},
		{"in another's name", typed, given, func(a *evidence.Answer) { a.Person = "olaf" }, false},
		{"to another text", typed, given, func(a *evidence.Answer) { a.Request = audit.HashOf([]byte("R-4")) }, false},
		{"with another right", typed, given, func(a *evidence.Answer) { a.Limits.Rights = []string{"look", "set", "load"} }, false},
		{"with all rights", typed, given, func(a *evidence.Answer) { a.Limits.Rights = nil }, false},
		{"for longer", typed, given, func(a *evidence.Answer) { a.Limits.Minutes = 31 }, false},
		{"for as long as asked", typed, given, func(a *evidence.Answer) { a.Limits.Minutes = 0 }, false},
		{"until later", typed, given, func(a *evidence.Answer) { a.Limits.Until = end.Add(time.Second) }, false},
		{"without an end", typed, given, func(a *evidence.Answer) { a.Limits.Until = time.Time{} }, false},
		{"on another machine", typed, given, func(a *evidence.Answer) {
			a.Limits.Assets = append(a.Limits.Assets, evidence.Target{Asset: "mixer", Port: "ssh", Account: "maint"})
		}, false},
		{"on all machines", typed, given, func(a *evidence.Answer) { a.Limits.Assets = nil }, false},
		{"an extension", later, longer, func(*evidence.Answer) {}, true},
		{"of another window", later, longer, func(a *evidence.Answer) { a.Window = "W-4" }, false},
		{"by an hour more", later, longer, func(a *evidence.Answer) { a.Until = end.Add(time.Hour) }, false},
		{"a yes for an extension", later, given, func(*evidence.Answer) {}, false},
		{"a yes that was heard", heard, wrote, func(*evidence.Answer) {}, true},
		{"heard of somebody else", heard, wrote, func(a *evidence.Answer) { a.Person = "jan" }, false},
		{"heard, and it is one's own", typed, given, func(a *evidence.Answer) { a.Person, a.Heard = "olaf", "mia" }, false},
	} {
		row.change(&row.a)
		if got := row.m.is(row.a); got != row.is {
			t.Errorf("%s: signed %t", row.story, got)
		}
	}
}

// The same from the outside: a broker's drafts, and ssh-keygen.
func TestADraftIsHeldToItsText(t *testing.T) {
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	var draft api.Draft
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = json.NewEncoder(w).Encode(draft) })}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	draftOf := func(block, says string) api.Draft {
		text, err := audit.Canonical(evidence.Lift{V: 1, Block: block, Rev: 1, Plant: audit.HashOf(nil)})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := audit.Canonical(evidence.Answer{V: 1, Request: audit.HashOf(text), Person: "mia", Firm: "fjord", Role: "shift", Says: says, Nonce: string(bytes.Repeat([]byte("A"), 43)), At: at, DecideBy: at.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return api.Draft{Text: string(answer), Namespace: evidence.AnswerNamespace, Request: string(text)}
	}
	swapped := draftOf("B-2", evidence.Yes)
	swapped.Text = draftOf("B-9", evidence.Yes).Text
	elsewhere := draftOf("B-2", evidence.Yes)
	elsewhere.Namespace = evidence.VouchNamespace
	for _, row := range []struct {
		story string
		draft api.Draft
		want  error
	}{
		{"as it was asked for", draftOf("B-2", evidence.Yes), nil},
		{"another block", draftOf("B-9", evidence.Yes), errNotMeant},
		{"another text than it shows", swapped, errNotMeant},
		{"a no", draftOf("B-2", evidence.No), errNotMeant},
		{"as a word for a key", elsewhere, errNotMeant},
	} {
		draft = row.draft
		cmd := &cobra.Command{}
		var said bytes.Buffer
		cmd.SetErr(&said)
		cmd.SetContext(t.Context())
		signed, err := signs(cmd, api.Unix(l.Addr().String()), key, "/blocks/B-2/lift", api.Step{}, meant{by: "mia", says: evidence.Yes}, evidence.ParseLift, func(_ evidence.Answer, l evidence.Lift) ([]string, error) {
			if l.Block != "B-2" {
				return nil, errNotMeant
			}
			return []string{"You sign: " + l.Block}, nil
		})
		if !errors.Is(err, row.want) || (signed == nil) == (row.want == nil) || (said.Len() > 0) == (row.want != nil) {
			t.Errorf("%s: %v, %v, said %q", row.story, signed, err, said.String())
		}
	}
}
