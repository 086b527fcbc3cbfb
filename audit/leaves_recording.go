package audit

import "time"

// RecordingHeads commits once a second to the running hash of every recording
// that changed: Root is the RFC 6962 root over the head lines at Offset (Bytes
// long) of log/heads/File.
type RecordingHeads struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	Count  int    `json:"count"`
	Root   Hash   `json:"root"`
}

type RecordingRecovered struct {
	Session string `json:"session"`
	File    string `json:"file"`
	Lost    int64  `json:"lost"` // bytes of the torn tail
}

type RecordingFailed struct {
	Session string `json:"session"`
	Why     string `json:"why"`
}

// RecordingLate says that for so long, up to this leaf, what passed could not be
// recorded in time: nobody was admitted and nothing passed, and nothing is missing.
type RecordingLate struct {
	Millis int64 `json:"ms"`
}

// RecordingMode says who can open what is recorded from here on: the broker and
// whoever has its key ("readable", which is also so where no such leaf stands
// before), or these auditors alone ("sealed").
type RecordingMode struct {
	Mode     string    `json:"mode"`
	Auditors []Auditor `json:"auditors,omitempty"`
}

// Auditor is a person and the hash of the text of an age recipient.
type Auditor struct {
	Person string `json:"person"`
	Key    Hash   `json:"key"`
}

// ReviewOpened is written before a person reads a recording. What is list,
// play, export, verify, search (Form: for what), or watch: the session runs, and Form says its channel;
// or unseal: the person asked for the key file of a sealed recording, or gave
// the key that opens it for this sign-in, and Form says which.
type ReviewOpened struct {
	Session string `json:"session,omitempty"`
	Person  string `json:"person"`
	What    string `json:"what"`
	Form    string `json:"form,omitempty"`
}

// ReviewClosed is written when a person who watched has left, or was sent away: Why.
type ReviewClosed struct {
	Session string `json:"session"`
	Person  string `json:"person"`
	Form    string `json:"form,omitempty"`
	Why     string `json:"why"`
}

// ReviewNoted is a note of a reader for one moment of a channel, in
// milliseconds since it was opened.
type ReviewNoted struct {
	Session string `json:"session"`
	Person  string `json:"person"`
	Channel int    `json:"channel"`
	Millis  int64  `json:"millis"`
	Text    string `json:"text"`
}

// ReviewSigned is a second person's verdict on a recording: in-order, question
// (to whom it is put) or finding. Close is the recording's closing hash, as
// session.ended has it. A question and a finding open Thread, from 1 in each session.
type ReviewSigned struct {
	Session string `json:"session"`
	Person  string `json:"person"`
	Verdict string `json:"verdict"`
	To      string `json:"to,omitempty"`
	Text    string `json:"text,omitempty"`
	Thread  int    `json:"thread,omitempty"`
	Close   Hash   `json:"close,omitzero"`
}

// ReviewReplied goes on with a thread; Settled ends it.
type ReviewReplied struct {
	Session string `json:"session"`
	Thread  int    `json:"thread"`
	Person  string `json:"person"`
	Text    string `json:"text"`
	Settled bool   `json:"settled,omitempty"`
}

// ReviewDrawn says by what the sessions were drawn that ended on one UTC day:
// Size leaves end with the first leaf of another day, Root is their RFC 6962
// root. One in OneIn of Of sessions was to be drawn, and Drawn were: see
// audit/README.md, "The draw".
type ReviewDrawn struct {
	Size  Index `json:"size"`
	Root  Hash  `json:"root"`
	OneIn int   `json:"one_in"`
	Of    int   `json:"of"`
	Drawn int   `json:"drawn"`
}

// HoldSet is a legal hold: no recording that it names goes, whatever its
// retention says. Exactly one of Session, Window, Person, Firm, Asset and All is set.
type HoldSet struct {
	Hold    string `json:"hold"`
	Session string `json:"session,omitempty"`
	Window  string `json:"window,omitempty"`
	Person  string `json:"person,omitempty"`
	Firm    string `json:"firm,omitempty"`
	Asset   string `json:"asset,omitempty"`
	All     bool   `json:"all,omitempty"`
	By      string `json:"by"`
	Why     string `json:"why"`
}

type HoldLifted struct {
	Hold string `json:"hold"`
	By   string `json:"by"`
	Why  string `json:"why"`
}

// RecordingExpired is durable before the first file of a recording goes whose
// retention is over. Due is when that was, by Rule of Plant; Close the hash that
// session.ended had, of what was there.
type RecordingExpired struct {
	Session string    `json:"session"`
	Rule    string    `json:"rule"`
	Due     time.Time `json:"due"`
	Plant   Hash      `json:"plant"`
	Close   Hash      `json:"close,omitzero"`
}

// DeletionAsked: one person wants a recording to go before its time.
// RecordingDeleted: By, somebody else, has confirmed what Asked wants; it is
// durable before the first file goes.
type DeletionAsked struct {
	Session string `json:"session"`
	By      string `json:"by"`
	Why     string `json:"why"`
}

type RecordingDeleted struct {
	Session string `json:"session"`
	Asked   string `json:"asked"`
	By      string `json:"by"`
	Why     string `json:"why"`
	Close   Hash   `json:"close,omitzero"`
}

var _ = events(RecordingHeads{}, RecordingRecovered{}, RecordingFailed{}, RecordingLate{}, RecordingMode{}, ReviewOpened{}, ReviewClosed{},
	ReviewNoted{}, ReviewSigned{}, ReviewReplied{}, ReviewDrawn{}, HoldSet{}, HoldLifted{}, RecordingExpired{},
	DeletionAsked{}, RecordingDeleted{})

func (RecordingHeads) Type() string     { return "recording.heads" }
func (RecordingRecovered) Type() string { return "recording.recovered" }
func (RecordingFailed) Type() string    { return "recording.failed" }
func (RecordingLate) Type() string      { return "recording.late" }
func (RecordingMode) Type() string      { return "recording.mode" }
func (ReviewOpened) Type() string       { return "review.opened" }
func (ReviewClosed) Type() string       { return "review.closed" }
func (ReviewNoted) Type() string        { return "review.noted" }
func (ReviewSigned) Type() string       { return "review.signed" }
func (ReviewReplied) Type() string      { return "review.replied" }
func (ReviewDrawn) Type() string        { return "review.drawn" }
func (HoldSet) Type() string            { return "hold.set" }
func (HoldLifted) Type() string         { return "hold.lifted" }
func (RecordingExpired) Type() string   { return "recording.expired" }
func (DeletionAsked) Type() string      { return "deletion.asked" }
func (RecordingDeleted) Type() string   { return "recording.deleted" }
