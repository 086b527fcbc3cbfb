package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"penstock/audit"
	"penstock/audit/durable"
)

// logDir is a data directory with a log of some leaves, one of them hostile.
func logDir(t *testing.T, count int) string {
	t.Helper()
	dir := t.TempDir()
	growLog(t, dir, count)
	return dir
}

func growLog(t *testing.T, dir string, count int) {
	t.Helper()
	const origin = "kiel.plant.example/audit/a"
	s, _, err := audit.LogKeys(filepath.Join(dir, "keys"), origin)
	if err != nil {
		t.Fatal(err)
	}
	disk, err := durable.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := audit.OpenLog(filepath.Join(dir, "log"), disk, audit.Options{Origin: origin, Node: "a", Signer: s, Clock: audit.SystemClock()})
	if err != nil {
		t.Fatal(err)
	}
	for range count {
		ev := audit.Event{Subject: "B-1", Actor: "mia", Body: audit.BlockLifted{Block: "B-1", By: "mia", Why: "done \x1b[2J \u202eevil \u0085"}}
		if _, err := l.Append(context.Background(), ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func runLog(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	c := logCommand()
	c.SetOut(&o)
	c.SetErr(&e)
	c.SetArgs(args)
	c.SilenceErrors, c.SilenceUsage = true, true
	err := c.ExecuteContext(t.Context())
	if err != nil {
		e.WriteString(err.Error())
	}
	return o.String(), e.String(), exitCode(err)
}

func TestLogVerbs(t *testing.T) {
	dir := logDir(t, 5)
	outside, _, code := runLog(t, "checkpoint", dir)
	if code != 0 || !strings.HasPrefix(outside, "kiel.plant.example/audit/a\n5\n") {
		t.Fatalf("checkpoint: exit %d, %s", code, outside)
	}
	file := filepath.Join(t.TempDir(), "kept")
	if err := os.WriteFile(file, []byte(outside), 0o600); err != nil {
		t.Fatal(err)
	}
	growLog(t, dir, 2)

	out, errs, code := runLog(t, "tail", dir, "-n", "3")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if code != 0 || len(lines) != 3 || !strings.Contains(lines[2], "  6  block.lifted  B-1  by mia  ") {
		t.Errorf("tail: exit %d, %s%s", code, out, errs)
	}
	if strings.ContainsAny(out, "\x1b\u202e\u0085") || !strings.Contains(out, `\u202eevil \u0085`) {
		t.Errorf("tail lets hostile text through: %q", out)
	}
	out, _, code = runLog(t, "tail", dir, "-n", "1", "--json")
	var leaf struct{ Index int }
	if err := json.Unmarshal([]byte(out), &leaf); err != nil || code != 0 || leaf.Index != 6 {
		t.Errorf("tail --json: %v, %q", err, out)
	}

	if out, errs, code := runLog(t, "verify", dir, "--checkpoint", file); code != 0 || !strings.Contains(out, "whole: 7 leaves") || !strings.Contains(out, "only the log was checked") {
		t.Errorf("verify: exit %d, %s%s", code, out, errs)
	}
	if out, _, code := runLog(t, "verify", dir); code != 0 || !strings.Contains(out, "no checkpoint from outside") {
		t.Errorf("verify without a checkpoint: exit %d, %s", code, out)
	}

	v, err := audit.LogVerifier(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	out, _, code = runLog(t, "proof", dir, "3")
	p, err := audit.ParseProof([]byte(out))
	if err != nil || code != 0 {
		t.Fatalf("proof: exit %d, %v", code, err)
	}
	if l, err := p.Check(v); err != nil || l.Index != 3 {
		t.Errorf("the proof that was printed: %v", err)
	}
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"proof", dir, "7"}, exitNo},
		{[]string{"proof", dir, "x"}, exitUsage},
		{[]string{"tail", dir, "-n", "-1"}, exitUsage},
		{[]string{"tail"}, exitUsage},
		{[]string{"verify", t.TempDir()}, exitError},
		{[]string{"verify", dir, "--checkpoint", filepath.Join(dir, "keys", "log.pub")}, exitNo},
	} {
		if _, errs, code := runLog(t, tt.args...); code != tt.code {
			t.Errorf("%v: exit %d, want %d: %s", tt.args, code, tt.code, errs)
		}
	}
}

func TestLogVerifyFinds(t *testing.T) {
	dir := logDir(t, 3)
	path := filepath.Join(dir, "log", "entries", "00000000.seg")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := runLog(t, "verify", dir)
	if code != exitNo || !strings.Contains(out, path) || !strings.Contains(out, "leaf 1") {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	out, _, code = runLog(t, "verify", dir, "--json")
	var said verified
	if err := json.Unmarshal([]byte(out), &said); err != nil || code != exitNo || len(said.Findings) != 1 || said.Findings[0].Index != 1 {
		t.Errorf("--json: exit %d, %v, %s", code, err, out)
	}
	if out, errs, code := runLog(t, "tail", dir); code != exitNo || strings.Count(out, "\n") != 2 || !strings.Contains(errs, "leaf 1") {
		t.Errorf("tail: exit %d, %s%s", code, out, errs)
	}
}

// tail --follow shows what another process appends, until it is interrupted.
func TestLogTailFollow(t *testing.T) {
	dir := logDir(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	lines := make(chan string, 8)
	done := make(chan error, 1)
	go func() {
		done <- tailOptions{dir: dir, count: 1, follow: true, out: lineWriter(lines), errs: os.Stderr}.run(ctx)
	}()
	if l := <-lines; !strings.Contains(l, "  0  block.lifted") {
		t.Errorf("first %q", l)
	}
	growLog(t, dir, 1)
	if l := <-lines; !strings.Contains(l, "  1  block.lifted") {
		t.Errorf("then %q", l)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

type lineWriter chan string

func (w lineWriter) Write(b []byte) (int, error) {
	w <- string(b)
	return len(b), nil
}
