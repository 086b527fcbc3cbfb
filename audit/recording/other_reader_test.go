package recording_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"penstock/audit/recording"
)

// TestTheOtherReader: the description is enough. A reader that shares no line
// with this package gives the same bytes as the export, over several parts and
// streams, and stops at a flipped byte, a missing part and a swapped key.
func TestTheOtherReader(t *testing.T) {
	r := newRoom(t, t.TempDir())
	recording.SmallParts(r.Archive, 40<<10, 1<<20, time.Minute)
	w, _, _, err := r.Create(t.Context(), header("S-17"))
	must(t, err)
	s, other := stream(t, w, 0, "shell"), stream(t, w, 1, "exec")
	for i := range 400 {
		must(t, s.Commit(t.Context(), recording.In, fmt.Appendf(nil, "cat file-%d\r", i)))
		must(t, s.Append(recording.Out, []byte(strings.Repeat(fmt.Sprintf("line %d of what the machine said\r\n", i*i), 1+i%90))))
	}
	must(t, s.Append(recording.Out, bytes.Repeat([]byte{0, 0xff, '\x1b'}, 60<<10)))
	archive := make([]byte, 300<<10) // in the middle of a zstd stream: what does not shrink stays as it is
	_, _ = rand.NewChaCha8([32]byte{7}).Read(archive)
	must(t, s.Append(recording.Out, archive))
	must(t, s.Append(recording.Out, []byte("and a line behind it\r\n")))
	must(t, other.Commit(t.Context(), recording.Out, []byte("short")))
	_, err = w.Close(t.Context(), "client")
	must(t, err)
	dir := r.path("S-17")
	if parts, _ := filepath.Glob(filepath.Join(dir, "c00-*")); len(parts) < 3 {
		t.Fatalf("%d parts are too few to show anything", len(parts))
	}
	key := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(key, []byte(identity.String()+"\n"), 0o600))

	rd, err := r.Open("S-17")
	must(t, err)
	defer rd.Close()
	for _, of := range []struct {
		ch   int
		mark recording.Mark
	}{{0, recording.Out}, {0, recording.In}, {1, recording.Out}} {
		var want bytes.Buffer
		must(t, recording.ExportRaw(&want, rd, of.ch, of.mark))
		got, said, code := otherReader(t, dir, key, of.ch, of.mark)
		if code != 0 || !bytes.Equal(got, want.Bytes()) || !strings.Contains(said, "whole: ") {
			t.Errorf("channel %d %c: exit %d, %d bytes of %d: %s", of.ch, of.mark, code, len(got), want.Len(), said)
		}
	}

	for story, spoil := range map[string]func(dir string) error{
		"a flipped byte": func(dir string) error {
			path := filepath.Join(dir, "c00-shell.001.brf")
			b, err := os.ReadFile(path)
			if err == nil {
				b[len(b)/2] ^= 4
				err = os.WriteFile(path, b, 0o600)
			}
			return err
		},
		"a part gone":  func(dir string) error { return os.Remove(filepath.Join(dir, "c00-shell.001.brf")) },
		"the end gone": func(dir string) error { return lastPart(dir, os.Remove) },
		"another header": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "session.json"), []byte(`{"session":"S-17"}`), 0o600)
		},
	} {
		bad := filepath.Join(t.TempDir(), "S-17")
		must(t, os.CopyFS(bad, os.DirFS(dir)))
		must(t, spoil(bad))
		if _, said, code := otherReader(t, bad, key, 0, recording.Out); code != 3 || !strings.Contains(said, "not whole") {
			t.Errorf("%s: exit %d: %s", story, code, said)
		}
	}
}

func lastPart(dir string, do func(string) error) error {
	parts, err := filepath.Glob(filepath.Join(dir, "c00-*"))
	if err != nil {
		return err
	}
	return do(slices.Max(parts))
}

func otherReader(t *testing.T, dir, key string, ch int, m recording.Mark) (out []byte, said string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	c := exec.CommandContext(t.Context(), "node", "reader.mjs", dir, key, fmt.Sprint(ch), string(rune(m)))
	c.Stdout, c.Stderr = &o, &e
	if err := c.Run(); c.ProcessState == nil {
		t.Fatal(err)
	}
	return o.Bytes(), e.String(), c.ProcessState.ExitCode()
}

// TestTheOtherReaderIsShort: somebody who distrusts us reads it in one go.
func TestTheOtherReaderIsShort(t *testing.T) {
	b, err := os.ReadFile("reader.mjs")
	must(t, err)
	if n := bytes.Count(b, []byte("\n")); n >= 150 {
		t.Errorf("reader.mjs has %d lines", n)
	}
}
