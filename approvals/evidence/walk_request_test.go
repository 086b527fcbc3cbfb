package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// alteration is one thing that somebody who writes the log could alter, and what is
// said of it; what follows from it may be said too. want empty: the log holds.
type alteration struct {
	story string
	do    func(*evidencetest.Story)
	want  string
}

func findsEach(t *testing.T, rows []alteration) {
	t.Helper()
	plant := evidencetest.Plant()
	findsIn(t, func() *evidencetest.Story { return evidencetest.New(plant) }, rows)
}

// findsIn alters another story than the whole night.
func findsIn(t *testing.T, tell func() *evidencetest.Story, rows []alteration) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.story, func(t *testing.T) {
			s := tell()
			row.do(s)
			_, wrong, _ := walk(s)
			if row.want == "" {
				match(t, wrong, nil)
			} else {
				match(t, wrong, []string{row.want, "*"})
			}
		})
	}
}

// behind adds a step and puts it behind another.
func behind(s *evidencetest.Story, after *evidencetest.Step, second int, actor string, body audit.Body, subject string, rows ...string) *evidencetest.Step {
	s.Add(second, actor, body, subject, rows...)
	return s.Insert(after)
}

// asked has the first request be another text, and its leaf say so.
func asked(s *evidencetest.Story, do func(*evidence.Request)) {
	do(&s.Request)
	evidence.Tell(evidencetest.Plant(), &s.Request)
	change(s.Step("request.submitted", 0), func(b *audit.RequestSubmitted) {
		b.Rev, b.Firm, b.By, b.Document = s.Request.Rev, s.Request.Firm, s.Request.By, s.PutJSON(s.Request)
	})
}

// revised adds a revision by ann behind a step.
func revised(s *evidencetest.Story, after *evidencetest.Step, rev int, window string) {
	s.Request.Rev = rev
	evidence.Tell(evidencetest.Plant(), &s.Request)
	second := int(after.Wall.Sub(at(0))/time.Second) + 1
	behind(s, after, second, "ann", audit.RequestRevised{Request: "R-1", Rev: rev, Firm: "krall", By: "ann", Document: s.PutJSON(s.Request), Plant: s.Request.Plant, Window: window}, "R-1", "request/R-1")
}

func withdrawn(s *evidencetest.Story, after *evidencetest.Step, by, window string) {
	second := int(after.Wall.Sub(at(0))/time.Second) + 1
	behind(s, after, second, by, audit.RequestWithdrawn{By: by, Window: window}, "R-1", "request/R-1")
}

func TestWalkRequests(t *testing.T) {
	first := func(s *evidencetest.Story) *evidencetest.Step { return s.Step("request.submitted", 0) }
	findsEach(t, []alteration{
		{"the leaf says another firm", func(s *evidencetest.Story) {
			change(first(s), func(b *audit.RequestSubmitted) { b.Firm = "fjord" })
		}, "the leaf and the request's text differ"},
		{"the leaf says another revision", func(s *evidencetest.Story) {
			change(first(s), func(b *audit.RequestSubmitted) { b.Rev = 2 })
		}, "the leaf and the request's text differ"},
		{"submitted by another than who wrote it", func(s *evidencetest.Story) { first(s).Event.Actor = "mia" }, "mia submitted what ann wrote"},
		{"written by somebody unknown", func(s *evidencetest.Story) {
			asked(s, func(r *evidence.Request) { r.By = "zoe" })
			first(s).Event.Actor = "zoe"
		}, "zoe wrote it, who is neither of krall nor of the plant"},
		{"written by somebody of another firm", func(s *evidencetest.Story) {
			asked(s, func(r *evidence.Request) { r.Firm = "other" })
		}, "ann wrote it, who is neither of other nor of the plant"},
		{"somebody of the plant shall work for the firm", func(s *evidencetest.Story) {
			asked(s, func(r *evidence.Request) { r.People = []string{"ann", "mia"} })
		}, "mia shall work, who is not known as a person of krall"},
		{"it begins with the second revision", func(s *evidencetest.Story) { asked(s, func(r *evidence.Request) { r.Rev = 2 }) }, "it is submitted as revision 2"},
		{"submitted twice", func(s *evidencetest.Story) {
			behind(s, first(s), 101, "ann", first(s).Event.Body, "R-1", "request/R-1")
		}, "R-1 was submitted before"},
		{"the leaf names a pattern", func(s *evidencetest.Story) {
			change(first(s), func(b *audit.RequestSubmitted) { b.Pattern = "P-9" })
		}, "the leaf names pattern P-9, and the text names none"},
		{"a revision is left out", func(s *evidencetest.Story) { revised(s, first(s), 3, "") }, "revision 3 follows revision 1"},
		{"the same revision again", func(s *evidencetest.Story) { revised(s, first(s), 1, "") }, "revision 1 follows revision 1"},
		{"revised over another window", func(s *evidencetest.Story) { revised(s, first(s), 2, "W-9") }, "it names window W-9, and the request's is"},
		{"revised while the window is open", func(s *evidencetest.Story) { revised(s, moved(s, "opened"), 2, "W-1") }, "it was agreed and could not be taken back"},
		{"withdrawn over another window", func(s *evidencetest.Story) { withdrawn(s, first(s), "ann", "W-9") }, "it names window W-9, and the request's is"},
		{"withdrawn by somebody unknown", func(s *evidencetest.Story) { withdrawn(s, first(s), "zoe", "") }, "withdrawn by zoe, whom the log does not know"},
		{"withdrawn by nobody", func(s *evidencetest.Story) { withdrawn(s, first(s), "penstock", "") }, "withdrawn by penstock, whom the log does not know, and nobody has left"},
		{"withdrawn while the window is open", func(s *evidencetest.Story) { withdrawn(s, moved(s, "opened"), "ann", "W-1") }, "it was agreed and could not be taken back"},
		{"woken while it waits", func(s *evidencetest.Story) {
			behind(s, first(s), 150, "penstock", audit.RequestWoken{By: "penstock", At: at(150)}, "R-1", "request/R-1")
		}, "it was waiting"},
		{"unanswered after it was agreed", func(s *evidencetest.Story) {
			behind(s, s.Step("window.agreed", 0), 302, "penstock", audit.RequestUnanswered{}, "R-1", "request/R-1")
		}, "it was agreed"},
		{"somebody unknown is asked", func(s *evidencetest.Story) {
			change(s.Step("person.asked", 0), func(b *audit.PersonAsked) { b.People = []string{"zoe"} })
		}, "zoe was asked, whom the log does not know"},
	})
}

