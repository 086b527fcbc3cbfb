package audit

import "time"

// SecretSealed: By has given the broker the password or key (Kind) by which it
// logs in at a target. Document is the secret, sealed; Public is a key's
// fingerprint. No leaf has a secret.
type SecretSealed struct {
	Asset    string    `json:"asset"`
	Account  string    `json:"account"`
	Kind     string    `json:"kind"`
	Document Hash      `json:"document"`
	Public   string    `json:"public,omitempty"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// SecretUsed: a secret is opened to log in at its target, in a channel of a
// session or, for the errand that it names, by the broker itself. It keeps state
// the first time in a window: that is what it is rotated after.
type SecretUsed struct {
	Asset   string `json:"asset"`
	Account string `json:"account"`
	Window  string `json:"window,omitempty"`
	Session string `json:"session,omitempty"`
	Channel int    `json:"channel"`
	Errand  string `json:"errand,omitempty"` // rotate, check
}

// SecretShown: a person of the plant has read a secret, for a reason.
type SecretShown struct {
	Asset   string    `json:"asset"`
	Account string    `json:"account"`
	By      string    `json:"by"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

// SecretRotating is before a secret is changed on its target: To is the new one,
// sealed; From stays until the new one has logged in. SecretRotated: it has.
// SecretKept: the target was not changed, and From stays; Lost: neither of the
// two logs in, and both are kept.
type SecretRotating struct {
	Asset   string    `json:"asset"`
	Account string    `json:"account"`
	From    Hash      `json:"from"`
	To      Hash      `json:"to"`
	Public  string    `json:"public,omitempty"`
	Why     string    `json:"why"`
	By      string    `json:"by,omitempty"` // who asked for it; empty: it was due
	At      time.Time `json:"at"`
}
type SecretRotated struct {
	Asset    string    `json:"asset"`
	Account  string    `json:"account"`
	Document Hash      `json:"document"`
	At       time.Time `json:"at"`
}
type SecretKept struct {
	Asset    string    `json:"asset"`
	Account  string    `json:"account"`
	Document Hash      `json:"document"`
	Lost     bool      `json:"lost,omitempty"`
	Why      string    `json:"why"`
	At       time.Time `json:"at"`
}

var _ = events(SecretSealed{}, SecretUsed{}, SecretShown{}, SecretRotating{}, SecretRotated{}, SecretKept{})

func (SecretSealed) Type() string   { return "secret.sealed" }
func (SecretUsed) Type() string     { return "secret.used" }
func (SecretShown) Type() string    { return "secret.shown" }
func (SecretRotating) Type() string { return "secret.rotating" }
func (SecretRotated) Type() string  { return "secret.rotated" }
func (SecretKept) Type() string     { return "secret.kept" }
