package audit

import "time"

// RequestSubmitted and RequestRevised name the exact request text. Rev is the
// request document's revision, from 1. A revision voids all answers; Window is
// the agreed window that becomes unused by it in the same event; Pattern is the one
// that the text names.
type RequestSubmitted struct {
	Request  string    `json:"request"`
	Rev      int       `json:"rev"`
	Firm     string    `json:"firm"`
	By       string    `json:"by"`
	Document Hash      `json:"document"`
	Plant    Hash      `json:"plant"`
	Window   string    `json:"window,omitempty"`
	Pattern  string    `json:"pattern,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

type RequestRevised RequestSubmitted

// RequestWithdrawn takes a request back; an agreed window that is not open becomes unused in the same event.
type RequestWithdrawn struct {
	By     string `json:"by"`
	Why    string `json:"why,omitempty"`
	Window string `json:"window,omitempty"`
}

// RequestUnanswered: the span or the time to answer passed without enough answers.
type RequestUnanswered struct{}

// RequestWoken: a request that slept until a not-before waits again. By is
// penstock when that time has come, or the person who answered earlier.
type RequestWoken struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// PersonAsked says who was asked in which role: those on duty, nobody where
// nobody is. For is the team in whose place they are asked, because it did not
// answer in time or nobody of it is on duty; At is when.
type PersonAsked struct {
	Role   string    `json:"role"`
	People []string  `json:"people"`
	For    string    `json:"for,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// AnswerGiven is one person's answer to one revision. Firm and Roles are the
// person's at that moment, as the log has them; Document is the answer with its proof.
type AnswerGiven struct {
	Request  string   `json:"request"`
	Rev      int      `json:"rev"`
	Person   string   `json:"person"`
	Firm     string   `json:"firm"`
	Roles    []string `json:"roles"`
	Says     string   `json:"says"` // yes, no, not-before, question
	Document Hash     `json:"document"`
	Heard    string   `json:"heard,omitempty"` // by whom, where the yes was spoken; it is the leaf's actor
	// NotBefore is set where Says is not-before.
	NotBefore time.Time `json:"not_before,omitzero"`
}

var _ = events(RequestSubmitted{}, RequestRevised{}, RequestWithdrawn{}, RequestUnanswered{}, RequestWoken{}, PersonAsked{},
	AnswerGiven{}, AnswerWithdrawn{})

func (RequestSubmitted) Type() string  { return "request.submitted" }
func (RequestRevised) Type() string    { return "request.revised" }
func (RequestWithdrawn) Type() string  { return "request.withdrawn" }
func (RequestUnanswered) Type() string { return "request.unanswered" }
func (RequestWoken) Type() string      { return "request.woken" }
func (PersonAsked) Type() string       { return "person.asked" }
func (AnswerGiven) Type() string       { return "answer.given" }

// AnswerWithdrawn takes the yes of somebody who has left back from what still
// waits: a request, or (Rev 0) a pattern P-1 or a change C-1 of the plant file.
// What is missing is asked anew. Its actor is penstock.
type AnswerWithdrawn struct {
	Request string `json:"request"`
	Rev     int    `json:"rev"`
	Person  string `json:"person"`
}

func (AnswerWithdrawn) Type() string { return "answer.withdrawn" }
