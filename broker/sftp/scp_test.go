package sftp

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"penstock/audit"
	"penstock/audit/recording"
	"penstock/broker/brokertest"
)

// say is one line of a play: v is the vendor's, m the machine's; each must pass whole.
func (s *scene) play(t *testing.T, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if l[0] == 'v' {
			s.passed = nil
			if err := s.vendor([]byte(l[1:])); err != nil || string(s.passed) != l[1:] {
				t.Fatalf("%q passes as %q: %v", l, s.passed, err)
			}
		} else if show, err := shownBy(s.r, []byte(l[1:])); err != nil || string(show) != l[1:] {
			t.Fatalf("%q is shown as %q: %v", l, show, err)
		}
	}
}

func TestOldScp(t *testing.T) {
	h := func(b string) audit.Hash { return audit.HashOf([]byte(b)) }
	for name, c := range map[string]struct {
		command string
		lines   []string
		want    []audit.FileTransferred
	}{
		"a file in": {"scp -t /in", []string{"m\x00", "vC0644 5 a b\n", "m\x00", "vhel", "vlo\x00", "m\x00"},
			[]audit.FileTransferred{{Direction: "in", Path: "/in", Bytes: 5, SHA256: h("hello"), Whole: true}}},
		"a folder in, with times": {"scp -r -p -t /in", []string{"m\x00", "vT1 0 1 0\n", "m\x00", "vD0755 0 d\n", "m\x00", "vT1 0 1 0\n", "m\x00", "vC0644 0 f\n", "m\x00", "v\x00", "m\x00", "vE\n", "m\x00"},
			[]audit.FileTransferred{{Direction: "in", Path: "/in/d/f", Bytes: 0, SHA256: h(""), Whole: true}}},
		"files out": {"scp -f /out/*.txt", []string{"v\x00", "mC0644 1 a.txt\n", "v\x00", "mx\x00", "v\x00", "mC0644 1 b.txt\n", "v\x00", "my\x00", "v\x00"},
			[]audit.FileTransferred{{Direction: "out", Path: "/out/a.txt", Bytes: 1, SHA256: h("x"), Whole: true}, {Direction: "out", Path: "/out/b.txt", Bytes: 1, SHA256: h("y"), Whole: true}}},
		"the machine does not take it": {"scp -t /in", []string{"m\x00", "vC0644 5 a\n", "m\x01scp: no room\n", "vC0644 1 b\n", "m\x00", "vx\x00", "m\x01scp: no room\n"},
			[]audit.FileTransferred{{Direction: "in", Path: "/in", Bytes: 1, SHA256: h("x"), Why: "the receiver could not take all of it"}}},
		"there is none": {"scp -f /out", []string{"v\x00", "m\x01scp: /out: No such file or directory\n"}, nil},
		"it breaks off": {"scp -t /in", []string{"m\x00", "vC0644 5 a\n", "m\x00", "vhe"},
			[]audit.FileTransferred{{Direction: "in", Path: "/in", Bytes: 2, SHA256: h("he"), Why: "broke off"}}},
		"a warning after the bytes": {"scp -f /out", []string{"v\x00", "mC0644 2 out\n", "v\x00", "mxx\x01scp: read error\n", "v\x00"},
			[]audit.FileTransferred{{Direction: "out", Path: "/out", Bytes: 2, SHA256: h("xx"), Why: "the sender could not read all of it"}}},
	} {
		s := start(t, brokertest.Maint, "exec", c.command, nil)
		s.play(t, c.lines...)
		s.c.Close("", nil)
		got := s.events()
		if len(got) != len(c.want) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		for i, w := range c.want {
			g := got[i]
			if g.By != "scp" || g.Hashed != "content" || g.Direction != w.Direction || g.Path != w.Path || g.Bytes != w.Bytes || g.SHA256 != w.SHA256 || g.Whole != w.Whole || g.Why != w.Why {
				t.Errorf("%s: %+v", name, g)
			}
		}
	}
}

