package recording

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	widestScreen  = 500 // columns that are kept; a wider terminal is cut
	tallestScreen = 200 // rows
)

// ScreenSize is the size that a Screen takes where a terminal says it has this
// one. What counts as said is Frame.Size's.
func ScreenSize(cols, rows int) (int, int) {
	return min(max(cols, 1), widestScreen), min(max(rows, 1), tallestScreen)
}

// Screen is the terminal of somebody who reads: what stands on it after some
// output, and not how the bytes came. It knows what DrawOnly lets through, and
// that is what draws. Its memory is bounded by its size, whatever is written.
//
// What it does not do: combining signs take a column of their own; colours of
// 24 bits are rounded to the 256 of xterm; and a terminal that gets another
// size begins empty, until the program draws again, as programs then do.
type Screen struct {
	Pty bool // else a line feed alone begins a line

	line func(string) // takes a line that stood; may be nil

	draw       DrawOnly
	cols, rows int
	grid             // that is shown
	other      *grid // the first one, while the second is shown
	pen        style // of the next sign
	saved      savedCursor
	top, end   int     // scrolled region, end is behind it
	sets       [2]byte // G0 and G1; '0' draws lines
	shift      int     // which of the two is used
	hidden     bool    // the cursor
	inserts    bool    // signs move what follows
	origin     bool    // rows count from the region
	nowrap     bool    // the last column is written again and again
	wide       bool    // there has been a sign of two columns
	params     []byte
	state      byte   // 0, ESC, '[' or '(' or ')' for what is being read
	known      int    // rows that came in since it began; all of them: nothing from before can stand
	wrapping   bool   // the row that is left goes on in the next
	head       []rune // of the line whose rest stands in the region's first row
}

// grid is one of a terminal's two screens.
type grid struct {
	cells [][]cell // a row is as long as it was written; what follows is blank
	dirty []bool   // rows whose text was not given yet
	joins []bool   // rows that go on with the line of the row above, which was full
	x, y  int      // x is cols where the next sign begins a row
}

// cell is one column; the second one of a wide sign has the rune 0.
type cell struct {
	r rune
	s style
}

type savedCursor struct {
	x, y int
	pen  style
}

// NewScreen is one of 80 columns and 24 rows. line, which may be nil, takes each
// line of text once it stands, at most longestLine signs; see lines.
func NewScreen(line func(string)) *Screen {
	s := &Screen{line: line}
	s.Resize(80, 24)
	return s
}

// Resize begins an empty screen: what stood is given. The size that it has
// already changes nothing.
func (s *Screen) Resize(cols, rows int) {
	cols, rows = ScreenSize(cols, rows)
	if cols == s.cols && rows == s.rows {
		return
	}
	s.Flush(true)
	s.cols, s.rows, s.top, s.end, s.known = cols, rows, 0, rows, rows
	s.grid = s.emptied(s.grid)
	if s.other != nil {
		first := s.emptied(*s.other)
		s.other = &first
	}
	s.saved, s.head = savedCursor{}, nil
}

// emptied is a grid of the present size with g's cursor.
func (s *Screen) emptied(g grid) grid {
	return grid{make([][]cell, s.rows), make([]bool, s.rows), make([]bool, s.rows), min(g.x, s.cols-1), min(g.y, s.rows-1)}
}

// Size is what it has now.
func (s *Screen) Size() (cols, rows int) { return s.cols, s.rows }

// Write draws output.
func (s *Screen) Write(p []byte) {
	for text := string(s.draw.Filter(p)); text != ""; {
		if n := min(printable(text), s.cols-s.x); n > 0 && s.state == 0 && !s.inserts && s.sets[s.shift] != '0' {
			s.run(text[:n])
			text = text[n:]
			continue
		}
		r, size := utf8.DecodeRuneInString(text)
		s.rune(r)
		text = text[size:]
	}
}

// run shows signs of one column each that fit into the row.
func (s *Screen) run(text string) {
	if len(s.cells[s.y]) < s.x+len(text) {
		s.put(s.x+len(text)-1, cell{' ', 0})
	}
	row := s.cells[s.y][s.x:]
	for i := range len(text) {
		if c := (cell{rune(text[i]), s.pen}); row[i] != c {
			s.dirty[s.y] = s.dirty[s.y] || row[i].r != c.r
			row[i] = c
		}
	}
	s.mend(s.y, s.x-1, s.x+len(text))
	s.x += len(text)
}

func (s *Screen) rune(r rune) {
	switch s.state {
	case 0:
		if r >= ' ' {
			s.sign(r)
		} else {
			s.plain(r)
		}
	case 0x1b:
		s.escape(r)
	case '(', ')':
		s.sets[s.state-'('] = byte(r)
		s.state = 0
	case '[':
		if r >= 0x40 && r <= 0x7e {
			s.state = 0
			s.control(string(s.params), byte(r))
		} else if len(s.params) < 64 {
			s.params = append(s.params, byte(r))
		}
	}
}

// plain is C0.
func (s *Screen) plain(r rune) {
	switch r {
	case 0x1b:
		s.state = 0x1b
	case '\r':
		s.x = 0
	case '\n', '\v', '\f':
		s.feed()
		if !s.Pty {
			s.x = 0
		}
	case '\b':
		s.x = max(0, min(s.x, s.cols-1)-1)
	case '\t':
		s.x = min(s.cols-1, s.x/8*8+8)
	case 0x0e, 0x0f:
		s.shift = int(0x0f - r)
	}
}

