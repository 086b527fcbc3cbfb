package audit

import "time"

// EnvelopeSealed: By, of OT security, has made a sealed envelope anew, for a role.
// Its key is Public, whose other half is on paper alone; Document is By's signed
// word for it (evidence.Vouch). What was in an older one counts no more.
type EnvelopeSealed struct {
	Envelope string    `json:"envelope"` // envelope-1, envelope-2
	Role     string    `json:"role"`
	Key      string    `json:"key"` // SHA256:…
	Public   string    `json:"public"`
	Document Hash      `json:"document"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// EnvelopeOpened: somebody has typed what is in it, and said to be Says. It counts
// for some hours from At on, once; its use is an alarm.
type EnvelopeOpened struct {
	Envelope string    `json:"envelope"`
	Key      string    `json:"key"`
	Says     string    `json:"says"`
	Source   string    `json:"source,omitempty"`
	At       time.Time `json:"at"`
}

// EnvelopeVoided: in a recovery, an envelope that nobody is proved to have sealed;
// what is in it opens nothing any more.
type EnvelopeVoided struct {
	Envelope string    `json:"envelope"`
	Key      string    `json:"key"`
	Why      string    `json:"why"`
	At       time.Time `json:"at"`
}

var _ = events(EnvelopeSealed{}, EnvelopeOpened{}, EnvelopeVoided{})

func (EnvelopeSealed) Type() string { return "envelope.sealed" }
func (EnvelopeOpened) Type() string { return "envelope.opened" }
func (EnvelopeVoided) Type() string { return "envelope.voided" }
