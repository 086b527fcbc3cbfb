package broker_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
	"penstock/broker"
	"penstock/broker/brokertest"
	"penstock/policy"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// slow is a file system whose syncs can be made to wait.
type slow struct {
	durable.FS
	mu sync.Mutex
	on chan struct{} // nil: they do not
}

func (d *slow) hang() (release func()) {
	let := make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = let
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.on = nil
		close(let)
	}
}

func (d *slow) OpenFile(name string, flag int, perm os.FileMode) (durable.File, error) {
	f, err := d.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &slowFile{f, d}, nil
}

type slowFile struct {
	durable.File
	d *slow
}

func (f *slowFile) Sync() error {
	f.d.mu.Lock()
	on := f.d.on
	f.d.mu.Unlock()
	if on != nil {
		<-on
	}
	return f.File.Sync()
}

// slowLog is a log whose Append can be made to wait, within its ctx.
type slowLog struct {
	*brokertest.Log
	slow
}

func (l *slowLog) Append(ctx context.Context, ev audit.Event) (audit.Leaf, error) {
	l.mu.Lock()
	on := l.on
	l.mu.Unlock()
	if on != nil {
		select {
		case <-on:
		case <-ctx.Done():
			return audit.Leaf{}, context.Cause(ctx)
		}
	}
	return l.Log.Append(ctx, ev)
}

// lateRig is a broker in a bubble on a disk and a log that can be slow; stop it.
func lateRig(t *testing.T) (b *broker.Broker, ar *recording.Archive, disk *slow, log *slowLog, stop func()) {
	t.Helper()
	disk, log = &slow{FS: durable.OS}, &slowLog{Log: &brokertest.Log{}}
	ar, _ = brokertest.ArchiveOn(t, log, t.TempDir(), durable.On(disk), durable.Patience(2*time.Second))
	plant, a := testPlant(t), &brokertest.Agreement{}
	a.Window(brokertest.W1, time.Now(), time.Hour)
	b = broker.New(func() *policy.Plant { return plant }, a, log, ar, broker.Limits{}, broker.Clock{}, brokertest.IDs())
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{b.Run, ar.Run} {
		all.Go(func() { _ = run(ctx) }) // the archive's error is what a test asks Ready for
	}
	return b, ar, disk, log, func() {
		now, quit := context.WithCancel(context.Background())
		quit()
		if err := b.Drain(now); err != nil {
			t.Error(err)
		}
		cancel()
		all.Wait()
	}
}

// A disk that takes its time, or a process that had none: nobody is admitted,
// nothing passes, everybody who is in is told, and then all goes on. What was
// asked meanwhile is in the recording, in order.
func TestALateDiskIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ar, disk, log, stop := lateRig(t)
		defer stop()
		guest := &brokertest.Guest{}
		s, err := b.Admit(t.Context(), brokertest.Arrival(brokertest.W1), guest)
		must(t, err)
		c, err := s.Open(t.Context(), brokertest.Shell(brokertest.Maint))
		must(t, err)
		if got := in(c, "one "); got != "passed" {
			t.Fatal(got)
		}
		release := disk.hang()
		typed, shown := make(chan string, 2), make(chan error, 1)
		go func() { typed <- in(c, "two ") }()
		<-ar.Overdue().Late()
		go func() { shown <- c.Out(context.Background(), recording.Out, []byte("prompt ")) }()
		time.Sleep(10 * time.Second)
		if len(typed)+len(shown) > 0 {
			t.Error("something passed while it could not be recorded")
		}
		if got := rule(b.Ready()); got != "recording-late" || broker.CauseWord(b.Ready()) != "recorder" {
			t.Errorf("ready: %s, and a session would end by %s", got, broker.CauseWord(b.Ready()))
		}
		if _, err := b.Admit(t.Context(), brokertest.Arrival(brokertest.W1), &brokertest.Guest{}); rule(err) != "recording-late" {
			t.Errorf("admitted while it could not be recorded: %v", err)
		}
		if told := guest.Told(); len(told) != 1 || !strings.Contains(told[0], "It waits until it can") {
			t.Errorf("told %q", told)
		}
		release()
		if got, err := <-typed, <-shown; got != "passed" || err != nil {
			t.Errorf("afterwards: %s, %v", got, err)
		}
		time.Sleep(5 * time.Second)
		if told := guest.Told(); len(told) != 2 || !strings.Contains(told[1], "goes on") {
			t.Errorf("told %q", told)
		}
		must(t, b.Ready())
		if said := brokertest.Bodies[audit.RecordingLate](log.Log); len(said) != 1 || said[0].Millis < 10_000 || said[0].Millis > 14_000 {
			t.Errorf("the log says %v", said)
		}
		if got := in(c, "three"); got != "passed" {
			t.Error(got)
		}
		next, err := b.Admit(t.Context(), brokertest.Arrival(brokertest.W1), &brokertest.Guest{})
		must(t, err)
		next.End(nil)
		s.End(nil)
		<-s.Done()
		if got := kept(t, ar); got != "one two three" {
			t.Errorf("recorded: %q", got)
		}
	})
}

