package web

import (
	"fmt"
	"strings"

	"penstock/audit"
	"penstock/audit/review"
)

// recordSentence is about what became of the record, and who looked into it.
func (v *visit) recordSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.RecordingHeads:
		return "recordings vouched for: " + count(b.Count, "file", "files"), ""
	case audit.RecordingMode:
		return "recordings from now on: " + recordingMode(n, b), "moved"
	case audit.RecordingLate:
		return fmt.Sprintf("nothing could be recorded in time for %.1f s, so nobody was admitted and nothing passed; it goes on", float64(b.Millis)/1000), "refused"
	case audit.RecordingFailed:
		return "the recording failed, so the session ended" + because(b.Why), "refused"
	case audit.RecordingRecovered:
		return fmt.Sprintf("%s was found torn after a crash and made whole: %s cut off", b.File, bytesText(b.Lost)), "refused"
	case audit.ReviewOpened:
		return openedWords(b)
	case audit.ReviewClosed:
		return "watches " + b.Session + " no longer: " + b.Why, ""
	case audit.EvidenceAsked:
		if b.Exports {
			return "took the evidence of " + b.Window + ", with what passed to be read", ""
		}
		return "took the evidence of " + b.Window, ""
	case audit.EvidenceDelivered:
		return "has all of the evidence of " + b.Window + ": " + bytesText(b.Bytes), ""
	case audit.CheckpointTaken:
		return "took a checkpoint to keep outside", ""
	case audit.OutsideChanged:
		if b.Alarm == "" {
			return "copies are outside again", "moved"
		}
		return "copies outside: " + b.Alarm, "refused"
	}
	return "", ""
}

// openedWords is who looked into a recording, and how.
func openedWords(b audit.ReviewOpened) (says, weight string) {
	switch b.What {
	case "watch":
		return "watches " + b.Session + ", " + b.Form, ""
	case "search":
		return "searched for " + b.Form, ""
	case "unseal":
		switch b.Form {
		case "":
			return "opened sealed " + b.Session + " with an auditor's key", "moved"
		case review.KeyAsked:
			return "asked for the key file of sealed " + b.Session, ""
		}
		return "did not open sealed " + b.Session + ": " + b.Form, "refused"
	}
	return "recordings: " + strings.TrimSpace(b.What+" "+b.Session+" "+b.Form), ""
}

// recordingMode is who can open recordings, in words.
func recordingMode(n roll, b audit.RecordingMode) string {
	if b.Mode != "sealed" {
		return b.Mode
	}
	var who []string
	for _, a := range b.Auditors {
		who = append(who, n.person(personID(a.Person)))
	}
	return "sealed, opened by keys of " + strings.Join(who, ", ")
}
