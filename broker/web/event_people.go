package web

import (
	"strings"

	"penstock/audit"
)

// peopleSentence is about who may come in, and who tried.
func (v *visit) peopleSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.PersonInvited:
		return "invited " + b.Name + ", " + n.firm(firmID(b.Firm)), ""
	case audit.PersonJoined:
		return "brought a key: " + b.Key, ""
	case audit.PersonConfirmed:
		return "confirmed the key " + b.Key, "moved"
	case audit.PersonChanged:
		return "wrote " + b.Name + " anew" + because(strings.Join(b.Roles, ", ")), ""
	case audit.PersonDisabled:
		return "disabled " + n.person(personID(b.Person)) + because(b.Why), "refused"
	case audit.FirmChanged:
		return "wrote firm " + b.Name, ""
	case audit.FirmEnded:
		return "ended the contract of " + n.firm(firmID(b.Firm)) + because(b.Why), "refused"
	case audit.KeyEnrolled:
		return "set a new " + b.Kind, ""
	case audit.KeyVouched:
		return "signed that a key is " + n.person(personID(b.Person)) + "'s: " + b.Key, "moved"
	case audit.KeyRemoved:
		return "took a key of " + n.person(personID(b.Person)) + " away: " + b.Key, "refused"
	case audit.AccountLinked:
		return "linked an account of the sign-in service to " + n.person(personID(b.Person)), "moved"
	case audit.RosterWritten:
		if b.Document.IsZero() {
			return "keeps no roster there any more", "moved"
		}
		return "wrote the roster", "moved"
	case audit.DeputyNamed:
		return n.person(personID(b.Person)) + " stands in until " + v.at(b.Until).Text(), "moved"
	case audit.DeputyEnded:
		return n.person(personID(b.Person)) + " stands in for " + n.person(personID(b.For)) + " no longer", "moved"
	case audit.TermsAccepted:
		return "accepted the terms of " + n.firm(firmID(b.Firm)) + ", to " + v.at(b.Until).Text(), ""
	case audit.TrainingNoted:
		if b.Until.IsZero() {
			return "wrote that " + n.person(personID(b.Person)) + " has no training " + b.Training + " any more", "refused"
		}
		return "wrote that " + n.person(personID(b.Person)) + " has the training " + b.Training + ", to " + v.at(b.Until).Text(), ""
	case audit.EndingTold:
		who := n.firm(firmID(b.Firm))
		if b.Person != "" {
			who = n.person(personID(b.Person)) + ", " + who
		}
		return b.What + " of " + who + " ends " + v.at(b.Until).Text(), ""
	case audit.AccessListed:
		return "lists who is in " + scopeWords(b.Scope) + ", to be confirmed by " + v.at(b.Due).Text(), ""
	case audit.AccessSigned:
		says := "signed the access review of " + scopeWords(b.Scope)
		if len(b.Kept) > 0 {
			says += "; go on: " + strings.Join(n.list(b.Kept), ", ")
		}
		if len(b.Ended) > 0 {
			says += "; ended: " + strings.Join(n.list(b.Ended), ", ")
		}
		return says, "moved"
	case audit.LoginOK:
		return "signed in by " + strings.Join(b.Proofs, " and ") + " from " + b.Source, ""
	case audit.LoginRefused:
		return "wrong sign-in as " + b.Name + " from " + b.Source, "refused"
	case audit.AccessRefused:
		return "kept out (" + b.Rule + ") from " + b.Source, "refused"
	}
	return "", ""
}
