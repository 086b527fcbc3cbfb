package sftp

import (
	"bytes"
	"fmt"

	"penstock/policy"
)

// wish is a request as it was read, with what it needs.
type wish struct {
	request
	need   policy.Rights
	record map[string]any // for the recording, where a right is asked for
	data   []byte         // of a write; part of the packet
}

// inBand is what is answered with a status, mostly a no, and nothing more.
type inBand struct {
	code uint32
	say  string
}

func (e *inBand) Error() string { return e.say }

var (
	errHandle = &inBand{statusFailure, "that handle is not open here"}
	errPath   = &inBand{statusFailure, "a path has 1 to 4096 bytes and no zero byte"}
	errWhat   = &inBand{statusUnsupported, "this operation is not carried; leave it out, or do it in a shell on the machine"}
)

// words of what changes something, for the recording and the pages.
var changes = map[byte]string{fxSetstat: "set attributes", fxFsetstat: "set attributes", fxRemove: "remove", fxMkdir: "make folder",
	fxRmdir: "remove folder", fxRename: "rename", fxSymlink: "link"}

// parse reads one request strictly: what is not understood to its last byte does not pass.
// Listing and asking is look, reading a file copy, whatever changes something load.
func (s *files) parse(kind byte, f *fields) (w wish, err error) {
	w = wish{request: request{kind: kind}, need: policy.Look}
	switch kind {
	case fxOpen:
		err = w.open(f)
	case fxOpendir, fxLstat, fxStat, fxRealpath, fxReadlink:
		w.path = f.text(maxPath)
		err = f.end()
	case fxRemove, fxRmdir:
		w.path = f.text(maxPath)
		err = w.changes(f, changes[kind], "")
	case fxMkdir, fxSetstat:
		w.path = f.text(maxPath)
		w.size = truncation(f.attrs())
		err = w.changes(f, changes[kind], "")
	case fxRename, fxSymlink: // stock clients and servers give a link's target first; both are recorded
		w.path = f.text(maxPath)
		w.to = f.text(maxPath)
		err = w.changes(f, changes[kind], w.to)
	case fxExtended:
		err = s.extended(&w, f)
	default:
		err = s.onHandle(&w, f)
	}
	if err != nil {
		return w, err
	}
	if w.f == nil && !pathFits(w.path) && kind != fxExtended {
		return w, errPath
	}
	return w, nil
}

func pathFits(p string) bool { return len(p) <= maxPath && !bytes.ContainsRune([]byte(p), 0) }

func truncation(flags uint32, size uint64) *uint64 {
	if flags&attrSize == 0 {
		return nil
	}
	return &size
}

func (w *wish) open(f *fields) error {
	w.path, w.flags = f.text(maxPath), f.u32()
	w.size = truncation(f.attrs())
	if err := f.end(); err != nil {
		return err
	}
	if w.flags&^uint32(flagRead|flagWrite|flagAppend|flagCreate|flagTrunc|flagExcl) != 0 || w.flags == 0 {
		return fmt.Errorf("open with flags %#x, which version 3 does not have", w.flags)
	}
	if w.path == "" {
		return errPath
	}
	what := "read"
	if w.flags&flagRead != 0 {
		w.need |= policy.Copy
	}
	if w.flags&^uint32(flagRead) != 0 {
		w.need |= policy.Load
		what = "write"
		if w.flags&flagRead != 0 {
			what = "read and write"
		}
	}
	w.record = map[string]any{"operation": what, "path": safe(w.path)}
	return nil
}

// changes is a request by path that changes something.
func (w *wish) changes(f *fields, what, to string) error {
	if err := f.end(); err != nil {
		return err
	}
	if !pathFits(to) || !pathFits(w.path) {
		return errPath
	}
	w.need |= policy.Load
	w.record = map[string]any{"operation": what, "path": safe(w.path)}
	if to != "" {
		w.record["to"] = safe(to)
	}
	return nil
}

