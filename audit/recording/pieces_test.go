package recording_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
)

// copyPieces copies as a backup does.
func copyPieces(t *testing.T, r *room, to string, pieces []recording.Piece) {
	t.Helper()
	for _, p := range pieces {
		b, err := os.ReadFile(filepath.Join(r.parts.Dir, filepath.FromSlash(p.Name)))
		must(t, err)
		if int64(len(b)) < p.Bytes {
			t.Fatalf("%s has %d bytes, %d are wanted", p.Name, len(b), p.Bytes)
		}
		path := filepath.Join(to, filepath.FromSlash(p.Name))
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, b[:p.Bytes], 0o600))
	}
}

// A copy of a session that runs holds exactly what the log vouched for then,
// also where channels have several parts, and is whole by itself.
func TestPiecesOfASessionThatRuns(t *testing.T) {
	r := newRoom(t, t.TempDir())
	recording.SmallParts(r.Archive, 400, 400, time.Hour)
	w := r.create(t, "S-1")
	key, err := recording.SessionKey(r.path("S-1"), identity)
	must(t, err)
	one, two := stream(t, w, 0, "shell"), stream(t, w, 1, "exec")
	write := func(from, to int) {
		for i := from; i < to; i++ {
			must(t, one.Commit(t.Context(), recording.In, []byte(fmt.Sprintf("line %03d %s\n", i, strings.Repeat("x", 50)))))
		}
	}
	write(0, 20)
	must(t, two.Commit(t.Context(), recording.In, []byte("once")))
	must(t, recording.CommitHeads(t.Context(), r.Archive))
	upto := map[string]int64{}
	for _, b := range r.log.of("recording.heads") {
		h := b.(audit.RecordingHeads)
		upto[h.File] = max(upto[h.File], h.Offset+h.Bytes)
	}
	// What comes now is not under the checkpoint that the copy is of.
	write(20, 40)
	late := stream(t, w, 2, "late")
	must(t, late.Commit(t.Context(), recording.In, []byte("late")))
	must(t, recording.CommitHeads(t.Context(), r.Archive))

	only := func(s string) bool { return s == "S-1" }
	heads, err := recording.HeadsOf(r.parts.HeadsDir, upto, only)
	must(t, err)
	pieces, err := r.Pieces("S-1", false, heads["S-1"])
	must(t, err)
	to := t.TempDir()
	copyPieces(t, r, to, pieces)
	dir := filepath.Join(to, "2026", "11", "22", "S-1")
	var vouched []recording.Head
	for _, h := range heads["S-1"] {
		vouched = append(vouched, h)
	}
	report, err := recording.VerifyFolder(dir, readHash(t, filepath.Join(r.path("S-1"), "session.json")), key, vouched...)
	must(t, err)
	if !report.Whole() || !report.Opened {
		t.Errorf("opened: %v, findings: %v", report.Opened, report.Findings)
	}
	copied, err := recording.OpenFolder(dir, identity)
	must(t, err)
	defer copied.Close()
	shown, err := lines(copied, 0, 0)
	must(t, err)
	if len(shown) != 20 || len(copied.Channels()) != 2 {
		t.Errorf("%d frames of channel 0 and %d channels are in the copy, want 20 and 2", len(shown), len(copied.Channels()))
	}
	for _, name := range []string{"reserve", "close.json"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is in the copy (%v)", name, err)
		}
	}

	// Of the same session, ended: all of it.
	_, err = w.Close(t.Context(), "end")
	must(t, err)
	pieces, err = r.Pieces("S-1", true, nil)
	must(t, err)
	whole := t.TempDir()
	copyPieces(t, r, whole, pieces)
	report, err = recording.VerifyFolder(filepath.Join(whole, "2026", "11", "22", "S-1"), audit.Hash{}, key, vouched...)
	must(t, err)
	if !report.Whole() || report.Close.IsZero() {
		t.Errorf("ended: %v, close.json %v", report.Findings, report.Close)
	}
	// It ended after the checkpoint: as far as the heads say, and without its end.
	pieces, err = r.Pieces("S-1", false, heads["S-1"])
	must(t, err)
	for _, p := range pieces {
		if strings.HasSuffix(p.Name, "close.json") || strings.Contains(p.Name, "late") {
			t.Errorf("%s is in a copy of before it was written", p.Name)
		}
	}
	if _, err := r.Pieces("S-2", true, nil); !isNotExist(err) {
		t.Errorf("pieces of nothing: %v", err)
	}
}

func isNotExist(err error) bool {
	return err != nil && strings.Contains(err.Error(), fs.ErrNotExist.Error())
}

func TestAwaitHeadsEndsByPatience(t *testing.T) {
	r := newRoom(t, t.TempDir()) // nobody runs the round
	r.AwaitHeads(nil, time.Hour) // no recording is open: nothing to wait for
	r.create(t, "S-1")
	r.AwaitHeads(nil, time.Millisecond)
	gone := make(chan struct{})
	close(gone)
	r.AwaitHeads(gone, time.Hour)
	if age, ever := r.HeadsAge(); ever {
		t.Errorf("heads are %v old, and no round was ever through", age)
	}
	must(t, recording.CommitHeads(t.Context(), r.Archive))
	if age, ever := r.HeadsAge(); !ever || age > time.Minute || r.Running() != 1 {
		t.Errorf("heads are %v old (%v), %d recordings run", age, ever, r.Running())
	}
}
