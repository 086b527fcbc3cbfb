package recording

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"penstock/audit"
	"penstock/audit/durable"
)

const (
	flushAfter = 40 * time.Millisecond // how long appended bytes wait for company; with the sync they stay under 100 ms
	slowFlush  = 2 * time.Second       // a flush that takes longer is overdue
)

// Writer is one session's recording. Safe for concurrent use by its streams.
type Writer struct {
	a            *Archive
	dir          string
	session      string
	header, keys audit.Hash
	start        time.Time // with its monotonic reading: frames count from here

	failOnce sync.Once
	failed   chan struct{}
	err      error // set before failed is closed
	onFail   atomic.Pointer[func(error)]
	told     chan struct{} // closed when recording.failed was tried

	written atomic.Int64 // bytes of frames

	mu      sync.Mutex
	key     []byte // the session key, in the vault; nil once closed
	streams map[uint16]*Stream
	closing bool

	closeOnce sync.Once
	closed    audit.Hash
	closeErr  error
}

func newWriter(a *Archive, dir string, h Header, key []byte, header, keys audit.Hash) *Writer {
	return &Writer{
		a: a, dir: dir, session: h.Session, header: header, keys: keys, key: key,
		start: time.Now(), failed: make(chan struct{}), told: make(chan struct{}), streams: map[uint16]*Stream{},
	}
}

// Stream begins the frames of channel ch (0 to 65535; kind: "exec", "shell", …,
// lower-case letters, digits and hyphens). Its first file is durable on return.
// A channel number is used once in a session: a second time is an error.
func (w *Writer) Stream(ch int, kind string) (*Stream, error) {
	if ch < 0 || ch > 65535 || !kindName.MatchString(kind) {
		return nil, fmt.Errorf("record channel %d of kind %q: not a number from 0 to 65535, or not a kind", ch, kind)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing {
		return nil, ErrClosed
	}
	if err := w.Err(); err != nil {
		return nil, err
	}
	if w.streams[uint16(ch)] != nil {
		return nil, fmt.Errorf("record channel %d: the number was used before in session %s", ch, w.session)
	}
	s, err := newStream(w, uint16(ch), kind)
	if err != nil {
		err = fmt.Errorf("record channel %d: %w", ch, diskFull(err))
		w.fail(err)
		return nil, err
	}
	w.streams[uint16(ch)] = s
	return s, nil
}

// Written is how many bytes of frames were written so far.
func (w *Writer) Written() int64 { return w.written.Load() }

// Failed is closed at the first error of any stream, flush or commit; Err says which.
func (w *Writer) Failed() <-chan struct{} { return w.failed }

// Err is nil until Failed is closed.
func (w *Writer) Err() error {
	select {
	case <-w.failed:
		return fmt.Errorf("recording of %s failed: %w", w.session, w.err)
	default:
		return nil
	}
}

// OnFail has f called with the first error of any stream, flush or commit, in a
// goroutine of its own; at once where there was one. It is asked for once.
func (w *Writer) OnFail(f func(error)) {
	w.onFail.Store(&f)
	if w.Err() != nil {
		go w.hear()
	}
}

// hear calls who asked to be, once.
func (w *Writer) hear() {
	if f := w.onFail.Swap(nil); f != nil {
		(*f)(w.Err())
	}
}

// endStreams lets recorders end that were not needed when the Writer failed.
func (w *Writer) endStreams() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.streams {
		s.failed()
	}
}

// fail is for good. It waits for nothing: the event goes its own way.
func (w *Writer) fail(err error) {
	w.failOnce.Do(func() {
		w.err = err
		close(w.failed)
		go w.hear() // not under mu, which is held while a stream is made
		go w.endStreams()
		go func() {
			defer close(w.told)
			w.a.tellFailed(w.session, err)
		}()
	})
}

// tellFailed writes recording.failed, best effort: where the log failed too
// there is nobody to tell but the error that the caller has.
func (a *Archive) tellFailed(session string, why error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	defer a.Overdue().Watch(slowFlush, func() { cancel(context.DeadlineExceeded) })()
	_, err := a.p.Log.Append(ctx, audit.Event{Subject: session, Actor: "penstock", Body: audit.RecordingFailed{Session: session, Why: short(why.Error())}})
	if err != nil {
		a.fail(fmt.Errorf("log: %w", err))
	}
}

// short keeps a text well inside a leaf of 4 KiB.
func short(s string) string {
	const most = 500
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xC0 == 0x80 { // not inside a rune
		cut--
	}
	return s[:cut] + " …"
}

// Close ends all streams, writes close.json (files, sizes, last heads, cause),
// makes it durable and forgets the session key. The hash is close.json's. A
// second call gives the same answer. After a failure it still tries, with the
// files cut back to their last whole frame; where that fails too the folder is
// left to Recover, at the next start. ctx ends the wait for streams.
func (w *Writer) Close(ctx context.Context, cause string) (audit.Hash, error) {
	w.closeOnce.Do(func() {
		w.closed, w.closeErr = w.close(ctx, cause)
		w.a.forget(w.session)
		if w.Err() != nil {
			<-w.told
		}
	})
	return w.closed, w.closeErr
}

func (w *Writer) close(ctx context.Context, cause string) (audit.Hash, error) {
	w.mu.Lock()
	w.closing = true
	keys.drop(w.key)
	w.key = nil
	streams := make([]*Stream, 0, len(w.streams))
	for _, s := range w.streams {
		streams = append(streams, s)
	}
	w.mu.Unlock()
	slices.SortFunc(streams, func(a, b *Stream) int { return int(a.channel) - int(b.channel) })
	for _, s := range streams {
		s.end()
	}
	for _, s := range streams {
		if err := s.wait(ctx); err != nil {
			return audit.Hash{}, fmt.Errorf("close the recording of %s: %w", w.session, err)
		}
	}
	if err := os.Remove(filepath.Join(w.dir, reserveFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return audit.Hash{}, fmt.Errorf("close the recording of %s: %w", w.session, err)
	}
	c := Closed{V: 1, Session: w.session, Header: w.header, Keys: w.keys, Cause: cause, Ended: time.Now().UTC(), Files: []File{}}
	for _, s := range streams {
		files, err := s.settle(ctx)
		if err != nil {
			return audit.Hash{}, fmt.Errorf("close the recording of %s; it is left for the next start to recover: %w", w.session, err)
		}
		c.Files = append(c.Files, files...)
	}
	hash, err := writeClosed(w.a.p.Disk, w.dir, c)
	if err != nil {
		return audit.Hash{}, fmt.Errorf("close the recording of %s; it is left for the next start to recover: %w", w.session, diskFull(err))
	}
	return hash, nil
}

func writeClosed(disk *durable.Disk, dir string, c Closed) (audit.Hash, error) {
	b, err := audit.Canonical(c)
	if err != nil {
		return audit.Hash{}, err
	}
	if len(b) > maxCloseFile {
		return audit.Hash{}, fmt.Errorf("%s would be %d bytes", closeFile, len(b))
	}
	if err := disk.WriteFile(filepath.Join(dir, closeFile), b, 0o600); err != nil {
		return audit.Hash{}, err
	}
	return audit.HashOf(b), nil
}
