package recording

import (
	"fmt"
	"strings"
)

// Again is output that makes an empty terminal of this Size look as this one
// does, and go on as it would: screens, cursor, styles, modes, and what has come
// of a sequence or a sign that is not whole. At most about 20 bytes a column.
func (s *Screen) Again() []byte {
	var b strings.Builder
	shown := s.grid
	if s.other != nil {
		s.paint(&b, *s.other)
		s.cursor(&b, s.saved, 0) // 1049 takes it along
		b.WriteString("\x1b[?1049h\x1b[0m")
	}
	s.paint(&b, shown)
	fmt.Fprintf(&b, "\x1b[%d;%dr", s.top+1, s.end)
	if s.other == nil {
		s.cursor(&b, s.saved, 0)
		b.WriteString("\x1b7")
	}
	from := 0
	if s.origin {
		b.WriteString("\x1b[?6h")
		from = s.top
	}
	s.cursor(&b, savedCursor{s.x, s.y, s.pen}, from)
	for i, set := range s.sets {
		if set == '0' {
			b.WriteString("\x1b" + string("()"[i]) + "0")
		}
	}
	for _, m := range []struct {
		is   bool
		says string
	}{{s.shift == 1, "\x0e"}, {s.inserts, "\x1b[4h"}, {s.nowrap, "\x1b[?7l"}, {s.hidden, "\x1b[?25l"}} {
		if m.is {
			b.WriteString(m.says)
		}
	}
	b.WriteString(s.draw.begun())
	return append([]byte(b.String()), s.draw.rest...)
}

// paint draws a grid on an empty one.
func (s *Screen) paint(b *strings.Builder, g grid) {
	pen := style(0)
	for y, row := range g.cells {
		last := len(row)
		for last > 0 && row[last-1] == (cell{' ', 0}) {
			last--
		}
		if last == 0 {
			continue
		}
		fmt.Fprintf(b, "\x1b[%d;1H", y+1)
		for x := range last {
			c := row[x]
			if c.s != pen {
				pen = c.s
				b.WriteString(pen.sgr())
			}
			if c.r != 0 {
				b.WriteRune(c.r)
			}
		}
	}
	if pen != 0 {
		b.WriteString("\x1b[0m")
	}
}

// cursor puts it in its place; rows count from one. Where the next sign begins a row, the last one
// is written again, and the terminal waits as this one did.
func (s *Screen) cursor(b *strings.Builder, c savedCursor, from int) {
	x, y := min(c.x, s.cols-1), min(c.y, s.rows-1)
	if c.x < s.cols {
		fmt.Fprintf(b, "\x1b[%d;%dH", y-from+1, x+1)
	} else {
		last, row := cell{' ', 0}, s.cells[y]
		if len(row) == s.cols {
			last = row[x]
		}
		if last.r == 0 {
			last, x = row[x-1], x-1
		}
		fmt.Fprintf(b, "\x1b[%d;%dH%s%c", y-from+1, x+1, last.s.sgr(), last.r)
	}
	b.WriteString(c.pen.sgr())
}

// begun is a sequence that is not whole, as it came.
func (d *DrawOnly) begun() string {
	switch d.state {
	case afterEsc:
		return "\x1b"
	case afterEscMore:
		return "\x1b" + string(d.seq)
	case inControl:
		return "\x1b[" + string(d.seq)
	case inOSC:
		return "\x1b]"
	case inString:
		return "\x1bP"
	case escInString:
		return "\x1bP\x1b"
	}
	return ""
}

// Lines are the rows as text, with nothing in them that a terminal obeys; empty
// ones at the end are left out.
func (s *Screen) Lines() []string {
	var lines []string
	for y := range s.cells {
		lines = append(lines, strings.TrimRight(string(s.text(y)), " "))
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
