package audit

import "time"

// ConfigChanged names the plant file (Kind "plant") or penstock.yaml (Kind
// "server") now in force. Without Change it was taken from the file on the
// broker's disk. With it, By put an agreed change in force; Confirm is until
// when somebody must say that it is right, else it goes back. Back: the change
// is taken back, and Document is the plant file before it.
type ConfigChanged struct {
	Kind     string    `json:"kind"`
	Document Hash      `json:"document"`
	Change   string    `json:"change,omitempty"`
	By       string    `json:"by,omitempty"`
	Confirm  time.Time `json:"confirm,omitzero"`
	Back     bool      `json:"back,omitempty"`
	Why      string    `json:"why,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

// PlantProposed names the text of a change of the plant file (C-1) and the two
// plant files that it is between.
type PlantProposed struct {
	Change   string    `json:"change"`
	By       string    `json:"by"`
	Document Hash      `json:"document"`
	From     Hash      `json:"from"`
	To       Hash      `json:"to"`
	Until    time.Time `json:"until"` // decided by then, or never
}

// PlantAnswered is one person's answer to a change of the plant file, as
// AnswerGiven is to a request.
type PlantAnswered struct {
	Change   string   `json:"change"`
	Person   string   `json:"person"`
	Firm     string   `json:"firm"`
	Roles    []string `json:"roles"`
	Says     string   `json:"says"`
	Document Hash     `json:"document"`
}

// PlantMoved is a step of a change that alters nothing in force: To is
// withdrawn, unanswered or kept (somebody confirmed what was put in force).
type PlantMoved struct {
	Change string    `json:"change"`
	To     string    `json:"to"`
	By     string    `json:"by"`
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

var _ = events(ConfigChanged{}, PlantProposed{}, PlantAnswered{}, PlantMoved{})

func (ConfigChanged) Type() string { return "config.changed" }
func (PlantProposed) Type() string { return "plant.proposed" }
func (PlantAnswered) Type() string { return "plant.answered" }
func (PlantMoved) Type() string    { return "plant.moved" }
