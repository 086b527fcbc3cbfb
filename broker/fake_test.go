package broker_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"net/netip"

	"go.uber.org/goleak"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // faults are made on purpose
	if os.Getenv(childEnd) != "" {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

const pin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ"

// tape is a recorder in memory that can fail, hang, and objects to misuse.
type tape struct {
	room    recording.Room
	mu      sync.Mutex
	fail    string // "create", "stream", "commit", "append", "close-stream", "close": fails from then on
	hang    chan struct{}
	hanging chan struct{} // gets one token when a Commit hangs
	frames  []recording.Frame
	size    int64    // of their data: 10 000 sessions ask
	forget  bool     // frames are not kept: for benchmarks
	closed  []string // causes, in order
	gone    chan struct{}
	err     error
	torn    bool          // by something else than create
	hear    []func(error) // told of it
	overdue *durable.Overdue
}

func (a *tape) Overdue() broker.TestOverdue { return a.overdue }

func newTape() *tape {
	return &tape{gone: make(chan struct{}), hanging: make(chan struct{}, 100), overdue: durable.NewOverdue(30 * time.Second)}
}

func (a *tape) failing(what string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return a.err
	}
	if a.fail != what {
		return nil
	}
	a.err = errors.New("the tape tore at " + what)
	if what != "create" {
		a.torn = true
		for _, f := range a.hear {
			go f(a.err)
		}
	}
	return a.err
}

func (a *tape) failAt(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = what
}

func (a *tape) hangFrom(now chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hang = now
}

func (a *tape) Mode() string { return "readable" }

func (a *tape) Room() (recording.Room, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.room, nil
}

func (a *tape) roomIs(r recording.Room) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.room = r
}

func (a *tape) Failed() <-chan struct{} { return a.gone }

func (a *tape) Create(ctx context.Context, h recording.Header) (broker.TestWriter, audit.Hash, audit.Hash, error) {
	if err := a.failing("create"); err != nil {
		return nil, audit.Hash{}, audit.Hash{}, err
	}
	return &tapeWriter{a: a}, audit.HashOf([]byte("header")), audit.HashOf([]byte("keys")), ctx.Err()
}

type tapeWriter struct {
	a       *tape
	mu      sync.Mutex
	closed  bool
	streams map[int]bool
}

func (w *tapeWriter) Written() int64 {
	w.a.mu.Lock()
	defer w.a.mu.Unlock()
	return w.a.size
}

func (w *tapeWriter) OnFail(f func(error)) {
	w.a.mu.Lock()
	defer w.a.mu.Unlock()
	w.a.hear = append(w.a.hear, f)
	if w.a.torn {
		go f(w.a.err)
	}
}

func (w *tapeWriter) Err() error {
	w.a.mu.Lock()
	defer w.a.mu.Unlock()
	return w.a.err
}

