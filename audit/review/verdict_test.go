package review_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/review"
)

func TestOnlyASecondPersonReviews(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.session("S-1", look)
	r.tell("S-1", "ole", audit.ReviewOpened{Session: "S-1", Person: "ole", What: "watch", Form: "channel 0"})
	rows := []struct{ who, says string }{
		{"ann", "You worked in S-1"}, {"mia", "You opened W-1"}, {"eve", "You extended W-1"},
		{"olaf", "You agreed to R-1"}, {"sue", "You asked for R-1"}, {"ole", "You watched S-1 while it ran"},
	}
	for _, row := range rows {
		_, err := r.book.Sign(t.Context(), sec(row.who), "S-1", review.Opinion{Verdict: review.InOrder})
		if refusedBy(err) != "second-person" || !strings.Contains(err.Error(), row.says+", so somebody else must review it.") {
			t.Errorf("%s: %v", row.who, err)
		}
		if part := r.book.Part(t.Context(), sec(row.who), "S-1"); part != row.says {
			t.Errorf("%s: %q", row.who, part)
		}
		// Whoever writes the event past the Book is found by the fold.
		s, _, _ := r.book.Session(t.Context(), sec("lena"), "S-1")
		r.tell("S-1", row.who, audit.ReviewSigned{Session: "S-1", Person: row.who, Verdict: review.InOrder, Close: s.Close})
	}
	if _, err := r.book.Sign(t.Context(), review.Reader{Person: "lena", Roles: []string{"shift"}}, "S-1", review.Opinion{Verdict: review.InOrder}); !errors.Is(err, review.ErrMayNot) {
		t.Errorf("without a reading role: %v", err)
	}
	if s, _, _ := r.book.Session(t.Context(), sec("lena"), "S-1"); len(s.Verdicts) != 0 || s.Reviewed() {
		t.Errorf("verdicts that count: %+v", s.Verdicts)
	}
	s, err := r.book.Sign(t.Context(), sec("lena"), "S-1", review.Opinion{Verdict: review.InOrder})
	if err != nil || !s.Reviewed() || s.Verdicts[0].Person != "lena" || s.Verdicts[0].Close != s.Close || s.Close.IsZero() {
		t.Errorf("lena: %+v, %v", s, err)
	}
}

func TestOpinionsThatAreNotTaken(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.session("S-1", look)
	r.tell("S-2", "ann", audit.SessionStarted{Session: "S-2", Person: "ann", Windows: []string{"W-1"}})
	rows := []struct {
		story, session string
		o              review.Opinion
		rule           string
	}{
		{"it runs", "S-2", review.Opinion{Verdict: review.InOrder}, "not-ended"},
		{"no verdict", "S-1", review.Opinion{Verdict: "fine", Text: "x"}, "no-verdict"},
		{"no verdict, and no text", "S-1", review.Opinion{Verdict: "fine"}, "no-verdict"},
		{"a question to nobody", "S-1", review.Opinion{Verdict: review.Question, Text: "Why?"}, "question-to"},
		{"a question to oneself", "S-1", review.Opinion{Verdict: review.Question, To: "lena", Text: "Why?"}, "question-to"},
		{"a finding without words", "S-1", review.Opinion{Verdict: review.Finding, Text: " \n"}, "text-missing"},
		{"an endless text", "S-1", review.Opinion{Verdict: review.Finding, Text: strings.Repeat("ü", 501)}, "text-too-long"},
		{"an escape sequence", "S-1", review.Opinion{Verdict: review.Finding, Text: "ok\x1b[2J"}, "text-hidden"},
		{"letters that turn the line", "S-1", review.Opinion{Verdict: review.Finding, Text: "ok\u202eko"}, "text-hidden"},
		{"half a letter", "S-1", review.Opinion{Verdict: review.Finding, Text: "\xc3"}, "text-too-long"},
	}
	for _, row := range rows {
		if _, err := r.book.Sign(t.Context(), sec("lena"), row.session, row.o); refusedBy(err) != row.rule {
			t.Errorf("%s: %v", row.story, err)
		}
	}
	// The longest text of the widest letters fits a leaf.
	if _, err := r.book.Sign(t.Context(), sec("lena"), "S-1", review.Opinion{Verdict: review.Finding, Text: strings.Repeat("𝕏", 500)}); err != nil {
		t.Error(err)
	}
}

func TestADoubleTapSignsOnce(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.session("S-1", load)
	var wg sync.WaitGroup
	got := make([]error, 8)
	for i := range got {
		wg.Go(func() {
			_, got[i] = r.book.Sign(t.Context(), sec("lena"), "S-1", review.Opinion{Verdict: review.InOrder})
		})
	}
	wg.Wait()
	taken := 0
	for _, err := range got {
		if err == nil {
			taken++
		} else if refusedBy(err) != "decided-meanwhile" || !strings.Contains(err.Error(), "Your in order stands already.") {
			t.Error(err)
		}
	}
	if taken != 1 {
		t.Errorf("%d were taken", taken)
	}
	_, err := r.book.Sign(t.Context(), sec("max"), "S-1", review.Opinion{Verdict: review.Finding, Text: "no"})
	if err == nil || !strings.Contains(err.Error(), "Meanwhile lena has said: in order.") {
		t.Errorf("a page gone stale: %v", err)
	}
}

