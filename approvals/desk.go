// Package approvals is what was agreed: requests, answers and windows, with
// their states and every step between them.
//
// It gives the Desk, the one place where these change. It decides nothing about
// the plant (policy does) and moves no bytes (broker does). It trusts the log's
// leaves and the documents they name, and no row: facts for a decision are
// recomputed from leaves by evidence.Check.
package approvals

import (
	"context"
	"errors"
	"iter"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

var errUnbuilt = errors.New("not built yet")

// Leaves reads leaves; rows are never believed about answers.
type Leaves interface {
	Leaf(context.Context, audit.Place) (audit.Leaf, error)
}

// Log is what the Desk needs of audit.Log beside its Journal.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
}

// Stopper acts on sessions in memory, at once, waiting for no disk or network:
// the Broker. Taking verbs call it before they commit.
type Stopper interface {
	// Stop ends every channel that is bound to the window.
	Stop(w policy.WindowID, why error)
	// Hold stops the vendor's input of a window; Release lets it go on.
	Hold(w policy.WindowID, why string)
	Release(w policy.WindowID)
	// Block ends every session that the block fits.
	Block(b policy.Block, why error)
}

// Ask is what a person fills in; Submit makes the document of it.
type Ask struct {
	Firm                                          policy.FirmID // of the people who will work
	People                                        []policy.PersonID
	Kind                                          string // "" is remote
	Targets                                       []policy.Target
	Rights                                        policy.Rights
	Reason                                        string
	WorkOrder, Change, Backup, Backout, AreaClear string
	Minutes                                       int
	From, To                                      time.Time
}

// RequestState is one of the words of DESIGN section 3.
type RequestState string

const (
	RequestWaiting    RequestState = "waiting"
	RequestAsleep     RequestState = "asleep"
	RequestAgreed     RequestState = "agreed"
	RequestRefused    RequestState = "refused"
	RequestWithdrawn  RequestState = "withdrawn"
	RequestUnanswered RequestState = "unanswered"
	RequestSuperseded RequestState = "superseded" // a revision that another replaced
)

// WindowState is one of the words of DESIGN section 3.
type WindowState string

const (
	WindowAgreed WindowState = "agreed"
	WindowOpen   WindowState = "open"
	WindowPaused WindowState = "paused"
	WindowEnding WindowState = "ending"
	WindowEnded  WindowState = "ended"
	WindowClosed WindowState = "closed"
	WindowCut    WindowState = "cut"
	WindowUnused WindowState = "unused"
)

// Request is a request's newest revision with what was answered to it.
type Request struct {
	ID       policy.RequestID
	State    RequestState
	Rev      int // of the document
	Document evidence.Request
	Hash     audit.Hash    // of the canonical document
	Needs    []policy.Need // still to be answered
	Answers  []AnswerLine
	Window   policy.WindowID // once agreed
	Asleep   time.Time       // until, where asleep
	At       time.Time       // submitted or revised
}

// AnswerLine is one answer for a list.
type AnswerLine struct {
	Person policy.PersonID
	Role   policy.Role
	Says   string
	Why    string
	Limits evidence.Limits
	At     time.Time
	Leaf   audit.Place
}

// Window is where a window stands.
type Window struct {
	ID       policy.WindowID
	Request  policy.RequestID
	State    WindowState
	Claim    evidence.WindowClaim
	Firm     policy.FirmID
	Opened   time.Time // zero: not yet
	OpenedBy policy.PersonID
	Until    time.Time // the end in force; zero while not open
	Why      string    // of the newest step
	By       policy.PersonID
	HandBack string // given text
	Rev      uint64
}

// Changed tells which window, block or person to ask Facts about again. All
// empty: ask about everything.
type Changed struct {
	Window policy.WindowID
	Person policy.PersonID
	Block  string
}

// Parts of a Desk, in the order they are built.
type Parts struct {
	Plant   func() *policy.Plant
	Roster  *people.Roster
	Journal *state.Journal
	Rows    state.Store
	Leaves  Leaves
	Docs    *audit.Documents
	Log     Log              // person.asked goes straight there; read once at start
	Now     func() time.Time // wall clock; nil: time.Now
}

// Desk is where requests are asked and answered, and windows opened and ended.
// Errors of every verb: *policy.Refusal, state.ErrConflict, else a fault.
type Desk struct{}

// NewDesk does no I/O.
func NewDesk(p Parts) *Desk { panic(errUnbuilt) }

// Stops sets who stops sessions; before Run, which fails without.
func (d *Desk) Stops(s Stopper) { panic(errUnbuilt) }

