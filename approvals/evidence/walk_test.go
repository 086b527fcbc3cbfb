package evidence_test

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/policy"
)

// documents are a story's.
type documents map[audit.Hash][]byte

func (d documents) Get(_ context.Context, h audit.Hash) ([]byte, error) {
	b, ok := d[h]
	if !ok {
		return nil, fmt.Errorf("document %s: %w", h, fs.ErrNotExist)
	}
	return b, nil
}

// walk gives all findings and notes of a story.
func walk(s *evidencetest.Story) (windows int64, wrong, notes []string) {
	w := evidence.NewWalk(documents(s.Docs))
	for _, leaf := range s.Leaves() {
		wrong = append(wrong, w.Leaf(context.Background(), leaf)...)
		notes = append(notes, w.Notes()...)
	}
	windows, last := w.Done(context.Background())
	return windows, append(wrong, last...), append(notes, w.Notes()...)
}

// change edits the body of a step.
func change[T audit.Body](s *evidencetest.Step, do func(*T)) {
	b := s.Event.Body.(T)
	do(&b)
	s.Event.Body = b
}

func moved(s *evidencetest.Story, to string) *evidencetest.Step {
	for i := 0; ; i++ {
		step := s.Step("window.moved", i)
		if step.Event.Body.(audit.WindowMoved).To == to {
			return step
		}
	}
}

const minute = time.Minute

// ending ends the story's session and window at a second, behind a step that let it wind down.
func ending(s *evidencetest.Story, second int, step *evidencetest.Step) {
	s.Drop(step)
	s.Steps = append(s.Steps, step)
	s.Insert(moved(s, "extended"))
	s.Step("channel.closed", 0).Wall, s.Step("session.ended", 0).Wall = at(second-1), at(second-1)
	ended := moved(s, "ended")
	ended.Wall = at(second)
	change(ended, func(b *audit.WindowMoved) { b.At, b.Until = at(second), at(second) })
}

// moved2 is the second such step.
func moved2(s *evidencetest.Story, to string) *evidencetest.Step {
	var found []*evidencetest.Step
	for _, step := range s.Steps {
		if b, ok := step.Event.Body.(audit.WindowMoved); ok && b.To == to {
			found = append(found, step)
		}
	}
	return found[1]
}

// graced is a night without extension whose end moves by a grace to until, at a second.
func graced(s *evidencetest.Story, second int, until time.Time, by string) *evidencetest.Step {
	step := s.Move(second, by, "grace", until)
	s.Insert(moved(s, "extended"))
	s.Drop(moved(s, "extended"))
	s.Step("channel.closed", 0).Wall, s.Step("session.ended", 0).Wall = until, until
	ended := moved(s, "ended")
	ended.Wall = until.Add(time.Second)
	change(ended, func(b *audit.WindowMoved) { b.At, b.Until = until, until })
	return step
}

// outlives has the story's channel closed at a second, behind the window's end, while the log goes on.
func outlives(s *evidencetest.Story, second int) {
	closed, ended := s.Step("channel.closed", 0), s.Step("session.ended", 0)
	s.Drop(closed)
	s.Drop(ended)
	for _, step := range []*evidencetest.Step{ended, closed} {
		s.Steps = append(s.Steps, step)
		s.Insert(moved(s, "ended"))
	}
	closed.Wall, ended.Wall = at(second), at(second+1)
	for ; second > 4*3600+1; second-- {
		s.Add(second, "penstock", audit.LoginRefused{Name: "x"}, "x")
		s.Insert(moved(s, "ended"))
	}
}

// rewrite changes the request's text, and everything that names it by hash.
func rewrite(s *evidencetest.Story, do func(*evidence.Request)) {
	do(&s.Request)
	hash := s.PutJSON(s.Request)
	change(s.Step("request.submitted", 0), func(b *audit.RequestSubmitted) { b.Document = hash })
	for who, a := range s.Answers {
		a.Request = hash
		s.Answers[who] = a
	}
	for i := range 2 {
		change(s.Step("answer.given", i), func(b *audit.AnswerGiven) { b.Document = s.PutJSON(s.Answers[b.Person]) })
	}
	change(moved(s, "extended"), func(b *audit.WindowMoved) { b.Answer = s.PutJSON(s.Answers["mia"]) })
	s.Claim.Request = hash
	change(s.Step("window.agreed", 0), func(b *audit.WindowAgreed) { b.Claim = s.PutJSON(s.Claim) })
}

// question has otto ask something, and somebody answer; it gives the question.
func question(s *evidencetest.Story, answers string) *evidencetest.Step {
	asked := s.Answer(150, "otto", "ot-security", evidence.Question, nil)
	s.Insert(s.Step("person.asked", 0))
	s.Add(160, answers, audit.QuestionAnswered{Request: "R-1", Rev: 1, By: answers, Text: s.Put([]byte("yes, recipe 14")), At: at(160)}, "R-1", "request/R-1")
	s.Insert(asked)
	return asked
}

// calledIn has olaf call ann in, who answers at a second.
func calledIn(s *evidencetest.Story, answers int) {
	rewrite(s, func(r *evidence.Request) { r.By, r.Called = "olaf", true })
	asked := s.Step("request.submitted", 0)
	asked.Event.Actor = "olaf"
	change(asked, func(b *audit.RequestSubmitted) { b.By = "olaf" })
	s.Add(302, "olaf", audit.CallMade{Request: "R-1", Code: audit.HashOf([]byte("K7Q4MD")), Until: at(answers + 600), By: "olaf", At: at(302)}, "R-1", "request/R-1")
	made := s.Insert(s.Step("window.agreed", 0))
	s.Add(answers, "ann", audit.CallAnswered{Request: "R-1", Person: "ann", At: at(answers)}, "R-1", "request/R-1")
	s.Insert(made)
}

// onDuty has olaf write the shift's roster before the night's work.
func onDuty(s *evidencetest.Story, turns ...evidence.Turn) {
	doc := s.PutJSON(evidence.Roster{V: 1, Team: "shift", Turns: turns})
	s.Add(60, "olaf", audit.RosterWritten{Team: "shift", Document: doc, By: "olaf", At: at(60)}, "shift", "roster/shift")
	s.Insert(s.Step("request.submitted", 0))
}

// deputy has who name a deputy until a second.
func deputy(s *evidencetest.Story, who, by string, until int) *evidencetest.Step {
	step := s.Add(61, who, audit.DeputyNamed{Team: "shift", For: who, Person: by, From: at(61), Until: at(until), By: who, At: at(61)}, "shift", "roster/shift")
	s.Insert(s.Step("request.submitted", 0))
	return step
}

// inPlace has the shift asked in place of the owner at a second, and mia answer at another.
func inPlace(s *evidencetest.Story, asked, answers int) {
	olaf := s.Step("answer.given", 0)
	a := s.Answers["olaf"]
	a.Person, a.At, a.Role = "mia", at(answers), "line-1-owner"
	a.Proof.Data = fmt.Sprint(at(answers).Unix() / 30)
	s.Answers["mia0"] = a
	s.Add(asked, "penstock", audit.PersonAsked{Role: "shift", People: []string{"mia"}, For: "line-1-owner", At: at(asked)}, "R-1", "request/R-1")
	step := s.Insert(s.Step("person.asked", 0))
	olaf.Wall, olaf.Event.Actor = at(answers), "mia"
	change(olaf, func(b *audit.AnswerGiven) {
		b.Person, b.Roles, b.Document = "mia", []string{"line-1-owner", "shift"}, s.PutJSON(a)
	})
	s.Drop(olaf)
	s.Steps = append(s.Steps, olaf)
	s.Insert(step)
}

// byDeputy has somebody else open and extend for mia.
func byDeputy(s *evidencetest.Story, who string) {
	opened := moved(s, "opened")
	opened.Event.Actor = who
	change(opened, func(b *audit.WindowMoved) { b.By = who })
	a := s.Answers["mia"]
	a.Person = who
	extended := moved(s, "extended")
	extended.Event.Actor = who
	change(extended, func(b *audit.WindowMoved) { b.By, b.Answer = who, s.PutJSON(a) })
}

var at = evidencetest.At

