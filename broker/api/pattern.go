package api

import "time"

// Pattern is what was agreed by day so that night needs one yes. To propose one,
// Frame, Follows, Firm, People, Targets, Rights, Minutes, Gates, Purpose, Until and
// Review are read; Until and Review may be missing, then they are the frame's.
type Pattern struct {
	ID       string       `json:"id,omitempty"` // P-1
	State    string       `json:"state,omitempty"`
	Frame    string       `json:"frame"` // its name in the plant file
	Follows  string       `json:"follows,omitempty"`
	Firm     string       `json:"firm"`
	By       string       `json:"by,omitempty"`
	People   []string     `json:"people"` // on call
	Targets  []Target     `json:"targets"`
	Rights   []string     `json:"rights"`
	Minutes  int          `json:"minutes"` // of one window, at most
	Gates    []string     `json:"gates,omitempty"`
	Purpose  string       `json:"purpose"`
	Only     []string     `json:"registers,omitempty"` // that alone may be changed; sent empty: the frame's
	Document string       `json:"document,omitempty"`  // sha256:… of the exact text that is answered
	Words    []string     `json:"words,omitempty"`
	At       time.Time    `json:"at,omitzero"`
	DecideBy time.Time    `json:"decide_by,omitzero"`
	Until    time.Time    `json:"until,omitzero"`
	Review   time.Time    `json:"review,omitzero"`
	Agreed   time.Time    `json:"agreed,omitzero"`
	Needs    []Need       `json:"needs,omitempty"`
	Left     []Need       `json:"left,omitempty"` // who must still say yes
	Answers  []AnswerLine `json:"answers,omitempty"`
	Doubts   []Doubt      `json:"doubts,omitempty"`
	Windows  []string     `json:"windows,omitempty"` // that counted on it; of one pattern, not of a list
	Over     time.Time    `json:"over,omitzero"`
	OverBy   string       `json:"over_by,omitempty"`
	Why      string       `json:"why,omitempty"`
	Follower string       `json:"follower,omitempty"`
	Unfit    string       `json:"unfit,omitempty"` // why nothing can be asked under it by the plant file in force
}

// Doubt is somebody's word that a window was used outside its pattern's purpose.
type Doubt struct {
	Window string    `json:"window"`
	By     string    `json:"by,omitempty"`
	Why    string    `json:"why"`
	At     time.Time `json:"at,omitzero"`
}

// Under is the pattern that a request names. Stands: it stands for the rules' plan,
// or did when the window was agreed; Why it does not.
type Under struct {
	ID      string `json:"id"`
	Frame   string `json:"frame"`
	Purpose string `json:"purpose"`
	Stands  bool   `json:"stands"`
	Why     string `json:"why,omitempty"`
}
