package approvals

import (
	"testing"

	"penstock/policy"
)

// The priority that a person gives counts, by name and team, for the revision it
// was given to; the text that is answered, and yeses to it, stay.
func TestPrioritise(t *testing.T) {
	w := newWorld(t, nil)
	r := w.submit(two)
	if r.Priority.String() != r.Document.Priority || r.Override != nil {
		t.Fatalf("asked as %s, %+v; the text says %s", r.Priority, r.Override, r.Document.Priority)
	}
	for _, row := range []struct {
		who  policy.PersonID
		to   policy.Priority
		why  string
		rule string
	}{
		{"ann", 1, "We are in a hurry", "not-plant"},
		{"mia", 0, "Line stands", "no-priority"},
		{"mia", 5, "Line stands", "no-priority"},
		{"mia", 1, "", "no-text"},
		{"mia", 1, "a\u202Eb", "bad-text"},
	} {
		_, err := w.desk.Prioritise(w.ctx, w.as(row.who), r.ID, row.to, row.why)
		wants(t, err, row.rule)
	}
	r = w.yes("olaf", r)
	given, err := w.desk.Prioritise(w.ctx, w.as("mia"), r.ID, 1, "The line stands since 02:48")
	wants(t, err, "")
	if given.Priority != 1 || given.Override == nil || given.Override.By != "mia" || given.Override.Team == "" || given.Hash != r.Hash || len(given.Answers) != len(r.Answers) {
		t.Errorf("%s, %+v", given.Priority, given.Override)
	}
	tally, err := w.desk.Tally(w.ctx)
	wants(t, err, "")
	if tally.Urgent[given.Override.Team] != 1 || len(tally.Urgent) != 1 {
		t.Errorf("counted: %v", tally.Urgent)
	}
	if r = w.yes("sara", given); r.State != RequestAgreed {
		t.Errorf("%s", r.State)
	}
	_, err = w.desk.Prioritise(w.ctx, w.as("mia"), r.ID, 2, "late")
	wants(t, err, "not-waiting")
	w.judge(t)
}
