package audit

import "time"

// AnswerWithdrawn takes the yes of somebody who has left back from a request
// that still waits: what is missing is asked anew. Its actor is penstock.
type AnswerWithdrawn struct {
	Request string `json:"request"`
	Rev     int    `json:"rev"`
	Person  string `json:"person"`
}

// FirmEnded: a firm's contract ended at At, earlier than was written.
type FirmEnded struct {
	Firm string    `json:"firm"`
	By   string    `json:"by"`
	Why  string    `json:"why,omitempty"`
	At   time.Time `json:"at"`
}

func (AnswerWithdrawn) Type() string { return "answer.withdrawn" }
func (FirmEnded) Type() string       { return "firm.ended" }
