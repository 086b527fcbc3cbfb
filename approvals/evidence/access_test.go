package evidence_test

import (
	"bytes"
	"strings"
	"testing"

	"penstock/approvals/evidence"
	"penstock/audit"
)

// What is read as a list is exactly its own canonical form, sorted and bounded.
func FuzzParseAccess(f *testing.F) {
	const head = `{"at":"2026-11-22T22:00:00Z","due":"2026-12-06T22:00:00Z","lines":[`
	f.Add([]byte(head + `{"person":"ann","since":"2026-03-01T00:00:00Z"}],"scope":"firm/krall","v":1}`))
	f.Add([]byte(head + `{"by":"olaf","person":"ann","since":"2026-03-01T00:00:00Z","used":"2026-11-22T00:00:00Z"},{"person":"ben","since":"2026-03-01T00:00:00Z"}],"scope":"role/shift","v":1}`))
	f.Add([]byte(head + `],"scope":"zone/line-1","v":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := evidence.ParseAccess(text)
		if err != nil {
			return
		}
		b, err := audit.Canonical(l)
		if err != nil || !bytes.Equal(b, text) {
			t.Fatalf("%s\n%s, %v", text, b, err)
		}
		for i, line := range l.Lines {
			if i > 0 && l.Lines[i-1].Person >= line.Person || len(l.Lines) > evidence.MaxAccess {
				t.Fatalf("line %d of %s", i, text)
			}
		}
	})
}

func TestParseAccessRefused(t *testing.T) {
	list := func(lines, scope, v string) string {
		return `{"at":"2026-11-22T22:00:00Z","due":"2026-12-06T22:00:00Z","lines":[` + lines + `],"scope":"` + scope + `","v":` + v + `}`
	}
	const ann, ben = `{"person":"ann","since":"2026-03-01T00:00:00Z"}`, `{"person":"ben","since":"2026-03-01T00:00:00Z"}`
	if _, err := evidence.ParseAccess([]byte(list(ann+","+ben, "firm/krall", "1"))); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		list(ann, "firm/krall", "2"):                                     "v: 2",
		list(ann, "zone/line-1", "1"):                                    "no firm",
		list(ann, "firm/", "1"):                                          "no firm",
		list("", "firm/krall", "1"):                                      "number of lines",
		list(ben+","+ann, "firm/krall", "1"):                             "not after the one before",
		list(ann+","+ann, "firm/krall", "1"):                             "not after the one before",
		list(`{"person":"ann"}`, "firm/krall", "1"):                      "",
		list(strings.Replace(ann, "ann", "Ann K", 1), "firm/krall", "1"): "person",
	} {
		if _, err := evidence.ParseAccess([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
