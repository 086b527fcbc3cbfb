package search

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestParseQuery(t *testing.T) {
	kiel, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`alarm F-417`:                              `[{alarm } {f-417 }]`,
		`"Motor  off" x`:                           `[{motor  off } {x }]`,
		`person:Ann asset:"filler-plc"`:            `[] person=ann asset=filler-plc`,
		`file:recipe.txt sha256:sha256:ABCD`:       `[{recipe.txt file} {abcd sha256}]`,
		`after:2026-11-22 before:2026-11-22T03:10`: `[] after=2026-11-21T23:00:00Z before=2026-11-22T02:10:00Z`,
		`http://x`:                                 `[{http://x }]`,
		`'fill volume' x`:                          `[{fill volume } {x }]`, // what a shell left over
		`“fill volume” x`:                          `[{fill volume } {x }]`, // what a telephone makes
		`person:'ann'`:                             `[] person=ann`,
		`'tis`:                                     `[{'tis }]`,
		`""`:                                       "no letter or digit",
		`"open`:                                    "second",
		`“fill volume`:                             "second",
		`file:„recipe`:                             "second",
		`‘fill volume`:                             "second",
		`’tis`:                                     `[{’tis }]`,
		``:                                         "Say what to look for",
		`person:`:                                  "Say which one",
		`after:soon`:                               "is no day",
		`-- ;`:                                     "no letter or digit",
		strings.Repeat("a ", 11):                   "at most 10 words",
		strings.Repeat("a", 201):                   "at most 200 bytes",
		"\xff":                                     "no text",
	} {
		q, err := ParseQuery(text, kiel)
		got := fmt.Sprint(q.Terms)
		for k, v := range map[string]string{"person": q.Person} {
			if v != "" {
				got += " " + k + "=" + v
			}
		}
		if q.Asset != "" {
			got += " asset=" + q.Asset
		}
		if !q.After.IsZero() {
			got += " after=" + q.After.UTC().Format(time.RFC3339)
		}
		if !q.Before.IsZero() {
			got += " before=" + q.Before.UTC().Format(time.RFC3339)
		}
		if err != nil {
			if _, ok := errors.AsType[*QueryError](err); !ok {
				t.Errorf("%q: %v is not for people", text, err)
			}
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%q: %s, wanted %s", text, got, want)
		}
	}
}

// FuzzParseQuery: whatever is typed becomes something that can be looked for, or a sentence.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{`a "b c" person:x`, `file:"`, "after:2026-11-22 sha256:", `""""`, "\u202e asset:\u00a0", "person:\"a b\"c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQuery(s, time.UTC)
		if _, ok := errors.AsType[*QueryError](err); err != nil && !ok {
			t.Fatal(err)
		}
		if len(q.Terms) > mostTerms && err == nil {
			t.Fatal("too many")
		}
		for _, term := range q.Terms {
			if len(tokens(term.Text)) == 0 {
				t.Fatalf("%q has nothing to look for", term.Text)
			}
		}
	})
}
