package api

import "time"

// Review is where the review of one session stands.
type Review struct {
	Session  string    `json:"session"`
	Person   string    `json:"person"`
	Firm     string    `json:"firm"`
	Windows  []string  `json:"windows"`
	Ended    time.Time `json:"ended,omitzero"`
	Reasons  []string  `json:"reasons,omitempty"` // why it is to be reviewed
	Late     bool      `json:"late,omitempty"`
	Reviewed bool      `json:"reviewed"`
	Verdicts []Verdict `json:"verdicts,omitempty"`
	Held     string    `json:"held,omitempty"` // by which hold
	Gone     string    `json:"gone,omitempty"` // why its recording is gone
}

// Verdict is a reviewer's word: in-order, question or finding.
type Verdict struct {
	Person  string    `json:"person,omitempty"`
	Verdict string    `json:"verdict"`
	To      string    `json:"to,omitempty"`
	Text    string    `json:"text,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Thread  int       `json:"thread,omitempty"`
	Seen    int       `json:"seen"`              // sent: how many verdicts the reviewer saw
	Outside []string  `json:"outside,omitempty"` // sent: windows that were used outside their pattern's purpose; Text says how
}

// Reply goes on with a question or a finding.
type Reply struct {
	Text   string `json:"text"`
	Settle bool   `json:"settle,omitempty"`
	Seen   int    `json:"seen"` // how many replies were there
}

// Note is for one moment of a channel.
type Note struct {
	Channel int    `json:"channel"`
	Millis  int64  `json:"millis"`
	Text    string `json:"text"`
}

// Hold keeps recordings: exactly one of Session to All is set.
type Hold struct {
	Hold    string    `json:"hold,omitempty"`
	Session string    `json:"session,omitempty"`
	Window  string    `json:"window,omitempty"`
	Person  string    `json:"person,omitempty"`
	Firm    string    `json:"firm,omitempty"`
	Asset   string    `json:"asset,omitempty"`
	All     bool      `json:"all,omitempty"`
	By      string    `json:"by,omitempty"`
	Why     string    `json:"why"`
	At      time.Time `json:"at,omitzero"`
}

// Expiry is what would go now, or went. Sent with Do and the number of Goes that was seen, it goes.
type Expiry struct {
	All   int    `json:"all"`
	Goes  []Due  `json:"goes"`
	Stays []Due  `json:"stays"`
	Asks  string `json:"asks,omitempty"` // why nothing goes by itself
}

// Due is a recording whose retention is over; Why: what keeps it all the same.
type Due struct {
	Session string    `json:"session"`
	Rule    string    `json:"rule"`
	Due     time.Time `json:"due"`
	Why     string    `json:"why,omitempty"`
}

// DoExpire lets go what a dry run showed: Seen recordings.
type DoExpire struct {
	Seen int `json:"seen"`
}

// Delete is the early deletion of one recording: asked for with a reason, or
// confirmed. DryRun only says whether it could go.
type Delete struct {
	Why     string `json:"why,omitempty"`
	Confirm bool   `json:"confirm,omitempty"`
	DryRun  bool   `json:"dry_run,omitempty"`
}

// Deleted says whether it has gone; else a second person must confirm.
type Deleted struct {
	Gone bool `json:"gone"`
}
