package approvals

import (
	"testing"

	"penstock/policy"
)

// What is over for good is read once more after a start, and never again: every
// channel asks for the blocks.
func TestWhatIsOverIsNotReadAgain(t *testing.T) {
	w := newWorld(t, nil)
	one, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Firm: "polar", Why: "x"})
	w.ok(err)
	two, err := w.desk.Block(w.ctx, w.as("mia"), policy.Block{Person: "ann", Why: "x"})
	w.ok(err)
	w.ok(w.desk.Lift(w.ctx, w.as("mia"), one.ID, ""))
	for range 2 {
		list, err := w.desk.Blocks(w.ctx)
		w.ok(err)
		if len(list) != 1 || list[0].ID != two.ID {
			t.Errorf("in force: %+v", list)
		}
		if left := w.desk.heads.living("block/"); len(left) != 1 || left[0] != "block/"+two.ID || len(w.desk.heads.keys("block/")) != 2 {
			t.Errorf("still looked at: %v", left)
		}
		w.restart()
	}
}