func TestWalk(t *testing.T) {
	plant := evidencetest.Plant()
	for _, row := range []struct {
		story string
		do    func(*evidencetest.Story)
		want  []string // each in some finding, each finding met by one; none: the log holds
	}{
		{"the whole night", func(*evidencetest.Story) {}, nil},

		// people
		{"no bootstrap file", func(s *evidencetest.Story) { delete(s.Docs, audit.HashOf(evidencetest.Bootstrap())) },
			[]string{"bootstrap file cannot be read", "*"}},
		{"a second beginning", func(s *evidencetest.Story) {
			s.Add(50, "penstock", audit.LogCreated{Bootstrap: audit.HashOf(evidencetest.Bootstrap())}, "again", "bootstrap/2")
			s.Insert(s.Step("person.confirmed", 0))
		}, []string{"the first leaf of a log and no other", "*"}},
		{"the vendor confirms her own key", func(s *evidencetest.Story) {
			change(s.Step("person.confirmed", 0), func(b *audit.PersonConfirmed) { b.By = "ann" })
		}, []string{"olaf did it, and the leaf says ann", "confirmed by ann, who is nobody of the plant", "ann confirmed their own key"}},
		{"a key that nobody confirmed", func(s *evidencetest.Story) { s.Drop(s.Step("person.confirmed", 0)) },
			[]string{"which no earlier leaf confirms"}},
		{"somebody else's code generator", func(s *evidencetest.Story) {
			change(s.Step("key.enrolled", 1), func(b *audit.KeyEnrolled) { b.By = "otto" })
		}, []string{"ines did it, and the leaf says otto", "totp of ines was enrolled by otto"}},
		{"an invitation used twice", func(s *evidencetest.Story) {
			twice := *s.Step("person.joined", 0)
			twice.Event.Body = audit.PersonJoined{Person: "ann", Code: audit.HashOf([]byte("code")), Key: evidencetest.Fingerprint(evidencetest.Key("x")), Public: evidencetest.Key("x")}
			s.Steps = append(s.Steps, &twice)
			s.Insert(s.Step("person.confirmed", 0))
		}, []string{"was used before"}},
		{"the shift gives itself a role", func(s *evidencetest.Story) {
			s.Add(50, "mia", audit.PersonChanged{Person: "mia", Firm: "fjord", Name: "mia", Roles: []string{"shift", "ot-security"}, By: "mia"}, "mia", "person/mia")
			s.Insert(s.Step("person.confirmed", 0))
		}, []string{"changed their own firm or roles"}},
		{"one person makes a second self", func(s *evidencetest.Story) {
			key, code := evidencetest.Key("max"), audit.HashOf([]byte("max"))
			after := s.Step("person.confirmed", 0)
			for _, step := range []*evidencetest.Step{
				s.Add(50, "ines", audit.PersonInvited{Person: "max", Firm: "fjord", Name: "Max", Roles: []string{"ot-security"}, By: "ines", Code: code, Until: at(86400)}, "x", "invitation/x"),
				s.Add(51, "max", audit.PersonJoined{Person: "max", Code: code, Key: evidencetest.Fingerprint(key), Public: key}, "max", "person/max"),
				s.Add(52, "ines", audit.PersonConfirmed{Person: "max", Key: evidencetest.Fingerprint(key), By: "ines"}, "max", "person/max"),
			} {
				s.Drop(step)
				s.Steps = append(s.Steps, step)
				after = s.Insert(after)
			}
		}, []string{"ines invited and confirmed max of the plant alone"}},
		{"the vendor becomes the plant", func(s *evidencetest.Story) {
			s.Add(50, "olaf", audit.FirmChanged{Firm: "krall", Name: "Krall", Plant: true, By: "olaf"}, "krall", "firm/krall")
			s.Insert(s.Step("person.confirmed", 0))
		}, []string{"does not become the plant", "*"}},

		// what runs out
		{"a channel after the contract's end", func(s *evidencetest.Story) {
			s.Add(50, "olaf", audit.FirmChanged{Firm: "krall", Name: "Krall", Sponsor: "olaf", Until: at(120), By: "olaf"}, "krall", "firm/krall")
			s.Insert(s.Step("person.confirmed", 0))
		}, []string{"refused by firm-ended"}},
		{"a channel without the terms", func(s *evidencetest.Story) {
			s.Add(50, "olaf", audit.FirmChanged{Firm: "krall", Name: "Krall", Sponsor: "olaf", Terms: s.Put([]byte("terms")), TermsDays: 30, By: "olaf"}, "krall", "firm/krall")
			s.Insert(s.Step("person.confirmed", 0))
		}, []string{"refused by terms"}},
		{"terms accepted by somebody else", func(s *evidencetest.Story) {
			h := s.Put([]byte("terms"))
			s.Add(50, "olaf", audit.FirmChanged{Firm: "krall", Name: "Krall", Sponsor: "olaf", Networks: []string{"198.51.100.0/24"}, Terms: h, TermsDays: 30, By: "olaf"}, "krall", "firm/krall")
			after := s.Insert(s.Step("person.confirmed", 0))
			s.Add(51, "olaf", audit.TermsAccepted{Person: "ann", Firm: "krall", Terms: h, At: at(51), Until: at(51).AddDate(0, 0, 30)}, "ann", "person/ann")
			s.Insert(after)
		}, []string{"olaf accepted terms in the name of ann"}},
		{"terms for longer than they say", func(s *evidencetest.Story) {
			h := s.Put([]byte("terms"))
			s.Add(50, "olaf", audit.FirmChanged{Firm: "krall", Name: "Krall", Sponsor: "olaf", Networks: []string{"198.51.100.0/24"}, Terms: h, TermsDays: 30, By: "olaf"}, "krall", "firm/krall")
			after := s.Insert(s.Step("person.confirmed", 0))
			s.Add(51, "ann", audit.TermsAccepted{Person: "ann", Firm: "krall", Terms: h, At: at(51), Until: at(51).AddDate(1, 0, 0)}, "ann", "person/ann")
			s.Insert(after)
		}, []string{"for 30 days"}},
		{"her own training", func(s *evidencetest.Story) {
			s.Add(51, "ann", audit.TrainingNoted{Person: "ann", Training: "site-safety", Until: at(86400), By: "ann"}, "ann", "person/ann")
			s.Insert(s.Step("person.confirmed", 0))
		}, []string{"noted by ann, who is nobody of the plant", "ann noted their own training"}},

		// requests and answers
		{"a request that names another plant file", func(s *evidencetest.Story) {
			change(s.Step("config.changed", 0), func(b *audit.ConfigChanged) { b.Document = s.Put([]byte("{}")) })
		}, []string{"does not hold", "was in force", "*"}},
		{"a request that crossed a new plant file", func(s *evidencetest.Story) {
			s.Add(95, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put([]byte("no plant file"))}, "plant")
			s.Insert(s.Step("person.confirmed", 0))
			s.Add(105, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Step("config.changed", 0).Event.Body.(audit.ConfigChanged).Document}, "plant")
			s.Insert(s.Step("person.asked", 0))
		}, []string{"does not hold"}},
		{"a request by a plant file of yesterday", func(s *evidencetest.Story) {
			s.Add(45, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put([]byte("no plant file"))}, "plant")
			s.Insert(s.Step("person.confirmed", 0))
			s.Add(105, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Step("config.changed", 0).Event.Body.(audit.ConfigChanged).Document}, "plant")
			s.Insert(s.Step("person.asked", 0))
		}, []string{"does not hold", "was in force"}},
		{"the request's text is gone", func(s *evidencetest.Story) {
			delete(s.Docs, s.Step("request.submitted", 0).Event.Body.(audit.RequestSubmitted).Document)
		}, []string{"request cannot be read", "*"}},
		{"a stranger asks", func(s *evidencetest.Story) { s.Step("request.submitted", 0).Event.Actor = "bob" }, []string{"bob submitted what ann wrote"}},
		{"the leaf gives a role that was never given", func(s *evidencetest.Story) {
			change(s.Step("answer.given", 1), func(b *audit.AnswerGiven) { b.Roles = []string{"ot-security", "shift"} })
		}, []string{"earlier leaves say"}},
		{"an answer before its key", func(s *evidencetest.Story) {
			step := s.Step("key.enrolled", 1)
			s.Drop(step)
			s.Steps = append(s.Steps, step)
			step.Wall = at(300)
			s.Insert(s.Step("answer.given", 1))
		}, []string{"ines had no code generator before the answer", "1 yes of ot-security missing"}},
		{"the vendor's own yes", func(s *evidencetest.Story) {
			s.Drop(s.Step("answer.given", 1))
			s.Answer(300, "ann", "ot-security", evidence.Yes, nil)
			s.Counts[1] = s.Insert(s.Step("answer.given", 0))
		}, []string{"ann is of fjord, and earlier leaves say krall", "ann holds", "the log says krall", "ann is of krall, which is not the plant", "whose people work", "ann works in the window",
			"does not hold that role", "wrote the request", "no code generator", "ot-security missing"}},
		{"one of two answers", func(s *evidencetest.Story) {
			s.Counts = s.Counts[:1]
		}, []string{"1 yes of ot-security missing"}},
		{"an answer that is none", func(s *evidencetest.Story) {
			s.Counts[1] = s.Step("node.started", 0)
		}, []string{"no answer to this revision", "ot-security missing"}},
		{"a no is passed over", func(s *evidencetest.Story) {
			s.Answer(250, "otto", "ot-security", evidence.No, nil)
			s.Insert(s.Step("answer.given", 1))
		}, []string{"its request was refused"}},
		{"an answer after a no", func(s *evidencetest.Story) {
			s.Answer(250, "otto", "ot-security", evidence.No, nil)
			s.Insert(s.Step("answer.given", 0))
		}, []string{"the request was refused", "its request was refused", "no answer to this revision", "ot-security missing"}},
		{"agreed while it sleeps", func(s *evidencetest.Story) {
			s.Answer(350, "otto", "ot-security", evidence.NotBefore, func(a *evidence.Answer) { a.NotBefore = at(3000) })
			s.Insert(s.Step("answer.given", 1))
		}, []string{"its request was asleep"}},
		{"woken when its time has come", func(s *evidencetest.Story) {
			s.Answer(350, "otto", "ot-security", evidence.NotBefore, func(a *evidence.Answer) { a.NotBefore = at(400) })
			asleep := s.Insert(s.Step("answer.given", 1))
			s.Add(400, "penstock", audit.RequestWoken{By: "penstock", At: at(400)}, "R-1", "request/R-1")
			s.Insert(asleep)
			s.Step("window.agreed", 0).Wall = at(401)
		}, nil},
		{"woken before its time", func(s *evidencetest.Story) {
			s.Answer(350, "otto", "ot-security", evidence.NotBefore, func(a *evidence.Answer) { a.NotBefore = at(3000) })
			asleep := s.Insert(s.Step("answer.given", 1))
			s.Add(400, "penstock", audit.RequestWoken{By: "penstock", At: at(400)}, "R-1", "request/R-1")
			s.Insert(asleep)
			s.Step("window.agreed", 0).Wall = at(401)
		}, []string{"before its time"}},
		{"answers to a text that was changed after", func(s *evidencetest.Story) {
			s.Request.Rev, s.Request.Rights = 2, []string{"look", "load", "device"}
			evidence.Tell(evidencetest.Plant(), &s.Request)
			s.Add(260, "ann", audit.RequestRevised{Request: "R-1", Rev: 2, Firm: "krall", By: "ann", Document: s.PutJSON(s.Request), Plant: s.Request.Plant}, "R-1", "request/R-1")
			s.Insert(s.Step("answer.given", 1))
			change(s.Step("window.agreed", 0), func(b *audit.WindowAgreed) { b.Rev = 2 })
		}, []string{"no answer to this revision", "no answer to this revision", "line-1-owner missing", "2 yes of ot-security missing", "another request or revision", "extends another request"}},
		{"a priority given for a team that one is not of", func(s *evidencetest.Story) {
			s.Add(150, "olaf", audit.PriorityChanged{Request: "R-1", Rev: 1, To: "P1", Team: "shift", By: "olaf", Why: "It stands", At: at(150)}, "R-1", "request/R-1")
			s.Insert(s.Step("answer.given", 0))
		}, []string{"is not of it"}},
		{"a priority given by the vendor", func(s *evidencetest.Story) {
			s.Add(150, "ann", audit.PriorityChanged{Request: "R-1", Rev: 1, To: "P1", Team: "shift", By: "ann", Why: "It stands", At: at(150)}, "R-1", "request/R-1")
			s.Insert(s.Step("answer.given", 0))
		}, []string{"nobody of the plant", "ann", "is not of it"}},
		{"a text that tells the worst case as less", func(s *evidencetest.Story) {
			s.Request.Worst = "Worst case: somebody sees what they should not."
			change(s.Step("request.submitted", 0), func(b *audit.RequestSubmitted) { b.Document = s.PutJSON(s.Request) })
		}, []string{"tells the worst case as", "answers another revision", "answers another revision", "tells the worst case as", "missing", "missing", "another request or revision", "extends another request"}},
		{"a wider claim", func(s *evidencetest.Story) {
			s.Claim.Minutes = 90
			change(s.Step("window.agreed", 0), func(b *audit.WindowAgreed) { b.Claim = s.PutJSON(s.Claim) })
		}, []string{"90 minutes", "it ends at"}},
		{"one agreement twice", func(s *evidencetest.Story) {
			twice := *s.Step("window.agreed", 0)
			s.Steps = append(s.Steps, &twice)
			s.Insert(s.Step("window.agreed", 0))
		}, []string{"was agreed before"}},

		// steps of a window
		{"opened by the vendor", func(s *evidencetest.Story) {
			step := moved(s, "opened")
			step.Event.Actor = "ann"
			change(step, func(b *audit.WindowMoved) { b.By = "ann" })
		}, []string{"no role that opens"}},
		{"opened by somebody without the shift", func(s *evidencetest.Story) {
			step := moved(s, "opened")
			step.Event.Actor = "ines"
			change(step, func(b *audit.WindowMoved) { b.By = "ines" })
		}, []string{"no role that opens"}},
		{"opened in another's name", func(s *evidencetest.Story) { moved(s, "opened").Event.Actor = "ann" }, []string{"ann moved it"}},
		{"opened by somebody whose role was taken", func(s *evidencetest.Story) {
			s.Add(3000, "ines", audit.PersonChanged{Person: "mia", Firm: "fjord", Name: "mia", By: "ines"}, "mia", "person/mia")
			s.Insert(s.Step("window.agreed", 0))
		}, []string{"no role that opens", "no role that opens"}},
		{"opened by somebody who was disabled", func(s *evidencetest.Story) {
			s.Add(3000, "ines", audit.PersonDisabled{Person: "mia", By: "ines"}, "mia", "person/mia")
			s.Insert(s.Step("window.agreed", 0))
		}, []string{"whom the log does not know", "no role that opens", "*"}},
		{"opened before the span", func(s *evidencetest.Story) {
			step := moved(s, "opened")
			step.Wall = at(3000)
			change(step, func(b *audit.WindowMoved) { b.At, b.Until = at(3000), at(6600) })
		}, []string{"outside its span", "*"}},
		{"a longer end than its minutes", func(s *evidencetest.Story) {
			change(moved(s, "opened"), func(b *audit.WindowMoved) { b.Until = b.Until.Add(minute) })
		}, []string{"by its minutes and span"}},
		{"never opened", func(s *evidencetest.Story) { s.Drop(moved(s, "opened")) },
			[]string{"from there it cannot be extended", "was never open", "*"}},
		{"ended twice", func(s *evidencetest.Story) {
			s.Move(4*3600+1, "penstock", "ended", at(4*3600))
			s.Insert(moved(s, "ended"))
		}, []string{"it was ended, and from there it cannot be ended"}},
		{"ended late, while the broker was at work", func(s *evidencetest.Story) {
			for second := 4; second > -60; second-- {
				s.Add(4*3600+second, "penstock", audit.LoginRefused{Name: "x"}, "x")
				s.Insert(s.Step("session.ended", 0))
			}
			moved(s, "ended").Wall = at(4*3600 + 5)
		}, []string{"ended late: 5s"}},
		{"ended late, a while after the broker stood still", func(s *evidencetest.Story) {
			for second := 90; second > 20; second-- {
				s.Add(4*3600+second, "penstock", audit.LoginRefused{Name: "x"}, "x")
				s.Insert(s.Step("session.ended", 0))
			}
			moved(s, "ended").Wall = at(4*3600 + 91)
		}, []string{"ended late: 1m31s"}},
		{"cut by somebody who was disabled meanwhile", func(s *evidencetest.Story) {
			s.Move(4*3600, "mia", "cut", at(4*3600))
			s.Insert(s.Step("session.ended", 0))
			s.Drop(moved(s, "ended"))
			s.Add(4*3600-1, "ines", audit.PersonDisabled{Person: "mia", By: "ines"}, "mia", "person/mia")
			s.Insert(s.Step("session.ended", 0))
			s.Step("handback.accepted", 0).Event.Actor = "olaf"
			change(s.Step("handback.accepted", 0), func(b *audit.HandbackAccepted) { b.By = "olaf" })
		}, nil},
		{"cut by nobody", func(s *evidencetest.Story) {
			s.Move(4*3600, "mallory", "cut", at(4*3600))
			s.Insert(s.Step("session.ended", 0))
			s.Drop(moved(s, "ended"))
		}, []string{"taken by mallory, who is nobody of the plant"}},
		{"the vendor cuts herself off", func(s *evidencetest.Story) {
			s.Move(4*3600, "ann", "cut", at(4*3600))
			s.Insert(s.Step("session.ended", 0))
			s.Drop(moved(s, "ended"))
		}, []string{"taken by ann, who is nobody of the plant"}},
		{"the vendor ends her own window", func(s *evidencetest.Story) {
			s.Move(4*3600, "ann", "ended", at(4*3600))
			s.Insert(s.Step("session.ended", 0))
			s.Drop(moved(s, "ended"))
		}, nil},
		{"ended by somebody whose role was taken away", func(s *evidencetest.Story) {
			s.Add(9500, "ines", audit.PersonChanged{Person: "mia", Firm: "fjord", Name: "mia", Roles: []string{}, By: "ines"}, "mia", "person/mia")
			after := s.Insert(s.Step("session.ended", 0))
			s.Move(10000, "mia", "ended", at(10000))
			s.Insert(after)
			s.Drop(moved2(s, "ended"))
		}, nil},
		{"paused by time", func(s *evidencetest.Story) {
			s.Move(8000, "penstock", "paused", at(4*3600))
			s.Insert(moved(s, "extended"))
		}, []string{"paused by nobody"}},
		{"a session of somebody disabled long before", func(s *evidencetest.Story) {
			s.Add(4015, "olaf", audit.PersonDisabled{Person: "ann", By: "olaf"}, "ann", "person/ann")
			s.Insert(s.Step("cert.issued", 0))
			s.Step("session.started", 0).Wall = at(4018)
		}, []string{"not known as a person", "*"}},
		{"ended late, and nothing was written meanwhile", func(s *evidencetest.Story) { moved(s, "ended").Wall = at(4*3600 + 5) }, nil},
		{"ended when the broker came back", func(s *evidencetest.Story) {
			s.Add(4*3600+60, "penstock", audit.NodeStarted{}, "a")
			s.Insert(s.Step("session.ended", 0))
			moved(s, "ended").Wall = at(4*3600 + 61)
		}, nil},
		{"never ended", func(s *evidencetest.Story) {
			s.Drop(moved(s, "ended"))
			s.Drop(s.Step("handback.given", 0))
			s.Drop(s.Step("handback.accepted", 0))
			s.Drop(s.Step("node.stopped", 0))
			s.Add(16000, "penstock", audit.LoginRefused{Name: "x"}, "x")
		}, []string{"W-1 never ended"}},
		{"extended without an answer", func(s *evidencetest.Story) {
			change(moved(s, "extended"), func(b *audit.WindowMoved) { b.Answer = audit.HashOf([]byte("nothing")) })
		}, []string{"extension cannot be read", "*"}},
		{"extended past an answer's limit", func(s *evidencetest.Story) {
			old := moved(s, "extended")
			s.Extend(7000, at(4*3600+60), nil)
			s.Insert(old)
			s.Drop(old)
		}, []string{"after the window's limit", "limit of olaf", "*"}},
		{"the leaf extends further than the answer", func(s *evidencetest.Story) {
			change(moved(s, "extended"), func(b *audit.WindowMoved) { b.Until = b.Until.Add(minute) })
		}, []string{"the leaf ends it at", "*"}},
		{"extended by an answer that was used before", func(s *evidencetest.Story) {
			again := *moved(s, "extended")
			s.Steps = append(s.Steps, &again)
			s.Insert(moved(s, "extended"))
		}, []string{"nonce was used before"}},
		{"extended after the end", func(s *evidencetest.Story) {
			old := moved(s, "extended")
			s.Extend(7700, at(4*3600), nil)
			s.Insert(old)
			s.Drop(old)
		}, []string{"after its end"}},
		{"a pause that moves the end", func(s *evidencetest.Story) {
			s.Move(5000, "mia", "paused", at(8000))
			s.Insert(s.Step("firstbyte", 0))
			s.Move(5100, "mia", "wenton", at(7600))
			s.Insert(moved(s, "paused"))
		}, []string{"without an extension"}},
		{"a transfer that may finish", func(s *evidencetest.Story) {
			ending(s, 8000, s.Move(7900, "mia", "ending", at(4*3600)))
		}, nil},
		{"a channel that begins in an ending window", func(s *evidencetest.Story) {
			step := s.Move(7900, "mia", "ending", at(4*3600))
			ending(s, 8000, step)
			s.Add(7950, "penstock", audit.ChannelOpened{Session: "S-1", Channel: 1, Window: "W-1", Kind: "shell", Asset: "filler-plc", Port: "ssh", Account: "maint",
				Target: "10.20.1.11:22", Path: []string{"dmz", "line-1"}, Rule: "load", Rights: []string{"look", "load"}}, "S-1")
			s.Insert(step)
			s.Add(7960, "penstock", audit.ChannelClosed{Session: "S-1", Channel: 1}, "S-1")
			s.Insert(s.Step("channel.opened", 1))
		}, []string{"W-1 was ending"}},
		{"a grace for a half-done transfer", func(s *evidencetest.Story) { graced(s, 7590, at(7900), "penstock") }, nil},
		{"a grace longer than the rules'", func(s *evidencetest.Story) { graced(s, 7590, at(7901), "penstock") }, []string{"and the rules allow"}},
		{"a grace that somebody gave", func(s *evidencetest.Story) { graced(s, 7590, at(7900), "mia") }, []string{"which only the rules do"}},
		{"a grace written after the end", func(s *evidencetest.Story) { graced(s, 7603, at(7900), "penstock") }, []string{"after its end"}},
		{"a grace while nobody is in", func(s *evidencetest.Story) {
			graced(s, 7590, at(7900), "penstock")
			s.Step("channel.closed", 0).Wall, s.Step("session.ended", 0).Wall = at(7500), at(7501)
			closed, ended := s.Step("channel.closed", 0), s.Step("session.ended", 0)
			s.Drop(closed)
			s.Drop(ended)
			s.Steps = append(s.Steps, closed)
			s.Insert(s.Step("firstbyte", 0))
			s.Steps = append(s.Steps, ended)
			s.Insert(closed)
		}, []string{"while no channel was open in it"}},
		{"a grace that ends nothing", func(s *evidencetest.Story) {
			graced(s, 7590, at(7900), "penstock")
			change(moved(s, "grace"), func(b *audit.WindowMoved) { b.Until = time.Time{} })
		},
			[]string{"back to"}},
		{"a grace that ends before", func(s *evidencetest.Story) {
			graced(s, 7590, at(7595), "penstock")
			moved(s, "ended").Wall = at(7595)
		}, []string{"back to"}},
		{"a channel that outlives its window", func(s *evidencetest.Story) { outlives(s, 4*3600+300) }, []string{"channel 0 of S-1 was open 4m59s after W-1 was over"}},
		{"a channel that outlives its window and is never closed", func(s *evidencetest.Story) {
			outlives(s, 4*3600+300)
			s.Drop(s.Step("channel.closed", 0))
		}, []string{"channel 0 of S-1 was open 5m0s after W-1 was over"}},
		{"a channel that tells of its files after the end", func(s *evidencetest.Story) { outlives(s, 4*3600+100) }, nil},
		{"two graces", func(s *evidencetest.Story) {
			first := graced(s, 7590, at(7900), "penstock")
			s.Move(7890, "penstock", "grace", at(8100))
			s.Insert(first)
		}, []string{"was moved for a half-done transfer before"}},
		{"the vendor goes on by herself", func(s *evidencetest.Story) {
			s.Move(5000, "mia", "paused", at(7600))
			s.Insert(s.Step("firstbyte", 0))
			s.Move(5100, "ann", "wenton", at(7600))
			s.Insert(moved(s, "paused"))
		}, []string{"ann may not open this window"}},

		// sessions
		{"a readable recording where they were to be sealed", func(s *evidencetest.Story) {
			s.Add(3990, "penstock", audit.RecordingMode{Mode: "sealed", Auditors: []audit.Auditor{{Person: "sec"}}}, "a")
			s.Insert(s.Step("cert.issued", 0))
		}, []string{`its recording is "readable", and recordings were to be sealed`}},
		{"a sealed recording where they were to be readable", func(s *evidencetest.Story) {
			change(s.Step("session.started", 0), func(b *audit.SessionStarted) { b.Mode = "sealed" })
		}, []string{`its recording is "sealed", and recordings were to be readable`}},
		{"a certificate for another's key", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 0), func(b *audit.CertIssued) { b.Key = evidencetest.Fingerprint(evidencetest.Key("mallory")) })
		}, []string{"no earlier leaf confirms"}},
		{"a certificate that outlives its window", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 0), func(b *audit.CertIssued) { b.Before = at(7601) })
		}, []string{"after the end of its windows"}},
		{"a certificate with two names", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 0), func(b *audit.CertIssued) { b.Names = []string{"ann", "mia"} })
		}, []string{"it names"}},
		{"a certificate before the opening", func(s *evidencetest.Story) {
			step := s.Step("cert.issued", 0)
			s.Drop(step)
			s.Steps = append(s.Steps, step)
			step.Wall = at(3900)
			s.Insert(s.Step("window.agreed", 0))
		}, []string{"was never open", "after the end", "*"}},
		{"a certificate to the plant's shift", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 0), func(b *audit.CertIssued) { b.Person = "mia" })
		}, []string{"*", "mia does not work in W-1", "its certificate 77 is mia's"}},
		{"a session without a certificate", func(s *evidencetest.Story) { s.Drop(s.Step("cert.issued", 0)) }, []string{"no certificate with the serial 77"}},
		{"a session of somebody else", func(s *evidencetest.Story) {
			change(s.Step("session.started", 0), func(b *audit.SessionStarted) { b.Person = "bob" })
		}, []string{"bob is not known", "certificate 77 is ann's", "bob does not work", "bob does not work"}},
		{"a channel to another machine", func(s *evidencetest.Story) {
			change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Asset = "capper-plc" })
		}, []string{"does not name capper-plc by ssh as maint", "target-not-in-window", "the channel is to maint@capper-plc."}},
		{"a channel to an address that the plant file does not have", func(s *evidencetest.Story) {
			change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Target = "10.20.1.12:22" })
		}, []string{"it goes to 10.20.1.11:22"}},
		{"a channel by a path that no conduit has", func(s *evidencetest.Story) {
			change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Path = []string{"dmz", "ops", "line-1"} })
		}, []string{"and the leaf says"}},
		{"a channel during a freeze", func(s *evidencetest.Story) {
			plant := strings.Replace(evidencetest.PlantText(), "recordings:", "  - {name: still, when: {zone: line-1}, not_during: [holy]}\ncalendars:\n  holy: {freeze: [{from: 2026-11-21 21:00, to: 2026-11-22 12:00, name: Campaign}]}\nrecordings:", 1)
			p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(plant)})
			if err := problems.Err(); err != nil {
				panic(err)
			}
			s.Add(3990, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put(p.Document())}, "plant")
			s.Insert(s.Step("window.agreed", 0))
		}, []string{"freeze:holy"}},
		{"operations within the channel's rights", func(s *evidencetest.Story) {
			operations(s, audit.OperationsSummary{Allowed: map[string]int{"look": 3, "load": 1}, SetOff: map[string][]string{"load": {"UMAS"}}})
		}, nil},
		{"an operation beyond them", func(s *evidencetest.Story) {
			operations(s, audit.OperationsSummary{Allowed: map[string]int{"look": 3, "set, load": 1}, SetOff: map[string][]string{"set, load": {"UMAS"}}})
		}, []string{"1 operations that take set, load were let through"}},
		{"an operation that nothing allows", func(s *evidencetest.Story) {
			operations(s, audit.OperationsSummary{Allowed: map[string]int{"never": 1}, SetOff: map[string][]string{"never": {"x"}}})
		}, []string{"that take never"}},
		{"operations on another machine", func(s *evidencetest.Story) { operations(s, audit.OperationsSummary{Asset: "capper-plc"}) }, []string{"its operations by ssh on capper-plc"}},
		{"operations told twice", func(s *evidencetest.Story) {
			operations(s, audit.OperationsSummary{})
			operations(s, audit.OperationsSummary{})
		}, []string{"has told its operations before"}},
		{"operations of no channel", func(s *evidencetest.Story) { operations(s, audit.OperationsSummary{Channel: 3}) }, []string{"channel 3 of S-1 is not open"}},
		{"bytes by a way that Penstock enforces, and no operation", func(s *evidencetest.Story) { byModbus(s) }, []string{"and nothing says which operations they were", "*"}},
		{"a channel with more rights", func(s *evidencetest.Story) {
			change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Rights = []string{"look", "load", "device"} })
		}, []string{"its rights are"}},
		{"a channel for a subsystem that the account does not have", func(s *evidencetest.Story) {
			change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Kind = "subsystem netconf" })
		}, []string{"it is refused by no-subsystem"}},
		{"a channel in a paused window", func(s *evidencetest.Story) {
			s.Move(4010, "mia", "paused", at(7600))
			s.Insert(s.Step("session.started", 0))
		}, []string{"W-1 was paused", "*"}},
		{"a channel that crossed the cut, and passed nothing", func(s *evidencetest.Story) {
			s.Move(4020, "mia", "cut", time.Time{})
			s.Insert(s.Step("session.started", 0))
			change(s.Step("channel.closed", 0), func(b *audit.ChannelClosed) { b.In = 0 })
			s.Step("channel.closed", 0).Wall, s.Step("session.ended", 0).Wall = at(4024), at(4025)
			s.Drop(moved(s, "extended"))
			s.Drop(moved(s, "ended"))
		}, nil},
		{"a channel that crossed the cut, and passed a byte", func(s *evidencetest.Story) {
			s.Move(4020, "mia", "cut", time.Time{})
			s.Insert(s.Step("session.started", 0))
			change(s.Step("channel.closed", 0), func(b *audit.ChannelClosed) { b.In = 1 })
			s.Step("channel.closed", 0).Wall, s.Step("session.ended", 0).Wall = at(4024), at(4025)
			s.Drop(moved(s, "extended"))
			s.Drop(moved(s, "ended"))
		}, []string{"1 bytes went to filler-plc although W-1 was cut"}},
		{"a channel against a block", func(s *evidencetest.Story) {
			s.Add(4015, "ines", audit.BlockSet{Block: "B-1", Firm: "krall", By: "ines", Why: "virus"}, "B-1", "block/B-1")
			s.Insert(s.Step("session.started", 0))
		}, []string{"although block B-1 was set"}},
		{"a block that was lifted", func(s *evidencetest.Story) {
			s.Add(4015, "ines", audit.BlockSet{Block: "B-1", Firm: "krall", By: "ines", Why: "virus"}, "B-1", "block/B-1")
			set := s.Insert(s.Step("session.started", 0))
			s.Add(4016, "ines", audit.BlockLifted{Block: "B-1", By: "ines"}, "B-1", "block/B-1")
			s.Insert(set)
		}, nil},
		{"a target's certificate without a channel", func(s *evidencetest.Story) { s.Drop(s.Step("channel.opened", 0)) },
			[]string{"channel 0 of S-1 is not open", "channel 0 of S-1 is not open"}},
		{"a target's certificate for an hour", func(s *evidencetest.Story) {
			change(s.Step("cert.issued", 1), func(b *audit.CertIssued) { b.Before = at(4022 + 3600) })
		}, []string{"for more than 5m0s"}},
		{"a session without an end, and the broker was started again", func(s *evidencetest.Story) {
			s.Drop(s.Step("session.ended", 0))
			s.Add(10000, "penstock", audit.NodeStarted{}, "a")
			s.Insert(s.Step("channel.closed", 0))
		}, []string{"session S-1 (leaf 17) has no end"}},

		// who is on duty
		{"on duty by the roster", func(s *evidencetest.Story) {
			onDuty(s, evidence.Turn{Person: "mia", From: at(3900), To: at(9000)})
		}, nil},
		{"opened by somebody whose turn was over", func(s *evidencetest.Story) {
			onDuty(s, evidence.Turn{Person: "mia", From: at(100), To: at(3997)})
		}, []string{"opened by mia, who held no role that opens it", "mia holds no role that opens this window"}},
		{"extended after the turn", func(s *evidencetest.Story) {
			onDuty(s, evidence.Turn{Person: "mia", From: at(100), To: at(6000)})
		}, []string{"mia holds no role that opens this window"}},
		{"a yes off duty, whose leaf says otherwise", func(s *evidencetest.Story) {
			r := evidence.Roster{V: 1, Team: "ot-security", Turns: []evidence.Turn{{Person: "otto", From: at(60), To: at(9000)}}}
			s.Add(60, "otto", audit.RosterWritten{Team: "ot-security", Document: s.PutJSON(r), By: "otto", At: at(60)}, "ot-security", "roster/ot-security")
			s.Insert(s.Step("request.submitted", 0))
		}, []string{"it says that ines holds", "answered as ot-security and does not hold that role", "1 yes of ot-security missing"}},
		{"a roster by somebody who may not write it", func(s *evidencetest.Story) {
			onDuty(s, evidence.Turn{Person: "mia", From: at(3900), To: at(9000)})
			change(s.Step("roster.written", 0), func(b *audit.RosterWritten) { b.By = "mia" })
			s.Step("roster.written", 0).Event.Actor = "mia"
		}, []string{"written by mia, who may not write the roster of shift"}},
		{"a roster with a vendor's turn", func(s *evidencetest.Story) {
			onDuty(s, evidence.Turn{Person: "mia", From: at(3900), To: at(9000)}, evidence.Turn{Person: "zoe", From: at(3901), To: at(9000)})
		}, []string{"zoe has a turn, who is nobody of the plant"}},
		{"mia in place of olaf, who did not answer", func(s *evidencetest.Story) { inPlace(s, 221, 230) }, nil},
		{"asked next before the time", func(s *evidencetest.Story) { inPlace(s, 215, 230) }, []string{"line-1-owner, who are on duty, have until"}},
		{"asked next before the time, and nobody is on duty", func(s *evidencetest.Story) {
			inPlace(s, 215, 230)
			r := evidence.Roster{V: 1, Team: "line-1-owner", Turns: []evidence.Turn{{Person: "olaf", From: at(9000), To: at(9900)}}}
			s.Add(60, "otto", audit.RosterWritten{Team: "line-1-owner", Document: s.PutJSON(r), By: "otto", At: at(60)}, "line-1-owner", "roster/line-1-owner")
			s.Insert(s.Step("request.submitted", 0))
		}, nil},
		{"answered before they were asked", func(s *evidencetest.Story) {
			inPlace(s, 221, 230)
			s.Drop(s.Step("person.asked", 1))
		}, []string{"it says that mia holds", "answered as line-1-owner and does not hold that role", "1 yes of line-1-owner missing"}},
		{"a team asked that is not the next", func(s *evidencetest.Story) {
			inPlace(s, 221, 230)
			change(s.Step("person.asked", 1), func(b *audit.PersonAsked) { b.Role = "ot-security" })
		}, []string{"after line-1-owner the plant file asks \"shift\"", "it says that mia holds", "*"}},
		{"asked next by a person", func(s *evidencetest.Story) { inPlace(s, 221, 230); s.Step("person.asked", 1).Event.Actor = "mia" },
			[]string{"mia asked the next team"}},
		{"a deputy who opens", func(s *evidencetest.Story) { deputy(s, "mia", "otto", 3600*5); byDeputy(s, "otto") }, nil},
		{"somebody who lent the role, and opens", func(s *evidencetest.Story) { deputy(s, "mia", "otto", 3600*5) },
			[]string{"opened by mia, who held no role that opens it", "mia holds no role that opens this window"}},
		{"a deputy whose time was over", func(s *evidencetest.Story) { deputy(s, "mia", "otto", 3000); byDeputy(s, "otto") },
			[]string{"opened by otto, who held no role that opens it", "otto holds no role that opens this window"}},
		{"a deputy who named himself", func(s *evidencetest.Story) {
			change(deputy(s, "mia", "otto", 3600*5), func(b *audit.DeputyNamed) { b.By = "otto" })
			s.Step("deputy.named", 0).Event.Actor = "otto"
			byDeputy(s, "otto")
		}, []string{"otto named a deputy of mia"}},
		{"a deputy of a role that is not held", func(s *evidencetest.Story) {
			change(deputy(s, "mia", "otto", 3600*5), func(b *audit.DeputyNamed) { b.Team = "ot-security" })
			s.Step("deputy.named", 0).Rows, s.Step("deputy.named", 0).Event.Subject = []string{"roster/ot-security"}, "ot-security"
		}, []string{"mia does not hold ot-security"}},

		{"a question, and its answer", func(s *evidencetest.Story) { question(s, "ann") }, nil},
		{"a question answered by the plant itself", func(s *evidencetest.Story) { question(s, "mia") }, []string{"said by mia, who neither asked nor is of krall"}},
		{"an answer that nobody asked for", func(s *evidencetest.Story) { s.Drop(question(s, "ann")) }, []string{"nobody had asked anything about revision 1"}},

		// called in
		{"called in by olaf, whose yes is the ask", func(s *evidencetest.Story) { calledIn(s, 4000-60) }, nil},
		{"opened before anybody had answered the call", func(s *evidencetest.Story) {
			calledIn(s, 4000-60)
			s.Drop(s.Step("call.answered", 0))
		}, []string{"opened before anybody had answered the call"}},
		{"a call answered too late", func(s *evidencetest.Story) {
			calledIn(s, 4000-60)
			change(s.Step("call.made", 0), func(b *audit.CallMade) { b.Until = at(3000) })
		},
			[]string{"and the code was good until"}},
		{"a call answered by somebody else", func(s *evidencetest.Story) {
			calledIn(s, 4000-60)
			step := s.Step("call.answered", 0)
			step.Event.Actor = "mia"
			change(step, func(b *audit.CallAnswered) { b.Person = "mia" })
		}, []string{"answered by mia, who was not called"}},
		{"a call that a vendor makes", func(s *evidencetest.Story) {
			calledIn(s, 4000-60)
			s.Step("call.made", 0).Event.Actor = "ann"
			change(s.Step("call.made", 0), func(b *audit.CallMade) { b.By = "ann" })
		}, []string{"called by ann, who is nobody of the plant"}},
		{"a vendor's request that says it was called", func(s *evidencetest.Story) {
			calledIn(s, 4000-60)
			rewrite(s, func(r *evidence.Request) { r.By = "ann" })
			change(s.Step("request.submitted", 0), func(b *audit.RequestSubmitted) { b.By = "ann" })
			s.Step("request.submitted", 0).Event.Actor = "ann"
		}, []string{"ann, who is nobody of the plant, called them in"}},

		// the way to a machine
		{"through a host on the way", func(s *evidencetest.Story) { behindHost(s, "capper-plc", "hop@capper-plc.kiel") }, nil},
		{"not through the host of the plant file", func(s *evidencetest.Story) { behindHost(s, "", "maint@filler-plc.kiel") }, []string{`it goes through "capper-plc", and the leaf says ""`}},
		{"through a host that no plant file names", func(s *evidencetest.Story) {
			change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Via = "capper-plc" })
		}, []string{`it goes through "", and the leaf says "capper-plc"`}},
		{"a certificate for another account of the host", func(s *evidencetest.Story) { behindHost(s, "capper-plc", "maint@capper-plc.kiel") },
			[]string{"it names \"maint@capper-plc.kiel\", and the channel is to maint@filler-plc."}},

		// the secrets of machines
		{"a secret sealed, used and rotated", func(s *evidencetest.Story) { bySecret(s) }, nil},
		{"sealed by the shift", func(s *evidencetest.Story) {
			bySecret(s)
			s.Step("secret.sealed", 0).Event.Actor = "mia"
			change(s.Step("secret.sealed", 0), func(b *audit.SecretSealed) { b.By = "mia" })
		}, []string{"by mia, who is not of OT security"}},
		{"sealed as a key, and the plant file says password", func(s *evidencetest.Story) {
			bySecret(s)
			change(s.Step("secret.sealed", 0), func(b *audit.SecretSealed) { b.Kind = "key" })
		}, []string{"does not say login: key"}},
		{"used and never sealed", func(s *evidencetest.Story) { bySecret(s); s.Drop(s.Step("secret.sealed", 0)) }, []string{"no secret was sealed", "*"}},
		{"used for another account than the channel's", func(s *evidencetest.Story) {
			bySecret(s)
			change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Account, b.Rights = "viewer", []string{"look"} })
		}, []string{"and the secret is maint's", "*"}},
		{"read by the vendor", func(s *evidencetest.Story) {
			bySecret(s)
			s.Add(4024, "ann", audit.SecretShown{Asset: "filler-plc", Account: "maint", By: "ann", Why: "x"}, "filler-plc/maint", "secret/filler-plc/maint")
			s.Insert(s.Step("firstbyte", 0))
		}, []string{"by ann, who is nobody of the plant", "by ann, who is not of OT security"}},
		{"a rotation that began from another secret", func(s *evidencetest.Story) {
			bySecret(s)
			change(s.Step("secret.rotating", 0), func(b *audit.SecretRotating) { b.From = audit.HashOf([]byte("other")) })
		}, []string{"it begins from"}},
		{"a rotation that the shift asked for", func(s *evidencetest.Story) {
			bySecret(s)
			change(s.Step("secret.rotating", 0), func(b *audit.SecretRotating) { b.By = "mia" })
		}, []string{"asked for by mia, who is not OT security"}},
		{"another secret put in place than was made", func(s *evidencetest.Story) {
			bySecret(s)
			change(s.Step("secret.rotated", 0), func(b *audit.SecretRotated) { b.Document = audit.HashOf([]byte("other")) })
		}, []string{"was not being put in its place"}},
		{"an errand to an account that no plant file has", func(s *evidencetest.Story) {
			cert := s.Step("cert.issued", 1).Event.Body.(audit.CertIssued)
			cert.Serial, cert.Session, cert.Errand, cert.Names = "80", "", "check", []string{"root@filler-plc.kiel"}
			s.Add(4022, "penstock", cert, "80")
			s.Insert(s.Step("cert.issued", 1))
		}, []string{"which the plant file does not have"}},

		// keys that machines show
		{"a key that the job changed, accepted by the shift, confirmed by security", func(s *evidencetest.Story) { byNewKey(s) }, nil},
		{"a channel on a machine that showed another key", func(s *evidencetest.Story) {
			byNewKey(s)
			s.Drop(s.Step("hostkey.accepted", 0))
		}, []string{"it is refused by host-key-changed"}},
		{"accepted by somebody who opens nothing", func(s *evidencetest.Story) {
			byNewKey(s)
			s.Step("hostkey.accepted", 0).Event.Actor = "ines"
			change(s.Step("hostkey.accepted", 0), func(b *audit.HostKeyAccepted) { b.By = "ines" })
		}, []string{"who held no role that opens W-1", "ines accepted this key and confirmed it as well"}},
		{"another key accepted than was shown", func(s *evidencetest.Story) {
			byNewKey(s)
			change(s.Step("hostkey.accepted", 0), func(b *audit.HostKeyAccepted) { b.Key = evidencetest.Key("x") })
		}, []string{"showed no such key", "it is refused by host-key-changed"}},
		{"seen before the window was opened", func(s *evidencetest.Story) {
			byNewKey(s)
			change(s.Step("hostkey.changed", 0), func(b *audit.HostKeyChanged) { b.At = at(3000) })
		}, []string{"before W-1 was opened"}},
		{"shown against other pins than the plant file's", func(s *evidencetest.Story) {
			byNewKey(s)
			change(s.Step("hostkey.changed", 0), func(b *audit.HostKeyChanged) { b.Pins = audit.HashOf([]byte("x")) })
		}, []string{"which are not filler-plc's in the plant file"}},
		{"confirmed by the shift", func(s *evidencetest.Story) {
			byNewKey(s)
			s.Step("hostkey.confirmed", 0).Event.Actor = "mia"
			change(s.Step("hostkey.confirmed", 0), func(b *audit.HostKeyConfirmed) { b.By = "mia" })
		}, []string{"by mia, who is not of OT security", "mia accepted this key and confirmed it as well"}},
		{"a machine's key that a person saw", func(s *evidencetest.Story) {
			byNewKey(s)
			s.Step("hostkey.changed", 0).Event.Actor = "mia"
		}, []string{"only the broker sees a machine's key"}},

		// rows
		{"an event without a revision", func(s *evidencetest.Story) { moved(s, "opened").Rows = nil },
			[]string{"names no row and revision", "*"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := evidencetest.New(plant)
			row.do(s)
			_, wrong, _ := walk(s)
			match(t, wrong, row.want)
		})
	}
}

