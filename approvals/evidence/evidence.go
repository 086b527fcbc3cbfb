// Package evidence holds what was asked and answered as documents, and the one
// check of the second against the first. Broker and penstock-verify call the
// same Check.
//
// It is pure: no store, no clock, no socket. It trusts the leaves and the
// plant file that it is given, and no row.
package evidence

import (
	"context"
	"errors"
	"iter"
	"time"

	"penstock/audit"
	"penstock/policy"
)

var errUnbuilt = errors.New("not built yet")

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
	By        string     `json:"by"`     // who wrote it
	People    []string   `json:"people"` // who will work, sorted
	Kind      string     `json:"kind"`   // remote
	Assets    []Target   `json:"assets"`
	Rights    []string   `json:"rights"`
	Reason    string     `json:"reason"`
	WorkOrder string     `json:"work_order,omitempty"`
	Change    string     `json:"change,omitempty"`
	Backup    string     `json:"backup,omitempty"`
	Backout   string     `json:"backout,omitempty"`
	AreaClear string     `json:"area_clear,omitempty"`
	Minutes   int        `json:"minutes"`
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	Open      string     `json:"open"`  // shift, auto, vendor: the rule's, at the asking
	Plant     audit.Hash `json:"plant"` // plant file in force
	Nonce     string     `json:"nonce"` // 32 random bytes, base64url
}

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
	Extend    = "extend" // the opener's answer to a window and its new end
)

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
	Window    string     `json:"window,omitempty"` // of an extension
	Until     time.Time  `json:"until,omitzero"`   // of an extension: the new end
	Nonce     string     `json:"nonce"`            // 32 random bytes, base64url
	At        time.Time  `json:"at"`
	DecideBy  time.Time  `json:"decide_by"`
	Proof     Proof      `json:"proof"`
}

// Proof says how the answer was signed. Kind "totp": the server's word, no
// more; Data is the spent TOTP step in decimal, which counts once per person.
type Proof struct {
	Kind string `json:"kind"`
	Data string `json:"data"`
}

// WindowClaim is what the broker says was agreed: canonical JSON, put as a
// document, named by window.agreed.
type WindowClaim struct {
	V       int        `json:"v"` // 1
	Window  string     `json:"window"`
	Request audit.Hash `json:"request"`
	People  []string   `json:"people"`
	Assets  []Target   `json:"assets"`
	Rights  []string   `json:"rights"`
	Minutes int        `json:"minutes"`
	From    time.Time  `json:"from"`
	To      time.Time  `json:"to"`
	Open    string     `json:"open"`
}

// Given is an answer as the log has it: the leaf's place and time, the document,
// and firm and roles of the person as the log's own earlier leaves say.
type Given struct {
	Leaf  audit.Place
	Wall  time.Time
	Body  []byte // the answer document
	Firm  string
	Roles []string
	Plant bool // the firm is the plant
}

// Key is an enrolled key that can prove answers; Since is the leaf that enrolled or confirmed it.
type Key struct {
	Person string
	Kind   string
	Public []byte
	Since  audit.Place
}

// Check is empty if the answers suffice for exactly this window: exact
// revision, distinct people and keys, nobody who works in the window or is of
// that firm, keys older than answers, in time, nonces and steps once, quorum
// recomputed from the plant file that the request names, window ⊆ intersection
// of the limits ⊆ request. Each finding is one sentence.
func Check(plant *policy.Plant, request []byte, answers []Given, keys []Key, w WindowClaim) (findings []string) {
	return []string{errUnbuilt.Error()}
}

// Narrow is the widest claim that the request and these answers allow: the
// intersection of the request and the limits of every yes. The Desk makes the
// window of it, and Check recomputes it.
func Narrow(r Request, answers []Answer) (WindowClaim, error) { return WindowClaim{}, errUnbuilt }

// CheckExtension is empty if the opener's answer allows the window's new end:
// within the span, every limit's earlier end and the rule's longest; by a
// person who may open, not of the firm.
func CheckExtension(plant *policy.Plant, request []byte, yes []Given, extension Given, keys []Key, w WindowClaim, opened time.Time) (findings []string) {
	return []string{errUnbuilt.Error()}
}

// Words are the eight words that a document's hash makes; people compare them by voice.
func Words(h audit.Hash) []string { panic(errUnbuilt) }

// Documents is how Walk reads what leaves name.
type Documents interface {
	Get(context.Context, audit.Hash) ([]byte, error)
}

// Walk folds a log's leaves in order and checks every window in it: was it
// agreed, by whom, opened by somebody who may, extended and ended as it says,
// and did every session and channel fit a window that was open. It knows people
// and keys only from the leaves. It satisfies audit/verify.Walk.
type Walk struct{}

// NewWalk begins before leaf 0.
func NewWalk(docs Documents) *Walk { panic(errUnbuilt) }

func (w *Walk) Leaf(ctx context.Context, leaf audit.Leaf) (findings []string) {
	return []string{errUnbuilt.Error()}
}
func (w *Walk) Done(ctx context.Context) (windows int64, findings []string) {
	return 0, []string{errUnbuilt.Error()}
}

// Leaves is what a Walk can be run over.
type Leaves interface {
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
}
