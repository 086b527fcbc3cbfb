package sshd

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"penstock/broker"
	"penstock/policy"
)

// The soak without SOAK_MINUTES, as in scripts/test; scripts/soak says 30.
const (
	shortRounds   = 2
	shortRound    = time.Second
	shortSessions = 12
	shortPace     = 500 * time.Millisecond // between two things that somebody does, at most

	longRound    = 3 * time.Minute
	longSessions = 500
	longPace     = 4 * time.Second

	soakWindows = 8               // that the sessions are spread over
	soakCuts    = 10              // of them: a firm may ask 20 times a day
	soakLogins  = 32              // under way at once: the door takes 64, and 500 newcomers at once are another test's
	soakLife    = 2 * time.Minute // of one session, at most
	soakTakes   = time.Second     // between two takings by the plant
	soakAgain   = 5 * time.Second // until somebody who was not let in tries again, at most
	soakRests   = 2 * time.Minute // until nothing of a round is left
)

// soak is many sessions of all kinds that come and go, in rounds. After each
// everybody has left, and what is held then must not grow.
type soak struct {
	*house
	sessions int // that must have been in at once in every long round
	round    time.Duration
	pace     time.Duration
	logins   chan struct{}
	begun    atomic.Int64 // logins that got in
	missed   atomic.Int64 // that did not: their window was cut, or the door was full
	taken    atomic.Int64
	waited   atomic.Int64 // how often recording was late

	mu      sync.Mutex
	windows []soakWindow
	cuts    int // take's alone
	raw     map[net.Conn]bool
	turned  map[string]int // logins that were not let in, by what was said
}

type soakWindow struct {
	id   policy.WindowID
	cert ssh.Signer
}

func TestSoakSessions(t *testing.T) {
	s := &soak{sessions: shortSessions, round: shortRound, pace: shortPace, logins: make(chan struct{}, soakLogins), raw: map[net.Conn]bool{}, turned: map[string]int{}}
	rounds, long := shortRounds, false
	if text := os.Getenv("SOAK_MINUTES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 6 {
			t.Fatalf("SOAK_MINUTES is %q: a number of minutes, at least 6", text)
		}
		long = true
		s.sessions, s.round, s.pace, rounds = longSessions, longRound, longPace, n/int(longRound/time.Minute)
		if text := os.Getenv("SOAK_SESSIONS"); text != "" {
			if s.sessions, err = strconv.Atoi(text); err != nil || s.sessions < 1 || s.sessions > longSessions {
				t.Fatalf("SOAK_SESSIONS is %q: a number of sessions, at most %d", text, longSessions)
			}
		}
	}
	text := strings.Replace(plantText, "[ssh, modbus", "[ssh, sftp, modbus", 1)
	s.house = newHouseWith(t, Limits{PerSource: 4 * longSessions, PerSecond: 1e6}, broker.Limits{SessionsPerPerson: 2 * longSessions}, text)
	for range soakWindows {
		s.windows = append(s.windows, s.window())
	}
	watched := make(chan struct{})
	ctx, cancel := context.WithCancel(s.ctx)
	go func() { defer close(watched); s.watch(ctx) }()
	defer func() { cancel(); <-watched }()
	idle := s.holds()
	t.Logf("%8s %9s %9s %8s %8s %8s %6s %5s %9s %9s %9s", "round", "at most", "mean", "let in", "turned", "takings", "late", "gor.", "files", "heap KiB", "RSS KiB")
	t.Logf("%8s %9s %9s %8s %8s %8s %6s %s", "none", "", "", "", "", "", "", idle)
	var rests []held
	for i := range rounds {
		most, mean := s.play()
		late := s.inTime()
		now := s.rests(idle)
		rests = append(rests, now)
		t.Logf("%8d %9d %9d %8d %8d %8d %6d %s", i+1, most, mean, s.begun.Load(), s.missed.Load(), s.taken.Load(), late, now)
		if long && most < s.sessions {
			t.Errorf("at most %d of %d sessions were in at once: this machine is too slow or too busy for them", most, s.sessions)
		}
		s.profile(i + 1)
	}
	s.flat(rests)
	if s.begun.Load() < int64(s.sessions) {
		t.Errorf("only %d sessions began", s.begun.Load())
	}
	for why, n := range s.turned {
		t.Logf("%6d not let in: %s", n, why)
	}
	s.accounts()
}

