package api

import "time"

// PlantFile is a plant file with all that it names, as one document
// (policy.Bundle), and why it shall come in force.
type PlantFile struct {
	Document string `json:"document"`
	Why      string `json:"why,omitempty"`
}

// PlantChange is a change of the plant file.
type PlantChange struct {
	ID       string       `json:"id"` // C-1
	State    string       `json:"state"`
	By       string       `json:"by"`
	Why      string       `json:"why"`
	Document string       `json:"document"` // sha256:… of the exact text that is answered
	Words    []string     `json:"words"`    // the eight words of that hash
	From     string       `json:"from"`     // sha256:… of the plant file that it changes
	To       string       `json:"to"`       // of the new one
	At       time.Time    `json:"at"`
	Until    time.Time    `json:"until"` // decided by then, or never
	Confirm  time.Time    `json:"confirm,omitzero"`
	Stale    bool         `json:"stale,omitempty"` // another plant file came in force since
	Needs    []Need       `json:"needs"`
	Left     []Need       `json:"left,omitempty"` // who must still say yes
	Answers  []AnswerLine `json:"answers,omitempty"`
}

// PlantDiff is what a plant file changes, in words.
type PlantDiff struct {
	Differences []PlantDifference `json:"differences"`
	More        int               `json:"more,omitempty"` // that were left out here
	Needs       []Need            `json:"needs"`
	Unfit       []UnfitWindow     `json:"unfit"` // agreed and open windows in which somebody could not work any more
}

// PlantDifference is one line of it. Means is gains, loses or alters.
type PlantDifference struct {
	Means   string   `json:"means"`
	What    string   `json:"what"`
	Text    string   `json:"text"`
	Touches []string `json:"touches"`
}

// UnfitWindow is one way into one window that the new file would shut.
type UnfitWindow struct {
	Window string `json:"window"`
	Firm   string `json:"firm"`
	State  string `json:"state"`
	Target Target `json:"target"`
	Why    string `json:"why"`
}

// PlantStep is a step of a change: put in force (Within: to be confirmed by
// then, as 10m), confirm, take back, withdraw.
type PlantStep struct {
	Within string `json:"within,omitempty"`
	Why    string `json:"why,omitempty"`
}
