package notify

import (
	"context"
	"fmt"
	"strings"

	"penstock/audit"
	"penstock/policy"
)

// ofRequest tells of a request, from being asked to the last answer, to whoever waits for it.
func (s *story) ofRequest(_ context.Context, leaf audit.Leaf, n *Notice) (to []string) {
	n.Path = "/requests/" + leaf.Subject
	switch b := leaf.Body.(type) {
	case audit.PersonAsked:
		n.Type, n.Text = "request.asked", s.askedText(leaf, b)
		if strings.HasPrefix(leaf.Subject, "O-") {
			n.Type, n.Path = "outage.asked", "/outages/"+leaf.Subject
			n.Text = fmt.Sprintf("The list of outage %s waits for %s.", leaf.Subject, s.team(b.Role))
		}
		return b.People
	case audit.AnswerGiven:
		if b.Heard != "" { // whoever asked hears that it is open
			n.Type, n.Path = "spoken.heard", "/spoken"
			n.Text = fmt.Sprintf("Your yes to %s was heard on the telephone and written down. Sign it within twelve hours, or say that it was not you.", b.Request)
			return []string{b.Person}
		}
		n.Type, n.Text = "request.answered", s.answeredText(b)
		return s.asker(b.Request)
	case audit.QuestionAnswered:
		n.Type, n.Text = "question.answered", "Your question about "+b.Request+" was answered."
		if r := s.requests[b.Request]; r != nil {
			return r.asks
		}
	case audit.CallAnswered:
		n.Type, n.Text = "call.answered", "Somebody whom you called in for "+b.Request+" is here. It can be opened."
		return s.asker(b.Request)
	case audit.RequestUnanswered:
		n.Type, n.Text = "request.unanswered", leaf.Subject+" was not answered in time. Call the plant, or ask anew."
		return s.asker(leaf.Subject)
	}
	return nil
}

// askedText says that a request waits, and who is asked next (pages.md S2).
func (s *story) askedText(leaf audit.Leaf, b audit.PersonAsked) string {
	text := fmt.Sprintf("Request %s waits for %s.", leaf.Subject, s.team(b.Role))
	if b.For != "" {
		text = fmt.Sprintf("Request %s waits for %s, because %s did not answer.", leaf.Subject, s.team(b.Role), s.team(b.For))
	}
	if len(b.People) == 0 {
		text += " Nobody of them is on duty now."
	}
	if t, ok := s.o.Plant().Team(policy.Role(b.Role)); ok && t.AsksNext != "" {
		at := "now"
		if len(b.People) > 0 {
			at = s.clock(leaf.Wall.Add(t.After))
		}
		text += fmt.Sprintf(" Next asked at %s: %s.", at, s.team(string(t.AsksNext)))
	}
	return strings.ReplaceAll(text, " at now:", " now:")
}

func (s *story) answeredText(b audit.AnswerGiven) string {
	switch b.Says {
	case "yes":
		return "Somebody of the plant said yes to " + b.Request + ". What is still missing stands on its page."
	case "no":
		return "The plant said no to " + b.Request + ". Why stands on its page."
	case "not-before":
		return fmt.Sprintf("%s sleeps until %s, and is asked again then.", b.Request, s.clock(b.NotBefore))
	}
	return "The plant asks you something about " + b.Request + "."
}
