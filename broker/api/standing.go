package api

import "time"

// Machine is what holds the one machine of a standing agreement. Of an ask Key is
// not read: it is the one that counts at the asking.
type Machine struct {
	Frame    string   `json:"frame"`            // its pattern in the plant file
	Key      string   `json:"key,omitempty"`    // fingerprint
	Keeper   string   `json:"keeper,omitempty"` // of the firm; empty in an ask: whoever asks
	Networks []string `json:"networks"`         // whence it comes
}

// Standing is a machine's agreement that runs. An owner confirms it by extending
// its window, to Most at the farthest; else it closes at the window's end.
type Standing struct {
	Window Window    `json:"window"`
	Owners []string  `json:"owners"`
	Most   time.Time `json:"most"`
}
