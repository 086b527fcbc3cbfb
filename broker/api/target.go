package api

import "time"

// Secret is a password or private key on its way to or from the broker; it
// stands in no log.
type Secret struct {
	Secret string `json:"secret"`
}

// SecretState is what may be told of one account's secret: all but itself.
type SecretState struct {
	Asset    string    `json:"asset"`
	Account  string    `json:"account"`
	Login    string    `json:"login"`          // password or key
	Jump     bool      `json:"jump,omitempty"` // for reaching other assets
	Sealed   bool      `json:"sealed"`
	Public   string    `json:"public,omitempty"` // a key's fingerprint
	By       string    `json:"by,omitempty"`     // whoever gave it; penstock: rotated
	At       time.Time `json:"at,omitzero"`
	Used     []string  `json:"used,omitempty"` // since, in windows
	Rotates  bool      `json:"rotates"`
	Rotating bool      `json:"rotating,omitempty"`
	Failed   string    `json:"failed,omitempty"`
	FailedAt time.Time `json:"failed_at,omitzero"`
	Lost     bool      `json:"lost,omitempty"` // neither of two logs in, or nobody knows
}

// ChangedKey is a key that a machine showed in place of the pinned ones. Closed:
// nothing new is opened on the machine, but in the window it is accepted for.
type ChangedKey struct {
	Asset       string    `json:"asset"`
	Key         string    `json:"key"`
	Fingerprint string    `json:"fingerprint"`
	Pinned      []string  `json:"pinned"`
	At          time.Time `json:"at"`
	Window      string    `json:"window,omitempty"` // in which it was seen
	Session     string    `json:"session,omitempty"`
	Accepted    string    `json:"accepted,omitempty"`
	By          string    `json:"by,omitempty"`
	Confirmed   string    `json:"confirmed,omitempty"`
	Why         string    `json:"why,omitempty"`
	Closed      bool      `json:"closed"`
}

// KeyWord is a person's word about a key: accept (for Window), confirm or clear.
// Key is its fingerprint, SHA256:…, or the key itself.
type KeyWord struct {
	Says   string `json:"says"`
	Key    string `json:"key"`
	Window string `json:"window,omitempty"`
	Why    string `json:"why,omitempty"`
}

// TargetCheck asks whether the broker gets into a machine as an account.
type TargetCheck struct {
	Account string `json:"account"`
}

// TargetChecked is what was found, in the order it was looked at.
type TargetChecked struct {
	Asset    string          `json:"asset"`
	Account  string          `json:"account"`
	Findings []TargetFinding `json:"findings"`
}

// TargetFinding is one of them; Do is what to do, a line each.
type TargetFinding struct {
	What string   `json:"what"`
	OK   bool     `json:"ok"`
	Text string   `json:"text"`
	Do   []string `json:"do,omitempty"`
}

// TargetKeys are the host keys that a machine shows, in authorized_keys form with
// their fingerprints, the plant file's line for them, and the algorithms that it
// cannot be spoken to without.
type TargetKeys struct {
	Asset        string   `json:"asset"`
	Keys         []string `json:"keys"`
	Fingerprints []string `json:"fingerprints"`
	Pinned       []string `json:"pinned"` // fingerprints
	Old          []string `json:"old,omitempty"`
}
