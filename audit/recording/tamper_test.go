package recording_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"penstock/audit"
	"penstock/audit/recording"
)

// sample makes a closed recording of two channels, one with several parts, and
// says what the log would know of it.
func sample(t testing.TB, r *room, session string) (header, closed audit.Hash) {
	t.Helper()
	recording.SmallParts(r.Archive, 300, 1<<20, time.Hour)
	w, header, _, err := r.Create(t.Context(), headerOf(session))
	must(t, err)
	shell, tcp := stream(t, w, 0, "shell"), stream(t, w, 1, "tcp")
	for i := range 4 {
		must(t, shell.Append('o', []byte(strings.Repeat("press 4 is at 81.3 C\r\n", 3))))
		must(t, shell.Commit(t.Context(), 'i', []byte{byte('a' + i)}))
	}
	must(t, tcp.Commit(t.Context(), 'i', []byte{0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2}))
	must(t, shell.Commit(t.Context(), 'x', []byte("0")))
	closed, err = w.Close(t.Context(), "client")
	must(t, err)
	return header, closed
}

var headerOf = header

// judge says whether anybody who reads the folder, with the key or without,
// would see that it is not as it was: by damage, by a torn tail, or by a hash
// that is not the log's.
func judge(dir string, header, keys, closed audit.Hash, key []byte) (seen bool, err error) {
	report, err := recording.VerifyFolder(dir, header, key)
	if err != nil {
		return false, err
	}
	return !report.Whole() || report.Close != closed || report.Keys != keys, nil
}

func TestEveryFlippedAndCutByteIsSeen(t *testing.T) {
	t.Parallel()
	r := newRoom(t, t.TempDir())
	header, closed := sample(t, r, "S-1")
	dir := r.path("S-1")
	key, err := recording.SessionKey(dir, identity)
	must(t, err)
	whole, err := recording.VerifyFolder(dir, header, key)
	must(t, err)
	if !whole.Whole() || !whole.Opened || len(whole.Files) < 4 {
		t.Fatalf("the untouched recording: %+v", whole)
	}
	seen := func(what string, key []byte) {
		t.Helper()
		if ok, err := judge(dir, header, whole.Keys, closed, key); err != nil || !ok {
			t.Errorf("%s: not seen (key %v): %v", what, key != nil, err)
		}
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	tried := 0
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		b, err := os.ReadFile(path)
		must(t, err)
		for i := range b {
			flipped := bytes.Clone(b)
			flipped[i] ^= 1 << rand.N(8)
			must(t, os.WriteFile(path, flipped, 0o600))
			seen(fmt.Sprintf("flip in %s at %d", e.Name(), i), nil)
			must(t, os.WriteFile(path, b[:i], 0o600))
			seen(fmt.Sprintf("cut of %s to %d", e.Name(), i), nil)
			tried += 2
		}
		must(t, os.WriteFile(path, append(bytes.Clone(b), 0), 0o600))
		seen("a byte more in "+e.Name(), key)
		must(t, os.Remove(path))
		seen("without "+e.Name(), key)
		must(t, os.WriteFile(path, b, 0o600))
	}
	t.Logf("%d changes tried", tried)
	if ok, err := judge(dir, header, whole.Keys, closed, key); err != nil || ok {
		t.Errorf("restored, it should be whole again: %v", err)
	}
}

// Without close.json, as in a running session, a cut at a frame's border is
// whole to the chain; the heads beside the log show it.
func TestACutAtAFramesBorderIsSeenByItsHead(t *testing.T) {
	r := newRoom(t, t.TempDir())
	header, _ := sample(t, r, "S-1")
	dir := r.path("S-1")
	must(t, os.Remove(filepath.Join(dir, "close.json")))
	name := "c01-tcp.000.brf"
	h, err := recording.HeadAt(dir, name, 0)
	must(t, err)
	report, err := recording.VerifyFolder(dir, header, nil, h)
	must(t, err)
	if !report.Whole() {
		t.Fatalf("untouched: %v", report.Findings)
	}
	must(t, os.Truncate(filepath.Join(dir, name), 0))
	report, err = recording.VerifyFolder(dir, header, nil, h)
	must(t, err)
	if report.Whole() {
		t.Error("the cut was not seen")
	}
}