// operations tells of what an inspector saw in the one channel, at its end.
func operations(s *evidencetest.Story, b audit.OperationsSummary) {
	opened := s.Step("channel.opened", 0).Event.Body.(audit.ChannelOpened)
	b.Session, b.Window, b.Asset, b.Port = "S-1", opened.Window, cmp.Or(b.Asset, opened.Asset), opened.Port
	s.Add(8999, "penstock", b, "S-1")
	before := s.Steps[slices.Index(s.Steps, s.Step("channel.closed", 0))-1]
	s.Insert(before)
}

// behindHost has the plant file reach the filler through the capper, the channel
// go via, and a second certificate for that host.
func behindHost(s *evidencetest.Story, via, principal string) {
	text := strings.Replace(evidencetest.PlantText(), "address: 10.20.1.11, ", "address: 10.20.1.11, via: {asset: capper-plc, account: hop}, ", 1)
	text = strings.Replace(text, "address: 10.20.1.12, stops: [filling-1],\n     ports: {ssh: {", "address: 10.20.1.12, stops: [filling-1],\n     ports: {ssh: {jumps: {hop: {login: certificate}}, host_keys: [\""+evidencetest.Key("capper")+"\"], ", 1)
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		panic(err)
	}
	s.Add(3990, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put(p.Document())}, "plant")
	s.Insert(s.Step("window.agreed", 0))
	change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Via = via })
	host := s.Step("cert.issued", 1).Event.Body.(audit.CertIssued)
	host.Serial, host.Names = "79", []string{principal}
	s.Add(4022, "penstock", host, "S-1")
	s.Insert(s.Step("cert.issued", 1))
}

