package audit

import "time"

// PatternProposed names the text of a pattern (P-1) that was put before those who
// must agree to it by day; Plant is the plant file that it rests on. Ends is when
// it ends, or must be agreed again, at the latest.
type PatternProposed struct {
	Pattern  string    `json:"pattern"`
	Frame    string    `json:"frame"` // its name in the plant file
	Firm     string    `json:"firm"`
	By       string    `json:"by"`
	Document Hash      `json:"document"`
	Plant    Hash      `json:"plant"`
	DecideBy time.Time `json:"decide_by"`
	Ends     time.Time `json:"ends"`
	Follows  string    `json:"follows,omitempty"` // the pattern that it takes the place of
}

// PatternAnswered is one person's answer to a pattern, as AnswerGiven is to a request.
type PatternAnswered struct {
	Pattern  string   `json:"pattern"`
	Person   string   `json:"person"`
	Firm     string   `json:"firm"`
	Roles    []string `json:"roles"`
	Says     string   `json:"says"` // yes, no, question
	Document Hash     `json:"document"`
}

// PatternMoved is every other step of a pattern: To is agreed (Answers are the
// places of those that suffice; Follows is replaced by the same event), withdrawn,
// unanswered or ended.
type PatternMoved struct {
	Pattern string    `json:"pattern"`
	To      string    `json:"to"`
	By      string    `json:"by"`
	Why     string    `json:"why,omitempty"`
	At      time.Time `json:"at"`
	Answers []string  `json:"answers,omitempty"`
	Follows string    `json:"follows,omitempty"`
}

// PatternDoubted: somebody of the plant says that a window under the pattern was
// used outside its purpose. The second such window puts the pattern up for review.
type PatternDoubted struct {
	Pattern string    `json:"pattern"`
	Window  string    `json:"window"`
	By      string    `json:"by"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

var _ = events(PatternProposed{}, PatternAnswered{}, PatternMoved{}, PatternDoubted{})

func (PatternProposed) Type() string { return "pattern.proposed" }
func (PatternAnswered) Type() string { return "pattern.answered" }
func (PatternMoved) Type() string    { return "pattern.moved" }
func (PatternDoubted) Type() string  { return "pattern.doubted" }
