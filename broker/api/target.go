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
