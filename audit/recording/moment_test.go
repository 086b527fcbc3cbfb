package recording_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/audit/recording"
)

// screens are outputs that leave a terminal in every state that draws.
var screens = map[string]string{
	"a shell":          "$ ls\r\n\x1b[1;34mdir\x1b[0m  a.txt\r\n$ rm fiel\b\b\x1b[Kle",
	"vim":              "shell\r\n\x1b[?1049h\x1b[22;0t\x1b[1;8r\x1b[H\x1b[2J\x1b[?25l\x1b[38;5;130m  1 \x1b[mset flow = 812\r\n~\r\n\x1b[7m-- INSERT --\x1b[m\x1b[8;5H\x1b[?25h\x1b[1;8r\x1b[2;1H\x1b[L\x1b[P\x1b[?1049l$ ",
	"htop":             "\x1b[?1049h\x1b[?7l\x1b[1;1H\x1b[42;97mCPU[\x1b[K\x1b[2;3H\x1b[48;2;10;200;30m\x1b[38:2::255:0:0mMem\x1b[1;4m\x1b[K\x1b[0m\x1b[8;1H\x1b[30;46mF10\x1b[J\x1b[m",
	"lines":            "\x1b(0lqqk\x1b(B\x1b)0\x0ex\x0fx\x1b[3;3H\x0eqqq",
	"at the edge":      strings.Repeat("w", 20) + "\x1b[31mx" + strings.Repeat("y", 19),
	"origin, insert":   "\x1b[3;6r\x1b[?6h\x1b[2;2Habc\x1b[2;2H\x1b[4hXY\x1b[9;1H\n\nz\x1bM",
	"saved":            "\x1b[4;7H\x1b[33m\x1b7\x1b[H\x1b[0mtop\x1b8back\x1b[s\x1b[2;2H\x1b[3b\x1b[u",
	"wide":             "温度 81°\x1b[1;2Hx\r\n" + strings.Repeat("温", 11),
	"what is not done": "\x1b]0;a title that\x07\x1bPq#0\x1b\\\x1b[6n\x1b[?1000hü\xf0\x9f",
	"regions":          "1\r\n2\r\n3\r\n4\r\n5\r\n6\x1b[2;4r\x1b[4;1H\n\x1b[45m\n\x1b[T\x1b[2S\x1b[M",
}

// TestAScreenIsDrawnAgain: cut anywhere, also within a sequence, what Again
// gives makes another terminal look and go on as the first one does.
func TestAScreenIsDrawnAgain(t *testing.T) {
	for what, text := range screens {
		for cut := range len(text) + 1 {
			drawnAgain(t, what, []byte(text), cut, 20, 8)
		}
	}
}

func drawnAgain(t *testing.T, what string, text []byte, cut, cols, rows int) {
	t.Helper()
	one, two := recording.NewScreen(nil), recording.NewScreen(nil)
	one.Pty, two.Pty = true, true
	one.Resize(cols, rows)
	two.Resize(cols, rows)
	one.Write(text[:cut])
	two.Write(one.Again())
	for _, then := range [][]byte{nil, text[cut:], []byte("end\r\n\x1b8here\x1b[?1049lthere")} {
		one.Write(then)
		two.Write(then)
		if a, b := one.Again(), two.Again(); string(a) != string(b) || !slices.Equal(one.Lines(), two.Lines()) {
			t.Fatalf("%s, cut at %d, then %q:\n%q\n%q\n%q\n%q", what, cut, then, a, b, one.Lines(), two.Lines())
		}
	}
}

