package audit

import "time"

// IslandAnswered is one of the two words by which an island is lifted, for one
// zone or, where Zone is empty, for all that is left of it. Text is the canonical
// evidence.Lift, Document the person's evidence.Answer to it. Lifts says that it
// is the second, so that vendors may come in again.
type IslandAnswered struct {
	Block    string    `json:"block"`
	Zone     string    `json:"zone,omitempty"`
	Text     Hash      `json:"text"`
	Person   string    `json:"person"`
	Firm     string    `json:"firm"`
	Roles    []string  `json:"roles"` // that they held then, on duty or not
	Document Hash      `json:"document"`
	Lifts    bool      `json:"lifts,omitempty"`
	At       time.Time `json:"at"`
}

var _ = events(IslandAnswered{})

func (IslandAnswered) Type() string { return "island.answered" }
