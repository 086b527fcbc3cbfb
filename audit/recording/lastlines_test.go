package recording_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"penstock/audit/recording"
)

// The last lines are the export's, read from the last parts only; an endless
// line shows its end.
func TestLastLines(t *testing.T) {
	r := newRoom(t, t.TempDir())
	recording.SmallParts(r.Archive, 2000, 1<<20, time.Hour)
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	last := func(want string) {
		t.Helper()
		got, err := follow(t, r, 0).LastLines(t.Context(), 3)
		must(t, err)
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	last("")
	for i := range 100 {
		must(t, s.Append(recording.Out, fmt.Appendf(nil, "line \x1b[1m%d\x1b[0m\r\n", i)))
		must(t, s.Commit(t.Context(), recording.In, []byte("hunter2\r")))
	}
	last("line 97\nline 98\nline 99")
	f := follow(t, r, 0)
	if _, err := f.LastLines(t.Context(), 1); err != nil || f.Ready() {
		t.Errorf("behind the last lines: ready %v, %v", f.Ready(), err)
	}
	must(t, s.Commit(t.Context(), recording.Out, []byte(strings.Repeat("ä", 100_000)+"\nend")))
	last("… " + strings.Repeat("ä", 999) + "\nend")
	_, err := w.Close(t.Context(), "client")
	must(t, err)
}
