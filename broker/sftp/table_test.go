package sftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"penstock/audit"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

// memory is a Holding in memory: what was let out is /let.
type memory struct {
	kept  map[string][]byte // by way and path; whole
	parts map[string]*memoryFile
	over  []bool // of what was taken
}

type memoryFile struct {
	m    *memory
	name string
	b    []byte
}

func (m *memory) Begin(_ *broker.Channel, w Way, path string, _ int64) (Held, error) {
	return &memoryFile{m: m, name: string(w) + " " + path}, nil
}

func (m *memory) Part(_ *broker.Channel, path string) (int64, bool) {
	if path == "" {
		return 0, len(m.parts) > 0
	}
	p := m.parts["in "+path]
	if p == nil {
		return 0, false
	}
	return int64(len(p.b)), true
}

func (m *memory) Resume(_ *broker.Channel, path, _ string, _ int64) (Held, bool) {
	p := m.parts["in "+path]
	delete(m.parts, "in "+path)
	return p, p != nil
}

func (m *memory) Take(_ context.Context, _ *broker.Channel, path string) (Taken, string, error) {
	switch {
	case path == "/let":
		return &memoryFile{m: m, name: "let", b: []byte("let out")}, "", nil
	case m.kept["out "+path] != nil:
		return nil, path + " waits", nil
	}
	return nil, "", nil
}

var errLarge = &policy.Refusal{Rule: "file-size", Say: "too large"}

func (f *memoryFile) Truncate(size int64) error {
	if size < 0 || size > 1<<20 {
		return errLarge
	}
	f.b = append(f.b, make([]byte, max(0, size-f.Size()))...)[:size]
	return nil
}

func (f *memoryFile) WriteAt(p []byte, at int64) (int, error) {
	if end := at + int64(len(p)); end < at || end > 1<<20 {
		return 0, errLarge
	} else if end > f.Size() {
		f.b = append(f.b, make([]byte, end-f.Size())...)
	}
	return copy(f.b[at:], p), nil
}

func (f *memoryFile) ReadAt(p []byte, at int64) (int, error) {
	if at > f.Size() {
		return 0, io.EOF
	}
	return copy(p, f.b[at:]), nil
}

func (f *memoryFile) Size() int64 { return int64(len(f.b)) }
func (f *memoryFile) Drop()       {}
func (f *memoryFile) Leave() bool {
	if f.m.parts == nil {
		f.m.parts = map[string]*memoryFile{}
	}
	f.m.parts[f.name] = f
	return true
}
func (f *memoryFile) File() string                        { return "F-1" }
func (f *memoryFile) Close(_ context.Context, whole bool) { f.m.over = append(f.m.over, whole) }
func (f *memoryFile) Done(context.Context) (string, error) {
	if f.m.kept == nil {
		f.m.kept = map[string][]byte{}
	}
	f.m.kept[f.name] = append([]byte{}, f.b...)
	return f.name + " is held", nil
}

// machined has a machine answer the questions that are Penstock's own, within the
// sending of each; what the vendor asked for stays in passed.
func (s *scene) machined(p []byte, answer func(kind byte, id uint32, f *fields) []byte) error {
	fs := s.r.(*files)
	return fs.fromVendor(context.Background(), p, func(b []byte) error {
		var cut splitter
		for len(b) > 0 {
			raw, left, err := cut.next(b)
			if err != nil || raw == nil {
				s.t.Fatalf("no packet goes to the machine: %q %v", b, err)
			}
			b = left
			f := &fields{b: raw[5:]}
			id := f.u32()
			fs.mu.Lock()
			own := raw[4] != fxInit && fs.asked[id] != nil && fs.asked[id].answer != nil
			fs.mu.Unlock()
			if !own {
				s.passed = append(s.passed, raw...)
				continue
			}
			show, err := shownBy(fs, answer(raw[4], id, f))
			if err != nil {
				return err
			}
			if len(show) > 0 {
				s.t.Errorf("the vendor sees the answer to a question of ours: %q", show)
			}
		}
		return nil
	})
}

