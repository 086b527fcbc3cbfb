package verify_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/approvals/evidence"
	"penstock/approvals/evidence/evidencetest"
	"penstock/audit"
	"penstock/audit/verify"
)

func weights(r verify.Report, w verify.Weight) (lines []string) {
	for _, f := range r.Findings {
		if f.Weight == w {
			lines = append(lines, f.Where+": "+f.What)
		}
	}
	return lines
}

func TestWholeFolder(t *testing.T) {
	f := build(t, t.TempDir(), night())
	r, err := f.check(t, f.trust())
	if err != nil {
		t.Fatal(err)
	}
	if wrong := weights(r, verify.Wrong); len(wrong) > 0 {
		t.Fatalf("findings:\n%s", strings.Join(wrong, "\n"))
	}
	if r.Windows != 1 || r.Recordings != 2 || r.Opened != 2 || r.Outside != 1 || r.Documents == 0 || int64(r.Size) != r.Leaves {
		t.Errorf("%+v", r)
	}
	t.Logf("%d leaves, %d documents, notes:\n%s", r.Leaves, r.Documents, strings.Join(weights(r, verify.Note), "\n"))
}

// Every file that holds evidence: a changed bit, a cut, and the file gone are
// found, and named.
func TestEveryFileIsHeld(t *testing.T) {
	const shards = 3 // side by side, each in a folder of its own
	for shard := range shards {
		t.Run(fmt.Sprint(shard), func(t *testing.T) {
			t.Parallel()
			f := build(t, t.TempDir(), night())
			for i, name := range f.files(t) {
				if i%shards == shard {
					f.held(t, name)
				}
			}
			if r, err := f.check(t, f.trust()); err != nil || !r.Proved() {
				t.Fatalf("put back, it does not hold: %v %+v", err, r.Findings)
			}
		})
	}
}

