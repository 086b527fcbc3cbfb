package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/approvals/evidence/evidencetest"
)

// call runs the command as a person would.
func verified(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, &o, &e)
	return code, o.String(), e.String()
}

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVerifyCommand(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	checkpoint := write(t, "checkpoint", f.Checkpoint)
	identity := filepath.Join(f.Dir, "keys", "recordings.key")
	damaged := t.TempDir()
	if err := os.CopyFS(damaged, os.DirFS(f.Dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(damaged, "recordings/2026/11/21/S-1/close.json")); err != nil {
		t.Fatal(err)
	}
	hostile := filepath.Join(damaged, "log", "a\x1b[2Jb")
	if err := os.WriteFile(hostile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		story string
		args  []string
		code  int
		want  []string // words on stdout or stderr
		not   []string
	}{
		{"with all that an auditor can bring", []string{f.Dir, "--checkpoint", checkpoint, "--key", strings.TrimSpace(f.Key), "--identity", identity}, exitProved,
			[]string{"Proved, as far as this goes", "it continues the checkpoint from outside", "leaves 0 to ", "by the key that you gave", "recordings  2", "server's word"},
			[]string{"compare with a checkpoint", "that the log's key is this broker's"}},
		{"the key in a file", []string{f.Dir, "--key", filepath.Join(f.Dir, "keys", "log.pub")}, exitProved, []string{"by the key that you gave"}, nil},
		{"with nothing", []string{f.Dir}, exitProved,
			[]string{"by the key that lies beside it", "compare with a checkpoint that was kept elsewhere", "that the log's key is this broker's", "read a recording offline"}, nil},
		{"a damaged folder, with a hostile name in it", []string{damaged}, exitNo,
			[]string{"NOT PROVED. ", "S-1/close.json: is missing", `a\u001b[2Jb: does not belong`}, []string{"\x1b", "Proved,"}},
		{"a checkpoint that is none", []string{f.Dir, "--checkpoint", identity}, exitNo, []string{"holds no checkpoint"}, []string{"AGE-SECRET"}},
		{"no folder", []string{filepath.Join(f.Dir, "nowhere")}, exitError, []string{"could not check", "nowhere"}, []string{"Proved"}},
		{"no checkpoint file", []string{f.Dir, "--checkpoint", "/nowhere"}, exitError, []string{"read the checkpoint"}, nil},
		{"an identity that is none", []string{f.Dir, "--identity", checkpoint}, exitError, []string{"is not an AGE-SECRET-KEY-1"}, nil},
		{"no path", nil, exitUsage, []string{"name one data folder, or one evidence pack"}, nil},
		{"two paths", []string{f.Dir, f.Dir}, exitUsage, []string{"name one data folder, or one evidence pack"}, nil},
		{"an unknown flag", []string{"--force", f.Dir}, exitUsage, []string{"unknown flag"}, nil},
		{"help", []string{"--help"}, exitProved, []string{"Exit 3"}, nil},
	} {
		t.Run(row.story, func(t *testing.T) {
			code, out, errs := verified(t, row.args...)
			if code != row.code {
				t.Errorf("exit %d, want %d", code, row.code)
			}
			for _, w := range row.want {
				if !strings.Contains(out+errs, w) {
					t.Errorf("it does not say %q", w)
				}
			}
			for _, w := range row.not {
				if strings.Contains(out+errs, w) {
					t.Errorf("it says %q", w)
				}
			}
			if t.Failed() {
				t.Logf("%s%s", out, errs)
			}
		})
	}
}

func TestVerifyJSON(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	var got struct {
		Proved     bool
		Windows    int
		Recordings int
		Findings   []struct{ Weight, Where, What string }
	}
	code, out, _ := verified(t, "--json", f.Dir)
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitProved || !got.Proved || got.Windows != 1 || got.Recordings != 2 {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if err := os.Remove(filepath.Join(f.Dir, "log", "checkpoint.synced")); err != nil {
		t.Fatal(err)
	}
	code, out, _ = verified(t, "--json", f.Dir)
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != exitNo || got.Proved {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	for _, g := range got.Findings {
		if g.Weight == "wrong" && g.Where == "log/checkpoint.synced" {
			return
		}
	}
	t.Errorf("findings: %+v", got.Findings)
}

// TestFirstTheOneThatMatters: one byte is flipped, and what follows from it
// stands below it, bounded; what is wrong elsewhere keeps its own line.
func TestFirstTheOneThatMatters(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	folder := filepath.Join(f.Dir, "recordings", "2026", "11", "21")
	for _, name := range []string{"S-1/session.json", "S-2/close.json"} {
		path := filepath.Join(folder, filepath.FromSlash(name))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/3] ^= 1
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, out, _ := verified(t, f.Dir)
	said, _, _ := strings.Cut(out, "\n\n")
	var first, after []string
	for line := range strings.Lines(said) {
		switch {
		case strings.HasPrefix(line, "      "):
			after = append(after, line)
		case strings.HasPrefix(line, "  "):
			first = append(first, line)
		}
	}
	if len(first) != 2 || !strings.Contains(first[0], "S-1/session.json byte") || !strings.Contains(first[1], "S-2/close.json byte") {
		t.Errorf("first lines: %q", first)
	}
	if len(after) != 5 || !strings.Contains(after[3], "more there; --json shows all") {
		t.Errorf("what follows: %q", after)
	}
}

// TestShortWhenWell: a sound folder's report fits on a screen, the verdict first.
func TestShortWhenWell(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	for _, args := range [][]string{{f.Dir}, {f.Dir, "--key", strings.TrimSpace(f.Key), "--checkpoint", write(t, "checkpoint", f.Checkpoint)}} {
		_, out, _ := verified(t, args...)
		if n := strings.Count(out, "\n"); n > 15 || !strings.HasPrefix(out, "Proved") {
			t.Errorf("%d lines:\n%s", n, out)
		}
	}
}

// TestPage: the page stands alone, tells the window, and puts what is wrong first.
func TestPage(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	page := func(args ...string) string {
		t.Helper()
		name := filepath.Join(t.TempDir(), "report.html")
		verified(t, append(args, f.Dir, "--html", name)...)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	well := page("--key", strings.TrimSpace(f.Key))
	at := 0
	for _, want := range []string{"Proved, as far as this goes", "What is proved, and by what", "What is not proved", "read a recording offline", "W-1 of R-1", "Valve timing",
		"olaf (line-1-owner) says yes", "Who had to agree", "said yes: olaf", "opened by mia, ends Sat 2026-11-21 23:06:40 CET", "S-1 channel 0: shell", "close.json sha256:", "valve 3 set to 40 ms"} {
		i := strings.Index(well[at:], want)
		if i < 0 {
			t.Errorf("it does not say %q, in its place", want)
			continue
		}
		at += i
	}
	for _, never := range []string{"<script", "http://", "https://", "src=", "url(", "<link"} {
		if strings.Contains(well, never) {
			t.Errorf("it has %q", never)
		}
	}
	if err := os.Remove(filepath.Join(f.Dir, "recordings/2026/11/21/S-2/close.json")); err != nil {
		t.Fatal(err)
	}
	bad := page()
	wrong, told := strings.Index(bad, "S-2/close.json"), strings.Index(bad, "W-1 of R-1")
	if !strings.Contains(bad, "NOT PROVED") || wrong < 0 || told < wrong || strings.Contains(bad, "What is proved") {
		t.Errorf("a damaged folder: verdict %v, finding at %d, window at %d", strings.Contains(bad, "NOT PROVED"), wrong, told)
	}
}

// TestFirstLine: whatever was done to the folder, the first line names it.
func TestFirstLine(t *testing.T) {
	f := evidencetest.Build(t, t.TempDir(), evidencetest.Two())
	day := "recordings/2026/11/21/"
	copied := func(t *testing.T) string {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(f.Dir)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	must := func(t *testing.T, errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	// another history under the same key: what somebody with the broker's machine could write
	forked := t.TempDir()
	if err := os.CopyFS(filepath.Join(forked, "keys"), os.DirFS(filepath.Join(f.Dir, "keys"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(forked, "keys", "log.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	fork := evidencetest.Build(t, forked, evidencetest.New(evidencetest.Plant()))
	kept := write(t, "kept", f.Checkpoint)
	for _, row := range []struct {
		story string
		do    func(t *testing.T) []string
		want  []string
	}{
		{"two recordings swapped", func(t *testing.T) []string {
			dir := copied(t)
			at := filepath.Join(dir, filepath.FromSlash(day))
			must(t, os.Rename(filepath.Join(at, "S-1"), filepath.Join(at, "x")), os.Rename(filepath.Join(at, "S-2"), filepath.Join(at, "S-1")), os.Rename(filepath.Join(at, "x"), filepath.Join(at, "S-2")))
			return []string{dir}
		}, []string{"S-", "session.json"}},
		{"a file of frames twice", func(t *testing.T) []string {
			dir := copied(t)
			b, err := os.ReadFile(filepath.Join(dir, day, "S-1/c00-shell.000.brf"))
			must(t, err, os.WriteFile(filepath.Join(dir, day, "S-1/c00-shell.001.brf"), b, 0o600))
			return []string{dir}
		}, []string{"S-1/c00-shell.00"}},
		{"a recording twice", func(t *testing.T) []string {
			dir := copied(t)
			must(t, os.CopyFS(filepath.Join(dir, "recordings/2026/11/22/S-1"), os.DirFS(filepath.Join(dir, day, "S-1"))))
			return []string{dir}
		}, []string{"11/22/S-1", "second recording"}},
		{"a file more", func(t *testing.T) []string {
			dir := copied(t)
			must(t, os.WriteFile(filepath.Join(dir, "log", "entries", "note"), nil, 0o600))
			return []string{dir}
		}, []string{"log/entries/note"}},
		{"a fork under the same key", func(t *testing.T) []string { return []string{fork.Dir, "--checkpoint", kept} }, []string{kept, "covers 37 leaves", "rolled back or cut"}},
		{"a fork of the same length or more", func(t *testing.T) []string {
			return []string{f.Dir, "--checkpoint", write(t, "forked", fork.Checkpoint)}
		}, []string{"forked", "the log was rewritten, or is a fork"}},
		{"another key", func(t *testing.T) []string {
			other := evidencetest.Build(t, t.TempDir(), evidencetest.New(evidencetest.Plant()))
			return []string{f.Dir, "--key", strings.TrimSpace(other.Key)}
		}, []string{"keys/log.pub", "is not the key that was given"}},
		{"a folder from before, and a checkpoint from after", func(t *testing.T) []string {
			dir := copied(t)
			for _, name := range []string{"checkpoint", "checkpoint.synced"} {
				must(t, os.WriteFile(filepath.Join(dir, "log", name), fork.Checkpoint, 0o600))
			}
			return []string{dir}
		}, []string{"log", "leaf"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			code, out, errs := verified(t, row.do(t)...)
			first, _, _ := strings.Cut(out, "\n")
			if code != exitNo || !strings.HasPrefix(first, "NOT PROVED. ") {
				t.Fatalf("exit %d: %s%s", code, out, errs)
			}
			for _, w := range row.want {
				if !strings.Contains(first, w) {
					t.Errorf("the first line does not say %q: %s", w, first)
				}
			}
		})
	}
}
