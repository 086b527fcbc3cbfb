package approvals

import (
	"strings"
	"testing"

	"penstock/approvals/evidence"
)

// A question is answered in words: the text that is agreed stays what it was,
// and yeses that were given stay.
func TestTell(t *testing.T) {
	w := newWorld(t, nil)
	r := w.submit(two)
	_, err := w.desk.Tell(w.ctx, w.as("ann"), r.ID, "hello")
	wants(t, err, "no-question")
	r = w.yes("olaf", r)
	_, err = w.say("sara", r, evidence.Question)
	wants(t, err, "")
	_, err = w.desk.Tell(w.ctx, w.as("eve"), r.ID, "hello")
	wants(t, err, "no-such-request")
	_, err = w.desk.Tell(w.ctx, w.as("mia"), r.ID, "hello")
	wants(t, err, "not-yours")
	_, err = w.desk.Tell(w.ctx, w.as("ann"), r.ID, " ")
	wants(t, err, "no-text")
	_, err = w.desk.Tell(w.ctx, w.as("ann"), r.ID, "a\u202Eb")
	wants(t, err, "bad-text")
	_, err = w.desk.Tell(w.ctx, w.as("ann"), r.ID, strings.Repeat("x", evidence.MaxReason+1))
	wants(t, err, "bad-text")
	told, err := w.desk.Tell(w.ctx, w.as("bob"), r.ID, "It is saved as recipe 14.")
	wants(t, err, "")
	if told.Hash != r.Hash || len(told.Told) != 1 || told.Told[0].Text != "It is saved as recipe 14." || told.Told[0].Person != "bob" {
		t.Errorf("%+v", told.Told)
	}
	if r = w.yes("sara", told); r.State != RequestAgreed {
		t.Errorf("%s", r.State)
	}
	_, err = w.desk.Tell(w.ctx, w.as("ann"), r.ID, "late")
	wants(t, err, "not-waiting")
	w.judge(t)
}
