package search

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"penstock/audit/recording"
)

func shownBy(cols, rows int, pty bool, pieces ...string) []string {
	var lines []string
	s := recording.NewScreen(func(l string) { lines = append(lines, clip(l)) })
	s.Pty = pty
	s.Resize(cols, rows)
	for _, p := range pieces {
		s.Write([]byte(p))
	}
	s.Flush(true)
	return lines
}

// TestScreen: what is found is what was to be read, not what came over the line.
func TestScreen(t *testing.T) {
	for what, c := range map[string]struct {
		pty  bool
		in   []string
		want []string
	}{
		"lines":                  {true, []string{"$ ls\r\na.txt  b.txt\r\n$ "}, []string{"$ ls", "a.txt  b.txt", "$"}},
		"typed and corrected":    {true, []string{"$ rm fiel", "\b\b\b\x1b[K", "ile\r\n"}, []string{"$ rm file"}},
		"overwritten":            {true, []string{"10 %\r", "50 %\r", "100 %\r\n"}, []string{"100 %"}},
		"colours in a word":      {true, []string{"al\x1b[31mar\x1b[0mm\r\n"}, []string{"alarm"}},
		"addressed":              {true, []string{"\x1b[2;5Hright\x1b[2;1Hleft"}, []string{"leftright"}},
		"cleared":                {true, []string{"one\r\ntwo", "\x1b[2J\x1b[Hthree"}, []string{"one", "two", "three"}},
		"the other screen":       {true, []string{"shell\r\n", "\x1b[?1049h\x1b[Hvim", "\x1b[?1049l", "shell again"}, []string{"shell", "vim", "shell again"}},
		"scrolled away":          {true, []string{strings.Repeat("x\r\n", 9), "tail"}, []string{"x", "x", "x", "x", "x", "x", "x", "x", "x", "tail"}},
		"a region":               {true, []string{"head\x1b[2;4r\x1b[2;1Ha\r\nb\r\nc\r\nd"}, []string{"a", "b", "c", "head", "d"}},
		"wrapped":                {true, []string{strings.Repeat("w", 25)}, []string{strings.Repeat("w", 25)}},
		"wrapped, then more":     {true, []string{"one ", strings.Repeat("w", 30), " two\r\nthree"}, []string{"one " + strings.Repeat("w", 30) + " two", "three"}},
		"wrapped and cleared":    {true, []string{strings.Repeat("w", 25), "\x1b[2Kx\r\n"}, []string{strings.Repeat("w", 25), "x"}},
		"no terminal":            {false, []string{"a\nb\n"}, []string{"a", "b"}},
		"a title and a question": {true, []string{"\x1b]0;evil\a\x1b[6nok\r\n"}, []string{"ok"}},
		"taken out":              {true, []string{"abcdef\r\x1b[2P\x1b[2@XY\r\n"}, []string{"XYcdef"}},
		"rune in two pieces":     {true, []string{"\xc3", "\xbc\r\n"}, []string{"ü"}},
	} {
		if got := shownBy(20, 5, c.pty, c.in...); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, wanted %q", what, got, c.want)
		}
	}
}

// TestTheWidthHidesNothing: how wide a vendor says that the terminal is must not
// decide what is found.
func TestTheWidthHidesNothing(t *testing.T) {
	long := strings.Repeat("0123456789", 60) + " set fill-volume 812 " + strings.Repeat("9876543210", 60)
	for cols := 1; cols < 90; cols++ {
		for _, rows := range []int{1, 2, 3, 24} {
			got := shownBy(cols, rows, true, "filler> set fill-volume 800\r\n", "fill-volume is 800\r\n", long, "\r\nfiller> exit\r\n")
			for _, want := range []string{"filler> set fill-volume 800", "fill-volume is 800", "filler> exit"} {
				if !slices.Contains(got, want) {
					t.Errorf("%d columns, %d rows: %q is not in %q", cols, rows, want, got)
				}
			}
			if !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, "set fill-volume 812") }) {
				t.Errorf("%d columns, %d rows: the long line is not in %q", cols, rows, got)
			}
			if slices.ContainsFunc(got, func(l string) bool {
				return strings.Contains(l, "exit") && l != "filler> exit" || strings.Contains(l, "800fill")
			}) {
				t.Errorf("%d columns, %d rows: lines were joined: %q", cols, rows, got)
			}
		}
	}
}

// FuzzScreen: no output breaks it, or makes it keep more than it may.
func FuzzScreen(f *testing.F) {
	f.Add([]byte("\x1b[999;999H\x1b[99M\x1b[99L\x1b[5;2r\x1b[99T\x1b[99S"), 3, 2)
	f.Add([]byte("\x1b[4;4Hx\x1b[9999b\x1b[1J\x1b[1K\x1b[9999@\x1b[9999P"), 10, 5)
	f.Add([]byte("\t\t\t\x1b[99Z\x1b[99Ia\x1bM\x1bM\x1bD\x1b8\x1b[u"), 0, 0)
	f.Fuzz(func(t *testing.T, b []byte, cols, rows int) {
		for _, l := range shownBy(cols, rows, len(b)%2 == 0, string(b[:len(b)/2]), string(b[len(b)/2:])) {
			if utf8.RuneCountInString(l) > longest || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("%q", l)
			}
		}
	})
}