// plainMachine has a file of ten bytes at every path but /none, whose folder is there too.
func plainMachine(kind byte, id uint32, f *fields) []byte {
	switch p := ""; kind {
	case fxRealpath:
		return req(fxName, id).u32(1).text(f.text(maxPath)).text("").u32(0).done()
	case fxLstat:
		if p = f.text(maxPath); p == "/none" {
			return statusPacket(id, statusNoFile, "")
		}
		return req(fxAttrs, id).u32(attrSize | attrMode).u64(10).u32(0o100600).done()
	case fxOpen:
		return handleOf(id, "machine's")
	case fxRead:
		if f.text(maxHandle); f.u64() == 0 {
			return req(fxData, id).text("0123456789").done()
		}
		return statusPacket(id, statusEOF, "")
	}
	return ok(id)
}

const bothWait = "{in: {quarantine: true}, out: {quarantine: true}}"

// What becomes of every request, on an account whose rights allow it, without rules
// for files and where files wait in both directions. README.md has this table in words.
//
//	passes  it goes to the machine as it is
//	here    Penstock answers well, and the machine hears nothing
//	refused a person reads why, and it is an event; the machine hears nothing
//	no      it is answered with a status, and the machine hears nothing
func TestEveryRequest(t *testing.T) {
	ext := func(name string) packet { return req(fxExtended, 9).text(name) }
	on := func(kind byte, h string) packet { return req(kind, 9).text(h) }
	for _, row := range []struct {
		name         string
		p            []byte
		plain, waits string
	}{
		{"open to read", openFile(9, "/x", flagRead), "passes", "no"}, // it is fetched, and waits
		{"open to read what was let out", openFile(9, "/let", flagRead), "passes", "here"},
		{"open to read what is not there", openFile(9, "/none", flagRead), "passes", "no"},
		{"open to write anew", openFile(9, "/x", flagWrite|flagCreate|flagTrunc), "passes", "here"},
		{"open to write a new one", openFile(9, "/none", flagWrite|flagCreate|flagExcl), "passes", "here"},
		{"open one that is there as a new one", openFile(9, "/x", flagWrite|flagCreate|flagExcl), "passes", "no"},
		{"open to go on", openFile(9, "/x", flagWrite), "passes", "refused"},
		{"open to append", openFile(9, "/x", flagWrite|flagAppend), "passes", "refused"},
		{"open to read and write", openFile(9, "/x", flagRead|flagWrite), "passes", "refused"},
		{"open with flags that are none", openFile(9, "/x", 0), "no", "no"},
		{"open with flags of later versions", openFile(9, "/x", 1<<6), "no", "no"},
		{"open with a size", req(fxOpen, 9).text("/x").u32(flagWrite | flagTrunc).u32(attrSize).u64(1 << 40).done(), "passes", "refused"},
		{"close", on(fxClose, "r").done(), "passes", "here"},
		{"close what is not open", on(fxClose, "zz").done(), "no", "no"},
		{"read", on(fxRead, "r").u64(0).u32(100).done(), "passes", "here"},
		{"read beyond the end", on(fxRead, "r").u64(1 << 50).u32(100).done(), "passes", "no"},
		{"read at 2^62 and one", on(fxRead, "r").u64(1<<62 + 1).u32(1).done(), "no", "no"},
		{"read at the last of 64 bits", on(fxRead, "r").u64(1<<64 - 1).u32(1).done(), "no", "no"},
		{"read four gigabytes", on(fxRead, "r").u64(0).u32(1<<32 - 1).done(), "passes", "here"},
		{"read what is open to write", on(fxRead, "w").u64(0).u32(1).done(), "no", "no"},
		{"read a folder", on(fxRead, "d").u64(0).u32(1).done(), "no", "no"},
		{"write", on(fxWrite, "w").u64(0).text("abc").done(), "passes", "here"},
		{"write nothing", on(fxWrite, "w").u64(0).text("").done(), "passes", "here"},
		{"write far behind the end", on(fxWrite, "w").u64(1 << 61).text("abc").done(), "passes", "refused"},
		{"write at the last of 64 bits", on(fxWrite, "w").u64(1<<64 - 2).text("abc").done(), "no", "no"},
		{"write what is open to read", on(fxWrite, "r").u64(0).text("abc").done(), "no", "no"},
		{"write less than it says", on(fxWrite, "w").u64(0).u32(100).done(), "no", "no"},
		{"lstat", req(fxLstat, 9).text("/x").done(), "passes", "passes"},
		{"stat", req(fxStat, 9).text("/x").done(), "passes", "passes"},
		{"fstat", on(fxFstat, "r").done(), "passes", "here"},
		{"fstat of one that comes", on(fxFstat, "w").done(), "passes", "here"},
		{"setstat of a mode", req(fxSetstat, 9).text("/x").u32(attrMode).u32(0o644).done(), "passes", "passes"},
		{"setstat of a size", req(fxSetstat, 9).text("/x").u32(attrSize).u64(0).done(), "passes", "refused"},
		{"fsetstat of a size", on(fxFsetstat, "w").u32(attrSize).u64(5).done(), "passes", "here"},
		{"fsetstat of a size of 64 bits", on(fxFsetstat, "w").u32(attrSize).u64(1<<64 - 1).done(), "passes", "no"},
		{"fsetstat of a mode", on(fxFsetstat, "w").u32(attrMode).u32(0o644).done(), "passes", "here"},
		{"fsetstat of what is open to read", on(fxFsetstat, "r").u32(attrMode).u32(0o644).done(), "passes", "no"},
		{"fsetstat of its size", on(fxFsetstat, "r").u32(attrSize).u64(0).done(), "passes", "refused"},
		{"opendir", req(fxOpendir, 9).text("/").done(), "passes", "passes"},
		{"readdir", on(fxReaddir, "d").done(), "passes", "passes"},
		{"readdir of a file", on(fxReaddir, "r").done(), "no", "no"},
		{"remove", req(fxRemove, 9).text("/x").done(), "passes", "passes"},
		{"mkdir", noAttrs(req(fxMkdir, 9).text("/x")), "passes", "passes"},
		{"rmdir", req(fxRmdir, 9).text("/x").done(), "passes", "passes"},
		{"realpath", req(fxRealpath, 9).text(".").done(), "passes", "passes"},
		{"rename", req(fxRename, 9).text("/x").text("/y").done(), "passes", "passes"},
		{"readlink", req(fxReadlink, 9).text("/x").done(), "passes", "passes"},
		{"symlink", req(fxSymlink, 9).text("/x").text("/y").done(), "passes", "refused"},
		{"posix-rename", ext("posix-rename@openssh.com").text("/x").text("/y").done(), "passes", "passes"},
		{"hardlink", ext("hardlink@openssh.com").text("/x").text("/y").done(), "passes", "refused"},
		{"lsetstat of a mode", ext("lsetstat@openssh.com").text("/x").u32(attrMode).u32(0o644).done(), "passes", "passes"},
		{"lsetstat of a size", ext("lsetstat@openssh.com").text("/x").u32(attrSize).u64(0).done(), "passes", "refused"},
		{"statvfs", ext("statvfs@openssh.com").text("/").done(), "passes", "passes"},
		{"fstatvfs", ext("fstatvfs@openssh.com").text("r").done(), "passes", "no"},
		{"fsync", ext("fsync@openssh.com").text("w").done(), "passes", "here"},
		{"limits", ext("limits@openssh.com").done(), "passes", "passes"},
		{"limits with more behind it", ext("limits@openssh.com").u32(1).done(), "no", "no"},
		{"expand-path", ext("expand-path@openssh.com").text("~").done(), "passes", "passes"},
		{"home-directory", ext("home-directory").text("ann").done(), "passes", "passes"},
		{"users-groups-by-id", ext("users-groups-by-id@openssh.com").text("").text("").done(), "passes", "passes"},
		{"copy-data", ext("copy-data").text("r").u64(0).u64(0).text("w").u64(0).done(), "passes", "no"},
		{"copy-data to what is open to read", ext("copy-data").text("r").u64(0).u64(0).text("r").u64(0).done(), "no", "no"},
		{"copy-data from what is not open", ext("copy-data").text("zz").u64(0).u64(0).text("w").u64(0).done(), "no", "no"},
		{"copy-file of others", ext("copy-file").text("/x").text("/y").done(), "no", "no"},
		{"check-file of others", ext("check-file-name").text("/x").text("md5").u64(0).u64(0).u32(0).done(), "no", "no"},
		{"vendor-id", ext("vendor-id").text("x").done(), "no", "no"},
		{"no extension", req(fxExtended, 9).done(), "no", "no"},
		{"block of version 6", req(22, 9).text("r").u64(0).u64(1).u32(0).done(), "no", "no"},
		{"link of version 6", req(21, 9).text("/x").text("/y").u32(1).done(), "no", "no"},
	} {
		for rules, want := range map[string]string{"": row.plain, bothWait: row.waits} {
			s := prepared(t, rules)
			refused := len(brokertest.Bodies[audit.ChannelRefused](s.rig.Log))
			if err := s.machined(row.p, plainMachine); err != nil {
				t.Errorf("%s %s: %v", row.name, rules, err)
				continue
			}
			got, a := "passes", s.ours()
			if refused = len(brokertest.Bodies[audit.ChannelRefused](s.rig.Log)) - refused; len(a) > 0 {
				if got = "here"; a[4] == fxStatus && binary.BigEndian.Uint32(a[9:]) != statusOK {
					got = map[int]string{0: "no", 1: "refused"}[refused]
				}
			}
			if got != want || (got == "passes") != bytes.Equal(s.passed, row.p) || got != "passes" && len(s.passed) > 0 {
				t.Errorf("%s, rules %q: %s, want %s; passed %q, answered %q, %d refused", row.name, rules, got, want, s.passed, a, refused)
			}
		}
	}
}

