package web

import (
	"cmp"
	"slices"
	"strings"

	"penstock/audit"
	"penstock/policy"
)

// windowSentence is about a window from being agreed to the hand-back, and what keeps all of them shut.
func (v *visit) windowSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.WindowAgreed:
		return "agreed, for request " + b.Request, "moved"
	case audit.WindowMoved:
		return v.movedWords(b), "moved"
	case audit.GateChanged:
		return v.gateWords(b), marked(b.Says != "no")
	case audit.EscortChanged:
		return escortWords(b, n), marked(b.Says != "left")
	case audit.HandoverOffered:
		return "hands over " + count(len(b.Windows), "window", "windows") + " of " + v.role(roleName(b.Team)) + ", " + v.at(b.Due).Text(), "moved"
	case audit.HandoverAccepted:
		return "took over " + strings.Join(b.Windows, ", "), "moved"
	case audit.HandoverRang:
		return "not taken in time: " + strings.Join(b.Windows, ", "), "refused"
	case audit.HandbackGiven:
		return "handed back", "moved"
	case audit.HandbackAccepted:
		return "took the hand-back; closed", "moved"
	case audit.LeftNoted, audit.LeftDue, audit.LeftRang, audit.LeftGone:
		return v.leftWords(b)
	case audit.BlockSet:
		return "blocked " + v.blocked(policy.Block{Person: personID(b.Person), Firm: firmID(b.Firm), Asset: assetName(b.Asset), Zone: policy.ZoneName(b.Zone), All: b.All, Island: b.Island}, n) + because(b.Why), "refused"
	case audit.BlockLifted:
		return "lifted the block" + because(b.Why), "moved"
	case audit.IslandAnswered:
		what := "the island " + b.Block
		if z, _ := v.plant.Zone(policy.ZoneName(b.Zone)); b.Zone != "" {
			what += " for " + z.Title
		}
		if b.Lifts {
			return "lifted " + what + ", the second of two people", "moved"
		}
		return "said that " + what + " may be lifted, the first of two people", "moved"
	case audit.KioskEnrolled:
		return "enrolled kiosk " + b.Name + " (" + b.Kiosk + "), which may take access away", "moved"
	case audit.KioskRevoked:
		return "revoked kiosk " + b.Kiosk + because(b.Why), "refused"
	}
	return "", ""
}

func (v *visit) movedWords(b audit.WindowMoved) string {
	if b.To == "narrowed" {
		return "narrowed to: " + rightsOf(b.Rights).InWords() + because(b.Why)
	}
	if b.To == "stepped" {
		return "second tap of an emergency, now allowed: " + rightsOf(b.Rights).InWords()
	}
	words := map[string]string{"wenton": "let it go on", "pausing": "pauses it once its transfer is done", "unused": "not used", "ending": "ended, and a transfer may finish", "grace": "moved the end once, for a half-done transfer"}
	s := cmp.Or(words[b.To], b.To)
	if b.Emergency {
		s += " as an EMERGENCY"
	}
	if !b.Until.IsZero() && slices.Contains([]string{"opened", "extended", "ending", "grace"}, b.To) {
		s += ", ends " + v.at(b.Until).Text()
	}
	return s + because(b.Why)
}

func (v *visit) gateWords(b audit.GateChanged) string {
	g, _ := v.plant.Gate(b.Gate)
	title := cmp.Or(g.Title, b.Gate)
	if b.Says == "stood-in" {
		return "stands in for " + title + because(b.Why)
	}
	return title + ": " + b.Says + because(b.Why)
}

func escortWords(b audit.EscortChanged, n roll) string {
	switch b.Says {
	case "took":
		return "is the escort"
	case "here":
		return "still watches"
	case "offered":
		return "hands the escort on to " + n.person(personID(b.To))
	}
	return "watches no longer"
}