// The last line is what must not pass.
func TestHostileScp(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		lines   []string
	}{
		"another file than asked":       {"scp -f /out/log", []string{"v\x00", "mC0644 5 .bashrc\n"}},
		"a file that * does not mean":   {"scp -f /out/*.log", []string{"v\x00", "mC0644 5 authorized_keys\n"}},
		"another folder than asked":     {"scp -r -f /out/logs", []string{"v\x00", "mD0755 0 .ssh\n"}},
		"a folder where none was asked": {"scp -f /out/log", []string{"v\x00", "mD0755 0 log\n"}},
		"a path for a name":             {"scp -r -f /out", []string{"v\x00", "mD0755 0 out\n", "v\x00", "mC0644 5 ../x\n"}},
		"dots for a name":               {"scp -r -f .", []string{"v\x00", "mD0755 0 ..\n"}},
		"no name":                       {"scp -f x", []string{"v\x00", "mC0644 5 \n"}},
		"a size that is none":           {"scp -f x", []string{"v\x00", "mC0644 -5 x\n"}},
		"a size of 2^63":                {"scp -f x", []string{"v\x00", "mC0644 9223372036854775808 x\n"}},
		"a mode that is none":           {"scp -f x", []string{"v\x00", "mC9999 5 x\n"}},
		"bytes without an answer":       {"scp -f x", []string{"v\x00", "mC0644 5 x\nhello"}},
		"an end of nothing":             {"scp -r -f x", []string{"v\x00", "mE\n"}},
		"a shell's greeting":            {"scp -t x", []string{"mWelcome to plc\n"}},
		"an answer to nothing":          {"scp -t x", []string{"m\x00", "m\x00"}},
		"something else altogether":     {"scp -t x", []string{"m\x00", "vid; rm -rf /\n"}},
		"a line without an end":         {"scp -t x", []string{"m\x00", "v" + strings.Repeat("C", 9<<10)}},
		"an empty line":                 {"scp -f x", []string{"v\x00", "m\n"}},
		"times that are none":           {"scp -t x", []string{"m\x00", "vTx y\n"}},
		"the vendor's path for a name":  {"scp -t x", []string{"m\x00", "vC0644 1 a/b\n"}},
	} {
		s := start(t, brokertest.Maint, "exec", c.command, nil)
		s.play(t, c.lines[:len(c.lines)-1]...)
		last := c.lines[len(c.lines)-1]
		s.passed = nil
		err := s.vendor([]byte(last[1:]))
		if last[0] == 'm' {
			s.passed, err = shownBy(s.r, []byte(last[1:]))
		}
		if !protocol(err) || len(s.passed) > 0 {
			t.Errorf("%s: passed %q, %v", name, s.passed, err)
		}
	}
}

func TestStreamsAreCounted(t *testing.T) {
	s := start(t, brokertest.Maint, "exec", "git-receive-pack '/r\x1b/x.git'", nil)
	s.play(t, "mhello", "vabc", "vdef", "mdone")
	if b := s.rig.Broker.Busy(brokertest.W1); len(b) != 1 {
		t.Errorf("busy with %+v", b)
	}
	s.c.Close("0", nil)
	if e := s.events(); len(e) != 1 || e[0].Direction != "in" || e[0].Bytes != 6 || e[0].SHA256 != audit.HashOf([]byte("abcdef")) || e[0].Hashed != "stream" || !e[0].Whole || e[0].Path != `/r\x1b/x.git` {
		t.Errorf("%+v", e)
	}
	s = start(t, brokertest.Maint, "exec", "rsync --server --sender -e.L . a b", nil)
	s.play(t, "mhello", "vabc")
	s.c.Close("", errors.New("broke"))
	if e := s.events(); len(e) != 1 || e[0].Direction != "out" || e[0].Bytes != 5 || e[0].Whole || e[0].Path != "a b" {
		t.Errorf("%+v", e)
	}
}

// Whatever both sides say, in whatever pieces: no panic, and nothing passes that was not said.
func FuzzScp(f *testing.F) {
	f.Add("scp -t /in", []byte("C0644 5 a\nhello\x00"), []byte("\x00\x00\x00"), uint8(1))
	f.Add("scp -r -p -f /out", []byte("\x00\x00\x00\x00\x00"), []byte("T1 0 1 0\nD0755 0 out\nC0644 1 f\nx\x00E\n"), uint8(3))
	f.Add("scp -f *", []byte("\x00"), []byte("\x01scp: no\n"), uint8(9))
	f.Add("scp -t x", []byte("C0644 0 a\n\x00"), []byte("\x00\x02no\n"), uint8(2))
	one := start(f, brokertest.Maint, "exec", "scp -t x", nil)
	f.Fuzz(func(t *testing.T, command string, vendor, machine []byte, step uint8) {
		j, err := Parse("exec", command)
		if err != nil || j == nil || j.Kind != "scp" {
			return
		}
		thin := j.thin(nil)
		thin(recording.Out, machine[:len(machine)/2])
		thin(recording.In, vendor)
		thin(recording.Out, machine[len(machine)/2:])
		s := newCopies(one.r.(*copies).c, j)
		defer s.ended("")
		v, m := vendor, machine
		var passed, shown []byte
		for n := int(step) + 1; len(v) > 0 || len(m) > 0; {
			p := v[:min(n, len(v))]
			v = v[len(p):]
			if err := s.fromVendor(context.Background(), p, func(b []byte) error { passed = append(passed, b...); return nil }); err != nil {
				break
			}
			p = m[:min(n, len(m))]
			m = m[len(p):]
			show, err := shownBy(s, p)
			if err != nil {
				break
			}
			shown = append(shown, show...)
		}
		if !bytes.HasPrefix(vendor, passed) || !bytes.HasPrefix(machine, shown) {
			t.Fatalf("passed %q of %q, shown %q of %q", passed, vendor, shown, machine)
		}
	})
}
