package web

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"penstock/audit"
)

// sessionSentence is about what passed: certificates, sessions, channels, files.
func (v *visit) sessionSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.CertIssued:
		return "certificate of " + strings.Join(b.Windows, ", ") + " to " + v.at(b.Before).Text(), ""
	case audit.CertRefused:
		return "no certificate (" + b.Rule + ")", "refused"
	case audit.SessionStarted:
		return "came in from " + b.Source, "moved"
	case audit.SessionEnded:
		return "is out: " + b.Cause + because(b.Why), "moved"
	case audit.FirstByte:
		return "saw the first answer of the machine, in " + b.Window, ""
	case audit.ChannelOpened:
		through := ""
		if b.Via != "" {
			through = " through " + b.Via
		}
		return fmt.Sprintf("channel %d: %s on %s%s%s", b.Channel, b.Kind, b.Asset, as(b.Account), through), ""
	case audit.ChannelRefused:
		return "refused (" + b.Rule + "): " + b.Kind + " on " + cmp.Or(b.Asset, "nothing") + as(b.Account) + because(b.Asked), "refused"
	case audit.ChannelClosed:
		return fmt.Sprintf("channel %d closed: %s in, %s out%s", b.Channel, bytesText(b.In), bytesText(b.Out), because(cmp.Or(b.Exit, b.Cause))), ""
	case audit.OperationsSummary:
		return operationsWords(b), marked(len(b.Refused) == 0)
	case audit.FileTransferred:
		return fileWords(b), marked(b.Whole)
	case audit.FileHeld:
		if b.Direction == "out" {
			return "asked for " + path.Base(b.Path) + ", which was fetched and waits as " + b.File, ""
		}
		return "sent " + path.Base(b.Path) + ", which waits as " + b.File, ""
	case audit.FileMoved:
		return fileMovedWords(b), marked(b.To != "refused" && b.To != "expired")
	case audit.ScannerChanged:
		if b.Alarm == "" {
			return "the scanner looks into files again", "moved"
		}
		return "the scanner cannot look into files: " + b.Alarm, "refused"
	}
	return "", ""
}
