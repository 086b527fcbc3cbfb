package audit

import "time"

// RecoveryBegan: after an incident somebody at the machine takes everything back
// that may have been given by whoever had it. Leaves is how much of the log was
// read and held to itself, and to Outside checkpoints that were kept elsewhere, the
// newest of Covered leaves. Keys are the fingerprints of the keys that go, by file.
// Until recovery.done the broker itself may cut windows and withdraw requests.
type RecoveryBegan struct {
	Says    string            `json:"says"` // who, and why, by their own word
	Leaves  Index             `json:"leaves"`
	Outside int               `json:"outside,omitempty"`
	Covered Index             `json:"covered,omitempty"`
	Keys    map[string]string `json:"keys"`
	At      time.Time         `json:"at"`
}

// PersonSuspended: no key of theirs counts any more but what stands in the
// bootstrap file; ssh keys and passkeys wait to be confirmed and vouched for again,
// password and code generator are gone. Back are keys of the bootstrap file that were
// taken away since: they wait, too, because nobody can tell whether their person or
// whoever had the machine did that.
type PersonSuspended struct {
	Person string    `json:"person"`
	Back   []string  `json:"back,omitempty"` // fingerprints
	At     time.Time `json:"at"`
}

// AuthoritiesRotated names the keys that took the place of others, by file.
type AuthoritiesRotated struct {
	Old map[string]string `json:"old"`
	New map[string]string `json:"new"`
	At  time.Time         `json:"at"`
}

// RecoveryDone counts what was taken.
type RecoveryDone struct {
	Windows  int `json:"windows"`
	Requests int `json:"requests"`
	People   int `json:"people"`
	Agents   int `json:"agents,omitempty"` // of zones, that were removed
	Kiosks   int `json:"kiosks,omitempty"` // that were revoked
	// Envelopes are those that were made void.
	Envelopes int       `json:"envelopes,omitempty"`
	At        time.Time `json:"at"`
}

var _ = events(RecoveryBegan{}, PersonSuspended{}, AuthoritiesRotated{}, RecoveryDone{})

func (RecoveryBegan) Type() string      { return "recovery.began" }
func (PersonSuspended) Type() string    { return "person.suspended" }
func (AuthoritiesRotated) Type() string { return "authorities.rotated" }
func (RecoveryDone) Type() string       { return "recovery.done" }
