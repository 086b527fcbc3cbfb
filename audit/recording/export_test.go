package recording_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"penstock/audit/recording"
)

var update = flag.Bool("update", false, "write the golden files anew")

const ms = time.Millisecond

// story is a shell with all that a recording can hold.
var story = []recording.Frame{
	{At: 1000 * ms, Mark: 'q', Data: []byte(`{"allowed":true,"cols":100,"kind":"pty-req","rows":30,"term":"xterm-256color"}`)},
	{At: 1001 * ms, Mark: 'q', Data: []byte(`{"allowed":false,"kind":"x11-req","rule":"no-x11"}`)},
	{At: 1002 * ms, Mark: 'm', Data: []byte("environment variable LD_PRELOAD was not passed on")},
	{At: 1003 * ms, Mark: 'q', Data: []byte(`{"allowed":true,"command":"top -b","kind":"exec","rule":"window"}`)},
	{At: 1500 * ms, Mark: 'o', Data: []byte("\x1b]0;plc\x07\x1b[1mmaint@filler:~$\x1b[0m ")},
	{At: 2250*ms + 1234*time.Nanosecond, Mark: 'i', Data: []byte("ls\r")},
	{At: 2251 * ms, Mark: 'o', Data: []byte("ls\r\nW\xc3")},
	{At: 2252 * ms, Mark: 'e', Data: []byte("warning: \xff\r\n")},
	{At: 2253 * ms, Mark: 'o', Data: []byte("\xa4rme <&>\"\\ \u202egnp.exe\r\n10%\r20%\r\n")},
	{At: 2253 * ms, Mark: 'r', Data: []byte("120x40")},
	{At: 2254 * ms, Mark: 'r', Data: []byte("120x40")},
	{At: 2255 * ms, Mark: 'r', Data: []byte("4294967295x1")},
	{At: 60000 * ms, Mark: 'm', Data: []byte("ends in 5 minutes")},
	{At: 61000 * ms, Mark: 'o', Data: []byte("cut \xe2\x82")},
	{At: 61001 * ms, Mark: 'f', Data: []byte("out")},
	{At: 61002 * ms, Mark: 'x', Data: []byte("signal TERM")},
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s (go test -run %s -update, and look at the difference):\n%s\nwant:\n%s", name, t.Name(), got, want)
	}
}

func TestExports(t *testing.T) {
	r := newRoom(t, t.TempDir())
	recording.Fixed(t, r.Archive, header("S-1"), "shell", story)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	rows := []struct {
		file   string
		export func(w io.Writer) error
	}{
		{"shell.v3.cast", func(w io.Writer) error { return recording.ExportCast(w, rd, 0, 3) }},
		{"shell.v3.input.cast", func(w io.Writer) error { return recording.ExportCast(w, rd, 0, 3, recording.WithInput()) }},
		{"shell.v2.cast", func(w io.Writer) error { return recording.ExportCast(w, rd, 0, 2) }},
		{"shell.txt", func(w io.Writer) error { return recording.ExportText(w, rd, 0) }},
		{"shell.input.txt", func(w io.Writer) error { return recording.ExportText(w, rd, 0, recording.WithInput()) }},
		{"shell.out", func(w io.Writer) error { return recording.ExportRaw(w, rd, 0, recording.Out) }},
		{"shell.in", func(w io.Writer) error { return recording.ExportRaw(w, rd, 0, recording.In) }},
	}
	for _, row := range rows {
		t.Run(row.file, func(t *testing.T) {
			var one, two bytes.Buffer
			must(t, row.export(&one))
			must(t, row.export(&two))
			if !bytes.Equal(one.Bytes(), two.Bytes()) {
				t.Error("two exports differ")
			}
			golden(t, row.file, one.Bytes())
		})
	}
	for name, export := range map[string]func(int) error{
		"cast": func(ch int) error { return recording.ExportCast(io.Discard, rd, ch, 3) },
		"text": func(ch int) error { return recording.ExportText(io.Discard, rd, ch) },
		"raw":  func(ch int) error { return recording.ExportRaw(io.Discard, rd, ch, 'o') },
	} {
		if err := export(7); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of a channel that is not there: %v", name, err)
		}
		if err := export(-1); err == nil {
			t.Errorf("%s of all channels at once is no error", name)
		}
		if err := recording.ExportCast(failing{}, rd, 0, 3); !errors.Is(err, errFault) {
			t.Errorf("a writer that fails: %v", err)
		}
	}
	if recording.ExportCast(io.Discard, rd, 0, 1) == nil || recording.ExportRaw(io.Discard, rd, 0, 'm') == nil {
		t.Error("an unknown version or direction is no error")
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFault }

