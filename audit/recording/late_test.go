package recording_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"penstock/audit/recording"
)

// TestLate: who joins after little is given all of it, who joins after much the
// screen, and both go on with the very next frame.
func TestLate(t *testing.T) {
	full := recording.NewScreen(nil)
	full.Pty = true
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	says := func(text string) {
		must(t, s.Commit(t.Context(), recording.Out, []byte(text)))
		full.Write([]byte(text))
	}
	sees := func(f *recording.Follower, most int) (*recording.Screen, bool) {
		t.Helper()
		frames, m, err := f.Late(t.Context(), most)
		must(t, err)
		screen := recording.NewScreen(nil)
		screen.Pty = true
		for _, f := range frames {
			if f.Mark == recording.In {
				t.Error("what was typed is among it")
			}
			if f.Mark == recording.Out {
				screen.Write(f.Data)
			}
		}
		if m != nil {
			if len(frames) > 0 {
				t.Error("both the frames and the screen")
			}
			again := m.Screen.Again()
			if len(again) > 64<<10 {
				t.Errorf("the screen takes %d bytes", len(again))
			}
			screen.Write(again)
		}
		return screen, m != nil
	}
	must(t, s.Commit(t.Context(), recording.Request, []byte(`{"kind":"pty-req","term":"xterm","cols":80,"rows":24,"allowed":true}`)))
	says("$ ls\r\n")
	must(t, s.Commit(t.Context(), recording.In, []byte("hunter2")))
	early := follow(t, r, 0)
	seen, cut := sees(early, 1000)
	if cut || !slices.Equal(seen.Lines(), full.Lines()) {
		t.Errorf("early: %v, %q", cut, seen.Lines())
	}
	for i := range 200 {
		says(fmt.Sprintf("\x1b[3%dmline %d\x1b[0m of many\r\n", i%8, i))
	}
	says("\x1b[?1049h\x1b[Hvim\x1b[24;1H-- INSERT --\x1b[2;5H\x1b[1") // in the middle of a sequence
	late := follow(t, r, 0)
	seen, cut = sees(late, 1000)
	if !cut {
		t.Error("late: all of it is sent")
	}
	next := func(to *recording.Screen, f *recording.Follower) {
		frame, err := f.Next(t.Context())
		must(t, err)
		to.Write(frame.Data)
	}
	says("mword")
	next(seen, late)
	if !slices.Equal(seen.Lines(), full.Lines()) || !strings.Contains(strings.Join(seen.Lines(), "\n"), "word") || string(seen.Again()) != string(full.Again()) {
		t.Errorf("late sees %q, and they see %q", seen.Lines(), full.Lines())
	}
	says("\x1b[?1049l$ ")
	next(seen, late)
	if !slices.Equal(seen.Lines(), full.Lines()) || !strings.Contains(strings.Join(seen.Lines(), "\n"), "line 199") {
		t.Errorf("after the program late sees %q, and they see %q", seen.Lines(), full.Lines())
	}
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	if rest, err := followed(t.Context(), late); err != nil || len(rest) > 1 {
		t.Errorf("after the end: %d frames, %v", len(rest), err)
	}
}

// TestLateAfterVeryMuch: what is drawn is bounded, and what cannot be known is said.
func TestLateAfterVeryMuch(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	must(t, s.Commit(t.Context(), recording.Request, []byte(`{"kind":"pty-req","term":"xterm","cols":80,"rows":24,"allowed":true}`)))
	must(t, s.Commit(t.Context(), recording.Out, []byte("\x1b[?1049h\x1b[H drawn once")))
	for range 200 {
		must(t, s.Commit(t.Context(), recording.Out, []byte(strings.Repeat("\x1b[3;1Hflow 812\x1b[K", 2000)))) // 34 KiB
	}
	_, m, err := follow(t, r, 0).Late(t.Context(), 1000)
	must(t, err)
	if m == nil || m.Whole || !slices.Contains(m.Screen.Lines(), "flow 812") {
		t.Fatalf("%+v", m)
	}
	_, err = w.Close(t.Context(), "client")
	must(t, err)
}
