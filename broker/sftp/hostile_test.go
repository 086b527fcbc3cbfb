package sftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker/brokertest"
	"penstock/policy"
)

func protocol(err error) bool {
	var no *policy.Refusal
	return errors.As(err, &no) && no.Rule == "file-protocol"
}

func TestHostileMachine(t *testing.T) {
	reading := func() *scene {
		s := greeted(t, brokertest.Maint, nil)
		s.must(append(openFile(1, "/out", flagRead), openFile(9, "/more", flagRead)...))
		s.machine(handleOf(1, "h"))
		s.must(req(fxRead, 2).text("h").u64(0).u32(4).done())
		return s
	}
	for name, p := range map[string][]byte{
		"a reply to nothing":         ok(77),
		"more than asked":            req(fxData, 2).text("abcde").done(),
		"names for data":             req(fxName, 2).u32(0).done(),
		"the same handle again":      handleOf(9, "h"),
		"an empty handle":            handleOf(9, ""),
		"a handle of 300 bytes":      handleOf(9, strings.Repeat("h", 300)),
		"data cut short":             append(req(fxData, 2).u32(9), "abcd"...).done(),
		"a second version":           newPacket(fxVersion).u32(3).done(),
		"a packet of four gigabytes": {0xff, 0xff, 0xff, 0xff, 103},
		"an empty packet":            {0, 0, 0, 0, 103},
		"an unknown kind":            req(99, 2).done(),
		"4 billion names":            req(fxName, 2).u32(1<<32 - 1).done(),
	} {
		s := reading()
		if show, err := shownBy(s.r, p); !protocol(err) || len(show) > 0 {
			t.Errorf("%s: shown %q, %v", name, show, err)
		}
	}
	s := greeted(t, brokertest.Maint, nil)
	s.must(req(fxOpendir, 1).text("/d").done())
	s.machine(handleOf(1, "d"))
	s.must(req(fxReaddir, 2).text("d").done())
	show := s.machine(req(fxName, 2).u32(1).text("../../.ssh/authorized_keys").text("x").u32(0).done())
	if show[4] != fxStatus || bytes.Contains(show, []byte("authorized_keys")) {
		t.Errorf("a name that leads elsewhere is shown: %q", show)
	}
}

