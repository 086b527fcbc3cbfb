package audit

import "time"

// RosterWritten gives a team's roster anew: Document is the canonical
// evidence.Roster, all of it. Without a document no roster is kept for the team
// any more, and whoever holds its role counts at any hour.
type RosterWritten struct {
	Team     string    `json:"team"`
	Document Hash      `json:"document,omitzero"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

// DeputyNamed: Person stands in for For in one team, from From until Until, by
// the word of For. DeputyEnded takes it back earlier.
type DeputyNamed struct {
	Team   string    `json:"team"`
	For    string    `json:"for"`
	Person string    `json:"person"`
	From   time.Time `json:"from"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}
type DeputyEnded struct {
	Team   string    `json:"team"`
	For    string    `json:"for"`
	Person string    `json:"person"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

func (RosterWritten) Type() string { return "roster.written" }
func (DeputyNamed) Type() string   { return "deputy.named" }
func (DeputyEnded) Type() string   { return "deputy.ended" }
