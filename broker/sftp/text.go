package sftp

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	pathHead = 500 // bytes of a long path's beginning that are shown
	pathTail = 250 // … and of its end
)

// safe makes a path fit to be shown and logged: what a terminal would obey, what
// turns the direction of text and what is not UTF-8 is escaped; the middle of a
// long one is left out.
func safe(path string) string {
	var b strings.Builder
	for i, r := range path {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(path[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, path[i])
		case r == '\\':
			b.WriteString(`\\`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	out := b.String()
	if len(out) > pathHead+pathTail {
		out = strings.ToValidUTF8(out[:pathHead], "") + "…" + strings.ToValidUTF8(out[len(out)-pathTail:], "")
	}
	return out
}
