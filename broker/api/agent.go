package api

import "time"

// Agent is how a zone that is reached through its own agent stands.
type Agent struct {
	Zone    string    `json:"zone"`
	Title   string    `json:"title"`
	Key     string    `json:"key,omitempty"`     // fingerprint that counts
	Pending string    `json:"pending,omitempty"` // fingerprint that waits to be confirmed
	By      string    `json:"by,omitempty"`      // who invited it
	Invited time.Time `json:"invited,omitzero"`  // an invitation is open until then
	Up      bool      `json:"up"`
	Since   time.Time `json:"since,omitzero"`
	Source  string    `json:"source,omitempty"`
	Streams int       `json:"streams"`
	Code    string    `json:"code,omitempty"` // of a new invitation, shown once
	File    string    `json:"file,omitempty"` // agent.yaml for the zone, by the plant file
}