func TestAQuestionIsNoEndAndAFindingStaysOpen(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.session("S-1", load)
	waits := func() int {
		list, err := r.book.Waits(t.Context(), sec("lena"))
		must(t, err)
		return len(list)
	}
	_, err := r.book.Sign(t.Context(), sec("lena"), "S-1", review.Opinion{Verdict: review.Question, To: "mia", Text: "Why twice?"})
	must(t, err)
	if waits() != 1 {
		t.Error("a question ended the review")
	}
	mia := review.Reader{Person: "mia", Roles: []string{"shift"}}
	list, err := r.book.Threads(t.Context(), mia)
	if err != nil || len(list) != 1 || list[0].Threads[0].Text != "Why twice?" {
		t.Errorf("what is asked of mia: %+v, %v", list, err)
	}
	if list, err := r.book.Threads(t.Context(), review.Reader{Person: "jan", Roles: []string{"shift"}}); err != nil || len(list) != 0 {
		t.Errorf("what is asked of jan: %+v, %v", list, err)
	}
	if _, err := r.book.Reply(t.Context(), review.Reader{Person: "jan", Roles: []string{"shift"}}, "S-1", 1, "I think", false, 0); !errors.Is(err, review.ErrMayNot) {
		t.Errorf("jan replies: %v", err)
	}
	if _, err := r.book.Reply(t.Context(), mia, "S-1", 1, "Settled then", true, 0); refusedBy(err) != "not-yours" {
		t.Errorf("mia settles: %v", err)
	}
	_, err = r.book.Reply(t.Context(), mia, "S-1", 1, "Sensor offset", false, 0)
	must(t, err)
	if _, err := r.book.Reply(t.Context(), sec("lena"), "S-1", 1, "Thanks", true, 0); refusedBy(err) != "decided-meanwhile" {
		t.Errorf("a page gone stale: %v", err)
	}
	if _, err := r.book.Reply(t.Context(), sec("mia"), "S-1", 1, "Settled then", true, 1); refusedBy(err) != "second-person" {
		t.Errorf("who opened settles: %v", err)
	}
	_, err = r.book.Reply(t.Context(), sec("lena"), "S-1", 1, "Thanks", true, 1)
	must(t, err)
	if _, err := r.book.Reply(t.Context(), sec("lena"), "S-1", 1, "More", false, 2); refusedBy(err) != "settled" {
		t.Errorf("after the end: %v", err)
	}
	_, err = r.book.Sign(t.Context(), sec("lena"), "S-1", review.Opinion{Verdict: review.Finding, Text: "Set twice", Seen: 1})
	must(t, err)
	b, err := r.book.Backlog(t.Context())
	if err != nil || waits() != 0 || b.Findings != 1 || b.Questions != 0 {
		t.Errorf("after the finding: %+v, %d wait, %v", b, waits(), err)
	}
	if _, err := r.book.Note(t.Context(), sec("lena"), "S-1", 0, 90*time.Second, "here"); err != nil {
		t.Error(err)
	}
	if _, err := r.book.Note(t.Context(), sec("lena"), "S-1", 7, 0, "here"); refusedBy(err) != "no-such-moment" {
		t.Errorf("a note nowhere: %v", err)
	}
}

func TestWhatWaitsForReview(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.session("S-1", look)
	r.session("S-2", look)
	r.session("S-3", look, load)
	r.tell("S-4", "ann", audit.SessionStarted{Session: "S-4", Person: "ann", Windows: []string{"W-1"}})
	r.tell("S-4", "ann", audit.ChannelRefused{Session: "S-4", Kind: "shell", Rule: "account-can-more"})
	r.tell("S-4", "ann", audit.SessionEnded{Session: "S-4", Cause: "client"})
	r.pass(8 * day)
	list, err := r.book.Waits(t.Context(), sec("lena"))
	must(t, err)
	got := map[string][]string{}
	for _, w := range list {
		got[w.ID] = w.Reasons
		if !w.Late {
			t.Errorf("%s is not late after 8 days", w.ID)
		}
	}
	want := map[string][]string{"S-1": {"first-visit"}, "S-3": {"load"}, "S-4": {"refusal"}}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
	for id, why := range want {
		if !slices.Equal(got[id], why) {
			t.Errorf("%s: %v", id, got[id])
		}
	}
}

