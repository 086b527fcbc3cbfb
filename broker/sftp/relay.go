package sftp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"penstock/audit"
	"penstock/policy"
)

const (
	maxAsked = 4096 // requests without an answer; above it the vendor waits
	maxOpen  = 1024 // handles
	maxSizes = 256  // sizes of files that were asked about lately
)

// request is one that waits for its answer.
type request struct {
	kind  byte
	ext   string // of an extended one
	f     *file
	path  string
	flags uint32
	at    uint64
	n     uint32
	size  *uint64 // a truncation to this size
	to    string  // of what has two paths

	most, mostOut int64 // of a file that is opened: see FileRule.Most

	held  Held  // what is opened is kept here
	taken Taken // what is opened is read from here

	answer chan told // of a question of ours: the vendor does not see it
}

// files reads SFTP along. Its lock is held for no I/O but hashing.
type files struct {
	c    *Carrier
	vend splitter
	targ splitter

	mu      sync.Mutex
	less    *sync.Cond // asked has become fewer, or gone is set
	begun   bool       // init has passed
	greeted bool       // version has passed
	asked   map[uint32]*request
	open    map[string]*file
	opening int
	sizes   map[string]uint64
	held    int // of all files: see maxHeld
	holds   int // files that were kept here, for their handles
	gone    bool
}

func newFiles(c *Carrier) *files {
	f := &files{c: c, asked: map[uint32]*request{}, open: map[string]*file{}, sizes: map[string]uint64{}}
	f.less = sync.NewCond(&f.mu)
	return f
}

// broken ends the channel: one side does not keep to the protocol.
func broken(who, what string, args ...any) error {
	say := "Your client broke the file protocol, so the transfer was stopped. Connect again; if it happens again, use another client, such as sftp of OpenSSH."
	if who == "machine" {
		say = "The machine broke the file protocol, so the transfer was stopped. Tell the plant's OT security: what it sent is in the recording."
	}
	return &policy.Refusal{Rule: "file-protocol", Say: say, Why: who + ": " + fmt.Sprintf(what, args...)}
}

// fromVendor takes the requests of p one by one. Those that go on as they came, one
// behind the other, go together.
func (s *files) fromVendor(ctx context.Context, p []byte, send func([]byte) error) error {
	var r run
	flush := func() error { return send(r.end()) }
	for {
		raw, left, err := s.vend.next(p)
		if err != nil {
			return broken("vendor", "%v", err)
		}
		if raw == nil {
			return flush()
		}
		p = left
		v, err := s.request(sending{ctx, flush, send}, raw)
		if err != nil {
			return err
		}
		if v.answer != nil {
			if err := s.c.out.put(v.answer); err != nil {
				return err
			}
			continue
		}
		if err := r.on(v.forward, s.vend.kept, send); err != nil {
			return err
		}
	}
}

// verdict is what becomes of a request: it goes on, or is answered here.
type verdict struct{ forward, answer []byte }

func (s *files) request(at sending, raw []byte) (verdict, error) {
	ctx, flush := at.ctx, at.flush
	kind, f := raw[4], &fields{b: raw[5:]}
	if kind == fxInit {
		return s.init(f)
	}
	id := f.u32()
	if f.err != nil {
		return verdict{}, broken("vendor", "a request of kind %d without a number", kind)
	}
	if err := s.room(id, flush); err != nil {
		return verdict{}, err
	}
	w, err := s.parse(kind, f)
	if err != nil {
		var no *inBand
		if errors.As(err, &no) {
			return verdict{answer: statusPacket(id, no.code, no.say)}, nil
		}
		return verdict{answer: statusPacket(id, statusBad, err.Error())}, nil
	}
	if w.need&^policy.Look != 0 {
		if err := flush(); err != nil { // deciding takes a moment
			return verdict{}, err
		}
		if d := s.c.gate.AskFor(ctx, "sftp", w.need|policy.Look, w.record); !d.Allow {
			if err := s.c.gate.Look(); err != nil {
				return verdict{}, err
			}
			s.c.refused(d)
			return verdict{answer: statusPacket(id, statusDenied, d.Say)}, nil
		} else if d.Duties.Files != nil {
			return s.ruled(at, id, w, raw, d.Duties.Files)
		}
	}
	if w.f != nil && s.past(&w) {
		return s.tooMuch(ctx, id, w)
	}
	if answer, err := s.statHeld(at, id, w); answer != nil || err != nil {
		return verdict{answer: answer}, err
	}
	return s.goes(ctx, id, w, raw)
}

