package audit

import (
	"context"
	"errors"
	"iter"
	"time"

	"golang.org/x/mod/sumdb/note"

	"penstock/audit/durable"
)

var errUnbuilt = errors.New("not built yet")

// Options of a Log.
type Options struct {
	Origin string      // C2SP origin line, "kiel.plant.example/audit/a"
	Node   string      // short name of this node, in every leaf: "a"
	Signer note.Signer // signs checkpoints; its name is Origin
	Clock  Clock
}

// Clock is where the log takes its time from.
type Clock struct {
	Wall func() time.Time
	Mono func() time.Duration // CLOCK_BOOTTIME
	Boot string               // id of this boot
}

// SystemClock is the machine's own.
func SystemClock() Clock { panic(errUnbuilt) }

// Log is one node's append-only log. Safe for concurrent use.
type Log struct{}

// OpenLog opens or makes the log in dir. It cuts a torn tail and says so in a
// leaf; a tree smaller than, or different from, the stored checkpoint is an
// error and never mended.
func OpenLog(dir string, disk *durable.Disk, o Options) (*Log, error) { return nil, errUnbuilt }

// Append returns once ev is durable. After an error nothing is promised about
// ev and every later call fails. ctx ends the wait, not the write.
func (l *Log) Append(ctx context.Context, ev Event) (Leaf, error) { return Leaf{}, errUnbuilt }

// Leaf reads one leaf, checked against the tree. fs.ErrNotExist.
func (l *Log) Leaf(ctx context.Context, at Place) (Leaf, error) { return Leaf{}, errUnbuilt }

// Upto yields leaves from an index to the size at the call.
func (l *Log) Upto(ctx context.Context, from Index) iter.Seq2[Leaf, error] { panic(errUnbuilt) }

// Follow yields leaves from an index, and then waits for more until ctx ends.
func (l *Log) Follow(ctx context.Context, from Index) iter.Seq2[Leaf, error] { panic(errUnbuilt) }

// Size is the number of durable leaves.
func (l *Log) Size() Index { panic(errUnbuilt) }

// Checkpoint is the newest signed note (C2SP tlog-checkpoint).
func (l *Log) Checkpoint() []byte { panic(errUnbuilt) }

// ClockBehind is how far the wall clock stands behind the newest leaf's, 0 if it does not.
func (l *Log) ClockBehind() time.Duration { panic(errUnbuilt) }

// Close flushes and closes; later calls fail.
func (l *Log) Close() error { return errUnbuilt }