// bySecret has maint log in by a password that ines sealed, and that is rotated
// when the window is over.
func bySecret(s *evidencetest.Story) {
	text := strings.Replace(evidencetest.PlantText(), "maint: {rights: [look, load], enforced: nobody}",
		"maint: {rights: [look, load], enforced: nobody, login: password, rotate: {run: chpasswd, lines: [\"{account}:{new}\"]}}", 1)
	p, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
	if err := problems.Err(); err != nil {
		panic(err)
	}
	s.Add(3990, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put(p.Document())}, "plant")
	s.Insert(s.Step("window.agreed", 0))
	const row, id = "secret/filler-plc/maint", "filler-plc/maint"
	first, second := s.Put([]byte("sealed once")), s.Put([]byte("sealed twice"))
	s.Add(3991, "ines", audit.SecretSealed{Asset: "filler-plc", Account: "maint", Kind: "password", Document: first, By: "ines", At: at(3991)}, id, row)
	s.Insert(s.Step("config.changed", 1))
	s.Drop(s.Step("cert.issued", 1))
	s.Add(4022, "penstock", audit.SecretUsed{Asset: "filler-plc", Account: "maint", Window: "W-1", Session: "S-1"}, id, row)
	s.Insert(s.Step("channel.opened", 0))
	s.Add(4*3600+2, "penstock", audit.SecretRotating{Asset: "filler-plc", Account: "maint", From: first, To: second, Why: "W-1 is over", At: at(4*3600 + 2)}, id, row)
	s.Insert(s.Step("window.moved", 2))
	s.Add(4*3600+3, "penstock", audit.SecretRotated{Asset: "filler-plc", Account: "maint", Document: second, At: at(4*3600 + 3)}, id, row)
	s.Insert(s.Step("secret.rotating", 0))
}

