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

	longRound    = time.Minute
	longSessions = 500

	soakWindows = 8                      // that the sessions are spread over
	soakCuts    = 10                     // of them: a firm may ask 20 times a day
	soakLife    = 20 * time.Second       // of one session, at most
	soakTakes   = 400 * time.Millisecond // between two takings by the plant
	soakAgain   = 5 * time.Second        // until somebody who was not let in tries again, at most
	soakRests   = 2 * time.Minute        // until nothing of a round is left
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
	s := &soak{sessions: shortSessions, round: shortRound, raw: map[net.Conn]bool{}, turned: map[string]int{}}
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
	watched := make(chan struct{})
	ctx, cancel := context.WithCancel(s.ctx)
	go func() { defer close(watched); s.watch(ctx) }()
	defer func() { cancel(); <-watched }()
	idle := s.holds()
	t.Logf("%8s %9s %8s %8s %8s %6s %5s %9s %9s %9s", "round", "sessions", "let in", "turned", "takings", "late", "gor.", "files", "heap KiB", "RSS KiB")
	t.Logf("%8s %9s %8s %8s %8s %6s %s", "none", "", "", "", "", "", idle)
	var rests []held
	for i := range rounds {
		most := s.play()
		late := s.inTime()
		now := s.rests(idle)
		rests = append(rests, now)
		t.Logf("%8d %9d %8d %8d %8d %6d %s", i+1, most, s.begun.Load(), s.missed.Load(), s.taken.Load(), late, now)
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
	said := ""
	conn, chans, reqs, err := ssh.NewClientConn(raw, s.addr, &ssh.ClientConfig{User: "ann+logs+filler-plc", Auth: []ssh.AuthMethod{ssh.PublicKeys(w.cert)},
		HostKeyCallback: ssh.FixedHostKey(s.ca.HostKey().PublicKey()), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		BannerCallback: func(text string) error { said += text; return nil }})
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
	works := []func(context.Context, *ssh.Client, *rand.Rand){commandWork, shellWork, bulkWork, streamWork, copyWork, deafWork}
	works[luck.IntN(len(works))](ctx, c, luck)
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

// rest and wait are the pace of somebody at work: nothing is told by them.
func rest(ctx context.Context, luck *rand.Rand) bool {
	return wait(ctx, luck, 500*time.Millisecond)
}

func wait(ctx context.Context, luck *rand.Rand, most time.Duration) bool {
	select {
	case <-time.After(time.Duration(luck.Int64N(int64(most)))):
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
