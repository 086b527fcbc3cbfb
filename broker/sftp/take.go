package sftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"

	"penstock/policy"
)

// Where what is taken out waits, an open for reading never reaches the machine
// as it is. The first one has Penstock fetch the file, in this channel, to the
// holding: the vendor sees no byte of it. Once somebody of the plant has let it out,
// the same open gives what was fetched, by that hash, and not what stands on the
// machine by then.

const (
	fetchAtOnce = 32              // reads of chunk bytes before their answers are looked at
	mostRead    = uint32(maxData) // bytes of one read of what was let out
	mostFetched = uint64(1) << 62 // bytes
)

// Taken is a file that was let out. One goroutine reads it; a channel's end may close it meanwhile.
type Taken interface {
	File() string                           // F-1
	ReadAt(p []byte, at int64) (int, error) // a *policy.Refusal: the plant gives no more of it
	Size() int64
	// Close: nobody reads it any more; whole: all of it was taken, as it was let out, and that is told.
	Close(ctx context.Context, whole bool)
}

// takeOut answers an open for reading of what waits: err is what to say, or w.taken is there.
func (s *files) takeOut(at sending, w *wish, canonical string, is standing) error {
	switch {
	case w.flags != flagRead:
		return fileRefusal("file-held", "Files that are taken out wait here first, so one is read or written, not both. Open it for reading alone.", "flags %#x", w.flags)
	case s.c.holding == nil:
		return fileRefusal("no-holding", "The plant has files wait here, and this broker has no place for them. Tell the plant's OT security.", "no holding")
	}
	taken, waits, err := s.c.holding.Take(at.ctx, s.c.gate, canonical)
	if err != nil {
		return holdingFailed(err)
	}
	if w.taken = taken; taken != nil {
		return nil
	}
	switch {
	case waits != "": // they ask again
		s.c.refused(policy.Decision{Rule: "file-waits " + canonical, Say: waits})
		return &inBand{statusFailure, waits}
	case !is.there:
		return &inBand{statusNoFile, safe(canonical) + " is not there"}
	}
	if waits, err = s.fetch(at, canonical, w.mostOut); err != nil {
		return err
	}
	s.c.say(waits)
	return &inBand{statusFailure, waits}
}

// fetch brings a whole file from the machine to the holding.
func (s *files) fetch(at sending, canonical string, most int64) (say string, err error) {
	held, err := s.c.holding.Begin(s.c.gate, Out, canonical, most)
	if err != nil {
		return "", holdingFailed(err)
	}
	defer held.Drop() // after Done it does nothing
	defer s.c.gate.Busy("fetching of " + safe(path.Base(canonical)))()
	t, err := s.question(at, func(id uint32) packet { return newPacket(fxOpen).u32(id).text(canonical).u32(flagRead).u32(0) })
	if err != nil {
		return "", err
	}
	f := &fields{b: t.body}
	if t.kind != fxHandle {
		return "", machineSays(t)
	}
	handle := f.text(maxHandle)
	if err := f.end(); err != nil || handle == "" {
		return "", broken("machine", "a handle: %v", err)
	}
	ferr := s.fetchAll(at, handle, held)
	if _, err := s.question(at, func(id uint32) packet { return newPacket(fxClose).u32(id).text(handle) }); err != nil {
		return "", cmp.Or(ferr, err)
	}
	if ferr != nil {
		return "", ferr
	}
	say, err = held.Done(at.ctx)
	if err != nil {
		return "", holdingFailed(err)
	}
	return say, nil
}

// fetchAll reads to the file's end, several reads at once; behind a short answer it begins anew.
func (s *files) fetchAll(at sending, handle string, held Held) error {
	for next := uint64(0); ; {
		var asked [fetchAtOnce]question
		for i := range asked {
			from := next + uint64(i)*chunk
			q, err := s.ask(at, func(id uint32) packet { return newPacket(fxRead).u32(id).text(handle).u64(from).u32(chunk) })
			if err != nil {
				return err
			}
			asked[i] = q
		}
		over, short := false, false
		for _, q := range asked {
			t, err := s.hear(at, q)
			if err != nil {
				return err
			}
			if over || short { // it is heard, and asked again where it must
				continue
			}
			b, end, err := readAnswer(t)
			if err != nil {
				return err
			}
			if _, err := held.WriteAt(b, int64(next)); err != nil {
				return holdingFailed(err)
			}
			next += uint64(len(b))
			over, short = end, len(b) < chunk
		}
		if over {
			return nil
		}
		if next > mostFetched {
			return broken("machine", "a file without an end")
		}
	}
}

