package approvals

import (
	"fmt"
	"testing"
	"time"

	"penstock/policy"
)

// script is one access from the asking to the closing. Each step is done when
// its goal is reached, and may be tried again until then.
func (w *world) script() []struct {
	name string
	do   func() error
	done func() bool
} {
	request := func() (requestRow, bool) {
		r, err := w.desk.requestRow(w.ctx, "R-1")
		return r, err == nil
	}
	answered := func(who string) bool {
		r, _ := request()
		for _, a := range r.Answers {
			if a.Person == who && a.Says == "yes" {
				return true
			}
		}
		return false
	}
	say := func(who policy.PersonID) func() error {
		return func() error {
			r, err := w.desk.Request(w.ctx, w.as(who), "R-1")
			if err != nil {
				return err
			}
			_, err = w.say(who, r, "yes")
			return err
		}
	}
	in := func(want WindowState) func() bool {
		return func() bool {
			v, err := w.desk.windowRow(w.ctx, "W-1")
			return err == nil && v.State == want
		}
	}
	verb := func(f func() (Window, error)) func() error {
		return func() error { _, err := f(); return err }
	}
	return []struct {
		name string
		do   func() error
		done func() bool
	}{
		{"submit", func() error { _, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(two)); return err }, func() bool { _, ok := request(); return ok }},
		{"one yes", say("olaf"), func() bool { return answered("olaf") }},
		{"other yes", say("sara"), func() bool { return answered("sara") }},
		{"agreed", func() error { _, err := w.desk.settle(w.ctx, map[string]head{}); return err }, func() bool { r, _ := request(); return r.State == RequestAgreed }},
		{"open", verb(func() (Window, error) { return w.desk.Open(w.ctx, w.as("mia"), "W-1") }), in(WindowOpen)},
		{"pause", verb(func() (Window, error) { return w.desk.Pause(w.ctx, w.as("mia"), "W-1", "x") }), in(WindowPaused)},
		{"go on", verb(func() (Window, error) { return w.desk.GoOn(w.ctx, w.as("mia"), "W-1") }), in(WindowOpen)},
		{"time", func() error {
			w.at = start.Add(time.Hour)
			_, err := w.desk.settle(w.ctx, map[string]head{})
			return err
		}, in(WindowEnded)},
		{"hand back", verb(func() (Window, error) { return w.desk.HandBack(w.ctx, w.as("ann"), "W-1", "all well") }), func() bool {
			v, err := w.desk.windowRow(w.ctx, "W-1")
			return err == nil && !v.HandBack.IsZero()
		}},
		{"accept", verb(func() (Window, error) { return w.desk.Accept(w.ctx, w.as("olaf"), "W-1") }), in(WindowClosed)},
	}
}

// A crash before or after any write, then a new process that goes on: the same
// end, once.
func TestACrashBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"log", "store"} {
		for _, when := range []string{"before", "after"} {
			for n := 1; ; n++ {
				w := newWorld(t, nil)
				if where == "log" {
					w.log.fail, w.log.in = when, n
				} else {
					w.store.fail, w.store.in = when, n
				}
				crashed := w.play(t, fmt.Sprintf("%s %s write %d", where, when, n))
				w.judge(t)
				windows := w.desk.heads.keys("window/")
				requests := w.desk.heads.keys("request/")
				if len(windows) != 1 || len(requests) != 1 || w.state("W-1") != WindowClosed {
					t.Fatalf("%s %s write %d ends with %v %v", where, when, n, windows, requests)
				}
				if !crashed {
					if n < 10 {
						t.Fatalf("only %d writes were reached", n)
					}
					break
				}
			}
		}
	}
}

func (w *world) play(t *testing.T, story string) (crashed bool) {
	for _, s := range w.script() {
		for try := 0; !s.done(); try++ {
			if try == 4 {
				t.Fatalf("%s: step %q is never done", story, s.name)
			}
			err := s.do()
			if err != nil && rule(err) == "" {
				crashed = true
				w.restart()
				w.settle()
			} else if err != nil && !s.done() {
				t.Fatalf("%s: step %q: %v", story, s.name, err)
			}
		}
	}
	return crashed
}
