package web

import (
	"cmp"
	"fmt"
	"strings"

	"penstock/approvals/evidence"
	"penstock/audit"
)

// requestSentence is about a request from asking to the answers, and what stands behind them: calls, patterns, outages.
func (v *visit) requestSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.RequestSubmitted:
		return "asked for " + n.firm(firmID(b.Firm)), ""
	case audit.RequestRevised:
		return fmt.Sprintf("changed the request: revision %d", b.Rev), ""
	case audit.RequestWithdrawn:
		return "withdrew the request" + because(b.Why), ""
	case audit.RequestUnanswered:
		return "nobody answered in time", "refused"
	case audit.RequestWoken:
		return "the request waits again", ""
	case audit.PersonAsked:
		who := cmp.Or(strings.Join(n.list(b.People), ", "), "nobody, because nobody is on duty")
		if b.For != "" {
			return v.role(roleName(b.Role)) + " is asked in place of " + v.role(roleName(b.For)) + ": " + who, "moved"
		}
		if len(b.People) == 0 {
			weight = "refused"
		}
		return v.role(roleName(b.Role)) + " is asked: " + who, weight
	case audit.AnswerGiven:
		return saysWords[b.Says] + " to revision " + fmt.Sprint(b.Rev), marked(b.Says == "yes")
	case audit.AnswerWithdrawn:
		return "took back the yes of " + n.person(personID(b.Person)) + ", who has left", "refused"
	case audit.PriorityChanged:
		return "holds it for " + b.To + because(b.Why), "moved"
	case audit.QuestionAnswered:
		return "answered the question", ""
	case audit.CallMade:
		return "called them in; the code is good to " + v.at(b.Until).Text(), "moved"
	case audit.CallAnswered:
		return "answered the call", "moved"
	case audit.SpokenSigned:
		heard := "the yes to " + b.Window + " that was heard on the telephone"
		if b.Says == evidence.Countersign {
			return "signed " + heard, "moved"
		}
		return "denies " + heard, "refused"
	case audit.SpokenMissed:
		return "the yes of " + n.person(personID(b.Person)) + " to " + b.Window + ", heard on the telephone, was not signed in time", "refused"
	case audit.SpokenCleared:
		return "let the yes to " + b.Window + " stand that nobody signed" + because(b.Why), "refused"
	case audit.PatternProposed:
		return "proposed " + b.Pattern + ", a pattern for " + n.firm(firmID(b.Firm)), "moved"
	case audit.PatternAnswered:
		return "said " + b.Says + " to " + b.Pattern, map[string]string{evidence.Yes: "moved", evidence.No: "refused"}[b.Says]
	case audit.PatternMoved:
		return b.Pattern + " is " + b.To + because(b.Why), marked(b.To == "agreed")
	case audit.PatternDoubted:
		return b.Window + " was used outside the purpose of " + b.Pattern + because(b.Why), "refused"
	case audit.OutageWritten:
		return fmt.Sprintf("wrote the list of outage %s, revision %d", b.Outage, b.Rev), "moved"
	case audit.OutageWithdrawn:
		return "took outage " + b.Outage + " back" + because(b.Why), "moved"
	}
	return "", ""
}