// FuzzScreen: no output breaks it, makes it keep more than it may, or makes a
// screen that cannot be drawn again.
func FuzzScreen(f *testing.F) {
	for _, text := range screens {
		f.Add([]byte(text), 9, 20, 8)
	}
	f.Add([]byte("\x1b[999;999H\x1b[99M\x1b[99L\x1b[5;2r\x1b[99T\x1b[99S"), 3, 3, 2)
	f.Add([]byte("\x1b[4;4Hx\x1b[9999b\x1b[1J\x1b[1K\x1b[9999@\x1b[9999P"), 5, 10, 5)
	f.Add([]byte("\t\t\t\x1b[99Z\x1b[99Ia\x1bM\x1bM\x1bD\x1b8\x1b[u"), 2, 0, 0)
	f.Add([]byte("温\x1b[1;1H\x1b[P温\x1b[?6h\x1b[?7l温温"), 8, 1, 1)
	f.Add([]byte("\x1bX\x1b\x00A"), 4, 97, 78)
	f.Fuzz(func(t *testing.T, b []byte, cut, cols, rows int) {
		cut = min(max(cut, 0), len(b))
		s := recording.NewScreen(nil)
		s.Resize(cols, rows)
		s.Write(b)
		c, r := s.Size()
		if again := s.Again(); len(again) > 2000+2*c*r*40 {
			t.Fatalf("%d bytes for %d×%d", len(again), c, r)
		}
		var draws recording.DrawOnly
		if again := s.Again(); !bytes.HasPrefix(again, draws.Filter(again)) {
			t.Fatalf("more than drawing: %q", again)
		}
		for _, l := range s.Lines() {
			if strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("%q", l)
			}
		}
		drawnAgain(t, "fuzz", b, cut, cols, rows)
	})
}

