package sshd

import (
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/policy"
)

func TestUserNames(t *testing.T) {
	for name, want := range map[string]userName{
		"join": {way: wayJoin}, "desk": {way: wayDesk}, "cert": {way: wayCert},
		"ann":                                   {way: wayJump, person: "ann"},
		"ann+maint+filler-plc":                  {wayDirect, "ann", "maint", "filler-plc"},
		"ann+a+b+filler-plc":                    {wayDirect, "ann", "a+b", "filler-plc"},
		"ann+DOM\\user+f":                       {wayDirect, "ann", "DOM\\user", "f"},
		"":                                      {},
		"ann+":                                  {},
		"ann+maint":                             {},
		"+maint+filler-plc":                     {},
		"ann++filler-plc":                       {},
		"ann+maint+":                            {},
		"Ann+maint+filler-plc":                  {},
		"ann+maint+Filler":                      {},
		"desk+maint+filler-plc":                 {},
		"ann+ma int+filler-plc":                 {},
		"ann\x00":                               {},
		"аnn+maint+filler-plc":                  {}, // a Cyrillic а
		"ann+maint\n+f":                         {},
		"1ann":                                  {},
		strings.Repeat("a", 33):                 {},
		"ann+" + strings.Repeat("x", 65) + "+f": {},
	} {
		u, err := parseUser(name)
		if (err == nil) != (want.way != 0) || u != want {
			t.Errorf("%q: %+v, %v", name, u, err)
		}
	}
}

func FuzzUserName(f *testing.F) {
	for _, s := range []string{"join", "ann", "ann+maint+filler-plc", "a+b+c+d", "++", "ann+\x1b+f", "agent"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := parseUser(s)
		if err != nil {
			return
		}
		switch u.way {
		case wayDirect:
			if string(u.person)+"+"+string(u.account)+"+"+string(u.asset) != s || !policy.ValidID(string(u.person)) || !policy.ValidID(string(u.asset)) || u.account == "" {
				t.Errorf("%q became %+v", s, u)
			}
		case wayJump:
			if string(u.person) != s || !policy.ValidID(s) {
				t.Errorf("%q became %+v", s, u)
			}
		default:
			if s != "join" && s != "desk" && s != "cert" && s != "agent" {
				t.Errorf("%q became %+v", s, u)
			}
		}
	})
}

func FuzzRequests(f *testing.F) {
	f.Add(ssh.Marshal(ptyWire{"xterm", 80, 24, 0, 0, "\x00"}))
	f.Add(ssh.Marshal(ptyWire{"", 80, 24, 0, 0, "\x00"})) // from cron
	f.Add(ssh.Marshal(struct{ N, V string }{"LANG", "C"}))
	f.Add(ssh.Marshal(struct{ C string }{"cat"}))
	f.Add(ssh.Marshal(struct{ C, R, W, H uint32 }{80, 24, 0, 0}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 4, 'x', 't', 'e', 'r', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := parsePty(b); err == nil && (!word(p.Term, 0, 40, "._-") || p.Cols > maxCells || p.Rows > maxCells || string(p.raw) != string(b)) {
			t.Errorf("pty-req %q became %+v", b, p)
		}
		if name, value, err := parseEnv(b); err == nil && (strings.ContainsAny(name+value, "\x00\n\x1b$`;/ ") || name != "LANG" && !strings.HasPrefix(name, "LC_")) {
			t.Errorf("env %q %q", name, value)
		}
		if c, err := parseCommand(b); err == nil && (len(c) > maxCommand || strings.ContainsRune(c, 0)) {
			t.Errorf("exec %q", c)
		}
		_, _, _ = parseResize(b)
		if s, err := parseSignal(b); err == nil && !word(s, 1, 32, "@.-") {
			t.Errorf("signal %q", s)
		}
		if text, ok := exitOf("exit-signal", b); ok && strings.ContainsAny(text, "\x1b\x00") {
			t.Errorf("exit-signal %q", text)
		}
	})
}

// A machine may send what it likes: the state is the same however it is cut,
// bounded, and a reset ends all of it.
func FuzzTerminal(f *testing.F) {
	for _, s := range []string{"plain\r\n", "\x1b[?1049h\x1b[5;7Hx", "\x1b[?25;1049l", "\x1b]0;t\x1b\\", "\x1bP+q\x1b", "\xe2\x82", "\xf0\x9f\x1b[", "\x1b[" + strings.Repeat("9;", 40) + "h", "\x1b\x18\x1a", "\xff\xc0\x80"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		var whole, cut terminal
		whole.watch(b)
		at = min(max(at, 0), len(b))
		cut.watch(b[:at])
		cut.watch(b[at:])
		if whole.state != cut.state || whole.alt != cut.alt || whole.placed != cut.placed || whole.rest != cut.rest {
			t.Errorf("%q cut at %d: %+v, whole %+v", b, at, cut, whole)
		}
		if len(whole.params) > 32 || whole.rest < 0 || whole.rest > 3 {
			t.Errorf("%q: %+v", b, whole)
		}
		if whole.watch([]byte("\x18\x1bc")); whole.full() || !whole.ground() {
			t.Errorf("%q, and a reset: %+v", b, whole)
		}
	})
}

func TestNoAlgorithmIsDroppedInSilence(t *testing.T) {
	want, got := algorithms(), algorithms()
	got.SetDefaults()
	for _, l := range [][2][]string{{want.KeyExchanges, got.KeyExchanges}, {want.Ciphers, got.Ciphers}, {want.MACs, got.MACs}} {
		if len(l[0]) != len(l[1]) {
			t.Errorf("of %v x/crypto keeps %v", l[0], l[1])
		}
	}
	supported := strings.Join(ssh.SupportedAlgorithms().PublicKeyAuths, " ")
	for _, a := range keyAlgorithms() {
		if !strings.Contains(supported, a) {
			t.Errorf("x/crypto does not know %s", a)
		}
	}
}

