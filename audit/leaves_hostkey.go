package audit

import "time"

// HostKeyChanged: a machine showed Key (authorized_keys form) when it was dialled
// in a channel, and the plant file in force pins others, whose hash is Pins.
// Nothing was sent to it, and nothing new is opened on it until a later leaf
// says otherwise, or the plant file pins other keys.
type HostKeyChanged struct {
	Asset   string    `json:"asset"`
	Key     string    `json:"key"`
	Pins    Hash      `json:"pins"`
	Window  string    `json:"window,omitempty"`
	Session string    `json:"session,omitempty"`
	Channel int       `json:"channel"`
	At      time.Time `json:"at"`
}

// HostKeyAccepted: an opener of Window says that the job in it changed the key,
// which is good in that window alone. HostKeyConfirmed: OT security says so, for
// good. HostKeyCleared: OT security says that the key is not the machine's, or
// not any more: what is pinned stays, and the machine may be opened again.
type HostKeyAccepted struct {
	Asset  string    `json:"asset"`
	Key    string    `json:"key"`
	Window string    `json:"window"`
	By     string    `json:"by"`
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at"`
}
type HostKeyConfirmed struct {
	Asset string    `json:"asset"`
	Key   string    `json:"key"`
	By    string    `json:"by"`
	Why   string    `json:"why,omitempty"`
	At    time.Time `json:"at"`
}
type HostKeyCleared struct {
	Asset string    `json:"asset"`
	Key   string    `json:"key"`
	By    string    `json:"by"`
	Why   string    `json:"why"`
	At    time.Time `json:"at"`
}

var _ = events(HostKeyChanged{}, HostKeyAccepted{}, HostKeyConfirmed{}, HostKeyCleared{}, TargetChecked{})

func (HostKeyChanged) Type() string   { return "hostkey.changed" }
func (HostKeyAccepted) Type() string  { return "hostkey.accepted" }
func (HostKeyConfirmed) Type() string { return "hostkey.confirmed" }
func (HostKeyCleared) Type() string   { return "hostkey.cleared" }

// TargetChecked: By has the broker look whether it gets into a machine: at the
// keys that it shows and, as Account, in and out again. Before it is dialled.
type TargetChecked struct {
	Asset   string    `json:"asset"`
	Account string    `json:"account,omitempty"` // empty: its keys alone
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}

func (TargetChecked) Type() string { return "target.checked" }
