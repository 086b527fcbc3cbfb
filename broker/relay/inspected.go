package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/policy"
	"penstock/policy/inspect"
)

// Bounds of an inspected stream.
const (
	MostWaiting = 16               // requests that the machine has not answered; the next waits
	bodyTime    = 5 * time.Second  // for the rest of a frame that has begun
	answerTime  = 60 * time.Second // for an answer, when MostWaiting wait
	reopenings  = 8                // decisions anew of the same requests
)

// Inspected is one stream that an inspector reads: the vendor's bytes become
// operations, each decided by itself; what is allowed goes on, the rest is
// refused in the protocol's own words. One ToTarget, one ToVendor and one
// Summary are called for it.
type Inspected struct {
	ch    *broker.Channel
	plant func() *policy.Plant

	mu      sync.Mutex // of what follows; memory only
	reader  inspect.Inspector
	sheet   *policy.Plant // whose register sheet the reader uses
	n       uint64
	waiting map[uint64]pending // by tag
	room    chan struct{}      // one token: waiting became shorter
	tally   tally
	busy    func() // of Channel.Busy, while something is half done

	batched []decided // room for what is being decided; ToTarget's
	row     []byte    // room for the row that is being written; ToTarget's

	out sync.Mutex // one writer to the vendor: held from Out to the write

	bodyTime time.Duration

	late   [2]*time.Timer // for the rest of a frame: the vendor's, the machine's
	partly [2]bool        // a frame has begun; with mu
	since  [2]time.Time   // monotonic: when; with mu
	broken chan error     // capacity 1
}

// Inspect makes the stream's inspector, before any byte passes.
func Inspect(ch *broker.Channel, plant func() *policy.Plant, open inspect.New) (*Inspected, error) {
	i := &Inspected{ch: ch, plant: plant, waiting: map[uint64]pending{}, tally: newTally(), bodyTime: bodyTime}
	i.room, i.broken = make(chan struct{}, 1), make(chan error, 1)
	i.sheet = plant()
	port, err := i.port(i.sheet)
	if err != nil {
		return nil, err
	}
	if i.reader, err = open(port); err != nil {
		return nil, fmt.Errorf("make the inspector: %w", err)
	}
	for side := range i.late {
		i.late[side] = time.AfterFunc(time.Hour, func() { i.tooLate(side) })
		i.late[side].Stop()
	}
	return i, nil
}

// Broken gives why the stream must end though neither direction has: the rest
// of a frame did not come.
func (i *Inspected) Broken() <-chan error { return i.broken }

// port is the way in as a plant file has it, and as the window narrows it.
func (i *Inspected) port(p *policy.Plant) (policy.Port, error) {
	q := i.ch.Query()
	asset, _ := p.Asset(q.Asset)
	port, ok := asset.Port(q.Port)
	if !ok {
		return port, &policy.Refusal{Rule: "unknown-port", Say: "this way in is no longer in the plant file; ask the plant", Why: fmt.Sprintf("no port %s of %s", q.Port, q.Asset)}
	}
	return port.Narrowed(i.ch.Decision().Duties.Only), nil
}

// ToTarget takes the vendor's bytes through the inspector. nil at the vendor's
// end of file; half-closing the target is the caller's.
func (i *Inspected) ToTarget(ctx context.Context, target io.Writer, vendor io.ReadWriter) error {
	r := NewReader(vendor, step)
	defer r.Rest()
	defer i.stop(fromVendor)
	for {
		p, err := r.Take()
		if len(p) > 0 {
			if err := i.inward(ctx, target, vendor, p); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return i.whole(fromVendor)
		}
		if err != nil {
			return fmt.Errorf("read from the vendor: %w", err)
		}
	}
}

