package recording_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"penstock/audit"
	"penstock/audit/durable"
	"penstock/audit/recording"
)

// events is a log in memory that keeps what it is told, and can refuse.
type events struct {
	mu     sync.Mutex
	all    []audit.Event
	refuse error
}

func (l *events) Append(_ context.Context, ev audit.Event) (audit.Leaf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return audit.Leaf{}, l.refuse
	}
	l.all = append(l.all, ev)
	return audit.Leaf{Event: ev, Index: audit.Index(len(l.all) - 1)}, nil
}

func (l *events) of(kind string) (found []audit.Body) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ev := range l.all {
		if ev.Body.Type() == kind {
			found = append(found, ev.Body)
		}
	}
	return found
}

func (l *events) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = err
}

// room is an archive on a real folder and a real disk.
type room struct {
	dir   string
	disk  *durable.Disk
	log   *events
	parts recording.Parts
	*recording.Archive
}

var identity = func() *age.X25519Identity {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		panic(err)
	}
	return id
}()

// newRoom opens an archive in dir; the disk's committer runs to the test's end.
func newRoom(t testing.TB, dir string, change ...func(*recording.Parts)) *room {
	t.Helper()
	disk, err := durable.OpenDisk(dir, durable.Patience(time.Minute)) // a busy machine is no fault
	if err != nil {
		t.Fatal(err)
	}
	run(t, disk.Run)
	return onDisk(t, dir, disk, change...)
}

func onDisk(t testing.TB, dir string, disk *durable.Disk, change ...func(*recording.Parts)) *room {
	t.Helper()
	r := &room{dir: dir, disk: disk, log: &events{}}
	r.parts = recording.Parts{
		Dir: filepath.Join(dir, "recordings"), HeadsDir: filepath.Join(dir, "log", "heads"),
		Disk: disk, Log: r.log, Mode: "readable", MinFree: -1,
		Recipients: []string{identity.Recipient().String()}, Identity: identity.String(),
	}
	for _, c := range change {
		c(&r.parts)
	}
	a, err := recording.OpenArchive(r.parts)
	if err != nil {
		t.Fatal(err)
	}
	r.Archive = a
	return r
}

// run starts f and waits for it at the test's end.
func run(t testing.TB, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func header(session string) recording.Header {
	return recording.Header{
		Session: session, Node: "a", Person: "ann", Firm: "acme", Windows: []string{"W-17"}, Serial: "42",
		Source: "192.0.2.7", Client: "SSH-2.0-OpenSSH_9.2", Kex: "mlkem768x25519-sha256",
		Started: time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC),
	}
}

func (r *room) create(t testing.TB, session string) *recording.Writer {
	t.Helper()
	w, _, _, err := r.Create(t.Context(), header(session))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func stream(t testing.TB, w *recording.Writer, ch int, kind string) *recording.Stream {
	t.Helper()
	s, err := w.Stream(ch, kind)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *room) path(session string) string {
	return filepath.Join(r.parts.Dir, "2026", "11", "22", session)
}

// lines gives frames as text, one each.
func lines(r *recording.Reader, ch int, from time.Duration) (all []string, err error) {
	for f, err := range r.Frames(ch, from) {
		if err != nil {
			return all, err
		}
		all = append(all, fmt.Sprintf("%d %s %d %c %s", f.Channel, f.Kind, f.Seq, f.Mark, f.Data))
	}
	return all, nil
}
