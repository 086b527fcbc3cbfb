package sftp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/policy"
)

// Delivery is a file that goes from the broker to a machine.
type Delivery struct {
	File   string // F-1
	Path   string // canonical, when it was sent; plain text, as the event says it that it was held by
	Bytes  int64
	SHA256 audit.Hash
	From   io.ReaderAt
	Again  bool // it may be there already: one went before, and broke off
	// Goes is asked before each batch of it, and, naming, when all of it is there and
	// only its name is missing; an error ends the delivery. What was written of it
	// then is taken away. nil: nobody stops it.
	Goes func(naming bool) error
}

const (
	chunk   = 32 << 10 // of one write
	atOnce  = 8        // writes before their answers are read
	mostWas = 1 << 31  // bytes of a file that is read back to see whether it is there
)

// Deliver writes a file in a channel that was opened for it, at the gate like a
// vendor's bytes, and tells of it. It goes to a name beside its own and gets its
// name whole, where the machine can rename. there says that a delivery before
// this one had already come to its end.
func Deliver(ctx context.Context, gate *broker.Channel, machine io.ReadWriter, d Delivery) (there bool, err error) {
	j := &Job{Kind: "sftp"}
	gate.Thin(j.thin(nil))
	defer gate.Busy("delivery of " + safe(path.Base(d.Path)))()
	x := &courier{ctx: ctx, gate: gate, machine: machine, d: d}
	if err := x.greet(); err != nil {
		return false, err
	}
	if err := x.standsStill(); err != nil {
		return false, err
	}
	if d.Again {
		if there, err = x.isThere(); err != nil || there {
			return there, err
		}
	}
	if err := x.upload(); err != nil {
		return false, err
	}
	return false, gate.Transferred(audit.FileTransferred{By: "penstock", Direction: "in", Path: d.Path, Bytes: d.Bytes, SHA256: d.SHA256, Hashed: "content", Whole: true})
}

// courier is a small client of SFTP version 3.
type courier struct {
	ctx     context.Context
	gate    *broker.Channel
	machine io.ReadWriter
	d       Delivery

	in      splitter
	left    []byte
	id      uint32
	renames bool // posix-rename@openssh.com
	syncs   bool
}

// send passes the gate, then goes to the machine in steps.
func (x *courier) send(p []byte) error {
	forward, err := x.gate.In(x.ctx, p)
	if err != nil {
		return err
	}
	for len(p) > 0 {
		if err := x.gate.Pass(x.ctx); err != nil {
			return err
		}
		if !forward || x.gate.Decision().Duties.InputOff {
			return &policy.Refusal{Rule: "input-off", Say: "the window may only look now, so nothing is delivered; ask the shift", Why: "narrowed"}
		}
		n := min(len(p), step)
		if _, err := x.machine.Write(p[:n]); err != nil {
			return fmt.Errorf("write to the target: %w", err)
		}
		p = p[n:]
	}
	return nil
}

// receive gives the next packet, recorded.
func (x *courier) receive() (kind byte, f *fields, err error) {
	for {
		raw, left, err := x.in.next(x.left)
		if err != nil {
			return 0, nil, broken("machine", "%v", err)
		}
		if raw != nil {
			x.left = left
			if err := x.gate.Out(x.ctx, recording.Out, raw); err != nil {
				return 0, nil, err
			}
			return raw[4], &fields{b: bytes.Clone(raw[5:])}, nil
		}
		buf := make([]byte, step)
		n, err := x.machine.Read(buf)
		if n == 0 && err != nil {
			return 0, nil, fmt.Errorf("read from the target: %w", err)
		}
		x.left = buf[:n]
	}
}

