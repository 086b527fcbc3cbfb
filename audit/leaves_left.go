package audit

import "time"

// What work leaves behind in a machine, such as a force or a bridge, belongs to
// the window that it was done in. N numbers the things of one window from 1.
//
// LeftNoted: By, of the plant or of the firm, says that it is there; Text is
// what. Due is set where it must be gone by then. LeftDue gives that time, or
// another. LeftRang: it was not gone by Due, and People are rung. LeftGone: By,
// of the plant, says that it is gone; until then the window is not closed.
type LeftNoted struct {
	Window string    `json:"window"`
	N      int       `json:"n"`
	By     string    `json:"by"`
	Text   Hash      `json:"text"`
	Due    time.Time `json:"due,omitzero"`
	At     time.Time `json:"at"`
}

type LeftDue struct {
	Window string    `json:"window"`
	N      int       `json:"n"`
	By     string    `json:"by"`
	Due    time.Time `json:"due"`
	At     time.Time `json:"at"`
}

type LeftRang struct {
	Window string    `json:"window"`
	N      int       `json:"n"`
	Due    time.Time `json:"due"`
	People []string  `json:"people,omitempty"` // who said by when, who is on duty, and whom the plant file asks next
	At     time.Time `json:"at"`
}

type LeftGone struct {
	Window string    `json:"window"`
	N      int       `json:"n"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

var _ = events(LeftNoted{}, LeftDue{}, LeftRang{}, LeftGone{})

func (LeftNoted) Type() string { return "left.noted" }
func (LeftDue) Type() string   { return "left.due" }
func (LeftRang) Type() string  { return "left.rang" }
func (LeftGone) Type() string  { return "left.gone" }
