package audit

import "time"

// LoginOK and LoginRefused: a proof of a person. Step is the TOTP step that is
// spent by it (unix seconds / 30), 0 where no code was given.
type LoginOK struct {
	Person string   `json:"person"`
	Proofs []string `json:"proofs"`
	Source string   `json:"source"`
	Step   int64    `json:"step,omitempty"`
}

type LoginRefused struct {
	Name   string `json:"name"` // as given, quoted and cut
	Source string `json:"source"`
	Why    string `json:"why"`
}

// AccessRefused: somebody was kept out before there was a session.
type AccessRefused struct {
	Person string `json:"person,omitempty"`
	Source string `json:"source"`
	Rule   string `json:"rule"`
	Why    string `json:"why"`
}

// CertIssued and CertRefused. Serial is decimal. Key is the fingerprint of the
// certified key. Errand is what the broker itself does at a target with an out
// certificate of no session: rotate or check.
type CertIssued struct {
	Serial  string    `json:"serial"`
	CA      string    `json:"ca"` // in, out, host
	Key     string    `json:"key"`
	KeyID   string    `json:"key_id"`
	Person  string    `json:"person,omitempty"`
	Windows []string  `json:"windows,omitempty"`
	Names   []string  `json:"names"` // principals
	After   time.Time `json:"after"`
	Before  time.Time `json:"before"`
	Session string    `json:"session,omitempty"`
	Channel int       `json:"channel,omitempty"`
	Errand  string    `json:"errand,omitempty"`
}

type CertRefused struct {
	Person string `json:"person"`
	Key    string `json:"key"`
	Rule   string `json:"rule"`
	Why    string `json:"why"`
}

// SessionStarted: a proven person was admitted; Header is the hash of the
// recording's session.json, Keys of keys.age.
type SessionStarted struct {
	Session string   `json:"session"`
	Person  string   `json:"person"`
	Firm    string   `json:"firm"`
	Windows []string `json:"windows"`
	Serial  string   `json:"serial"`
	Source  string   `json:"source"`
	Client  string   `json:"client"`
	Kex     string   `json:"kex"`
	Mode    string   `json:"mode"` // readable or sealed
	Header  Hash     `json:"header"`
	Keys    Hash     `json:"keys"`
}

// SessionEnded: Close is the hash of the recording's close.json, which lists
// every file of it with its last head. Cause is client, window-end, cut,
// paused-out, recorder, policy, drain or crash.
type SessionEnded struct {
	Session string `json:"session"`
	Cause   string `json:"cause"`
	Why     string `json:"why,omitempty"`
	Close   Hash   `json:"close,omitzero"`
}

// ChannelOpened binds a channel to exactly one window. Rule is the rule
// that allowed, Target the address that will be dialled, Via the asset that is
// gone through to reach it, Agent the zone whose agent dials.
type ChannelOpened struct {
	Session string   `json:"session"`
	Channel int      `json:"channel"`
	Window  string   `json:"window"`
	Kind    string   `json:"kind"`
	Asset   string   `json:"asset"`
	Port    string   `json:"port"`
	Account string   `json:"account,omitempty"`
	Target  string   `json:"target"`
	Via     string   `json:"via,omitempty"`
	Agent   string   `json:"agent,omitempty"`
	Path    []string `json:"path"`
	Rule    string   `json:"rule"`
	Rights  []string `json:"rights"`
}

// ChannelRefused: a channel, or inside one (then Asked says what) an operation,
// of which the first twenty of a channel have a leaf; the recording has them all.
type ChannelRefused struct {
	Session string `json:"session"`
	Kind    string `json:"kind"`
	Asked   string `json:"asked,omitempty"`
	Asset   string `json:"asset,omitempty"`
	Port    string `json:"port,omitempty"`
	Account string `json:"account,omitempty"`
	Rule    string `json:"rule"`
	Why     string `json:"why"`
}