// sign shows one where the cursor is.
func (s *Screen) sign(r rune) {
	if s.sets[s.shift] == '0' && r >= '`' && r <= '~' {
		r = lineDrawing[r-'`']
	}
	wide := 1
	if isWide(r) {
		if wide, s.wide = 2, true; s.cols < 2 {
			wide, r = 1, unicode.ReplacementChar
		}
	}
	if s.x+wide > s.cols { // the next sign behind the last column begins a row
		if s.nowrap {
			s.x = s.cols - wide
		} else {
			s.x = 0
			s.wrap()
		}
	}
	if s.inserts {
		s.shiftRow(s.x, wide, true)
	}
	s.put(s.x, cell{r, s.pen})
	if wide == 2 {
		s.put(s.x+1, cell{0, s.pen})
	}
	s.mend(s.y, s.x-1, s.x+wide)
	s.x += wide
}

// lineDrawing is the special graphics set of the VT100, from ` to ~.
var lineDrawing = []rune("◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·")

func (s *Screen) escape(r rune) {
	s.state = 0
	switch r {
	case '[':
		s.state, s.params = '[', s.params[:0]
	case '(', ')':
		s.state = byte(r)
	case '7':
		s.save()
	case '8':
		s.restore()
	case 'D':
		s.feed()
	case 'E':
		s.feed()
		s.x = 0
	case 'M':
		if s.y == s.top {
			s.insert(s.y, 1)
		} else {
			s.y = max(0, s.y-1)
		}
	}
}

func (s *Screen) save() { s.saved = savedCursor{min(s.x, s.cols-1), s.y, s.pen} }

func (s *Screen) restore() {
	s.x, s.y, s.pen = min(s.saved.x, s.cols-1), min(s.saved.y, s.rows-1), s.saved.pen
	if s.origin {
		s.y = min(max(s.y, s.top), s.end-1)
	}
}

// mode sets or resets the private modes that draw.
func (s *Screen) mode(modes string, on bool) {
	for m := range strings.SplitSeq(modes, ";") {
		switch m {
		case "6":
			s.origin = on
			s.to(0, 0)
		case "7":
			s.nowrap = !on
		case "25":
			s.hidden = !on
		case "47", "1047":
			s.second(on)
		case "1048":
			if on {
				s.save()
			} else {
				s.restore()
			}
		case "1049":
			if on && s.other == nil {
				s.save()
				s.second(true)
			} else if !on && s.other != nil {
				s.second(false)
				s.restore()
			}
		}
	}
}

// second goes to the empty second screen, or back to the first as it was.
func (s *Screen) second(on bool) {
	switch {
	case on && s.other == nil:
		s.Flush(true)
		s.head = nil
		first := s.grid
		s.other = &first
		s.grid = s.emptied(first)
	case !on && s.other != nil:
		s.Flush(true)
		s.head = nil
		x, y := s.x, s.y
		s.grid, s.other = *s.other, nil
		s.x, s.y = x, y
	}
}

// to moves the cursor, from the origin that is in force.
func (s *Screen) to(x, y int) {
	from, end := 0, s.rows
	if s.origin {
		from, end = s.top, s.end
	}
	s.x, s.y = min(max(0, x), s.cols-1), min(from+max(0, y), end-1)
}

// control is one control sequence of those that DrawOnly lets through.
func (s *Screen) control(params string, final byte) {
	if mode, private := strings.CutPrefix(params, "?"); private {
		s.mode(mode, final == 'h')
		return
	}
	n, m := numbers(params)
	one, at := max(n, 1), min(s.x, s.cols-1)
	switch final {
	case 'm':
		s.pen = s.pen.set(params)
	case 'h', 'l':
		s.inserts = final == 'h'
	case 'H', 'f':
		s.to(m-1, n-1)
	case 'd':
		s.to(at, n-1)
	case 'J':
		s.eraseScreen(n)
	case 'K':
		s.eraseLine(n, at)
	case 'X':
		s.erase(s.y, at, at+one)
	case 'P', '@':
		s.shiftRow(at, one, final == '@')
	case 'L':
		s.insert(s.y, one)
	case 'M':
		s.remove(s.y, one)
	case 'S':
		s.remove(s.top, one)
	case 'T':
		s.insert(s.top, one)
	case 'b':
		s.repeat(at-1, one)
	case 'r':
		s.parts()
		s.top, s.end = min(one, s.rows)-1, s.rows
		if m > one && m <= s.rows {
			s.end = m
		}
		s.to(0, 0)
	case 's':
		s.save()
	case 'u':
		s.restore()
	default:
		s.move(one, at, final)
	}
}

// repeat writes what stands in a column again.
func (s *Screen) repeat(x, n int) {
	if x < 0 {
		return
	}
	c := cell{' ', 0}
	if row := s.cells[s.y]; x < len(row) {
		c = row[x]
	}
	for range min(n, s.cols-s.x) {
		s.put(s.x, c)
		s.x++
	}
	s.mend(s.y, 0, s.cols)
}

// move is relative; up and down stop at the region's edge.
func (s *Screen) move(n, at int, final byte) {
	up, down := 0, s.rows-1
	if s.y >= s.top {
		up = s.top
	}
	if s.y < s.end {
		down = s.end - 1
	}
	switch final {
	case 'A':
		s.y = max(up, s.y-n)
	case 'B', 'e':
		s.y = min(down, s.y+n)
	case 'C', 'a':
		s.x = min(s.cols-1, at+n)
	case 'D':
		s.x = max(0, at-n)
	case 'E':
		s.x, s.y = 0, min(down, s.y+n)
	case 'F':
		s.x, s.y = 0, max(up, s.y-n)
	case 'G', '`':
		s.x = min(s.cols, n) - 1
	case 'I':
		s.x = min(s.cols-1, (at/8+n)*8)
	case 'Z':
		s.x = max(0, (at+7)/8-n) * 8
	}
}
