package sftp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

func TestMain(m *testing.M) {
	brokertest.Bridge()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // faults are made on purpose
	goleak.VerifyTestMain(m)
}

const pin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ"

// scene is one transfer at a real gate; the test is vendor and machine.
type scene struct {
	t      testing.TB
	rig    *brokertest.Rig
	s      *broker.Session
	c      *broker.Channel
	r      reader
	mu     sync.Mutex
	said   []string
	passed []byte // to the machine
	answer *queue // to the vendor, of ours
}

// start: rights are the window's; the account can do all of them.
func start(t testing.TB, account policy.AccountName, kind, command string, change func(*policy.Facts)) *scene {
	t.Helper()
	r := brokertest.New(t, brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 0, pin), broker.Limits{})
	if change != nil {
		r.Agreement.Change(brokertest.W1, change)
	}
	j, err := Parse(kind, command)
	if err != nil || j == nil {
		t.Fatalf("%s: %v", command, err)
	}
	s := &scene{t: t, rig: r, s: r.Session(t, &brokertest.Guest{})}
	s.c = r.Channel(t, s.s, policy.Query{Asset: brokertest.PLC, Port: "sftp", Account: account, Kind: j.Kind})
	c := j.Carry(s.c, nil, func(text string) { s.mu.Lock(); s.said = append(s.said, text); s.mu.Unlock() })
	s.r, s.answer = c.r, &c.out
	return s
}

func (s *scene) vendor(p []byte) error {
	return s.r.fromVendor(context.Background(), p, func(b []byte) error { s.passed = append(s.passed, b...); return nil })
}

func (s *scene) must(p []byte) {
	s.t.Helper()
	if err := s.vendor(p); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) machine(p []byte) []byte {
	s.t.Helper()
	show, err := shownBy(s.r, p)
	if err != nil {
		s.t.Fatal(err)
	}
	return show
}

// ours takes what was answered in the machine's stead.
func (s *scene) ours() []byte {
	s.answer.mu.Lock()
	defer s.answer.mu.Unlock()
	b := s.answer.buf
	s.answer.buf = nil
	return b
}

func (s *scene) events() []audit.FileTransferred {
	return brokertest.Bodies[audit.FileTransferred](s.rig.Log)
}

func req(kind byte, id uint32) packet { return newPacket(kind).u32(id) }

func noAttrs(p packet) []byte { return p.u32(0).done() }

func openFile(id uint32, name string, flags uint32) []byte {
	return noAttrs(req(fxOpen, id).text(name).u32(flags))
}

func handleOf(id uint32, h string) []byte { return req(fxHandle, id).text(h).done() }
func ok(id uint32) []byte                 { return statusPacket(id, statusOK, "") }
func write(id uint32, h string, at uint64, b string) []byte {
	return req(fxWrite, id).text(h).u64(at).text(b).done()
}

// greeted is a scene of sftp after the versions.
func greeted(t testing.TB, account policy.AccountName, change func(*policy.Facts)) *scene {
	t.Helper()
	s := start(t, account, "subsystem", "sftp", change)
	s.must(newPacket(fxInit).u32(6).text("odd@example").text("1").done())
	if want := newPacket(fxInit).u32(3).done(); !bytes.Equal(s.passed, want) {
		t.Fatalf("init passes as %q", s.passed)
	}
	s.passed = nil
	show := s.machine(newPacket(fxVersion).u32(3).text("posix-rename@openssh.com").text("1").text("run-this@evil").text("1").done())
	if want := newPacket(fxVersion).u32(3).text("posix-rename@openssh.com").text("1").done(); !bytes.Equal(show, want) {
		t.Fatalf("version is shown as %q", show)
	}
	return s
}

// opened is one file open for writing as handle "h".
func opened(t testing.TB, flags uint32) *scene {
	t.Helper()
	s := greeted(t, brokertest.Maint, nil)
	s.must(openFile(1, "/in/recipe.bin", flags))
	s.machine(handleOf(1, "h"))
	return s
}