// inward is what one read of the vendor gave.
func (i *Inspected) inward(ctx context.Context, target, vendor io.Writer, p []byte) error {
	if err := i.ch.Came(ctx, p); err != nil { // nothing is taken in while paused
		return err
	}
	all, err := i.requests(p)
	if err != nil {
		return i.notUnderstood(err)
	}
	for len(all) > 0 {
		free, err := i.free(ctx)
		if err != nil {
			return err
		}
		n := together(all, free)
		if err := i.batch(ctx, target, vendor, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

func (i *Inspected) requests(p []byte) ([]inspect.Request, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now := i.plant(); now != i.sheet {
		port, err := i.port(now)
		if err != nil {
			return nil, err
		}
		if err := i.reader.Use(port); err != nil {
			return nil, err
		}
		i.sheet = now
	}
	all, err := i.reader.FromVendor(p)
	i.begun(fromVendor, len(all) > 0)
	return all, err
}

// free is for how many requests there is room; it waits for one.
func (i *Inspected) free(ctx context.Context) (int, error) {
	for {
		i.mu.Lock()
		free := MostWaiting - len(i.waiting)
		i.mu.Unlock()
		if free > 0 {
			return free, nil
		}
		late := time.NewTimer(answerTime)
		select {
		case <-i.room:
			late.Stop()
		case <-late.C:
			return 0, &policy.Refusal{Rule: "machine-silent", Say: "the machine does not answer; connect again later", Why: fmt.Sprintf("%d requests without an answer for %s", MostWaiting, answerTime)}
		case <-i.ch.Context().Done():
			late.Stop()
			return 0, context.Cause(i.ch.Context())
		case <-ctx.Done():
			late.Stop()
			return 0, context.Cause(ctx)
		}
	}
}

// together is how many requests go in one batch: what was decided is out of
// anybody's hands once it is being written, so it is no more than one step,
// though sixteen long ones (UMAS) would be two. Any one is less than that.
func together(all []inspect.Request, most int) int {
	n, size := 0, 0
	for n < min(len(all), most) {
		if size += len(all[n].Forward); n > 0 && size > step {
			break
		}
		n++
	}
	return n
}

// decided is one request with its row.
type decided struct {
	*inspect.Request
	row recording.Operation
	no  error // nil: it goes on
}

// batch decides, records, and passes on or refuses at most MostWaiting requests.
func (i *Inspected) batch(ctx context.Context, target, vendor io.Writer, all []inspect.Request) error {
	i.batched = slices.Grow(i.batched[:0], len(all))
	batched := i.batched[:len(all)]
	defer clear(batched)
	for k := range all {
		i.n++
		batched[k] = decided{Request: &all[k], row: rowOf(i.n, &all[k])}
	}
	for range reopenings {
		m, err := i.ch.Moment(ctx)
		if err != nil {
			return err
		}
		forward, err := i.decide(m, batched)
		if err != nil {
			return err
		}
		done, err := i.pass(ctx, m, target, vendor, batched, forward)
		if done || err != nil {
			return err
		}
	}
	return &policy.Refusal{Rule: "agreement-moves", Say: "the agreement is being changed right now; connect again", Why: "what the window allows changed under every decision"}
}

// decide writes the rows and gives what goes on. All are judged before the first
// row is written, which may have to wait.
func (i *Inspected) decide(m broker.Moment, batched []decided) (forward []byte, err error) {
	for k := range batched {
		batched[k].judge(m)
	}
	for k := range batched {
		one := &batched[k]
		if i.row, err = one.row.AppendTo(i.row[:0]); err != nil {
			return nil, err
		}
		if err := i.ch.Row(i.row); err != nil {
			return nil, err
		}
		if one.no == nil {
			forward = joined(forward, one.Forward)
		}
	}
	return forward, nil
}

// joined is a and b; b itself where it is all, as it mostly is.
func joined(a, b []byte) []byte {
	if a == nil {
		return b[:len(b):len(b)]
	}
	return append(a, b...)
}

// judge asks the rules about one operation.
func (d *decided) judge(m broker.Moment) {
	d.row.Allowed, d.row.Rule, d.row.Why, d.no = false, "", "", nil
	if d.Wrong != nil {
		d.no, d.row.Rule, d.row.Why = d.Wrong, d.Wrong.Rule, d.Wrong.Why
		return
	}
	decision := m.May(d.Need)
	d.row.Allowed, d.row.Rule = decision.Allow, decision.Rule
	if !decision.Allow {
		d.no, d.row.Why = decision.Refusal(), decision.Why
	}
}

// pass writes to the machine and answers what was refused. false: all must be
// decided anew, and nothing has gone anywhere.
func (i *Inspected) pass(ctx context.Context, m broker.Moment, target, vendor io.Writer, batched []decided, forward []byte) (bool, error) {
	if len(forward) > 0 {
		still, err := i.ch.Through(ctx, m, forward)
		if err != nil || !still {
			return false, err
		}
	}
	denials := i.settle(m, batched)
	if len(forward) > 0 {
		if _, err := target.Write(forward); err != nil {
			return false, ended(i.ch, fmt.Errorf("write to the target: %w", err))
		}
	}
	if len(denials) > 0 {
		if err := i.show(ctx, vendor, denials); err != nil {
			return false, err
		}
	}
	for k := range batched {
		if one := &batched[k]; one.no != nil {
			if err := i.ch.Refused("operation", map[string]any{"n": one.row.N, "service": one.row.Service, "object": one.row.Object}, one.no); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// settle notes who waits for an answer, before one can come, and makes the
// machine's no of the others.
func (i *Inspected) settle(m broker.Moment, batched []decided) (denials []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for k := range batched {
		one := &batched[k]
		i.tally.decided(one)
		if one.no == nil {
			if !one.Silent {
				i.waiting[one.Tag] = pending{one.row.N, one.Need == policy.Look}
			}
			continue
		}
		no := &policy.Refusal{}
		errors.As(one.no, &no)
		denials = append(denials, i.reader.Deny(*one.Request, no, m.Has())...)
	}
	return denials
}

// show gives the vendor bytes that are durable.
func (i *Inspected) show(ctx context.Context, vendor io.Writer, p []byte) error {
	i.out.Lock()
	defer i.out.Unlock()
	return show(ctx, i.ch, recording.Out, vendor, p)
}

// ToVendor takes the machine's bytes through the inspector. nil at the
// machine's end of file, when whoever still waits has been told.
func (i *Inspected) ToVendor(ctx context.Context, vendor io.Writer, target io.Reader) error {
	r := NewReader(target, step)
	defer r.Rest()
	defer i.stop(fromTarget)
	for {
		p, err := r.Take()
		if len(p) > 0 {
			if err := i.outward(ctx, vendor, p); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return i.gone(ctx, vendor)
		}
		if err != nil {
			return ended(i.ch, fmt.Errorf("read from the target: %w", err))
		}
	}
}

func (i *Inspected) outward(ctx context.Context, vendor io.Writer, p []byte) error {
	i.mu.Lock()
	all, err := i.reader.FromTarget(p)
	i.begun(fromTarget, len(all) > 0)
	i.mu.Unlock()
	if err != nil {
		text := fmt.Sprintf("not understood from the machine: %v; its bytes: %x", err, p[:min(len(p), 256)])
		if err := i.ch.Mark(ctx, recording.Note, []byte(text)); err != nil {
			return err
		}
		return i.notUnderstood(fmt.Errorf("the machine: %w", err))
	}
	return i.answered(ctx, vendor, all)
}

// answered shows answers, with what came of the operations in the recording before them.
func (i *Inspected) answered(ctx context.Context, vendor io.Writer, all []inspect.Answer) error {
	var shown []byte
	i.mu.Lock()
	rows := i.tally.answered(i.waiting, all)
	i.half()
	i.mu.Unlock()
	select {
	case i.room <- struct{}{}:
	default:
	}
	for _, a := range all {
		shown = joined(shown, a.Forward)
	}
	for _, row := range rows {
		b, err := row.Encode()
		if err != nil {
			return err
		}
		if err := i.ch.Row(b); err != nil {
			return err
		}
	}
	if len(shown) == 0 {
		return nil
	}
	return i.show(ctx, vendor, shown)
}

// gone tells whoever waits that the machine has left.
func (i *Inspected) gone(ctx context.Context, vendor io.Writer) error {
	if err := i.whole(fromTarget); err != nil {
		return err
	}
	i.mu.Lock()
	all := i.reader.Gone()
	all = slices.DeleteFunc(all, func(a inspect.Answer) bool { _, waits := i.waiting[a.Tag]; return !waits })
	i.mu.Unlock()
	return i.answered(ctx, vendor, all)
}

// half marks the channel while the inspector knows of a half-done transfer. mu is held.
func (i *Inspected) half() {
	switch half := i.reader.HalfDone(); {
	case half && i.busy == nil:
		i.busy = i.ch.Busy("a transfer by " + string(i.ch.Query().Port))
	case !half && i.busy != nil:
		i.busy()
		i.busy = nil
	}
}

const fromVendor, fromTarget = 0, 1

var sides = [2]string{"the client", "the machine"}

// begun starts and stops the clock for the rest of a side's frame. more: a
// whole one has come since, so what has begun now is another. mu is held.
func (i *Inspected) begun(side int, more bool) {
	vendor, target := i.reader.Begun()
	on := [2]bool{vendor, target}[side]
	switch {
	case !on && i.partly[side]:
		i.late[side].Stop()
	case on && (more || !i.partly[side]):
		i.since[side] = time.Now()
		i.late[side].Reset(i.bodyTime)
	}
	i.partly[side] = on
}

func (i *Inspected) stop(side int) { i.late[side].Stop() }

func (i *Inspected) tooLate(side int) {
	defer func() {
		if p := recover(); p != nil {
			i.ends(fmt.Errorf("panic while a frame was late: %v", p))
		}
	}()
	i.mu.Lock()
	over := i.partly[side] && time.Since(i.since[side]) >= i.bodyTime // and not another that has begun just now
	err := fmt.Errorf("%s began a frame, and its rest did not come within %s", sides[side], i.bodyTime)
	i.mu.Unlock()
	if over {
		i.ends(i.notUnderstood(err))
	}
}

func (i *Inspected) ends(err error) {
	select {
	case i.broken <- err:
	default:
	}
}

// whole says that a direction has not ended in the middle of a frame.
func (i *Inspected) whole(side int) error {
	i.mu.Lock()
	vendor, target := i.reader.Begun()
	i.mu.Unlock()
	if [2]bool{vendor, target}[side] {
		return i.notUnderstood(fmt.Errorf("%s left in the middle of a frame", sides[side]))
	}
	return nil
}

// notUnderstood ends the stream and is told in the log: what cannot be read is
// not passed on, and no new beginning is looked for.
func (i *Inspected) notUnderstood(err error) error {
	var no *policy.Refusal
	if errors.As(err, &no) {
		return no
	}
	no = &policy.Refusal{Rule: "protocol-broken", Say: "what passed here was not understood, so the connection was closed; connect again", Why: err.Error()}
	if err := i.ch.Refused("protocol", nil, no); err != nil {
		return err
	}
	return no
}
