package api

import "time"

// Session is one person who is in.
type Session struct {
	ID       string    `json:"id"`
	Person   string    `json:"person"`
	Firm     string    `json:"firm"`
	Source   string    `json:"source"`
	Started  time.Time `json:"started"`
	Channels []Channel `json:"channels"`
	Watched  []string  `json:"watched,omitempty"` // who of the plant looks on
}

// Channel is one shell, exec or stream of a session.
type Channel struct {
	Number int       `json:"number"`
	Window string    `json:"window"`
	Kind   string    `json:"kind"`
	Target Target    `json:"target"`
	Until  time.Time `json:"until"`
	In     int64     `json:"in"`
	Out    int64     `json:"out"`
	Held   bool      `json:"held,omitempty"`
}

// WatchLine is one line of a watched channel, as GET /sessions/S-1/watch
// streams them: application/x-ndjson, from the channel's first byte on, or from the
// screen as it stands where there was more than 64 KiB before. What the
// vendor types is never in it. Mark is
//
//	o  Data went to the vendor
//	r  the terminal has Cols and Rows; without one there is no terminal
//	s  it begins with the screen as it stands, which the next o draws; Text says where the rest is
//	m  Text is what Penstock itself said or did
//	x  Text is the exit status, or "signal NAME"
//	p  In and Out bytes have passed; once a second, in a channel that shows nothing to read
//	d  Text is an operation, or what came of one, in a channel that an inspector reads; Refused: it did not go on
//	.  nothing: still there
//	end  the last line: the channel has ended
//	out  the last line: the watcher may not look on any more, and Text says why
//
// Without one of those two at its end the line broke.
type WatchLine struct {
	At   float64 `json:"at"` // seconds since the session's start
	Mark string  `json:"mark"`
	Data []byte  `json:"data,omitempty"`
	Text string  `json:"text,omitempty"`
	Cols int     `json:"cols,omitempty"`
	Rows int     `json:"rows,omitempty"`
	In   int64   `json:"in,omitempty"`
	Out  int64   `json:"out,omitempty"`

	Refused bool `json:"refused,omitempty"`
}

// Recording is one recorded session.
type Recording struct {
	Session string    `json:"session"`
	Person  string    `json:"person"`
	Firm    string    `json:"firm"`
	Windows []string  `json:"windows"`
	Started time.Time `json:"started"`
	Mode    string    `json:"mode"`
}

// Found is the answer to a search.
type Found struct {
	Hits   []Hit    `json:"hits"`
	More   bool     `json:"more,omitempty"`   // there is more than these
	Broke  string   `json:"broke,omitempty"`  // what was not looked at
	Limits []string `json:"limits,omitempty"` // what is not in the index
}

// Hit is one thing that was found. Kind is shown, ran, file, log or session.
type Hit struct {
	Kind    string    `json:"kind"`
	Session string    `json:"session,omitempty"`
	Person  string    `json:"person,omitempty"`
	Firm    string    `json:"firm,omitempty"`
	Asset   string    `json:"asset,omitempty"`
	Channel int       `json:"channel"` // -1: of none
	At      time.Time `json:"at"`
	Second  float64   `json:"second,omitempty"` // since the channel's first frame
	Leaf    *uint64   `json:"leaf,omitempty"`
	Text    string    `json:"text"`
	Link    string    `json:"link"` // page
}

// Authorities are the public keys of the broker, authorized_keys form.
type Authorities struct {
	Host     string `json:"host"`     // for known_hosts @cert-authority lines
	Out      string `json:"out"`      // for TrustedUserCAKeys of targets
	HostKey  string `json:"host_key"` // plain, for clients that know no certificates
	LogKey   string `json:"log_key"`  // verifier key of the log
	Name     string `json:"name"`     // as vendors write the broker
	Port     int    `json:"port"`
	Site     string `json:"site"`
	TimeZone string `json:"time_zone"`
}
