package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fullDisk: a session fills the disk. The vendor is told, nothing passes that is
// not recorded, nobody new gets in, taking still works, and it mends.
func fullDisk(t *testing.T, golden *rig) {
	if os.Getuid() != 0 {
		t.Fatal("this test mounts a small tmpfs: run it as root")
	}
	r := golden.copy(t)
	data := r.path("data")
	r.must(os.Rename(data, r.path("whole")))
	r.must(os.Mkdir(data, 0o700))
	r.must(syscall.Mount("tmpfs", data, "tmpfs", 0, "size=24m,mode=0700"))
	t.Cleanup(func() {
		r.kill()
		if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	if out, err := exec.Command("cp", "-a", r.path("whole")+"/.", data).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v: %s", err, out)
	}
	r.edit("penstock.yaml", "loopback_targets: true", "loopback_targets: true\nmin_free: 4MiB")
	r.start()
	r.trust()
	r.aim()
	s, calm := r.push("full"), r.push("calm")
	r.must(s.flows(1))
	r.must(calm.flows(1))
	ballast := filepath.Join(data, "ballast")
	fill(t, ballast)
	r.must(s.over())
	r.must(calm.over())
	if said := s.errs.String(); !regexp.MustCompile(`(?i)record|disk`).MatchString(said) {
		t.Errorf("the vendor was not told: %q\n%s", said, r.log())
	}
	r.refused("record|disk", "ann", r.ann("true")...)
	r.must(rarely("the end of both sessions", func() (bool, error) {
		said := r.say("mia", "penstock", "sessions")
		return said.Code == 0 && !strings.Contains(said.Stdout, "S-"), nil
	}))
	fill(t, ballast+"2") // also what the recordings gave back at their end
	// Taking acts first, and what it did is written from the closing reserve.
	if cut := r.say("mia", "penstock", "cut", "W-1", "--why", "The disk is full"); cut.Code != 0 {
		t.Errorf("cut on a full disk: exit %d: %s", cut.Code, strings.TrimSpace(cut.Stdout+cut.Stderr))
	}
	r.stop()
	if left := r.reserved(); left >= closingReserve {
		t.Errorf("the closing reserve still has %d bytes: nothing was shown of it", left)
	}
	r.ends("session.ended S-1", "session.ended S-2", "channel.closed S-1", "channel.closed S-2", "window.moved W-1", "node.stopped a")
	r.must(errors.Join(os.Remove(ballast), os.Remove(ballast+"2")))
	r.start()
	r.noAlarm()
	if left := r.reserved(); left != closingReserve {
		t.Errorf("with room again the closing reserve has %d bytes", left)
	}
	r.refused("W-1|window|cut", "ann", r.ann("true")...)
	r.stop()
	r.proved()
	if n := r.recorded(s, calm); n == 0 {
		t.Error("nothing reached the target: nothing was shown")
	}
}

// reserved is how many bytes the closing reserve has.
func (r *rig) reserved() int64 {
	r.t.Helper()
	info, err := os.Stat(r.path("data", "log", "reserve"))
	r.must(err)
	return info.Size()
}

// ends holds the log to have each of these, written before there was room again.
func (r *rig) ends(want ...string) {
	r.t.Helper()
	var all []string
	for _, l := range r.leaves() {
		all = append(all, l.Body.Type()+" "+l.Subject)
	}
	for _, w := range want {
		if !slices.Contains(all, w) {
			r.t.Errorf("the log has no %q:\n%s", w, strings.Join(all, "\n"))
		}
	}
}

// fill writes until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// injected is strace making the n-th call of a kind fail, over all threads.
func (r *rig) injected(calls, errno, when string) []string {
	r.t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		r.t.Fatal("strace is missing: apt-get install strace (scripts/test does)")
	}
	return []string{strace, "-D", "-f", "-y", "--seccomp-bpf", "-o", r.path("strace.log"), "-e", "trace=" + calls,
		"-e", fmt.Sprintf("inject=%s:error=%s:when=%s", calls, errno, when)}
}

// struck says whether the fault was injected, into a file that matters: the
// words for the search are an index, without which the broker goes on. strace
// counts per thread, so that several may be struck.
func (r *rig) struck() bool {
	return slices.ContainsFunc(r.injections(), func(line string) bool { return !strings.Contains(line, r.path("data", "search")+"/") })
}

// spared says whether all that was struck was a full disk under log or rows: its
// reserve lets that write through, and once it is whole again people are let in.
// Nobody waits for the search index.
func (r *rig) spared(errno string) bool {
	return !slices.ContainsFunc(r.injections(), func(line string) bool {
		return errno != "ENOSPC" || !slices.ContainsFunc([]string{"search/", "log/", "state.db"}, func(file string) bool {
			return strings.Contains(line, "<"+r.path("data")+"/"+file)
		})
	})
}

