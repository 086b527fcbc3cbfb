package recording

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// masked stands for a line that was typed and not shown: never as long as what it hides.
const masked = "••••"

const (
	longestTyped = 4 << 10  // bytes of one line; a longer one is masked
	longestEcho  = 16 << 10 // bytes that came back for it
	mostLines    = 64       // that wait for their echo; the oldest is masked
)

// typed decides which lines of input may be shown. The broker does not see
// whether a terminal echoes (stty is between the machine and its own kernel), so
// a line is shown only where exactly it came back as output, from its first
// byte to the line feed that answered it: a password is not echoed, and so is
// masked. So is much that is harmless: what was completed by tab, recalled,
// typed ahead or into a full-screen program, and everything without a terminal.
// What is shown is the line as it stood at its end, without what was deleted.
type typed struct {
	done  []string     // decided, not taken yet
	lines []*typedLine // oldest first; the last may not have ended
}

type typedLine struct {
	keys, back []byte
	end        byte // what ended it; 0: not yet
	long       bool
}

// in takes what the vendor sent.
func (t *typed) in(p []byte) {
	for _, b := range p {
		n := len(t.lines)
		if n == 0 || t.lines[n-1].end != 0 {
			if n == mostLines {
				t.decide(false)
			}
			t.lines = append(t.lines, &typedLine{})
		}
		l := t.lines[len(t.lines)-1]
		switch b {
		case '\r', '\n':
			l.end = b
		case 0x03, 0x04, 0x1A: // interrupt, end of file, suspend: nothing answers with a line feed of its own
			l.end = b
			if len(t.lines) == 1 {
				t.decide(true)
			}
		default:
			if len(l.keys) < longestTyped {
				l.keys = append(l.keys, b)
			} else {
				l.long = true
			}
		}
	}
}

// out takes what came back. It answers the oldest line.
func (t *typed) out(p []byte) {
	for _, b := range p {
		if len(t.lines) == 0 {
			return
		}
		l := t.lines[0]
		switch {
		case b == '\n' && l.end != 0:
			t.decide(true)
		case b == '\n':
			l.back = l.back[:0]
		case len(l.back) < longestEcho:
			l.back = append(l.back, b)
		default:
			l.long = true
		}
	}
}

// take gives what was decided since the last time.
func (t *typed) take() []string {
	done := t.done
	t.done = nil
	return done
}

// rest gives what nothing answers any more.
func (t *typed) rest() {
	for len(t.lines) > 0 {
		t.decide(true)
	}
}

// decide emits the oldest line.
func (t *typed) decide(answered bool) {
	l := t.lines[0]
	t.lines = slices.Delete(t.lines, 0, 1)
	text, plain := l.text()
	if text != "" || !plain {
		if !answered || !plain || l.long || !l.echoed(text) {
			text = masked
		}
	}
	if l.end != 0 {
		text += string(rune(l.end))
	}
	if text != "" {
		t.done = append(t.done, text)
	}
}

// text is the line as its keys leave it. plain is false where keys are not understood.
func (l *typedLine) text() (text string, plain bool) {
	var line []rune
	rest := l.keys
	for len(rest) > 0 {
		if n, _, _ := control(rest); n > 0 { // arrows, pasting, a terminal's answers
			rest = rest[n:]
			continue
		}
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		switch {
		case r == 0x7F || r == '\b':
			line = line[:max(0, len(line)-1)]
		case r == 0x15: // kill: the whole line
			line = line[:0]
		case r < 0x20 || r == utf8.RuneError && n == 1:
			return "", false
		default:
			line = append(line, r)
		}
	}
	return string(line), true
}

// echoed says whether what came back shows exactly this text.
func (l *typedLine) echoed(text string) bool {
	var s screenLine
	rest := l.back
	for len(rest) > 0 {
		if n, final, arg := control(rest); n > 0 {
			if !s.control(final, arg) {
				return false
			}
			rest = rest[n:]
			continue
		}
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		if r == utf8.RuneError && n == 1 || !s.rune(r) {
			return false
		}
	}
	got := string(s.line)
	return got == text || l.end < 0x20 && got == text+"^"+string(rune(l.end+'@'))
}

// screenLine is the part of a terminal's line that was written since the first
// key: as much of ECMA-48 as line editors use on it.
type screenLine struct {
	line []rune
	at   int
	home bool // a carriage return came: only the end of the line may follow
}

func (s *screenLine) rune(r rune) bool {
	switch {
	case r == '\r':
		s.home = true
	case r == 0x07:
	case r == '\b':
		s.at--
	case r < 0x20 || r == 0x7F || s.home:
		return false
	case s.at < len(s.line):
		s.line[s.at] = r
		s.at++
	default:
		s.line = append(s.line, r)
		s.at++
	}
	return s.at >= 0
}

func (s *screenLine) control(final byte, arg string) bool {
	n := 1
	if arg != "" && !strings.ContainsAny(arg, "?;") {
		n = 0
		for _, d := range arg {
			if d < '0' || d > '9' || n > largestTerminal {
				return false
			}
			n = n*10 + int(d-'0')
		}
	}
	switch final {
	case 'm', 'h', 'l': // looks, and modes such as pasting in brackets
	case 'K':
		if arg != "" && arg != "0" {
			return false
		}
		s.line = s.line[:min(s.at, len(s.line))]
	case 'C':
		s.at += n
	case 'D':
		s.at -= n
	case 'P':
		s.line = slices.Delete(s.line, min(s.at, len(s.line)), min(s.at+n, len(s.line)))
	default:
		return false
	}
	return s.at >= 0 && s.at <= len(s.line)
}

// control reads a CSI or SS3 sequence at the beginning of p; n is 0 where none
// is, or where it is not whole.
func control(p []byte) (n int, final byte, arg string) {
	if len(p) < 3 || p[0] != 0x1B {
		return 0, 0, ""
	}
	if p[1] == 'O' {
		return 3, p[2], "O" // no line editor writes one: not understood in output
	}
	if p[1] != '[' {
		return 0, 0, ""
	}
	for i := 2; i < len(p) && i < 32; i++ {
		if p[i] >= 0x40 && p[i] <= 0x7E {
			return i + 1, p[i], string(p[2:i])
		}
		if p[i] < 0x20 || p[i] > 0x3F {
			return 0, 0, ""
		}
	}
	return 0, 0, ""
}