// prepared has r open to read, w to write, and a folder d; where files wait these
// are a file that was let out, and one that comes.
func prepared(t *testing.T, rules string) *scene {
	t.Helper()
	s := greetedWith(t, rules)
	s.r.(*files).c.holding = &memory{}
	s.must(req(fxOpendir, 3).text("/d").done())
	s.machine(handleOf(3, "d"))
	for i, o := range []struct {
		path, handle string
		flags        uint32
	}{{"/let", "r", flagRead}, {"/w", "w", flagWrite | flagTrunc | flagCreate}} {
		if err := s.machined(openFile(uint32(i), o.path, o.flags), plainMachine); err != nil {
			t.Fatal(err)
		}
		if rules == "" {
			s.machine(handleOf(uint32(i), o.handle))
			continue
		}
		f := &fields{b: s.ours()[9:]} // under our own handle, which the rows do not know
		fs := s.r.(*files)
		given := f.text(maxHandle)
		fs.open[o.handle] = fs.open[given]
		fs.open[o.handle].handle = o.handle
		delete(fs.open, given)
	}
	s.passed = nil
	return s
}

// A file that was let out, read in whatever order, is what was let out, and is told as what passed.
func TestReadingWhatWasLetOut(t *testing.T) {
	for name, c := range map[string]struct {
		reads  []uint64 // offsets of three bytes
		whole  bool
		hashed string
	}{
		"in order": {[]uint64{0, 3, 6, 7}, true, "content"}, "backwards": {[]uint64{6, 3, 0, 7}, true, "content"},
		"twice": {[]uint64{0, 3, 6, 0, 7}, false, "ranges"}, "a part": {[]uint64{3}, false, "content"}, "nothing": {[]uint64{7}, false, "content"},
	} {
		s := prepared(t, bothWait)
		for i, at := range c.reads {
			s.must(req(fxRead, uint32(100+i)).text("r").u64(at).u32(3).done())
			a := s.ours()
			if want := "let out"[min(at, 7):min(at+3, 7)]; want != "" && string(a[13:]) != want || want == "" && a[4] != fxStatus {
				t.Errorf("%s: at %d: %q", name, at, a)
			}
		}
		s.must(req(fxClose, 99).text("r").done())
		all := s.events()
		if len(all) != 1 || all[0].Whole != c.whole || all[0].Hashed != c.hashed || all[0].File != "F-1" || all[0].Direction != "out" {
			t.Errorf("%s: %+v", name, all)
		}
		if over := s.r.(*files).c.holding.(*memory).over; len(over) != 1 || over[0] != c.whole {
			t.Errorf("%s: over %v", name, over)
		}
	}
}

