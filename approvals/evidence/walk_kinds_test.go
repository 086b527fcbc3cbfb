package evidence_test

import (
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// What a request says is out of order by night is what the plant file makes of it.
func TestCheckRed(t *testing.T) {
	night := func(red string) *policy.Plant {
		return edited(t, evidencetest.PlantText()+"calendars: {nights: {weekly: [Mon-Sun 20:00-06:00]}}\nnight: {during: nights, red: ["+red+"]}\n",
			"when: {right: look},   plan: [],", "when: {right: look},   plan: [owner],")
	}
	visits, networks := night("first-visit, number"), night("network")
	for _, row := range []struct {
		story string
		plant *policy.Plant
		do    func(*evidence.Request)
		want  string
	}{
		{"as it was", visits, func(*evidence.Request) {}, ""},
		{"nobody watches", visits, func(r *evidence.Request) { r.Escort = false }, "the request says of an escort: false"},
		{"somebody watches, and all is in order", visits, func(r *evidence.Request) { r.Red = evidence.Red{} }, "the request says of an escort: true"},
		{"more than looking", visits, func(r *evidence.Request) { r.Rights = []string{"look", "load"} }, "by night nothing but looking is asked so"},
		{"longer than a night", visits, func(r *evidence.Request) { r.To = r.From.Add(policy.NightSpan + time.Second) }, "a span of more than"},
		{"a first visit of somebody else", visits, func(r *evidence.Request) { r.Red.First = []string{"bob"} }, "a first visit is no red item here, or not of who works"},
		{"a first visit, where it is none", networks, func(*evidence.Request) {}, "a first visit is no red item here"},
		{"another network", networks, func(r *evidence.Request) { r.Red = evidence.Red{Network: "192.0.2.1/32"} }, ""},
		{"another network, where it is none", visits, func(r *evidence.Request) { r.Red = evidence.Red{Network: "192.0.2.1/32"} }, "another network is no red item here"},
		{"no number", visits, func(r *evidence.Request) { r.Red = evidence.Red{Missing: []string{"work_order"}} }, ""},
		{"no number, and there is one", visits, func(r *evidence.Request) { r.Red, r.WorkOrder = evidence.Red{Missing: []string{"work_order"}}, "4711" }, `it lacks [], and says that it lacks ["work_order"]`},
		{"no number, where that is none", networks, func(r *evidence.Request) { r.Red = evidence.Red{Missing: []string{"work_order"}} }, "it lacks"},
	} {
		t.Run(row.story, func(t *testing.T) {
			r := evidence.Request{People: []string{"ann"}, Rights: []string{"look"}, From: at(0), To: at(3600), Escort: true, Red: evidence.Red{First: []string{"ann"}}}
			row.do(&r)
			var want []string
			if row.want != "" {
				want = []string{row.want}
			}
			match(t, evidence.CheckRed(row.plant, r, []string{"work_order"}), want)
		})
	}
	red := func(do func(*evidence.Request)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			rewrite(s, func(r *evidence.Request) {
				r.Red, r.Escort, r.To = evidence.Red{First: []string{"ann"}}, true, at(5*3600)
				if do != nil {
					do(r)
				}
			})
		}
	}
	day := edited(t, evidencetest.PlantText()+"calendars: {nights: {weekly: [Mon-Sun 02:00-03:00]}}\nnight: {during: nights, red: [first-visit]}\n",
		"when: {right: look},   plan: [],", "when: {right: look},   plan: [owner],")
	findsIn(t, func() *evidencetest.Story { return evidencetest.New(visits, "look") }, []alteration{
		{"a first visit that is not said", func(*evidencetest.Story) {}, "ann was never here, and it does not say so"},
		{"more than looking, in the log", red(func(r *evidence.Request) { r.Rights = []string{"look", "load"} }), "by night nothing but looking is asked so"},
		{"written of tomorrow", func(s *evidencetest.Story) {
			red(nil)(s)
			change(s.Step("request.submitted", 0), func(b *audit.RequestSubmitted) { b.At = at(103) })
		}, "and the log has it at"},
		{"longer than the night that it is", red(func(r *evidence.Request) { r.From, r.To = at(7200), at(100).Add(policy.NightSpan+3*time.Minute) }), "it has a red item and goes on until"},
	})
	findsIn(t, func() *evidencetest.Story { return evidencetest.New(day, "look") }, []alteration{{"by day", red(nil), "it has a red item, and it was day"}})
}

