package sftp

import (
	"strings"

	"penstock/audit"
	"penstock/policy"
)

// fromTarget takes the answers of p one by one. Those that go on as they came, one
// behind the other, are shown together.
func (s *files) fromTarget(p []byte, show func([]byte) error) error {
	var r run
	for {
		raw, left, err := s.targ.next(p)
		if err != nil {
			return broken("machine", "%v", err)
		}
		if raw == nil {
			return show(r.end())
		}
		p = left
		reply, told, err := s.answer(raw)
		if err != nil {
			return err
		}
		// Durable before the client hears that its file is closed.
		if err := s.c.tell(told); err != nil {
			return err
		}
		if err := r.on(reply, s.targ.kept, show); err != nil {
			return err
		}
	}
}

// tell writes events; the first error stays.
func (c *Carrier) tell(all []audit.FileTransferred) (err error) {
	for _, f := range all {
		if e := c.transferred(f); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// answer checks one answer against its request. What it says instead stands in reply.
func (s *files) answer(raw []byte) (reply []byte, events []audit.FileTransferred, err error) {
	kind, f := raw[4], &fields{b: raw[5:]}
	s.mu.Lock()
	defer s.mu.Unlock()
	if kind == fxVersion {
		reply, err = s.version(f)
		return reply, nil, err
	}
	id := f.u32()
	r := s.asked[id]
	if f.err != nil || r == nil {
		return nil, nil, broken("machine", "an answer (%d) to a question that nobody asked", kind)
	}
	delete(s.asked, id)
	s.less.Broadcast()
	if r.answer != nil {
		r.answer <- told{kind, append([]byte(nil), f.b...)}
		return nil, nil, nil
	}
	reply = raw
	switch kind {
	case fxStatus:
		err = s.status(r, f)
	case fxHandle:
		err = s.opened(r, f)
	case fxData:
		if err = s.data(r, f); err == nil && r.f.over {
			reply = statusPacket(id, statusDenied, tooLarge(r.f.path, "out", policy.FileRule{Most: r.f.mostOut}).Say)
		}
	case fxName:
		reply, err = s.names(r, id, raw, f)
	case fxAttrs:
		err = s.attributes(r, f)
	case fxReply:
		reply, err = s.extendedReply(r, id, raw, f)
	default:
		err = broken("machine", "an answer of kind %d", kind)
	}
	if err != nil {
		return nil, nil, err
	}
	if r.f != nil && r.f.closed && r.f.pending == 0 && s.open[r.f.handle] == r.f {
		delete(s.open, r.f.handle)
		events = r.f.told("sftp")
	}
	return reply, events, nil
}

// version leaves out the extensions that would not pass.
func (s *files) version(f *fields) ([]byte, error) {
	v := f.u32()
	if f.err != nil || v != 3 || s.greeted || !s.begun {
		return nil, broken("machine", "it answers with version %d, where 3 is spoken", v)
	}
	s.greeted = true
	p := newPacket(fxVersion).u32(3)
	for len(f.b) > 0 && f.err == nil {
		name, data := f.text(maxPacket), f.text(maxPacket)
		if _, known := extensions[name]; known && f.err == nil {
			p = p.text(name).text(data)
		}
	}
	if f.err != nil {
		return nil, broken("machine", "version: %v", f.err)
	}
	return p.done(), nil
}

func (s *files) status(r *request, f *fields) error {
	code := f.u32()
	if len(f.b) > 0 { // older machines leave text and language out
		f.bytes(maxPacket)
		f.bytes(maxPacket)
	}
	if err := f.end(); err != nil {
		return broken("machine", "status: %v", err)
	}
	switch r.kind {
	case fxOpen, fxOpendir:
		s.opening--
	case fxClose:
		r.f.closed = true
		if code != statusOK {
			r.f.failed = "the machine could not close it"
		}
	case fxRead:
		switch {
		case code == statusEOF:
			r.f.eof = r.f.eof || r.at <= r.f.out.end()
		case code != statusOK && r.f.failed == "":
			r.f.failed = "the machine could not read all of it"
		}
	case fxWrite:
		r.f.pending--
		if code != statusOK {
			r.f.failed = "the machine did not take all of it"
		}
	case fxFsetstat:
		r.f.pending--
		if code == statusOK && r.size != nil {
			s.truncated(r.f, *r.size)
		}
	case fxSetstat:
		for _, o := range s.open {
			if code == statusOK && r.size != nil && o.path == r.path {
				s.truncated(o, *r.size)
			}
		}
	}
	return nil
}

// truncated: cut at the end of what was written, it is the file; elsewhere it is another.
func (s *files) truncated(f *file, size uint64) {
	if size == f.in.end() {
		f.cut = true
		return
	}
	if size != 0 || f.in.begun {
		f.failed = "cut to another length"
	}
}

func (s *files) opened(r *request, f *fields) error {
	h := f.text(maxHandle)
	if err := f.end(); err != nil || h == "" || r.kind != fxOpen && r.kind != fxOpendir {
		return broken("machine", "a handle to request %d: %v", r.kind, err)
	}
	if s.open[h] != nil {
		return broken("machine", "the handle of an open file once more")
	}
	s.opening--
	o := &file{path: r.path, handle: h, folder: r.kind == fxOpendir, flags: r.flags, most: r.most, mostOut: r.mostOut}
	o.in.waiting, o.out.waiting, o.in.once = &s.held, &s.held, s.c.in
	if o.size, o.sized = s.sizes[r.path]; o.folder {
		o.sized = false
	} else {
		o.done = s.c.gate.Busy(o.half())
	}
	s.overlap(o)
	s.open[h] = o
	return nil
}

// overlap: what is written through two handles at once is not known to be what either of them wrote.
func (s *files) overlap(o *file) {
	const twice = "written through two handles at once"
	for _, other := range s.open {
		if o.writes() && other.writes() && other.path == o.path && !other.closing {
			o.failed, other.failed = twice, twice
		}
	}
}

func (s *files) data(r *request, f *fields) error {
	p := f.bytes(maxPacket)
	if err := f.end(); err != nil || r.kind != fxRead {
		return broken("machine", "data to request %d: %v", r.kind, err)
	}
	if uint32(len(p)) > r.n {
		return broken("machine", "%d bytes where %d were asked for", len(p), r.n)
	}
	if most := r.f.mostOut; most > 0 && r.at+uint64(len(p)) > uint64(most) {
		r.f.over, r.f.failed = true, "larger than may pass"
		return nil
	}
	r.f.out.add(r.at, p)
	return nil
}

// names are those of a folder, or the one path of realpath and readlink.
func (s *files) names(r *request, id uint32, raw []byte, f *fields) ([]byte, error) {
	n := f.u32()
	if n > maxNames && f.err == nil {
		return nil, broken("machine", "%d names in one answer", n)
	}
	path := false
	for i := uint32(0); i < n && f.err == nil; i++ {
		name := f.text(maxPath)
		path = path || name == "" || strings.ContainsAny(name, "/\x00")
		f.bytes(maxPacket)
		f.attrs()
	}
	if err := f.end(); err != nil {
		return nil, broken("machine", "names: %v", err)
	}
	switch r.kind {
	case fxReaddir:
		if path { // a client that believes it writes outside of the folder it was told to (CVE-2019-6111)
			return statusPacket(id, statusFailure, "the machine lists a name that leads elsewhere; that is not passed on"), nil
		}
	case fxRealpath, fxReadlink:
		if n != 1 {
			return statusPacket(id, statusFailure, "the machine gave no one path"), nil
		}
	default:
		if r.ext != "expand-path@openssh.com" && r.ext != "home-directory" || n != 1 {
			return nil, broken("machine", "names to request %d", r.kind)
		}
	}
	return raw, nil
}

func (s *files) attributes(r *request, f *fields) error {
	flags, size := f.attrs()
	if err := f.end(); err != nil {
		return broken("machine", "attributes: %v", err)
	}
	switch r.kind {
	case fxLstat: // of the link itself
	case fxStat:
		if flags&attrSize != 0 {
			if len(s.sizes) >= maxSizes {
				clear(s.sizes)
			}
			s.sizes[r.path] = size
		}
	case fxFstat:
		if flags&attrSize != 0 {
			r.f.size, r.f.sized = size, true
		}
	default:
		return broken("machine", "attributes to request %d", r.kind)
	}
	return nil
}

// extendedReply passes what is understood; limits are held to ours.
func (s *files) extendedReply(r *request, id uint32, raw []byte, f *fields) ([]byte, error) {
	switch r.ext {
	case "limits@openssh.com":
		longest, read, write, open := f.u64(), f.u64(), f.u64(), f.u64()
		if err := f.end(); err != nil {
			return nil, broken("machine", "limits: %v", err)
		}
		return newPacket(fxReply).u32(id).u64(least(longest, maxPacket-1024)).u64(least(read, maxData)).u64(least(write, maxData)).u64(least(open, maxOpen)).done(), nil
	case "statvfs@openssh.com", "fstatvfs@openssh.com", "users-groups-by-id@openssh.com":
		return raw, nil
	}
	return nil, broken("machine", "an extended answer to request %d %s", r.kind, safe(r.ext))
}

// least: zero stands for no limit.
func least(theirs, ours uint64) uint64 {
	if theirs == 0 {
		return ours
	}
	return min(theirs, ours)
}

var _ reader = (*files)(nil)
