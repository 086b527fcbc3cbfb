package audit

import "time"

// AccessListed begins an access review of one scope, "firm/krall" or
// "role/shift": Document is the canonical evidence.AccessList of everybody in it,
// who are to be kept or ended by Due.
type AccessListed struct {
	Scope    string    `json:"scope"`
	Document Hash      `json:"document"`
	At       time.Time `json:"at"`
	Due      time.Time `json:"due"`
	By       string    `json:"by"`
	Sponsor  string    `json:"sponsor,omitempty"` // of a firm
}

// AccessSigned is somebody's word on people of a list, which Document names: Kept
// go on, Ended were ended before this was written.
type AccessSigned struct {
	Scope    string    `json:"scope"`
	Document Hash      `json:"document"`
	Kept     []string  `json:"kept,omitempty"`
	Ended    []string  `json:"ended,omitempty"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
}

var _ = events(AccessListed{}, AccessSigned{})

func (AccessListed) Type() string { return "access.listed" }
func (AccessSigned) Type() string { return "access.signed" }
