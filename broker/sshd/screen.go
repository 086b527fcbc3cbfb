package sshd

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	tellTime = 200 * time.Millisecond
	lastTime = 300 * time.Millisecond // for the right to write the last word: a vendor who does not read holds it
	wordTime = 3 * time.Second        // for the last word to be written: the gate has ended, and a busy machine or a slow line takes its time
)

// screen is the vendor's end of one channel: the target's output and Penstock's
// own words share it, one write at a time, so that neither tears the other.
type screen struct {
	ch       ssh.Channel
	pty      atomic.Bool
	lock     chan struct{} // holds a token while somebody writes
	seen     terminal      // under lock
	later    string        // under lock: told while a full-screen program was on; shown when it leaves
	finished bool          // under lock: end of file was sent, and nothing is shown any more
	quiet    atomic.Bool   // the terminal's kind may not know titles: a bell is all it gets there
	busy     atomic.Bool   // one note at a time
	once     sync.Once
	ended    chan struct{} // closed when the last word was said
}

func newScreen(ch ssh.Channel) *screen {
	return &screen{ch: ch, lock: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Write shows the target's output.
func (s *screen) Write(p []byte) (int, error) {
	s.lock <- struct{}{}
	defer func() { <-s.lock }()
	if s.pty.Load() {
		s.seen.watch(p)
	}
	n, err := s.ch.Write(p)
	if err == nil && s.later != "" && !s.seen.full() && s.seen.ground() {
		s.line(s.later)
		s.later = ""
	}
	return n, err
}

// stderr is for the target's standard error: one writer at a time, as x/crypto wants.
func (s *screen) stderr() io.Writer { return screenErrors{s} }

type screenErrors struct{ s *screen }

func (e screenErrors) Write(p []byte) (int, error) {
	e.s.lock <- struct{}{}
	defer func() { <-e.s.lock }()
	return e.s.ch.Stderr().Write(p)
}

// tell shows a sentence without disturbing what the person works in: without a
// terminal on stderr, which no protocol of ssh's exec and subsystems uses (scp,
// sftp, rsync and git pass it on to the person); in a full-screen program as bell
// and title, and as a line when that program leaves; else as a line of its own,
// between two escape sequences and never inside one. It returns within 200 ms,
// shown or not.
func (s *screen) tell(text string, wait *sync.WaitGroup) {
	if !s.busy.CompareAndSwap(false, true) {
		return
	}
	wait.Add(1)
	shown := make(chan struct{})
	go func() { // a write to somebody who does not read ends with the channel
		defer s.busy.Store(false)
		defer close(shown)
		defer func() { _ = recover() }() // x/crypto's own, on a channel that is being torn down
		if s.take(tellTime, true) {
			defer func() { <-s.lock }()
			s.print("Penstock: " + text)
		}
	}()
	go func() {
		defer wait.Done()
		select {
		case <-shown:
		case <-time.After(tellTime):
		}
	}()
}

// ticks are what a limit here is made of. A machine that is busy lets a process
// stand still for longer than these limits, and who holds the right to write
// stands still with it: that takes one tick of the twenty, and not the last word.
const ticks = 20

// take waits for the right to write; whole waits also until no escape sequence
// or character of the target is half out.
func (s *screen) take(limit time.Duration, whole bool) bool {
	tick := time.NewTicker(limit / ticks)
	defer tick.Stop()
	for range ticks {
		select {
		case s.lock <- struct{}{}: // in turn with those who write
			if s.may(whole) {
				return true
			}
			<-tick.C
		case <-tick.C:
		}
	}
	select {
	case s.lock <- struct{}{}: // a busy machine finds the time over and the lock free
		return s.may(whole)
	default:
		return false
	}
}

// lapse says when limit has passed, in ticks as take has them, or done is closed.
func lapse(limit time.Duration, done <-chan struct{}) {
	tick := time.NewTicker(limit / ticks)
	defer tick.Stop()
	for range ticks {
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}

// may keeps the lock where one may write now, and gives it back where not.
func (s *screen) may(whole bool) bool {
	if whole && !s.seen.ground() {
		<-s.lock
		return false
	}
	return true
}

func (s *screen) print(text string) {
	if !s.pty.Load() {
		_, _ = io.WriteString(s.ch.Stderr(), text+"\n")
		return
	}
	if s.seen.full() {
		s.later = text
		title := "\x1b]0;" + oneLine(text) + "\x1b\\"
		if s.quiet.Load() {
			title = ""
		}
		_, _ = io.WriteString(s.ch, "\a"+title)
		return
	}
	s.later = ""
	s.line(text)
}

func (s *screen) line(text string) {
	_, _ = io.WriteString(s.ch, "\r\n"+string(crlf([]byte(text)))+"\r\n")
}

// opened says what kind of terminal it is (TERM). A title is an OSC sequence,
// which terminals without titles print or take for something else.
func (s *screen) opened(term string) {
	s.quiet.Store(!slices.ContainsFunc(titled, func(kind string) bool { return strings.HasPrefix(term, kind) }))
	s.pty.Store(true)
}

// titled are the terminals that understand xterm's title sequence.
var titled = []string{"xterm", "screen", "tmux", "rxvt", "putty", "vte", "gnome", "konsole", "alacritty", "kitty", "foot", "st-", "wezterm", "cygwin", "mintty", "msys"}

// last says why it is over, leaves a full-screen program's screen first, and
// closes the channel with a status that is no success. It returns within wordTime;
// the rest ends with the connection.
func (s *screen) last(text string) {
	s.once.Do(func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }()
			if !s.take(lastTime, false) {
				s.shut(255)
				return
			}
			if s.pty.Load() {
				s.leave()
			}
			s.print("Penstock: " + text)
			s.exit(255) // with the right to write: end of file beside a write is a race in x/crypto
			<-s.lock
		}()
		lapse(wordTime, done)
		close(s.ended)
	})
}

