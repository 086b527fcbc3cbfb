package search

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"penstock/audit/recording"
)

const (
	widest  = 500 // columns that are kept; a wider terminal is cut
	tallest = 200 // rows
	longest = 400 // runes of a line in the index
)

// screen is the terminal of somebody who reads: it gives each line once it
// stands, as it was seen, and not as the bytes came. It knows what
// recording.DrawOnly lets through, and that is what draws.
type screen struct {
	line func(string) // takes a line that stood

	draw       recording.DrawOnly
	pty        bool // else a line feed alone begins a line
	cols, rows int
	cells      [][]rune
	dirty      []bool // rows whose text was not given yet
	x, y       int
	top, end   int // scrolled region, end is behind it
	savedX     int
	savedY     int
	params     []byte
	state      byte // 0, ESC, '[' or '(' for what is being read
}

func newScreen(line func(string)) *screen {
	s := &screen{line: line}
	s.resize(80, 24)
	return s
}

// resize begins an empty screen: what stood is given.
func (s *screen) resize(cols, rows int) {
	s.flush(true)
	s.cols, s.rows = min(max(cols, 1), widest), min(max(rows, 1), tallest)
	s.cells, s.dirty = make([][]rune, s.rows), make([]bool, s.rows)
	s.x, s.y, s.top, s.end = min(s.x, s.cols-1), min(s.y, s.rows-1), 0, s.rows
	s.savedX, s.savedY = 0, 0
}

// flush gives what is new on the screen; but for the row in which somebody
// types, unless all is asked for.
func (s *screen) flush(all bool) {
	for y := range s.dirty {
		if all || y != s.y {
			s.give(y)
		}
	}
}

func (s *screen) give(y int) {
	if !s.dirty[y] {
		return
	}
	s.dirty[y] = false
	if text := strings.TrimSpace(string(s.cells[y])); text != "" {
		s.line(clip(text))
	}
}

// clip bounds a text, and leaves nothing in it that is not to be seen: it is
// shown on pages and terminals.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) > longest {
		return string([]rune(text)[:longest])
	}
	return text
}

// write draws output.
func (s *screen) write(p []byte) {
	for _, r := range string(s.draw.Filter(p)) {
		s.rune(r)
	}
}

func (s *screen) rune(r rune) {
	switch s.state {
	case 0x1b:
		s.escape(r)
	case '(':
		s.state = 0
	case '[':
		if r >= 0x40 && r <= 0x7e {
			s.state = 0
			s.control(string(s.params), byte(r))
		} else if len(s.params) < 64 {
			s.params = append(s.params, byte(r))
		}
	default:
		s.plain(r)
	}
}

func (s *screen) plain(r rune) {
	switch r {
	case 0x1b:
		s.state = 0x1b
	case '\r':
		s.x = 0
	case '\n', '\v', '\f':
		s.feed()
		if !s.pty {
			s.x = 0
		}
	case '\b':
		s.x = max(0, min(s.x, s.cols-1)-1)
	case '\t':
		s.x = min(s.cols-1, s.x/8*8+8)
	default:
		if r < ' ' {
			return
		}
		if s.x >= s.cols { // the next sign behind the last column begins a row
			s.x = 0
			s.feed()
		}
		s.put(s.x, r)
		s.x++
	}
}

