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

// TermsAccepted: a person has accepted the text that their firm's record named
// then; it is good until Until.
type TermsAccepted struct {
	Person string    `json:"person"`
	Firm   string    `json:"firm"`
	Terms  Hash      `json:"terms"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until"`
}

// TrainingNoted: By says that a person has a training, good until Until; without
// Until that they have it no longer.
type TrainingNoted struct {
	Person   string    `json:"person"`
	Training string    `json:"training"`
	Until    time.Time `json:"until,omitzero"`
	By       string    `json:"by"`
}

// EndingTold: somebody is told that a firm's contract, or a person's terms or
// training, ends at Until: Days days before at the most, or 0 when it has ended.
// What is contract, terms, training and its name, or standing and the window of a
// machine whose keeper Person is.
type EndingTold struct {
	Firm   string    `json:"firm"`
	Person string    `json:"person,omitempty"`
	What   string    `json:"what"`
	Until  time.Time `json:"until"`
	Days   int       `json:"days"`

	Sponsor string   `json:"sponsor,omitempty"` // of the firm
	Teams   []string `json:"teams,omitempty"`   // who confirm a standing agreement
}

// AccountLinked: Person signs in by an account of the plant's sign-in service,
// which Key names, from here on, by the word of By.
type AccountLinked struct {
	Person  string `json:"person"`
	Key     string `json:"key"`
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	By      string `json:"by"`
}

func (AccountLinked) Type() string   { return "account.linked" }
func (TermsAccepted) Type() string   { return "terms.accepted" }
func (TrainingNoted) Type() string   { return "training.noted" }
func (EndingTold) Type() string      { return "ending.told" }
func (AnswerWithdrawn) Type() string { return "answer.withdrawn" }
func (FirmEnded) Type() string       { return "firm.ended" }