// emergency is the short night as an emergency: mia's yes alone, to look, and a
// second tap of hers at 4005 to set.
func emergency(plant *policy.Plant) *evidencetest.Story {
	s := evidencetest.New(plant, "look", "set")
	short(s)
	s.Request.Kind = evidence.Emergency
	evidence.Tell(plant, &s.Request)
	hash := s.PutJSON(s.Request)
	change(s.Step("request.submitted", 0), func(b *audit.RequestSubmitted) { b.Document = hash })
	s.Drop(s.Step("answer.given", 1))
	s.Counts = s.Counts[:1]
	a := s.Answers["olaf"]
	a.Request, a.Person, a.Role, a.Limits = hash, "mia", "shift", evidence.Limits{}
	s.Answers["mia"] = a
	s.Counts[0].Event.Actor = "mia"
	change(s.Counts[0], func(b *audit.AnswerGiven) { b.Person, b.Roles, b.Document = "mia", []string{"shift"}, s.PutJSON(a) })
	claim, err := evidence.Narrow(s.Request, []evidence.Answer{a})
	if err != nil {
		panic(err)
	}
	claim.Window = "W-1"
	s.Claim = claim
	change(s.Step("window.agreed", 0), func(b *audit.WindowAgreed) { b.Claim = s.PutJSON(claim) })
	change(moved(s, "opened"), func(b *audit.WindowMoved) { b.Emergency, b.Waived = true, s.Request.Waives })
	stepsUp(s, moved(s, "opened"), 4005, nil, nil)
	return s
}

// stepsUp is mia's second tap; answer and leaf may be altered.
func stepsUp(s *evidencetest.Story, after *evidencetest.Step, second int, answer func(*evidence.Answer), leaf func(*audit.WindowMoved)) *evidencetest.Step {
	a := evidence.Answer{V: 1, Request: s.PutJSON(s.Request), Person: "mia", Firm: "fjord", Role: "shift", Says: evidence.StepUp, Window: "W-1", Limits: evidence.Limits{Rights: []string{"look", "set"}},
		Nonce: evidencetest.Nonce(second), At: at(second), DecideBy: s.Request.To, Proof: evidence.Proof{Kind: evidence.ProofTOTP, Data: codeAt(second)}}
	if answer != nil {
		answer(&a)
	}
	b := audit.WindowMoved{Window: "W-1", To: "stepped", By: "mia", At: at(second), Rights: a.Limits.Rights, Answer: s.PutJSON(a)}
	if leaf != nil {
		leaf(&b)
	}
	return behind(s, after, second, b.By, b, "W-1", "window/W-1")
}