func TestTheDraw(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.rules.Always, r.rules.OneIn = nil, 3
	for i := range 12 {
		r.session("S-"+string(rune('a'+i)), look)
	}
	must(t, r.book.Tend(t.Context()))
	waiting := func() (ids []string) {
		list, err := r.book.Waits(t.Context(), sec("lena"))
		must(t, err)
		for _, w := range list {
			ids = append(ids, w.ID)
		}
		return ids
	}
	if b, _ := r.book.Backlog(t.Context()); len(waiting()) != 0 || b.Undrawn != 12 {
		t.Errorf("drawn on the day itself: %v, %+v", waiting(), b)
	}
	r.pass(day)
	turn := r.tell("a", "penstock", audit.FirmChanged{Firm: "x"})
	r.covered = func() audit.Index { return turn.Index }
	must(t, r.book.Tend(t.Context()))
	if b, _ := r.book.Backlog(t.Context()); b.Undrawn != 12 {
		t.Error("drawn before a copy outside had the day's first leaf")
	}
	root, err := r.log.RootAt(turn.Index + 1)
	must(t, err)
	// What somebody writes who would like another draw counts for nothing.
	for _, forged := range []audit.ReviewDrawn{{Size: turn.Index + 1, Root: audit.HashOf([]byte("better")), OneIn: 3, Of: 12},
		{Size: turn.Index, Root: root, OneIn: 3, Of: 12}, {Size: turn.Index + 1, Root: root, OneIn: 3, Of: 12, Drawn: 99}} {
		r.tell("reviews", "penstock", forged)
	}
	r.covered = r.log.Size
	must(t, r.book.Tend(t.Context()))
	must(t, r.book.Tend(t.Context()))
	var want []string
	for i := range 12 {
		id := "S-" + string(rune('a'+i))
		if s, _, _ := r.book.Session(t.Context(), sec("lena"), id); review.Drawn(root, id, s.Close, 3) {
			want = append(want, id)
		}
	}
	if b, _ := r.book.Backlog(t.Context()); !slices.Equal(waiting(), want) || b.Undrawn != 0 {
		t.Errorf("drawn %v, by the root %v, %+v", waiting(), want, b)
	}
	// Another root, another draw; and about one in so many.
	n := 0
	for i := range 3000 {
		if review.Drawn(audit.HashOf([]byte{byte(i), byte(i >> 8)}), "S-1", audit.Hash{}, 10) {
			n++
		}
	}
	if n < 230 || n > 370 || review.Drawn(root, "S-1", audit.Hash{}, 0) {
		t.Errorf("%d of 3000, one in ten", n)
	}
}

// What ran while somebody stood in for a gate is looked at by a second person,
// who is none of those that said a gate or escorted.
func TestAStandInIsReviewed(t *testing.T) {
	r := newRig(t)
	r.agreed()
	r.rules.Always, r.rules.OneIn = []string{"stand-in"}, 0
	r.session("S-1", look)
	r.tell("S-2", "ann", audit.SessionStarted{Session: "S-2", Person: "ann", Windows: []string{"W-1"}})
	r.tell("W-1", "lena", audit.GateChanged{Gate: "key", Says: "stood-in", Window: "W-1", By: "lena", Why: "lamp"})
	r.tell("W-1", "kurt", audit.EscortChanged{Window: "W-1", By: "kurt", Says: "took"})
	r.tell("S-2", "ann", audit.SessionEnded{Session: "S-2", Cause: "client"})
	r.session("S-3", look)
	list, err := r.book.Waits(t.Context(), sec("otto"))
	must(t, err)
	var got []string
	for _, w := range list {
		got = append(got, w.ID+" "+strings.Join(w.Reasons, ","))
	}
	if !slices.Equal(got, []string{"S-2 stand-in", "S-3 stand-in"}) {
		t.Errorf("wait: %q", got)
	}
	for who, part := range map[string]string{"lena": "stood in for a gate of W-1", "kurt": "escorted W-1"} {
		_, err := r.book.Sign(t.Context(), sec(who), "S-3", review.Opinion{Verdict: review.InOrder})
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", who, err)
		}
	}
}

// An emergency is always looked at by a second person, whatever the plant file
// names, and is late by its own time where that is sooner.
func TestAnEmergencyIsAlwaysReviewed(t *testing.T) {
	r := newRig(t)
	r.rules.Always, r.rules.OneIn, r.rules.Quick = nil, 0, 3*day
	r.tell("R-1", "sue", audit.RequestSubmitted{Request: "R-1", Rev: 1, By: "sue"})
	r.tell("W-1", "penstock", audit.WindowAgreed{Window: "W-1", Request: "R-1"})
	r.tell("W-1", "mia", audit.WindowMoved{Window: "W-1", To: "opened", By: "mia", Emergency: true})
	r.tell("W-1", "kurt", audit.WindowMoved{Window: "W-1", To: "stepped", By: "kurt"})
	r.session("S-1", look)
	for days, late := range map[int]bool{2: false, 4: true} {
		r.pass(time.Duration(days) * day)
		waits, err := r.book.Waits(t.Context(), sec("lena"))
		if err != nil || len(waits) != 1 || !slices.Equal(waits[0].Reasons, []string{"emergency"}) || waits[0].Late != late {
			t.Errorf("after %d days: %+v, %v", days, waits, err)
		}
		r.pass(-time.Duration(days) * day)
	}
	if part := r.book.Part(t.Context(), sec("kurt"), "S-1"); part != "You stepped up W-1" {
		t.Errorf("who gave the second tap is no second person: %q", part)
	}
}
