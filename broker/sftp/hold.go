package sftp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"penstock/broker"
	"penstock/policy"
)

// Holding keeps what is sent, or taken out, where the plant file has files wait.
type Holding interface {
	// Begin makes room for one file that is to go to path, canonical, or that stands
	// there and is to be taken out; most: its most bytes, 0: the holding's own. A
	// *policy.Refusal says why not.
	Begin(gate *broker.Channel, w Way, path string, most int64) (Held, error)
	// Part is how much of a file came to path before its upload broke off, from the same
	// person in the same window; false: there is none. Path "": of any file. Resume
	// goes on with it, as a file that is to go to the path to, which is mostly the same.
	Part(gate *broker.Channel, path string) (size int64, there bool)
	Resume(gate *broker.Channel, path, to string, most int64) (Held, bool)
	// Take gives a file that was let out, durably told before: until it is closed nobody
	// else takes it. Where one waits, waits says so to the person; nil and "": none is here.
	Take(ctx context.Context, gate *broker.Channel, path string) (t Taken, waits string, err error)
}

// Way is a file's direction.
type Way string

// The two ways, as in audit.FileTransferred.
const (
	In  Way = "in"
	Out Way = "out"
)

// Held is one file on its way in, or on its way from the machine to the holding. Safe for
// concurrent use: a channel's end gives up a file of which bytes may still come.
type Held interface {
	WriteAt(p []byte, at int64) (int, error) // a *policy.Refusal where there is no room
	Truncate(size int64) error
	Size() int64
	// Done makes it durable, tells of it, and says what happens now.
	Done(ctx context.Context) (say string, err error)
	Drop()               // nobody wants it; after Done it does nothing
	Leave() (whole bool) // it broke off: whoever sent it may go on with it. whole: all of it is kept, in one piece
}

// unnamed is how WinSCP calls a file, with this behind its name, until it is whole and is given its name.
const unnamed = ".filepart"

// hold begins to keep a file that is opened for writing.
func (s *files) hold(w *wish, canonical string, is standing) error {
	fresh := w.flags&(flagTrunc|flagExcl) != 0
	switch {
	case w.flags&flagRead != 0:
		return fileRefusal("file-held", "Files wait here before they go to the machine, so one is written or read, not both. Open it for writing alone.", "read and write")
	case w.flags&flagExcl != 0 && is.there:
		return &inBand{statusFailure, safe(canonical) + " is there already"}
	case s.c.holding == nil:
		return fileRefusal("no-holding", "The plant has files wait here, and this broker has no place for them. Tell the plant's OT security.", "no holding")
	}
	if !fresh {
		if part, there := s.c.holding.Resume(s.c.gate, canonical, canonical, w.most); there {
			w.held = part
			return nil
		}
	}
	if w.flags&flagAppend != 0 || is.there && !fresh {
		return fileRefusal("file-held", "Files wait here before they go to the machine, so one is sent whole: nothing is appended, and only an upload that broke off here is resumed. Send it anew from its beginning.", "flags %#x", w.flags)
	}
	held, err := s.c.holding.Begin(s.c.gate, In, canonical, w.most)
	if err != nil {
		return err
	}
	w.held = held
	return nil
}

// opensHeld answers an open in the machine's stead.
func (s *files) opensHeld(id uint32, w wish) (verdict, error) {
	return s.opensHere(id, &file{path: w.path, flags: w.flags, most: w.most, held: w.held})
}

// opensHere gives a handle of ours to a file that is not on the machine.
func (s *files) opensHere(id uint32, f *file) (verdict, error) {
	s.mu.Lock()
	full := s.gone || len(s.open)+s.opening >= maxOpen // once the channel is over, nobody would give it up
	if !full {
		s.handles(f)
	}
	s.mu.Unlock()
	if full {
		f.leave()
		return verdict{answer: statusPacket(id, statusFailure, "too many files are open at once; close some")}, nil
	}
	return verdict{answer: newPacket(fxHandle).u32(id).text(f.handle).done()}, nil
}

// handles gives f a handle of ours, by which it is open. mu is held.
func (s *files) handles(f *file) {
	for f.handle == "" || s.open[f.handle] != nil { // the machine may have thought of it too
		s.holds++
		f.handle = fmt.Sprintf("penstock-%d", s.holds)
	}
	f.in.waiting, f.out.waiting = &s.held, &s.held
	f.done = s.c.gate.Busy(f.half())
	s.open[f.handle] = f
}

