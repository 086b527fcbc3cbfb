package api

import "time"

// Spoken is a yes that was heard on the telephone, and that its person signs.
type Spoken struct {
	Window  string    `json:"window"`
	Request string    `json:"request"`
	Firm    string    `json:"firm"`
	Person  string    `json:"person"`
	Heard   string    `json:"heard"` // by whom
	At      time.Time `json:"at"`
	Due     time.Time `json:"due"`            // to be signed by then
	Says    string    `json:"says,omitempty"` // countersign, deny; empty: nothing yet
	Signed  time.Time `json:"signed,omitzero"`
	Missed  bool      `json:"missed,omitempty"`
	Cleared string    `json:"cleared,omitempty"` // who of OT security let it stand
}