// injections are the lines of strace that say what was struck. A call during
// which another thread was seen stands on two lines: its file on the first, how
// it ended on the second.
func (r *rig) injections() []string {
	b, err := os.ReadFile(r.path("strace.log"))
	if err != nil {
		return nil
	}
	var all []string
	begun := map[string]string{}
	for line := range strings.Lines(string(b)) {
		thread, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasSuffix(call, "<unfinished ...>") {
			begun[thread] = call
		}
		if !strings.Contains(call, "(INJECTED)") {
			continue
		}
		if strings.Contains(call, " resumed>") {
			call = begun[thread] + " " + call
		}
		all = append(all, thread+" "+call)
	}
	return all
}

const syncs = "fsync,fdatasync"

// syncsFailInSession: each sync of a start, a request and a session fails once.
func syncsFailInSession(t *testing.T, golden *rig) {
	every(t, golden, syncs, "EIO", rounds(t, 10), 3)
}

// writesFail: the same for writes into files.
func writesFail(t *testing.T, golden *rig) {
	every(t, golden, "pwrite64", "ENOSPC", rounds(t, 8), 9)
}

// every makes the calls fail one by one, n of them, step apart.
func every(t *testing.T, golden *rig, calls, errno string, n, step int) {
	r := golden.copy(t)
	r.start()
	r.trust()
	r.aim()
	r.stop()
	whole := r.path("whole")
	r.must(os.Rename(r.path("data"), whole))
	strikes, reached := 0, 0
	for i := range n {
		at := 1 + i*step
		r.must(os.RemoveAll(r.path("data")))
		r.must(exec.Command("cp", "-a", whole, r.path("data")).Run())
		streams := r.life(calls, errno, at)
		if r.struck() {
			strikes++
		}
		r.start()
		r.noAlarm()
		r.stop()
		r.proved()
		reached += r.recorded(streams...)
		if t.Failed() {
			t.Fatalf("%s number %d failed with %s:\n%s", calls, at, errno, strings.Join(r.injections(), "\n"))
		}
	}
	if strikes == 0 || reached == 0 {
		t.Errorf("%d faults, %d bytes at the target: nothing was shown", strikes, reached)
	}
	t.Logf("%d of %d faults struck, %d bytes reached the target, all of them recorded", strikes, n, reached)
}

// life is a start, a request and a session in which one call fails.
func (r *rig) life(calls, errno string, at int) []*stream {
	r.t.Helper()
	os.Remove(r.path("strace.log"))
	b := r.launch(r.injected(calls, errno, fmt.Sprint(at))...)
	if !b.up() {
		<-b.ended
		r.sane()
		if b.cmd.ProcessState.ExitCode() == 0 {
			r.t.Errorf("the broker did not start and says that all is well\n%s", r.log())
		}
		return nil
	}
	s := r.push(fmt.Sprintf("%s-%s-%d", calls[:2], errno, at))
	r.say("ann", r.ssh("desk", "request --target "+r.account+"@filler-plc --rights look,copy,set --minutes 30 --work-order WO-1 --why 'While the disk fails'")...)
	_ = s.flows(200_000)                      // or it was ended before
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // likewise
	r.must(s.over())
	if r.struck() && !r.spared(errno) {
		// A log that broke before the first host certificate leaves the door without one.
		r.refused("record|disk|broker|host key|reference", "ann", r.ann("true")...)
	}
	r.end(syscall.SIGTERM)
	return []*stream{s}
}

// syncsFailAtFirstStart: whichever sync of the very first start fails, the next start makes it good.
func syncsFailAtFirstStart(t *testing.T, golden *rig) {
	r := golden.copy(t)
	strikes := 0
	n := rounds(t, 8)
	for i := range n {
		at := 1 + i*3
		if os.Getenv("SOAK_ROUNDS") != "" {
			at = 1 + i
		}
		r.must(os.RemoveAll(r.path("data")))
		os.Remove(r.path("strace.log"))
		b := r.launch(r.injected(syncs, "EIO", fmt.Sprint(at))...)
		up := b.up()
		code := r.end(syscall.SIGTERM)
		if r.struck() {
			strikes++
			if !up && code == 0 {
				t.Errorf("sync %d failed, the broker did not start and says that all is well\n%s", at, r.log())
			}
		}
		begin := time.Now()
		r.start()
		r.noAlarm()
		r.stop()
		r.proved()
		if t.Failed() {
			t.Fatalf("sync number %d failed (%v)", at, time.Since(begin))
		}
	}
	if strikes == 0 {
		t.Error("no sync failed: nothing was shown")
	}
	t.Logf("%d of %d syncs failed", strikes, n)
}