// onHeld is a request about a file that is kept here.
func (s *files) onHeld(ctx context.Context, id uint32, w wish) (verdict, error) {
	f := w.f
	switch {
	case w.kind == fxWrite:
		if f.flags&flagAppend != 0 { // offsets say nothing then
			w.at = uint64(f.held.Size())
		}
		_, err := f.held.WriteAt(w.data, int64(w.at))
		return s.heldStatus(ctx, id, f, err)
	case w.kind == fxFsetstat && w.size != nil:
		if *w.size > 1<<62 {
			return verdict{answer: statusPacket(id, statusBad, "that size is no size")}, nil
		}
		return s.heldStatus(ctx, id, f, f.held.Truncate(int64(*w.size)))
	case w.kind == fxFsetstat, w.ext == "fsync@openssh.com": // mode and times are the machine's to choose
		return verdict{answer: statusPacket(id, statusOK, "")}, nil
	case w.kind == fxFstat:
		return verdict{answer: heldAttrs(id, uint64(f.held.Size()))}, nil
	case w.kind == fxClose:
		return s.closeHeld(ctx, id, f)
	}
	return verdict{answer: statusPacket(id, statusUnsupported, "this file waits at the plant and is not on the machine yet")}, nil
}

// statHeld answers a question about a file of which a part came here before it broke off: a client
// that goes on asks how much there is. nil: there is no such part.
func (s *files) statHeld(at sending, id uint32, w wish) (answer []byte, err error) {
	rules := s.c.gate.Decision().Duties.Files
	if w.kind != fxStat && w.kind != fxLstat || s.c.holding == nil || rules == nil || !rules.In.Quarantine {
		return nil, nil
	}
	if _, any := s.c.holding.Part(s.c.gate, ""); !any {
		return nil, nil
	}
	if err := at.flush(); err != nil {
		return nil, err
	}
	canonical, _, err := s.where(at, w.path, followed)
	if _, ok := errors.AsType[*inBand](err); ok || err == nil && canonical == "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	size, there := s.c.holding.Part(s.c.gate, canonical)
	if !there {
		return nil, nil
	}
	return heldAttrs(id, uint64(size)), nil
}

func heldAttrs(id uint32, size uint64) []byte {
	return newPacket(fxAttrs).u32(id).u32(attrSize | attrMode).u64(size).u32(0o100600).done()
}

// nameHeld gives a file that came under another name its own, and it waits: that is said as an inBand. nil: no
// such file is here.
func (s *files) nameHeld(at sending, w *wish, rules *policy.FileRules) error {
	if _, any := s.c.holding.Part(s.c.gate, ""); !any {
		return nil
	}
	from, _, err := s.where(at, w.path, itself)
	if err != nil {
		return err
	}
	if _, there := s.c.holding.Part(s.c.gate, from); !there || !strings.HasSuffix(from, unnamed) {
		return nil
	}
	to, is, err := s.where(at, w.to, followed)
	switch {
	case err != nil:
		return err
	case is.there && !is.regular():
		return fileRefusal("file-kind", safe(to)+" is no plain file, so nothing waits for it.", "mode %o", is.mode)
	case !rules.In.May(to):
		return outside(w.to, to, "in", rules.In)
	}
	held, there := s.c.holding.Resume(s.c.gate, from, to, rules.In.Most)
	if !there {
		return &inBand{statusNoFile, safe(from) + " is not there"}
	}
	say, err := held.Done(at.ctx)
	if err != nil {
		held.Drop()
		return holdingFailed(err)
	}
	s.c.say(say)
	return &inBand{statusOK, say}
}

// heldStatus answers what the holding said; a file that it could not keep is not told as one.
func (s *files) heldStatus(ctx context.Context, id uint32, f *file, err error) (verdict, error) {
	if err == nil {
		return verdict{answer: statusPacket(id, statusOK, "")}, nil
	}
	no := holdingFailed(err)
	s.mu.Lock()
	first := f.failed == ""
	if first {
		f.failed = no.Say
	}
	s.mu.Unlock()
	if !first {
		return verdict{answer: statusPacket(id, statusFailure, no.Say)}, nil
	}
	return s.refuse(ctx, id, map[string]any{"operation": "hold", "path": safe(f.path)}, no)
}

func holdingFailed(err error) *policy.Refusal {
	no, ok := errors.AsType[*policy.Refusal](err)
	if !ok {
		no = fileRefusal("holding-failed", "The plant could not keep this file. Try again; if it happens again, tell the control room.", "%v", err)
	}
	return no
}

// closeHeld: the client hears that its file is closed once the bytes and the event are durable here.
func (s *files) closeHeld(ctx context.Context, id uint32, f *file) (verdict, error) {
	s.mu.Lock()
	delete(s.open, f.handle)
	s.mu.Unlock()
	defer f.done()
	if f.failed != "" {
		f.held.Drop()
		return verdict{answer: statusPacket(id, statusFailure, cmp.Or(f.failed, "it was not kept"))}, nil
	}
	if strings.HasSuffix(f.path, unnamed) {
		if !f.held.Leave() {
			return verdict{answer: statusPacket(id, statusFailure, "it did not come whole, from its beginning to its end; send it anew")}, nil
		}
		return verdict{answer: statusPacket(id, statusOK, "it is kept until it is given its name")}, nil
	}
	say, err := f.held.Done(ctx)
	if err != nil {
		f.held.Drop()
		return s.refuse(ctx, id, map[string]any{"operation": "hold", "path": safe(f.path)}, holdingFailed(err))
	}
	s.c.say(say)
	return verdict{answer: statusPacket(id, statusOK, say)}, nil
}