func TestWalkEmergencies(t *testing.T) {
	plant := edited(t, evidencetest.PlantText()+"emergency: {agree: [shift], starts_as: [look], second_tap: [set], longest: 2h, tell: [ot-security], review: 3d, notice_above: 4 in 30d}\n",
		"maint: {rights: [look, load], enforced: nobody}", "maint: {rights: [look, set], enforced: device}")
	// anew tells the second tap once more, altered.
	anew := func(answer func(*evidence.Answer), leaf func(*audit.WindowMoved)) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			s.Drop(moved(s, "stepped"))
			stepsUp(s, moved(s, "opened"), 4005, answer, leaf)
		}
	}
	rights := func(r ...string) func(*evidence.Answer) { return func(a *evidence.Answer) { a.Limits.Rights = r } }
	findsIn(t, func() *evidencetest.Story { return emergency(plant) }, []alteration{
		{"as it was", func(*evidencetest.Story) {}, ""},
		{"the leaf does not say so", func(s *evidencetest.Story) {
			change(moved(s, "opened"), func(b *audit.WindowMoved) { b.Emergency = false })
		}, "the leaf says emergency false, and what was agreed says true"},
		{"the leaf waives a calendar", func(s *evidencetest.Story) {
			change(moved(s, "opened"), func(b *audit.WindowMoved) { b.Waived = []string{"frost"} })
		}, `the leaf says that ["frost"] are waived`},
		{"the vendor sets without a second tap", func(s *evidencetest.Story) { s.Drop(moved(s, "stepped")) }, `its rights are ["look" "set"], and W-1 allows ["look"]`},
		{"more than was agreed", anew(rights("look", "set", "load"), nil), `it gives ["look" "set" "load"], and ["look" "set"] was agreed`},
		{"less than it had", anew(rights("set"), nil), `it allowed ["look"], and the second tap gives ["set"]`},
		{"the leaf gives more than the tap", anew(rights("look"), func(b *audit.WindowMoved) { b.Rights = []string{"look", "set"} }), `the leaf gives it ["look" "set"], and the answer ["look"]`},
		{"by another's tap", anew(func(a *evidence.Answer) { a.Person = "otto" }, nil), "mia stepped it up by an answer of otto"},
		{"by somebody who opens nothing", anew(func(a *evidence.Answer) { a.Person, a.Role = "otto", "ot-security" }, func(b *audit.WindowMoved) { b.By = "otto" }), "otto holds no role that opens this window"},
		{"by a yes", anew(func(a *evidence.Answer) { a.Says, a.Window, a.Limits = evidence.Yes, "", evidence.Limits{} }, func(b *audit.WindowMoved) { b.Rights = []string{"look", "set"} }), "it says yes, and not step-up"},
		{"by a tap for another window", anew(func(a *evidence.Answer) { a.Window = "W-2" }, nil), "it steps up W-2 and not W-1"},
		{"by a tap of before it was opened", anew(func(a *evidence.Answer) { a.At, a.Proof.Data = at(3990), codeAt(3990) }, nil), "it was given before the window was opened"},
		{"with the nonce of a yes", anew(func(a *evidence.Answer) { a.Nonce = evidencetest.Nonce(200) }, nil), "the answer's nonce was used before"},
		{"a tap that is gone", anew(nil, func(b *audit.WindowMoved) { b.Answer = audit.HashOf([]byte("gone")) }), "its second tap cannot be read"},
		{"after it was narrowed for good", func(s *evidencetest.Story) {
			narrowed := behind(s, s.Step("firstbyte", 0), 4120, "mia", audit.WindowMoved{Window: "W-1", To: "narrowed", By: "mia", At: at(4120), Rights: []string{"look"}}, "W-1", "window/W-1")
			stepsUp(s, narrowed, 4130, nil, nil)
		}, `it was narrowed for good to ["look"], and the second tap gives ["look" "set"]`},
		{"when its end had passed", func(s *evidencetest.Story) {
			s.Drop(moved(s, "stepped"))
			step := stepsUp(s, s.Step("session.ended", 0), 7603, nil, nil)
			s.Step("channel.closed", 0).Wall = at(7500)
			for _, name := range []string{"handback.given", "handback.accepted", "node.stopped"} {
				s.Step(name, 0).Wall = step.Wall.Add(time.Minute)
			}
		}, "stepped up at"},
		{"planned work while its review is overdue", func(s *evidencetest.Story) {
			late := 15300 + 5*86400
			r := s.Request
			r.Request, r.Kind, r.Starts, r.From, r.To, r.Nonce = "R-2", evidence.Remote, nil, at(late+3600), at(late+7200), evidencetest.Nonce(late)
			evidence.Tell(plant, &r)
			s.Add(late-10, "penstock", audit.NodeStarted{Version: "test"}, "a")
			s.Add(late, "ann", audit.RequestSubmitted{Request: "R-2", Rev: 1, Firm: "krall", By: "ann", Document: s.PutJSON(r), Plant: r.Plant}, "R-2", "request/R-2")
		}, "planned for krall, whose emergency W-1 was to be reviewed by"},
	})
	findsEach(t, []alteration{
		{"no emergency", func(s *evidencetest.Story) { stepsUp(s, s.Step("firstbyte", 0), 4100, nil, nil) }, "W-1 is no emergency, which alone has a second tap"},
		{"no emergency, and the leaf says so", func(s *evidencetest.Story) {
			change(moved(s, "opened"), func(b *audit.WindowMoved) { b.Emergency = true })
		}, "the leaf says emergency true, and what was agreed says false"},
	})
}
