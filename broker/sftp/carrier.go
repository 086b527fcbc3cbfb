package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"golang.org/x/time/rate"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/relay"
	"penstock/policy"
)

const (
	maxShown    = 1 << 20 // bytes on their way to the vendor, checked and not taken
	maxSaid     = 5       // sentences about refusals in one channel
	eventsBurst = 5000    // files of one channel that are told at full speed …
	eventsAfter = 50      // … and then so many a second
)

// reader is one protocol. Its calls come from two goroutines, one a direction.
type reader interface {
	// fromVendor looks at bytes that have passed the gate, and sends on what may pass.
	fromVendor(ctx context.Context, p []byte, send func([]byte) error) error
	// fromTarget shows what of p, and of what was kept of it before, the vendor may see: whole packets,
	// where the protocol has any. What is shown is good during the call of show.
	fromTarget(p []byte, show func([]byte) error) error
	// ended tells of what is not over yet: nothing passes any more. exit is the machine's status.
	ended(exit string)
}

// Carrier takes one transfer between a vendor and a machine.
type Carrier struct {
	gate    *broker.Channel
	holding Holding      // nil: no file can wait
	say     func(string) // a sentence for the person
	r       reader
	pace    *rate.Limiter

	mu   sync.Mutex
	said map[string]bool

	in  *once // nil: the recording keeps all, and one hash is made
	out queue
}

// Carry begins to read along. holding keeps files where they must wait. say shows the person a sentence beside the
// transfer. The channel's end tells of what broke off.
func (j *Job) Carry(gate *broker.Channel, holding Holding, say func(string)) *Carrier {
	c := &Carrier{gate: gate, holding: holding, say: say, pace: rate.NewLimiter(eventsAfter, eventsBurst), said: map[string]bool{}}
	c.out.moved = sync.NewCond(&c.out.mu)
	if in := new(once); gate.Thin(j.thin(in)) {
		c.in = in
	}
	c.r = j.reader(c)
	gate.Finally(c.r.ended)
	return c
}

// ToTarget is relay.ToTarget, read along.
func (c *Carrier) ToTarget(ctx context.Context, target io.Writer, vendor io.Reader) error {
	defer context.AfterFunc(ctx, func() { c.out.quit(context.Cause(ctx)) })()
	send := func(b []byte) error { return c.send(ctx, target, b) }
	return relay.Through(ctx, c.gate, vendor, func(p []byte) error {
		defer c.in.begin(nil)
		err := c.r.fromVendor(ctx, p, send)
		if errors.Is(err, errNarrowed) {
			return c.gate.Mark(ctx, recording.Note, []byte("narrowed: the last of the input before this was not passed on"))
		}
		return err
	})
}

// errNarrowed stops what the gate let through before the session was narrowed to look.
var errNarrowed = errors.New("narrowed to look")

// step is the most that goes to a target on one look.
const step = 32 << 10

func (c *Carrier) send(ctx context.Context, target io.Writer, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), step)
		if err := c.gate.Pass(ctx); err != nil {
			return err
		}
		if c.gate.Decision().Duties.InputOff {
			return errNarrowed
		}
		if _, err := target.Write(b[:n]); err != nil {
			return fmt.Errorf("write to the target: %w", err)
		}
		b = b[n:]
	}
	return nil
}

// ToVendor is relay.ToVendor, read along: what the vendor sees is recorded, not
// what the machine sent.
func (c *Carrier) ToVendor(ctx context.Context, vendor io.Writer, target io.Reader) error {
	defer context.AfterFunc(ctx, func() { c.out.quit(context.Cause(ctx)) })()
	go c.fill(target) // its read ends with the connection
	defer c.out.quit(io.ErrClosedPipe)
	return relay.Show(ctx, c.gate, recording.Out, vendor, c.out.take)
}

// fill reads the machine's side to its end.
func (c *Carrier) fill(target io.Reader) {
	defer func() {
		if p := recover(); p != nil {
			c.out.quit(fmt.Errorf("panic while reading along: %v", p))
		}
	}()
	c.out.quit(c.readAlong(target))
}

// readAlong ends with io.EOF where the machine ended it well.
func (c *Carrier) readAlong(target io.Reader) error {
	r := relay.NewReader(target, lot)
	defer r.Rest()
	for {
		p, rerr := r.Take()
		if len(p) > 0 {
			if err := c.r.fromTarget(p, c.out.put); err != nil {
				return err
			}
		}
		if errors.Is(rerr, io.EOF) {
			return io.EOF
		}
		if rerr != nil {
			return fmt.Errorf("read from the target: %w", rerr)
		}
	}
}

// refused tells the person why, once for each rule and not often.
func (c *Carrier) refused(d policy.Decision) {
	c.mu.Lock()
	quiet := c.said[d.Rule] || len(c.said) >= maxSaid
	c.said[d.Rule] = true
	c.mu.Unlock()
	if !quiet && d.Say != "" {
		c.say(d.Say)
	}
}

// transferred writes the event; the wait for its pace ends with the channel.
func (c *Carrier) transferred(f audit.FileTransferred) error {
	if err := c.gate.Look(); err == nil {
		if err := c.pace.Wait(c.gate.Context()); err != nil {
			slog.Debug("a transfer is told although the channel has ended", "err", err)
		}
	}
	return c.gate.Transferred(f)
}

// queue holds what the vendor may see, whole messages one behind the other.
type queue struct {
	mu    sync.Mutex
	moved *sync.Cond
	buf   []byte // what waits
	given []byte // what was taken last, good until the next take
	err   error  // no more comes; io.EOF: well
}

const (
	lot    = 256 << 10 // bytes that are read of the machine's at once
	ownOut = 4 << 10   // bytes that wait in memory of the queue's own: an idle channel's answers need no more
)

// rooms are lent to queues in which much waits, or is under way.
var rooms = sync.Pool{New: func() any { return new([maxShown]byte) }}

// put waits for room.
func (q *queue) put(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.buf) > 0 && len(q.buf)+len(p) > maxShown && q.err == nil {
		q.moved.Wait()
	}
	if q.err != nil {
		return io.ErrClosedPipe
	}
	if n := len(q.buf) + len(p); n > ownOut && n <= maxShown && cap(q.buf) < maxShown {
		q.buf = append(rooms.Get().(*[maxShown]byte)[:0], q.buf...)
	}
	q.buf = append(q.buf, p...)
	q.moved.Broadcast()
	return nil
}

// take waits for bytes or the end, and gives all that waits; it is good until the next call.
func (q *queue) take() ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if cap(q.given) == maxShown {
		rooms.Put((*[maxShown]byte)(q.given[:maxShown]))
	}
	q.given = nil
	for len(q.buf) == 0 && q.err == nil {
		q.moved.Wait()
	}
	if len(q.buf) == 0 || q.err != nil && q.err != io.EOF {
		return nil, q.err
	}
	q.given, q.buf = q.buf, nil
	q.moved.Broadcast()
	return q.given, nil
}

// quit lets everybody go; what is there is read first where it ended well.
func (q *queue) quit(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err == nil {
		q.err = why
	}
	q.moved.Broadcast()
}
