package recording

import (
	"fmt"
	"strconv"
	"strings"
)

// style is how a sign looks (ECMA-48 8.3.117): the colour in bits 0 to 8, the
// ground's in 9 to 17, 0 for none and else one more than xterm's number, and
// then a bit each for the looks.
type style uint32

const (
	colourBits = 9
	colourMask = 1<<colourBits - 1
)

// looks are the parameters that set one each, by bit from 2*colourBits on.
var looks = [...]int{1, 2, 3, 4, 5, 7, 9}

func look(n int) style {
	for i, l := range looks {
		if l == n {
			return 1 << (2*colourBits + i)
		}
	}
	return 0
}

// ground is what erasing leaves of a style.
func (s style) ground() style { return s & (colourMask << colourBits) }

func (s style) colour(at, n int) style {
	return s&^(colourMask<<at) | style(n)<<at
}

// set takes in the parameters of one SGR.
func (s style) set(params string) style {
	all := strings.Split(params, ";")
	for i := 0; i < len(all); i++ {
		sub := strings.Split(all[i], ":")
		n := number(sub[0])
		switch {
		case n == 0:
			s = 0
		case n == 4 && len(sub) > 1 && sub[1] == "0", n == 24:
			s &^= look(4)
		case n == 22:
			s &^= look(1) | look(2)
		case n == 23 || n == 25 || n == 27 || n == 29:
			s &^= look(n - 20)
		case n == 21: // a second line below: one is shown
			s |= look(4)
		case n < 10:
			s |= look(n)
		case n >= 30 && n < 38:
			s = s.colour(0, n-30+1)
		case n >= 40 && n < 48:
			s = s.colour(colourBits, n-40+1)
		case n >= 90 && n < 98:
			s = s.colour(0, n-90+8+1)
		case n >= 100 && n < 108:
			s = s.colour(colourBits, n-100+8+1)
		case n == 39:
			s = s.colour(0, 0)
		case n == 49:
			s = s.colour(colourBits, 0)
		case n == 38 || n == 48:
			rest := sub[1:]
			if len(sub) == 1 {
				rest = all[i+1:]
			}
			c, used := extended(rest, len(sub) > 1)
			if len(sub) == 1 {
				i += used
			}
			if c >= 0 {
				s = s.colour((n-38)/10*colourBits, c+1)
			}
		}
	}
	return s
}

// extended reads 5;N or 2;R;G;B (ITU-T T.416: 2:SPACE:R:G:B), and says how many
// parameters that were. -1: no colour.
func extended(p []string, colons bool) (colour, used int) {
	switch {
	case len(p) >= 2 && p[0] == "5":
		if n := number(p[1]); n < 256 {
			return n, 2
		}
		return -1, 2
	case len(p) >= 5 && p[0] == "2" && colons:
		return cube(number(p[2]), number(p[3]), number(p[4])), 5
	case len(p) >= 4 && p[0] == "2":
		return cube(number(p[1]), number(p[2]), number(p[3])), 4
	}
	return -1, len(p)
}

// cube is the nearest of xterm's 6×6×6 colours, whose steps are 0, 95, 135, …, 255.
func cube(r, g, b int) int {
	step := func(v int) int {
		v = min(v, 255)
		if v < 48 {
			return 0
		}
		return min(5, max(1, (v-35)/40))
	}
	return 16 + 36*step(r) + 6*step(g) + step(b)
}

func number(text string) int {
	n, _ := strconv.Atoi(text) // DrawOnly lets numbers through; none is 0
	return n
}

// sgr is the sequence after which signs look so, whatever was before.
func (s style) sgr() string {
	var b strings.Builder
	b.WriteString("\x1b[0")
	for i, l := range looks {
		if s&(1<<(2*colourBits+i)) != 0 {
			fmt.Fprintf(&b, ";%d", l)
		}
	}
	for i, at := range []int{0, colourBits} {
		switch n := int(s>>at&colourMask) - 1; {
		case n < 0:
		case n < 8:
			fmt.Fprintf(&b, ";%d", 30+10*i+n)
		case n < 16:
			fmt.Fprintf(&b, ";%d", 90+10*i+n-8)
		default:
			fmt.Fprintf(&b, ";%d;5;%d", 38+10*i, n)
		}
	}
	return b.String() + "m"
}
