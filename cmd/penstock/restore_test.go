package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"penstock/audit"
	"penstock/audit/durable"
)

// handMade is a backup written by hand, entry by entry.
type handMade struct {
	out  bytes.Buffer
	z    *zstd.Encoder
	tar  *tar.Writer
	sums *tally
}

func newHandMade() *handMade {
	h := &handMade{sums: newTally()}
	h.z, _ = zstd.NewWriter(&h.out) // options that are all defaults
	h.tar = tar.NewWriter(h.z)
	return h
}

func (h *handMade) add(name, text string) *handMade {
	return h.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o600}, text)
}

func (h *handMade) header(header *tar.Header, text string) *handMade {
	if err := h.tar.WriteHeader(header); err != nil {
		panic(err)
	}
	if _, err := io.WriteString(h.tar, text); err != nil {
		panic(err)
	}
	sum := sha256.Sum256([]byte(text))
	h.sums.add(header.Name, header.Size, sum[:])
	return h
}

// done ends it as penstock backup does.
func (h *handMade) done() []byte {
	text, err := json.Marshal(h.sums.ending())
	if err != nil {
		panic(err)
	}
	h.add(endName, string(text))
	return h.bytes()
}

func (h *handMade) bytes() []byte {
	if err := errors.Join(h.tar.Close(), h.z.Close()); err != nil {
		panic(err)
	}
	return h.out.Bytes()
}

const aManifest = `{"v":1,"origin":"kiel/penstock/audit/a","size":1,"taken":"2026-11-22T03:00:00Z","by":"sec"}`

func document(text string) string {
	sum := sha256.Sum256([]byte(text))
	digits := hex.EncodeToString(sum[:])
	return "documents/" + digits[:2] + "/" + digits
}

func TestRestoreRefusesWhatNoBackupHolds(t *testing.T) {
	begun := func() *handMade { return newHandMade().add(manifestName, aManifest) }
	entry := func(name string) []byte { return begun().add(name, "x").done() }
	kind := func(h tar.Header) []byte {
		h.Mode = 0o600
		return begun().header(&h, "").done()
	}
	bomb := begun()
	_ = bomb.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "log/entries/00000000.seg", Size: maxPieces + 1, Mode: 0o600})
	_ = bomb.tar.Flush() // the entry is not whole: that is the point
	_ = bomb.z.Close()
	for _, tc := range []struct {
		story string
		bytes []byte
		says  string
	}{
		{"a way out", entry("../evil"), "no place"},
		{"a way out in the middle", entry("log/entries/../../../evil"), "no place"},
		{"a way out as a session", entry("recordings/2026/11/22/../c00-shell.000.brf"), "no place"},
		{"an absolute path", entry("/etc/cron.d/evil"), "no place"},
		{"a path with a backslash", entry(`log\..\evil`), "no place"},
		{"a name with a line break", entry("log/checkpoint\nx"), "no place"},
		{"the rows", entry("state.db"), "no place"},
		{"a key in the open", entry("keys/log.key"), "no place"},
		{"what marks a restored log", entry(restoredFile), "no place"},
		{"a hidden file", entry("recordings/2026/11/22/S-1/.tmp-x"), "no place"},
		{"a link", kind(tar.Header{Typeflag: tar.TypeSymlink, Name: "log/checkpoint", Linkname: "/etc/passwd"}), "no ordinary file"},
		{"a hard link", kind(tar.Header{Typeflag: tar.TypeLink, Name: "log/checkpoint", Linkname: "keys/log.pub"}), "no ordinary file"},
		{"a folder", kind(tar.Header{Typeflag: tar.TypeDir, Name: "log/entries/"}), "no ordinary file"},
		{"a device", kind(tar.Header{Typeflag: tar.TypeChar, Name: "log/checkpoint", Devmajor: 1, Devminor: 3}), "no ordinary file"},
		{"a pipe", kind(tar.Header{Typeflag: tar.TypeFifo, Name: "log/checkpoint"}), "no ordinary file"},
		{"a huge segment", bomb.out.Bytes(), "is the most"},
		{"the same file twice", begun().add("log/checkpoint", "a").add("log/checkpoint", "b").done(), "twice"},
		{"a document of another hash", begun().add(document("yes"), "no").done(), "other bytes than its name says"},
		{"no manifest", newHandMade().add("log/checkpoint", "x").done(), "no backup of penstock"},
		{"a manifest of another build", newHandMade().add(manifestName, strings.Replace(aManifest, `"v":1`, `"v":2`, 1)).done(), "newer penstock"},
		{"a manifest with something more", newHandMade().add(manifestName, strings.Replace(aManifest, `{`, `{"x":1,`, 1)).done(), "manifest.json"},
		{"no end", begun().add("log/checkpoint", "x").bytes(), "torn"},
		{"an end of another backup", begun().add("log/checkpoint", "x").add(endName, `{"files":2,"bytes":3,"sha256":"00"}`).bytes(), "do not fit the sum"},
		{"something after the end", func() []byte {
			h := begun()
			text, _ := json.Marshal(h.sums.ending())
			return h.add(endName, string(text)).add("log/checkpoint", "x").bytes()
		}(), "goes on after"},
		{"no log key", begun().add("log/checkpoint", "x").done(), "not whole"},
		{"nothing", nil, "torn"},
		{"no zstd", []byte("PK\x03\x04 something else"), "no backup"},
	} {
		t.Run(tc.story, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "data")
			r := &restorer{dir: dir, say: t.Logf, moved: func(int64) {}}
			err := r.run(t.Context(), bytes.NewReader(tc.bytes))
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want one that says %q", err, tc.says)
			}
			_ = filepath.WalkDir(top, func(path string, _ fs.DirEntry, _ error) error {
				if path != top {
					t.Errorf("%s was left behind", path)
				}
				return nil
			})
		})
	}
}

func TestRestoreTakesOnlyAnEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "state.db")
	if err := os.WriteFile(file, []byte("here"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &restorer{dir: dir, say: t.Logf, moved: func(int64) {}}
	if err := r.run(t.Context(), bytes.NewReader(nil)); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "here" {
		t.Errorf("what was there is gone: %q %v", b, err)
	}
}

func TestAnInterruptedRestoreIsNoDataDirectory(t *testing.T) {
	d := dataFolder(t.TempDir())
	if err := os.Mkdir(filepath.Join(string(d), unfinished), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.make(); err == nil || !strings.Contains(err.Error(), "restore was interrupted") {
		t.Errorf("error %v: a server would begin a new log here", err)
	}
}

// smallLog is as much of a broker as a backup needs.
func smallLog(t *testing.T) (dataFolder, *audit.Log, *audit.Documents) {
	t.Helper()
	d := dataFolder(t.TempDir())
	if err := d.make(); err != nil {
		t.Fatal(err)
	}
	disk, err := durable.OpenDisk(string(d))
	if err != nil {
		t.Fatal(err)
	}
	signer, _, err := audit.LogKeys(d.keys(), "kiel/penstock/audit/a")
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.OpenLog(d.log(), disk, audit.Options{Origin: "kiel/penstock/audit/a", Node: "a", Signer: signer, Clock: audit.SystemClock(), SegmentSize: 2000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	docs, err := audit.OpenDocuments(d.documents(), disk)
	if err != nil {
		t.Fatal(err)
	}
	return d, log, docs
}

// A copy of a log of several segments, cut at each size, is a log of that size;
// keys come back only to whom they were sealed.
func TestEveryPrefixOfALogComesBack(t *testing.T) {
	d, log, docs := smallLog(t)
	hash, err := docs.Put(t.Context(), []byte("first people"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(identity, []byte(id.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &plantHouse{folder: d, log: log}
	notes := map[audit.Index][]byte{}
	bodies := []audit.Body{audit.LogCreated{Origin: "kiel/penstock/audit/a", Bootstrap: hash}}
	for range 25 {
		bodies = append(bodies, audit.NodeStarted{Version: strings.Repeat("v", 200)})
	}
	for _, b := range bodies {
		if _, err := log.Append(t.Context(), audit.Event{Subject: "x", Actor: "penstock", Body: b}); err != nil {
			t.Fatal(err)
		}
		notes[log.Size()] = log.Checkpoint()
	}
	if x, err := log.Extents(log.Size()); err != nil || len(x) < 3 {
		t.Fatalf("%v %v: the log was to have several segments", x, err)
	}
	newest := filepath.Join(t.TempDir(), "newest")
	if err := os.WriteFile(newest, log.Checkpoint(), 0o600); err != nil {
		t.Fatal(err)
	}
	for size, note := range notes {
		file := h.backupAt(t, size, note, id.Recipient())
		if bytes.Contains(file, []byte("AGE-SECRET")) {
			t.Error("a key stands in the backup")
		}
		to := filepath.Join(t.TempDir(), "data")
		var said []string
		r := &restorer{dir: to, identity: identity, outside: []string{newest}, moved: func(int64) {},
			say: func(format string, a ...any) { said = append(said, format) }}
		if err := r.run(t.Context(), bytes.NewReader(file)); err != nil {
			t.Fatalf("%d leaves: %v", size, err)
		}
		if older := strings.Contains(strings.Join(said, "\n"), "older than what left the machine"); older != (size < log.Size()) {
			t.Errorf("%d of %d leaves: said that it is older: %v", size, log.Size(), older)
		}
		for _, name := range []string{"keys/log.key", "log/checkpoint.synced", restoredFile, document("first people")} {
			if info, err := os.Stat(filepath.Join(to, filepath.FromSlash(name))); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%d leaves: %s: %v", size, name, err)
			}
		}
		reader, err := openLogReader(to)
		if err != nil {
			t.Fatal(err)
		}
		if end, err := reader.End(t.Context()); err != nil || end != size {
			t.Errorf("%d leaves are %d in the copy (%v)", size, end, err)
		}
	}
}

// backupAt is stream for an older checkpoint and without recordings.
func (h *plantHouse) backupAt(t *testing.T, size audit.Index, note []byte, to age.Recipient) []byte {
	t.Helper()
	held, err := readVouched(t.Context(), h.log, size)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	m := manifest{V: 1, Origin: "kiel/penstock/audit/a", Size: size, Taken: time.Now().UTC(), By: "sec"}
	b := &backupWriter{ctx: t.Context(), tar: tar.NewWriter(z), tally: newTally(), at: m.Taken}
	if err := errors.Join(h.fill(b, m, note, held, to), b.tar.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestABackupEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	b := &backupWriter{ctx: ctx, tar: tar.NewWriter(io.Discard), tally: newTally()}
	gone := errors.New("the caller has gone")
	cancel(gone)
	if err := b.bytes("log/checkpoint", []byte("x")); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
}

// Whatever the bytes, restore ends, stays in its bounds and in its folder.
func FuzzReadBackup(f *testing.F) {
	whole := newHandMade().add(manifestName, aManifest).add("log/checkpoint", "x").add(document("d"), "d").add(keysName, "age").done()
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(newHandMade().add(manifestName, aManifest).add("../x", "x").done())
	f.Add(newHandMade().add("x", "").bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := readBackup(t.Context(), bytes.NewReader(b), func(name string, size int64, r io.Reader) error {
			if strings.Contains(name, "..") || filepath.IsAbs(name) || !filepath.IsLocal(name) {
				t.Errorf("%q was let through", name)
			}
			if n, err := io.Copy(io.Discard, r); err == nil && n != size {
				t.Errorf("%s: %d bytes, %d were said", name, n, size)
			}
			return nil
		})
		if err == nil && (got.V != 1 || got.Files == 0) {
			t.Errorf("taken for whole: %+v", got)
		}
	})
}

// A restored log waits for two people, over restarts too, and then no more.
func TestARestoredLogWaitsForTwoPeople(t *testing.T) {
	var c clockState
	steps := []struct {
		body audit.Body
		rule string // of the refusal; "": people are let in
	}{
		{audit.NodeStarted{}, ""},
		{audit.BackupRestored{Size: 4}, "restored-not-accepted"},
		{audit.ClockAccepted{Person: "mia"}, "restored-not-accepted"},
		{audit.ClockAccepted{Person: "mia"}, "restored-not-accepted"},
		{audit.ClockAccepted{Person: "sec"}, ""},
		{audit.ClockStepped{Millis: -5000}, "clock-not-accepted"},
		{audit.ClockAccepted{Person: "mia"}, "clock-not-accepted"},
		{audit.BackupRestored{Size: 8}, "restored-not-accepted"},
		{audit.ClockAccepted{Person: "sec"}, "restored-not-accepted"},
		{audit.ClockAccepted{Person: "mia"}, ""},
	}
	for i, s := range steps {
		c.fold(s.body)
		got := ""
		if c.waits {
			got = c.refusal().Rule
		}
		if got != s.rule {
			t.Errorf("step %d, %s: %q, want %q", i, s.body.Type(), got, s.rule)
		}
	}
}