// byNewKey has the filler show another key in the window, mia accept it, a second
// channel opened on that, and ines confirm it by day.
func byNewKey(s *evidencetest.Story) {
	const row, id = "hostkey/filler-plc", "filler-plc"
	key := evidencetest.Key("new filler")
	pins := audit.HashOf([]byte(evidencetest.Plant().PinsText("filler-plc")))
	opened := s.Step("channel.opened", 0).Event.Body.(audit.ChannelOpened)
	opened.Channel = 1
	after := s.Step("firstbyte", 0)
	for _, step := range []*evidencetest.Step{
		s.Add(4030, "penstock", audit.HostKeyChanged{Asset: "filler-plc", Key: key, Pins: pins, Window: "W-1", Session: "S-1", At: at(4030)}, id, row),
		s.Add(4060, "mia", audit.HostKeyAccepted{Asset: "filler-plc", Key: key, Window: "W-1", By: "mia", Why: "new firmware", At: at(4060)}, id, row),
		s.Add(4070, "penstock", opened, "S-1"),
		s.Add(4080, "penstock", audit.ChannelClosed{Session: "S-1", Channel: 1, In: 12, Out: 40, Exit: "0"}, "S-1"),
		s.Add(4090, "ines", audit.HostKeyConfirmed{Asset: "filler-plc", Key: key, By: "ines", At: at(4090)}, id, row),
	} {
		s.Drop(step)
		s.Steps = append(s.Steps, step)
		s.Insert(after)
		after = step
	}
}

