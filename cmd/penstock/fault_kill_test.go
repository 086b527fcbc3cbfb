package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"penstock/audit"
)

// killUnderLoad: whatever kill -9 interrupts, the broker comes up by itself, the
// record is proved, and nothing that reached the target is missing from it.
func killUnderLoad(t *testing.T, golden *rig) {
	r := golden.copy(t)
	r.start()
	r.trust()
	r.aim()
	r.stop()
	total, n := 0, rounds(t, 4)
	for round := range n {
		r.start()
		r.noAlarm()
		load, endLoad := context.WithCancel(t.Context())
		var office sync.WaitGroup
		office.Go(func() { r.paperwork(load, round) })
		streams := make([]*stream, 4)
		for i := range streams {
			streams[i] = r.push(fmt.Sprintf("r%d-%d", round, i))
		}
		for _, s := range streams {
			r.must(s.flows(1))
		}
		// The moment is the test's subject, not its synchronisation.
		time.Sleep(time.Duration(rand.IntN(900)) * time.Millisecond)
		r.end(syscall.SIGKILL)
		endLoad()
		office.Wait()
		for _, s := range streams {
			r.must(s.over())
		}
		for _, name := range []string{"log", "log/outside"} { // a kill within a write leaves one; most rounds do not meet that
			r.must(os.WriteFile(filepath.Join(r.path("data"), name, ".tmp-KILLED"), []byte("half"), 0o600))
		}
		r.start()
		r.noAlarm()
		r.stop()
		r.proved()
		total += r.recorded(streams...)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if total == 0 {
		t.Error("nothing reached the target: nothing was shown")
	}
	if started := r.sessionsOnce(); started < n {
		t.Errorf("%d sessions in %d rounds: nothing was shown", started, n)
	}
	t.Logf("%d rounds, %d bytes reached the target, all of them recorded", n, total)
}

// paperwork asks, answers and looks over the desk and the API until ctx ends.
func (r *rig) paperwork(ctx context.Context, round int) {
	asked := regexp.MustCompile(`(R-\d+)`)
	for i := 0; ctx.Err() == nil; i++ {
		st := r.words("ann", r.ssh("desk", fmt.Sprintf("request --target %s@filler-plc --rights look,copy,set --minutes 30 --work-order WO-%d --why 'Round %d of the load'", r.account, i, round)), "")
		said, err := r.people["ann"].Talk(ctx, st)
		if err != nil || said.Code != 0 {
			continue // the broker is being killed
		}
		id := asked.FindString(said.Stdout)
		_, _ = r.people["olaf"].Talk(ctx, r.words("olaf", []string{"penstock", "answer", id, "no", "--why", "load"}, "")) // may meet the kill
		_, _ = r.people["mia"].Talk(ctx, r.words("mia", []string{"penstock", "windows"}, ""))                             // likewise
	}
}

// noAlarm checks that the rows were what the log says.
func (r *rig) noAlarm() {
	r.t.Helper()
	if strings.Contains(r.broker.errs.String(), "a row was not what the log says") {
		r.t.Errorf("rows and log differ\n%s", r.log())
	}
}

// sessionsOnce checks that no session's name was given twice, and counts them.
func (r *rig) sessionsOnce() int {
	r.t.Helper()
	seen := map[string]bool{}
	for _, leaf := range r.leaves() {
		if b, ok := leaf.Body.(audit.SessionStarted); ok {
			if seen[b.Session] {
				r.t.Errorf("session %s was started twice", b.Session)
			}
			seen[b.Session] = true
		}
	}
	for _, dir := range r.folders() {
		if !seen[filepath.Base(dir)] {
			r.t.Logf("%s was made and its event never written", filepath.Base(dir))
		}
	}
	return len(seen)
}

// signals: SIGTERM tells the vendor and ends well; SIGINT while starting and a
// storm of SIGHUP at any time do no harm.
func signals(t *testing.T, golden *rig) {
	r := golden.copy(t)
	// Where the tests run in a shell's background SIGINT is ignored, and a child
	// inherits that until it asks for it; of what is caught here it does not.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGINT)
	defer signal.Stop(caught)
	for range 3 { // while starting, at whatever point
		b := r.launch()
		r.said(`"starting"`) // before that there is no Penstock yet
		for range 20 {
			_ = b.cmd.Process.Signal(syscall.SIGHUP)
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // the moment is the subject
		}
		if !b.up() {
			t.Fatalf("SIGHUP while starting ended the broker\n%s", r.log())
		}
		r.stop()
	}
	for i := range 6 {
		b := r.launch()
		time.Sleep(time.Duration(i*60) * time.Millisecond) // likewise
		_ = b.cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-b.ended:
		case <-time.After(patience):
			t.Fatalf("SIGINT while starting did not end the broker\n%s", r.log())
		}
		r.sane()
		if code := b.cmd.ProcessState.ExitCode(); code > 1 {
			t.Errorf("exit code %d after SIGINT\n%s", code, r.log())
		}
	}
	r.start()
	r.trust()
	r.aim()
	s := r.push("signals")
	r.must(s.flows(1000))
	for range 200 {
		r.must(r.broker.cmd.Process.Signal(syscall.SIGHUP))
	}
	r.said("the plant file is as it was")
	before, err := os.Stat(s.file)
	r.must(err)
	r.must(s.flows(before.Size() + 1000)) // it goes on
	begin := time.Now()
	r.must(r.broker.cmd.Process.Signal(syscall.SIGTERM))
	_ = r.broker.cmd.Process.Signal(syscall.SIGHUP) // while it drains
	if code := r.end(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d\n%s", code, r.log())
	}
	if took := time.Since(begin); took > drainTime+30*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	r.must(s.over())
	if said := s.errs.String(); !regexp.MustCompile(`(?i)stop|restart`).MatchString(said) {
		t.Errorf("the vendor was not told that the broker stops: %q", said)
	}
	r.proved()
	r.recorded(s)
}
