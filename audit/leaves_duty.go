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

var _ = events(RosterWritten{}, DeputyNamed{}, DeputyEnded{}, HandoverOffered{}, HandoverAccepted{}, HandoverRang{})

func (RosterWritten) Type() string { return "roster.written" }
func (DeputyNamed) Type() string   { return "deputy.named" }
func (DeputyEnded) Type() string   { return "deputy.ended" }

// HandoverOffered: By hands the windows that a team opens to its next shift, which
// begins at Due; Text is what By says to it. HandoverAccepted: By, somebody else
// of the team, has taken these of them. HandoverRang: they were not taken in time.
type HandoverOffered struct {
	Handover string    `json:"handover"`
	Team     string    `json:"team"`
	By       string    `json:"by"`
	Due      time.Time `json:"due"`
	At       time.Time `json:"at"`
	Windows  []string  `json:"windows"`
	Text     Hash      `json:"text,omitzero"`
}

type HandoverAccepted struct {
	Handover string    `json:"handover"`
	By       string    `json:"by"`
	Windows  []string  `json:"windows"`
	At       time.Time `json:"at"`
	Text     Hash      `json:"text,omitzero"`   // by a tap of a key: evidence.Taking,
	Answer   Hash      `json:"answer,omitzero"` // and the person's yes to it
}

type HandoverRang struct {
	Handover string    `json:"handover"`
	Windows  []string  `json:"windows"`
	People   []string  `json:"people,omitempty"` // who are rung: who offered, who is on duty, and whom the plant file asks next
	At       time.Time `json:"at"`
}

func (HandoverOffered) Type() string  { return "handover.offered" }
func (HandoverAccepted) Type() string { return "handover.accepted" }
func (HandoverRang) Type() string     { return "handover.rang" }
