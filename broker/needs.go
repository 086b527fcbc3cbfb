package broker

import (
	"context"
	"iter"
	"time"

	"penstock/approvals"
	"penstock/audit"
	"penstock/audit/recording"
	"penstock/policy"
)

// Agreement is what was agreed; *approvals.Desk is it.
type Agreement interface {
	// Facts are a window and a person for Decide, as the log has them now. Any error refuses.
	Facts(context.Context, policy.WindowID, policy.PersonID) (policy.Facts, error)
	// Watch yields what to ask Facts again about, from the call on. If it ends,
	// sessions that cannot be asked about again end.
	Watch(context.Context) iter.Seq2[approvals.Changed, error]
}

// Log is where the broker says what happens: durable on return, an error is
// final and nothing more is admitted.
type Log interface {
	Append(context.Context, audit.Event) (audit.Leaf, error)
}

// Guest is the person's end of a session: sshd has one per connection. Calls
// come from goroutines of the broker, several at a time.
type Guest interface {
	Tell(text string) // without disturbing a full-screen program; ≤ 200 ms, shown or not
	Close(why error)  // says why and cuts; ≤ 4 s, in which nothing passes; safe to repeat
}

// archive, writer and stream are what the gate asks of audit/recording, whose
// contracts stand there; recorded is the real one.
type archive interface {
	Create(context.Context, recording.Header) (writer, audit.Hash, audit.Hash, error)
	Failed() <-chan struct{}
	Mode() string
	Room() (recording.Room, error)
	Overdue() overdue
}

// overdue is what takes too long to write, as durable.Overdue has it.
type overdue interface {
	Well() <-chan struct{}
	Late() <-chan struct{}
	Watch(soon time.Duration, give func()) (done func())
}

type writer interface {
	Stream(ch int, kind string) (stream, error)
	OnFail(func(error))
	Err() error
	Written() int64
	Close(ctx context.Context, cause string) (audit.Hash, error)
}

type stream interface {
	Commit(ctx context.Context, m recording.Mark, p []byte) error
	Append(m recording.Mark, p []byte) error
	Close(ctx context.Context) error
}

type recorded struct{ *recording.Archive }

func (r recorded) Overdue() overdue { return r.Archive.Overdue() }

func (r recorded) Create(ctx context.Context, h recording.Header) (writer, audit.Hash, audit.Hash, error) {
	w, header, keys, err := r.Archive.Create(ctx, h)
	if err != nil {
		return nil, header, keys, err
	}
	return recordedSession{w}, header, keys, nil
}

type recordedSession struct{ *recording.Writer }

func (r recordedSession) Stream(ch int, kind string) (stream, error) {
	s, err := r.Writer.Stream(ch, kind)
	if err != nil {
		return nil, err
	}
	return s, nil
}
