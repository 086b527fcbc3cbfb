package evidence_test

import (
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

// Whatever is altered about a call-in is found.
func TestWalkCalls(t *testing.T) {
	made := func(do func(*evidencetest.Step, *audit.CallMade)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			calledIn(s, 3940)
			step := s.Step("call.made", 0)
			change(step, func(b *audit.CallMade) { do(step, b) })
		}
	}
	answered := func(do func(*evidencetest.Story, *evidencetest.Step)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			calledIn(s, 3940)
			do(s, s.Step("call.answered", 0))
		}
	}
	code := audit.HashOf([]byte("K7Q4MD"))
	findsEach(t, []alteration{
		{"of a request that is no call-in", func(s *evidencetest.Story) {
			behind(s, s.Step("window.agreed", 0), 302, "olaf", audit.CallMade{Request: "R-1", Code: code, Until: at(4540), By: "olaf", At: at(302)}, "R-1", "request/R-1")
		}, "R-1 is no call-in"},
		{"in another's name", made(func(s *evidencetest.Step, _ *audit.CallMade) { s.Event.Actor = "mia" }), "called by olaf, who is nobody of the plant"},
		{"of a request that was refused", func(s *evidencetest.Story) {
			calledIn(s, 3940)
			s.Answer(250, "otto", "ot-security", evidence.No, nil)
			s.Insert(s.Step("answer.given", 1))
			s.Drop(s.Step("window.agreed", 0))
		}, "the request was refused"},
		{"called anew when somebody had come", answered(func(s *evidencetest.Story, step *evidencetest.Step) {
			behind(s, step, 3950, "olaf", s.Step("call.made", 0).Event.Body, "R-1", "request/R-1")
		}), "ann had answered the call already"},
		{"answered twice", answered(func(s *evidencetest.Story, step *evidencetest.Step) {
			behind(s, step, 3950, "ann", step.Event.Body, "R-1", "request/R-1")
		}), "ann had answered the call already"},
		{"answered in another's name", answered(func(_ *evidencetest.Story, step *evidencetest.Step) { step.Event.Actor = "mia" }), "answered by ann, who was not called"},
		{"answered by whoever has left", answered(func(s *evidencetest.Story, _ *evidencetest.Step) {
			behind(s, s.Step("call.made", 0), 400, "ines", audit.PersonDisabled{Person: "ann", By: "ines"}, "ann", "person/ann")
		}), "answered by ann, who was not called"},
		{"a code of nobody's call", answered(func(s *evidencetest.Story, _ *evidencetest.Step) { s.Drop(s.Step("call.made", 0)) }), "and the code was good until"},
		{"it says a time when the code was over", answered(func(_ *evidencetest.Story, step *evidencetest.Step) {
			change(step, func(b *audit.CallAnswered) { b.At = at(4541) })
		}), "and the code was good until"},
		{"the log has it when the code was over", made(func(_ *evidencetest.Step, b *audit.CallMade) { b.Until = at(3937) }), "and the code was good until"},
	})
}

