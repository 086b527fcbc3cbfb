package evidence_test

import (
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
)

const (
	signedAt = 15300         // ines's countersignature
	dueAt    = 300 + 12*3600 // until when it is due
	missedAt = dueAt + 10    // when Penstock says that it was missed
	spokenID = "spoken/W-1"  // its row
)

// spokenNight is the night by a yes of ines that olaf heard on the telephone, and
// that she signs afterwards; say may change that word.
func spokenNight(t *testing.T, spoken string, say func(*evidence.Answer)) *evidencetest.Story {
	t.Helper()
	plant := edited(t, evidencetest.PlantText(), "maint: {rights: [look, load]", "maint: {rights: [look, copy]",
		"longest: 4h, proof: code, grace: 5m}", "longest: 4h, proof: code, grace: 5m"+spoken+"}",
		"{name: copy,   when: {right: copy},   plan: [],                                   open: shift, longest: 4h, proof: code}",
		"{name: copy,   when: {right: copy},   plan: [owner, ot-security],                 open: shift, longest: 4h, proof: code"+spoken+"}")
	s := evidencetest.New(plant, "look", "copy")
	step, a := s.Step("answer.given", 1), s.Answers["ines"]
	a.Heard = "olaf"
	s.Answers["ines"] = a
	step.Event.Actor = "olaf"
	change(step, func(b *audit.AnswerGiven) { b.Heard, b.Document = "olaf", s.PutJSON(a) })
	signs(s, say)
	return s
}

// signs adds ines's word on the yes that was heard.
func signs(s *evidencetest.Story, say func(*evidence.Answer)) *evidencetest.Step {
	yes := s.Answers["ines"]
	a := evidence.Answer{V: 1, Request: yes.Request, Person: "ines", Firm: "fjord", Role: "ot-security", Says: evidence.Countersign, Spoken: s.PutJSON(yes), Nonce: evidencetest.Nonce(signedAt),
		At: at(signedAt), DecideBy: at(dueAt + 3600), Proof: evidence.Proof{Kind: evidence.ProofTOTP, Data: codeAt(signedAt)}}
	if say != nil {
		say(&a)
	}
	return s.Add(signedAt, a.Person, audit.SpokenSigned{Window: "W-1", Person: a.Person, Says: a.Says, Document: s.PutJSON(a), At: a.At}, "W-1", spokenID)
}

