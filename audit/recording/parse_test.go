package recording_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"

	"penstock/audit"
	"penstock/audit/recording"
)

var testKey = bytes.Repeat([]byte{7}, 32)

const (
	packed = 1
	first  = 2
	anew   = 4
)

// pack is zstd behind the length that is claimed for it.
func pack(t testing.TB, claim uint32, data []byte) []byte {
	t.Helper()
	b := bytes.NewBuffer(binary.BigEndian.AppendUint32(nil, claim))
	z, err := zstd.NewWriter(b, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(256<<10))
	must(t, err)
	_, err = z.Write(data)
	must(t, errors.Join(err, z.Flush()))
	return b.Bytes()
}

// Frames that only somebody with the key can make: well sealed, and wrong.
func TestWellSealedNonsenseIsDamage(t *testing.T) {
	bomb := pack(t, 64<<10, make([]byte, 64<<20))
	if len(bomb) > 60_000 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	var wide bytes.Buffer // a window that is larger than any of ours
	z, err := zstd.NewWriter(&wide, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	must(t, err)
	_, err = z.Write([]byte("x"))
	must(t, errors.Join(err, z.Flush()))
	rows := []struct {
		story string
		flags byte
		plain []byte
	}{
		{"no zstd at all", packed | first, []byte("\x00\x00\x00\x04abcd")},
		{"no length", packed | first, []byte{0, 0}},
		{"a length of nothing", packed | first, pack(t, 0, []byte("x"))},
		{"a length of 4 GiB", packed | first, pack(t, 1<<32-1, []byte("x"))},
		{"less data than its length says", packed | first, pack(t, 10, []byte("x"))},
		{"more data than its length says", packed | first, pack(t, 64<<10, make([]byte, 300<<10))},
		{"a bomb of 64 MiB", packed | first, bomb},
		{"a window of 8 MiB", packed | first, append([]byte{0, 0, 0, 1}, wide.Bytes()...)},
		{"plain data of more than 64 KiB", first, make([]byte, 64<<10+1)},
		{"not marked as the first of its part", 0, []byte("x")},
		{"unknown flags", first | 8, []byte("x")},
		{"a stream that begins with data as it is", first | anew, []byte("x")},
	}
	for _, row := range rows {
		t.Run(row.story, func(t *testing.T) {
			_, err := recording.ReadFrames(t, t.TempDir(), recording.SealOne(t, testKey, 'o', row.flags, row.plain), testKey)
			var damage *recording.Damage
			if !errors.As(err, &damage) || damage.Offset != 0 {
				t.Errorf("%v", err)
			}
		})
	}
	if n, err := recording.ReadFrames(t, t.TempDir(), recording.SealOne(t, testKey, 'o', packed|first, pack(t, 5, []byte("right"))), testKey); n != 1 || err != nil {
		t.Errorf("a right one: %d, %v", n, err)
	}
	other := bytes.Repeat([]byte{8}, 32)
	if _, err := recording.ReadFrames(t, t.TempDir(), recording.SealOne(t, testKey, 'o', first, []byte("x")), other); err == nil {
		t.Error("another key opens it")
	}
}

// Any bytes as a part: frames, Damage, or a torn tail; no panic, no memory
// beyond a frame's.
func FuzzFrames(f *testing.F) {
	right := recording.SealOne(f, testKey, 'i', first, []byte("ls\r"))
	f.Add([]byte{})
	f.Add(right)
	f.Add(right[:len(right)-1])
	f.Add(append(bytes.Clone(right), right...)) // the same frame twice
	f.Add(recording.SealOne(f, testKey, 'o', packed|first, pack(f, 2, []byte("ok"))))
	f.Add(recording.SealOne(f, testKey, 'o', packed|first|anew, pack(f, 2, []byte("ok"))))
	f.Add([]byte("BRF1\xff\xff\xff\xffo\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, key := range [][]byte{nil, testKey} {
			_, err := recording.ReadFrames(t, dir, b, key)
			var damage *recording.Damage
			if err != nil && !errors.As(err, &damage) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("neither damage nor torn: %v", err)
			}
		}
	})
}

// Any bytes as session.json: refused, or exactly what would be written again.
func FuzzHeader(f *testing.F) {
	h := header("S-17")
	h.V, h.Mode = 1, "readable"
	b, err := audit.Canonical(h)
	must(f, err)
	f.Add(b)
	f.Add(bytes.Replace(b, []byte(`"v":1`), []byte(`"v":2`), 1))
	f.Add(bytes.Replace(b, []byte(`"S-17"`), []byte(`"../../etc"`), 1))
	f.Add(append(bytes.Clone(b), ' '))
	f.Add([]byte(`{"v":1,"v":1}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := recording.ParseHeader(b)
		if err != nil {
			return
		}
		again, err := audit.Canonical(h)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted %s, which would be written %s", b, again)
		}
		if filepath.Base(h.Session) != h.Session {
			t.Fatalf("session %q", h.Session)
		}
	})
}

// FuzzHeadLine: any bytes as a line of log/heads.
func FuzzHeadLine(f *testing.F) {
	f.Add([]byte(`{"bytes":84,"channel":0,"file":"c00-shell.000.brf","head":"sha256:0000000000000000000000000000000000000000000000000000000000000000","seq":0,"session":"S-1"}`))
	f.Add([]byte(`{"bytes":-1}`))
	f.Add([]byte("{}{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := recording.ParseHead(b)
		if err != nil {
			return
		}
		if again, err := audit.Canonical(h); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("accepted %s, which would be written %s", b, again)
		}
	})
}

func TestForeignFilesAndNames(t *testing.T) {
	r := newRoom(t, t.TempDir())
	header, _ := sample(t, r, "S-1")
	dir := r.path("S-1")
	for _, name := range []string{"c00-shell.1.brf", "c0-shell.000.brf", "c00-shell.099.brf", "c00-tcp.000.brf", "c02-x.000.brf", ".hidden", "notes.txt", "reserve"} {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, nil, 0o600))
		report, err := recording.VerifyFolder(dir, header, nil)
		must(t, err)
		if report.Whole() {
			t.Errorf("%s was not seen", name)
		}
		must(t, os.Remove(path))
	}
	must(t, os.Symlink("/etc/passwd", filepath.Join(dir, "c02-x.000.brf")))
	report, err := recording.VerifyFolder(dir, header, nil)
	must(t, err)
	if report.Whole() {
		t.Error("a link was not seen")
	}
	if _, err := r.Open("S-1"); err == nil {
		t.Error("the reader follows a link")
	}
}
