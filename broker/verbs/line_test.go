package verbs

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// What is missing is named as it is typed.
func TestMissingFieldsAsFlags(t *testing.T) {
	if got := asFlags("The plant asks for more here. Fill in: work_order, area_clear, reason."); got != "The plant asks for more here. Add: --work-order TEXT --area-clear TEXT --why TEXT" {
		t.Errorf("%q", got)
	}
	if say := "By night it is not agreed."; asFlags(say) != say {
		t.Errorf("%q", asFlags(say))
	}
}

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"":                               nil,
		"   \t ":                         nil,
		"windows":                        {"windows"},
		`handback W-1 "two words"`:       {"handback", "W-1", "two words"},
		`a 'b "c" d' "e 'f' g" h\ i`:     {"a", `b "c" d`, "e 'f' g", "h i"},
		`x"y"'z'`:                        {"xyz"},
		`""`:                             {""},
		`a "\"" '\'`:                     {"a", `"`, `\`},
		"request --why Alarm F-417\nnow": {"request", "--why", "Alarm", "F-417", "now"},
		"ä ö":                            {"ä", "ö"},
	} {
		got, err := split(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q %v", line, got, err)
		}
	}
	for _, line := range []string{`"open`, `'open`, `end\`, "bad\xff", strings.Repeat("x", maxLine+1), strings.Repeat("x ", maxWords+2)} {
		if got, err := split(line); err == nil {
			t.Errorf("%.40q: %q", line, got)
		}
	}
}

func TestArgs(t *testing.T) {
	words, err := split("W-1 --why the valve leaks --minutes=30 --rights look,copy --target a:b --target c:d --json")
	if err != nil {
		t.Fatal(err)
	}
	a, err := parseArgs(words, []string{"why", "minutes", "rights", "target"})
	if err != nil || a.text("why") != "the valve leaks" || !slices.Equal(a.list("rights"), []string{"look", "copy"}) || !slices.Equal(a.list("target"), []string{"a:b", "c:d"}) || !a.json || a.words[0] != "W-1" {
		t.Fatalf("%+v %v", a, err)
	}
	if n, err := a.number("minutes"); n != 30 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	for _, bad := range [][]string{{"--dance", "x"}, {"--why"}, {"--why", "--minutes", "3"}} {
		if a, err := parseArgs(bad, []string{"why", "minutes"}); err == nil {
			t.Errorf("%q: %+v", bad, a)
		}
	}
}

func TestCleanMovesNoTerminal(t *testing.T) {
	for _, hostile := range []string{"\x1b]0;x\x07", "a\x1b[2Jb", "\u202eevil", "\u200b", "\x9b31m", "a\rb", "\ufffd", "\u2066x\u2069"} {
		if got := clean(hostile); strings.ContainsAny(got, "\x1b\r\x07\u202e\u200b\u009b\u2066\u2069") {
			t.Errorf("%q became %q", hostile, got)
		}
	}
	if got := clean("Größe 漢字 €\n"); got != "Größe 漢字 €\n" {
		t.Errorf("harmless text became %q", got)
	}
}

func FuzzLine(f *testing.F) {
	for _, s := range []string{`request --asset filler-plc --why "two words" --minutes 60`, `a '`, `\`, `--`, `--=x`, `"" --json`, "handback W-1 \x1b[2J"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := split(line)
		if err != nil {
			return
		}
		if len(words) > maxWords+1 {
			t.Fatalf("%d words", len(words))
		}
		size := 0
		for _, w := range words {
			size += len(w)
			if !utf8.ValidString(w) {
				t.Errorf("%q is not UTF-8", w)
			}
		}
		if size > len(line) {
			t.Errorf("%d bytes became %d", len(line), size)
		}
		a, err := parseArgs(words, []string{"why"})
		if err != nil {
			return
		}
		_, _ = a.number("why")
		_, _ = a.id(0, "W")
		if strings.ContainsRune(clean(a.rest(0)), 0x1b) {
			t.Errorf("%q", a.rest(0))
		}
	})
}
