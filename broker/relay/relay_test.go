package relay_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/broker/relay"
	"penstock/policy"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // faults are made on purpose
	goleak.VerifyTestMain(m)
}

const pin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEB2Usr139kuZ6rYGMdLox0VMMWPU69aeVI3Cg/binFZ"

// open gives a rig with one session and one channel.
func open(t testing.TB, q policy.Query) (*brokertest.Rig, *broker.Session, *broker.Channel) {
	t.Helper()
	r := brokertest.New(t, brokertest.Plant(t, netip.MustParseAddrPort("127.0.0.1:2201"), 5020, pin), broker.Limits{})
	s := r.Session(t, &brokertest.Guest{})
	return r, s, r.Channel(t, s, q)
}

func noise(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// odd gives its bytes in pieces of many sizes.
type odd struct {
	r io.Reader
	n int
}

func (o *odd) Read(p []byte) (int, error) {
	o.n = (o.n*7 + 13) % 40_000
	return o.r.Read(p[:min(len(p), o.n+1)])
}

func TestBytesPassUnchangedAndAreRecorded(t *testing.T) {
	for name, q := range map[string]policy.Query{"ssh": brokertest.Shell(brokertest.Maint), "durable both ways": brokertest.Modbus()} {
		for _, n := range []int{0, 1, 511, 512, 513, 32 << 10, 3<<20 + 7} {
			r, s, c := open(t, q)
			b := noise(n)
			var target, vendor bytes.Buffer
			if err := relay.ToTarget(c.Context(), c, &target, &odd{r: bytes.NewReader(b)}); err != nil {
				t.Fatal(err)
			}
			if err := relay.ToVendor(c.Context(), c, recording.Out, &vendor, &odd{r: bytes.NewReader(b)}); err != nil {
				t.Fatal(err)
			}
			c.Close("0", nil)
			if !bytes.Equal(target.Bytes(), b) || !bytes.Equal(vendor.Bytes(), b) {
				t.Errorf("%s, %d bytes: changed on the way", name, n)
			}
			if !bytes.Equal(r.Input(t, s.ID(), 0), b) || !bytes.Equal(r.Recorded(t, s.ID(), 0, recording.Out), b) {
				t.Errorf("%s, %d bytes: the recording differs from what passed", name, n)
			}
		}
	}
}

// pipe is a connected pair of sockets.
func pipe(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func TestATargetThatDoesNotReadIsLeftAtTheEnd(t *testing.T) {
	r, _, c := open(t, brokertest.Shell(brokertest.Maint))
	near, far := pipe(t)
	if err := c.Own(near); err != nil {
		t.Fatal(err)
	}
	full := make(chan struct{})
	vendor := &counter{full: full}
	done := make(chan error, 1)
	go func() { done <- relay.ToTarget(c.Context(), c, near, vendor) }()
	<-full // far reads nothing, and there is no end to what near is given
	r.Broker.Stop(brokertest.W1, errors.New("cut"))
	if err := <-done; refusedBy(err) != "window-cut" {
		t.Errorf("%v", err)
	}
	_ = far
}

// counter gives zeros without end and says when it has given more than one batch.
type counter struct {
	given int
	full  chan struct{}
}

func (c *counter) Read(p []byte) (int, error) {
	if c.given < 2<<20 && c.given+len(p) >= 2<<20 {
		close(c.full)
	}
	c.given += len(p)
	return len(p), nil
}

func refusedBy(err error) string {
	var r *policy.Refusal
	if errors.As(err, &r) {
		return r.Rule
	}
	return ""
}

// A person who does not read holds up one direction of one channel.
func TestAVendorWhoDoesNotReadHoldsUpNobodyElse(t *testing.T) {
	r, s, c := open(t, brokertest.Shell(brokertest.Viewer))
	other := r.Channel(t, s, brokertest.Shell(brokertest.Maint))
	blocked, free := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- relay.ToVendor(c.Context(), c, recording.Out, writer(func([]byte) (int, error) {
			close(blocked)
			<-free
			return 0, net.ErrClosed
		}), bytes.NewReader(noise(1<<20)))
	}()
	<-blocked
	var target, vendor bytes.Buffer
	if err := relay.ToTarget(other.Context(), other, &target, bytes.NewReader(noise(1<<20))); err != nil {
		t.Error(err)
	}
	if err := relay.ToVendor(other.Context(), other, recording.Out, &vendor, bytes.NewReader(noise(1<<20))); err != nil {
		t.Error(err)
	}
	if err := relay.ToTarget(c.Context(), c, &target, bytes.NewReader(noise(100))); err != nil {
		t.Error(err)
	}
	close(free)
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// Each write to a target is at most one step, and looks first: a cut between
// two steps stops the rest.
func TestACutBetweenTwoSteps(t *testing.T) {
	r, _, c := open(t, brokertest.Shell(brokertest.Maint))
	b, sent := noise(1<<20), 0
	err := relay.ToTarget(c.Context(), c, writer(func(p []byte) (int, error) {
		if len(p) > 32<<10 {
			t.Errorf("a write of %d bytes", len(p))
		}
		if sent += len(p); sent > 100<<10 {
			r.Broker.Stop(brokertest.W1, errors.New("cut"))
		}
		return len(p), nil
	}), bytes.NewReader(b))
	if refusedBy(err) != "window-cut" || sent > 164<<10 {
		t.Errorf("%d bytes passed: %v", sent, err)
	}
}

// What In has let through and the machine has not had yet is input like what
// comes after: narrowed to look, no further step of it goes on.
func TestNarrowedBetweenTwoSteps(t *testing.T) {
	r, s, c := open(t, brokertest.Shell(brokertest.Maint))
	b, sent := noise(1<<20), 0
	err := relay.ToTarget(c.Context(), c, writer(func(p []byte) (int, error) {
		if sent += len(p); sent > 100<<10 {
			r.Broker.Narrow(brokertest.W1, policy.Look, "narrowed by mia to: look")
		}
		return len(p), nil
	}), bytes.NewReader(b))
	if err != nil || sent > 164<<10 {
		t.Errorf("%d bytes passed: %v", sent, err)
	}
	c.Close("0", nil)
	if notes := string(r.Recorded(t, s.ID(), 0, recording.Note)); !strings.Contains(notes, "not passed on") {
		t.Errorf("the recording does not say where it stopped: %q", notes)
	}
}

func TestWhatWasReadAheadDoesNotPassAfterTheEnd(t *testing.T) {
	r, _, c := open(t, brokertest.Shell(brokertest.Maint))
	from, vendor := io.Pipe()
	first := make(chan struct{})
	done := make(chan error, 1)
	sent := 0
	go func() {
		done <- relay.ToTarget(c.Context(), c, writer(func(p []byte) (int, error) {
			if sent += len(p); sent == len(p) {
				close(first)
			}
			return len(p), nil
		}), from)
	}()
	if _, err := vendor.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	<-first
	r.Broker.Stop(brokertest.W1, errors.New("cut"))
	go vendor.Write(noise(1 << 20))
	if err := <-done; refusedBy(err) != "window-cut" {
		t.Errorf("%v", err)
	}
	from.Close()
	if sent != 1 {
		t.Errorf("%d bytes passed", sent)
	}
}

func TestAReaderThatFails(t *testing.T) {
	_, _, c := open(t, brokertest.Shell(brokertest.Maint))
	failing := func() io.Reader { return io.MultiReader(bytes.NewReader([]byte("x")), broken{}) }
	if err := relay.ToVendor(c.Context(), c, recording.Err, io.Discard, failing()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	if err := relay.ToTarget(c.Context(), c, io.Discard, failing()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the caller left"))
	if err := relay.ToTarget(ctx, c, writer(func([]byte) (int, error) {
		t.Error("bytes passed although the caller had left")
		return 0, nil
	}), bytes.NewReader([]byte("x"))); err == nil {
		t.Error("the caller's context was not obeyed")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// An idle channel holds no large buffer.
func TestAnIdleRelayIsSmall(t *testing.T) {
	_, _, c := open(t, brokertest.Shell(brokertest.Maint))
	const many = 200
	var ends []io.Closer
	done := make(chan error, 2*many)
	before := heap()
	for range many {
		a, b := io.Pipe()
		ends = append(ends, b)
		go func() { done <- relay.ToTarget(c.Context(), c, io.Discard, a) }()
		x, y := io.Pipe()
		ends = append(ends, y)
		go func() { done <- relay.ToVendor(c.Context(), c, recording.Out, io.Discard, x) }()
		if _, err := b.Write([]byte("ls\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := y.Write([]byte("file\n")); err != nil {
			t.Fatal(err)
		}
	}
	if each := (heap() - before) / many; each > 16<<10 {
		t.Errorf("an idle pair of relays holds %d bytes", each)
	}
	for _, e := range ends {
		e.Close()
	}
	for range 2 * many {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Bulk goes in few commits: many small steps would cost a flush each.
func TestBulkIsCoalesced(t *testing.T) {
	r, s, c := open(t, brokertest.Shell(brokertest.Maint))
	if err := relay.ToTarget(c.Context(), c, io.Discard, bytes.NewReader(noise(16<<20))); err != nil {
		t.Fatal(err)
	}
	s.End(nil)
	<-s.Done()
	files, err := filepath.Glob(filepath.Join(r.Dir, "*", "*", "*", "S-1", "*.brf"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v %v", files, err)
	}
	var size int64
	for _, f := range files {
		st, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += st.Size()
	}
	if size > 17<<20 {
		t.Errorf("16 MiB took %d bytes of recording: many small frames", size)
	}
}

func BenchmarkBulkToTarget(b *testing.B) {
	_, _, c := open(b, brokertest.Shell(brokertest.Maint))
	data := noise(64 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := relay.ToTarget(c.Context(), c, io.Discard, bytes.NewReader(data)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKeystroke is one byte through relay, gate and a real disk, and its echo.
func BenchmarkKeystroke(b *testing.B) {
	_, _, c := open(b, brokertest.Shell(brokertest.Maint))
	from, vendor := io.Pipe()
	echo := make(chan struct{})
	go relay.ToTarget(c.Context(), c, writer(func(p []byte) (int, error) { echo <- struct{}{}; return len(p), nil }), from)
	for b.Loop() {
		vendor.Write([]byte("x"))
		<-echo
	}
	vendor.Close()
}
