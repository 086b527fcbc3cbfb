package recording_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"penstock/audit/recording"
)

func TestDrawOnly(t *testing.T) {
	rows := []struct{ story, in, want string }{
		{"text and colour", "flow \x1b[1;31m812\x1b[0m ml/s\r\n", "flow \x1b[1;31m812\x1b[0m ml/s\r\n"},
		{"a full-screen program", "\x1b[?1049h\x1b[1;24r\x1b[H\x1b[2J\x1b(0lqk\x1b(B\x1b[?25l", "\x1b[?1049h\x1b[1;24r\x1b[H\x1b[2J\x1b(0lqk\x1b(B\x1b[?25l"},
		{"titles", "a\x1b]0;x\x07b\x1b]2;x\x1b\\c\u009d0;x\u009cd", "abcd"},
		{"the clipboard", "a\x1b]52;c;cHduZWQ=\x07b", "ab"},
		{"a link keeps its text", "\x1b]8;;http://x\x07here\x1b]8;;\x07", "here"},
		{"questions that are answered by typing", "a\x1b[c\x1b[>c\x1b[6n\x1b[?6n\x1b[21t\x1b[5n\x1b[x\x1bZ\x1bP$qm\x1b\\\x1b[?2026$p\u009b6nb\x05", "ab"},
		{"pictures", "a\x1bPq#0;2;0;0;0\x1b\\b\x1b_Gf=100;AAAA\x1b\\c", "abc"},
		{"a printer", "a\x1b[5ib\x1b[4i", "ab"},
		{"mouse, paste, focus and key modes", "a\x1b[?1000;1006h\x1b[?2004h\x1b[?1004h\x1b[?1h\x1b=\x1b[>4;2m\x1b[>1ub", "ab"},
		{"of several modes those that draw", "\x1b[?1049;1000;25h", "\x1b[?1049;25h"},
		{"the keyboard is not locked", "\x1b[2h\x1b[4h", "\x1b[4h"},
		{"what scrolled away stays", "\x1b[3J\x1b[2J", "\x1b[2J"},
		{"a reset", "\x1bc", "\x1b[0m\x1b[r\x1b[H\x1b[2J"},
		{"endless numbers", "a\x1b[99999999999999b\x1b[10000Cb", "ab"},
		{"an endless sequence", "a\x1b[" + strings.Repeat("1;", 5000) + "mb", "ab"},
		{"directions and what is not seen", "a\u202eb\u200bc", "a\uFFFDb\uFFFDc"},
		{"bytes that are no text", "a\xffb", "a\uFFFDb"},
		{"a string ended by a cancel", "a\x1b]0;x\x18b", "ab"},
		{"a sequence within a string", "a\x1b]0;x\x1b[31mb", "a\x1b[31mb"},
		{"a line feed inside a sequence", "\x1b[3\n1m", "\n\x1b[31m"},
		{"the bell", "a\x07b", "ab"},
	}
	for _, row := range rows {
		var whole, pieces recording.DrawOnly
		if got := string(whole.Filter([]byte(row.in))); got != row.want {
			t.Errorf("%s: %q, want %q", row.story, got, row.want)
		}
		var got strings.Builder
		for i := range len(row.in) {
			got.Write(pieces.Filter([]byte{row.in[i]}))
		}
		if got.String() != row.want {
			t.Errorf("%s, byte by byte: %q, want %q", row.story, got.String(), row.want)
		}
	}
	var restore recording.DrawOnly
	if got := string(restore.Filter([]byte(recording.DrawRestore))); got != recording.DrawRestore {
		t.Errorf("the restoring is not drawing: %q", got)
	}
	var endless recording.DrawOnly
	endless.Filter([]byte("\x1b]0;" + strings.Repeat("x", 10_000)))
	if got := string(endless.Filter([]byte("seen"))); got != "seen" {
		t.Errorf("a string without an end hides %q", got)
	}
}

// allowed is what may come out, said once more in another way.
var allowed = regexp.MustCompile("^(?:[^\x00-\x1f\x7f\u0080-\u009f]|[\b\t\n\v\f\r\x0e\x0f]|\x1b[78DEM]|\x1b[()][B0A]|" +
	"\x1b\\[[0-9;:]{0,65}[ABCDEFGHfd`aeIZKLMPSTX@bmrsu]|\x1b\\[[012]?J|\x1b\\[4[hl]|\x1b\\[\\?[0-9;]{1,65}[hl])*$")

func FuzzDrawOnly(f *testing.F) {
	for _, seed := range []string{"flow \x1b[1;31m812\r\n", "\x1b]0;x\x07", "\x1b]52;c;eA==\x1b\\", "\x1bP$qm\x1b\\", "\x9b6n", "\u009b6n", "\x1b[?1049;1000h", "\x1b(0", "\x1b%G", "\x1b\x1b[c", "\x1b[\x1b]0;a\x9c", "\u202e", "\xf0\x9f\x98"} {
		f.Add([]byte(seed), 1)
	}
	f.Fuzz(func(t *testing.T, p []byte, cut int) {
		var one, two recording.DrawOnly
		got := string(one.Filter(p))
		if !utf8.ValidString(got) || !allowed.MatchString(got) {
			t.Fatalf("%q lets %q through", p, got)
		}
		cut = min(max(cut, 0), len(p))
		var parts string
		for _, piece := range [][]byte{p[:cut], p[cut:]} {
			parts += string(two.Filter(piece))
		}
		if parts != got {
			t.Fatalf("in two pieces: %q, in one %q", parts, got)
		}
	})
}