// ChannelClosed: In and Out count bytes that passed; Exit is the target's exit
// status or signal, "" if it gave none.
type ChannelClosed struct {
	Session string `json:"session"`
	Channel int    `json:"channel"`
	In      int64  `json:"in"`
	Out     int64  `json:"out"`
	Exit    string `json:"exit,omitempty"`
	Cause   string `json:"cause,omitempty"`
}

// FileTransferred says what passed of one file, once it was closed or the
// channel ended. By is sftp, scp, rsync or git; Direction in (to the machine)
// or out. Path is as asked for, made safe to show and cut. Bytes passed, from
// Offset on. Hashed says what SHA256 is over: "content" (those bytes), "ranges"
// (they came in pieces: of each, in order, offset and length, 8 bytes each, and
// its SHA-256) or "stream" (all that passed in this direction: rsync and git
// are not taken apart). Whole: as far as the broker saw, this is the file from
// its first byte to its last, and the machine took it; else Why says what lacks.
type FileTransferred struct {
	Session   string `json:"session"`
	Channel   int    `json:"channel"`
	Window    string `json:"window"`
	Asset     string `json:"asset"`
	Account   string `json:"account,omitempty"`
	By        string `json:"by"`
	Direction string `json:"direction"`
	Path      string `json:"path"`
	Offset    int64  `json:"offset,omitempty"`
	Bytes     int64  `json:"bytes"`
	SHA256    Hash   `json:"sha256"`
	Hashed    string `json:"hashed"`
	Whole     bool   `json:"whole"`
	Why       string `json:"why,omitempty"`
	File      string `json:"file,omitempty"` // the bytes are those of a file that waited here (file.held), and not the machine's
}

// OperationsSummary says, when a stream that an inspector read has ended, how
// many operations it let through, by what they took beside look, how many it
// refused, by rule (at most 20 rules; "other" is the rest), and how many of
// those let through the machine refused or left without an answer. Changed are
// the objects that those let through wrote, and SetOff those that did something
// by being read, and services without an object; both by right, as Span texts,
// in order, each once. More is how many of these had no room. What they were
// stands in the recording. A crash leaves none.
type OperationsSummary struct {
	Session    string              `json:"session"`
	Channel    int                 `json:"channel"`
	Window     string              `json:"window"`
	Asset      string              `json:"asset"`
	Port       string              `json:"port"`
	Allowed    map[string]int      `json:"allowed,omitempty"`
	Refused    map[string]int      `json:"refused,omitempty"`
	Failed     int                 `json:"failed,omitempty"`
	Unanswered int                 `json:"unanswered,omitempty"`
	Changed    map[string][]string `json:"changed,omitempty"`
	SetOff     map[string][]string `json:"set_off,omitempty"`
	More       int                 `json:"more,omitempty"`
}

// FirstByte: the first byte to the vendor of a session in a window.
type FirstByte struct {
	Session string `json:"session"`
	Window  string `json:"window"`
}

var _ = events(LoginOK{}, LoginRefused{}, AccessRefused{}, CertIssued{}, CertRefused{}, SessionStarted{}, SessionEnded{},
	ChannelOpened{}, ChannelRefused{}, ChannelClosed{}, FileTransferred{}, OperationsSummary{}, FirstByte{})

func (LoginOK) Type() string           { return "login.ok" }
func (LoginRefused) Type() string      { return "login.refused" }
func (AccessRefused) Type() string     { return "access.refused" }
func (CertIssued) Type() string        { return "cert.issued" }
func (CertRefused) Type() string       { return "cert.refused" }
func (SessionStarted) Type() string    { return "session.started" }
func (SessionEnded) Type() string      { return "session.ended" }
func (ChannelOpened) Type() string     { return "channel.opened" }
func (ChannelRefused) Type() string    { return "channel.refused" }
func (ChannelClosed) Type() string     { return "channel.closed" }
func (FileTransferred) Type() string   { return "file.transferred" }
func (OperationsSummary) Type() string { return "operations.summary" }
func (FirstByte) Type() string         { return "firstbyte" }
