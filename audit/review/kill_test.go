package review_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/audit"
)

// expiryChild names the variable that makes this binary the victim of TestExpiryIsKilled:
// folder, identity and time, a line each.
const expiryChild = "PENSTOCK_EXPIRY_CHILD"

// TestExpiryIsKilled: a process of its own lets two recordings expire, and kill -9
// meets it at a system call: the next start makes it good, and each went by one event.
func TestExpiryIsKilled(t *testing.T) {
	if lines := strings.Split(os.Getenv(expiryChild), "\n"); len(lines) == 3 {
		id, err := age.ParseX25519Identity(lines[1])
		must(t, err)
		wall, err := time.Parse(time.RFC3339, lines[2])
		must(t, err)
		must(t, expiring(t, lines[0], id, wall).book.Tend(t.Context()))
		return
	}
	t.Parallel()
	g := newRig(t)
	g.rules.Always, g.rules.OneIn = nil, 0
	g.agreed()
	for _, id := range []string{"S-1", "S-2"} {
		g.session(id, look)
	}
	g.days(80)
	g.session("S-3", look) // its time is not over
	g.days(11)
	must(t, g.log.Close())
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is missing: apt-get install strace (scripts/test does)")
	}
	const day = "recordings/2026/11/22"
	for _, p := range []struct {
		call, path string
		when       int
		must       bool // the first of its kind is always met
	}{
		{"pwrite64", "log/entries/00000000.seg", 1, true}, {"fdatasync", "log/entries/00000000.seg", 1, true}, {"fdatasync", "log/entries/00000000.seg", 2, false},
		{"/^rename", day + "/.S-1", 1, true}, {"fsync", day, 1, true}, {"fsync", day, 2, false},
		{"unlinkat", day + "/.S-1/keys.age", 1, true}, {"unlinkat", day + "/.S-1", 1, true}, {"unlinkat", day + "/.S-1", 2, false}, {"unlinkat", day + "/.S-1", 4, false},
		{"/^rename", day + "/.S-2", 1, true},
	} {
		t.Run(fmt.Sprintf("%s %s %d", strings.Trim(p.call, "/^"), filepath.Base(p.path), p.when), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if out, err := exec.Command("cp", "-a", g.dir, dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			trace := filepath.Join(t.TempDir(), "strace")
			cmd := exec.Command(strace, "-f", "-o", trace, "-P", filepath.Join(dir, p.path), "-e", "trace="+p.call,
				"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", p.call, p.when), os.Args[0], "-test.run", "^TestExpiryIsKilled$", "-test.count=1")
			cmd.Env = append(os.Environ(), expiryChild+"="+strings.Join([]string{dir, g.id.String(), g.now().Format(time.RFC3339)}, "\n"))
			out, err := cmd.CombinedOutput()
			said, _ := os.ReadFile(trace) // without it nothing was met
			switch met := strings.Contains(string(said), "killed by SIGKILL"); {
			case p.must && !met:
				t.Fatalf("it was not killed: %v\n%s\n%s", err, out, said)
			case !met && err != nil:
				t.Fatalf("%v\n%s", err, out)
			}
			r := expiring(t, dir, g.id, g.now())
			must(t, r.book.Tend(t.Context()))
			if r.there("S-1") || r.there("S-2") || !r.there("S-3") {
				t.Errorf("there: S-1 %v, S-2 %v, S-3 %v", r.there("S-1"), r.there("S-2"), r.there("S-3"))
			}
			left, err := os.ReadDir(filepath.Join(dir, day))
			if err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			went := map[string]int{}
			for leaf, err := range r.log.Upto(t.Context(), 0) {
				must(t, err)
				if b, ok := leaf.Body.(audit.RecordingExpired); ok {
					went[b.Session]++
				}
			}
			if fmt.Sprint(went) != "map[S-1:1 S-2:1]" {
				t.Errorf("expired: %v", went)
			}
			if wrong, _ := r.proved(); len(wrong) > 0 {
				t.Errorf("wrong: %q", wrong)
			}
		})
	}
}

func expiring(t *testing.T, dir string, id *age.X25519Identity, wall time.Time) *rig {
	t.Helper()
	r := openRig(t, dir, id, wall)
	r.rules.Always, r.rules.OneIn = nil, 0
	return r
}
