package web

import (
	"fmt"

	"penstock/audit"
)

// nodeSentence is about the broker itself: its life, log, clock and backups.
func (v *visit) nodeSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.NodeStarted:
		return "the broker started, version " + b.Version, ""
	case audit.NodeStopped:
		return "the broker stopped", ""
	case audit.LogCreated:
		return "the log begins, for " + b.Origin, "moved"
	case audit.LogRecovered:
		return fmt.Sprintf("the log was found torn after a crash: %s cut off", bytesText(b.Lost)), "refused"
	case audit.ClockStepped:
		return fmt.Sprintf("the clock jumped by %d ms", b.Millis), "refused"
	case audit.ClockAccepted:
		return "said that the clock is right again", "moved"
	case audit.BackupTaken:
		return "took a backup", ""
	case audit.BackupRestored:
		return fmt.Sprintf("brought back from a backup of %s: what came after it is lost", v.at(b.Taken).Text()), "refused"
	}
	return "", ""
}
