package recording

import (
	"slices"
	"strings"
)

const (
	longestLine = 400 // signs that are given as one
	againOfLine = 64  // of them that the next piece of a longer line begins with
)

// Flush gives what is new on the screen; but for the line in which somebody
// types, unless all is asked for.
func (s *Screen) Flush(all bool) {
	for y := range s.dirty {
		if from, end := s.block(y); all || s.y < from || s.y >= end {
			s.give(y)
		}
	}
}

// block is the rows of one line: a narrow terminal makes many of it, and what is
// looked for must not depend on how wide a vendor says that it is.
func (s *Screen) block(y int) (from, end int) {
	for from = y; from > 0 && from != s.top && s.joins[from]; from-- {
	}
	for end = y + 1; end < s.rows && end != s.top && s.joins[end]; end++ {
	}
	return from, end
}

// give gives the line of which a row is a part, where something of it is new.
func (s *Screen) give(y int) {
	if s.line == nil {
		s.dirty[y] = false
		return
	}
	from, end := s.block(y)
	if !slices.Contains(s.dirty[from:end], true) {
		return
	}
	var text []rune
	if s.joins[from] && from == s.top {
		text = append(text, s.head...)
	}
	for i := from; i < end; i++ {
		text = append(text, s.text(i)...)
		s.dirty[i] = false
	}
	s.lines(text)
}

// lines gives a line; one that is too long in pieces, in which no word of less
// than againOfLine signs is lost where they part.
func (s *Screen) lines(text []rune) {
	for {
		piece := text[:min(len(text), longestLine)]
		if t := strings.TrimSpace(string(piece)); t != "" {
			s.line(t)
		}
		if len(piece) == len(text) {
			return
		}
		text = text[longestLine-againOfLine:]
	}
}

// text is what stands in a row.
func (s *Screen) text(y int) []rune {
	var text []rune
	for _, c := range s.cells[y] {
		if c.r != 0 {
			text = append(text, c.r)
		}
	}
	return text
}

// wrap goes on in the next row, in the same line.
func (s *Screen) wrap() {
	left := s.y
	s.wrapping = true
	s.feed()
	s.wrapping = false
	if s.y != left && s.y == s.top {
		s.head = nil
	}
	s.joins[s.y] = true
}

// leave is told of the first n rows of the region before they go out of sight.
// Of a line that goes on below them only the beginning leaves: it is given with the rest.
func (s *Screen) leave(n int) {
	for y, out := s.top, s.top+n; y < out; {
		_, end := s.block(y)
		if s.line == nil || end < out || end == out && !(s.wrapping && s.y == out-1) {
			s.give(y)
			s.head = nil
			y = end
			continue
		}
		if !s.joins[y] {
			s.head = nil
		}
		for ; y < out; y++ {
			s.head = append(s.head, s.text(y)...)
			if out < s.rows && s.dirty[y] {
				s.dirty[out] = true
			}
		}
		if len(s.head) > longestLine {
			s.lines(s.head)
			s.head = slices.Clone(s.head[len(s.head)-againOfLine:])
		}
	}
}

// parts: the region begins elsewhere. A line whose beginning is out of sight is given as it is.
func (s *Screen) parts() {
	if s.head != nil {
		s.give(s.top)
		s.joins[s.top], s.head = false, nil
	}
}