// What is written through two handles at once is told as not known to be whole, whichever is closed first.
func TestTwoHandlesOnOneFile(t *testing.T) {
	for _, late := range []bool{false, true} { // the second is opened once the first is closed
		s := greeted(t, brokertest.Maint, nil)
		opens := func(id uint32, h string) {
			s.must(openFile(id, "/x", flagWrite|flagTrunc))
			s.machine(handleOf(id, h))
		}
		closes := func(id uint32, h, text string) {
			s.must(write(id, h, 0, text))
			s.machine(ok(id))
			s.must(req(fxClose, id).text(h).done())
			s.machine(ok(id))
		}
		opens(1, "a")
		if late {
			closes(2, "a", "benign")
			opens(3, "b")
		} else {
			opens(3, "b")
			closes(2, "a", "benign")
		}
		closes(4, "b", "other!")
		for _, e := range s.events() {
			if e.Whole != late {
				t.Errorf("late %v: %+v", late, e)
			}
		}
	}
}

// FuzzWaiting: whatever a vendor and a machine say, where files wait in both
// directions no content goes either way but by the holding.
func FuzzWaiting(f *testing.F) {
	init := newPacket(fxInit).u32(3).done()
	all := func(p ...[]byte) []byte { return bytes.Join(append([][]byte{init}, p...), nil) }
	version := newPacket(fxVersion).u32(3).text("posix-rename@openssh.com").text("1").done()
	f.Add(all(openFile(1, "/x", flagWrite|flagTrunc), write(2, "penstock-1", 0, "abc"), req(fxClose, 3).text("penstock-1").done()), version, []byte{0}, uint8(200))
	f.Add(all(openFile(1, "/let", flagRead), req(fxRead, 2).text("penstock-1").u64(0).u32(9).done(), req(fxClose, 3).text("penstock-1").done()), version, []byte{0}, uint8(9))
	f.Add(all(openFile(1, "/x", flagRead), req(fxStat, 2).text("/x").done()), append(version, req(fxAttrs, 2).u32(0).done()...), []byte{0, 1, 2, 3, 4, 5}, uint8(40))
	f.Add(all(openFile(1, "/x", flagWrite|flagAppend), openFile(2, "/x", flagRead|flagWrite), req(fxSymlink, 3).text("/a").text("/b").done()), version, []byte{7, 0, 0}, uint8(90))
	f.Add(all(req(fxOpendir, 1).text("/").done(), req(fxReaddir, 2).text("d").done(), req(fxRead, 3).text("d").u64(0).u32(3).done()), append(version, handleOf(1, "d")...), []byte{}, uint8(30))
	f.Add(all(openFile(1, "/x", flagRead)), version, []byte{0, 0, 2, 3, 9, 9, 9, 9, 9}, uint8(255))
	brokertest.Files = bothWait
	one := start(f, brokertest.Maint, "subsystem", "sftp", nil)
	brokertest.Files = ""
	carrier := one.r.(*files).c
	f.Fuzz(func(t *testing.T, vendor, machine, odd []byte, step uint8) {
		carrier.holding = &memory{}
		fs := newFiles(carrier)
		s := &scene{t: t, rig: one.rig, s: one.s, c: one.c, r: fs, answer: one.answer}
		defer func() { fs.ended(""); one.ours() }()
		// The machine answers our questions well, until a byte of odd says otherwise.
		answer := func(kind byte, id uint32, f *fields) []byte {
			b := byte(0)
			if len(odd) > 0 {
				b, odd = odd[0], odd[1:]
			}
			if b == 0 {
				return plainMachine(kind, id, f)
			}
			n := min(len(odd), int(b)%16)
			body := odd[:n]
			odd = odd[n:]
			return append(newPacket(fxStatus+b%5).u32(id), body...).done()
		}
		for n := int(step) + 1; len(vendor) > 0 || len(machine) > 0; {
			p := vendor[:min(n, len(vendor))]
			vendor = vendor[len(p):]
			if s.machined(p, answer) != nil {
				return
			}
			raw, left, err := (&splitter{}).next(machine) // whole ones: our own questions are answered between them
			if err != nil || raw == nil {
				raw, left = nil, nil
			}
			machine = left
			show, err := shownBy(fs, raw)
			if err != nil {
				return
			}
			for _, b := range [][]byte{show, s.passed} {
				var cut splitter
				for len(b) > 0 {
					raw, left, err := cut.next(b)
					if err != nil || raw == nil {
						t.Fatalf("what passes is no packet: %q %v", b, err)
					}
					if b = left; raw[4] == fxData || raw[4] == fxWrite || raw[4] == fxRead || raw[4] == fxOpen {
						t.Fatalf("content passes beside the holding: %q", raw)
					}
				}
			}
			s.passed = nil
		}
	})
}

