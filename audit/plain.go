package audit

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// plain gives the canonical form of what encoding/json wrote and guard let
// pass, where nothing but the order of the keys is left to do: keys are ASCII,
// and no string has an escape beside those that RFC 8785 section 3.2.2.2 wants.
// ok is false for everything else, and for a key that stands twice: then
// gowebpki/jcs does it. The fuzz target holds the two to each other.
func plain(raw []byte) (b []byte, ok bool) {
	if !utf8.Valid(raw) {
		return nil, false
	}
	s := sorter{raw: raw, out: make([]byte, 0, len(raw))}
	ok = s.value() && s.at == len(raw)
	return s.out, ok
}

// sorter walks raw once. It never goes beyond its end, whatever stands in it.
type sorter struct {
	raw     []byte
	at      int
	out     []byte
	members []member // of the objects around this place, the innermost last
	spare   []byte
}

// member is one `"key":value` in out.
type member struct {
	key      []byte
	from, to int
}

func (s *sorter) peek() byte {
	if s.at < len(s.raw) {
		return s.raw[s.at]
	}
	return 0
}

// take copies one byte, if it is the next.
func (s *sorter) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	s.out = append(s.out, c)
	return true
}

func (s *sorter) value() bool {
	switch s.peek() {
	case '{':
		return s.object()
	case '[':
		return s.array()
	case '"':
		_, ok := s.text()
		return ok
	}
	from := s.at
	for s.at < len(s.raw) && (s.raw[s.at] == '-' || s.raw[s.at] >= '0' && s.raw[s.at] <= '9' || s.raw[s.at] >= 'a' && s.raw[s.at] <= 'z') {
		s.at++
	}
	s.out = append(s.out, s.raw[from:s.at]...)
	return s.at > from
}

// text copies a string; what is between its quotes is returned as it stands.
func (s *sorter) text() ([]byte, bool) {
	if s.peek() != '"' {
		return nil, false
	}
	for i := s.at + 1; i < len(s.raw); i++ {
		switch s.raw[i] {
		case '"':
			b := s.raw[s.at+1 : i]
			s.out = append(s.out, s.raw[s.at:i+1]...)
			s.at = i + 1
			return b, true
		case '\\':
			if i++; i == len(s.raw) || !bytes.Contains([]byte(`"\bfnrt`), s.raw[i:i+1]) {
				return nil, false
			}
		}
	}
	return nil, false
}

func (s *sorter) array() bool {
	s.take('[')
	if s.take(']') {
		return true
	}
	for {
		if !s.value() {
			return false
		}
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
	}
}

func (s *sorter) object() bool {
	s.take('{')
	if s.take('}') {
		return true
	}
	first := len(s.members)
	for {
		m := member{from: len(s.out)}
		var ok bool
		if m.key, ok = s.text(); !ok || !simple(m.key) || !s.take(':') || !s.value() {
			return false
		}
		m.to = len(s.out)
		s.members = append(s.members, m)
		if s.peek() == '}' {
			break
		}
		if !s.take(',') {
			return false
		}
	}
	ok := s.sort(s.members[first:])
	s.members = s.members[:first]
	return ok && s.take('}')
}

// sort puts the members of one object in order: by bytes, which is by UTF-16
// where all is ASCII (RFC 8785 section 3.2.3). A key must not stand twice.
func (s *sorter) sort(all []member) bool {
	start := all[0].from
	by := func(a, b member) int { return bytes.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(all, by) {
		slices.SortFunc(all, by)
		s.spare = s.spare[:0]
		for i, m := range all {
			if i > 0 {
				s.spare = append(s.spare, ',')
			}
			s.spare = append(s.spare, s.out[m.from:m.to]...)
		}
		copy(s.out[start:], s.spare)
	}
	for i := 1; i < len(all); i++ {
		if bytes.Equal(all[i-1].key, all[i].key) {
			return false
		}
	}
	return true
}

// simple says whether a key is ASCII without an escape.
func simple(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf || c == '\\' {
			return false
		}
	}
	return true
}
