package audit

import (
	"strconv"
	"strings"
)

// Span is objects of a machine that follow each other, as its inspector names
// them: {"holding", 12, 14} is "holding 12-14", with both ends in it. What has no
// number, such as a service that names no object, is Of alone, with To below From.
type Span struct {
	Of       string
	From, To int
}

// maxNumber bounds an object's number: nothing overflows, whatever is added.
const maxNumber = 1 << 31

// ParseSpan reads "holding 12", "holding 12-14", or a name without a number. Every
// text is one of these.
func ParseSpan(text string) Span {
	i := strings.LastIndexByte(text, ' ')
	if i < 1 {
		return Span{text, 0, -1}
	}
	first, last, more := strings.Cut(text[i+1:], "-")
	from, ok := number(first)
	to := from
	if more && ok {
		to, ok = number(last)
		ok = ok && to > from
	}
	if !ok {
		return Span{text, 0, -1}
	}
	return Span{text[:i], from, to}
}

func number(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n < maxNumber && strconv.Itoa(n) == s
}

// Numbered says whether its objects are counted.
func (s Span) Numbered() bool { return s.To >= s.From }

func (s Span) String() string {
	switch {
	case !s.Numbered():
		return s.Of
	case s.From == s.To:
		return s.Of + " " + strconv.Itoa(s.From)
	}
	return s.Of + " " + strconv.Itoa(s.From) + "-" + strconv.Itoa(s.To)
}

// Many is the span of n objects that begins where this one does.
func (s Span) Many(n int) Span {
	if s.Numbered() && n > 1 && n < maxNumber-s.From {
		s.To = s.From + n - 1
	}
	return s
}
