package approvals

import (
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/policy"
)

// callIn is max, who owns the line and has the shift, calling ann in.
func (w *world) callIn(t testing.TB, change ...func(*Ask)) (Request, string) {
	t.Helper()
	r, code, err := w.desk.CallIn(w.ctx, w.as("max"), w.ask(change...))
	if err != nil {
		t.Fatalf("call in: %v", err)
	}
	return r, code
}

// One tap is the ask and the yes; the window opens when ann has typed the code,
// and not before, and the verifier says the same.
func TestCallIn(t *testing.T) {
	w := newWorld(t, nil)
	r, code := w.callIn(t)
	if r.State != RequestAgreed || r.Window == "" || len(code) != 7 || code[3] != '-' {
		t.Fatalf("%s %s %q", r.State, r.Window, code)
	}
	for _, leaf := range w.log.leaves() {
		if b, err := leaf.Canonical(); err == nil && strings.Contains(string(b), code) {
			t.Error("the code stands in the log")
		}
	}
	_, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "nobody-here")
	_, err = w.desk.Here(w.ctx, w.as("eve"), code)
	wants(t, err, "code-refused")
	_, err = w.desk.Here(w.ctx, w.as("bob"), code)
	wants(t, err, "code-refused")
	got, err := w.desk.Here(w.ctx, w.as("ann"), strings.ToLower(strings.ReplaceAll(code, "-", " ")))
	wants(t, err, "")
	if got.Call == nil || got.Call.Here != "ann" {
		t.Errorf("%+v", got.Call)
	}
	_, err = w.desk.Here(w.ctx, w.as("ann"), code)
	wants(t, err, "code-refused")
	_, err = w.desk.Call(w.ctx, w.as("max"), r.ID)
	wants(t, err, "call-answered")
	win, err := w.desk.Open(w.ctx, w.as("mia"), r.Window)
	wants(t, err, "")
	if win.State != WindowOpen {
		t.Errorf("%s", win.State)
	}
	w.judge(t)
}

// Who else has to agree is asked all the same, and who called is one person.
func TestCallInNeedsOthers(t *testing.T) {
	w := newWorld(t, nil)
	r, code := w.callIn(t, two)
	if r.State != RequestWaiting || len(r.Needs) != 1 || r.Needs[0].Role != "ot-security" {
		t.Fatalf("%s %+v", r.State, r.Needs)
	}
	_, err := w.say("max", r, evidence.Yes)
	wants(t, err, "already-answered")
	if _, err := w.desk.Here(w.ctx, w.as("ann"), code); err != nil {
		t.Fatal(err)
	}
	if r = w.yes("sara", r); r.State != RequestAgreed {
		t.Fatalf("%s", r.State)
	}
	w.judge(t)
}

func TestCallInRefused(t *testing.T) {
	w := newWorld(t, nil)
	call := func(by policy.PersonID, change ...func(*Ask)) error {
		_, _, err := w.desk.CallIn(w.ctx, w.as(by), w.ask(change...))
		return err
	}
	wants(t, call("ann"), "not-plant")
	wants(t, call("mia"), "not-asked")
	wants(t, call("tom"), "not-asked")
	_, _, err := w.desk.CallIn(w.ctx, w.stale("max"), w.ask())
	wants(t, err, "code-needed")
	wants(t, call("max", func(a *Ask) { a.Firm, a.People = "fjord", []policy.PersonID{"tom"} }), "own-firm")
	wants(t, call("max", func(a *Ask) { a.People = []policy.PersonID{"eve"} }), "no-such-person")
	w.roster(t, "line-1-owner", turn("olaf", 0, time.Hour))
	wants(t, call("max"), "not-asked")
	_, err = w.desk.Submit(w.ctx, w.as("ann"), w.ask(func(a *Ask) { a.CallIn = true }))
	wants(t, err, "not-plant")
	r := w.submit()
	_, err = w.desk.Call(w.ctx, w.as("mia"), r.ID)
	wants(t, err, "no-call")
	w.judge(t)
}

// A code is good for half an hour, a new one ends the old, and guessing ends.
func TestCallCodes(t *testing.T) {
	w := newWorld(t, nil)
	r, old := w.callIn(t)
	w.pass(callGood)
	_, err := w.desk.Here(w.ctx, w.as("ann"), old)
	wants(t, err, "code-refused")
	_, err = w.desk.Call(w.ctx, w.as("tom"), r.ID)
	wants(t, err, "not-on-shift")
	fresh, err := w.desk.Call(w.ctx, w.as("mia"), r.ID)
	wants(t, err, "")
	for range callTries - 1 {
		_, err = w.desk.Here(w.ctx, w.as("ann"), old)
		wants(t, err, "code-refused")
	}
	_, err = w.desk.Here(w.ctx, w.as("ann"), fresh)
	wants(t, err, "too-many-codes")
	w.pass(callRest + time.Second)
	_, err = w.desk.Here(w.ctx, w.as("ann"), fresh)
	wants(t, err, "")
	w.judge(t)
}

// Codes are six signs that are read out, and no two alike in a night.
func TestNewCode(t *testing.T) {
	seen := map[string]bool{}
	for range 100 { // of a thousand million
		c := newCode()
		if len(c) != 7 || c[3] != '-' || strings.Trim(strings.ReplaceAll(c, "-", ""), callSigns) != "" || seen[c] {
			t.Fatalf("%q", c)
		}
		seen[c] = true
	}
}
