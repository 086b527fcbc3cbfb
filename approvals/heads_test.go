package approvals

import (
	"context"
	"testing"

	"penstock/approvals/state"

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

// between is a store in which something happens after a row was read, and before
// whoever asked for it has it.
type between struct {
	state.Store
	happens func()
}

func (b *between) Get(ctx context.Context, key string) (state.Row, error) {
	row, err := b.Store.Get(ctx, key)
	if do := b.happens; do != nil {
		b.happens = nil
		do()
	}
	return row, err
}

// Who reads a row while somebody else writes it has the one before, and is not told
// that the index does not fit the log: nobody edited anything.
func TestARowThatChangesWhileItIsRead(t *testing.T) {
	w := newWorld(t, nil)
	r := w.submit()
	store := &between{Store: w.desk.rows, happens: func() { wants(t, w.desk.Withdraw(w.ctx, w.as("ann"), r.ID, "not needed"), "") }}
	w.desk.rows = store
	row, err := w.desk.requestRow(w.ctx, r.ID)
	if err != nil || row.State != RequestWaiting {
		t.Errorf("%s %v", row.State, err)
	}
	if row, err = w.desk.requestRow(w.ctx, r.ID); err != nil || row.State != RequestWithdrawn {
		t.Errorf("afterwards %s %v", row.State, err)
	}
}
