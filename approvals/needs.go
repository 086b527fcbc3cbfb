package approvals

import (
	"context"
	"iter"
	"time"

	"penstock/approvals/evidence"
	"penstock/approvals/people"
	"penstock/approvals/state"
	"penstock/audit"
	"penstock/policy"
)

// Leaves reads leaves; rows are never believed about answers.
type Leaves interface {
	// Leaf is checked against the log's tree; fs.ErrNotExist if there is none.
	Leaf(context.Context, audit.Place) (audit.Leaf, error)
}

// Log is what the Desk needs of audit.Log beside its Journal.
type Log interface {
	// Append returns once the event is durable; an error is final.
	Append(context.Context, audit.Event) (audit.Leaf, error)
	// Upto yields leaves in order, from an index to the size at the call.
	Upto(context.Context, audit.Index) iter.Seq2[audit.Leaf, error]
}

// Stopper acts on sessions in memory, at once, waiting for no disk or network:
// the Broker. Taking verbs call it before they commit. It must be safe to call
// again and for windows without a session.
type Stopper interface {
	// Stop ends every channel that is bound to the window, for good: no channel
	// of it opens again.
	Stop(w policy.WindowID, why error)
	// Wind lets a window end in order: nothing new begins, what has nothing half
	// done ends at idle (zero: now), what is half done may finish, at most until
	// the window's end. It gives what is half done; none: all has ended, as by
	// Stop. done is called once, when no channel is left.
	Wind(w policy.WindowID, idle time.Time, why error, done func()) (half []string)
	// HalfDone says what may still finish in a window.
	HalfDone(w policy.WindowID) []string
	// Hold stops the vendor's input of a window; why is what the person reads,
	// "paused by Mia Voss (Filling shift supervisor): …. Call …". Release lets it go on.
	Hold(w policy.WindowID, why string)
	// PauseAfter holds a window's input once what is half done in it is done, and
	// gives that; none: it is held already, as by Hold. Nothing new begins. done is
	// called once, when all of it waits.
	PauseAfter(w policy.WindowID, why string, done func()) (half []string)
	// Narrow leaves a window no more than these rights; why is what the person
	// reads. What can do more and is stopped by nobody loses its input.
	Narrow(w policy.WindowID, rights policy.Rights, why string)
	Release(w policy.WindowID)
	// Block ends every session that the block fits.
	Block(b policy.Block, why error)
}

// journal is what the Desk asks of state.Journal, whose contract stands there.
type journal interface {
	CommitOn(ctx context.Context, key string, ev audit.Event, on ...state.Seen) (audit.Leaf, error)
	Check(ctx context.Context) (differences []string, err error)
	Failed() <-chan struct{}
	Err() error
	Settled()
}

// roster is what the Desk asks of people.Roster.
type roster interface {
	Person(ctx context.Context, id policy.PersonID) (people.Person, error) // fs.ErrNotExist
	Firm(ctx context.Context, id policy.FirmID) (people.Firm, error)       // fs.ErrNotExist
	People(ctx context.Context) ([]people.Person, error)
	Firms(ctx context.Context) ([]people.Firm, error)
	Facts(ctx context.Context, id policy.PersonID) (policy.PersonFacts, error)
	Change(ctx context.Context, by people.Actor, who policy.PersonID, name string, roles []policy.Role) error
	Members(ctx context.Context, scope string) ([]people.Person, error)
	Scopes(ctx context.Context) ([]string, error)
	Access(ctx context.Context, scope string) (a people.Access, ok bool, err error)
	AccessReviews(ctx context.Context) ([]people.Access, error)
	Waits(ctx context.Context, a people.Access) ([]policy.PersonID, error)
	Lapsed(ctx context.Context, p people.Person) ([]policy.Role, error)
	ListAccess(ctx context.Context, by people.Actor, list evidence.AccessList, document audit.Hash) error
	MaySignAccess(ctx context.Context, by people.Actor, scope string) error
	CheckSign(ctx context.Context, by people.Actor, scope string, document audit.Hash, kept, ended []policy.PersonID) (people.Access, people.Person, error)
	SignAccess(ctx context.Context, by people.Actor, scope string, document audit.Hash, kept, ended []policy.PersonID) error
	TellEndings(ctx context.Context, more ...people.Ending) (next time.Time, err error)
	MayDisable(ctx context.Context, by people.Actor, who policy.PersonID) error
	Disable(ctx context.Context, by people.Actor, who policy.PersonID, why string) error
	MayEndFirm(ctx context.Context, by people.Actor, id policy.FirmID) error
	EndFirm(ctx context.Context, by people.Actor, id policy.FirmID, why string) error
	Envelopes(ctx context.Context) ([]people.Envelope, error)
}

// reads is the half of audit.Documents that a fold needs.
type reads interface {
	Get(ctx context.Context, h audit.Hash) ([]byte, error) // checked; fs.ErrNotExist
}

// documents is audit.Documents.
type documents interface {
	reads
	Put(ctx context.Context, b []byte) (audit.Hash, error) // durable on return
}