// Of a torn recording the whole part is exported, and then the error is told.
func TestExportOfATornRecording(t *testing.T) {
	r := newRoom(t, t.TempDir())
	recording.Fixed(t, r.Archive, header("S-1"), "exec", []recording.Frame{
		{Mark: 'q', Data: []byte(`{"allowed":true,"command":"uptime","kind":"exec"}`)},
		{At: ms, Mark: 'o', Data: []byte("up 3 days\n")}, {At: 2 * ms, Mark: 'o', Data: []byte("lost")},
	})
	cutBy(t, filepath.Join(r.path("S-1"), "c00-exec.000.brf"), 1)
	rd, err := r.Open("S-1")
	must(t, err)
	var out bytes.Buffer
	if err := recording.ExportCast(&out, rd, 0, 3); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error: %v", err)
	}
	if got := out.String(); !strings.Contains(got, `"command":"uptime"`) || !strings.HasSuffix(got, "\"o\", \"up 3 days\\n\"]\n") {
		t.Errorf("%s", got)
	}
}

func TestPlainText(t *testing.T) {
	rows := []struct{ story, in, want string }{
		{"colours", "\x1b[1;31mred\x1b[0m", "red"},
		{"a title, ended by BEL", "\x1b]0;title\x07x", "x"},
		{"a title, ended by ST", "\x1b]0;title\x1b\\x", "x"},
		{"the clipboard (OSC 52)", "a\x1b]52;c;cm0gLXJmIC8=\x07b", "ab"},
		{"a link (OSC 8)", "\x1b]8;;http://x/\x1b\\text\x1b]8;;\x1b\\", "text"},
		{"a device control string", "a\x1bP1$tx\x1b\\b", "ab"},
		{"BEL does not end a device control string", "a\x1bPx\x07y\x1b\\b", "ab"},
		{"eight-bit introducers, as UTF-8", "a\u009b31mb\u009d0;t\u009cc", "abc"},
		{"a character set", "\x1b(Bx", "x"},
		{"two-character sequences", "\x1b7x\x1b8\x1b=y\x1bcz", "xyz"},
		{"CAN ends a sequence", "\x1b[31\x18mx", "mx"},
		{"ESC ends a sequence and begins another", "\x1b[3\x1b[1mx", "x"},
		{"an ESC in a string begins another sequence", "\x1b]0;t\x1b[1mx", "x"},
		{"a line feed inside a sequence is obeyed", "a\x1b[3\n1mb", "a\nb"},
		{"a string without an end does not hide what follows", "\x1b]0;" + strings.Repeat("x", 4095) + "seen", "seen"},
		{"lines end with CR LF", "a\r\nb\r\n", "a\nb\n"},
		{"what was overwritten stays", "evil\rgood\r\n", "evil\ngood\n"},
		{"a carriage return at the end", "a\r", "a\n"},
		{"backspace and bell are dropped", "ab\b\ac", "abc"},
		{"tabs stay", "a\tb", "a\tb"},
		{"bidi controls are shown", "a\u202eb\u2066c", `a\u202eb\u2066c`},
		{"invisible characters are shown", "a\u200bb\ufeffc\u00add\u2028e\u3164", `a\u200bb\ufeffc\u00add\u2028e\u3164`},
		{"tag characters are shown", "a\U000e0041", `a\U000e0041`},
		{"not UTF-8", "a\xff\xfeb", "a\ufffd\ufffdb"},
		{"a rune cut at the end", "a\xe2\x82", "a\ufffd\ufffd"},
		{"plain text in many languages", "Grün 測試 Ελλ 😀", "Grün 測試 Ελλ 😀"},
		{"NUL and DEL", "a\x00b\x7fc", "abc"},
	}
	for _, row := range rows {
		t.Run(row.story, func(t *testing.T) {
			if got := recording.PlainText([]byte(row.in)); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
			var single [][]byte
			for i := range len(row.in) {
				single = append(single, []byte{row.in[i]})
			}
			if got := recording.PlainText(single...); got != row.want {
				t.Errorf("byte by byte: %q, want %q", got, row.want)
			}
		})
	}
}