// watch counts how often recording is late.
func (s *soak) watch(ctx context.Context) {
	for {
		o := s.archive.Overdue()
		select {
		case <-o.Late():
		case <-ctx.Done():
			return
		}
		s.waited.Add(1)
		select {
		case <-o.Well():
		case <-ctx.Done():
			return
		}
	}
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
// gives how many there were at once, at most and in the mean.
func (s *soak) play() (most, mean int) {
	ctx, cancel := context.WithTimeout(s.ctx, s.round)
	defer cancel()
	var all sync.WaitGroup
	for i := range s.sessions + s.sessions/5 { // some are always on their way
		all.Go(func() {
			for n := uint64(0); ctx.Err() == nil; n++ {
				luck := rand.New(rand.NewPCG(uint64(i), n))
				if wait(ctx, luck, shortPace) {
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
				mean /= n
				return
			case <-tick.C:
				in := len(s.broker.Sessions())
				most, mean = max(most, in), mean+in
			}
			if n%4 == 0 {
				s.take(luck)
			}
		}
	})
	all.Wait()
	return most, mean
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
		if luck.IntN(8) == 0 {
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
	select {
	case s.logins <- struct{}{}:
	case <-ctx.Done():
		return
	}
	loggedIn := sync.OnceFunc(func() { <-s.logins })
	defer loggedIn()
	w := s.at(luck.IntN(soakWindows))
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Errorf("the door: %v", err)
		return
	}
	defer raw.Close()
	said := ""
	conn, chans, reqs, err := ssh.NewClientConn(raw, s.addr, &ssh.ClientConfig{User: "ann+logs+filler-plc", Auth: []ssh.AuthMethod{ssh.PublicKeys(w.cert)},
		HostKeyCallback: ssh.FixedHostKey(s.ca.HostKey().PublicKey()), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		BannerCallback: func(text string) error { said += text; return nil }})
	loggedIn()
	if err != nil {
		s.miss(said, err)
		wait(ctx, luck, soakAgain)
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
	works := []func(visitor){visitor.runsCommands, visitor.types, visitor.copiesThrough, visitor.asksAPort, visitor.fetchesAFile, visitor.hearsNothing}
	works[luck.IntN(len(works))](visitor{c, ctx, luck, s.pace})
}

// miss counts a login that was not let in, by what was said.
func (s *soak) miss(said string, err error) {
	s.missed.Add(1)
	why := strings.TrimSpace(said)
	if why == "" {
		why = err.Error()
		why = "no word, " + why[strings.LastIndex(why, ": ")+2:] // without addresses
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.turned[why]; known || len(s.turned) < 20 {
		s.turned[why]++
	}
}

// visitor is somebody at work in one session.
type visitor struct {
	*ssh.Client
	ctx  context.Context
	luck *rand.Rand
	pace time.Duration
}

// rests and wait are the pace of somebody at work: nothing is told by them.
func (v visitor) rests() bool { return wait(v.ctx, v.luck, v.pace) }

func wait(ctx context.Context, luck *rand.Rand, most time.Duration) bool {
	select {
	case <-time.After(time.Duration(luck.Int64N(int64(most)))):
		return true
	case <-ctx.Done():
		return false
	}
}

func (v visitor) runsCommands() {
	for v.rests() {
		if s, err := v.NewSession(); err == nil {
			_, _ = s.CombinedOutput("echo out; echo err >&2; exit 3")
			_ = s.Close()
		}
	}
}

func (v visitor) types() {
	s, err := v.NewSession()
	if err != nil {
		return
	}
	defer s.Close()
	in, _ := s.StdinPipe()
	s.Stdout, s.Stderr = io.Discard, io.Discard
	if s.RequestPty("xterm", 24, 80, ssh.TerminalModes{}) != nil || s.Shell() != nil {
		return
	}
	for v.rests() {
		if _, err := io.WriteString(in, "echo typed\n"); err != nil {
			return
		}
		_ = s.WindowChange(24+v.luck.IntN(20), 80)
	}
	_, _ = io.WriteString(in, "exit\n")
}

func (v visitor) copiesThrough() {
	s, err := v.NewSession()
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
	for v.rests() {
		if _, err := in.Write(piece); err != nil {
			return
		}
		if _, err := io.ReadFull(out, piece); err != nil {
			return
		}
	}
}

func (v visitor) asksAPort() {
	s, err := v.Dial("tcp", "filler-plc:502")
	if err != nil {
		return
	}
	defer s.Close()
	ask := []byte("twelve bytes")
	for v.rests() {
		if _, err := s.Write(ask); err != nil {
			return
		}
		if _, err := io.ReadFull(s, make([]byte, len(ask))); err != nil {
			return
		}
	}
}

func (v visitor) fetchesAFile() {
	for v.rests() {
		s, err := v.NewSession()
		if err != nil {
			return
		}
		s.Stdin, s.Stdout, s.Stderr = strings.NewReader("\x00\x00\x00\x00"), io.Discard, io.Discard
		_ = s.Run("scp -f /etc/hostname")
		_ = s.Close()
	}
}

// hearsNothing: a machine that talks to somebody who does not listen.
func (v visitor) hearsNothing() {
	s, err := v.NewSession()
	if err != nil {
		return
	}
	defer s.Close()
	if _, err := s.StdoutPipe(); err != nil || s.Start("head -c 4000000 /dev/zero; sleep 30") != nil {
		return
	}
	<-v.ctx.Done()
}
