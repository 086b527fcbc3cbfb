package audit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// One struct for each event type, with a line of meaning. Adding one here, and
// to the list at the end, is the only change that a new event needs in audit,
// but for how a SIEM is told of it: a line in siem/mapping.go and in README.md.
// Fields are strings, integers below 2^53, booleans, times (UTC) and hashes;
// never floats. A body says all that a fold needs: a fold never uses the
// leaf's index or wall time in a row's value.

// LogCreated is the first leaf of every log; Bootstrap names the file of the
// first people, their roles and keys.
type LogCreated struct {
	Origin    string `json:"origin"`
	Bootstrap Hash   `json:"bootstrap"`
}

// LogRecovered says that a torn tail was cut at start. Lost counts bytes after the last whole leaf.
type LogRecovered struct {
	Lost int64 `json:"lost"`
	Size Index `json:"size"`
}

// NodeStarted and NodeStopped frame one life of the process. Receipts is the
// public key (Ed25519, base64url) of the receipts that it signs in that life.
type NodeStarted struct {
	Version  string `json:"version"`
	Receipts string `json:"receipts,omitempty"`
}
type NodeStopped struct{}

// ConfigChanged names the plant file (Kind "plant") or penstock.yaml (Kind
// "server") now in force. Without Change it was taken from the file on the
// broker's disk. With it, By put an agreed change in force; Confirm is until
// when somebody must say that it is right, else it goes back. Back: the change
// is taken back, and Document is the plant file before it.
type ConfigChanged struct {
	Kind     string    `json:"kind"`
	Document Hash      `json:"document"`
	Change   string    `json:"change,omitempty"`
	By       string    `json:"by,omitempty"`
	Confirm  time.Time `json:"confirm,omitzero"`
	Back     bool      `json:"back,omitempty"`
	Why      string    `json:"why,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

// PlantProposed names the text of a change of the plant file (C-1) and the two
// plant files that it is between.
type PlantProposed struct {
	Change   string    `json:"change"`
	By       string    `json:"by"`
	Document Hash      `json:"document"`
	From     Hash      `json:"from"`
	To       Hash      `json:"to"`
	Until    time.Time `json:"until"` // decided by then, or never
}

// PlantAnswered is one person's answer to a change of the plant file, as
// AnswerGiven is to a request.
type PlantAnswered struct {
	Change   string   `json:"change"`
	Person   string   `json:"person"`
	Firm     string   `json:"firm"`
	Roles    []string `json:"roles"`
	Says     string   `json:"says"`
	Document Hash     `json:"document"`
}

// PlantMoved is a step of a change that alters nothing in force: To is
// withdrawn, unanswered or kept (somebody confirmed what was put in force).
type PlantMoved struct {
	Change string    `json:"change"`
	To     string    `json:"to"`
	By     string    `json:"by"`
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// ClockStepped says that the wall clock stands behind the last leaf's, or
// jumped against CLOCK_BOOTTIME by Millis. Sessions wait for ClockAccepted by two people.
type ClockStepped struct {
	Millis int64 `json:"millis"`
}

// ClockAccepted is one person's word that the clock is right again. Proof is
// "key" or "password", never a code.
type ClockAccepted struct {
	Person string    `json:"person"`
	At     time.Time `json:"at"`
	Proof  string    `json:"proof"`
}

// RequestSubmitted and RequestRevised name the exact request text. Rev is the
// request document's revision, from 1. A revision voids all answers; Window is
// the agreed window that becomes unused by it in the same event; Pattern is the one
// that the text names.
type RequestSubmitted struct {
	Request  string    `json:"request"`
	Rev      int       `json:"rev"`
	Firm     string    `json:"firm"`
	By       string    `json:"by"`
	Document Hash      `json:"document"`
	Plant    Hash      `json:"plant"`
	Window   string    `json:"window,omitempty"`
	Pattern  string    `json:"pattern,omitempty"`
	At       time.Time `json:"at,omitzero"`
}
type RequestRevised RequestSubmitted

// RequestWithdrawn takes a request back; an agreed window that is not open becomes unused in the same event.
type RequestWithdrawn struct {
	By     string `json:"by"`
	Why    string `json:"why,omitempty"`
	Window string `json:"window,omitempty"`
}

// RequestUnanswered: the span or the time to answer passed without enough answers.
type RequestUnanswered struct{}

// RequestWoken: a request that slept until a not-before waits again. By is
// penstock when that time has come, or the person who answered earlier.
type RequestWoken struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// PersonAsked says who was asked in which role: those on duty, nobody where
// nobody is. For is the team in whose place they are asked, because it did not
// answer in time or nobody of it is on duty; At is when.
type PersonAsked struct {
	Role   string    `json:"role"`
	People []string  `json:"people"`
	For    string    `json:"for,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// AnswerGiven is one person's answer to one revision. Firm and Roles are the
// person's at that moment, as the log has them; Document is the answer with its proof.
type AnswerGiven struct {
	Request  string   `json:"request"`
	Rev      int      `json:"rev"`
	Person   string   `json:"person"`
	Firm     string   `json:"firm"`
	Roles    []string `json:"roles"`
	Says     string   `json:"says"` // yes, no, not-before, question
	Document Hash     `json:"document"`
	Heard    string   `json:"heard,omitempty"` // by whom, where the yes was spoken; it is the leaf's actor
	// NotBefore is set where Says is not-before.
	NotBefore time.Time `json:"not_before,omitzero"`
}

// WindowAgreed makes a window of a request revision and the answers that
// suffice. Claim is the canonical evidence.WindowClaim. Pattern is set where an
// agreement made by day stood for the plan.
type WindowAgreed struct {
	Window  string   `json:"window"`
	Request string   `json:"request"`
	Rev     int      `json:"rev"`
	Firm    string   `json:"firm"`
	Claim   Hash     `json:"claim"`
	Answers []string `json:"answers"` // places of answer.given, "node/index"
	Pattern string   `json:"pattern,omitempty"`
}

// WindowMoved is every other step of a window. To is one of opened, paused,
// wenton, extended, narrowed, stepped, ending, grace, ended, cut, closed, unused. Until is the end
// in force after the step; grace moves it once, for a half-done transfer. Answer names the opener's signed answer where the step extends,
// is an emergency's second tap, or opens or goes on by a tap at a kiosk. Rights are what is left where it narrows, and what there is where it steps up.
type WindowMoved struct {
	Window string    `json:"window"`
	To     string    `json:"to"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"`
	Why    string    `json:"why,omitempty"`
	Answer Hash      `json:"answer,omitzero"`
	Rights []string  `json:"rights,omitempty"`

	Emergency bool     `json:"emergency,omitempty"` // opened: by the quick way
	Waived    []string `json:"waived,omitempty"`    // the calendars that it passes over
}

// GateChanged says what a gate says from here on: yes, no, or stood-in where a
// person stands for it. Window is set where that is about one window, then it
// keeps state; of an outage it keeps state without one. By is the person; empty:
// an input was read. At is when it was said or read.
type GateChanged struct {
	Gate   string    `json:"gate"`
	Says   string    `json:"says"`
	Window string    `json:"window,omitempty"`
	By     string    `json:"by,omitempty"`
	Why    string    `json:"why,omitempty"`
	At     time.Time `json:"at"`
}

// EscortChanged: By took the escort of a window, is still here, offered it to
// To, or left. Who takes it takes it from whom had it.
type EscortChanged struct {
	Window string    `json:"window"`
	By     string    `json:"by"`
	Says   string    `json:"says"`
	To     string    `json:"to,omitempty"`
	At     time.Time `json:"at"`
}

// HandoverOffered: By hands the windows that a team opens to its next shift, which
// begins at Due; Text is what By says to it. HandoverAccepted: By, somebody else
// of the team, has taken these of them. HandoverRang: they were not taken in time.
type HandoverOffered struct {
	Handover string    `json:"handover"`
	Team     string    `json:"team"`
	By       string    `json:"by"`
	Due      time.Time `json:"due"`
	At       time.Time `json:"at"`
	Windows  []string  `json:"windows"`
	Text     Hash      `json:"text,omitzero"`
}
type HandoverAccepted struct {
	Handover string    `json:"handover"`
	By       string    `json:"by"`
	Windows  []string  `json:"windows"`
	At       time.Time `json:"at"`
	Text     Hash      `json:"text,omitzero"`   // by a tap at a kiosk: evidence.Taking,
	Answer   Hash      `json:"answer,omitzero"` // and the person's yes to it
}
type HandoverRang struct {
	Handover string    `json:"handover"`
	Windows  []string  `json:"windows"`
	People   []string  `json:"people,omitempty"` // who are rung: who offered, who is on duty, and whom the plant file asks next
	At       time.Time `json:"at"`
}

// HandbackGiven is what the vendor says was changed; HandbackAccepted is the plant's word to it.
type HandbackGiven struct {
	Window string `json:"window"`
	By     string `json:"by"`
	Text   Hash   `json:"text"`
}
type HandbackAccepted struct {
	Window string `json:"window"`
	By     string `json:"by"`
}

// BlockSet and BlockLifted: a refusal of a person, firm, asset, zone or everybody.
type BlockSet struct {
	Block  string    `json:"block"`
	Person string    `json:"person,omitempty"`
	Firm   string    `json:"firm,omitempty"`
	Asset  string    `json:"asset,omitempty"`
	Zone   string    `json:"zone,omitempty"`
	All    bool      `json:"all,omitempty"`
	Island bool      `json:"island,omitempty"` // of a zone: lifted by two people, as one of everybody always is
	By     string    `json:"by"`
	Why    string    `json:"why"`
	Until  time.Time `json:"until,omitzero"`
}
type BlockLifted struct {
	Block string `json:"block"`
	By    string `json:"by"`
	Why   string `json:"why,omitempty"`
}

// FirmChanged makes or changes a firm; the fields are all of it. Terms names the
// text that each of its people accepts, for TermsDays days; zero: none.
type FirmChanged struct {
	Firm     string    `json:"firm"`
	Name     string    `json:"name"`
	Plant    bool      `json:"plant,omitempty"`
	Sponsor  string    `json:"sponsor,omitempty"`
	Networks []string  `json:"networks,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	By       string    `json:"by"`

	Terms     Hash `json:"terms,omitzero"`
	TermsDays int  `json:"terms_days,omitempty"`

	Source string `json:"source,omitempty"` // "system/id" there, if it was imported
}

// PersonInvited: an invitation whose code is Code by hash; ends at Until. Phone
// is "+" and digits (E.164), or empty. Source is as a firm's.
type PersonInvited struct {
	Person string    `json:"person"`
	Firm   string    `json:"firm"`
	Name   string    `json:"name"`
	Phone  string    `json:"phone,omitempty"`
	Roles  []string  `json:"roles,omitempty"`
	By     string    `json:"by"`
	Code   Hash      `json:"code"`
	Until  time.Time `json:"until"`
	Mail   string    `json:"mail,omitempty"`
	Source string    `json:"source,omitempty"`

	Machine bool `json:"machine,omitempty"` // it is a vendor's machine, for standing agreements alone
}

// PersonJoined: the code was given over a proven key, which is pending until PersonConfirmed.
type PersonJoined struct {
	Person string `json:"person"`
	Code   Hash   `json:"code"`
	Key    string `json:"key"` // fingerprint, SHA256:…
	Public string `json:"public"`
}

// PersonConfirmed: the sponsor saw the fingerprint and vouches for it.
type PersonConfirmed struct {
	Person string `json:"person"`
	Key    string `json:"key"`
	By     string `json:"by"`
}

// PersonChanged gives the person's name, firm, roles, phone and mail anew.
type PersonChanged struct {
	Person string   `json:"person"`
	Firm   string   `json:"firm"`
	Name   string   `json:"name"`
	Phone  string   `json:"phone,omitempty"`
	Mail   string   `json:"mail,omitempty"`
	Roles  []string `json:"roles,omitempty"`
	By     string   `json:"by"`
}
type PersonDisabled struct {
	Person string `json:"person"`
	By     string `json:"by"`
	Why    string `json:"why,omitempty"`
}

// KeyEnrolled adds a passkey to a person, or adds or replaces their key, password
// or code generator. Kind is ssh, passkey, password or totp. Public is set for
// ssh and passkey (authorized_keys form; the COSE key in base64url); Credential,
// AAGUID and Name are a passkey's: its credential id in base64url, the make of
// its authenticator in hex, and what its person calls it. Sealed names the
// document with the password hash or the secret, sealed to a key of keys/.
type KeyEnrolled struct {
	Person     string `json:"person"`
	Kind       string `json:"kind"`
	Key        string `json:"key"` // fingerprint for ssh and passkey, else the kind
	Public     string `json:"public,omitempty"`
	Credential string `json:"credential,omitempty"`
	AAGUID     string `json:"aaguid,omitempty"`
	Name       string `json:"name,omitempty"`
	Sealed     Hash   `json:"sealed,omitzero"`
	By         string `json:"by"`
}

// KeyVouched: By signed that a key is this person's; from here on it can sign
// answers. Document is the canonical evidence.Vouch with its proof.
type KeyVouched struct {
	Person   string `json:"person"`
	Key      string `json:"key"`
	By       string `json:"by"`
	Document Hash   `json:"document"`
}
type KeyRemoved struct {
	Person string `json:"person"`
	Key    string `json:"key"`
	By     string `json:"by"`
}

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

// ChannelOpened binds a channel to exactly one window. Decided names the rule
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
// those let through the machine refused or left without an answer. What they
// were stands in the recording. A crash leaves none.
type OperationsSummary struct {
	Session    string         `json:"session"`
	Channel    int            `json:"channel"`
	Window     string         `json:"window"`
	Asset      string         `json:"asset"`
	Port       string         `json:"port"`
	Allowed    map[string]int `json:"allowed,omitempty"`
	Refused    map[string]int `json:"refused,omitempty"`
	Failed     int            `json:"failed,omitempty"`
	Unanswered int            `json:"unanswered,omitempty"`
}

// FirstByte: the first byte to the vendor of a session in a window.
type FirstByte struct {
	Session string `json:"session"`
	Window  string `json:"window"`
}

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

// CheckpointTaken: Person takes the newest checkpoint in hand, by Way ("page" or
// "command"), and keeps it outside on their own word. It is written before the
// checkpoint is given out, and under it.
type CheckpointTaken struct {
	Person string `json:"person"`
	Way    string `json:"way"`
}

// OutsideChanged: copies outside passed a limit, or a place contradicts this log
// (Alarm says which, in words); empty Alarm: that is over.
type OutsideChanged struct {
	Alarm string `json:"alarm,omitempty"`
}

// EvidenceAsked is written before the first byte of an evidence pack of Window,
// and is in it; Exports says that what passed was put in, readable. EvidenceDelivered:
// all of it went out, SHA256 and Bytes are the whole file's.
type EvidenceAsked struct {
	Window  string `json:"window"`
	Person  string `json:"person"`
	Exports bool   `json:"exports,omitempty"`
}
type EvidenceDelivered struct {
	Window string `json:"window"`
	Person string `json:"person"`
	SHA256 Hash   `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// BackupTaken is written before the first byte of a backup, and is in it. Keys
// is the age recipient that the keys in it are sealed to; empty: it has none.
type BackupTaken struct {
	Person string `json:"person"`
	Keys   string `json:"keys,omitempty"`
}

// BackupRestored says that this log was brought back from a backup of Size
// leaves, and that what was written after that is lost. Outside is the size of
// the newest checkpoint that somebody kept elsewhere and showed at the
// restoring; 0: none was shown.
type BackupRestored struct {
	Size    Index     `json:"size"`
	Taken   time.Time `json:"taken"`
	At      time.Time `json:"at"`
	Outside Index     `json:"outside"`
}

func (LogCreated) Type() string         { return "log.created" }
func (LogRecovered) Type() string       { return "log.recovered" }
func (NodeStarted) Type() string        { return "node.started" }
func (NodeStopped) Type() string        { return "node.stopped" }
func (ConfigChanged) Type() string      { return "config.changed" }
func (PlantProposed) Type() string      { return "plant.proposed" }
func (PlantAnswered) Type() string      { return "plant.answered" }
func (PlantMoved) Type() string         { return "plant.moved" }
func (ClockStepped) Type() string       { return "clock.stepped" }
func (ClockAccepted) Type() string      { return "clock.accepted" }
func (RequestSubmitted) Type() string   { return "request.submitted" }
func (RequestRevised) Type() string     { return "request.revised" }
func (RequestWithdrawn) Type() string   { return "request.withdrawn" }
func (RequestUnanswered) Type() string  { return "request.unanswered" }
func (RequestWoken) Type() string       { return "request.woken" }
func (PersonAsked) Type() string        { return "person.asked" }
func (AnswerGiven) Type() string        { return "answer.given" }
func (WindowAgreed) Type() string       { return "window.agreed" }
func (WindowMoved) Type() string        { return "window.moved" }
func (GateChanged) Type() string        { return "gate.changed" }
func (EscortChanged) Type() string      { return "escort.changed" }
func (HandoverOffered) Type() string    { return "handover.offered" }
func (HandoverAccepted) Type() string   { return "handover.accepted" }
func (HandoverRang) Type() string       { return "handover.rang" }
func (HandbackGiven) Type() string      { return "handback.given" }
func (HandbackAccepted) Type() string   { return "handback.accepted" }
func (BlockSet) Type() string           { return "block.set" }
func (BlockLifted) Type() string        { return "block.lifted" }
func (FirmChanged) Type() string        { return "firm.changed" }
func (PersonInvited) Type() string      { return "person.invited" }
func (PersonJoined) Type() string       { return "person.joined" }
func (PersonConfirmed) Type() string    { return "person.confirmed" }
func (PersonChanged) Type() string      { return "person.changed" }
func (PersonDisabled) Type() string     { return "person.disabled" }
func (KeyEnrolled) Type() string        { return "key.enrolled" }
func (KeyVouched) Type() string         { return "key.vouched" }
func (KeyRemoved) Type() string         { return "key.removed" }
func (LoginOK) Type() string            { return "login.ok" }
func (LoginRefused) Type() string       { return "login.refused" }
func (AccessRefused) Type() string      { return "access.refused" }
func (CertIssued) Type() string         { return "cert.issued" }
func (CertRefused) Type() string        { return "cert.refused" }
func (SessionStarted) Type() string     { return "session.started" }
func (SessionEnded) Type() string       { return "session.ended" }
func (ChannelOpened) Type() string      { return "channel.opened" }
func (ChannelRefused) Type() string     { return "channel.refused" }
func (ChannelClosed) Type() string      { return "channel.closed" }
func (FileTransferred) Type() string    { return "file.transferred" }
func (OperationsSummary) Type() string  { return "operations.summary" }
func (FirstByte) Type() string          { return "firstbyte" }
func (RecordingHeads) Type() string     { return "recording.heads" }
func (RecordingRecovered) Type() string { return "recording.recovered" }
func (RecordingFailed) Type() string    { return "recording.failed" }
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
func (CheckpointTaken) Type() string    { return "checkpoint.taken" }
func (OutsideChanged) Type() string     { return "outside.changed" }
func (EvidenceAsked) Type() string      { return "evidence.asked" }
func (EvidenceDelivered) Type() string  { return "evidence.delivered" }
func (BackupTaken) Type() string        { return "backup.taken" }
func (BackupRestored) Type() string     { return "backup.restored" }

var bodies = func() map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for _, b := range []Body{
		LogCreated{}, LogRecovered{}, NodeStarted{}, NodeStopped{}, ConfigChanged{}, ClockStepped{}, ClockAccepted{},
		PlantProposed{}, PlantAnswered{}, PlantMoved{},
		PatternProposed{}, PatternAnswered{}, PatternMoved{}, PatternDoubted{}, SpokenSigned{}, SpokenMissed{}, SpokenCleared{},
		RequestSubmitted{}, RequestRevised{}, RequestWithdrawn{}, RequestUnanswered{}, RequestWoken{}, PersonAsked{}, AnswerGiven{},
		WindowAgreed{}, WindowMoved{}, GateChanged{}, EscortChanged{}, HandoverOffered{}, HandoverAccepted{}, HandoverRang{}, HandbackGiven{}, HandbackAccepted{}, BlockSet{}, BlockLifted{},
		FirmChanged{}, PersonInvited{}, PersonJoined{}, PersonConfirmed{}, PersonChanged{}, PersonDisabled{},
		KeyEnrolled{}, KeyVouched{}, KeyRemoved{}, LoginOK{}, LoginRefused{}, AccessRefused{}, CertIssued{}, CertRefused{},
		SessionStarted{}, SessionEnded{}, ChannelOpened{}, ChannelRefused{}, ChannelClosed{}, FileTransferred{}, OperationsSummary{}, FirstByte{},
		RecordingHeads{}, RecordingRecovered{}, RecordingFailed{}, RecordingMode{}, ReviewOpened{}, ReviewClosed{},
		ReviewNoted{}, ReviewSigned{}, ReviewReplied{}, ReviewDrawn{}, HoldSet{}, HoldLifted{}, RecordingExpired{}, DeletionAsked{}, RecordingDeleted{},
		CheckpointTaken{}, OutsideChanged{}, BackupTaken{}, BackupRestored{},
		EvidenceAsked{}, EvidenceDelivered{},
		IslandAnswered{}, OutageWritten{}, OutageWithdrawn{}, KioskEnrolled{}, KioskRevoked{},
		RosterWritten{}, DeputyNamed{}, DeputyEnded{}, CallMade{}, CallAnswered{}, QuestionAnswered{}, PriorityChanged{},
		AnswerWithdrawn{}, FirmEnded{}, TermsAccepted{}, TrainingNoted{}, EndingTold{}, AccessListed{}, AccessSigned{}, AccountLinked{},
		SecretSealed{}, SecretUsed{}, SecretShown{}, SecretRotating{}, SecretRotated{}, SecretKept{},
		AssetBackup{}, DebtOpened{}, DebtClosed{}, MeasureBaseline{}, MeasureMinutes{},
		HostKeyChanged{}, HostKeyAccepted{}, HostKeyConfirmed{}, HostKeyCleared{}, TargetChecked{},
		EnvelopeSealed{}, EnvelopeOpened{}, RecoveryBegan{}, PersonSuspended{}, AuthoritiesRotated{}, RecoveryDone{},
		AgentInvited{}, AgentJoined{}, AgentConfirmed{}, AgentRemoved{}, AgentUp{}, AgentDown{},
		FileHeld{}, FileMoved{},
	} {
		m[b.Type()] = reflect.TypeOf(b)
	}
	return m
}()

// Bodies are an empty one of every type of event, by name: for whoever must
// have words for all of them.
func Bodies() map[string]Body {
	all := map[string]Body{}
	for name, t := range bodies {
		all[name] = reflect.Zero(t).Interface().(Body)
	}
	return all
}

// Unknown is an event of a type that this build does not know, kept as it came.
type Unknown struct {
	Name string
	Raw  json.RawMessage
}

func (u Unknown) Type() string                 { return u.Name }
func (u Unknown) MarshalJSON() ([]byte, error) { return u.Raw, nil }

// decodeBody makes the struct for an event's type; a known type with a body
// that does not fit, or has a field more, is an error; an unknown type is an
// Unknown.
func decodeBody(name string, raw json.RawMessage) (Body, error) {
	t, ok := bodies[name]
	if !ok {
		return Unknown{name, raw}, nil
	}
	v := reflect.New(t)
	if err := strictly(raw, v.Interface()); err != nil {
		return nil, fmt.Errorf("body of %s: %w", name, err)
	}
	return v.Elem().Interface().(Body), nil
}
