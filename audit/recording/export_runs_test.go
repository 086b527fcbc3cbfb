package recording

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// TestTextInRuns: what is written in runs is what would be written rune by rune.
func TestTextInRuns(t *testing.T) {
	for _, text := range []string{
		"plain text\r\n", "over\rwritten\n", "\x1b[1;31mred\x1b[0m and ~ \x7f!", "\x1b]0;title\x07after", "\x1bPstring\x1b\\after",
		"\r\rtwice", "\u009b1mfat", "caf\u00e9 \u202eturned\u202c", "\xff\xfe broken", "\x1b", "a\x1b(Bb\x18c", "tab\there\n\rx",
	} {
		for cut := range len(text) + 1 {
			var fast, slow bytes.Buffer
			a, b := &page{out: bufio.NewWriter(&fast)}, &page{out: bufio.NewWriter(&slow)}
			var in, one plainText
			for _, part := range []string{text[:cut], text[cut:]} {
				in.write(a, []byte(part))
				for _, r := range one.text([]byte(part)) {
					one.rune(b, r)
				}
				if a.begun != b.begun {
					t.Errorf("%q at %d: a line has begun: %v, rune by rune %v", text, cut, a.begun, b.begun)
				}
			}
			a.out.Flush()
			b.out.Flush()
			if fast.String() != slow.String() {
				t.Errorf("%q at %d: %q, rune by rune %q", text, cut, fast.String(), slow.String())
			}
		}
	}
}

func BenchmarkText(b *testing.B) {
	line := []byte(strings.Repeat("press 4 is at \x1b[1m81.3\x1b[0m C and has been there for 12 minutes\r\n", 400))
	b.SetBytes(int64(len(line)))
	var out bytes.Buffer
	p := &page{out: bufio.NewWriter(&out)}
	var t plainText
	for b.Loop() {
		t.write(p, line)
		p.out.Flush()
		out.Reset()
	}
}
