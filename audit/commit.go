package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit/durable"
)

const (
	queueLen   = 1024                  // events that wait for the committer; who comes then waits at the door
	batchLen   = 512                   // leaves of one sync
	storeAfter = 50 * time.Millisecond // how far the stored checkpoint may lag behind what is acknowledged
	syncAfter  = time.Second           // the same of the durable one
	checkpoint = "checkpoint"
	floorFile  = "checkpoint.synced"
)

// commit is the committer: all that waits, one sync, one signature; the note
// is stored within storeAfter.
func (l *Log) commit() {
	defer l.end()
	late := time.NewTimer(0)
	defer late.Stop()
	for {
		batch, open := l.gather(late.C)
		if len(batch) > 0 {
			if err := l.write(batch, l.syncHere); err != nil {
				l.fail(err)
				return
			}
		}
		if err := l.keepCheckpoint(!open); err != nil {
			l.fail(err)
			return
		}
		if !open {
			return
		}
		if wait := min(l.stored.wait(), l.synced.wait()); wait < forever {
			late.Reset(wait)
		}
	}
}

// syncHere is the committer's sync. A disk that hangs holds the committer; those
// who wait for it go on, and it stays behind.
func (l *Log) syncHere(f durable.File) error {
	return l.disk.SyncHere(f, func(err error) {
		l.fail(err)
		l.end()
	})
}

// end tells everybody that nothing is committed any more.
func (l *Log) end() { l.endOnce.Do(func() { close(l.ended) }) }

// gather waits for one event and takes those behind it; late ends the wait
// with none. open is false once the log is closing and nothing waits.
func (l *Log) gather(late <-chan time.Time) (batch []*pending, open bool) {
	open = true
	select {
	case p := <-l.queue:
		batch = append(batch, p)
	case <-late:
		return nil, true
	case <-l.closing:
		open = false
	}
	for len(batch) < batchLen {
		select {
		case p := <-l.queue:
			batch = append(batch, p)
		default:
			return batch, open || len(batch) > 0
		}
	}
	return batch, true
}

// keepCheckpoint stores the newest note if it is time, and makes it durable if
// it is time for that. At the end it is always time.
func (l *Log) keepCheckpoint(last bool) error {
	if l.stored.due(l.edgeSize(), storeAfter, last) {
		if err := l.storeCheckpoint(); err != nil {
			return err
		}
	}
	if l.synced.due(l.edgeSize(), syncAfter, last) {
		return l.syncCheckpoint()
	}
	return nil
}

const forever = time.Hour

// copied is one of the checkpoint's two files. It is written some time after the
// first leaf that it lacks, and not at once: what a connection begins with is
// three leaves one after the other, and the next would wait for it.
type copied struct {
	at Index     // the size that it tells
	by time.Time // when it is written again; zero: there is no more to tell
}

func (c *copied) due(size Index, within time.Duration, last bool) bool {
	if c.at == size {
		return false
	}
	if c.by.IsZero() {
		c.by = time.Now().Add(within)
	}
	return last || !time.Now().Before(c.by)
}

// wait is how long it is until then.
func (c *copied) wait() time.Duration {
	if c.by.IsZero() {
		return forever
	}
	return max(0, time.Until(c.by))
}

func (l *Log) edgeSize() Index { return Index(l.edge.size) }

// write makes a batch durable, puts it in the tree, signs, and only then tells
// anybody. The stored checkpoint is never ahead of durable entries.
func (l *Log) write(batch []*pending, sync func(durable.File) error) error {
	if l.tail >= l.o.SegmentSize {
		if err := l.turn(); err != nil {
			return err
		}
	}
	frames, hashes, err := l.place(batch)
	if err != nil {
		return err
	}
	if _, err := l.seg.WriteAt(frames, l.tail); err != nil {
		return fmt.Errorf("write the log: %w", err)
	}
	if err := sync(l.seg); err != nil {
		return err
	}
	l.tail += int64(len(frames))
	if err := l.hashes.write(l.edge.size-int64(len(batch)), hashes); err != nil {
		return err
	}
	root := l.edge.root()
	note, err := signCheckpoint(l.o.Signer, l.o.Origin, l.edge.size, root)
	if err != nil {
		return err
	}
	for _, p := range batch {
		l.kept.appended(p.at, p.text)
	}
	l.publish(note, root, batch[len(batch)-1].wall)
	for _, p := range batch {
		close(p.done)
	}
	return nil
}

