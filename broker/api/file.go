package api

import "time"

// HeldFile is a file that waits at the broker, or has.
type HeldFile struct {
	ID      string    `json:"id"`
	Window  string    `json:"window"`
	Person  string    `json:"person"` // who sent it
	Asset   string    `json:"asset"`
	Account string    `json:"account"`
	Out     bool      `json:"out,omitempty"` // fetched from the machine, for the vendor to take
	Path    string    `json:"path"`
	Bytes   int64     `json:"bytes"`
	SHA256  string    `json:"sha256"`
	State   string    `json:"state"` // held, looked, released, delivering, delivered, refused, expired
	By      string    `json:"by,omitempty"`
	Why     string    `json:"why,omitempty"`
	Kind    string    `json:"kind,omitempty"` // by its first bytes
	Scan    string    `json:"scan,omitempty"` // clean, found, none
	At      time.Time `json:"at"`
	Moved   time.Time `json:"moved"`
}

// HeldStep lets a file in, by the hash that was seen, or refuses it.
type HeldStep struct {
	SHA256 string `json:"sha256,omitempty"`
	Why    string `json:"why,omitempty"`
}