// What is taken away while the disk hangs is taken at once.
func TestACutDoesNotWaitForALateDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ar, disk, _, stop := lateRig(t)
		defer stop()
		s, err := b.Admit(t.Context(), brokertest.Arrival(brokertest.W1), &brokertest.Guest{})
		must(t, err)
		c, err := s.Open(t.Context(), brokertest.Shell(brokertest.Maint))
		must(t, err)
		release := disk.hang()
		defer release()
		typed := make(chan string, 1)
		go func() { typed <- in(c, "one") }()
		<-ar.Overdue().Late()
		waits := make(chan string, 1)
		go func() { waits <- in(c, "two") }()
		synctest.Wait()
		begun := time.Now()
		b.Stop(brokertest.W1, errors.New("not like this"))
		for _, ch := range []chan string{typed, waits} {
			if got := <-ch; got == "passed" {
				t.Error("it passed after the cut")
			}
		}
		if took := time.Since(begun); took > 250*time.Millisecond {
			t.Errorf("the cut took %v", took)
		}
	})
}

// A channel that ends while its output waits for the disk ends alone: the
// session and its other channels go on.
func TestAChannelThatEndsWhileLateEndsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ar, disk, _, stop := lateRig(t)
		defer stop()
		s, err := b.Admit(t.Context(), brokertest.Arrival(brokertest.W1), &brokertest.Guest{})
		must(t, err)
		gone, err := s.Open(t.Context(), brokertest.Shell(brokertest.Maint))
		must(t, err)
		stays, err := s.Open(t.Context(), brokertest.Shell(brokertest.Maint))
		must(t, err)
		must(t, gone.Out(t.Context(), recording.Out, []byte("first"))) // and firstbyte with it
		time.Sleep(time.Second)
		release := disk.hang()
		typed, shown := make(chan string, 1), make(chan error, 1)
		go func() { typed <- in(stays, "one") }()
		<-ar.Overdue().Late()
		go func() { shown <- gone.Out(context.Background(), recording.Out, []byte("prompt")) }()
		synctest.Wait()
		closed := make(chan struct{})
		go func() { defer close(closed); gone.Close("0", nil) }()
		time.Sleep(5 * time.Second) // its stream is closed by then
		release()
		if err := <-shown; !errors.Is(err, broker.ErrChannelClosed) {
			t.Errorf("what waited says %v", err)
		}
		<-closed
		if got := <-typed; got != "passed" {
			t.Errorf("beside it: %s", got)
		}
		must(t, stays.Look())
	})
}

// An event that hangs in the log: nobody is admitted, and only after 30 s it
// counts as failed, which is for good.
func TestALateLogIsWaitedFor(t *testing.T) {
	for _, row := range []struct {
		name string
		wait time.Duration
		want string
	}{{"20 s", 20 * time.Second, ""}, {"a minute", time.Minute, "recording-failed"}} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _, _, log, stop := lateRig(t)
				defer stop()
				s, err := b.Admit(t.Context(), brokertest.Arrival(brokertest.W1), &brokertest.Guest{})
				must(t, err)
				release := log.hang()
				opened := make(chan error, 1)
				go func() {
					_, err := s.Open(context.Background(), brokertest.Shell(brokertest.Maint))
					opened <- err
				}()
				time.Sleep(5 * time.Second)
				if got := rule(b.Ready()); got != "recording-late" {
					t.Errorf("after 5 s: %s", got)
				}
				time.Sleep(row.wait - 5*time.Second)
				release()
				if got := rule(<-opened); got != row.want {
					t.Errorf("the channel: %q", got)
				}
				time.Sleep(5 * time.Second)
				if got := rule(b.Ready()); got != row.want {
					t.Errorf("afterwards: %q", got)
				}
				if has := slices.Contains(log.Types(), "channel.opened"); has != (row.want == "") {
					t.Errorf("channel.opened is there: %v", has)
				}
			})
		})
	}
}
