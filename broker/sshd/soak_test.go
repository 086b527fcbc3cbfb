package sshd

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/audit"
	"penstock/broker"
	"penstock/policy"
)

// The soak without SOAK_MINUTES, as in scripts/test; scripts/soak says 30.
const (
	shortRounds   = 2
	shortRound    = time.Second
	shortSessions = 12

	longRound    = time.Minute
	longSessions = 500

	soakWindows  = 8                      // that the sessions are spread over
	soakCuts     = 10                     // of them: a firm may ask 20 times a day
	soakLife     = 20 * time.Second       // of one session, at most
	soakTakes    = 400 * time.Millisecond // between two takings by the plant
	soakRests    = 2 * time.Minute        // until nothing of a round is left
	slackRoutine = 8                      // goroutines, descriptors and memory that a round may leave, once
	slackFiles   = 8
	slackMemory  = 8 << 20
)

// soak is many sessions of all kinds that come and go, in rounds. After each
// everybody has left, and what is held then must not grow.
type soak struct {
	*house
	sessions int
	round    time.Duration
	begun    atomic.Int64 // logins that got in
	missed   atomic.Int64 // that did not: their window was cut, or the door was full
	taken    atomic.Int64

	mu      sync.Mutex
	windows []soakWindow
	cuts    int // take's alone
	raw     map[net.Conn]bool
}

type soakWindow struct {
	id   policy.WindowID
	cert ssh.Signer
}

// held is what this process holds, at rest.
type held struct {
	routines, files int
	heap            int64
}

func TestSoakSessions(t *testing.T) {
	s := &soak{sessions: shortSessions, round: shortRound, raw: map[net.Conn]bool{}}
	rounds := shortRounds
	if text := os.Getenv("SOAK_MINUTES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 3 {
			t.Fatalf("SOAK_MINUTES is %q: a number of minutes, at least 3", text)
		}
		s.sessions, s.round, rounds = longSessions, longRound, n
		if text := os.Getenv("SOAK_SESSIONS"); text != "" {
			if s.sessions, err = strconv.Atoi(text); err != nil || s.sessions < 1 || s.sessions > longSessions {
				t.Fatalf("SOAK_SESSIONS is %q: a number of sessions, at most %d", text, longSessions)
			}
		}
	}
	text := strings.Replace(plantText, "[ssh, modbus", "[ssh, sftp, modbus", 1)
	s.house = newHouseWith(t, Limits{PerSource: 4 * longSessions, PerSecond: 1e6}, broker.Limits{SessionsPerPerson: longSessions}, text)
	for range soakWindows {
		s.windows = append(s.windows, s.window())
	}
	var first, last held
	for i := range rounds {
		most := s.play()
		if err := s.broker.Ready(); err != nil { // rounds in which nobody is admitted are flat
			t.Fatalf("round %d: %v", i+1, err)
		}
		last = s.rests()
		t.Logf("round %d: %d logins, %d of them not let in, %d takings; at most %d sessions; at rest %d goroutines, %d files, %d KiB", i+1,
			s.begun.Load()+s.missed.Load(), s.missed.Load(), s.taken.Load(), most, last.routines, last.files, last.heap>>10)
		s.profile(i + 1)
		if i == 0 { // pools, caches and connections that stay are made in the first
			first = last
		}
	}
	if last.routines > first.routines+slackRoutine || last.files > first.files+slackFiles || last.heap > first.heap+first.heap/10+slackMemory {
		t.Errorf("after the first round %+v, after the last %+v", first, last)
	}
	if s.begun.Load() < int64(s.sessions) {
		t.Errorf("only %d sessions began", s.begun.Load())
	}
	s.accounts()
}

// window is one more, open, and its certificate.
func (s *soak) window() soakWindow {
	w := s.open(150)
	return soakWindow{w, s.cert("ann", w)}
}

func (s *soak) at(i int) soakWindow {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.windows[i]
}

