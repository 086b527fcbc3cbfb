package recording

import (
	"slices"
	"strconv"
	"strings"
)

// put sets one column of the cursor's row.
func (s *Screen) put(x int, c cell) {
	row := s.cells[s.y]
	if cap(row) <= x { // in one step: rows are written from left to right
		row = append(make([]cell, 0, min(s.cols, max(2*x, 80))), row...)
	}
	for len(row) <= x {
		row = append(row, cell{' ', 0})
	}
	if row[x].r != c.r {
		s.dirty[s.y] = true
	}
	row[x] = c
	s.cells[s.y] = row
}

// blank is what erasing leaves: of the colour that is set (xterm: "bce").
func (s *Screen) blank() cell { return cell{' ', s.pen.ground()} }

// clear gives a row, and leaves it blank.
func (s *Screen) clear(y int) {
	s.give(y)
	s.cells[y], s.dirty[y], s.joins[y] = s.cells[y][:0], false, false
	if y+1 < s.rows {
		s.joins[y+1] = false
	}
	if b := s.blank(); b.s != 0 {
		s.cells[y] = slices.Repeat([]cell{b}, s.cols)
	}
}

// feed is a line feed: the row that is left stands now.
func (s *Screen) feed() {
	if !s.wrapping {
		s.give(s.y)
	}
	switch {
	case s.y == s.end-1:
		s.remove(s.top, 1)
	case s.y < s.rows-1:
		s.y++
	}
}

// remove takes n rows of the region out at y; rows below move up.
func (s *Screen) remove(y, n int) {
	if y < s.top || y >= s.end {
		return
	}
	n = min(n, s.end-y)
	if y == 0 && s.end == s.rows {
		s.known += n
	}
	if y == s.top {
		s.leave(n)
	} else {
		for i := y; i < y+n; i++ {
			s.give(i)
		}
	}
	gone := slices.Clone(s.cells[y : y+n])
	copy(s.cells[y:s.end], s.cells[y+n:s.end])
	copy(s.dirty[y:s.end], s.dirty[y+n:s.end])
	copy(s.joins[y:s.end], s.joins[y+n:s.end])
	s.joins[y] = s.joins[y] && y == s.top && s.head != nil
	s.blanks(s.end-n, gone)
}

// insert puts n empty rows in at y; rows move down, and the last ones out.
func (s *Screen) insert(y, n int) {
	if y < s.top || y >= s.end {
		return
	}
	n = min(n, s.end-y)
	for i := s.end - n; i < s.end; i++ {
		s.give(i)
	}
	gone := slices.Clone(s.cells[s.end-n : s.end])
	copy(s.cells[y+n:s.end], s.cells[y:s.end-n])
	copy(s.dirty[y+n:s.end], s.dirty[y:s.end-n])
	copy(s.joins[y+n:s.end], s.joins[y:s.end-n])
	s.blanks(y, gone)
}

// blanks makes rows of those that are gone, and whose room is used again.
func (s *Screen) blanks(y int, gone [][]cell) {
	for i, row := range gone {
		s.cells[y+i], s.dirty[y+i], s.joins[y+i] = row, false, false
	}
	if y+len(gone) < s.rows {
		s.joins[y+len(gone)] = false
	}
	for i := range gone {
		s.clear(y + i)
	}
}

// erase clears columns [from, to) of a row. A row that is cleared whole stood.
func (s *Screen) erase(y, from, to int) {
	from, to = max(0, from), min(to, s.cols)
	b := s.blank()
	if from == 0 && (to == s.cols || b.s == 0 && to >= len(s.cells[y])) {
		s.clear(y)
		return
	}
	if b.s != 0 { // the colour is seen behind the row's end, too
		for len(s.cells[y]) < to {
			s.cells[y] = append(s.cells[y], cell{' ', 0})
		}
	}
	row := s.cells[y]
	for x := from; x < min(to, len(row)); x++ {
		if row[x].r != ' ' {
			s.dirty[y] = true
		}
		row[x] = b
	}
	s.mend(y, 0, s.cols)
}

func (s *Screen) eraseLine(how, x int) {
	switch how {
	case 0:
		s.erase(s.y, x, s.cols)
	case 1:
		s.erase(s.y, 0, x+1)
	case 2:
		s.erase(s.y, 0, s.cols)
	}
}

func (s *Screen) eraseScreen(how int) {
	from, to := 0, s.rows
	switch how {
	case 0:
		s.eraseLine(0, min(s.x, s.cols-1))
		from = s.y + 1
		if s.x == 0 && s.y == 0 {
			s.known = s.rows
		}
	case 1:
		s.eraseLine(1, min(s.x, s.cols-1))
		to = s.y
	case 2:
		s.known = s.rows
	}
	for y := from; y < to; y++ {
		s.erase(y, 0, s.cols)
	}
}

// shiftRow takes n columns out of the cursor's row at x, or puts as many blanks in.
func (s *Screen) shiftRow(x, n int, in bool) {
	row := s.cells[s.y]
	if x >= len(row) {
		return
	}
	n = min(n, s.cols-x)
	s.dirty[s.y] = true
	if !in {
		s.cells[s.y] = slices.Delete(row, x, min(len(row), x+n))
	} else {
		row = slices.Insert(row, x, slices.Repeat([]cell{s.blank()}, n)...)
		s.cells[s.y] = row[:min(len(row), s.cols)]
	}
	s.mend(s.y, 0, s.cols)
}

// mend makes blanks of halves of wide signs, between two columns of a row.
func (s *Screen) mend(y, from, to int) {
	if !s.wide {
		return
	}
	row := s.cells[y]
	for x := max(0, from); x < len(row) && x <= to; x++ {
		switch {
		case row[x].r == 0 && (x == 0 || !isWide(row[x-1].r)), isWide(row[x].r) && (x+1 == len(row) || row[x+1].r != 0):
			row[x].r = ' '
		}
	}
}

// numbers are the first two of a sequence; 0 where there is none.
func numbers(params string) (n, m int) {
	a, b, _ := strings.Cut(params, ";")
	b, _, _ = strings.Cut(b, ";")
	n, _ = strconv.Atoi(a) // DrawOnly lets numbers through
	m, _ = strconv.Atoi(b)
	return n, m
}

// wideSigns are East Asian Wide and Fullwidth (UAX #11), by blocks: what
// terminals show in two columns.
var wideSigns = [][2]rune{{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf}, {0xa960, 0xa97f}, {0xac00, 0xd7a3}, {0xf900, 0xfaff},
	{0xfe30, 0xfe6f}, {0xff01, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}}

func isWide(r rune) bool {
	if r < wideSigns[0][0] {
		return false
	}
	for _, w := range wideSigns {
		if r <= w[1] {
			return r >= w[0]
		}
	}
	return false
}