func TestHostileVendor(t *testing.T) {
	for name, p := range map[string][]byte{
		"a number twice":             append(req(fxStat, 1).text("/x").done(), req(fxStat, 1).text("/x").done()...),
		"init twice":                 newPacket(fxInit).u32(3).done(),
		"a packet of four gigabytes": {0xff, 0xff, 0xff, 0xff, 3},
		"300 KiB":                    binary.BigEndian.AppendUint32(nil, 300<<10),
		"no number":                  newPacket(fxStat).done(),
	} {
		s := greeted(t, brokertest.Maint, nil)
		if len(p) == 4 {
			p = append(p, 6)
		}
		if err := s.vendor(p); !protocol(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := start(t, brokertest.Maint, "subsystem", "sftp", nil); !protocol(s.vendor(req(fxStat, 1).text("/x").done())) {
		t.Error("a request before the versions passes")
	}
	for name, p := range map[string][]byte{
		"a handle that is not open": req(fxClose, 7).text("zz").done(),
		"bytes behind the end":      append(req(fxStat, 7).text("/x"), 0).done(),
		"a path of 5000 bytes":      req(fxStat, 7).text(strings.Repeat("x", 5000)).done(),
		"a zero byte":               req(fxRemove, 7).text("/x\x00y").done(),
		"version 6's open":          openFile(7, "/x", 1<<20),
		"an unknown kind":           req(50, 7).done(),
		"attributes of version 6":   req(fxMkdir, 7).text("/x").u32(1 << 10).done(),
		"a path cut short":          req(fxStat, 7).u32(100).done(),
	} {
		s := greeted(t, brokertest.Maint, nil)
		s.must(p)
		if a := s.ours(); len(s.passed) > 0 || len(a) < 13 || a[4] != fxStatus || binary.BigEndian.Uint32(a[5:]) != 7 {
			t.Errorf("%s: passed %q, answered %q", name, s.passed, a)
		}
	}
}

func TestManyHandles(t *testing.T) {
	s := greeted(t, brokertest.Maint, func(f *policy.Facts) {})
	for i := range uint32(maxOpen) {
		s.must(req(fxOpendir, i).text("/d").done())
		s.machine(handleOf(i, string(binary.BigEndian.AppendUint32(nil, i))))
	}
	s.passed = nil
	if s.must(req(fxOpendir, maxOpen).text("/d").done()); len(s.passed) > 0 || len(s.ours()) == 0 {
		t.Error("one more than the most is opened")
	}
}

func TestPathsAreSafe(t *testing.T) {
	for in, want := range map[string]string{
		"/a b/ü": "/a b/ü", "x\x1b]0;owned\x07": `x\x1b]0;owned\x07`, "a\nb": `a\x0ab`, "\u202egnp.exe": `\u{202e}gnp.exe`, "\xff": `\xff`, `a\b`: `a\\b`,
	} {
		if got := safe(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	long := safe(strings.Repeat("\x1b", 5000))
	if len(long) > 800 {
		t.Errorf("%d bytes", len(long))
	}
	b, err := audit.Canonical(audit.FileTransferred{Path: safe(strings.Repeat(`\`, 4096)), Why: strings.Repeat("x", 200)})
	if err != nil || len(b) > 2500 {
		t.Errorf("%d bytes: %v", len(b), err)
	}
}

// Whole packets, however they come; what is recorded is what passed.
func FuzzSFTP(f *testing.F) {
	init := newPacket(fxInit).u32(3).done()
	all := func(p ...[]byte) []byte { return bytes.Join(append([][]byte{init}, p...), nil) }
	version := newPacket(fxVersion).u32(3).text("limits@openssh.com").text("1").done()
	f.Add(all(openFile(1, "/x", flagRead), req(fxRead, 2).text("h").u64(0).u32(9).done()), append(version, handleOf(1, "h")...), uint8(3))
	f.Add(all(openFile(1, "/x", flagWrite), write(2, "h", 0, "abc")), append(version, handleOf(1, "h")...), uint8(7))
	f.Add(all(req(fxOpendir, 1).text("/").done()), append(version, req(fxName, 1).u32(1).text("a").text("a").u32(attrSize).u64(9).done()...), uint8(1))
	f.Add(all(req(fxExtended, 1).text("limits@openssh.com").done()), append(version, newPacket(fxReply).u32(1).u64(1).u64(2).u64(3).u64(4).done()...), uint8(200))
	f.Add(all(req(fxSetstat, 1).text("x").u32(attrSize|attrExtended).u64(1).u32(1).text("a").text("b").done()), version, uint8(2))
	one := start(f, brokertest.Maint, "subsystem", "sftp", nil)
	f.Fuzz(func(t *testing.T, vendor, machine []byte, step uint8) {
		thin := (&Job{Kind: "sftp"}).thin(nil)
		for _, b := range [][]byte{vendor[:len(vendor)/2], vendor[len(vendor)/2:]} {
			thin(recording.In, b)
		}
		thin(recording.Out, machine)
		s := newFiles(one.r.(*files).c)
		var passed []byte
		defer func() { s.ended(""); one.ours() }()
		for n := int(step) + 1; len(vendor) > 0 || len(machine) > 0; {
			p := vendor[:min(n, len(vendor))]
			vendor = vendor[len(p):]
			if err := s.fromVendor(context.Background(), p, func(b []byte) error { passed = append(passed, b...); return nil }); err != nil {
				return
			}
			p = machine[:min(n, len(machine))]
			machine = machine[len(p):]
			show, err := shownBy(s, p)
			if err != nil {
				return
			}
			for _, b := range [][]byte{show, passed} { // whole packets and nothing else
				var cut splitter
				for len(b) > 0 {
					raw, left, err := cut.next(b)
					if err != nil || raw == nil {
						t.Fatalf("what passes is no packet: %q %v", b, err)
					}
					b = left
				}
			}
			passed = nil
		}
	})
}
