package recording_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"penstock/audit"
	"penstock/audit/recording"
)

func TestHeadsAreCommittedOnceASecondWhileAnythingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, t.TempDir())
		ctx, stop := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- r.Run(ctx) }()
		w := r.create(t, "S-1")
		header := readHash(t, filepath.Join(r.path("S-1"), "session.json"))
		one, two := stream(t, w, 0, "shell"), stream(t, w, 1, "exec")
		// Between two ticks: at one, the first commit could have a leaf for itself.
		time.Sleep(5*time.Second + 500*time.Millisecond)
		if n := len(r.log.of("recording.heads")); n != 0 {
			t.Errorf("%d leaves while nothing changed", n)
		}
		must(t, one.Commit(t.Context(), 'i', []byte("a")))
		must(t, two.Commit(t.Context(), 'i', []byte("b")))
		time.Sleep(time.Second)
		must(t, one.Commit(t.Context(), 'i', []byte("c")))
		time.Sleep(10 * time.Second)
		leaves := r.log.of("recording.heads")
		if len(leaves) != 2 {
			t.Fatalf("%d leaves, want 2", len(leaves))
		}
		var heads []recording.Head
		for i, want := range []int{2, 1} {
			lines := checkLeaf(t, r, leaves[i].(audit.RecordingHeads))
			if len(lines) != want {
				t.Errorf("leaf %d has %d lines, want %d", i, len(lines), want)
			}
			heads = append(heads, lines...)
		}
		report, err := recording.VerifyFolder(r.path("S-1"), header, nil, heads...)
		must(t, err)
		if !report.Whole() || heads[2].Seq != 1 || heads[2].File != "c00-shell.000.brf" {
			t.Errorf("heads %+v: %v", heads, report.Findings)
		}
		// What changed since the last second is committed when Run is stopped.
		must(t, two.Commit(t.Context(), 'i', []byte("d")))
		stop()
		must(t, <-ran)
		if n := len(r.log.of("recording.heads")); n != 3 {
			t.Errorf("%d leaves after the end, want 3", n)
		}
		_, err = w.Close(t.Context(), "client")
		must(t, err)
	})
}

func readHash(t *testing.T, path string) audit.Hash {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return audit.HashOf(b)
}

// checkLeaf reads the lines that a leaf names and compares their root with it.
func checkLeaf(t *testing.T, r *room, leaf audit.RecordingHeads) (heads []recording.Head) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(r.parts.HeadsDir, leaf.File))
	must(t, err)
	text := b[leaf.Offset : leaf.Offset+leaf.Bytes]
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if recording.HeadsRoot(lines) != leaf.Root || len(lines) != leaf.Count {
		t.Errorf("leaf %+v does not fit its lines %s", leaf, text)
	}
	for _, l := range lines {
		h, err := recording.ParseHead(l)
		must(t, err)
		heads = append(heads, h)
	}
	return heads
}

// The root is that of the log's own tree (RFC 6962).
func TestHeadsRootIsTheTreesRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 70).Draw(t, "lines")
		var lines [][]byte
		var stored []tlog.Hash
		read := tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
			for _, i := range at {
				out = append(out, stored[i])
			}
			return out, nil
		})
		for i := range n {
			line := fmt.Appendf(nil, "line %d", i)
			lines = append(lines, line)
			more, err := tlog.StoredHashes(int64(i), line, read)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
		}
		want, err := tlog.TreeHash(int64(n), read)
		if err != nil {
			t.Fatal(err)
		}
		if got := recording.HeadsRoot(lines); got != audit.Hash(want) {
			t.Fatalf("%d lines: %v, want %v", n, got, want)
		}
	})
}

// A crash in the middle of a line: the next leaf's lines stand alone.
func TestAHalfLineOfHeadsIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, t.TempDir())
		name := time.Now().UTC().Format("2006-01") + ".txt"
		must(t, os.WriteFile(filepath.Join(r.parts.HeadsDir, name), []byte(`{"bytes":1`), 0o600))
		run(t, r.Run)
		w := r.create(t, "S-1")
		must(t, stream(t, w, 0, "shell").Commit(t.Context(), 'i', []byte("a")))
		time.Sleep(2 * time.Second)
		leaves := r.log.of("recording.heads")
		if len(leaves) != 1 {
			t.Fatalf("%d leaves", len(leaves))
		}
		checkLeaf(t, r, leaves[0].(audit.RecordingHeads))
		_, err := w.Close(t.Context(), "client")
		must(t, err)
	})
}
