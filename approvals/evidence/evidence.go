// Package evidence holds what was asked and answered as documents, and the one
// check of the second against the first. Broker and penstock-verify call the
// same Check.
//
// It is pure: no store, no clock, no socket. It trusts the leaves and the
// plant file that it is given, and no row.
//
// Begin with Check (check.go) for one window; Walk (walk.go) is the same for a
// whole log, a file for each subject.
package evidence

import (
	"fmt"
	"time"

	"penstock/audit"
)

// Target is one way into one asset, as asked.
type Target struct {
	Asset   string `json:"asset"`
	Port    string `json:"port"`
	Account string `json:"account,omitempty"`
}

// Request is the exact text that is answered: canonical JSON, put as a
// document, named by hash. Times are RFC 3339 UTC; Assets are sorted.
type Request struct {
	V         int        `json:"v"` // 1
	Request   string     `json:"request"`
	Rev       int        `json:"rev"` // from 1
	Firm      string     `json:"firm"`
	By        string     `json:"by"`               // who wrote it
	People    []string   `json:"people"`           // who will work, sorted
	Kind      string     `json:"kind"`             // Remote, Emergency, OnSite, Machine, Connectivity, Exception
	Called    bool       `json:"called,omitempty"` // By is of the plant and calls them in: their yes may be the ask
	Assets    []Target   `json:"assets"`
	Rights    []string   `json:"rights"`
	Reason    string     `json:"reason"`
	WorkOrder string     `json:"work_order,omitempty"`
	Change    string     `json:"change,omitempty"`
	Backup    string     `json:"backup,omitempty"`
	Backout   string     `json:"backout,omitempty"`
	AreaClear string     `json:"area_clear,omitempty"`
	Laptop    string     `json:"laptop,omitempty"`    // of kind on-site: its name or tag, by which people find it
	Jack      string     `json:"jack,omitempty"`      // of kind on-site: the plant file's service jack that the laptop works through, recorded; empty: it does not
	Machine   Bound      `json:"machine,omitzero"`    // of kind standing: what holds the one machine that is its people
	Outage    string     `json:"outage,omitempty"`    // O-1: it is a row of that list, or is to be
	Happening string     `json:"happening,omitempty"` // safety, stopped, degraded, planned: as whoever asks sees it
	Priority  string     `json:"priority"`            // P1 to P4; it and the next four are computed (Tell) from the plant file
	Can       string     `json:"can"`                 // what they can do
	Worst     string     `json:"worst"`               // what it can come to
	Stopper   string     `json:"stopper"`             // who stops what goes beyond
	Starts    []string   `json:"starts,omitempty"`    // of an emergency, computed as well: the rights until the second tap
	Waives    []string   `json:"waives,omitempty"`    // and the calendars that would say no at some time in its span
	Weak      string     `json:"weak,omitempty"`      // which machines are spoken to in old SSH, and who answers for it
	Files     string     `json:"files,omitempty"`     // which files pass through these accounts, and what waits for a look
	Red       Red        `json:"red,omitzero"`        // what is out of order with who asks: walls by day
	Drill     bool       `json:"drill,omitempty"`     // an exercise: as real as any, and counted in no measure
	Escort    bool       `json:"escort,omitempty"`    // they work under an escort, whatever the rules ask: with a red item
	Minutes   int        `json:"minutes"`
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Open      string     `json:"open"`             // shift, auto, vendor: the rule's, at the asking
	Plant     audit.Hash `json:"plant"`            // plant file in force
	Pattern   audit.Hash `json:"pattern,omitzero"` // that it was asked under: its Pattern document
	Nonce     string     `json:"nonce"`            // 32 random bytes, base64url without padding

	Registers []Registers `json:"registers,omitempty"` // that alone may be changed; by way in, sorted

	FileHashes []audit.Hash `json:"file_hashes,omitempty"` // files that may go in once they were looked at, sorted: these were agreed by their hash
}

// Kinds of requests.
const (
	Remote       = "remote"
	OnSite       = "on-site"      // with a laptop at the machine itself: agreed, opened and ended like any other, and not recorded
	Machine      = "standing"     // a machine of the vendor's, day and night, until it is not confirmed (Bound)
	Connectivity = "connectivity" // proves before the job that the way works; nothing passes
	Exception    = "exception"    // what calendars or the rules' longest would refuse (policy.Exception)
	Emergency    = "emergency"    // one yes, look first, a second tap for more (policy.Emergency)
)

// Limits narrow a yes. A zero field does not limit.
type Limits struct {
	Rights  []string  `json:"rights,omitempty"`
	Assets  []Target  `json:"assets,omitempty"`
	Minutes int       `json:"minutes,omitempty"`
	Until   time.Time `json:"until,omitzero"`
}

// What an answer says.
const (
	Yes       = "yes"
	No        = "no"
	NotBefore = "not-before"
	Question  = "question"
	Extend    = "extend"  // the opener's answer to a window and its new end
	StepUp    = "step-up" // the opener's second tap: from now on an emergency's window has the rights in Limits
	Opens     = "open"    // the opener's tap: this window, with the rights and minutes in Limits
	GoesOn    = "go-on"   // the opener's tap: this paused window, with the rights in Limits, to Until
)