// readAnswer is the data of one read, or that there is no more.
func readAnswer(t told) (b []byte, end bool, err error) {
	f := &fields{b: t.body}
	switch t.kind {
	case fxData:
		b = f.bytes(maxPacket)
		if err := f.end(); err != nil || len(b) == 0 || len(b) > chunk {
			return nil, false, broken("machine", "%d bytes where %d were asked for: %v", len(b), chunk, err)
		}
		return b, false, nil
	case fxStatus:
		if f.u32() == statusEOF && f.err == nil {
			return nil, true, nil
		}
	}
	return nil, false, machineSays(t)
}

// machineSays is the machine's own no to a question of ours, for the vendor.
func machineSays(t told) error {
	f := &fields{b: t.body}
	code, say := f.u32(), ""
	if t.kind != fxStatus || f.err != nil || code == statusOK {
		return broken("machine", "an answer of kind %d", t.kind)
	}
	if say = safe(f.text(maxPath)); f.err != nil || say == "" {
		say = fmt.Sprintf("the machine did not give it (SFTP status %d)", code)
	}
	return &inBand{code, say}
}

// opensTaken answers an open in the machine's stead.
func (s *files) opensTaken(id uint32, w wish) (verdict, error) {
	return s.opensHere(id, &file{path: w.path, flags: w.flags, taken: w.taken, size: uint64(w.taken.Size()), sized: true})
}

// onTaken is a request about a file that was let out.
func (s *files) onTaken(ctx context.Context, id uint32, w wish) (verdict, error) {
	f := w.f
	switch w.kind {
	case fxRead:
		return s.readTaken(id, w)
	case fxFstat:
		return verdict{answer: heldAttrs(id, f.size)}, nil
	case fxClose:
		s.mu.Lock()
		delete(s.open, f.handle)
		f.closed = true
		s.mu.Unlock()
		if err := s.overTaken(ctx, f); err != nil { // durable before the client hears that its file is closed
			return verdict{}, err
		}
		return verdict{answer: statusPacket(id, statusOK, "")}, nil
	}
	return verdict{answer: statusPacket(id, statusUnsupported, "this file was let out by the plant, and is not on the machine here: it is only read")}, nil
}

func (s *files) readTaken(id uint32, w wish) (verdict, error) {
	f := w.f
	over := w.at >= f.size
	s.mu.Lock()
	f.read = true
	if over {
		f.eof = f.eof || w.at <= f.out.end()
	}
	s.mu.Unlock()
	if over {
		return verdict{answer: statusPacket(id, statusEOF, "end of file")}, nil
	}
	b := make([]byte, min(uint64(min(w.n, mostRead)), f.size-w.at))
	n, err := f.taken.ReadAt(b, int64(w.at))
	if no, ok := errors.AsType[*policy.Refusal](err); ok {
		s.c.refused(policy.Decision{Rule: no.Rule, Say: no.Say})
		return verdict{answer: statusPacket(id, statusFailure, no.Say)}, nil
	}
	if n < len(b) {
		return verdict{}, fmt.Errorf("read what was let out: %w", err)
	}
	s.mu.Lock()
	f.out.add(w.at, b)
	s.mu.Unlock()
	return verdict{answer: newPacket(fxData).u32(id).text(string(b)).done()}, nil
}

// overTaken tells of what was taken of it, then whether it is over.
func (s *files) overTaken(ctx context.Context, f *file) error {
	s.mu.Lock()
	all := f.told("sftp")
	s.mu.Unlock()
	whole := false
	for i := range all {
		all[i].File = f.taken.File()
		whole = whole || all[i].Whole
	}
	err := s.c.tell(all)
	f.taken.Close(ctx, whole && err == nil)
	return err
}