// byModbus has the channel go through an inspector.
func byModbus(s *evidencetest.Story) {
	plant := strings.Replace(evidencetest.PlantText(), "ports: {ssh: {host_keys:", "ports: {modbus: {unit: 1, enforced: penstock}, ssh: {host_keys:", 1)
	p, problems := policy.ParseWith(policy.Options{Inspectors: []string{"modbus"}}, "plant.yaml", map[string][]byte{"plant.yaml": []byte(plant)})
	if err := problems.Err(); err != nil {
		panic(err)
	}
	s.Add(3990, "penstock", audit.ConfigChanged{Kind: "plant", Document: s.Put(p.Document())}, "plant")
	s.Insert(s.Step("window.agreed", 0))
	change(s.Step("channel.opened", 0), func(b *audit.ChannelOpened) { b.Port, b.Account = "modbus", "" })
}

// TestTeamOfTeams: the owner's yes counts for a team of teams, and a leaf that
// leaves that out, or makes it up, is found.
func TestTeamOfTeams(t *testing.T) {
	plant := edited(t, evidencetest.PlantText(),
		"  ot-security: {name: OT security", "  either: {name: Either, any: [line-1-owner, shift]}\n  ot-security: {name: OT security",
		"plan: [owner, ot-security], ", "plan: [either, ot-security], ")
	as := func(role string, counts map[string][]string) func(*evidencetest.Story) {
		return func(s *evidencetest.Story) {
			for i := range 2 {
				change(s.Step("answer.given", i), func(b *audit.AnswerGiven) {
					if roles := counts[b.Person]; roles != nil {
						a := s.Answers[b.Person]
						a.Role = role
						s.Answers[b.Person], b.Roles, b.Document = a, roles, s.PutJSON(a)
					}
				})
			}
		}
	}
	for story, row := range map[string]struct {
		do   func(*evidencetest.Story)
		want []string
	}{
		"as either":               {as("either", map[string][]string{"olaf": {"either", "line-1-owner"}}), nil},
		"as the owner, counts so": {as("line-1-owner", map[string][]string{"olaf": {"either", "line-1-owner"}}), nil},
		"the leaf leaves it out":  {func(*evidencetest.Story) {}, []string{"it says that olaf holds"}},
		"made up for security":    {as("either", map[string][]string{"olaf": {"either", "line-1-owner"}, "ines": {"either", "ot-security"}}), []string{"it says that ines holds", "answered as either and does not hold", "1 yes of ot-security missing"}},
	} {
		s := evidencetest.New(plant)
		row.do(s)
		_, wrong, _ := walk(s)
		t.Run(story, func(t *testing.T) { match(t, wrong, row.want) })
	}
}

