package audit

import "time"

// OutageWritten gives the list of an outage anew: Document is the canonical
// evidence.Outage, all of it. Penstock writes a revision where a row's request
// was revised; people write the rest.
type OutageWritten struct {
	Outage   string    `json:"outage"`
	Rev      int       `json:"rev"` // of the document, from 1
	By       string    `json:"by"`
	Document Hash      `json:"document"`
	At       time.Time `json:"at"`
}

// OutageWithdrawn takes the whole of it back; what was agreed by it and is not
// open is withdrawn row by row, each by its own event.
type OutageWithdrawn struct {
	Outage string    `json:"outage"`
	By     string    `json:"by"`
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at"`
}

var _ = events(OutageWritten{}, OutageWithdrawn{})

func (OutageWritten) Type() string   { return "outage.written" }
func (OutageWithdrawn) Type() string { return "outage.withdrawn" }
