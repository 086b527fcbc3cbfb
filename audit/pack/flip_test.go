package pack_test

import (
	"archive/zip"
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/approvals/evidence/evidencetest"
	"penstock/audit/pack"
	"penstock/audit/verify"
)

// TestEveryByte: one flipped bit anywhere in the file is found, and the first
// finding names the file in the pack where it lies. A sample, with both ends whole.
func TestEveryByte(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	b := made(t, order(t, f))
	owner := owners(t, b)
	trust := verify.Trust{LogKey: f.Key}
	at := map[int]bool{}
	for i := range 15 {
		at[i], at[len(b)-1-i] = true, true
	}
	random := rand.New(rand.NewPCG(1, 2))
	for len(at) < 80 {
		at[random.IntN(len(b))] = true
	}
	for i := range at {
		b[i] ^= 1 << (i % 8)
		r := checked(t, b, trust)
		b[i] ^= 1 << (i % 8)
		switch first := firstWrong(r); {
		case r.Proved():
			t.Errorf("byte %d (%s) was flipped, and it is proved", i, owner(i))
		case owner(i) != "" && !strings.Contains(first, owner(i)):
			t.Errorf("byte %d lies in %s, and the first finding is %s", i, owner(i), first)
		}
	}
}

func firstWrong(r verify.Report) string {
	for _, f := range r.Findings {
		if f.Weight == verify.Wrong {
			return f.Where + ": " + f.What
		}
	}
	return ""
}

// owners says in which file's content a byte lies; "": between them.
func owners(t *testing.T, b []byte) func(int) string {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	type span struct {
		from, to int64
		name     string
	}
	var spans []span
	for _, f := range z.File {
		from, err := f.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		spans = append(spans, span{from, from + int64(f.UncompressedSize64), f.Name})
	}
	return func(i int) string {
		for _, s := range spans {
			if int64(i) >= s.from && int64(i) < s.to {
				return s.name
			}
		}
		return ""
	}
}

// entry is a file of a pack that is put together by hand.
type entry struct {
	name   string
	text   []byte
	method uint16
}

// entries takes a pack apart.
func entries(t testing.TB, b []byte) (list []entry) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, entry{f.Name, text, zip.Store})
	}
	return list
}

func zipped(t testing.TB, list []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range list {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: e.method, Modified: evidencetest.At(15200)})
		if err == nil {
			_, err = w.Write(e.text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestHostile: packs put together by somebody else, each named first.
func TestHostile(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	other := evidencetest.Build(t, t.TempDir(), evidencetest.New(evidencetest.Plant()))
	b := made(t, order(t, f))
	find := func(list []entry, name string) *entry {
		for i := range list {
			if strings.HasPrefix(list[i].name, name) {
				return &list[i]
			}
		}
		t.Fatalf("no %s in the pack", name)
		return nil
	}
	for _, row := range []struct {
		story string
		do    func([]entry) []entry
		want  string
	}{
		{"a name that leads out", func(l []entry) []entry { return append(l, entry{"../../etc/cron.d/x", nil, zip.Store}) }, "does not belong in a pack"},
		{"an absolute name", func(l []entry) []entry { return append(l, entry{"/tmp/x", nil, zip.Store}) }, "does not belong in a pack"},
		{"a backslash", func(l []entry) []entry { return append(l, entry{`documents\..\x`, nil, zip.Store}) }, "does not belong in a pack"},
		{"a name twice", func(l []entry) []entry { return append(l, *find(l, "index.html")) }, "stands in the pack twice"},
		{"a bomb", func(l []entry) []entry {
			find(l, "index.txt").text, find(l, "index.txt").method = make([]byte, 8<<20), zip.Deflate
			return l
		}, "stored as it is"},
		{"a file more", func(l []entry) []entry {
			return append(l, entry{"documents/" + strings.Repeat("0", 64), []byte("x"), zip.Store})
		}, "was added"},
		{"a file less", func(l []entry) []entry { return l[1:] }, "log/log.pub: is missing"},
		{"no manifest", func(l []entry) []entry { return l[:len(l)-1] }, "manifest.json: is missing"},
		{"two recordings swapped", func(l []entry) []entry {
			a, b := find(l, "recordings/S-1/c00"), find(l, "recordings/S-2/c00")
			a.text, b.text = b.text, a.text
			return l
		}, "recordings/S-1/c00"},
		{"another order", func(l []entry) []entry { l[0], l[1] = l[1], l[0]; return l }, "is proved"},
		{"another's key", func(l []entry) []entry { find(l, "log/log.pub").text = []byte(other.Key); return l }, "log/log.pub"},
		{"cut", nil, "was cut"},
	} {
		t.Run(row.story, func(t *testing.T) {
			bad := b[:len(b)-7]
			if row.do != nil {
				bad = zipped(t, row.do(entries(t, b)))
			}
			r := checked(t, bad, verify.Trust{LogKey: f.Key})
			first := firstWrong(r)
			if row.want == "is proved" {
				if !r.Proved() {
					t.Errorf("the order of files is no evidence, and %s", first)
				}
				return
			}
			if !strings.Contains(first, row.want) {
				t.Errorf("it says first %q, and not %q", first, row.want)
			}
		})
	}
}

// TestAnotherLog: a pack of a log that was made up is sound in itself, and is
// told from the real one by the key alone.
func TestAnotherLog(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	forged := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	b := made(t, order(t, forged))
	if r := checked(t, b, verify.Trust{}); !r.Proved() || !strings.Contains(said(r), "compare it with one from elsewhere") {
		t.Errorf("without a key: %s", said(r))
	}
	if r := checked(t, b, verify.Trust{LogKey: f.Key}); !strings.HasPrefix(firstWrong(r), "log/log.pub: is not the key that was given") {
		t.Errorf("with the real key: %s", firstWrong(r))
	}
	fork := checked(t, made(t, order(t, f)), verify.Trust{LogKey: f.Key, Checkpoints: []verify.Kept{{Name: "kept", Text: forged.Checkpoint}}})
	if !strings.HasPrefix(firstWrong(fork), "kept: is not one of this log") {
		t.Errorf("a checkpoint of another log: %s", firstWrong(fork))
	}
}

func said(r verify.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		b.WriteString(f.Where + ": " + f.What + "\n")
	}
	return b.String()
}

// FuzzCheck: no file makes the check panic, hang, or write outside its own folder.
func FuzzCheck(f *testing.F) {
	folder := evidencetest.Build(f, f.TempDir(), evidencetest.New(evidencetest.Plant()))
	b := made(f, order(f, folder))
	f.Add(b)
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Add([]byte("PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00"))
	f.Add(zipped(f, []entry{{"manifest.json", []byte(`{"v":1}`), zip.Store}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "pack.zip")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r, _, err := pack.Check(t.Context(), path, verify.Trust{LogKey: folder.Key}, story, nil)
		if err == nil && r.Proved() && !bytes.Equal(data, b) {
			t.Error("another file is proved")
		}
	})
}
