package web

import (
	"cmp"
	"time"

	"penstock/audit"
	"penstock/audit/review"
	"penstock/policy"
)

var verdictText = map[string]string{review.InOrder: "in order", review.Question: "a question", review.Finding: "a finding"}

// reviewSentence is what happens to recordings afterwards.
func (v *visit) reviewSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.ReviewNoted:
		return "noted at " + clockWords(time.Duration(b.Millis)*time.Millisecond) + because(b.Text), "note"
	case audit.ReviewSigned:
		says := "reviewed: " + cmp.Or(verdictText[b.Verdict], "an unknown verdict")
		if b.To != "" {
			says += " to " + n.person(personID(b.To))
		}
		return says + because(b.Text), marked(b.Verdict == review.InOrder)
	case audit.ReviewReplied:
		if b.Settled {
			return "settled" + because(b.Text), "moved"
		}
		return "replied" + because(b.Text), ""
	case audit.ReviewDrawn:
		return count(b.Drawn, "session", "sessions") + " of " + count(b.Of, "was", "were") + " drawn for review", ""
	case audit.HoldSet:
		return "holds " + v.heldWords(b, n) + because(b.Why), "moved"
	case audit.HoldLifted:
		return "lifted the hold" + because(b.Why), "refused"
	case audit.RecordingExpired:
		return "the recording expired (" + b.Rule + "), due since " + v.at(b.Due).Text(), "refused"
	case audit.DeletionAsked:
		return "wants the recording to go before its time" + because(b.Why), "refused"
	case audit.RecordingDeleted:
		return "deleted the recording, as " + n.person(personID(b.Asked)) + " wished" + because(b.Why), "refused"
	}
	return "", ""
}

// heldWords is what a hold keeps.
func (v *visit) heldWords(b audit.HoldSet, n roll) string {
	switch {
	case b.All:
		return "every recording"
	case b.Session != "":
		return b.Session
	case b.Window != "":
		return "all of " + b.Window
	case b.Person != "":
		return "all of " + n.person(personID(b.Person))
	case b.Firm != "":
		return "all of " + n.firm(firmID(b.Firm))
	}
	t, _ := v.plant.Asset(policy.AssetName(b.Asset))
	return "all on " + cmp.Or(t.Tag, b.Asset)
}

// clockWords is a moment of a recording: 1:02:03.
func clockWords(d time.Duration) string {
	return time.Time{}.Add(d).Format(map[bool]string{true: "15:04:05", false: "4:05"}[d >= time.Hour])
}
