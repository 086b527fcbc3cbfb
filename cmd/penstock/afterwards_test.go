package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"penstock/audit"
)

// later runs the same broker in this process, on the same folder, so far ahead.
// Whoever waits for a fresh code has it at once: all clocks go on.
func (r *rig) later(ahead time.Duration, work func()) {
	r.t.Helper()
	f, err := readServerFile(r.path("penstock.yaml"))
	r.must(err)
	var waited atomic.Int64
	system := audit.SystemClock()
	f.Clock = audit.Clock{Boot: system.Boot,
		Wall: func() time.Time { return system.Wall().Add(ahead + time.Duration(waited.Load())) },
		Mono: func() time.Duration { return system.Mono() + time.Duration(waited.Load()) }}
	for _, p := range r.people {
		p.Now, p.Waits = f.Clock.Wall, func() { waited.Add(int64(30 * time.Second)) }
	}
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- serve(ctx, f, slog.New(slog.NewTextHandler(r.t.Output(), nil))) }()
	defer func() {
		stop()
		r.must(<-ran)
	}()
	r.must(until("the broker of "+ahead.String()+" later answers", func() (bool, error) {
		select {
		case err := <-ran:
			ran <- nil
			return false, err
		default:
		}
		c, err := net.Dial("unix", f.Socket)
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	}))
	work()
}

// says is talk whose words must match.
func (r *rig) says(words, name string, args ...string) {
	r.t.Helper()
	said := r.talk(name, args...)
	if all := said.Stdout + said.Stderr + said.TTY; !regexp.MustCompile(words).MatchString(all) {
		r.t.Errorf("%s: %v: want %q\n%s", name, args, words, indent(all))
	}
}

// there says whether a recording's files are.
func (r *rig) there(session string) bool {
	list, err := filepath.Glob(r.path("data", "recordings", "*", "*", "*", session))
	r.must(err)
	return len(list) == 1
}

// afterwards is what becomes of four recordings of real sessions: one is reviewed
// with a finding, settled, and expires; one is held, the hold is lifted, and it
// expires by itself; two people delete one early; one stays, for there is a
// question. Offline, what went by the rules is proved, and what only is missing is not.
func afterwards(t *testing.T, golden *rig) {
	r := golden.copy(t)
	r.moved(golden)
	r.edit("plant.yaml", "recordings: {read: [ot-security], input: [ot-security]}\n", `recordings: {read: [ot-security, shift], input: [ot-security]}
reviews: {always: [first-visit], one_in: 0}
retention: [{name: keep-90, keep: 90d}]
`)
	r.start()
	r.trust()
	r.aim()
	for _, name := range []string{"sam", "jan"} {
		r.enrolled(name)
	}
	for _, word := range []string{"one", "two", "three", "four"} {
		r.talk("ann", r.ann("echo the canary of session "+word)...)
	}
	r.talk("mia", "penstock", "end", "W-1")
	r.stop()
	recording := func(args ...string) []string { return append([]string{"penstock", "recording"}, args...) }

	r.later(24*time.Hour, func() {
		r.must(until("the day is drawn", func() (bool, error) {
			return slices.ContainsFunc(r.leaves(), func(l audit.Leaf) bool { return l.Body.Type() == "review.drawn" }), nil
		}))
		if said := r.talk("sam", recording("waits")...).Stdout; !regexp.MustCompile(`S-1 .*first-visit`).MatchString(said) || strings.Contains(said, "S-2") {
			t.Errorf("what waits for review:\n%s", said)
		}
		r.refused("You agreed to R-1, so somebody else must", "sec", recording("review", "S-1", "in-order")...)
		r.refused("may not|Ask OT security", "olaf", recording("review", "S-1", "in-order")...)
		r.refused("waits for review", "sam", recording("delete", "S-1", "--dry-run")...)
		r.says("goes on as thread 1", "sam", recording("review", "S-1", "finding", "--text", "Why 800 and not 812?")...)
		r.refused("an open finding", "sam", recording("delete", "S-1", "--dry-run")...)
		r.says("noted", "sam", recording("reply", "S-1", "1", "--text", "It is in the order", "--settle")...)
		r.says("goes on as thread 1", "sam", recording("review", "S-4", "question", "--to", "mia", "--text", "Did you see it?")...)

		r.refused("OT security", "jan", recording("hold", "set", "--session", "S-2", "--why", "A claim")...)
		r.says("H-1 holds S-2 until", "sam", recording("hold", "set", "--session", "S-2", "--why", "A claim")...)
		r.refused("hold H-1", "sam", recording("delete", "S-2", "--why", "A name on the screen")...)

		r.says("could go: nothing keeps it. Nothing was done", "sam", recording("delete", "S-3", "--dry-run")...)
		r.refused("OT security begins", "jan", recording("delete", "S-3", "--confirm")...)
		r.says("A second person confirms", "sam", recording("delete", "S-3", "--why", "A name on the screen")...)
		r.refused("somebody else must confirm", "sam", recording("delete", "S-3", "--confirm")...)
		if !r.there("S-3") {
			t.Error("one person alone deleted S-3")
		}
		r.says("The recording of S-3 is gone", "jan", recording("delete", "S-3", "--confirm")...)
		if r.there("S-3") {
			t.Error("two people deleted S-3, and it is there")
		}
	})

	r.later(92*24*time.Hour, func() {
		said := r.talk("sam", recording("expire", "--dry-run")...).Stdout
		for _, want := range []string{`S-1\s+goes\s.*keep-90`, `S-2\s+stays\s.*hold H-1`, `S-4\s+stays\s.*an open question`, "1 of 3 recordings would go, and 2 stay",
			`do not go by themselves: .* (leapt|ahead).*expire --go 1`} {
			if !regexp.MustCompile(want).MatchString(said) {
				t.Errorf("the dry run does not say %q:\n%s", want, said)
			}
		}
		if !r.there("S-1") {
			t.Error("a dry run took S-1 away")
		}
		r.refused("OT security", "jan", recording("expire", "--go", "1")...)
		r.refused("You saw 2, and now it is 1", "sam", recording("expire", "--go", "2")...)
		r.says("1 gone", "sam", recording("expire", "--go", "1")...)
		if r.there("S-1") || !r.there("S-2") || !r.there("S-4") {
			t.Error("another recording than S-1 went")
		}
		r.says("H-1 is lifted", "sam", recording("hold", "lift", "H-1", "--why", "The claim is settled")...)
	})
	if out, code := r.verify(r.path("data")); code != 0 || !regexp.MustCompile(`S-1.*expired on`).MatchString(out) || !regexp.MustCompile(`S-3.*deleted before its time.*sam asked, jan confirmed`).MatchString(out) {
		t.Errorf("penstock-verify: exit code %d\n%s", code, out)
	}

	r.later(93*24*time.Hour, func() { // a person has looked at the date: what is over goes by itself
		r.must(until("S-2 expires by itself", func() (bool, error) { return !r.there("S-2"), nil }))
		r.refused("S-2 is gone since .*its retention, keep-90", "sam", recording("export", "S-2", "--form", "text")...)
	})
	r.proved()
	r.must(os.RemoveAll(r.folders()[0]))
	if out, err := exec.Command(filepath.Join(r.bin, "penstock-verify"), r.path("data")).CombinedOutput(); err == nil || !regexp.MustCompile(`S-4.*(missing|not there|no recording)`).Match(out) {
		t.Errorf("S-4 was taken away by hand: %v\n%s", err, out)
	}
}