func TestScreenLooks(t *testing.T) {
	s := recording.NewScreen(nil)
	s.Pty = true
	s.Resize(20, 3)
	s.Write([]byte("\x1b[1;38;5;208mhot\x1b[22;39m \x1b[48;2;0;0;255mblue\x1b[49;4m_\x1b[24;92mok\x1b[0m"))
	want := "\x1b[1;1H\x1b[0;1;38;5;208mhot\x1b[0m \x1b[0;48;5;21mblue\x1b[0;4m_\x1b[0;92mok\x1b[0m"
	if got := string(s.Again()); !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// oneRow is a program that draws its frame once, and then one row again and again.
func oneRow(n int) []byte {
	return fmt.Appendf(nil, "\x1b[3;1H\x1b[Kflow %08d", n)
}

// TestMoment: at each moment the terminal is what drawing all from the first
// byte gives, whatever the parts; and reading goes on with the next frame.
func TestMoment(t *testing.T) {
	r := newRoom(t, t.TempDir())
	recording.SmallParts(r.Archive, 900, 1<<20, time.Hour)
	frames := []recording.Frame{
		{Mark: 'q', At: 5 * ms, Data: []byte(`{"allowed":true,"cols":40,"kind":"pty-req","rows":6,"term":"xterm"}`)},
		{Mark: 'o', At: 5 * ms, Data: []byte("plant\r\n\x1b[?1049h\x1b[1;1H\x1b[7mheader\x1b[m")},
	}
	for i := range 200 {
		at := time.Duration(i/3)*10*ms + 10*ms // three at one time
		frames = append(frames, recording.Frame{Mark: 'o', At: at, Data: oneRow(i)})
		switch i {
		case 60:
			frames = append(frames, recording.Frame{Mark: 'r', At: at, Data: []byte("30x5")}, recording.Frame{Mark: 'o', At: at, Data: []byte("\x1b[H\x1b[Jsmaller")})
		case 120:
			frames = append(frames, recording.Frame{Mark: 'i', At: at, Data: []byte("q")}, recording.Frame{Mark: 'e', At: at, Data: []byte("\x1b[?1049lbye\r\n")})
		}
	}
	recording.Fixed(t, r.Archive, header("S-1"), "shell", frames)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	for at := -5 * ms; at < 700*ms; at += 5 * ms {
		want := recording.NewScreen(nil)
		want.Pty = at >= 0
		later := -1
		for i, f := range frames {
			if f.At-5*ms > at {
				later = i
				break
			}
			if cols, rows, ok := f.Size(); ok {
				want.Resize(cols, rows)
			} else if f.Mark != 'i' {
				want.Write(f.Data)
			}
		}
		m, err := rd.Moment(0, at)
		must(t, err)
		if string(m.Screen.Again()) != string(want.Again()) || !m.Whole || m.Screen.Pty != want.Pty {
			t.Fatalf("at %v: whole %v, %q, want %q", at, m.Whole, m.Screen.Lines(), want.Lines())
		}
		next := -1
		for f, err := range rd.After(0, m.Next) {
			must(t, err)
			if f.Mark == 'r' && f.At <= m.At {
				t.Fatalf("at %v: the frame at %v follows", at, f.At)
			}
			if f.Mark == 'r' && (later < 0 || frames[later].Mark != 'r') {
				continue // that stands at the beginning of each part
			}
			next = slices.IndexFunc(frames, func(g recording.Frame) bool { return g.At == f.At && string(g.Data) == string(f.Data) })
			break
		}
		if next != later {
			t.Fatalf("at %v: frame %d follows, want %d", at, next, later)
		}
	}
	first, err := rd.Begin(0)
	must(t, err)
	long, err := rd.Span(0)
	if err != nil || first != 5*ms || long != frames[len(frames)-1].At-5*ms {
		t.Errorf("%v long from %v: %v", long, first, err)
	}
	if _, err := rd.Moment(7, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a channel that is not there: %v", err)
	}
}

// TestAMomentOfMuch: behind more output than is drawn for a moment, what a
// program drew only once is missing, and it says so; until it clears the screen.
func TestAMomentOfMuch(t *testing.T) {
	r := newRoom(t, t.TempDir())
	frames := []recording.Frame{
		{Mark: 'q', Data: []byte(`{"allowed":true,"cols":40,"kind":"pty-req","rows":6,"term":"xterm"}`)},
		{Mark: 'r', Data: []byte("50x9")},
		{Mark: 'o', Data: []byte("\x1b[?1049h\x1b[1;1Hheader")},
	}
	var rows []byte
	for n := 0; len(rows) < 60<<10; n++ {
		rows = append(rows, oneRow(n)...)
	}
	for i := range 200 {
		frames = append(frames, recording.Frame{Mark: 'o', At: time.Duration(i+1) * time.Second, Data: rows})
	}
	frames = append(frames, recording.Frame{Mark: 'o', At: 201 * time.Second, Data: []byte("\x1b[H\x1b[2Jheader again")})
	recording.Fixed(t, r.Archive, header("S-1"), "shell", frames)
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	for at, want := range map[time.Duration]struct {
		whole bool
		lines []string
	}{
		40 * time.Second:  {true, []string{"header", "", "flow 00002925"}},
		200 * time.Second: {false, []string{"", "", "flow 00002925"}},
		201 * time.Second: {true, []string{"header again"}},
	} {
		m, err := rd.Moment(0, at)
		must(t, err)
		cols, height := m.Screen.Size()
		lines := m.Screen.Lines()
		if len(lines) > 2 && len(want.lines) > 2 {
			lines[2], want.lines[2] = lines[2][:5], want.lines[2][:5]
		}
		if m.Whole != want.whole || !slices.Equal(lines, want.lines) || cols != 50 || height != 9 {
			t.Errorf("at %v: whole %v, %d×%d, %q", at, m.Whole, cols, height, lines)
		}
	}
}

// TestPlayFromAMoment: in a terminal what stood is text, and what follows too;
// nothing of a hostile recording reaches it, neither from the screen nor after it.
func TestPlayFromAMoment(t *testing.T) {
	r := newRoom(t, t.TempDir())
	recording.Fixed(t, r.Archive, header("S-1"), "shell", []recording.Frame{
		{Mark: 'q', Data: []byte(`{"allowed":true,"cols":40,"kind":"pty-req","rows":6,"term":"xterm"}`)},
		{Mark: 'o', Data: []byte("gone\r\n\x1b[2J\x1b[H\x1b]0;title\x07\x1b[31mvalve \x1b[6n\u202eopen\x1b]52;c;eA==")},
		{Mark: 'o', At: time.Second, Data: []byte("\x07 81 C\r\n\x1b[5ilast\r\n")},
	})
	rd, err := r.Open("S-1")
	must(t, err)
	defer rd.Close()
	for at, want := range map[time.Duration]string{
		0:                      "gone\nvalve \\u202eopen 81 C\nlast\n",
		500 * time.Millisecond: "valve \ufffdopen\n 81 C\nlast\n",
		time.Hour:              "valve \ufffdopen 81 C\nlast\n",
	} {
		var out strings.Builder
		must(t, recording.Play(t.Context(), &out, rd, 0, at, 1000))
		if out.String() != want {
			t.Errorf("from %v: %q, want %q", at, out.String(), want)
		}
	}
}