func TestUploads(t *testing.T) {
	type w struct {
		at uint64
		b  string
	}
	runs := func(all ...w) audit.Hash {
		h := sha256.New()
		for _, one := range all {
			var b [16]byte
			binary.BigEndian.PutUint64(b[:], one.at)
			binary.BigEndian.PutUint64(b[8:], uint64(len(one.b)))
			h.Write(b[:])
			sum := sha256.Sum256([]byte(one.b))
			h.Write(sum[:])
		}
		return audit.Hash(h.Sum(nil))
	}
	plain := func(b string) audit.Hash { return audit.HashOf([]byte(b)) }
	for name, c := range map[string]struct {
		flags  uint32
		writes []w
		cut    int64 // fsetstat to this size; -1: none
		hash   audit.Hash
		over   string
		offset int64
		whole  bool
	}{
		"in order":              {flagWrite | flagCreate | flagTrunc, []w{{0, "abc"}, {3, "def"}}, -1, plain("abcdef"), "content", 0, true},
		"nothing":               {flagWrite | flagCreate | flagTrunc, nil, -1, plain(""), "content", 0, true},
		"out of order":          {flagWrite | flagTrunc, []w{{0, "abc"}, {6, "ghi"}, {3, "def"}}, -1, plain("abcdefghi"), "content", 0, true},
		"over what is there":    {flagWrite | flagCreate, []w{{0, "abc"}}, -1, plain("abc"), "content", 0, false},
		"and cut to its length": {flagWrite | flagCreate, []w{{0, "abc"}}, 3, plain("abc"), "content", 0, true},
		"and cut to another":    {flagWrite | flagCreate, []w{{0, "abc"}}, 2, plain("abc"), "content", 0, false},
		"resumed":               {flagWrite, []w{{5, "abc"}, {8, "d"}}, -1, plain("abcd"), "content", 5, false},
		"appended":              {flagWrite | flagAppend, []w{{0, "abc"}}, -1, plain("abc"), "content", 0, false},
		"sparse":                {flagWrite | flagTrunc, []w{{0, "abc"}, {1 << 30, "x"}}, -1, runs(w{0, "abc"}, w{1 << 30, "x"}), "ranges", 0, false},
		"twice":                 {flagWrite | flagTrunc, []w{{0, "abc"}, {1, "x"}}, -1, runs(w{0, "abc"}, w{1, "x"}), "ranges", 0, false},
	} {
		s := opened(t, c.flags)
		id, bytes := uint32(10), int64(0)
		for _, one := range c.writes {
			s.must(write(id, "h", one.at, one.b))
			s.machine(ok(id))
			id, bytes = id+1, bytes+int64(len(one.b))
		}
		if c.cut >= 0 {
			s.must(req(fxFsetstat, id).text("h").u32(attrSize).u64(uint64(c.cut)).done())
			s.machine(ok(id))
		}
		s.must(req(fxClose, 99).text("h").done())
		if len(s.events()) > 0 {
			t.Errorf("%s: told before it was closed", name)
		}
		s.machine(ok(99))
		e := s.events()
		if len(e) != 1 || e[0].SHA256 != c.hash || e[0].Hashed != c.over || e[0].Whole != c.whole || e[0].Offset != c.offset || e[0].Bytes != bytes || e[0].Direction != "in" || e[0].Path != "/in/recipe.bin" {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestDownloads(t *testing.T) {
	s := greeted(t, brokertest.Maint, nil)
	s.must(openFile(1, "/out", flagRead))
	s.machine(handleOf(1, "h"))
	s.must(append(req(fxRead, 2).text("h").u64(0).u32(4).done(), req(fxRead, 3).text("h").u64(4).u32(4).done()...))
	s.machine(req(fxData, 3).text("efg").done()) // before the one before it
	s.machine(req(fxData, 2).text("abcd").done())
	s.must(req(fxRead, 4).text("h").u64(7).u32(4).done())
	s.machine(statusPacket(4, statusEOF, ""))
	s.must(req(fxClose, 5).text("h").done())
	s.machine(ok(5))
	if e := s.events(); len(e) != 1 || e[0].SHA256 != audit.HashOf([]byte("abcdefg")) || !e[0].Whole || e[0].Direction != "out" || e[0].Window != "W-1" || e[0].Account != "maint" {
		t.Errorf("%+v", e)
	}
}

// What broke off is told, before the channel is closed in the log.
func TestBrokenOff(t *testing.T) {
	s := opened(t, flagWrite|flagTrunc)
	s.must(write(2, "h", 0, "half"))
	if b := s.rig.Broker.Busy(brokertest.W1); len(b) != 1 || b[0].What != "upload of recipe.bin" {
		t.Errorf("busy with %+v", b)
	}
	s.rig.Broker.Stop(brokertest.W1, errors.New("cut"))
	s.s.End(nil)
	<-s.s.Done()
	if e := s.events(); len(e) != 1 || e[0].Whole || e[0].Why != "broke off" || e[0].SHA256 != audit.HashOf([]byte("half")) || e[0].Bytes != 4 {
		t.Errorf("%+v", e)
	}
	types := strings.Join(s.rig.Log.Types(), " ")
	if !strings.Contains(types, "file.transferred channel.closed session.ended") {
		t.Error(types)
	}
}

// A close that is answered before a write is no proof that all was taken.
func TestClosedBeforeAllWasAcknowledged(t *testing.T) {
	s := opened(t, flagWrite|flagTrunc)
	s.must(append(write(2, "h", 0, "abc"), req(fxClose, 3).text("h").done()...))
	if s.machine(ok(3)); len(s.events()) > 0 {
		t.Error("told while a write waits for its answer")
	}
	s.c.Close("", nil)
	if e := s.events(); len(e) != 1 || e[0].Whole || e[0].Why != "not all was acknowledged" {
		t.Errorf("%+v", e)
	}
}

// A client that asks on without reading answers waits; nothing grows.
func TestManyQuestionsWait(t *testing.T) {
	s := greeted(t, brokertest.Maint, nil)
	var all []byte
	for i := range uint32(maxAsked + 1) {
		all = append(all, req(fxStat, i).text("/x").done()...)
	}
	one, most, full := len(all)/(maxAsked+1), 0, make(chan struct{})
	done, sent := make(chan error, 1), 0
	go func() {
		done <- s.r.fromVendor(context.Background(), all, func(b []byte) error {
			f := s.r.(*files)
			f.mu.Lock()
			most = max(most, len(f.asked))
			f.mu.Unlock()
			if sent += len(b); sent == maxAsked*one {
				close(full)
			}
			return nil
		})
	}()
	<-full
	s.machine(statusPacket(0, statusFailure, ""))
	if err := <-done; err != nil || most > maxAsked || sent != len(all) {
		t.Errorf("%d questions waited, %d of %d bytes passed: %v", most, sent, len(all), err)
	}
}

// Each operation by the right that it needs; the session goes on.
func TestRightsByDirection(t *testing.T) {
	lookOnly := func(f *policy.Facts) { f.Window.Rights = policy.Look }
	changing := map[string][]byte{
		"write":        openFile(7, "/x", flagWrite|flagCreate|flagTrunc),
		"create":       openFile(7, "/x", flagRead|flagCreate),
		"truncate":     openFile(7, "/x", flagRead|flagTrunc),
		"setstat":      noAttrs(req(fxSetstat, 7).text("/x")),
		"remove":       req(fxRemove, 7).text("/x").done(),
		"mkdir":        noAttrs(req(fxMkdir, 7).text("/x")),
		"rmdir":        req(fxRmdir, 7).text("/x").done(),
		"rename":       req(fxRename, 7).text("/x").text("/y").done(),
		"symlink":      req(fxSymlink, 7).text("/x").text("/y").done(),
		"posix-rename": req(fxExtended, 7).text("posix-rename@openssh.com").text("/x").text("/y").done(),
		"hardlink":     req(fxExtended, 7).text("hardlink@openssh.com").text("/x").text("/y").done(),
		"lsetstat":     noAttrs(req(fxExtended, 7).text("lsetstat@openssh.com").text("/x")),
	}
	looking := map[string][]byte{
		"stat":     req(fxStat, 7).text("/x").done(),
		"lstat":    req(fxLstat, 7).text("/x").done(),
		"opendir":  req(fxOpendir, 7).text("/x").done(),
		"realpath": req(fxRealpath, 7).text(".").done(),
		"readlink": req(fxReadlink, 7).text("/x").done(),
		"statvfs":  req(fxExtended, 7).text("statvfs@openssh.com").text("/x").done(),
		"limits":   req(fxExtended, 7).text("limits@openssh.com").done(),
	}
	for name, p := range changing {
		s := greeted(t, brokertest.Viewer, lookOnly)
		s.must(p)
		if a := s.ours(); len(s.passed) > 0 || len(a) < 13 || a[4] != fxStatus || binary.BigEndian.Uint32(a[9:]) != statusDenied || len(s.said) != 1 || s.said[0] == "" {
			t.Errorf("%s: passed %q, answered %q, said %q", name, s.passed, a, s.said)
		}
		s.must(looking["stat"])
		if len(s.passed) == 0 {
			t.Errorf("after %s the session does not go on", name)
		}
	}
	for name, p := range looking {
		s := greeted(t, brokertest.Viewer, lookOnly)
		if s.must(p); !bytes.Equal(s.passed, p) {
			t.Errorf("%s does not pass", name)
		}
	}
	for name, p := range changing {
		s := greeted(t, brokertest.Maint, nil)
		if s.must(p); !bytes.Equal(s.passed, p) {
			t.Errorf("%s does not pass with the right to it: %q", name, s.ours())
		}
	}
	for flags, asks := range map[uint32]int{flagRead: 1, flagWrite: 0} { // the opening for writing was asked for already
		s := opened(t, flags)
		before := bytes.Count(s.rig.Recorded(t, s.s.ID(), 0, recording.Request), []byte("set attributes"))
		s.must(noAttrs(req(fxFsetstat, 7).text("h")))
		if n := bytes.Count(s.rig.Recorded(t, s.s.ID(), 0, recording.Request), []byte("set attributes")) - before; n != asks {
			t.Errorf("attributes of a handle with flags %d were asked for %d times", flags, n)
		}
	}
	s := greeted(t, brokertest.Viewer, lookOnly)
	if s.must(openFile(7, "/x", flagRead)); len(s.passed) > 0 {
		t.Error("a file is read with look alone")
	}
	s = greeted(t, brokertest.Viewer, lookOnly)
	if s.must(req(fxExtended, 7).text("run-this@evil").text("x").done()); len(s.passed) > 0 {
		t.Error("an extension that nobody knows passes")
	}
}

// The bytes through the whole of it, in both directions at once.
func TestCarriesUnchanged(t *testing.T) {
	s := opened(t, flagWrite|flagTrunc)
	data := strings.Repeat("0123456789abcdef", 1<<14) // 256 KiB
	var in []byte
	for i := range uint32(8) {
		in = append(in, write(100+i, "h", uint64(i)*uint64(len(data)/8), data[:len(data)/8])...)
	}
	s.passed = nil
	c := s.r.(*files).c
	var target bytes.Buffer
	if err := c.ToTarget(s.c.Context(), &target, bytes.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(target.Bytes(), in) {
		t.Errorf("%d of %d bytes passed, or others", target.Len(), len(in))
	}
	var out []byte
	for i := range uint32(8) {
		out = append(out, ok(100+i)...)
	}
	var vendor bytes.Buffer
	if err := c.ToVendor(s.c.Context(), &vendor, io.MultiReader(bytes.NewReader(out[:7]), bytes.NewReader(out[7:]))); err != nil {
		t.Fatal(err)
	}
	s.c.Close("0", nil)
	if !bytes.Equal(vendor.Bytes(), out) || !bytes.Equal(s.rig.Recorded(t, s.s.ID(), 0, recording.Out), out) || !bytes.Equal(s.rig.Input(t, s.s.ID(), 0), in) {
		t.Error("what was shown or recorded is other than what passed")
	}
}

// shownBy is all that fromTarget shows of p.
func shownBy(r reader, p []byte) (all []byte, err error) {
	err = r.fromTarget(p, func(show []byte) error {
		all = append(all, show...)
		return nil
	})
	return all, err
}