// Whatever is altered about a yes that was heard, and what is said to it later, is found.
func TestWalkSpoken(t *testing.T) {
	unsigned := func(s *evidencetest.Story) { s.Drop(s.Step("spoken.signed", 0)) }
	missed := func(s *evidencetest.Story) *evidencetest.Step {
		return s.Add(missedAt, "penstock", audit.SpokenMissed{Window: "W-1", Person: "ines", At: at(missedAt)}, "W-1", spokenID)
	}
	cleared := func(s *evidencetest.Story, who string) *evidencetest.Step {
		return s.Add(missedAt+60, who, audit.SpokenCleared{Window: "W-1", By: who, Why: "she has left", At: at(missedAt + 60)}, "W-1", spokenID)
	}
	role := func(s *evidencetest.Story, who string, roles ...string) {
		s.Add(missedAt+30, "mia", audit.PersonChanged{Person: who, Firm: "fjord", Name: who, Roles: roles, By: "mia"}, who, "person/"+who)
	}
	// again is a second request of the same people, of which ines's yes was heard as well.
	again := func(s *evidencetest.Story, second int) {
		r := s.Request
		r.Request, r.Nonce, r.From, r.To = "R-2", evidencetest.Nonce(second), at(second+3600), at(second+6*3600)
		s.Add(second, "ann", audit.RequestSubmitted{Request: "R-2", Rev: 1, Firm: "krall", By: "ann", Document: s.PutJSON(r), Plant: r.Plant}, "R-2", "request/R-2")
		a := s.Answers["ines"]
		a.Request, a.At, a.DecideBy, a.Nonce = s.PutJSON(r), at(second+10), r.To, evidencetest.Nonce(second+10)
		a.Proof.Data = codeAt(second + 10)
		s.Add(second+10, "olaf", audit.AnswerGiven{Request: "R-2", Rev: 1, Person: "ines", Firm: "fjord", Roles: []string{"ot-security"}, Says: evidence.Yes, Document: s.PutJSON(a), Heard: "olaf"}, "R-2", "request/R-2")
	}
	for _, row := range []struct {
		story string
		say   func(*evidence.Answer) // to what ines signs
		do    func(*evidencetest.Story)
		want  string
	}{
		{"as it was", nil, nil, ""},
		{"missed, and cleared by OT security", nil, func(s *evidencetest.Story) { unsigned(s); missed(s); cleared(s, "otto") }, ""},
		{"another one, when this was signed", nil, func(s *evidencetest.Story) { again(s, dueAt+100) }, ""},
		{"another one, while this is not signed", nil, func(s *evidencetest.Story) { unsigned(s); again(s, dueAt+100) }, "a yes was spoken while that of ines to W-1 is not countersigned"},
		{"another one, when this was denied", func(a *evidence.Answer) { a.Says = evidence.Deny }, func(s *evidencetest.Story) { again(s, 16000) }, "a yes was spoken while that of ines to W-1 is not countersigned"},
		{"signed before it was heard", func(a *evidence.Answer) { a.At, a.Proof.Data = at(100), codeAt(100) }, nil, "it was signed before that was heard"},
		{"signed to another request", func(a *evidence.Answer) { a.Request = audit.HashOf([]byte("another's yes")) }, nil, "it is about another yes than the one that was heard"},
		{"signed in another's name", nil, func(s *evidencetest.Story) { s.Step("spoken.signed", 0).Event.Actor = "otto" }, "signed by otto, and ines was heard"},
		{"signed by whoever has left", nil, func(s *evidencetest.Story) {
			s.Add(15290, "otto", audit.PersonDisabled{Person: "ines", By: "otto"}, "ines", "person/ines")
			s.Insert(s.Step("node.stopped", 0))
		}, "signed by ines, and ines was heard"},
		{"no yes was spoken", nil, func(s *evidencetest.Story) {
			change(s.Step("spoken.signed", 0), func(b *audit.SpokenSigned) { b.Window = "W-2" })
		}, "no yes to W-2 was spoken"},
		{"missed before its time", nil, func(s *evidencetest.Story) { unsigned(s); missed(s).Wall = at(dueAt - 60) }, "missed before its time"},
		{"missed, and it was signed", nil, func(s *evidencetest.Story) { missed(s) }, "missed before its time"},
		{"missed, said a person", nil, func(s *evidencetest.Story) { unsigned(s); missed(s).Event.Actor = "mia" }, "missed before its time"},
		{"missed by somebody else", nil, func(s *evidencetest.Story) {
			unsigned(s)
			change(missed(s), func(b *audit.SpokenMissed) { b.Person = "otto" })
		}, "missed before its time"},
		{"denied, and missed at once", func(a *evidence.Answer) { a.Says = evidence.Deny }, func(s *evidencetest.Story) { missed(s).Wall = at(signedAt + 1) }, ""},
		{"cleared in another's name", nil, func(s *evidencetest.Story) { unsigned(s); cleared(s, "otto").Event.Actor = "mia" }, "cleared by otto, who is not of OT security"},
		{"cleared by whoever spoke", nil, func(s *evidencetest.Story) { unsigned(s); cleared(s, "ines") }, "cleared by ines, who is not of OT security, or spoke"},
		{"cleared by whoever heard", nil, func(s *evidencetest.Story) {
			unsigned(s)
			role(s, "olaf", "line-1-owner", "ot-security")
			cleared(s, "olaf")
		}, "cleared by olaf, who is not of OT security, or spoke or heard it"},
		{"cleared by an owner", nil, func(s *evidencetest.Story) { unsigned(s); cleared(s, "mia") }, "cleared by mia, who is not of OT security"},
		{"cleared by whoever has left", nil, func(s *evidencetest.Story) {
			unsigned(s)
			s.Add(missedAt+30, "ines", audit.PersonDisabled{Person: "otto", By: "ines"}, "otto", "person/otto")
			cleared(s, "otto")
		}, "cleared by otto, who is not of OT security"},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := spokenNight(t, ", spoken: true", row.say)
			if row.do != nil {
				row.do(s)
			}
			_, wrong, _ := walk(s)
			if row.want == "" {
				match(t, wrong, nil)
			} else {
				match(t, wrong, []string{row.want, "*"})
			}
		})
	}
	t.Run("where no rule lets it be spoken", func(t *testing.T) {
		_, wrong, _ := walk(spokenNight(t, "", nil))
		match(t, wrong, []string{"the yes of ines was spoken, and the rules do not let it", "*"})
	})
	t.Run("two were spoken", func(t *testing.T) {
		s := spokenNight(t, ", spoken: true", nil)
		a := s.Answers["ines"]
		a.Person, a.Nonce = "otto", evidencetest.Nonce(299)
		step := behind(s, s.Step("answer.given", 1), 300, "olaf", audit.AnswerGiven{Request: "R-1", Rev: 1, Person: "otto", Firm: "fjord", Roles: []string{"ot-security"}, Says: evidence.Yes, Document: s.PutJSON(a), Heard: "olaf"}, "R-1", "request/R-1")
		s.Counts = append(s.Counts, step)
		_, wrong, _ := walk(s)
		match(t, wrong, []string{"2 yeses were spoken, and one is the most", "*"})
	})
}
