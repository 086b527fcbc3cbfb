package audit

import "time"

// WindowAgreed makes a window of a request revision and the answers that
// suffice. Claim is the canonical evidence.WindowClaim. Pattern is set where an
// agreement made by day stood for the plan.
type WindowAgreed struct {
	Window  string   `json:"window"`
	Request string   `json:"request"`
	Rev     int      `json:"rev"`
	Firm    string   `json:"firm"`
	Claim   Hash     `json:"claim"`
	Answers []string `json:"answers"` // places of answer.given, "node/index"
	Pattern string   `json:"pattern,omitempty"`
}

// WindowMoved is every other step of a window. To is one of opened, paused,
// wenton, pausing (paused once its transfer is done), extended, narrowed, stepped, ending, grace, ended, cut, unused. Until is the end
// in force after the step; grace moves it once, for a half-done transfer. Answer names the opener's signed answer where the step extends,
// is an emergency's second tap, or opens or goes on by a tap of a key. Rights are what is left where it narrows, and what there is where it steps up.
type WindowMoved struct {
	Window string    `json:"window"`
	To     string    `json:"to"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"`
	Why    string    `json:"why,omitempty"`
	Answer Hash      `json:"answer,omitzero"`
	Rights []string  `json:"rights,omitempty"`

	Emergency bool     `json:"emergency,omitempty"` // opened: by the quick way
	Waived    []string `json:"waived,omitempty"`    // the calendars that it passes over
}

// GateChanged says what a gate says from here on: yes, no, or stood-in where a
// person stands for it. Window is set where that is about one window, then it
// keeps state; of an outage it keeps state without one. By is the person; empty:
// an input was read. At is when it was said or read.
type GateChanged struct {
	Gate   string    `json:"gate"`
	Says   string    `json:"says"`
	Window string    `json:"window,omitempty"`
	By     string    `json:"by,omitempty"`
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at"`
}

// EscortChanged: By took the escort of a window, is still here, offered it to
// To, or left. Who takes it takes it from whom had it.
type EscortChanged struct {
	Window string    `json:"window"`
	By     string    `json:"by"`
	Says   string    `json:"says"`
	To     string    `json:"to,omitempty"`
	At     time.Time `json:"at"`
}

// HandbackGiven is what the vendor says was changed; HandbackAccepted is the plant's word to it.
type HandbackGiven struct {
	Window string `json:"window"`
	By     string `json:"by"`
	Text   Hash   `json:"text"`
}

type HandbackAccepted struct {
	Window string `json:"window"`
	By     string `json:"by"`
}

// BlockSet and BlockLifted: a refusal of a person, firm, asset, zone or everybody.
type BlockSet struct {
	Block  string    `json:"block"`
	Person string    `json:"person,omitempty"`
	Firm   string    `json:"firm,omitempty"`
	Asset  string    `json:"asset,omitempty"`
	Zone   string    `json:"zone,omitempty"`
	All    bool      `json:"all,omitempty"`
	Island bool      `json:"island,omitempty"` // of a zone: lifted by two people, as one of everybody always is
	By     string    `json:"by"`
	Why    string    `json:"why"`
	Until  time.Time `json:"until,omitzero"`
}

type BlockLifted struct {
	Block string `json:"block"`
	By    string `json:"by"`
	Why   string `json:"why,omitempty"`
}

var _ = events(WindowAgreed{}, WindowMoved{}, GateChanged{}, EscortChanged{}, HandbackGiven{}, HandbackAccepted{}, BlockSet{},
	BlockLifted{})

func (WindowAgreed) Type() string     { return "window.agreed" }
func (WindowMoved) Type() string      { return "window.moved" }
func (GateChanged) Type() string      { return "gate.changed" }
func (EscortChanged) Type() string    { return "escort.changed" }
func (HandbackGiven) Type() string    { return "handback.given" }
func (HandbackAccepted) Type() string { return "handback.accepted" }
func (BlockSet) Type() string         { return "block.set" }
func (BlockLifted) Type() string      { return "block.lifted" }
