package api

import "time"

// Handover is what one shift hands to the next and nobody has taken in full. Of
// an offer, Team, Due and Says are read; of a taking, Take.
type Handover struct {
	ID    string    `json:"id,omitempty"`
	Team  string    `json:"team,omitempty"`
	By    string    `json:"by,omitempty"`
	Due   time.Time `json:"due,omitzero"`
	Says  string    `json:"says,omitempty"`
	Items []Handed  `json:"items,omitempty"`
	Take  []string  `json:"take,omitempty"`
	Rang  bool      `json:"rang,omitempty"` // not taken ten minutes after Due
	Receipted
}

// Handed is one window of it, and who has taken it.
type Handed struct {
	Window string `json:"window"`
	By     string `json:"by,omitempty"`
}

// Roster is who is on duty for one team. Where Kept is false nobody keeps one,
// and whoever holds the role counts. To write one, Turns are all of it; Off keeps none.
type Roster struct {
	Team     string   `json:"team"`
	Name     string   `json:"name,omitempty"`
	Kept     bool     `json:"kept,omitempty"`
	Off      bool     `json:"off,omitempty"`
	Now      []string `json:"now,omitempty"` // people whose word counts now
	Turns    []Turn   `json:"turns,omitempty"`
	Deputies []Deputy `json:"deputies,omitempty"`
}

// Turn is one person's time on duty; To is exclusive.
type Turn struct {
	Person string    `json:"person"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
}

// Deputy stands in for somebody in a team; to name one, For is empty: it is whoever asks.
type Deputy struct {
	For    string    `json:"for,omitempty"`
	Person string    `json:"person"`
	From   time.Time `json:"from,omitzero"`
	Until  time.Time `json:"until,omitzero"`
}

// Call is a call-in that was made: Code is read out on the phone, and shown once.
type Call struct {
	Request string    `json:"request"`
	State   string    `json:"state"`
	Window  string    `json:"window,omitempty"`
	Code    string    `json:"code"`
	Until   time.Time `json:"until"`
	Line    string    `json:"line"` // what they type
}