// handle finds an open file.
func (s *files) handle(f *fields) (*file, error) {
	name := f.bytes(maxHandle)
	if f.err != nil {
		return nil, f.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.open[string(name)]
	if at == nil || at.closing {
		return nil, errHandle
	}
	return at, nil
}

func (s *files) onHandle(w *wish, f *fields) (err error) {
	switch w.kind {
	case fxClose, fxRead, fxWrite, fxFstat, fxFsetstat, fxReaddir:
	default:
		return errWhat
	}
	if w.f, err = s.handle(f); err != nil {
		return err
	}
	switch w.kind {
	case fxRead:
		w.at, w.n = f.u64(), f.u32()
		if w.f.flags&flagRead == 0 {
			return &inBand{statusDenied, "this file was not opened for reading"}
		}
		if w.f.folder || w.at > 1<<62 {
			return errHandle
		}
	case fxWrite:
		w.at, w.data = f.u64(), f.bytes(maxPacket)
		if w.f.flags&flagWrite == 0 {
			return &inBand{statusDenied, "this file was not opened for writing"}
		}
		if w.f.folder || w.at > 1<<62 {
			return errHandle
		}
	case fxFsetstat:
		w.size = truncation(f.attrs())
		if w.f.flags&flagWrite == 0 { // else it was decided when it was opened for writing
			w.need |= policy.Load
			w.record = map[string]any{"operation": changes[fxFsetstat], "path": safe(w.f.path)}
		}
	case fxReaddir:
		if !w.f.folder {
			return errHandle
		}
	}
	return f.end()
}

// extensions of OpenSSH's PROTOCOL that are understood; the rest does not pass,
// and is taken out of what a machine offers.
var extensions = map[string]struct {
	change string // what it changes, in words; empty: it only asks
	read   func(s *files, w *wish, f *fields) error
}{
	"posix-rename@openssh.com": {"rename", twoPaths},
	"hardlink@openssh.com":     {"link", twoPaths},
	"lsetstat@openssh.com": {"set attributes", func(_ *files, w *wish, f *fields) error {
		w.path = f.text(maxPath)
		w.size = truncation(f.attrs())
		return nil
	}},
	"statvfs@openssh.com":            {"", onePath},
	"expand-path@openssh.com":        {"", onePath},
	"home-directory":                 {"", onePath},
	"fstatvfs@openssh.com":           {"", oneHandle},
	"fsync@openssh.com":              {"", oneHandle},
	"limits@openssh.com":             {"", func(*files, *wish, *fields) error { return nil }},
	"users-groups-by-id@openssh.com": {"", func(_ *files, _ *wish, f *fields) error { f.bytes(maxPacket); f.bytes(maxPacket); return nil }},
	"copy-data":                      {"copy on the machine", copyData},
}

func onePath(_ *files, w *wish, f *fields) error { w.path = f.text(maxPath); return nil }

func twoPaths(_ *files, w *wish, f *fields) error {
	w.path, w.to = f.text(maxPath), f.text(maxPath)
	w.record = map[string]any{"to": safe(w.to)}
	if !pathFits(w.to) {
		return errPath
	}
	return nil
}

func oneHandle(s *files, w *wish, f *fields) (err error) {
	w.f, err = s.handle(f)
	return err
}

// copyData copies from one open file to another on the machine (draft-ietf-secsh-filexfer-extensions-00, section 7).
func copyData(s *files, w *wish, f *fields) error {
	from, err := s.handle(f)
	if err != nil {
		return err
	}
	f.u64()
	f.u64()
	if w.f, err = s.handle(f); err != nil {
		return err
	}
	f.u64()
	if f.err == nil && (from.flags&flagRead == 0 || w.f.flags&flagWrite == 0) {
		return &inBand{statusDenied, "one file is to be open for reading, the other for writing"}
	}
	if from.taken != nil || f.err == nil && w.f.held != nil {
		return &inBand{statusUnsupported, "what waits at the plant is not copied on the machine"}
	}
	w.path = w.f.path
	w.record = map[string]any{"from": safe(from.path)}
	return nil
}

func (s *files) extended(w *wish, f *fields) error {
	w.ext = f.text(256)
	if f.err != nil {
		return f.err
	}
	ext, known := extensions[w.ext]
	if !known {
		return errWhat
	}
	if err := ext.read(s, w, f); err != nil {
		return err
	}
	if err := f.end(); err != nil {
		return err
	}
	if !pathFits(w.path) {
		return errPath
	}
	if ext.change != "" {
		if w.record == nil {
			w.record = map[string]any{}
		}
		w.need |= policy.Load
		w.record["operation"], w.record["path"] = ext.change, safe(w.path)
	}
	return nil
}
