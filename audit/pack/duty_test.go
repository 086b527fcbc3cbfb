package pack_test

import (
	"strings"
	"testing"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/verify"
)

// onDuty is the night with a roster, a deputy who opens and extends, and a
// question that was answered in words.
func onDuty() *evidencetest.Story {
	s := evidencetest.New(evidencetest.Plant())
	at := evidencetest.At
	asked := s.Step("request.submitted", 0)
	s.Add(61, "mia", audit.DeputyNamed{Team: "shift", For: "mia", Person: "otto", From: at(61), Until: at(5 * 3600), By: "mia", At: at(61)}, "shift", "roster/shift")
	s.Insert(asked)
	roster := s.PutJSON(evidence.Roster{V: 1, Team: "shift", Turns: []evidence.Turn{{Person: "mia", From: at(3000), To: at(9000)}}})
	s.Add(60, "olaf", audit.RosterWritten{Team: "shift", Document: roster, By: "olaf", At: at(60)}, "shift", "roster/shift")
	s.Insert(asked)
	question := s.Answer(150, "otto", "ot-security", evidence.Question, nil)
	s.Insert(s.Step("person.asked", 0))
	s.Add(160, "ann", audit.QuestionAnswered{Request: "R-1", Rev: 1, By: "ann", Text: s.Put([]byte("It is saved as recipe 14.")), At: at(160)}, "R-1", "request/R-1")
	s.Insert(question)
	a := s.Answers["mia"]
	a.Person = "otto"
	for _, step := range s.Steps {
		if b, ok := step.Event.Body.(audit.WindowMoved); ok && b.By == "mia" {
			if b.By, step.Event.Actor = "otto", "otto"; b.To == "extended" {
				b.Answer = s.PutJSON(a)
			}
			step.Event.Body = b
		}
	}
	return s
}

// A pack holds who was on duty and who stood in: without it nobody could say
// whose word counted. And what was said to a question.
func TestPackOfDuty(t *testing.T) {
	s := onDuty()
	f := evidencetest.Build(t, t.TempDir(), s)
	b := made(t, order(t, f))
	r := checked(t, b, verify.Trust{LogKey: f.Key})
	if !r.Proved() {
		t.Errorf("a pack of a night with a roster and a deputy: %+v", r.Findings)
	}
	for _, text := range []string{`"team":"shift"`, "It is saved as recipe 14."} {
		found := false
		list := entries(t, b)
		for i := range list {
			if strings.Contains(list[i].name, "documents") && strings.Contains(string(list[i].text), text) {
				found = true
				list[i].text = []byte(strings.Replace(string(list[i].text), text, strings.ToUpper(text), 1))
			}
		}
		if !found {
			t.Errorf("the document with %q is not in the pack", text)
		}
		if r := checked(t, zipped(t, list), verify.Trust{LogKey: f.Key}); r.Proved() {
			t.Errorf("with %q altered it is proved", text)
		}
	}
}