// held changes one file in every way, and puts it back.
func (f folder) held(t *testing.T, name string) {
	t.Helper()
	b, err := os.ReadFile(f.path(name))
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range sample(len(b)) {
		changed := append([]byte{}, b...)
		changed[at] ^= 1 << (at % 8)
		f.with(t, name, changed, "byte flipped")
	}
	for _, n := range []int{0, len(b) / 2, len(b) - 1} {
		if n >= 0 && n < len(b) {
			f.with(t, name, b[:n], "cut")
		}
	}
	f.with(t, name, append(b[:len(b):len(b)], 'x'), "byte added")
	if name != "log/lock" { // empty, and a copy needs none: a note says so
		f.with(t, name, nil, "gone")
	}
	if err := os.WriteFile(f.path(name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sample is every byte of a small file; of others the first and the last ones
// and every 601st. (All 24 563 take three minutes; each was found.)
func sample(n int) (at []int) {
	for i := range n {
		if n <= 24 || i < 2 || i >= n-2 || i%601 == 17 {
			at = append(at, i)
		}
	}
	return at
}

// with puts other bytes into a file (nil: removes it), and wants that named.
func (f folder) with(t *testing.T, name string, b []byte, what string) {
	t.Helper()
	path := f.path(name)
	err := os.Remove(path)
	if err == nil && b != nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	var walk verify.Walk // windows only where they could make the difference: it is most of the time
	if strings.HasPrefix(name, "documents/") || strings.HasPrefix(name, "log/entries/") {
		walk = evidence.NewWalk(verify.NewDocuments(f.dir))
	}
	r, err := verify.Dir(context.Background(), f.dir, f.trust(), walk, nil)
	if err != nil {
		t.Fatalf("%s, %s: could not check: %v", name, what, err)
	}
	wrong := weights(r, verify.Wrong)
	for _, line := range wrong {
		if strings.Contains(line, name) || strings.HasPrefix(name, "log/entries/") && strings.HasPrefix(line, "log/entries") {
			return
		}
	}
	t.Errorf("%s, %s: not named among %d findings:\n%s", name, what, len(wrong), strings.Join(wrong, "\n"))
}

func TestExtraAndSwapped(t *testing.T) {
	whole := build(t, t.TempDir(), night())
	for _, row := range []struct {
		story string
		do    func(t *testing.T, f folder)
		want  string
	}{
		{"a file among the entries", put("log/entries/x"), "log/entries/x: does not belong"},
		{"a file in the log", put("log/x"), "log/x: does not belong"},
		{"a file among the heads", put("log/heads/x"), "log/heads/x: does not belong"},
		{"heads of a month that no leaf names", put("log/heads/2031-01.txt"), "log/heads/2031-01.txt"},
		{"a file among the documents", put("documents/x"), "documents/x: does not belong"},
		{"a document with another content than its name", put("documents/00/" + strings.Repeat("0", 64)), "holds other bytes than its name says"},
		{"an old document that no leaf names", func(t *testing.T, f folder) {
			name := "documents/2d/2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" // of "x"
			put(name)(t, f)
			if err := os.Chtimes(f.path(name), time.Time{}, evidencetest.Night.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}, "is named by no leaf, and the broker has been started since"},
		{"a document of a crash, after a clean stop", put("documents/00/.tmp-x"), "unfinished"},
		{"a file among the recordings", put("recordings/x"), "recordings/x: does not belong"},
		{"a folder among the recordings", put("recordings/2026/11/21/S-99/session.json"), "recordings/2026/11/21/S-99: no leaf names this recording"},
		{"a file in a recording", put("recordings/2026/11/21/S-1/x"), "S-1/x: does not belong"},
		{"a part more in a recording", put("recordings/2026/11/21/S-1/c01-exec.000.brf"), "S-1/c01-exec.000.brf"},
		{"two recordings swapped", func(t *testing.T, f folder) {
			swap(t, f, "recordings/2026/11/21/S-1", "recordings/2026/11/21/S-2")
		}, "S-1/session.json: is of S-2: the recordings were swapped"},
		{"their frames swapped", func(t *testing.T, f folder) {
			swap(t, f, "recordings/2026/11/21/S-1/c00-shell.000.brf", "recordings/2026/11/21/S-2/c00-shell.000.brf")
		}, "S-1/c00-shell.000.brf"},
		{"their keys swapped", func(t *testing.T, f folder) {
			swap(t, f, "recordings/2026/11/21/S-1/keys.age", "recordings/2026/11/21/S-2/keys.age")
		}, "S-1/keys.age"},
		{"their ends swapped", func(t *testing.T, f folder) {
			swap(t, f, "recordings/2026/11/21/S-1/close.json", "recordings/2026/11/21/S-2/close.json")
		}, "S-1/close.json: is not the one that the log names"},
		{"a recording in another day", func(t *testing.T, f folder) {
			if err := os.MkdirAll(f.path("recordings/2026/11/22"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(f.path("recordings/2026/11/21/S-1"), f.path("recordings/2026/11/22/S-1")); err != nil {
				t.Fatal(err)
			}
		}, "lies in another folder than its day's"},
		{"a recording gone", func(t *testing.T, f folder) {
			if err := os.RemoveAll(f.path("recordings/2026/11/21/S-1")); err != nil {
				t.Fatal(err)
			}
		}, "S-1: its recording is missing"},
		{"two documents swapped", func(t *testing.T, f folder) {
			var names []string
			for _, n := range f.files(t) {
				if strings.HasPrefix(n, "documents/") {
					names = append(names, n)
				}
			}
			swap(t, f, names[0], names[1])
		}, "holds other bytes than the log names"},
	} {
		t.Run(row.story, func(t *testing.T) {
			f := folder{dir: t.TempDir(), key: whole.key, checkpoint: whole.checkpoint}
			if err := os.CopyFS(f.dir, os.DirFS(whole.dir)); err != nil {
				t.Fatal(err)
			}
			row.do(t, f)
			r, err := f.check(t, f.trust())
			if err != nil {
				t.Fatal(err)
			}
			if wrong := strings.Join(weights(r, verify.Wrong), "\n"); !strings.Contains(wrong, row.want) {
				t.Errorf("no finding says %q:\n%s", row.want, wrong)
			}
		})
	}
}

func put(name string) func(*testing.T, folder) {
	return func(t *testing.T, f folder) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(f.path(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path(name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func swap(t *testing.T, f folder, a, b string) {
	t.Helper()
	for _, move := range [][2]string{{a, "aside"}, {b, a}, {"aside", b}} {
		if err := os.Rename(f.path(move[0]), f.path(move[1])); err != nil {
			t.Fatal(err)
		}
	}
}

// A broker that was killed leaves halves of what it wrote. Nothing of that is
// wrong, all of it is told; after a clean stop the same would be wrong.
func TestKilledFolder(t *testing.T) {
	s := night()
	for i, step := range s.Steps {
		if b, ok := step.Event.Body.(audit.FirstByte); ok && b.Session == "S-2" {
			s.Steps = s.Steps[:i+1]
			break
		}
	}
	f := build(t, t.TempDir(), s)
	for _, name := range []string{"log/entries/00000000.seg", "log/heads/" + time.Now().UTC().Format("2006-01") + ".txt", "recordings/2026/11/21/S-1/c00-shell.000.brf"} {
		add(t, f.path(name), "BRF1half")
	}
	put("documents/00/.tmp-x")(t, f)
	put("log/.tmp-checkpoint")(t, f)
	put("documents/2d/2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881")(t, f) // of "x"
	put("recordings/2026/11/21/.S-3/session.json")(t, f)
	r, err := f.check(t, f.trust())
	if err != nil || !r.Proved() {
		t.Fatalf("%v\n%s", err, strings.Join(weights(r, verify.Wrong), "\n"))
	}
	notes := strings.Join(weights(r, verify.Note), "\n")
	for _, want := range []string{"8 bytes after the last whole leaf", "log/heads/", "S-1/c00-shell.000.brf byte", "S-1: has no end", "S-2: has no end",
		"documents/00/.tmp-x", "log/.tmp-checkpoint", "2d711642", "is named by no leaf", ".S-3", "session S-1 (leaf 17) has no end yet"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note says %q:\n%s", want, notes)
		}
	}
}

// Half a line of heads that a crash left stays for good, and is no fault of the
// clean stop that came later.
func TestHeadsOfAnEarlierCrash(t *testing.T) {
	s := night()
	s.Add(9500, "penstock", audit.NodeStarted{Version: "test"}, "a")
	s.Insert(s.Step("session.ended", 1))
	f := build(t, t.TempDir(), s)
	name := "log/heads/" + time.Now().UTC().Format("2006-01") + ".txt"
	add(t, f.path(name), "half a line")
	r, err := f.check(t, f.trust())
	if notes := strings.Join(weights(r, verify.Note), "\n"); err != nil || !r.Proved() || !strings.Contains(notes, name) {
		t.Errorf("%v, wrong: %q, notes:\n%s", err, weights(r, verify.Wrong), notes)
	}
}

func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// Recordings that a foreign identity cannot open are checked by their hashes,
// and that is said; a recording's damage is found without any key.
func TestSealedToSomebodyElse(t *testing.T) {
	f := build(t, t.TempDir(), night())
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	trust := f.trust()
	trust.Identity = other.String()
	r, err := f.check(t, trust)
	if err != nil || !r.Proved() || r.Opened != 0 || !strings.Contains(strings.Join(weights(r, verify.Note), "\n"), "S-1: is sealed to somebody else") {
		t.Fatalf("%v %+v", err, r)
	}
	path := f.path("recordings/2026/11/21/S-1/c00-shell.000.brf")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = f.check(t, trust); err != nil || r.Proved() {
		t.Errorf("a changed byte of a sealed recording is not found: %v", err)
	}
}

func TestProgressAndEnd(t *testing.T) {
	f := build(t, t.TempDir(), night())
	var last, all int64
	_, err := verify.Dir(context.Background(), f.dir, f.trust(), nil, func(done, of int64) {
		if done < last || done > of {
			t.Errorf("progress goes from %d to %d of %d", last, done, of)
		}
		last, all = done, of
	})
	if err != nil || all == 0 || last < all*9/10 {
		t.Errorf("%v: %d of %d bytes", err, last, all)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := verify.Dir(ctx, f.dir, f.trust(), nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// What the folder alone cannot show, a checkpoint from outside does.
func TestOutsideCheckpoint(t *testing.T) {
	first := build(t, t.TempDir(), night())
	again := func(t *testing.T, s *evidencetest.Story) folder { // by somebody with the broker's key
		dir := t.TempDir()
		if err := os.CopyFS(filepath.Join(dir, "keys"), os.DirFS(filepath.Join(first.dir, "keys"))); err != nil {
			t.Fatal(err)
		}
		for _, k := range []string{"log.key", "recordings.key"} {
			if err := os.Chmod(filepath.Join(dir, "keys", k), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return build(t, dir, s)
	}
	for _, row := range []struct {
		story string
		tell  func() *evidencetest.Story
		want  string
	}{
		{"rewritten, and as long", func() *evidencetest.Story {
			s := night()
			s.Step("person.asked", 0).Event.Body = audit.PersonAsked{Role: "line-1-owner", People: []string{"olaf", "otto"}}
			return s
		}, "were signed for"},
		{"rolled back", func() *evidencetest.Story {
			s := night()
			s.Drop(s.Step("node.stopped", 0))
			return s
		}, "it was rolled back or cut"},
	} {
		t.Run(row.story, func(t *testing.T) {
			f := again(t, row.tell())
			r, err := f.check(t, verify.Trust{})
			if err != nil || !r.Proved() {
				t.Fatalf("by itself it holds: %v %+v", err, r.Findings)
			}
			if notes := strings.Join(weights(r, verify.Note), "\n"); !strings.Contains(notes, "no outside checkpoint was given") || !strings.Contains(notes, "came from the folder itself") {
				t.Errorf("it does not say what it cannot prove:\n%s", notes)
			}
			r, err = f.check(t, first.trust())
			if err != nil || r.Proved() {
				t.Fatalf("with the checkpoint: %v, proved %v", err, r.Proved())
			}
			if wrong := strings.Join(weights(r, verify.Wrong), "\n"); !strings.Contains(wrong, "outside checkpoint 1: ") {
				t.Errorf("findings:\n%s", wrong)
			}
		})
	}
	t.Run("of another log", func(t *testing.T) {
		other := build(t, t.TempDir(), night())
		trust := first.trust()
		trust.Checkpoints = []verify.Kept{{Name: "outside checkpoint 1", Text: other.checkpoint}}
		if r, err := first.check(t, trust); err != nil || !strings.Contains(strings.Join(weights(r, verify.Wrong), "\n"), "is not one of this log") {
			t.Errorf("%v %+v", err, r.Findings)
		}
	})
}

// What cannot be checked is an error, and no verdict.
func TestCannotCheck(t *testing.T) {
	f := build(t, t.TempDir(), night())
	for _, row := range []struct {
		story string
		do    func(t *testing.T) (folder, verify.Trust)
		want  string
	}{
		{"no folder", func(t *testing.T) (folder, verify.Trust) {
			return folder{dir: filepath.Join(t.TempDir(), "nowhere")}, verify.Trust{}
		}, "nowhere"},
		{"a file", func(t *testing.T) (folder, verify.Trust) {
			return folder{dir: f.path("keys/log.pub")}, verify.Trust{}
		}, "is no folder"},
		{"no key at all", func(t *testing.T) (folder, verify.Trust) { return folder{dir: t.TempDir()}, verify.Trust{} }, "no key to check the log with"},
		{"a key that is none", func(t *testing.T) (folder, verify.Trust) { return f, verify.Trust{LogKey: "x+y+z"} }, "the log's key as given"},
		{"an identity that is none", func(t *testing.T) (folder, verify.Trust) {
			trust := f.trust()
			trust.Identity = "AGE-SECRET-KEY-1NOT"
			return f, trust
		}, "is not an AGE-SECRET-KEY-1… line"},
	} {
		t.Run(row.story, func(t *testing.T) {
			f, trust := row.do(t)
			_, err := f.check(t, trust)
			if err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "1NOT") {
				t.Errorf("error %v, want %q in it", err, row.want)
			}
		})
	}
}