func TestSwappedFilesAreSeen(t *testing.T) {
	r := newRoom(t, t.TempDir())
	header, _ := sample(t, r, "S-1")
	sample(t, r, "S-2")
	one, two := r.path("S-1"), r.path("S-2")
	rows := []struct{ name, a, b string }{
		{"two parts of a channel", one + "/c00-shell.000.brf", one + "/c00-shell.001.brf"},
		{"two channels", one + "/c00-shell.000.brf", one + "/c01-tcp.000.brf"},
		{"the same channel of two sessions", one + "/c01-tcp.000.brf", two + "/c01-tcp.000.brf"},
		{"headers", one + "/session.json", two + "/session.json"},
		{"keys", one + "/keys.age", two + "/keys.age"},
		{"close.json", one + "/close.json", two + "/close.json"},
	}
	swap := func(a, b string) {
		must(t, os.Rename(a, a+"x"))
		must(t, os.Rename(b, a))
		must(t, os.Rename(a+"x", b))
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			swap(row.a, row.b)
			defer swap(row.a, row.b)
			report, err := recording.VerifyFolder(one, header, nil)
			must(t, err)
			if report.Whole() {
				t.Error("not seen")
			}
		})
	}
}

// A reader with the key stops at the damage, names it, and has shown only what is right.
func TestTheReadablePrefixIsRight(t *testing.T) {
	r := newRoom(t, t.TempDir())
	sample(t, r, "S-1")
	rd, err := r.Open("S-1")
	must(t, err)
	want, err := lines(rd, 0, 0)
	must(t, err)
	path := filepath.Join(r.path("S-1"), "c00-shell.001.brf")
	b, err := os.ReadFile(path)
	must(t, err)
	for i := 0; i < len(b); i += 7 {
		for _, change := range []string{"flip", "cut"} {
			bad := bytes.Clone(b)
			bad[i] ^= 0x10
			if change == "cut" {
				bad = b[:i]
			}
			must(t, os.WriteFile(path, bad, 0o600))
			got, err := lines(rd, 0, 0)
			var damage *recording.Damage
			if !errors.As(err, &damage) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s at %d: %v", change, i, err)
			}
			if damage != nil && damage.File != "c00-shell.001.brf" {
				t.Errorf("%s at %d: blames %s", change, i, damage.File)
			}
			if len(got) >= len(want) || fmt.Sprint(got) != fmt.Sprint(want[:len(got)]) {
				t.Fatalf("%s at %d: wrong prefix %q", change, i, got)
			}
		}
	}
}

func TestNoNonceTwiceAndNoKeyInTheClear(t *testing.T) {
	r := newRoom(t, t.TempDir())
	sample(t, r, "S-1")
	dir := r.path("S-1")
	nonces := recording.NoncesOf(t, dir)
	if len(nonces) < 10 {
		t.Errorf("%d nonces", len(nonces))
	}
	for n, times := range nonces {
		if times != 1 {
			t.Errorf("nonce %x was used %d times", n, times)
		}
	}
	key, err := recording.SessionKey(dir, identity)
	must(t, err)
	err = filepath.WalkDir(r.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, key) || bytes.Contains(b, key[:16]) || bytes.Contains(b, []byte("press 4")) {
			t.Errorf("%s holds the key or the text in the clear", path)
		}
		return err
	})
	must(t, err)
}

func TestVendorInputIsNotCompressed(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	in, out := stream(t, w, 0, "shell"), stream(t, w, 1, "shell")
	same := bytes.Repeat([]byte("a"), 4096)
	must(t, in.Commit(t.Context(), 'i', same))
	must(t, in.Commit(t.Context(), 'q', same))
	must(t, out.Commit(t.Context(), 'o', same))
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	size := func(name string) int64 {
		info, err := os.Stat(filepath.Join(r.path("S-1"), name))
		must(t, err)
		return info.Size()
	}
	if got := size("c00-shell.000.brf"); got != 2*(4096+84) {
		t.Errorf("input and request take %d bytes, want their own length and 84 each", got)
	}
	if got := size("c01-shell.000.brf"); got > 400 {
		t.Errorf("output takes %d bytes", got)
	}
}

// A closed recording that was cut at a frame's border is whole to the chain; the
// reader has close.json.
func TestTheReaderSeesACutAtAFramesBorder(t *testing.T) {
	r := newRoom(t, t.TempDir())
	w := r.create(t, "S-1")
	s := stream(t, w, 0, "shell")
	must(t, s.Commit(t.Context(), 'i', []byte("one")))
	must(t, s.Commit(t.Context(), 'i', []byte("two")))
	_, err := w.Close(t.Context(), "client")
	must(t, err)
	name := "c00-shell.000.brf"
	h, err := recording.HeadAt(r.path("S-1"), name, 0)
	must(t, err)
	must(t, os.Truncate(filepath.Join(r.path("S-1"), name), h.Bytes))
	rd, err := r.Open("S-1")
	must(t, err)
	got, err := lines(rd, -1, 0)
	var damage *recording.Damage
	if !errors.As(err, &damage) || damage.File != name || damage.Offset != h.Bytes || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
}