// leave gives the person's own screen back. The right to write is held.
func (s *screen) leave() {
	if !s.seen.ground() {
		_, _ = io.WriteString(s.ch, "\x18") // CAN ends any sequence (ECMA-48, 8.3.6)
	}
	if s.seen.alt {
		_, _ = io.WriteString(s.ch, "\x1b[?1049l")
		s.seen.alt = false
	}
	_, _ = io.WriteString(s.ch, "\x1b[0m\x1b[?25h"+modesOff)
	s.seen = terminal{}
}

// modesOff undoes what a program that is cut off leaves on: bracketed paste,
// mouse reports, application keys (xterm's private modes).
const modesOff = "\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1l\x1b>"

// exit sends exit-status, end of file and close, in the order that stock clients
// expect. The right to write is held.
func (s *screen) exit(status uint32) {
	_, _ = s.ch.SendRequest("exit-status", false, exitStatus(status))
	s.end()
	_ = s.ch.Close()
}

// end sends end of file, once. The right to write is held.
func (s *screen) end() {
	if !s.finished {
		s.finished = true
		_ = s.ch.CloseWrite()
	}
}

// shut is exit while somebody else's write hangs: the close says the end of file.
func (s *screen) shut(status uint32) {
	_, _ = s.ch.SendRequest("exit-status", false, exitStatus(status))
	_ = s.ch.Close()
}

func exitStatus(status uint32) []byte { return ssh.Marshal(struct{ Status uint32 }{status}) }

func oneLine(s string) string { return ascii.Replace(s) }

// ascii says our own signs in letters: OpenSSH shows a refusal's other bytes as \342\200\246.
var ascii = strings.NewReplacer("\n", " ", "…", "...", "–", "-", "’", "'", "“", `"`, "”", `"`)

func crlf(p []byte) []byte { return bytes.ReplaceAll(p, []byte("\n"), []byte("\r\n")) }

// terminal follows a target's output just far enough to know whether a
// full-screen program is on, and whether a sequence is half out (ECMA-48 and
// xterm's private modes 47, 1047, 1049).
type terminal struct {
	state  byte
	alt    bool
	placed bool   // without a screen of its own it writes where it likes: vim on vt100
	params []byte // of a CSI sequence, bounded
	rest   int    // bytes of a UTF-8 character that are still to come
}

const (
	onGround byte = iota
	inEscape
	inCSI
	inString    // OSC, DCS, SOS, PM, APC
	inStringEsc // ESC inside a string
)

// full says whether a line in the middle would spoil the screen.
func (t *terminal) full() bool { return t.alt || t.placed }

func (t *terminal) ground() bool { return t.state == onGround && t.rest == 0 }

func (t *terminal) watch(p []byte) {
	for _, b := range p {
		t.next(b)
	}
}

func (t *terminal) next(b byte) {
	switch {
	case b == 0x18 || b == 0x1a: // CAN, SUB
		t.state, t.rest = onGround, 0
	case t.state == inString:
		if b == 0x07 {
			t.state = onGround
		} else if b == 0x1b {
			t.state = inStringEsc
		}
	case t.state == inStringEsc:
		t.state = inString
		if b == '\\' {
			t.state = onGround
		}
	case b == 0x1b:
		t.state, t.rest = inEscape, 0
	case t.state == inEscape:
		t.escape(b)
	case t.state == inCSI:
		t.csi(b)
	default:
		t.text(b)
	}
}

func (t *terminal) escape(b byte) {
	switch {
	case b == '[':
		t.state, t.params = inCSI, t.params[:0]
	case b == ']' || b == 'P' || b == 'X' || b == '^' || b == '_':
		t.state = inString
	case b >= 0x30 && b <= 0x7e:
		if b == 'c' { // full reset
			t.alt, t.placed = false, false
		}
		t.state = onGround
	}
}

func (t *terminal) csi(b byte) {
	if b < 0x40 || b > 0x7e {
		if len(t.params) < 32 {
			t.params = append(t.params, b)
		}
		return
	}
	t.state = onGround
	if b == 'H' || b == 'f' { // cursor position (ECMA-48, 8.3.21); to the top alone is what clearing does
		row, _, _ := bytes.Cut(t.params, []byte(";"))
		t.placed = t.placed || len(row) > 0 && string(row) != "1"
		return
	}
	if (b != 'h' && b != 'l') || len(t.params) == 0 || t.params[0] != '?' {
		return
	}
	for mode := range bytes.SplitSeq(t.params[1:], []byte(";")) {
		switch string(mode) {
		case "47", "1047", "1049":
			t.alt = b == 'h'
			t.placed = t.placed && t.alt
		case "2004": // bracketed paste: a shell's line editor is there again
			t.placed = t.placed && t.alt
		}
	}
}

func (t *terminal) text(b byte) {
	switch {
	case b&0xc0 == 0x80 && t.rest > 0:
		t.rest--
	case b&0xe0 == 0xc0:
		t.rest = 1
	case b&0xf0 == 0xe0:
		t.rest = 2
	case b&0xf8 == 0xf0:
		t.rest = 3
	default:
		t.rest = 0
	}
}