func (x *courier) greet() error {
	if err := x.send(newPacket(fxInit).u32(3).done()); err != nil {
		return err
	}
	kind, f, err := x.receive()
	if err != nil {
		return err
	}
	if v := f.u32(); kind != fxVersion || v != 3 || f.err != nil {
		return broken("machine", "it answers with version %d", v)
	}
	for len(f.b) > 0 && f.err == nil {
		switch name := f.text(maxPacket); name {
		case "posix-rename@openssh.com":
			x.renames = true
		case "fsync@openssh.com":
			x.syncs = true
		}
		f.bytes(maxPacket)
	}
	return nil
}

// ask sends one request and gives its answer.
func (x *courier) ask(kind byte, build func(packet) packet) (byte, *fields, error) {
	x.id++
	if err := x.send(build(newPacket(kind).u32(x.id)).done()); err != nil {
		return 0, nil, err
	}
	return x.answer(x.id)
}

func (x *courier) answer(id uint32) (byte, *fields, error) {
	kind, f, err := x.receive()
	if err != nil {
		return 0, nil, err
	}
	if got := f.u32(); got != id || f.err != nil {
		return 0, nil, broken("machine", "an answer to request %d, where %d was asked", got, id)
	}
	return kind, f, nil
}

// did is ask for what is answered by a status alone.
func (x *courier) did(what string, kind byte, build func(packet) packet) error {
	got, f, err := x.ask(kind, build)
	if err != nil {
		return err
	}
	return wentWell(what, got, f)
}

func wentWell(what string, kind byte, f *fields) error {
	code := f.u32()
	if kind == fxStatus && f.err == nil && code == statusOK {
		return nil
	}
	return &notDone{what, code}
}

// notDone is the machine's own no.
type notDone struct {
	what string
	code uint32
}

func (e *notDone) Error() string {
	return fmt.Sprintf("the machine did not %s (SFTP status %d)", e.what, e.code)
}

// standsStill: the folder is where it was when the path was decided on, and
// nothing but a plain file is at its end.
func (x *courier) standsStill() error {
	dir, _ := splitPath(x.d.Path)
	kind, f, err := x.ask(fxRealpath, func(p packet) packet { return p.text(dir) })
	if err != nil {
		return err
	}
	if n, name := f.u32(), f.text(maxPath); kind != fxName || n != 1 || name != dir || f.err != nil {
		return &policy.Refusal{Rule: "file-path", Say: "The folder of " + safe(x.d.Path) + " leads elsewhere now, so the file was not delivered. Send it anew.", Why: fmt.Sprintf("%s is %s", safe(dir), safe(name))}
	}
	kind, f, err = x.ask(fxLstat, func(p packet) packet { return p.text(x.d.Path) })
	if err != nil {
		return err
	}
	if kind == fxAttrs {
		is := standing{there: true}
		if is.size, is.mode, is.typed = f.standing(); is.typed && !is.regular() {
			return &policy.Refusal{Rule: "file-kind", Say: safe(x.d.Path) + " is no plain file on the machine, so nothing was delivered there.", Why: fmt.Sprintf("mode %o", is.mode)}
		}
	}
	return nil
}

// open gives a handle.
func (x *courier) open(name string, flags uint32) (string, error) {
	kind, f, err := x.ask(fxOpen, func(p packet) packet { return p.text(name).u32(flags).u32(0) })
	if err != nil {
		return "", err
	}
	if kind != fxHandle {
		return "", wentWell("open "+safe(name), kind, f)
	}
	return f.text(maxHandle), f.err
}