// Whatever a target sends, the text holds nothing that moves a cursor or turns text.
func FuzzPlainText(f *testing.F) {
	for _, s := range []string{"\x1b[31mx\x1b]0;t\x07", "\u009b1m\u202e", "\xc2\x9b\xff\x1bP\x1b\\", "a\rb\r\n", "\x1b(\x1b]x\x1b"} {
		f.Add([]byte(s), 2)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if cut < 0 || cut > len(b) {
			cut = len(b) / 2
		}
		got := recording.PlainText(b[:cut], b[cut:])
		if whole := recording.PlainText(b); got != whole {
			t.Fatalf("in two pieces %q, whole %q", got, whole)
		}
		if !utf8.ValidString(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
		for _, r := range got {
			if r != '\n' && r != '\t' && !unicode.IsGraphic(r) {
				t.Fatalf("%q holds %U", got, r)
			}
		}
	})
}

// Every cast is lines of JSON, with times that do not run backwards.
func FuzzCast(f *testing.F) {
	f.Add([]byte("a\xc3"), []byte("\xa4b"), []byte(`{"kind":"pty-req","cols":80,"rows":24}`), []byte("10x10"), []byte("signal KILL"))
	f.Add([]byte("\xff\x1b\u2028"), []byte("<>&"), []byte(`{"cols":-1}`), []byte("1x2x3"), []byte("256"))
	f.Add([]byte{}, []byte{0}, []byte("not JSON"), []byte("x"), []byte("-1"))
	f.Fuzz(func(t *testing.T, out, more, request, resize, exit []byte) {
		frames := []recording.Frame{
			{At: 1, Mark: 'q', Data: request}, {At: 2 * ms, Mark: 'o', Data: out}, {At: 3 * ms, Mark: 'o', Data: more},
			{At: 3 * ms, Mark: 'e', Data: out}, {At: 4 * ms, Mark: 'i', Data: more}, {At: 5 * ms, Mark: 'q', Data: request},
			{At: 6 * ms, Mark: 'r', Data: resize}, {At: 7 * ms, Mark: 'm', Data: out}, {At: 8 * ms, Mark: 'x', Data: exit},
		}
		for _, version := range []int{2, 3} {
			lines := strings.Split(strings.TrimSuffix(recording.CastOf(version, frames), "\n"), "\n")
			var head map[string]any
			if err := json.Unmarshal([]byte(lines[0]), &head); err != nil {
				t.Fatalf("header %s: %v", lines[0], err)
			}
			at := 0.0
			for _, l := range lines[1:] {
				var ev []any
				if err := json.Unmarshal([]byte(l), &ev); err != nil || len(ev) != 3 {
					t.Fatalf("line %s: %v", l, err)
				}
				if when := ev[0].(float64); when < 0 || version == 2 && when < at {
					t.Fatalf("time runs backwards: %s", l)
				} else {
					at = when
				}
				if !strings.Contains("o i m r x", ev[1].(string)) || version == 2 && ev[1] == "x" {
					t.Fatalf("event %s", l)
				}
			}
		}
	})
}