// A window that is narrowed while a file is fetched ends the fetching, and nothing is kept.
func TestNarrowedWhileFetching(t *testing.T) {
	s := greetedWith(t, bothWait)
	m := &memory{}
	s.r.(*files).c.holding = m
	err := s.machined(openFile(1, "/x", flagRead), func(kind byte, id uint32, f *fields) []byte {
		if kind == fxOpen {
			s.rig.Agreement.Change(brokertest.W1, func(f *policy.Facts) { f.Window.Rights = policy.Look })
			brokertest.Until(t, "the channel is narrowed", func() bool { return s.c.Decision().Duties.InputOff })
		}
		return plainMachine(kind, id, f)
	})
	if a := s.ours(); err != nil || len(m.kept) > 0 || !strings.Contains(string(a), "may only look now") {
		t.Errorf("%v; kept %v; answered %q", err, m.kept, a)
	}
}

// Our questions are the machine's to answer: what is no answer ends the channel, and nothing is kept.
func TestFetchingFromAHostileMachine(t *testing.T) {
	for name, c := range map[string]struct {
		kind   byte
		answer func(id uint32) []byte
		broken bool
		say    string
	}{
		"no handle":            {fxOpen, func(id uint32) []byte { return handleOf(id, "") }, true, ""},
		"attributes for one":   {fxOpen, func(id uint32) []byte { return req(fxAttrs, id).u32(0).done() }, true, ""},
		"it may not be read":   {fxOpen, func(id uint32) []byte { return statusPacket(id, statusDenied, "Permission denied\x1b[2J") }, false, `Permission denied\x1b[2J`},
		"well, and no handle":  {fxOpen, func(id uint32) []byte { return ok(id) }, true, ""},
		"more than asked for":  {fxRead, func(id uint32) []byte { return req(fxData, id).text(strings.Repeat("x", chunk+1)).done() }, true, ""},
		"data of no bytes":     {fxRead, func(id uint32) []byte { return req(fxData, id).text("").done() }, true, ""},
		"a name for data":      {fxRead, func(id uint32) []byte { return req(fxName, id).u32(0).done() }, true, ""},
		"the disk is bad":      {fxRead, func(id uint32) []byte { return statusPacket(id, statusFailure, "") }, false, "did not give it"},
		"it never ends":        {fxRead, func(id uint32) []byte { return req(fxData, id).text(strings.Repeat("x", chunk)).done() }, false, "too large"},
		"bytes behind the end": {fxRead, func(id uint32) []byte { return append(req(fxData, id).text("abc"), 0).done() }, true, ""},
	} {
		s := greetedWith(t, bothWait)
		m := &memory{}
		s.r.(*files).c.holding = m
		err := s.machined(openFile(1, "/x", flagRead), func(kind byte, id uint32, f *fields) []byte {
			if kind == c.kind {
				return c.answer(id)
			}
			return plainMachine(kind, id, f)
		})
		no, isRefusal := errors.AsType[*policy.Refusal](err)
		if c.broken != (isRefusal && no.Rule == "file-protocol") || !c.broken && (err != nil || !strings.Contains(string(s.ours()), c.say)) {
			t.Errorf("%s: %v", name, err)
		}
		if len(m.kept) > 0 || len(s.passed) > 0 {
			t.Errorf("%s: kept %v, passed %q", name, m.kept, s.passed)
		}
	}
}