// goes brings what is let through to the machine, or to the file that is kept here.
func (s *files) goes(ctx context.Context, id uint32, w wish, raw []byte) (verdict, error) {
	switch {
	case w.held != nil:
		return s.opensHeld(id, w)
	case w.taken != nil:
		return s.opensTaken(id, w)
	case w.f != nil && w.f.held != nil:
		return s.onHeld(ctx, id, w)
	case w.f != nil && w.f.taken != nil:
		return s.onTaken(ctx, id, w)
	}
	return s.pass(id, w, raw)
}

// ruled passes what the rules for files let through.
func (s *files) ruled(at sending, id uint32, w wish, raw []byte, rules *policy.FileRules) (verdict, error) {
	raw, err := s.rule(at, id, &w, raw, rules)
	if no, ok := errors.AsType[*policy.Refusal](err); ok && no.Rule != "file-protocol" && s.c.gate.Look() == nil {
		return s.refuse(at.ctx, id, w.record, no)
	}
	if no, ok := errors.AsType[*inBand](err); ok {
		return verdict{answer: statusPacket(id, no.code, no.say)}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	return s.goes(at.ctx, id, w, raw)
}

// room waits until one more request may wait for its answer.
func (s *files) room(id uint32, flush func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		return broken("vendor", "a request before the versions were agreed")
	}
	if _, twice := s.asked[id]; twice {
		return broken("vendor", "request number %d is used for two at once", id)
	}
	if len(s.asked) < maxAsked {
		return nil
	}
	s.mu.Unlock()
	err := flush() // or nothing would ever be answered
	s.mu.Lock()
	for err == nil && len(s.asked) >= maxAsked && !s.gone {
		s.less.Wait()
	}
	return err
}

// init agrees on version 3, without the client's extensions.
func (s *files) init(f *fields) (verdict, error) {
	v := f.u32()
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.err != nil || v < 3 || s.begun {
		return verdict{}, broken("vendor", "it begins with version %d", v)
	}
	s.begun = true
	return verdict{forward: newPacket(fxInit).u32(3).done()}, nil
}

// pass notes a request that goes on, so that its answer is understood.
func (s *files) pass(id uint32, w wish, raw []byte) (verdict, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := w.request
	switch r.kind {
	case fxOpen, fxOpendir:
		if len(s.open)+s.opening >= maxOpen {
			return verdict{answer: statusPacket(id, statusFailure, "too many files are open at once; close some")}, nil
		}
		s.opening++
	case fxClose:
		r.f.closing = true
	case fxRead:
		r.f.read = true
	case fxWrite:
		r.f.pending++
		r.f.cut = false
		r.f.in.add(r.at, w.data)
	case fxFsetstat:
		r.f.pending++
	}
	if r.f != nil && r.ext == "copy-data" {
		r.f.failed = "part of it was copied on the machine"
	}
	s.asked[id] = &r
	return verdict{forward: raw}, nil
}

// ended tells of the files that are open still.
func (s *files) ended(string) {
	s.mu.Lock()
	s.gone = true
	s.less.Broadcast()
	var all []audit.FileTransferred
	var taken, left, bad []*file
	for _, f := range s.open {
		switch {
		case f.taken != nil:
			taken = append(taken, f)
		case f.held == nil:
			all = append(all, f.told("sftp")...)
		case f.failed != "":
			bad = append(bad, f)
		default: // it broke off, and nobody was told of it
			left = append(left, f)
		}
	}
	clear(s.open)
	s.mu.Unlock()
	s.c.tell(all)
	for _, f := range bad {
		f.held.Drop()
		f.done()
	}
	for _, f := range left {
		f.held.Leave()
		f.done()
	}
	for _, f := range taken {
		s.overTaken(context.Background(), f)
	}
}
