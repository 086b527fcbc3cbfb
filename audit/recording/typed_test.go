package recording

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// typing plays steps into a typed: "<" is from the vendor, ">" what came back.
func typing(steps ...string) string {
	var t typed
	for _, s := range steps {
		if s[0] == '<' {
			t.in([]byte(s[1:]))
		} else {
			t.out([]byte(s[1:]))
		}
	}
	t.rest()
	return strings.Join(t.take(), "|")
}

func TestWhatWasNotEchoedIsMasked(t *testing.T) {
	for _, row := range []struct {
		story, want string
		steps       []string
	}{
		{"a command, key by key", "show flow\r", []string{">$ ", "<sh", ">sh", "<ow", ">ow", "< flow", "> flow", "<\r", ">\r\nflow 812\r\n"}},
		{"a password", masked + "\r", []string{">Password: ", "<hunter2", "<\r", ">\r\nLast login: hunter2\r\n"}},
		{"a password, then a command", masked + "\r|id\r", []string{">Password: ", "<pw\r", ">\r\nwelcome\r\n$ ", "<i", ">i", "<d", ">d", "<\r", ">\r\nuid=0\r\n"}},
		{"a password shown as stars", masked + "\r", []string{"<s", ">*", "<e", ">*", "<\r", ">\r\n"}},
		{"a password that is part of what comes", masked + "\r", []string{"<log", "<\r", ">Last login\r\n"}},
		{"deleted by backspace", "ls\r", []string{"<lx", ">lx", "<\x7f", ">\b\x1b[K", "<s", ">s", "<\r", ">\r\n\x1b[?2004l\r"}},
		{"deleted as the terminal's driver does", "ls\r", []string{"<lx", ">lx", "<\x7f", ">\b \b", "<s", ">s", "<\r", ">\r\n"}},
		{"a password typed at the prompt, and deleted", "\r", []string{"<hunter2", ">hunter2", "<\x15", ">\b\b\b\b\b\b\b\x1b[K", "<\r", ">\r\n"}},
		{"pasted in brackets", "uname\r", []string{"<\x1b[200~uname\x1b[201~", ">\x1b[7muname\x1b[27m", "<\r", ">\b\b\b\b\buname\r\n"}},
		{"completed by tab", masked + "\r", []string{"<ls /e\t", ">ls /etc/", "<\r", ">\r\n"}},
		{"recalled", "\r", []string{"<\x1b[A", ">ls -l", "<\r", ">\r\n"}},
		{"interrupted", "sleep 9\x03|id\r", []string{"<sleep 9", ">sleep 9", "<\x03", ">^C\r\n$ ", "<id", ">id", "<\r", ">\r\n"}},
		{"a password interrupted", masked + "\x03", []string{"<hunter", "<\x03", ">^C\r\n"}},
		{"only enter", "\r", []string{"<\r", ">\r\n"}},
		{"two lines at once", "a\r|" + masked + "\r", []string{"<a\rbb\r", ">a\r\nx\r\n$ bb\r\n"}},
		{"typed ahead, echoed by the driver", "a\r|b\r", []string{"<a\r", ">a\r\n", "<b\r", ">b\r\n"}},
		{"without a terminal", masked + "\n|" + masked + "\n", []string{"<one\ntwo\n", ">done\n"}},
		{"never ended, echoed", "exi", []string{"<exi", ">exi"}},
		{"never ended, not echoed", masked, []string{"<hunter2"}},
		{"not UTF-8", masked + "\r", []string{"<\xff\r", ">\xff\r\n"}},
		{"as German as can be", "schließe Ventil\r", []string{"<schließe Ventil", ">schließe Ventil", "<\r", ">\r\n"}},
		{"too long", masked + "\r", []string{"<" + strings.Repeat("a", longestTyped+1), ">" + strings.Repeat("a", longestTyped), "<\r", ">\r\n"}},
		{"an answer without an end", masked + "\r", []string{"<a", ">" + strings.Repeat("\x1b[m", longestEcho) + "a", "<\r", ">\r\n"}},
		{"a full-screen program", masked + "\x04", []string{"<dd:q", ">\x1b[5;1Hline\x1b[K", "<\x04"}},
		{"a carriage return over what was typed", masked + "\r", []string{"<ab", ">ab\rxb", "<\r", ">\r\n"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			if got := typing(row.steps...); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
	if got := typing("<" + strings.Repeat("pw\n", 5*mostLines)); strings.Contains(got, "p") || strings.Count(got, masked) != 5*mostLines {
		t.Errorf("a flood of lines: %d masked", strings.Count(got, masked))
	}
}

// FuzzTyped: whatever comes, no key is shown that did not come back, and the
// memory is bounded.
func FuzzTyped(f *testing.F) {
	f.Add([]byte("hunter2\r"), []byte("\r\nhi\r\n"), byte(3))
	f.Add([]byte("\x1b[200~ls\x1b[201~\r"), []byte("\x1b[7mls\x1b[27m\r\n"), byte(1))
	f.Add([]byte("a\x7f\x15\x1b[999999999C\x1bO"), []byte("\x1b[99999D\x1b[5P\b\b\x1b["), byte(2))
	f.Fuzz(func(t *testing.T, in, out []byte, step byte) {
		var ty typed
		var shown strings.Builder
		n := int(step%16) + 1
		for i, o := in, out; len(i) > 0 || len(o) > 0; {
			a, b := min(n, len(i)), min(n, len(o))
			ty.in(i[:a])
			ty.out(o[:b])
			i, o = i[a:], o[b:]
			if len(ty.lines) > mostLines {
				t.Fatalf("%d lines wait", len(ty.lines))
			}
			shown.WriteString(strings.Join(ty.take(), ""))
		}
		ty.rest()
		shown.WriteString(strings.Join(ty.take(), ""))
		for _, r := range strings.ReplaceAll(shown.String(), masked, "") {
			if r >= 0x20 && r != 0x7F && !strings.ContainsRune(string(out), r) {
				t.Fatalf("%q was shown, and did not come back", r)
			}
		}
		if !utf8.ValidString(shown.String()) {
			t.Fatal("what was shown is not UTF-8")
		}
	})
}