func (w *tapeWriter) Stream(ch int, kind string) (broker.TestStream, error) {
	if err := w.a.failing("stream"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.streams == nil {
		w.streams = map[int]bool{}
	}
	if w.streams[ch] || w.closed || kind == "" {
		return nil, errors.New("a channel number twice, or after Close")
	}
	w.streams[ch] = true
	return &tapeStream{w: w, ch: ch}, nil
}

func (w *tapeWriter) Close(ctx context.Context, cause string) (audit.Hash, error) {
	if err := w.a.failing("close"); err != nil {
		return audit.Hash{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return audit.Hash{}, errors.New("closed twice")
	}
	w.closed = true
	w.a.mu.Lock()
	defer w.a.mu.Unlock()
	w.a.closed = append(w.a.closed, cause)
	return audit.HashOf([]byte("close " + cause)), ctx.Err()
}

type tapeStream struct {
	w      *tapeWriter
	ch     int
	mu     sync.Mutex
	closed bool
}

func (s *tapeStream) Commit(ctx context.Context, m recording.Mark, p []byte) error {
	s.w.a.mu.Lock()
	hang := s.w.a.hang
	s.w.a.mu.Unlock()
	if hang != nil && m != recording.Resize && m != recording.EOF {
		s.w.a.hanging <- struct{}{}
		select {
		case <-hang:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := s.w.a.failing("commit"); err != nil {
		return err
	}
	return s.put(m, p)
}

func (s *tapeStream) Append(m recording.Mark, p []byte) error {
	if err := s.w.a.failing("append"); err != nil {
		return err
	}
	return s.put(m, p)
}

func (s *tapeStream) put(m recording.Mark, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return recording.ErrClosed
	}
	s.w.a.mu.Lock()
	defer s.w.a.mu.Unlock()
	if s.w.a.forget {
		return nil
	}
	s.w.a.size += int64(len(p))
	s.w.a.frames = append(s.w.a.frames, recording.Frame{Channel: s.ch, Mark: m, Data: append([]byte(nil), p...)})
	return nil
}

func (s *tapeStream) Close(context.Context) error {
	if err := s.w.a.failing("close-stream"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// of is what was recorded with a mark, frame by frame.
func (a *tape) of(m recording.Mark) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for _, f := range a.frames {
		if f.Mark == m {
			all = append(all, string(f.Data))
		}
	}
	return all
}

func (a *tape) causes() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.closed...)
}

// times are clocks that a test moves. Monotonic time is the bubble's.
type times struct {
	mu   sync.Mutex
	step time.Duration // wall against the bubble's clock
	dead bool          // wall and boot clock stand still
	nap  time.Duration // boot time beyond the bubble's clock
	zero time.Time
}

func (c *times) clock() broker.Clock {
	c.zero = time.Now()
	return broker.Clock{
		Wall: func() time.Time { return c.zero.Add(c.since(&c.step)) },
		Boot: func() time.Duration { return c.since(&c.nap) + time.Hour },
	}
}

func (c *times) since(more *time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return *more
	}
	return time.Since(c.zero) + *more
}

func (c *times) die() { c.mu.Lock(); defer c.mu.Unlock(); c.dead = true }

func (c *times) stepWall(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.step += d }
func (c *times) sleepOver(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nap += d
	c.step += d
}

var testPlantAt = netip.MustParseAddrPort("127.0.0.1:2201")

var testPlant = func() func(testing.TB) *policy.Plant {
	var once sync.Once
	var p *policy.Plant
	return func(t testing.TB) *policy.Plant {
		once.Do(func() { p = brokertest.Plant(t, testPlantAt, 5020, pin) })
		return p
	}
}()

// scene is a broker on a tape.
type scene struct {
	*broker.Broker
	agreement *brokertest.Agreement
	log       *brokertest.Log
	tape      *tape
	times     *times
	guest     *brokertest.Guest
	stop      func() error
}

// newScene makes a broker with W-1 open for an hour. The caller stops it.
func newScene(t testing.TB, plant *policy.Plant, l broker.Limits) *scene {
	t.Helper()
	moved := &times{}
	s := newSceneBy(t, plant, l, moved.clock())
	s.times = moved
	return s
}

// newSceneBy is newScene by clocks that no test moves: of the machine, for what is measured.
func newSceneBy(t testing.TB, plant *policy.Plant, l broker.Limits, clock broker.Clock) *scene {
	t.Helper()
	s := &scene{agreement: &brokertest.Agreement{}, log: &brokertest.Log{}, tape: newTape(), guest: &brokertest.Guest{}}
	s.agreement.Window(brokertest.W1, time.Now(), time.Hour)
	s.Broker = broker.NewWith(func() *policy.Plant { return plant }, s.agreement, s.log, s.tape, l, clock, brokertest.IDs())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.stop = sync.OnceValue(func() error {
		now, quit := context.WithCancel(context.Background())
		quit()
		if err := s.Drain(now); err != nil {
			t.Error(err)
		}
		cancel()
		return <-done
	})
	return s
}

func (s *scene) admit(t testing.TB, w ...policy.WindowID) *broker.Session {
	t.Helper()
	ses, err := s.Admit(context.Background(), brokertest.Arrival(w...), s.guest)
	if err != nil {
		t.Fatalf("admit: %v", err)
	}
	return ses
}

func (s *scene) open(t testing.TB, ses *broker.Session, q policy.Query) *broker.Channel {
	t.Helper()
	c, err := ses.Open(context.Background(), q)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return c
}

// shell is a channel of a fresh session.
func (s *scene) shell(t testing.TB) (*broker.Session, *broker.Channel) {
	t.Helper()
	ses := s.admit(t, brokertest.W1)
	return ses, s.open(t, ses, brokertest.Shell(brokertest.Maint))
}

// rule is the rule of a refusal, or the error as it is.
func rule(err error) string {
	var r *policy.Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		return r.Rule
	}
	return err.Error()
}

// in sends bytes through the gate and says what came of it.
func in(c *broker.Channel, text string) string {
	forward, err := c.In(context.Background(), []byte(text))
	if err != nil {
		return rule(err)
	}
	if !forward {
		return "swallowed"
	}
	return "passed"
}

// closer counts.
type closer struct {
	once sync.Once
	done chan struct{}
}

func newCloser() *closer { return &closer{done: make(chan struct{})} }
func (c *closer) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

var _ io.Closer = (*closer)(nil)
