// Package broker is what is happening: sessions of proven people, each channel
// bound to one window, and the one gate that bytes pass.
//
// It gives Admit, Session.Open and Channel.In and Out. It proves nobody (sshd
// and login do), agrees nothing (approvals does) and dials nothing (dial does).
// It trusts the decision of policy, the facts of the Agreement and the
// recorder's word that a byte is durable; an error of any of them refuses.
package broker

import (
	"context"
	"errors"
	"io"
	"iter"
	"net/netip"
	"time"

	"penstock/approvals"
	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
)

var errUnbuilt = errors.New("not built yet")

// Agreement is what was agreed; *approvals.Desk is it.
type Agreement interface {
	Facts(context.Context, policy.WindowID, policy.PersonID) (policy.Facts, error) // any error refuses
	Watch(context.Context) iter.Seq2[approvals.Changed, error]                     // if it ends, sessions that cannot be re-checked end
}

// Log is where the broker says what happens: durable on return, an error is
// final and nothing more is admitted.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Guest is the person's end of a session: sshd has one per connection.
type Guest interface {
	Tell(text string) // without disturbing a full-screen program; ≤ 200 ms, shown or not
	Close(why error)  // says why and cuts; ≤ 500 ms; safe to repeat
}

// Arrival is who came, proved, not offered.
type Arrival struct {
	Person  policy.PersonID
	Windows []policy.WindowID // that the certificate names
	Serial  string
	Source  netip.Addr
	Client  string // client version line, cut and escaped
	Kex     string // negotiated algorithms, for the record
}

// Limits of a Broker; zero fields take the defaults.
type Limits struct {
	Sessions          int             // at once; 500
	SessionsPerPerson int             // 8
	Channels          int             // open in one session; 64
	Warnings          []time.Duration // before the end: 15, 5 and 1 min
}

// Clock is where the gate takes its three times from.
type Clock struct {
	Wall func() time.Time     // may step
	Boot func() time.Duration // CLOCK_BOOTTIME: goes on in suspend; monotonic comes with time.Now
}

// Broker holds every session in one hand.
type Broker struct{}

// New makes a broker. next gives session ids ("S-1", durable counter from the log: never twice).
func New(plant func() *policy.Plant, a Agreement, log Log, archive *recording.Archive, l Limits, c Clock, next func() policy.SessionID) *Broker {
	panic(errUnbuilt)
}

// Ready says why nobody is admitted now (disk, log, clock, drain), nil if people are.
func (b *Broker) Ready() error { return errUnbuilt }

// Refuse makes Admit refuse with this refusal until nil is set: clock not accepted, and the like.
func (b *Broker) Refuse(why *policy.Refusal) { panic(errUnbuilt) }

// Admit: at least one of Windows is live (Facts, Decide(AtAdmit)) → Archive.Create
// → session.started, durable. The first no or error; nothing is left behind.
func (b *Broker) Admit(ctx context.Context, a Arrival, g Guest) (*Session, error) {
	return nil, errUnbuilt
}

// Run follows the Agreement, clocks and recorder: warns, asks again, ends.
// It returns when ctx ends or when the Agreement can no longer be followed.
func (b *Broker) Run(ctx context.Context) error { return errUnbuilt }

// Recheck asks again for every session: after a new plant file.
func (b *Broker) Recheck(ctx context.Context) { panic(errUnbuilt) }

// Drain admits nobody more, tells everybody, waits for sessions to end until
// ctx ends, and then ends them.
func (b *Broker) Drain(ctx context.Context) error { return errUnbuilt }

// Stop, Hold, Release and Block make the Broker an approvals.Stopper: at once, in memory.
func (b *Broker) Stop(w policy.WindowID, why error)  { panic(errUnbuilt) }
func (b *Broker) Hold(w policy.WindowID, why string) { panic(errUnbuilt) }
func (b *Broker) Release(w policy.WindowID)          { panic(errUnbuilt) }
func (b *Broker) Block(bl policy.Block, why error)   { panic(errUnbuilt) }

// Live is one session for a list.
type Live struct {
	Session  policy.SessionID
	Person   policy.PersonID
	Firm     policy.FirmID
	Source   netip.Addr
	Started  time.Time
	Channels []LiveChannel
}
type LiveChannel struct {
	Number  int
	Window  policy.WindowID
	Kind    string
	Target  policy.Target
	Until   time.Time
	In, Out int64
	Held    bool
}

// Sessions lists who is in.
func (b *Broker) Sessions() []Live { panic(errUnbuilt) }

// Session is one authenticated connection of one person.
type Session struct{}

func (s *Session) ID() policy.SessionID    { panic(errUnbuilt) }
func (s *Session) Person() policy.PersonID { panic(errUnbuilt) }

// Open binds a channel to the one live window that fits asset, port and account
// (several: the one that ends last): Decide(AtChannel) → Stream →
// channel.opened, durable. kind is the SSH word ("session", …). A *policy.Refusal leaves the
// session alive, and is written as channel.refused.
func (s *Session) Open(ctx context.Context, q policy.Query) (*Channel, error) {
	return nil, errUnbuilt
}

// End ends the session; it returns when the last byte has passed. The recording
// and session.ended follow; Done is closed after them.
func (s *Session) End(why error)         { panic(errUnbuilt) }
func (s *Session) Done() <-chan struct{} { panic(errUnbuilt) }

// Channel is one shell, exec or stream: the gate for its bytes.
type Channel struct{}

func (c *Channel) Number() int               { panic(errUnbuilt) }
func (c *Channel) Decision() policy.Decision { panic(errUnbuilt) }
func (c *Channel) Query() policy.Query       { panic(errUnbuilt) }
func (c *Channel) Session() policy.SessionID { panic(errUnbuilt) }
func (c *Channel) Person() policy.PersonID   { panic(errUnbuilt) }
func (c *Channel) Firm() policy.FirmID       { panic(errUnbuilt) }

// Context ends with the channel; its cause is why.
func (c *Channel) Context() context.Context { panic(errUnbuilt) }

// Own registers what must be closed with the channel: a dialled connection, a
// cancel. After the end: closed now, and the cause is returned. So a dial cannot outlive a cut.
func (c *Channel) Own(x io.Closer) error { return errUnbuilt }

// In is the one gate for a vendor's bytes (promises 1 and 2): waits while held,
// looks at the clocks and the end, Commit, looks once more; nil: p may be
// written to the target, now. InputOff swallows: forward is false.
func (c *Channel) In(ctx context.Context, p []byte) (forward bool, err error) {
	return false, errUnbuilt
}

// Out records bytes to the vendor: Append, or Commit where Duties.StrictBoth;
// nil: p may be shown.
func (c *Channel) Out(ctx context.Context, m recording.Mark, p []byte) error { return errUnbuilt }

// Ask is one decision inside the channel (pty-req, exec, subsystem, an
// operation), recorded as a Request frame with its outcome. detail is put in
// the frame as it is: canonical JSON or nil.
func (c *Channel) Ask(ctx context.Context, kind string, detail any) policy.Decision {
	panic(errUnbuilt)
}

// Mark records what is no byte stream: Resize, Exit, EOF, Note.
func (c *Channel) Mark(ctx context.Context, m recording.Mark, p []byte) error { return errUnbuilt }

// Close ends the channel from this side: exit is the target's status or "".
func (c *Channel) Close(exit string, cause error) { panic(errUnbuilt) }
