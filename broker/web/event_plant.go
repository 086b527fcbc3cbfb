package web

import (
	"fmt"

	"penstock/approvals/evidence"
	"penstock/audit"
	"penstock/policy"
)

// plantSentence is about the plant file, the machines and the agents, and what is owed.
func (v *visit) plantSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.ConfigChanged:
		return plantFileWords(b), "moved"
	case audit.PlantProposed:
		return "proposed " + b.Change + ", a change of the plant file", "moved"
	case audit.PlantAnswered:
		return "said " + b.Says + " to " + b.Change, map[string]string{evidence.Yes: "moved", evidence.No: "refused"}[b.Says]
	case audit.PlantMoved:
		return b.Change + " is " + b.To + because(b.Why), "moved"
	case audit.AgentInvited:
		return "invited an agent for " + v.zoneTitle(policy.ZoneName(b.Zone)), ""
	case audit.AgentJoined:
		return "an agent for " + v.zoneTitle(policy.ZoneName(b.Zone)) + " brought the key " + b.Key, ""
	case audit.AgentConfirmed:
		return "confirmed the agent of " + v.zoneTitle(policy.ZoneName(b.Zone)) + ", key " + b.Key, "moved"
	case audit.AgentRemoved:
		return "removed the agent of " + v.zoneTitle(policy.ZoneName(b.Zone)) + because(b.Why), "refused"
	case audit.AgentUp:
		return "the agent of " + v.zoneTitle(policy.ZoneName(b.Zone)) + " is there, from " + b.Source, ""
	case audit.AgentDown:
		return "the agent of " + v.zoneTitle(policy.ZoneName(b.Zone)) + " is gone: " + b.Why, "refused"
	case audit.TargetChecked:
		return "had the broker look whether it gets into " + b.Asset + as(b.Account), "moved"
	case audit.AssetBackup:
		return b.Asset + " was backed up " + v.at(b.Last).Text(), "moved"
	case audit.DebtOpened:
		return "is owed now: " + debtWords(b.Items), ""
	case audit.DebtClosed:
		return "is owed no more: " + debtWords(b.Items), ""
	case audit.MeasureBaseline:
		return fmt.Sprintf("says what measure %d was before: %.1f, from %s", b.Measure, float64(b.Tenths)/10, b.From), ""
	case audit.MeasureMinutes:
		return fmt.Sprintf("spent %d minutes of %s by hand%s", b.Minutes, b.Month, because(b.Why)), ""
	}
	return "", ""
}

// plantFileWords says how a file came in force.
func plantFileWords(b audit.ConfigChanged) string {
	switch {
	case b.Back:
		return "the plant file of " + b.Change + " went back to the one before" + because(b.Why)
	case b.Change != "" && !b.Confirm.IsZero():
		return "put the plant file of " + b.Change + " in force, to be confirmed by " + b.Confirm.UTC().Format("15:04 UTC")
	case b.Change != "":
		return "put the plant file of " + b.Change + " in force"
	}
	return "a new " + b.Kind + " file is in force, taken from the disk"
}

// debtWords names the first of what is owed and counts the rest.
func debtWords(items []audit.DebtItem) string {
	if len(items) == 0 {
		return "nothing"
	}
	text := items[0].Kind + " of " + items[0].What
	if n := len(items) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}
