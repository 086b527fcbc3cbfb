package vault_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// newest is the third word of what maint's machine is told: {account}:{old}:{new}.
func newest(lines []string) string { return strings.Split(lines[0], ":")[2] }

// used has maint's secret set, used in a window, and the window over.
func used(w *world) {
	w.t.Helper()
	w.set("maint", "correct horse")
	w.machine.takes, w.machine.change = "correct horse", newest
	w.use("maint", "W-1")
	w.over["W-1"] = true
}

func rotate(w *world) {
	w.t.Helper()
	if err := w.Rotate(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func TestRotation(t *testing.T) {
	w := newWorld(t)
	used(w)
	w.over["W-1"] = false
	if rotate(w); w.machine.told != nil {
		t.Fatal("rotated while the window runs")
	}
	w.over["W-1"] = true
	rotate(w)
	if got := w.types(); got != "sealed used rotating rotated" {
		t.Fatalf("events: %s", got)
	}
	fresh := w.machine.takes
	if fresh == "correct horse" || len(fresh) != 24 || !slices.Equal(w.machine.told, []string{"chpasswd", "maint:correct horse:" + fresh}) {
		t.Errorf("told %q", w.machine.told)
	}
	if got := w.use("maint", "W-2"); !slices.Equal(got, []string{fresh}) {
		t.Errorf("%q", got)
	}
	w.machine.told = nil
	if rotate(w); w.machine.told != nil {
		t.Error("rotated again")
	}
}

// An account whose plant file says nothing is never touched.
func TestNoRotationWithoutAWord(t *testing.T) {
	w := newWorld(t)
	w.set("panel", "correct horse")
	w.use("panel", "W-1")
	w.over["W-1"] = true
	if rotate(w); w.machine.told != nil || w.types() != "sealed used" {
		t.Errorf("told %q; %s", w.machine.told, w.types())
	}
}

func TestRotationOfAKey(t *testing.T) {
	w := newWorld(t)
	first := sshKey(t)
	w.set("robot", first)
	w.machine.takes = first
	w.machine.change = func(lines []string) string {
		if k, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(lines[0])); err != nil || comment != "penstock" || k.Type() != ssh.KeyAlgoED25519 {
			t.Errorf("told %q", lines)
		}
		return "" // what it takes now is known by its public half only
	}
	w.use("robot", "W-1")
	w.over["W-1"] = true
	rotate(w)
	// The machine of this test compares private halves, so the login with the new one fails; both stay.
	if k := w.known("robot"); !k.Lost || len(w.use("robot", "")) != 2 || !strings.HasPrefix(k.NextPublic, "SHA256:") {
		t.Errorf("%+v", k)
	}
}

func TestRotationThatFails(t *testing.T) {
	for name, row := range map[string]struct {
		bend func(*world)
		lost bool
		why  string
		uses int // secrets that may log in now
	}{
		"the machine does not do it":     {func(w *world) { w.machine.change = nil }, false, "still takes the old", 1},
		"the command fails":              {func(w *world) { w.machine.change, w.machine.err = nil, errors.New("status 1") }, false, "status 1; then: ", 1},
		"it takes something else":        {func(w *world) { w.machine.change = func([]string) string { return "other" } }, true, "takes neither", 2},
		"it is not reached any more":     {func(w *world) { w.machine.saw = func() { w.machine.down = errors.New("no route") } }, true, "no route", 2},
		"it was changed by somebody":     {func(w *world) { w.machine.takes = "by hand" }, true, "takes neither", 2},
		"it fails and was changed still": {func(w *world) { w.machine.err = errors.New("status 1") }, false, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			used(w)
			row.bend(w)
			rotate(w)
			k := w.known("maint")
			if k.Lost != row.lost || !strings.Contains(k.Failed, row.why) || len(w.use("maint", "")) != row.uses {
				t.Errorf("%+v", k)
			}
			if row.why == "" {
				return
			}
			size := w.log.Size()
			if rotate(w); w.log.Size() != size {
				t.Error("tried again at once")
			}
			// Once the machine is well again, the next try ends it: with the new
			// secret, or by finding which of the two it takes.
			w.machine.down, w.machine.err, w.machine.saw, w.machine.change = nil, nil, nil, newest
			if w.machine.takes != "correct horse" && row.lost && name != "it is not reached any more" {
				w.machine.takes = "correct horse"
			}
			w.at = w.at.Add(11 * time.Minute)
			rotate(w)
			w.at = w.at.Add(25 * time.Hour)
			rotate(w)
			if k := w.known("maint"); k.Lost || !k.Next.IsZero() || k.Failed != "" || w.use("maint", "")[0] != w.machine.takes {
				t.Errorf("it does not heal: %+v, the machine takes %q", k, w.machine.takes)
			}
		})
	}
}