func TestTerminalIsFollowed(t *testing.T) {
	for _, row := range []struct {
		bytes  string
		alt    bool
		ground bool
	}{
		{"plain text\r\n", false, true},
		{"\x1b[?1049h", true, true},
		{"\x1b[?1049h\x1b[2J work \x1b[?1049l", false, true},
		{"\x1b[?25;1049h", true, true},
		{"\x1b[?1049h\x1bc", false, true},
		{"\x1b[31", false, false},
		{"\x1b]0;a title", false, false},
		{"\x1b]0;a title\x07", false, true},
		{"\x1b]0;a [?1049h title\x1b\\", false, true},
		{"\x1bP+q\x1b", false, false},
		{"\xe2\x82", false, false},
		{"\xe2\x82\xac", false, true},
		{"\x1b[\x18", false, true},
		{"\x1b[?" + strings.Repeat("9", 100000) + "h", false, true},
	} {
		for _, step := range []int{1, 3, len(row.bytes)} { // whatever way it is cut
			var s terminal
			for i := 0; i < len(row.bytes); i += step {
				s.watch([]byte(row.bytes[i:min(i+step, len(row.bytes))]))
			}
			if s.alt != row.alt || s.ground() != row.ground || len(s.params) > 32 {
				t.Errorf("%.40q in steps of %d: full screen %v, ground %v", row.bytes, step, s.alt, s.ground())
			}
		}
	}
}

// page is a vendor's channel that remembers what was written, or never reads.
type page struct {
	ssh.Channel
	mu    sync.Mutex
	out   strings.Builder
	stuck chan struct{}
	in    io.Reader
}

func (p *page) Read(b []byte) (int, error) { return p.in.Read(b) }

func (p *page) Write(b []byte) (int, error) {
	if p.stuck != nil {
		<-p.stuck
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *page) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}
func (p *page) CloseWrite() error                              { return nil }
func (p *page) Close() error                                   { return nil }
func (p *page) SendRequest(string, bool, []byte) (bool, error) { return true, nil }

func TestTellDisturbsNoFullScreenProgram(t *testing.T) {
	const title = "\a\x1b]0;Penstock: 5 minutes\x1b\\"
	for _, row := range []struct{ before, want string }{
		{"$ ", "$ \r\nPenstock: 5 minutes\r\n"},
		{"\x1b[H\x1b[2J$ ", "\x1b[H\x1b[2J$ \r\nPenstock: 5 minutes\r\n"},                             // cleared, no program
		{"\x1b[24;1Hstatus", "\x1b[24;1Hstatus" + title},                                              // vim without a screen of its own
		{"\x1b[24;1Hstatus\x1b[?2004h$ ", "\x1b[24;1Hstatus\x1b[?2004h$ \r\nPenstock: 5 minutes\r\n"}, // it has left
		{"\x1b[?1049hvim", "\x1b[?1049hvim\a\x1b]0;Penstock: 5 minutes\x1b\\"},
		{"\x1b[3", "\x1b[3"}, // half a sequence is out: nothing goes between
	} {
		p := &page{}
		s := newScreen(p)
		s.opened("xterm-256color")
		_, _ = s.Write([]byte(row.before))
		var wait sync.WaitGroup
		s.tell("5 minutes", &wait)
		wait.Wait()
		if p.said() != row.want {
			t.Errorf("after %q: %q", row.before, p.said())
		}
	}
}

// What a full-screen program kept from the screen is shown when it leaves, the
// newest alone; and a terminal that may not know titles gets a bell.
func TestWhatWasToldIsShownWhenTheProgramLeaves(t *testing.T) {
	p := &page{}
	s := newScreen(p)
	s.opened("linux")
	_, _ = s.Write([]byte("\x1b[?1049hvim"))
	for _, text := range []string{"5 minutes", "1 minute"} {
		var wait sync.WaitGroup
		s.tell(text, &wait)
		wait.Wait()
	}
	_, _ = s.Write([]byte("\x1b[?1049l"))
	_, _ = s.Write([]byte("$ "))
	if want := "\x1b[?1049hvim\a\a\x1b[?1049l\r\nPenstock: 1 minute\r\n$ "; p.said() != want {
		t.Errorf("%q", p.said())
	}
}

func TestLastWordLeavesTheFullScreen(t *testing.T) {
	p := &page{}
	s := newScreen(p)
	s.pty.Store(true)
	_, _ = s.Write([]byte("\x1b[?1049hvim"))
	s.last("over")
	s.last("again")
	if got := p.said(); !strings.HasPrefix(got, "\x1b[?1049hvim\x1b[?1049l\x1b[0m") || strings.Count(got, "Penstock: over\r\n") != 1 || strings.Contains(got, "again") {
		t.Errorf("%q", got)
	}
}

func TestVendorWhoDoesNotReadHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &page{stuck: make(chan struct{})}
		s := newScreen(p)
		s.pty.Store(true)
		done := make(chan struct{})
		go func() { defer close(done); _, _ = s.Write([]byte("x")) }()
		synctest.Wait() // it is stuck
		start := time.Now()
		var wait sync.WaitGroup
		s.tell("5 minutes", &wait)
		wait.Wait()
		s.last("over")
		if took := time.Since(start); took > tellTime+lastTime {
			t.Errorf("it took %v to speak to somebody who does not read", took)
		}
		close(p.stuck)
		<-done
	})
}
