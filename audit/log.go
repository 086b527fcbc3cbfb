package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit/durable"
)

// ErrClosed is what a Log answers after Close.
var ErrClosed = errors.New("the log is closed")

// Options of a Log.
type Options struct {
	Origin string      // C2SP origin line, "kiel.plant.example/audit/a"
	Node   string      // short name of this node, in every leaf: "a"
	Signer note.Signer // signs checkpoints; its name is Origin
	Clock  Clock       // SystemClock, or a test's
	// Reserve is what the log may use up on a full disk; then it takes only how
	// things end (ErrFull). Nil: there is none.
	Reserve *durable.Reserve
	// SegmentSize is where a segment is full, in bytes; 0: 64 MiB.
	SegmentSize int64
}

// Log is one node's append-only log. Safe for concurrent use.
//
// One goroutine, the committer, owns the open segment and the tree's edge.
// mu guards what readers see; it is never held across I/O.
type Log struct {
	dir  string
	disk *durable.Disk
	o    Options
	lock *os.File

	segs    *segments
	appends durable.Latency
	hashes  hashFile
	tiles   *tileCache
	kept    kept

	queue   chan *pending
	closing chan struct{} // closed by Close
	ended   chan struct{} // closed when the committer has ended, or hangs for good
	endOnce sync.Once     // of ended
	failed  chan struct{} // closed with err set
	stop    sync.Once

	// The committer's own (before it runs: OpenLog's).
	seg    durable.File
	tail   int64 // where the next frame of seg goes
	edge   frontier
	stored copied // the checkpoint that was renamed into place
	synced copied // the one that was made durable

	mu         sync.Mutex
	size       Index
	root       tlog.Hash
	checkpoint []byte
	last       time.Time     // wall time of the newest leaf
	grown      chan struct{} // closed, and made anew, when size grows
	err        error         // first failure
}

// pending is an event on its way.
type pending struct {
	draft *draft
	done  chan struct{} // closed when the leaf is durable and published

	// The committer's, until done is closed.
	at   Index
	wall time.Time
	mono time.Duration
	text []byte
}

// leaf is what became of it: the writer's work, not the committer's.
func (p *pending) leaf() Leaf { return p.draft.finish(p.at, p.wall, p.mono, p.text) }

// Append returns once ev is durable. After an error nothing is promised about
// ev and every later call fails; only an event that is refused as it stands (no
// body, over 4 KiB, no canonical form, or ErrFull) leaves the log as it was, and
// so does a ctx that ends before the event has a place in the queue. ctx ends
// the wait, not the write.
func (l *Log) Append(ctx context.Context, ev Event) (Leaf, error) {
	d, err := newDraft(ev, l.o.Node, l.o.Clock.Boot)
	if err != nil {
		return Leaf{}, fmt.Errorf("append to the log: %w", err)
	}
	if l.o.Reserve.Tapped() && !closing(ev.Body) {
		return Leaf{}, fmt.Errorf("append %s to the log: %w", ev.Body.Type(), ErrFull)
	}
	p := &pending{draft: d, done: make(chan struct{})}
	begun := time.Now()
	select {
	case <-l.ended:
		return Leaf{}, l.gone()
	case <-l.closing:
		return Leaf{}, l.gone()
	default:
	}
	select {
	case l.queue <- p:
	case <-l.ended:
		return Leaf{}, l.gone()
	case <-l.closing:
		return Leaf{}, l.gone()
	case <-ctx.Done():
		return Leaf{}, fmt.Errorf("append to the log: %w", context.Cause(ctx))
	}
	select {
	case <-p.done:
		l.appends.Since(begun)
		return p.leaf(), nil
	case <-ctx.Done():
		return Leaf{}, fmt.Errorf("append to the log: %w", context.Cause(ctx))
	case <-l.ended:
		select {
		case <-p.done:
			return p.leaf(), nil
		default:
			return Leaf{}, l.gone()
		}
	}
}

// gone says why the log takes nothing any more.
func (l *Log) gone() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return fmt.Errorf("append to the log: %w", l.err)
	}
	return fmt.Errorf("append to the log: %w", ErrClosed)
}

// Failed is closed when a write, a sync or a signature has failed: the log
// takes nothing any more until it is opened again.
func (l *Log) Failed() <-chan struct{} { return l.failed }

// Err is that failure, nil while there is none.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = fmt.Errorf("the log is broken until the next start: %w", err)
		close(l.failed)
	}
}

// Size is the number of durable leaves.
func (l *Log) Size() Index {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// Checkpoint is the newest signed note (C2SP tlog-checkpoint).
func (l *Log) Checkpoint() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checkpoint
}

// Appends is how long Append took, from the call to a durable leaf.
func (l *Log) Appends() *durable.Latency { return &l.appends }

// Node is the short name in every leaf of this log.
func (l *Log) Node() string { return l.o.Node }

// ClockBehind is how far the wall clock stands behind the newest leaf's, 0 if it does not.
func (l *Log) ClockBehind() time.Duration {
	l.mu.Lock()
	last := l.last
	l.mu.Unlock()
	return max(0, last.Sub(l.o.Clock.Wall().Round(0)))
}

// Close writes what waits, makes the checkpoint durable and gives the lock
// back; later calls fail. Closing again does nothing.
func (l *Log) Close() error {
	var err error
	l.stop.Do(func() {
		close(l.closing)
		<-l.ended
		err = errors.Join(l.Err(), l.seg.Close(), l.hashes.f.Close(), l.lock.Close())
		l.mu.Lock()
		close(l.grown) // nobody grows it any more
		l.mu.Unlock()
	})
	return err
}

func absent(at Place) error {
	return fmt.Errorf("leaf %s: %w", at, fs.ErrNotExist)
}