// Whatever step a crash comes at, the next start has a secret that logs in, and
// ends the rotation.
func TestACrashDuringARotation(t *testing.T) {
	for _, event := range []string{"secret.rotating", "secret.rotated"} {
		for _, kept := range []bool{false, true} {
			w := newWorld(t)
			used(w)
			w.log.Fail = func(ev audit.Event, after bool) error {
				if ev.Body.Type() == event && after == kept {
					return errors.New("the power went")
				}
				return nil
			}
			if err := w.Rotate(t.Context()); err == nil {
				t.Fatalf("%s %t: no crash", event, kept)
			}
			w.crash()
			if !slices.Contains(w.use("maint", ""), w.machine.takes) {
				t.Errorf("%s, kept %t: the machine takes %q and none of %q", event, kept, w.machine.takes, w.use("maint", ""))
			}
			for range 3 {
				rotate(w)
				w.at = w.at.Add(25 * time.Hour)
			}
			if k := w.known("maint"); !k.Next.IsZero() || k.Lost || !slices.Equal(w.use("maint", ""), []string{w.machine.takes}) {
				t.Errorf("%s, kept %t: %+v", event, kept, k)
			}
		}
	}
}

// Between the durable new secret and the machine's own change: nothing was
// changed, and the old one stays.
func TestACrashBeforeTheMachineIsTold(t *testing.T) {
	w := newWorld(t)
	used(w)
	w.machine.change = nil
	w.machine.saw = func() { // the process dies here: nothing more is written
		w.log.Fail = func(audit.Event, bool) error { return errors.New("the power went") }
	}
	if err := w.Rotate(t.Context()); err == nil {
		t.Fatal("no crash")
	}
	w.machine.saw = nil
	w.crash()
	if got := w.use("maint", ""); len(got) != 2 || got[1] != "correct horse" {
		t.Errorf("%q", got)
	}
	rotate(w)
	if k := w.known("maint"); k.Lost || !k.Next.IsZero() || !strings.Contains(k.Failed, "still takes the old") {
		t.Errorf("%+v", k)
	}
}

// The rows come back from the log alone, byte for byte.
func TestRowsComeBackFromTheLog(t *testing.T) {
	w := newWorld(t)
	used(w)
	w.set("robot", sshKey(t))
	if _, err := w.Show(t.Context(), olaf, "plc", "robot", "because"); err != nil {
		t.Fatal(err)
	}
	w.machine.change = nil
	rotate(w)
	w.at = w.at.Add(time.Hour)
	w.machine.change = newest
	rotate(w)
	rows := func() (all []string) {
		for row, err := range w.rows.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, row.Key+" "+string(row.Value))
		}
		return all
	}
	before := rows()
	w.rows = state.NewMemory()
	w.crash()
	if after := rows(); len(before) != 2 || !slices.Equal(before, after) {
		t.Errorf("before %q\nafter %q", before, after)
	}
}

// Whoever handles secrets may have one replaced at once, and not while somebody
// works by it; that they asked is in the log.
func TestRotateNow(t *testing.T) {
	w := newWorld(t)
	w.set("maint", "correct horse")
	w.machine.takes, w.machine.change = "correct horse", newest
	security, other := people.Actor{Person: "olaf"}, people.Actor{Person: "mia"}
	refused := func(err error, rule string) {
		t.Helper()
		var r *policy.Refusal
		if !errors.As(err, &r) || r.Rule != rule {
			t.Errorf("got %v, want %s", err, rule)
		}
	}
	refused(w.RotateNow(t.Context(), other, "plc", "maint"), "not-security")
	refused(w.RotateNow(t.Context(), security, "plc", "robot"), "no-secret")
	w.set("panel", "another")
	refused(w.RotateNow(t.Context(), security, "plc", "panel"), "no-rotation")
	w.use("maint", "W-1")
	refused(w.RotateNow(t.Context(), security, "plc", "maint"), "in-use")
	if w.machine.told != nil {
		t.Fatal("the machine was told")
	}
	w.over["W-1"] = true
	if err := w.RotateNow(t.Context(), security, "plc", "maint"); err != nil {
		t.Fatal(err)
	}
	if w.machine.takes == "correct horse" {
		t.Error("the old one still logs in")
	}
	asked := false
	for leaf, err := range w.log.Upto(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		b, is := leaf.Body.(audit.SecretRotating)
		asked = asked || is && b.By == "olaf"
	}
	if !asked {
		t.Error("the log does not say who asked")
	}
}