// play lets sessions come and go for a round, and the plant take some of them; it
// gives how many there were at once.
func (s *soak) play() (most int) {
	ctx, cancel := context.WithTimeout(s.ctx, s.round)
	defer cancel()
	var all sync.WaitGroup
	for i := range s.sessions {
		all.Go(func() {
			for n := uint64(0); ctx.Err() == nil; n++ {
				luck := rand.New(rand.NewPCG(uint64(i), n))
				if rest(ctx, luck) {
					s.life(ctx, luck)
				}
			}
		})
	}
	all.Go(func() {
		luck := rand.New(rand.NewPCG(1, uint64(s.taken.Load())))
		tick := time.NewTicker(soakTakes / 4)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				most = max(most, len(s.broker.Sessions()))
			}
			if n%4 == 0 {
				s.take(luck)
			}
		}
	})
	all.Wait()
	return most
}

// take is one taking by the plant, or a line that breaks.
func (s *soak) take(luck *rand.Rand) {
	at := luck.IntN(soakWindows)
	w := s.at(at)
	var err error
	switch s.taken.Add(1); luck.IntN(16) {
	case 0:
		if s.cuts == soakCuts {
			return
		}
		s.cuts++
		if _, err = s.desk.Cut(s.ctx, s.actor("mia"), w.id, "soak"); err == nil {
			next := s.window()
			s.mu.Lock()
			s.windows[at] = next
			s.mu.Unlock()
		}
	case 1:
		_, err = s.desk.Pause(s.ctx, s.actor("mia"), w.id, "soak")
		if err == nil {
			_, err = s.desk.GoOn(s.ctx, s.actor("mia"), w.id)
		}
	case 2: // somebody else: all are asked about again
		err = s.block(policy.Block{Person: "bob", Why: "soak"})
	case 3: // every channel, and no session
		if luck.IntN(4) == 0 {
			err = s.block(policy.Block{Asset: "filler-plc", Why: "soak"})
		}
	case 4: // everybody
		if luck.IntN(4) == 0 {
			err = s.block(policy.Block{Person: "ann", Why: "soak"})
		}
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.raw { // any one of them
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
			break
		}
	}
	if err != nil {
		s.t.Errorf("a taking: %v", err)
	}
}

func (s *soak) block(b policy.Block) error {
	b, err := s.desk.Block(s.ctx, s.actor("mia"), b)
	if err != nil {
		return err
	}
	return s.desk.Lift(s.ctx, s.actor("mia"), b.ID, "soak")
}

// life is one session: its login, one kind of work, one kind of end. Whatever goes
// wrong in it may be a taking.
func (s *soak) life(ctx context.Context, luck *rand.Rand) {
	w := s.at(luck.IntN(soakWindows))
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Errorf("the door: %v", err)
		return
	}
	defer raw.Close()
	conn, chans, reqs, err := ssh.NewClientConn(raw, s.addr, &ssh.ClientConfig{User: "ann+logs+filler-plc", Auth: []ssh.AuthMethod{ssh.PublicKeys(w.cert)},
		HostKeyCallback: ssh.FixedHostKey(s.ca.HostKey().PublicKey()), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519}})
	if err != nil {
		s.missed.Add(1)
		return
	}
	c := ssh.NewClient(conn, chans, reqs)
	defer c.Close()
	s.mu.Lock()
	s.raw[raw] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.raw, raw)
		s.mu.Unlock()
	}()
	s.begun.Add(1)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(luck.Int64N(int64(min(soakLife, s.round)))))
	defer cancel()
	defer context.AfterFunc(ctx, func() { c.Close() })() // in the middle of whatever it does
	works := []func(context.Context, *ssh.Client, *rand.Rand){commandWork, shellWork, bulkWork, streamWork, copyWork, deafWork}
	works[luck.IntN(len(works))](ctx, c, luck)
}

