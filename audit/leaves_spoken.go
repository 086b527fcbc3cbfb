package audit

import "time"

// SpokenSigned: Person, whose yes to a window's request somebody heard on the
// telephone, has signed that they said it (Says "countersign") or did not ("deny").
type SpokenSigned struct {
	Window   string    `json:"window"`
	Person   string    `json:"person"`
	Says     string    `json:"says"`
	Document Hash      `json:"document"`
	At       time.Time `json:"at"`
}

// SpokenMissed: a spoken yes was not countersigned in time; People of OT security
// are told. SpokenCleared: By, of OT security, lets further ones be spoken all the same.
type SpokenMissed struct {
	Window string    `json:"window"`
	Person string    `json:"person"`
	People []string  `json:"people"`
	At     time.Time `json:"at"`
}
type SpokenCleared struct {
	Window string    `json:"window"`
	By     string    `json:"by"`
	Why    string    `json:"why"`
	At     time.Time `json:"at"`
}

var _ = events(SpokenSigned{}, SpokenMissed{}, SpokenCleared{})

func (SpokenSigned) Type() string  { return "spoken.signed" }
func (SpokenMissed) Type() string  { return "spoken.missed" }
func (SpokenCleared) Type() string { return "spoken.cleared" }