func TestWalkAnswers(t *testing.T) {
	yes := func(s *evidencetest.Story) *evidencetest.Step { return s.Step("answer.given", 0) }
	given := func(s *evidencetest.Story, do func(*evidence.Answer)) {
		a := s.Answers["olaf"]
		do(&a)
		change(yes(s), func(b *audit.AnswerGiven) { b.Document = s.PutJSON(a) })
	}
	findsEach(t, []alteration{
		{"the leaf says no", func(s *evidencetest.Story) { change(yes(s), func(b *audit.AnswerGiven) { b.Says = evidence.No }) }, "the leaf and the answer's text differ"},
		{"it is another's answer", func(s *evidencetest.Story) { given(s, func(a *evidence.Answer) { a.Person = "otto" }) }, "the leaf and the answer's text differ"},
		{"given by another", func(s *evidencetest.Story) { yes(s).Event.Actor = "mia" }, "mia gave the answer of olaf"},
		{"at a kiosk, and by no tap", func(s *evidencetest.Story) { given(s, func(a *evidence.Answer) { a.Kiosk = "K-1" }) }, "it was given at a kiosk, and by no tap of a passkey"},
		{"a yes to what is asleep", func(s *evidencetest.Story) {
			s.Answer(210, "otto", "ot-security", evidence.NotBefore, func(a *evidence.Answer) { a.NotBefore = at(3000) })
			s.Insert(yes(s))
		}, "the request was asleep"},
	})
}

func TestWalkWindows(t *testing.T) {
	agreed := func(s *evidencetest.Story, do func(*audit.WindowAgreed)) { change(s.Step("window.agreed", 0), do) }
	findsEach(t, []alteration{
		{"agreed as an older revision", func(s *evidencetest.Story) { agreed(s, func(b *audit.WindowAgreed) { b.Rev = 2 }) }, "it is of revision 2 of krall, and the newest is 1 of krall"},
		{"agreed for another firm", func(s *evidencetest.Story) { agreed(s, func(b *audit.WindowAgreed) { b.Firm = "fjord" }) }, "it is of revision 1 of fjord"},
		{"another window's claim", func(s *evidencetest.Story) {
			s.Claim.Window = "W-2"
			agreed(s, func(b *audit.WindowAgreed) { b.Claim = s.PutJSON(s.Claim) })
		}, "its claim is for W-2"},
		{"a step that there is not", func(s *evidencetest.Story) { s.Move(4005, "mia", "widened", at(9999)); s.Insert(moved(s, "opened")) }, `"widened" is no step of a window`},
		{"paused an hour before the log has it", func(s *evidencetest.Story) {
			behind(s, moved(s, "opened"), 4005, "mia", audit.WindowMoved{Window: "W-1", To: "paused", By: "mia", At: at(405)}, "W-1", "window/W-1")
		}, "and the log has it at"},
		{"opened later than the log has it", func(s *evidencetest.Story) {
			change(moved(s, "opened"), func(b *audit.WindowMoved) { b.At, b.Until = at(4300), at(7900) })
		}, "): opened at"},
		{"narrowed to as much as it was", func(s *evidencetest.Story) {
			behind(s, moved(s, "opened"), 4005, "mia", audit.WindowMoved{Window: "W-1", To: "narrowed", By: "mia", At: at(4005), Rights: []string{"look", "load"}}, "W-1", "window/W-1")
		}, "narrowed to"},
		{"extended by another's answer", func(s *evidencetest.Story) {
			s.Extend(7000, at(4*3600), func(a *evidence.Answer) { a.Person = "otto" })
			s.Insert(moved(s, "extended"))
			s.Drop(moved(s, "extended"))
		}, "mia extended it by an answer of otto"},
		{"handed back by somebody unknown", func(s *evidencetest.Story) {
			s.Step("handback.given", 0).Event.Actor = "zoe"
			change(s.Step("handback.given", 0), func(b *audit.HandbackGiven) { b.By = "zoe" })
		}, "handed back by zoe, who is not of the firm that worked in it"},
		{"handed back while it was open", func(s *evidencetest.Story) { s.Drop(moved(s, "ended")) }, "handed back while it was open"},
		{"accepted while it was open", func(s *evidencetest.Story) { s.Drop(moved(s, "ended")) }, "accepted while it was open"},
		{"accepted by the vendor", func(s *evidencetest.Story) {
			s.Step("handback.accepted", 0).Event.Actor = "ann"
			change(s.Step("handback.accepted", 0), func(b *audit.HandbackAccepted) { b.By = "ann" })
		}, "accepted by ann, who is nobody of the plant"},
	})
}