func rest(ctx context.Context, luck *rand.Rand) bool {
	select {
	case <-time.After(time.Duration(luck.IntN(500)) * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

func commandWork(ctx context.Context, c *ssh.Client, luck *rand.Rand) {
	for rest(ctx, luck) {
		if s, err := c.NewSession(); err == nil {
			_, _ = s.CombinedOutput("echo out; echo err >&2; exit 3")
			_ = s.Close()
		}
	}
}

func shellWork(ctx context.Context, c *ssh.Client, luck *rand.Rand) {
	s, err := c.NewSession()
	if err != nil {
		return
	}
	defer s.Close()
	in, _ := s.StdinPipe()
	s.Stdout, s.Stderr = io.Discard, io.Discard
	if s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}) != nil || s.Shell() != nil {
		return
	}
	for rest(ctx, luck) {
		if _, err := io.WriteString(in, "echo typed\n"); err != nil {
			return
		}
		_ = s.WindowChange(24+luck.IntN(20), 80)
	}
	_, _ = io.WriteString(in, "exit\n")
}

func bulkWork(ctx context.Context, c *ssh.Client, luck *rand.Rand) {
	s, err := c.NewSession()
	if err != nil {
		return
	}
	defer s.Close()
	in, _ := s.StdinPipe()
	out, _ := s.StdoutPipe()
	if s.Start("cat") != nil {
		return
	}
	piece := make([]byte, 64<<10)
	for rest(ctx, luck) {
		if _, err := in.Write(piece); err != nil {
			return
		}
		if _, err := io.ReadFull(out, piece); err != nil {
			return
		}
	}
}

func streamWork(ctx context.Context, c *ssh.Client, luck *rand.Rand) {
	s, err := c.Dial("tcp", "filler-plc:502")
	if err != nil {
		return
	}
	defer s.Close()
	ask := []byte("twelve bytes")
	for rest(ctx, luck) {
		if _, err := s.Write(ask); err != nil {
			return
		}
		if _, err := io.ReadFull(s, make([]byte, len(ask))); err != nil {
			return
		}
	}
}

func copyWork(ctx context.Context, c *ssh.Client, luck *rand.Rand) {
	for rest(ctx, luck) {
		s, err := c.NewSession()
		if err != nil {
			return
		}
		s.Stdin, s.Stdout, s.Stderr = strings.NewReader("\x00\x00\x00\x00"), io.Discard, io.Discard
		_ = s.Run("scp -f /etc/hostname")
		_ = s.Close()
	}
}

// deafWork is a machine that talks to somebody who does not listen.
func deafWork(ctx context.Context, c *ssh.Client, _ *rand.Rand) {
	s, err := c.NewSession()
	if err != nil {
		return
	}
	defer s.Close()
	if _, err := s.StdoutPipe(); err != nil || s.Start("head -c 4000000 /dev/zero; sleep 30") != nil {
		return
	}
	<-ctx.Done()
}

// rests waits until nobody is in and nothing runs for them, and says what is held.
func (s *soak) rests() held {
	s.t.Helper()
	end := time.Now().Add(soakRests)
	for len(s.broker.Sessions()) > 0 || len(s.door.open()) > 0 {
		if time.Now().After(end) {
			s.t.Fatalf("%v after everybody has left there are %d sessions and %d connections", soakRests, len(s.broker.Sessions()), len(s.door.open()))
		}
		time.Sleep(50 * time.Millisecond)
	}
	if text := s.said.String(); strings.Contains(text, "panic") {
		s.t.Errorf("a panic: %s", text)
	}
	s.said.reset() // of the test's own: what it remembers is not held by the broker
	s.machine.forget()
	return s.lowest()
}

// lowest looks for a few seconds: connections of the machines go in their own time.
func (s *soak) lowest() (low held) {
	for i := range 8 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		files, err := os.ReadDir("/proc/self/fd")
		s.ok(err)
		now := held{runtime.NumGoroutine(), len(files), int64(m.HeapAlloc + m.StackInuse)}
		if i == 0 {
			low = now
		}
		low = held{min(low.routines, now.routines), min(low.files, now.files), min(low.heap, now.heap)}
		time.Sleep(100 * time.Millisecond)
	}
	return low
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
	failed, read := 0, 0
	for leaf, err := range s.log.Upto(s.ctx, 0) {
		s.ok(err)
		n[leaf.Body.Type()]++
		ended, is := leaf.Body.(audit.SessionEnded)
		if is && ended.Cause == "recorder" { // a disk that is too busy; what it means is not this test's
			failed++
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
	s.t.Log(fmt.Sprintf("%d sessions, %d channels, %d ended by a slow disk, %d recordings read", n["session.started"], n["channel.opened"], failed, read))
}