// Whatever is altered about a question's answer, or a priority that is given, is found.
func TestWalkQuestions(t *testing.T) {
	said := func(do func(*evidencetest.Story, *evidencetest.Step)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			question(s, "ann")
			do(s, s.Step("question.answered", 0))
		}
	}
	given := func(do func(*evidencetest.Story, *evidencetest.Step)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			do(s, behind(s, s.Step("person.asked", 0), 150, "olaf", audit.PriorityChanged{Request: "R-1", Rev: 1, To: "P1", Team: "line-1-owner", By: "olaf", Why: "It stands", At: at(150)}, "R-1", "request/R-1"))
		}
	}
	same := func(*evidencetest.Story, *evidencetest.Step) {}
	findsEach(t, []alteration{
		{"a word in another's name", said(func(_ *evidencetest.Story, step *evidencetest.Step) { step.Event.Actor = "mia" }), "said by ann, who neither asked nor"},
		{"a word of nobody's", said(func(_ *evidencetest.Story, step *evidencetest.Step) {
			step.Event.Actor = "zoe"
			change(step, func(b *audit.QuestionAnswered) { b.By = "zoe" })
		}), "said by zoe, who neither asked nor"},
		{"a word of whoever asked and has left", said(func(s *evidencetest.Story, step *evidencetest.Step) {
			behind(s, s.Step("answer.given", 0), 155, "ines", audit.PersonDisabled{Person: "ann", By: "ines"}, "ann", "person/ann")
		}), "said by ann, who neither asked nor"},
		{"a word to another revision", said(func(_ *evidencetest.Story, step *evidencetest.Step) {
			change(step, func(b *audit.QuestionAnswered) { b.Rev = 2 })
		}), "nobody had asked anything about revision 2"},
		{"a word when all was agreed", said(func(s *evidencetest.Story, step *evidencetest.Step) {
			behind(s, s.Step("window.agreed", 0), 320, "ann", step.Event.Body, "R-1", "request/R-1")
		}), "nobody had asked anything about revision 1"},
		{"a priority as it was", given(same), ""},
		{"a priority in another's name", given(func(_ *evidencetest.Story, step *evidencetest.Step) { step.Event.Actor = "mia" }), "given by olaf, who is nobody of the plant"},
		{"a priority of another revision", given(func(_ *evidencetest.Story, step *evidencetest.Step) {
			change(step, func(b *audit.PriorityChanged) { b.Rev = 2 })
		}), "revision 2 did not wait"},
		{"a priority when all was agreed", given(func(s *evidencetest.Story, step *evidencetest.Step) {
			behind(s, s.Step("window.agreed", 0), 320, "olaf", step.Event.Body, "R-1", "request/R-1")
		}), "revision 1 did not wait"},
	})
}

// Whatever is altered about a machine's key that a job changed is found.
func TestWalkHostKeys(t *testing.T) {
	key := evidencetest.Key("new filler")
	with := func(do func(s *evidencetest.Story, accepted *evidencetest.Step)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			byNewKey(s)
			do(s, s.Step("hostkey.accepted", 0))
		}
	}
	cleared := func(why string) func(*evidencetest.Story) {
		return with(func(s *evidencetest.Story, _ *evidencetest.Step) {
			s.Drop(s.Step("hostkey.confirmed", 0))
			s.Add(15300, "ines", audit.HostKeyCleared{Asset: "filler-plc", Key: key, By: "ines", Why: why, At: at(15300)}, "filler-plc", "hostkey/filler-plc")
		})
	}
	findsEach(t, []alteration{
		{"cleared", cleared("the old one is back"), ""},
		{"cleared, and nobody knows why", cleared(""), "it does not say why"},
		{"a machine that showed none", with(func(_ *evidencetest.Story, accepted *evidencetest.Step) {
			change(accepted, func(b *audit.HostKeyAccepted) { b.Asset = "capper-plc" })
		}), "capper-plc showed no such key that waited for a word"},
		{"confirmed twice", with(func(s *evidencetest.Story, _ *evidencetest.Step) {
			s.Add(15300, "otto", audit.HostKeyConfirmed{Asset: "filler-plc", Key: key, By: "otto", At: at(15300)}, "filler-plc", "hostkey/filler-plc")
		}), "filler-plc showed no such key that waited for a word"},
		{"accepted in another's name", with(func(_ *evidencetest.Story, accepted *evidencetest.Step) { accepted.Event.Actor = "otto" }), "accepted by mia, who held no role that opens W-1"},
		{"accepted when the window was over", with(func(s *evidencetest.Story, _ *evidencetest.Step) {
			s.Move(4050, "mia", "cut", at(4050))
			s.Insert(s.Step("hostkey.changed", 0))
		}), "(hostkey.accepted filler-plc): W-1 was cut"},
		{"accepted in a window for another machine", with(func(s *evidencetest.Story, accepted *evidencetest.Step) {
			change(s.Step("hostkey.changed", 0), func(b *audit.HostKeyChanged) {
				b.Asset, b.Pins = "capper-plc", audit.HashOf([]byte(evidencetest.Plant().PinsText("capper-plc")))
			})
			change(accepted, func(b *audit.HostKeyAccepted) { b.Asset = "capper-plc" })
		}), "W-1 is not for capper-plc"},
		{"accepted when nobody may load any more", with(func(s *evidencetest.Story, _ *evidencetest.Step) {
			s.Add(4050, "mia", audit.WindowMoved{Window: "W-1", To: "narrowed", By: "mia", At: at(4050), Rights: []string{"look"}}, "W-1", "window/W-1")
			s.Insert(s.Step("hostkey.changed", 0))
		}), "in W-1 nobody may load or change the device"},
	})
}
