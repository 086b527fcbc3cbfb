package main

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"penstock/audit/durable"
	"penstock/audit/receipt"
	"penstock/broker/ca"
	"penstock/broker/seal"
)

// keysChild names the variable that makes this binary the victim of TestNewKeysAreKilled: its folder.
const keysChild = "PENSTOCK_KEYS_CHILD"

// TestNewKeysAreKilled: a process of its own makes every key anew, and kill -9 meets
// it at each file that it takes away or puts in place; a second one begins again. No
// key of before counts, what was sealed by them still opens, receipts of before stay
// somebody's, and no copy of a key lies about.
func TestNewKeysAreKilled(t *testing.T) {
	if dir := os.Getenv(keysChild); dir != "" {
		runtime.LockOSThread() // strace counts the calls of each thread
		if _, err := newAuthorities(dir, map[string]string{}); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is missing: apt-get install strace (scripts/test does)")
	}
	golden := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(golden, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := ca.Rotate(golden); err != nil { // it makes those that there are not
		t.Fatal(err)
	}
	old, err := ca.Prints(golden)
	if err != nil || len(old) != 4 {
		t.Fatal(old, err)
	}
	signer, err := receipt.Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	sealing := []string{"seal.key", "recordings.key"}
	for _, file := range sealing {
		if _, err := seal.Open(filepath.Join(golden, file), nil); err != nil {
			t.Fatal(err)
		}
	}
	read := func(dir, file string) string {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	names := func(dir string) (all []string) {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			all = append(all, f.Name())
		}
		return all
	}
	want := names(golden)
	if err := os.WriteFile(filepath.Join(golden, "https.pem"), []byte("copied"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"/^unlink", "/^rename", "/^link"} {
		killed := true
		for n := 1; killed; n++ {
			story := fmt.Sprintf("%s %d", call[2:], n)
			dir := filepath.Join(t.TempDir(), "keys")
			if out, err := exec.Command("cp", "-a", golden, dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			cmd := exec.Command(strace, "-f", "-o", filepath.Join(t.TempDir(), "strace"), "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n),
				os.Args[0], "-test.run", "^TestNewKeysAreKilled$", "-test.count=1")
			cmd.Env = append(os.Environ(), keysChild+"="+dir)
			out, err := cmd.CombinedOutput()
			if killed = err != nil; killed && cmd.ProcessState.ExitCode() >= 0 && cmd.ProcessState.ExitCode() != 137 {
				t.Fatalf("%s: %v\n%s", story, err, out)
			}
			if killed {
				if _, err := newAuthorities(dir, map[string]string{}); err != nil {
					t.Fatalf("%s: again: %v", story, err)
				}
			} else if n <= 4 {
				t.Fatalf("%s: it was not killed", story)
			}
			made, err := ca.Prints(dir)
			if err != nil || !slices.Equal(slices.Sorted(maps.Keys(made)), slices.Sorted(maps.Keys(old))) {
				t.Fatalf("%s: %v, %v", story, made, err)
			}
			for file := range old {
				if made[file] == old[file] {
					t.Errorf("%s: %s is the one that it was", story, file)
				}
			}
			for _, file := range sealing {
				before := strings.TrimSpace(read(golden, file))
				if now := strings.TrimSpace(read(dir, file)); strings.HasPrefix(now, before) || !strings.HasSuffix(now, before) {
					t.Errorf("%s: %s has no new key before the one that it had", story, file)
				}
			}
			if fresh, err := receipt.Open(dir); err != nil || fresh.Name() == signer.Name() || !strings.Contains(read(dir, "receipt.pub"), signer.Name()) {
				t.Errorf("%s: receipts are signed by the key of before, or those of before are nobody's: %v", story, err)
			}
			if got := names(dir); !slices.Equal(got, want) || slices.ContainsFunc(got, durable.IsTemporary) {
				t.Errorf("%s: in the folder of keys are %q, and should be %q", story, got, want)
			}
		}
	}
}
