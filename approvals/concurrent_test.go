package approvals

import (
	"errors"
	"sync"
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/state"
	"penstock/policy"
)

// Answers, a withdrawal, a revision and an opening at the same moment: whatever
// comes first, the log holds, nobody's word counts twice, and nothing is open that
// was taken back.
func TestAnswersAndWithdrawalsAtOnce(t *testing.T) {
	for range 8 {
		w := newWorld(t, nil)
		r := w.submit(two)
		all := []func() error{
			func() error { _, err := w.say("olaf", r, evidence.Yes); return err },
			func() error { _, err := w.say("olaf", r, evidence.Yes); return err }, // a double tap
			func() error { _, err := w.say("max", r, evidence.Yes); return err },
			func() error { _, err := w.say("sara", r, evidence.Yes); return err },
			func() error { _, err := w.say("sara", r, evidence.No); return err },
			func() error { return w.desk.Withdraw(w.ctx, w.as("ann"), r.ID, "not needed") },
			func() error {
				_, err := w.desk.Revise(w.ctx, w.as("ann"), r.ID, w.ask(two, func(a *Ask) { a.Minutes = 30 }))
				return err
			},
			func() error { _, err := w.desk.Open(w.ctx, w.as("mia"), "W-1"); return err },
		}
		start, errs := make(chan struct{}), make([]error, len(all))
		var done sync.WaitGroup
		for i, do := range all {
			done.Go(func() {
				<-start
				errs[i] = do()
			})
		}
		close(start)
		done.Wait()
		for i, err := range errs {
			if _, no := errors.AsType[*policy.Refusal](err); err != nil && !no && !errors.Is(err, state.ErrConflict) && i != len(all)-1 { // W-1 may never be
				t.Errorf("step %d: %v", i, err)
			}
		}
		now, err := w.desk.Request(w.ctx, w.as("olaf"), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if now.Window != "" && now.State != RequestAgreed && w.live(now.Window) {
			t.Errorf("%s is %s, and %s is open", r.ID, now.State, now.Window)
		}
		w.judge(t)
	}
}
