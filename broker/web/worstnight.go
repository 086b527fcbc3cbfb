package web

import (
	"penstock/audit"
	"penstock/policy"
)

// worstNightSentence is about a sealed envelope, and about penstock recover.
func worstNightSentence(body audit.Body, n roll) (says, weight string) {
	switch b := body.(type) {
	case audit.EnvelopeSealed:
		return "sealed " + b.Envelope + " anew; an older one counts no more", "moved"
	case audit.EnvelopeOpened:
		return "opened " + b.Envelope + " and said to be “" + b.Says + "”" + from(b.Source), "refused"
	case audit.EnvelopeVoided:
		return "made " + b.Envelope + " void: " + b.Why, "refused"
	case audit.RecoveryBegan:
		return "began to take everything back: " + b.Says, "refused"
	case audit.PersonSuspended:
		return "took away every key of " + n.person(policy.PersonID(b.Person)) + " but what stands in the plant's first file", "refused"
	case audit.AuthoritiesRotated:
		return "put " + count(len(b.New), "new key", "new keys") + " in the place of the broker's own", "moved"
	case audit.RecoveryDone:
		return "took back " + count(b.Windows, "window", "windows") + ", " + count(b.Requests, "request", "requests") + " and the keys of " + count(b.People, "person", "people"), "moved"
	}
	return "", ""
}

func from(source string) string {
	if source == "" {
		return ""
	}
	return ", from " + source
}
