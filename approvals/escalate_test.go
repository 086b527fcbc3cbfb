package approvals

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/audit"
)

// askedNext are the steps of asking that the log has, as "for>team".
func (w *world) askedNext() (steps []string) {
	for _, leaf := range w.log.leaves() {
		if b, ok := leaf.Body.(audit.PersonAsked); ok && b.For != "" {
			steps = append(steps, b.For+">"+b.Role)
		}
	}
	return steps
}

// Nobody answers: the next team is asked when its time has come and not before,
// its word counts from then on, and the team after it follows.
func TestAsksNext(t *testing.T) {
	w := newWorld(t, nil)
	r := w.submit()
	_, err := w.say("sven", r, evidence.Yes)
	wants(t, err, "not-asked")
	if len(r.Next) != 1 || r.Next[0].Team != "util-owner" || !r.Next[0].At.Equal(w.at.Add(30*time.Minute)) {
		t.Fatalf("next: %+v", r.Next)
	}
	w.pass(30*time.Minute - time.Second)
	w.settle()
	if got := w.askedNext(); len(got) != 0 {
		t.Fatalf("asked before its time: %v", got)
	}
	w.pass(time.Second)
	w.settle()
	w.settle()
	if got := w.askedNext(); len(got) != 1 || got[0] != "line-1-owner>util-owner" {
		t.Fatalf("asked: %v", got)
	}
	w.pass(20 * time.Minute)
	w.settle()
	if got := w.askedNext(); len(got) != 2 || got[1] != "line-1-owner>it-network" {
		t.Fatalf("asked: %v", got)
	}
	w.pass(8 * time.Hour / 2)
	w.settle()
	if got := w.askedNext(); len(got) != 2 {
		t.Fatalf("asked again: %v", got)
	}
	r, err = w.desk.Request(w.ctx, w.as("ann"), r.ID)
	wants(t, err, "")
	if got := w.yes("ida", r); got.State != RequestAgreed {
		t.Fatalf("%s", got.State)
	}
	w.judge(t)
}

// Who asks a question is at it: the next team has its time from then on.
func TestAskingWaitsForWhoIsAtIt(t *testing.T) {
	w := newWorld(t, nil)
	r := w.submit()
	w.pass(29 * time.Minute)
	_, err := w.say("olaf", r, evidence.Question)
	wants(t, err, "")
	w.pass(29 * time.Minute)
	w.settle()
	if got := w.askedNext(); len(got) != 0 {
		t.Fatalf("asked while olaf is at it: %v", got)
	}
	w.pass(time.Minute)
	w.settle()
	if got := w.askedNext(); len(got) != 1 {
		t.Fatalf("olaf asked half an hour ago: %v", got)
	}
	w.judge(t)
}

// Nobody on duty: the next team is asked at once, and the first's own people
// still count when they come.
func TestAsksNextAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.roster(t, "line-1-owner", turn("olaf", time.Hour, 2*time.Hour))
	r := w.submit()
	w.settle()
	if got := w.askedNext(); len(got) != 1 || got[0] != "line-1-owner>util-owner" {
		t.Fatalf("asked: %v", got)
	}
	w.pass(time.Hour)
	r, err := w.desk.Request(w.ctx, w.as("ann"), r.ID)
	wants(t, err, "")
	w.yes("olaf", r)
	w.judge(t)
}

// A revision and a no end the asking; a revision begins it anew.
func TestAsksNextAnew(t *testing.T) {
	w := newWorld(t, nil)
	r := w.submit()
	w.pass(30 * time.Minute)
	w.settle()
	r, err := w.desk.Revise(w.ctx, w.as("ann"), r.ID, w.ask())
	wants(t, err, "")
	_, err = w.say("sven", r, evidence.Yes)
	wants(t, err, "not-asked")
	w.pass(30 * time.Minute)
	w.settle()
	if got := w.askedNext(); len(got) != 2 {
		t.Fatalf("asked: %v", got)
	}
	_, err = w.say("sven", r, evidence.No)
	wants(t, err, "")
	w.pass(time.Hour)
	w.settle()
	if got := w.askedNext(); len(got) != 2 {
		t.Fatalf("asked after a no: %v", got)
	}
	w.judge(t)
}