func (s *screen) escape(r rune) {
	s.state = 0
	switch r {
	case '[':
		s.state, s.params = '[', s.params[:0]
	case '(', ')':
		s.state = '('
	case '7':
		s.savedX, s.savedY = s.x, s.y
	case '8':
		s.x, s.y = min(s.savedX, s.cols-1), min(s.savedY, s.rows-1)
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

// put sets one sign of the cursor's row.
func (s *screen) put(x int, r rune) {
	row := s.cells[s.y]
	for len(row) <= x {
		row = append(row, ' ')
	}
	if row[x] != r {
		row[x], s.dirty[s.y] = r, true
	}
	s.cells[s.y] = row
}

// feed is a line feed: the row that is left stands now.
func (s *screen) feed() {
	s.give(s.y)
	switch {
	case s.y == s.end-1:
		s.remove(s.top, 1)
	case s.y < s.rows-1:
		s.y++
	}
}

// remove takes n rows of the region out at y; rows below move up.
func (s *screen) remove(y, n int) {
	if y < s.top || y >= s.end {
		return
	}
	n = min(n, s.end-y)
	for i := y; i < y+n; i++ {
		s.give(i)
	}
	copy(s.cells[y:s.end], s.cells[y+n:s.end])
	copy(s.dirty[y:s.end], s.dirty[y+n:s.end])
	for i := s.end - n; i < s.end; i++ {
		s.cells[i], s.dirty[i] = nil, false
	}
}

// insert puts n empty rows in at y; rows move down, and the last ones out.
func (s *screen) insert(y, n int) {
	if y < s.top || y >= s.end {
		return
	}
	n = min(n, s.end-y)
	for i := s.end - n; i < s.end; i++ {
		s.give(i)
	}
	copy(s.cells[y+n:s.end], s.cells[y:s.end-n])
	copy(s.dirty[y+n:s.end], s.dirty[y:s.end-n])
	for i := y; i < y+n; i++ {
		s.cells[i], s.dirty[i] = nil, false
	}
}

// erase clears columns [from, to) of a row. A row that is cleared whole stood.
func (s *screen) erase(y, from, to int) {
	row := s.cells[y]
	if from == 0 && to >= len(row) {
		s.give(y)
		s.cells[y], s.dirty[y] = nil, false
		return
	}
	for x := max(0, from); x < min(to, len(row)); x++ {
		if row[x] != ' ' {
			row[x], s.dirty[y] = ' ', true
		}
	}
}

// control is one control sequence of those that DrawOnly lets through.
func (s *screen) control(params string, final byte) {
	if mode, private := strings.CutPrefix(params, "?"); private {
		if strings.Contains(mode, "47") || strings.Contains(mode, "1049") { // the other screen
			for y := range s.rows {
				s.erase(y, 0, s.cols)
			}
		}
		return
	}
	n, m := numbers(params)
	one := max(n, 1)
	row := min(s.x, s.cols-1)
	switch final {
	case 'A':
		s.y = max(0, s.y-one)
	case 'B', 'e':
		s.y = min(s.rows-1, s.y+one)
	case 'C', 'a':
		s.x = min(s.cols-1, row+one)
	case 'D':
		s.x = max(0, row-one)
	case 'E':
		s.x, s.y = 0, min(s.rows-1, s.y+one)
	case 'F':
		s.x, s.y = 0, max(0, s.y-one)
	case 'G', '`':
		s.x = min(s.cols, one) - 1
	case 'd':
		s.y = min(s.rows, one) - 1
	case 'H', 'f':
		s.y, s.x = min(s.rows, one)-1, min(s.cols, max(m, 1))-1
	case 'I':
		s.x = min(s.cols-1, (row/8+one)*8)
	case 'Z':
		s.x = max(0, (row+7)/8-one) * 8
	case 'J':
		s.eraseScreen(n)
	case 'K':
		s.eraseLine(n, row)
	case 'X':
		s.erase(s.y, row, row+one)
	case 'P', '@':
		s.shift(row, one, final == '@')
	case 'L':
		s.insert(s.y, one)
	case 'M':
		s.remove(s.y, one)
	case 'S':
		s.remove(s.top, one)
	case 'T':
		s.insert(s.top, one)
	case 'b':
		if at := row - 1; at >= 0 && at < len(s.cells[s.y]) {
			r := s.cells[s.y][at]
			for range min(one, s.cols-s.x) {
				s.put(s.x, r)
				s.x++
			}
		}
	case 'r':
		s.top, s.end = min(one, s.rows)-1, s.rows
		if m > one && m <= s.rows {
			s.end = m
		}
		s.x, s.y = 0, 0
	case 's':
		s.savedX, s.savedY = s.x, s.y
	case 'u':
		s.x, s.y = min(s.savedX, s.cols-1), min(s.savedY, s.rows-1)
	}
}

func (s *screen) eraseLine(how, x int) {
	switch how {
	case 0:
		s.erase(s.y, x, s.cols)
	case 1:
		s.erase(s.y, 0, x+1)
	case 2:
		s.erase(s.y, 0, s.cols)
	}
}

func (s *screen) eraseScreen(how int) {
	from, to := 0, s.rows
	switch how {
	case 0:
		s.eraseLine(0, min(s.x, s.cols-1))
		from = s.y + 1
	case 1:
		s.eraseLine(1, min(s.x, s.cols-1))
		to = s.y
	}
	for y := from; y < to; y++ {
		s.erase(y, 0, s.cols)
	}
}

// shift takes n signs out of the cursor's row at x, or puts as many blanks in.
func (s *screen) shift(x, n int, in bool) {
	row := s.cells[s.y]
	if x >= len(row) {
		return
	}
	n = min(n, s.cols-x)
	s.dirty[s.y] = true
	if !in {
		s.cells[s.y] = append(row[:x:x], row[min(len(row), x+n):]...)
		return
	}
	rest := append([]rune(strings.Repeat(" ", n)), row[x:]...)
	row = append(row[:x:x], rest...)
	s.cells[s.y] = row[:min(len(row), s.cols)]
}

// numbers are the first two of a sequence; 0 where there is none.
func numbers(params string) (n, m int) {
	a, b, _ := strings.Cut(params, ";")
	b, _, _ = strings.Cut(b, ";")
	n, _ = strconv.Atoi(a) // DrawOnly lets numbers through
	m, _ = strconv.Atoi(b)
	return n, m
}