// TestAlsoAtNight: who must agree besides at night is missing in the night's
// story, and not where the night is another.
func TestAlsoAtNight(t *testing.T) {
	for day, want := range map[string][]string{"Sat": {"1 yes of shift missing, which rule night asks for"}, "Tue": nil} {
		text := strings.Replace(evidencetest.PlantText(), "recordings:", "  - {name: night, when: {right: load}, also: [shift], at: nights}\ncalendars:\n  nights: {weekly: ["+day+" 21:00-06:00]}\nrecordings:", 1)
		plant, problems := policy.Parse("plant.yaml", map[string][]byte{"plant.yaml": []byte(text)})
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		_, wrong, _ := walk(evidencetest.New(plant))
		match(t, wrong, want)
	}
}

// match wants each of want in a finding of its own; "*" takes any number of the rest.
func match(t *testing.T, wrong, want []string) {
	t.Helper()
	left := append([]string{}, wrong...)
	rest := false
	for _, w := range want {
		if w == "*" {
			rest = true
			continue
		}
		found := -1
		for i, f := range left {
			if strings.Contains(f, w) {
				found = i
				break
			}
		}
		if found < 0 {
			t.Errorf("no finding says %q", w)
			continue
		}
		left = append(left[:found], left[found+1:]...)
	}
	if len(left) > 0 && !rest {
		t.Errorf("findings that nobody expected:\n%s", strings.Join(left, "\n"))
	}
	if t.Failed() {
		t.Logf("all findings:\n%s", strings.Join(wrong, "\n"))
	}
}

