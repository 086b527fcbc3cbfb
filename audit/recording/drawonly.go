package recording

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DrawOnly lets of a terminal's output (ECMA-48, xterm) through what draws, and
// nothing that does more: no title, clipboard, link, picture, printer or
// question that the terminal would answer by typing; no mode that changes what
// keys and mouse send; no erasing of what scrolled away. What is let through is
// a list of what is known to draw; the rest is dropped, so what a future
// terminal understands is too. For the terminal of somebody who looks on.
type DrawOnly struct {
	decoder
	state  state
	seq    []byte // of a control sequence, behind its introducer
	length int    // runes in a string that is dropped
	out    bytes.Buffer
}

// DrawRestore puts a terminal back in order after what DrawOnly let through.
const DrawRestore = "\x1b[?1049l\x1b[0m\x1b(B\x0f\x1b[4l\x1b[?6l\x1b[?7h\x1b[?25h\x1b7\x1b[r\x1b8"

const (
	longestControl = 64   // bytes of one control sequence
	largestControl = 9999 // of its numbers: nobody has more columns, or repeats more
)

// Filter takes in a piece of output and gives what may be shown of it, good
// until the next call. A sequence that is not whole waits for the next piece.
func (d *DrawOnly) Filter(p []byte) []byte {
	d.out.Reset()
	for s := d.text(p); s != ""; {
		if n := printable(s); n > 0 && d.state == plainly {
			d.out.WriteString(s[:n])
			s = s[n:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		d.rune(r)
		s = s[size:]
	}
	return d.out.Bytes()
}

// printable is how many signs of ASCII text begins with: most of what passes,
// and looking each up among Unicode's classes is slow.
func printable(s string) (n int) {
	for n < len(s) && s[n] >= ' ' && s[n] <= '~' {
		n++
	}
	return n
}

func (d *DrawOnly) rune(r rune) {
	switch {
	case r == 0x18 || r == 0x1A: // CAN and SUB end any sequence
		d.state = plainly
	case r == 0x1B && (d.state == inOSC || d.state == inString):
		d.state = escInString
	case r == 0x1B:
		d.state, d.seq = afterEsc, d.seq[:0]
	case d.state == inOSC || d.state == inString:
		d.length++
		if r == 0x9C || r == 0x07 && d.state == inOSC || d.length > longestString {
			d.state = plainly
		}
	case d.state == escInString && r != '\\':
		d.state, d.seq = afterEsc, d.seq[:0]
		d.rune(r)
	case d.state == escInString:
		d.state = plainly
	case r < 0x20: // a terminal obeys it in the middle of a sequence
		d.control(r)
	case r >= 0x80 && r < 0xA0:
		d.eightBit(r)
	case d.state == afterEsc || d.state == afterEscMore:
		d.escaped(r)
	case d.state == inControl:
		d.sequence(r)
	case r == 0x7F:
	case !unicode.IsGraphic(r) || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point):
		d.out.WriteRune(unicode.ReplacementChar)
	default:
		d.out.WriteRune(r)
	}
}

// control is C0: movement, and the two character sets.
func (d *DrawOnly) control(r rune) {
	if strings.ContainsRune("\b\t\n\v\f\r\x0e\x0f", r) {
		d.out.WriteByte(byte(r))
	}
}

// eightBit is C1: introducers begin what their seven-bit forms begin.
func (d *DrawOnly) eightBit(r rune) {
	d.seq = d.seq[:0]
	switch r {
	case 0x9B:
		d.state = inControl
	case 0x9D:
		d.state, d.length = inOSC, 0
	case 0x90, 0x98, 0x9E, 0x9F:
		d.state, d.length = inString, 0
	default:
		d.state = plainly
	}
}

func (d *DrawOnly) escaped(r rune) {
	switch {
	case r < 0x30 && len(d.seq) < 4: // an intermediate: one final follows
		d.state, d.seq = afterEscMore, append(d.seq, byte(r))
		return
	case d.state == afterEscMore: // character sets: ASCII, lines, British
		if len(d.seq) == 1 && strings.IndexByte("()", d.seq[0]) >= 0 && strings.ContainsRune("B0A", r) {
			d.out.WriteString("\x1b" + string(d.seq) + string(r))
		}
	case r == '[':
		d.state, d.seq = inControl, d.seq[:0]
		return
	case r == ']':
		d.state, d.length = inOSC, 0
		return
	case r == 'P' || r == 'X' || r == '^' || r == '_':
		d.state, d.length = inString, 0
		return
	case strings.ContainsRune("78DEM", r): // save, restore, index, next line, reverse index
		d.out.WriteString("\x1b" + string(r))
	case r == 'c': // a full reset would be theirs, not the watcher's
		d.out.WriteString("\x1b[0m\x1b[r\x1b[H\x1b[2J")
	}
	d.state = plainly
}

// sequence collects a control sequence up to its final.
func (d *DrawOnly) sequence(r rune) {
	if r > 0x7E {
		d.state = plainly // no part of a sequence
		return
	}
	if r < 0x40 {
		if len(d.seq) <= longestControl {
			d.seq = append(d.seq, byte(r))
		}
		return
	}
	d.state = plainly
	if len(d.seq) > longestControl {
		return
	}
	if s, ok := drawing(string(d.seq), byte(r)); ok {
		d.out.WriteString("\x1b[" + s)
	}
}

// The private modes that draw: wrap, origin, cursor, the other screen.
var drawModes = []string{"6", "7", "12", "25", "47", "1047", "1048", "1049"}

// drawing says whether a control sequence draws, and gives the part that does.
func drawing(params string, final byte) (string, bool) {
	private, isPrivate := strings.CutPrefix(params, "?")
	if isPrivate {
		if final != 'h' && final != 'l' {
			return "", false
		}
		modes := slices.DeleteFunc(strings.Split(private, ";"), func(m string) bool { return !slices.Contains(drawModes, m) })
		return "?" + strings.Join(modes, ";") + string(final), len(modes) > 0
	}
	for n := range strings.FieldsFuncSeq(params, func(r rune) bool { return r == ';' || r == ':' }) {
		if v, err := strconv.ParseUint(n, 10, 32); err != nil || v > largestControl {
			return "", false
		}
	}
	switch final {
	case 'h', 'l':
		return params + string(final), params == "4" // insert
	case 'J':
		return params + "J", params == "" || params == "0" || params == "1" || params == "2" // not what scrolled away
	}
	return params + string(final), strings.IndexByte("ABCDEFGHfd`aeIZKLMPSTX@bmrsu", final) >= 0
}
