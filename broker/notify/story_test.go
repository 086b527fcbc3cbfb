package notify

import (
	"testing"

	"penstock/audit"
)

// TestWhatIsOverIsForgotten: years of finished jobs leave nothing in memory.
func TestWhatIsOverIsForgotten(t *testing.T) {
	s := newStory(Options{})
	tell := func(subject string, b audit.Body) {
		s.tell(t.Context(), audit.Leaf{Event: audit.Event{Subject: subject, Body: b}}, false)
	}
	ask := func(r string) { tell(r, audit.RequestSubmitted{Request: r, By: "ann"}) }
	agreed := func(r, w string) {
		ask(r)
		tell(w, audit.WindowAgreed{Request: r, Window: w})
	}
	agreed("R-1", "W-1")
	tell("W-1", audit.WindowMoved{Window: "W-1", To: "ended"})
	if len(s.requests) != 1 || len(s.windows) != 1 {
		t.Errorf("a job that waits for its hand-back is forgotten: %v, %v", s.requests, s.windows)
	}
	tell("W-1", audit.WindowMoved{Window: "W-1", To: "closed"})
	agreed("R-2", "W-2")
	tell("W-2", audit.WindowMoved{Window: "W-2", To: "unused"})
	ask("R-3")
	tell("R-3", audit.AnswerGiven{Request: "R-3", Says: "no"})
	ask("R-4")
	tell("R-4", audit.RequestWithdrawn{})
	ask("R-5")
	tell("R-5", audit.RequestUnanswered{})
	if len(s.requests) != 0 || len(s.windows) != 0 {
		t.Errorf("kept are %v, %v", s.requests, s.windows)
	}
}