func TestWalkNotes(t *testing.T) {
	plant := evidencetest.Plant()
	for _, row := range []struct {
		story string
		do    func(*evidencetest.Story)
		want  string
	}{
		{"codes are the server's word", func(*evidencetest.Story) {}, "W-1 is agreed by the server's word (codes), not by keys"},
		{"readings are counted", func(s *evidencetest.Story) {
			s.Add(15300, "ines", audit.ReviewOpened{Session: "S-1", Person: "ines", What: "play"}, "S-1")
		}, "readings of recordings: 1,"},
		{"the clock ran back", func(s *evidencetest.Story) { s.Step("firstbyte", 0).Wall = evidencetest.At(4000) }, "ran back 1 times without clock.stepped"},
		{"a session that still runs", func(s *evidencetest.Story) { s.Drop(s.Step("session.ended", 0)) }, "session S-1 (leaf 17) has no end yet"},
		{"an event of a later build", func(s *evidencetest.Story) {
			s.Add(15300, "x", audit.Unknown{Name: "later.thing", Raw: []byte("{}")}, "x")
		}, "type later.thing"},
		{"a session that was never admitted", func(s *evidencetest.Story) {
			s.Add(15300, "penstock", audit.SessionEnded{Session: "S-9", Cause: "crash"}, "S-9")
		}, "S-9 had a recording and was never admitted"},
	} {
		t.Run(row.story, func(t *testing.T) {
			s := evidencetest.New(plant)
			row.do(s)
			windows, wrong, notes := walk(s)
			if len(wrong) > 0 || windows != 1 {
				t.Fatalf("%d windows, findings %q", windows, wrong)
			}
			if all := strings.Join(notes, "\n"); !strings.Contains(all, row.want) {
				t.Errorf("no note says %q:\n%s", row.want, all)
			}
		})
	}
}

// A leaf whose revision does not follow changes nothing (state.Journal passes
// over it at replay), and is told.
func TestWalkVoid(t *testing.T) {
	s := evidencetest.New(evidencetest.Plant())
	leaves := s.Leaves()
	w := evidence.NewWalk(documents(s.Docs))
	var wrong, notes []string
	for _, leaf := range leaves {
		wrong = append(wrong, w.Leaf(context.Background(), leaf)...)
		if b, ok := leaf.Body.(audit.WindowMoved); ok && b.To == "opened" { // another node was as fast
			again := leaf
			b.By, again.Actor, again.Index = "ann", "ann", leaf.Index
			again.Body = b
			wrong = append(wrong, w.Leaf(context.Background(), again)...)
		}
		notes = append(notes, w.Notes()...)
	}
	_, last := w.Done(context.Background())
	match(t, append(wrong, last...), nil)
	if all := strings.Join(append(notes, w.Notes()...), "\n"); !strings.Contains(all, "1 leaves are void") || !strings.Contains(all, "void: revision 2 does not follow") {
		t.Errorf("notes: %s", all)
	}
}
