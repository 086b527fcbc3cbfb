package web

import (
	"strings"
	"testing"
	"time"

	"penstock/approvals"
	"penstock/approvals/evidence"
)

// Nobody is asked for a hand-back of what changes nothing: a connectivity test, a
// machine's window.
func TestNothingToHandBack(t *testing.T) {
	v := &visit{}
	for _, row := range []struct {
		claim evidence.WindowClaim
		state approvals.WindowState
		want  string
	}{
		{evidence.WindowClaim{}, approvals.WindowEnded, "ended, hand-back missing"},
		{evidence.WindowClaim{}, approvals.WindowCut, "hand-back missing"},
		{evidence.WindowClaim{Probe: true}, approvals.WindowEnded, "ended, nothing to hand back, waits to be closed"},
		{evidence.WindowClaim{Probe: true}, approvals.WindowCut, "cut by"},
		{evidence.WindowClaim{Machine: evidence.Bound{Frame: "f"}}, approvals.WindowEnded, "ended, nothing to hand back, waits to be closed"},
	} {
		got := v.windowState(approvals.Window{State: row.state, Claim: row.claim, Opened: time.Unix(1, 0)}, roll{})
		if !strings.Contains(got, row.want) || !row.claim.HandsBack() && strings.Contains(got, "missing") {
			t.Errorf("%s of %+v: %q, want %q", row.state, row.claim, got, row.want)
		}
	}
}