// Named says what it means that a request names files by their hash; "" where it names none.
func (r Request) Named() string {
	switch n := len(r.FileHashes); n {
	case 0:
		return ""
	case 1:
		return "1 file is named by its hash: once looked at, it is released by itself."
	default:
		return fmt.Sprintf("%d files are named by their hash: once looked at, they are released by themselves.", n)
	}
}

// Answer is one person's word to one exact request revision, signed: the proof
// is over the canonical answer without it.
type Answer struct {
	V         int        `json:"v"` // 1
	Request   audit.Hash `json:"request"`
	Person    string     `json:"person"`
	Firm      string     `json:"firm"`
	Role      string     `json:"role"` // in which the person answers
	Says      string     `json:"says"`
	Why       string     `json:"why,omitempty"`
	Limits    Limits     `json:"limits,omitzero"`
	NotBefore time.Time  `json:"not_before,omitzero"`
	Window    string     `json:"window,omitempty"` // of an extension, a second tap, open and go-on
	Until     time.Time  `json:"until,omitzero"`   // of an extension: the new end; of go-on: the end in force
	Rev       uint64     `json:"rev,omitempty"`    // of open and go-on: the revision of the window's row, so that no tap counts for another pause
	Kiosk     string     `json:"kiosk,omitempty"`  // K-1: the control room's screen at which the person tapped their passkey
	Rows      []string   `json:"rows,omitempty"`   // of a yes to an outage's list: the requests that it answers, sorted
	Looked    []string   `json:"looked,omitempty"` // of these, those that were looked at one by one, sorted
	Heard     string     `json:"heard,omitempty"`  // of a yes that was spoken: who heard it, and proves it
	Spoken    audit.Hash `json:"spoken,omitzero"`  // of countersign and deny: the Answer that was heard
	Nonce     string     `json:"nonce"`            // 32 random bytes, base64url without padding
	At        time.Time  `json:"at"`
	DecideBy  time.Time  `json:"decide_by"`
	Proof     Proof      `json:"proof,omitzero"`
}

// WindowClaim is what the broker says was agreed: canonical JSON, put as a
// document, named by window.agreed.
type WindowClaim struct {
	V         int        `json:"v"` // 1
	Window    string     `json:"window"`
	Request   audit.Hash `json:"request"`
	People    []string   `json:"people"`
	Assets    []Target   `json:"assets"`
	Rights    []string   `json:"rights"`
	Minutes   int        `json:"minutes"`
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Open      string     `json:"open"`
	Starts    []string   `json:"starts,omitempty"`    // of an emergency: Rights until the second tap
	Escort    bool       `json:"escort,omitempty"`    // as the request says
	Network   string     `json:"network,omitempty"`   // of the request's red item: whence they may come besides
	Laptop    string     `json:"laptop,omitempty"`    // of work on site, which no certificate and no session is for
	Probe     bool       `json:"probe,omitempty"`     // of kind connectivity
	Exception bool       `json:"exception,omitempty"` // of kind exception
	Waives    []string   `json:"waives,omitempty"`    // of it, as the request says; what is not named here is not passed over
	Jack      string     `json:"jack,omitempty"`      // the service jack that the laptop works through
	Machine   Bound      `json:"machine,omitzero"`    // of a standing agreement, as the request says
	Gates     []string   `json:"gates,omitempty"`     // that its pattern asks besides those of the rules

	Registers []Registers `json:"registers,omitempty"` // as the request has them, for the ways in that are left
}

// AtMachine says whether a request is for a laptop at the machine itself, as
// WindowClaim.OnSite does of a window.
func (r Request) AtMachine() bool { return r.Kind == OnSite && r.Jack == "" }

// Given is an answer as the log has it: the leaf's place and time, the document,
// and firm and roles of the person as the log's own earlier leaves say.
type Given struct {
	Leaf  audit.Place
	Wall  time.Time
	Body  []byte // the answer document
	Firm  string
	Roles []string
	Plant bool // the firm is the plant

	Outage []byte // of an answer to an outage's list: that list
}

// What is not handed over in time after the change of shift rings, and then has
// its input paused.
const (
	HandoverRings  = 10 * time.Minute
	HandoverPauses = 20 * time.Minute
)

// MaxHandedOver bounds the windows of one handover.
const MaxHandedOver = 200

// EscortEvery is how often an escort says that they still watch; two that are
// missed hold the vendor's input.
const EscortEvery = 5 * time.Minute

// Key is an enrolled key that can prove answers. Since is the leaf from which it
// counts: that enrolled or confirmed it, or by which somebody vouched for it.
type Key struct {
	Person string
	Kind   string // passkey, ssh, totp
	ID     string // SHA256:…, else the kind
	Public []byte // of ssh in authorized_keys form, of passkey the COSE key
	Since  audit.Place
	Broken string // why no signature by it counts; empty: the chain of vouching reaches the bootstrap file
}