// isThere reads back what stands under the name: after a delivery that broke off.
func (x *courier) isThere() (bool, error) {
	h, err := x.open(x.d.Path, flagRead)
	if no := (*notDone)(nil); errors.As(err, &no) || x.d.Bytes > mostWas {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	sum, at := sha256.New(), int64(0)
	for at <= x.d.Bytes {
		kind, f, err := x.ask(fxRead, func(p packet) packet { return p.text(h).u64(uint64(at)).u32(chunk) })
		if err != nil {
			return false, err
		}
		b := f.bytes(maxPacket)
		if kind != fxData || f.err != nil || len(b) == 0 {
			break
		}
		sum.Write(b)
		at += int64(len(b))
	}
	if err := x.did("close", fxClose, func(p packet) packet { return p.text(h) }); err != nil {
		return false, err
	}
	return at == x.d.Bytes && audit.Hash(sum.Sum(nil)) == x.d.SHA256, nil
}

func (x *courier) upload() error {
	dir, _ := splitPath(x.d.Path)
	part := path.Join(dir, ".penstock-"+x.d.File+".part")
	h, err := x.open(part, flagWrite|flagCreate|flagTrunc)
	if err != nil {
		return err
	}
	if err := x.content(h); err != nil {
		if stopped := (*stoppedError)(nil); errors.As(err, &stopped) {
			return x.tidy(part, h, stopped.why)
		}
		return err
	}
	if x.syncs {
		if err := x.did("write it to its disk", fxExtended, func(p packet) packet { return p.text("fsync@openssh.com").text(h) }); err != nil {
			return err
		}
	}
	if err := x.did("close the file", fxClose, func(p packet) packet { return p.text(h) }); err != nil {
		return err
	}
	if err := x.goes(true); err != nil {
		return x.tidy(part, "", err)
	}
	if x.renames {
		return x.did("give the file its name", fxExtended, func(p packet) packet { return p.text("posix-rename@openssh.com").text(part).text(x.d.Path) })
	}
	rename := func() error {
		return x.did("give the file its name", fxRename, func(p packet) packet { return p.text(part).text(x.d.Path) })
	}
	err = rename()
	if no := (*notDone)(nil); errors.As(err, &no) { // version 3 alone renames over nothing
		if err := x.did("take the old file away", fxRemove, func(p packet) packet { return p.text(x.d.Path) }); err != nil {
			return err
		}
		return rename()
	}
	return err
}

func (x *courier) goes(naming bool) error {
	if x.d.Goes == nil {
		return nil
	}
	return x.d.Goes(naming)
}

// stoppedError: somebody refuses the file between two batches of it.
type stoppedError struct{ why error }

func (e *stoppedError) Error() string { return e.why.Error() }

// tidy takes away what was written of a file that goes no further. It never had its
// name; where the machine does not do it, the part stays, and why is said all the same.
func (x *courier) tidy(part, handle string, why error) error {
	if handle != "" {
		if err := x.did("close the file", fxClose, func(p packet) packet { return p.text(handle) }); err != nil {
			return errors.Join(why, err)
		}
	}
	return errors.Join(why, x.did("take the part away", fxRemove, func(p packet) packet { return p.text(part) }))
}

// content sends the bytes, and holds them to the hash that was let through.
func (x *courier) content(h string) error {
	sum := sha256.New()
	buf := make([]byte, chunk)
	for at := int64(0); at < x.d.Bytes; {
		var batch []byte
		first := x.id + 1
		for range atOnce {
			n := int(min(int64(chunk), x.d.Bytes-at))
			if n == 0 {
				break
			}
			if _, err := x.d.From.ReadAt(buf[:n], at); err != nil {
				return fmt.Errorf("read what is held: %w", err)
			}
			sum.Write(buf[:n])
			x.id++
			batch = append(batch, newPacket(fxWrite).u32(x.id).text(h).u64(uint64(at)).text(string(buf[:n])).done()...)
			at += int64(n)
		}
		if at == x.d.Bytes && audit.Hash(sum.Sum(nil)) != x.d.SHA256 { // before the last of it goes
			return &policy.Refusal{Rule: "file-changed", Say: "What is held is not what was let through any more, so it was not delivered. Send it anew.", Why: x.d.File + " has another hash"}
		}
		if err := x.goes(false); err != nil {
			return &stoppedError{err}
		}
		if err := x.send(batch); err != nil {
			return err
		}
		for id := first; id <= x.id; id++ {
			kind, f, err := x.answer(id)
			if err != nil {
				return err
			}
			if err := wentWell("take all of the file", kind, f); err != nil {
				return err
			}
		}
	}
	return nil
}
