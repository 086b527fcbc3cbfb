package audit

import "time"

// CallMade: the plant called a firm's people in and reads a code out, which is
// here as a hash with the request's; it is good until Until, and the one before
// it no more. CallAnswered: one of them has typed it, over their own key.
type CallMade struct {
	Request string    `json:"request"`
	Code    Hash      `json:"code"`
	Until   time.Time `json:"until"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
}
type CallAnswered struct {
	Request string    `json:"request"`
	Person  string    `json:"person"`
	At      time.Time `json:"at"`
}

var _ = events(CallMade{}, CallAnswered{}, PriorityChanged{}, QuestionAnswered{})

func (CallMade) Type() string     { return "call.made" }
func (CallAnswered) Type() string { return "call.answered" }

// PriorityChanged: somebody of the plant, of Team, holds a request for more or less
// urgent than the plant file computes (P1 … P4), and says why.
type PriorityChanged struct {
	Request string    `json:"request"`
	Rev     int       `json:"rev"`
	To      string    `json:"to"`
	Team    string    `json:"team"`
	By      string    `json:"by"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

func (PriorityChanged) Type() string { return "priority.changed" }

// QuestionAnswered: somebody who asked, or will work, says something to a
// question of the plant's. Text names what they wrote; the request's own text
// stays as it is.
type QuestionAnswered struct {
	Request string    `json:"request"`
	Rev     int       `json:"rev"`
	By      string    `json:"by"`
	Text    Hash      `json:"text"`
	At      time.Time `json:"at"`
}

func (QuestionAnswered) Type() string { return "question.answered" }
