package state_test

import (
	"context"
	"fmt"
	"testing"

	"penstock/approvals/state"
	"penstock/approvals/state/statetest"
)

// BenchmarkCommit is the journal's own work, with log and store in memory; on a
// disk two flushes come on top, one of each.
func BenchmarkCommit(b *testing.B) {
	j := journal(&statetest.Log{}, state.NewMemory())
	for i := 0; b.Loop(); i++ {
		firm := fmt.Sprint("f", i%100)
		if _, err := j.Commit(context.Background(), "firm/"+firm, change(firm, uint64(i/100)+1, "x")); err != nil {
			b.Fatal(err)
		}
	}
}
