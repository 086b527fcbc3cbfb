package approvals

import (
	"fmt"
	"testing"
	"time"

	"penstock/policy"
)

func TestTallyFollowsWhatWasAgreed(t *testing.T) {
	w := newWorld(t, nil)
	tally := func(windows map[WindowState]int, waiting int, oldest time.Duration) {
		t.Helper()
		got, err := w.desk.Tally(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Windows) != 8 {
			t.Errorf("%d states are shown, want all 8: %v", len(got.Windows), got.Windows)
		}
		for state, n := range got.Windows {
			if n != windows[state] {
				t.Errorf("%d windows are %s, want %d", n, state, windows[state])
			}
		}
		if want := time.Duration(windows[WindowAgreed]) * time.Hour; got.Agreed != want {
			t.Errorf("%v are agreed and not yet open, want %v", got.Agreed, want)
		}
		if got.Waiting != waiting || got.Oldest != oldest {
			t.Errorf("%d requests wait, the oldest for %v; want %d, %v", got.Waiting, got.Oldest, waiting, oldest)
		}
	}
	tally(nil, 0, 0)
	r := w.submit(two)
	w.pass(7 * time.Minute)
	tally(nil, 1, 7*time.Minute)
	w.yes("sara", w.yes("olaf", r))
	tally(map[WindowState]int{WindowAgreed: 1}, 0, 0)
	if _, err := w.desk.Open(w.ctx, w.as("mia"), "W-1"); err != nil {
		t.Fatal(err)
	}
	tally(map[WindowState]int{WindowOpen: 1}, 0, 0)
	if _, err := w.desk.Cut(w.ctx, w.as("mia"), "W-1", "now"); err != nil {
		t.Fatal(err)
	}
	tally(map[WindowState]int{WindowCut: 1}, 0, 0)
}

func TestTallyCountsWhatWasRefusedAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	for range 2 {
		_, err := w.desk.Submit(w.ctx, w.as("ann"), w.ask(on("press", "x")))
		wants(t, err, "unknown-asset")
	}
	for i := range 2 * maxRules {
		w.desk.tallies.noAsk(&policy.Refusal{Rule: fmt.Sprintf("rule-%d", i)})
	}
	got := w.desk.Refusals()
	if got["unknown-asset"] != 2 {
		t.Errorf("refused %v, want two for unknown-asset", got)
	}
	if n := len(got); n > maxRules+1 || got["other"] == 0 {
		t.Errorf("%d rules are kept apart, %d are others: a plant file must not fill the memory", n, got["other"])
	}
}
