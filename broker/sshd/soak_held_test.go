package sshd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"penstock/audit"
	"penstock/broker/brokertest"
)

// What a round may leave: goroutines and descriptors of the machines' side, which
// go in their own time, and of the heap what pools and tables of this size keep.
const (
	slackRoutine = 8
	slackFiles   = 8
	slackHeap    = 1 << 20 // bytes
	perSession   = 64      // bytes that are kept of a session for ever: see broker/README.md
)

// held is what this process holds, at rest.
type held struct {
	routines, files int
	heap, rss       int64 // bytes
	sessions        int64 // that there ever were
}

func (h held) String() string {
	return fmt.Sprintf("%5d %9d %9d %9d", h.routines, h.files, h.heap>>10, h.rss>>10)
}

// inTime says how often recording was late so far, and waits until it is in time again.
func (s *soak) inTime() (late int) {
	s.t.Helper()
	select {
	case <-s.archive.Failed(): // rounds in which nobody is admitted are flat
		s.t.Fatalf("nobody is admitted any more: %v", s.broker.Ready())
	case <-s.archive.Overdue().Well():
	}
	brokertest.Until(s.t, "people are admitted again", func() bool { return s.broker.Ready() == nil })
	return int(s.waited.Load())
}

// rests waits until nobody is in and nothing runs for them, and says what is held.
func (s *soak) rests(idle held) (now held) {
	s.t.Helper()
	brokertest.Until(s.t, "everybody has left", func() bool { return len(s.broker.Sessions()) == 0 && len(s.door.open()) == 0 })
	if text := s.said.String(); strings.Contains(text, "panic") {
		s.t.Errorf("a panic: %s", text)
	}
	s.said.reset() // of the test's own: what it remembers is not held by the broker
	s.machine.forget()
	for end := time.Now().Add(soakRests); ; {
		now = s.holds()
		if now.routines <= idle.routines+slackRoutine && now.files <= idle.files+slackFiles {
			return now
		}
		if time.Now().After(end) {
			var all bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&all, 1)
			s.t.Fatalf("%v after everybody has left: %v; before anybody came: %v\n%s", soakRests, now, idle, all.String())
		}
	}
}

// holds is what is held now. Two collections: what a pool keeps outlives one.
func (s *soak) holds() held {
	s.t.Helper()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, err := os.ReadDir("/proc/self/fd")
	s.ok(err)
	now := held{routines: runtime.NumGoroutine(), files: len(files), heap: int64(m.HeapAlloc), sessions: s.begun.Load()}
	status, err := os.ReadFile("/proc/self/status")
	s.ok(err)
	_, rss, _ := strings.Cut(string(status), "VmRSS:")
	if _, err := fmt.Sscanf(rss, "%d kB", &now.rss); err != nil {
		s.t.Fatalf("resident memory: %v", err)
	}
	now.rss <<= 10
	return now
}

// flat fails where the heap at rest grows with the sessions that there were: the
// line through all rounds but the first, in which tables and pools are made.
func (s *soak) flat(rests []held) {
	s.t.Helper()
	slope, came := growth(rests[1:])
	s.t.Logf("the heap at rest grows by %.0f bytes for each session that there ever was", slope)
	if grown := slope * came; grown > slackHeap+perSession*came {
		s.t.Errorf("by %.0f KiB with %.0f sessions: more than %d bytes for each", grown/1024, came, perSession)
	}
}

// growth is the slope of the line of least squares, in bytes a session, and how
// many sessions came between the first and the last.
func growth(rests []held) (slope, came float64) {
	var x, y float64
	for _, r := range rests {
		x, y = x+float64(r.sessions), y+float64(r.heap)
	}
	x, y = x/float64(len(rests)), y/float64(len(rests))
	var xy, xx float64
	for _, r := range rests {
		dx := float64(r.sessions) - x
		xy, xx = xy+dx*(float64(r.heap)-y), xx+dx*dx
	}
	if xx == 0 {
		return 0, 0
	}
	return xy / xx, float64(rests[len(rests)-1].sessions - rests[0].sessions)
}

// profile keeps what the heap at rest is made of, where SOAK_HEAP names a folder:
// go tool pprof -base round-02.heap round-NN.heap says what grows.
func (s *soak) profile(round int) {
	dir := os.Getenv("SOAK_HEAP")
	if dir == "" {
		return
	}
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("round-%02d.heap", round)))
	s.ok(err)
	defer f.Close()
	s.ok(pprof.Lookup("heap").WriteTo(f, 0))
}

// accounts: each session and channel that began has ended in the log, and each
// recording can be read to its end.
func (s *soak) accounts() {
	n := map[string]int{}
	failed, read := map[string]int{}, 0
	for leaf, err := range s.log.Upto(s.ctx, 0) {
		s.ok(err)
		n[leaf.Body.Type()]++
		ended, is := leaf.Body.(audit.SessionEnded)
		if is && ended.Cause == "recorder" { // a disk that is too busy; what it means is not this test's
			failed[ended.Why]++
		}
		if is && ended.Cause != "recorder" && read < 200 {
			read++
			r, err := s.archive.Open(leaf.Subject)
			s.ok(err)
			for _, err := range r.Frames(-1, 0) {
				if err != nil {
					s.t.Errorf("recording of %s: %v", leaf.Subject, err)
					break
				}
			}
			r.Close()
		}
	}
	if n["session.started"] != n["session.ended"] || n["channel.opened"] != n["channel.closed"] || n["session.started"] == 0 {
		s.t.Errorf("%d sessions began and %d ended, %d channels opened and %d closed", n["session.started"], n["session.ended"], n["channel.opened"], n["channel.closed"])
	}
	s.t.Logf("%d sessions, %d channels, %d recordings read", n["session.started"], n["channel.opened"], read)
	for why, n := range failed {
		s.t.Logf("%6d ended by a slow disk: %s", n, why)
	}
}