// place gives each event its index and time, and makes frames and tree hashes.
func (l *Log) place(batch []*pending) (frames []byte, hashes []tlog.Hash, err error) {
	size := 0
	for _, p := range batch {
		size += frameHeader + p.draft.most()
	}
	frames = make([]byte, 0, size) // it does not move: the texts stay in it
	hashes = make([]tlog.Hash, 0, 2*len(batch)+64)
	number := l.segs.count() - 1
	for i, p := range batch {
		wall, mono := l.o.Clock.Wall().Round(0).UTC(), l.o.Clock.Mono()
		if y := wall.Year(); y < 0 || y > 9999 || mono < 0 {
			return nil, nil, fmt.Errorf("the clock says %v, %v since boot: no leaf can carry that", wall, mono)
		}
		p.at, p.wall, p.mono = l.edgeSize(), wall, mono
		start := len(frames)
		l.segs.mark(number, p.at, l.tail+int64(start))
		frames = endFrame(p.draft.write(beginFrame(frames), p.at, wall, mono), start, i == 0)
		p.text = frames[start+frameHeader : len(frames) : len(frames)]
		hashes = l.edge.add(hashes, tlog.RecordHash(p.text))
	}
	return frames, hashes, nil
}

// turn starts a new segment: file and folder are durable before its first leaf is.
func (l *Log) turn() error {
	f, err := l.newSegment(l.segs.count(), l.edgeSize())
	if err != nil {
		return fmt.Errorf("start a segment: %w", err)
	}
	err = l.seg.Close()
	l.seg, l.tail = f, 0
	return err
}

func (l *Log) newSegment(number int, first Index) (durable.File, error) {
	f, err := l.disk.FS().OpenFile(l.segs.path(number), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(l.disk.SyncNow(f), l.disk.SyncDir(l.segs.dir)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	l.segs.add(first)
	return f, nil
}

// storeCheckpoint renames the newest note into place, without a sync: a kill
// does not lose it, and a power cut leaves floorFile. Each rename costs the
// next fdatasync three times its time on ext4, hence not with every batch.
func (l *Log) storeCheckpoint() error {
	tmp := filepath.Join(l.dir, ".tmp-checkpoint")
	f, err := l.disk.FS().OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("store checkpoint: %w", err)
	}
	_, err = f.Write(l.Checkpoint())
	if err = errors.Join(err, f.Close()); err == nil {
		err = l.disk.FS().Rename(tmp, filepath.Join(l.dir, checkpoint))
	}
	if err != nil {
		return fmt.Errorf("store checkpoint: %w", err)
	}
	l.stored = copied{at: l.edgeSize()}
	return nil
}

// syncCheckpoint keeps the newest checkpoint under the name that outlives a
// power cut.
func (l *Log) syncCheckpoint() error {
	if err := l.disk.WriteFile(filepath.Join(l.dir, floorFile), l.Checkpoint(), 0o600); err != nil {
		return fmt.Errorf("store checkpoint: %w", err)
	}
	l.synced = copied{at: l.edgeSize()}
	return nil
}

// publish lets readers see the tree as it is now.
func (l *Log) publish(note []byte, root tlog.Hash, wall time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size, l.root, l.checkpoint, l.last = l.edgeSize(), root, note, wall
	close(l.grown)
	l.grown = make(chan struct{})
}