// Run settles: what time does (asleep, unanswered, unused, ended) and what a
// crash left half done; then again whenever a verb or a moment asks for it,
// until ctx ends.
func (d *Desk) Run(ctx context.Context) error { return errUnbuilt }

// Requests.
func (d *Desk) Submit(ctx context.Context, by people.Actor, a Ask) (Request, error) {
	return Request{}, errUnbuilt
}
func (d *Desk) Revise(ctx context.Context, by people.Actor, id policy.RequestID, a Ask) (Request, error) {
	return Request{}, errUnbuilt
}
func (d *Desk) Withdraw(ctx context.Context, by people.Actor, id policy.RequestID, why string) error {
	return errUnbuilt
}

// Answer is one person's answer to exactly the revision whose document hash is
// given (a page gone stale is refused with what happened meanwhile). Yes asks
// for a code proved within 5 minutes (Actor.Step); no, not-before and question do not.
func (d *Desk) Answer(ctx context.Context, by people.Actor, id policy.RequestID, document audit.Hash, r Reply) (Request, error) {
	return Request{}, errUnbuilt
}

// Reply is what an answer says.
type Reply struct {
	Says      string      // evidence.Yes, No, NotBefore, Question
	Role      policy.Role // empty: the one of the actor's roles that is still needed
	Why       string
	Limits    evidence.Limits
	NotBefore time.Time
}

// Look: everybody of the plant sees all; a vendor's person the firm's own.
func (d *Desk) Request(ctx context.Context, by people.Actor, id policy.RequestID) (Request, error) {
	return Request{}, errUnbuilt
}
func (d *Desk) Requests(ctx context.Context, by people.Actor) ([]Request, error) {
	return nil, errUnbuilt
}
func (d *Desk) Window(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	return Window{}, errUnbuilt
}
func (d *Desk) Windows(ctx context.Context, by people.Actor) ([]Window, error) {
	return nil, errUnbuilt
}

// OpenFor lists a person's windows that are open now and agreed by the log's
// leaves: what a certificate may name. The time is the latest of their ends.
func (d *Desk) OpenFor(ctx context.Context, p policy.PersonID) ([]Window, error) {
	return nil, errUnbuilt
}

// Windows. Giving (Open, GoOn, Extend) asks for a code; taking never does.
func (d *Desk) Open(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	return Window{}, errUnbuilt
}

// OpenByUse opens the person's agreed windows whose rule lets the vendor's first
// use open them (open: vendor); cert@ calls it before OpenFor.
func (d *Desk) OpenByUse(ctx context.Context, p policy.PersonID) error { return errUnbuilt }
func (d *Desk) Extend(ctx context.Context, by people.Actor, id policy.WindowID, until time.Time) (Window, error) {
	return Window{}, errUnbuilt
}
func (d *Desk) Pause(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	return Window{}, errUnbuilt
}
func (d *Desk) GoOn(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	return Window{}, errUnbuilt
}
func (d *Desk) End(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	return Window{}, errUnbuilt
}
func (d *Desk) Cut(ctx context.Context, by people.Actor, id policy.WindowID, why string) (Window, error) {
	return Window{}, errUnbuilt
}
func (d *Desk) HandBack(ctx context.Context, by people.Actor, id policy.WindowID, text string) (Window, error) {
	return Window{}, errUnbuilt
}
func (d *Desk) Accept(ctx context.Context, by people.Actor, id policy.WindowID) (Window, error) {
	return Window{}, errUnbuilt
}

// Blocks.
func (d *Desk) Block(ctx context.Context, by people.Actor, b policy.Block) (policy.Block, error) {
	return policy.Block{}, errUnbuilt
}
func (d *Desk) Lift(ctx context.Context, by people.Actor, id, why string) error { return errUnbuilt }
func (d *Desk) Island(ctx context.Context, by people.Actor, why string) (policy.Block, error) {
	return policy.Block{}, errUnbuilt
}
func (d *Desk) Blocks(ctx context.Context) ([]policy.Block, error) { return nil, errUnbuilt }

// Facts are a window and a person for Decide, recomputed from leaves and
// documents; Agreed is evidence.Check's word. Any error refuses.
func (d *Desk) Facts(ctx context.Context, w policy.WindowID, p policy.PersonID) (policy.Facts, error) {
	return policy.Facts{}, errUnbuilt
}

// Watch yields what to ask again about, from the call on, until ctx ends.
func (d *Desk) Watch(ctx context.Context) iter.Seq2[Changed, error] { panic(errUnbuilt) }

// Fold makes rows request/…, window/… and block/… of leaves.
func Fold(docs *audit.Documents) state.Fold { panic(errUnbuilt) }
