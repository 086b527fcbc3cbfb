package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"

	"penstock/audit/durable"
)

var nodeName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// check fills in what has a default.
func (o *Options) check() error {
	switch {
	case o.Signer == nil:
		return errors.New("no key to sign checkpoints with")
	case o.Origin == "" || o.Origin != o.Signer.Name():
		return fmt.Errorf("the origin is %q, and the signing key is %q's", o.Origin, o.Signer.Name())
	case !nodeName.MatchString(o.Node):
		return fmt.Errorf("%q is no name of a node: a-z, 0-9 and - only, 32 at most, a letter first", o.Node)
	case o.Clock.Wall == nil || o.Clock.Mono == nil || o.Clock.Boot == "":
		return errors.New("no clock: give audit.SystemClock()")
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = segmentSize
	}
	return nil
}

// OpenLog opens or makes the log in dir, which is the log's own folder
// (DATA/log). It cuts a torn tail and says so in a leaf; a tree smaller than,
// or different from, the stored checkpoint is an error and never mended, and
// so is damage anywhere but in the last batch (*Damage).
//
// One process has the log at a time. OpenLog needs no Run of disk yet; once
// Run is there, Append shares its syncs.
func OpenLog(dir string, disk *durable.Disk, o Options) (*Log, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	disk = disk.Until(o.Reserve)
	l := &Log{
		dir: dir, disk: disk, o: o, tiles: newTileCache(),
		segs:  &segments{fs: disk.FS(), dir: filepath.Join(dir, "entries")},
		queue: make(chan *pending, queueLen), closing: make(chan struct{}), ended: make(chan struct{}),
		failed: make(chan struct{}), grown: make(chan struct{}),
	}
	if err := l.open(); err != nil {
		l.abandon()
		return nil, fmt.Errorf("open the log in %s: %w", dir, err)
	}
	go l.commit()
	return l, nil
}

// abandon closes what open had opened.
func (l *Log) abandon() {
	if l.seg != nil {
		l.seg.Close()
	}
	if l.hashes.f != nil {
		l.hashes.f.Close()
	}
	if l.lock != nil {
		l.lock.Close()
	}
}

func (l *Log) open() error {
	if err := l.folders(); err != nil {
		return err
	}
	if err := l.takeLock(); err != nil {
		return err
	}
	if err := l.disk.Sweep(l.dir); err != nil {
		return err
	}
	floor, err := readCheckpoint(l.disk.FS(), l.dir, selfVerifier{l.o.Signer})
	if errors.Is(err, fs.ErrNotExist) {
		floor, err = l.create()
	}
	if err != nil {
		return err
	}
	t, err := l.walkTail(floor.Size)
	if err != nil {
		return err
	}
	if err := l.openTree(t, floor); err != nil {
		return err
	}
	return l.settle(t, floor)
}

// folders makes them, and makes durable what an earlier life may have left undone.
func (l *Log) folders() error {
	if err := l.disk.MkdirAll(l.segs.dir, 0o700); err != nil {
		return err
	}
	return errors.Join(l.disk.SyncDir(filepath.Dir(l.dir)), l.disk.SyncDir(l.dir), l.disk.SyncDir(l.segs.dir))
}

// takeLock keeps a second process out. The lock goes with the process.
func (l *Log) takeLock() error {
	f, err := os.OpenFile(filepath.Join(l.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return fmt.Errorf("another server has it open: stop that one first, or give this one its own data directory")
		}
		return fmt.Errorf("lock: %w", err)
	}
	l.lock = f
	return nil
}

// create starts a log: a signed checkpoint of size 0 is durable before there
// is a segment, so that entries without a checkpoint are always damage.
func (l *Log) create() (Checkpoint, error) {
	n, err := listSegments(l.disk.FS(), l.segs.dir)
	if err != nil {
		return Checkpoint{}, err
	}
	if n > 0 {
		return Checkpoint{}, &Damage{File: filepath.Join(l.dir, checkpoint), Offset: -1,
			What: "there are entries and no checkpoint: bring it back from a backup"}
	}
	b, err := signCheckpoint(l.o.Signer, l.o.Origin, 0, (&frontier{}).root())
	if err != nil {
		return Checkpoint{}, err
	}
	if err := l.disk.WriteFile(filepath.Join(l.dir, floorFile), b, 0o600); err != nil {
		return Checkpoint{}, err
	}
	return ParseCheckpoint(b, selfVerifier{l.o.Signer})
}

// readCheckpoint is the newest stored checkpoint. A power cut can leave the
// file checkpoint empty, zeroed or away, and then floorFile speaks; any other
// content that is not signed is damage. fs.ErrNotExist: neither is there.
func readCheckpoint(fsys durable.FS, dir string, v note.Verifier) (Checkpoint, error) {
	var best Checkpoint
	found := false
	for _, name := range []string{checkpoint, floorFile} {
		path := filepath.Join(dir, name)
		b, err := readSmall(fsys, path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && name == checkpoint && len(bytes.Trim(b, "\x00")) == 0 {
			continue
		}
		if err != nil {
			return Checkpoint{}, err
		}
		c, err := ParseCheckpoint(b, v)
		if err != nil {
			return Checkpoint{}, &Damage{File: path, Offset: -1, What: err.Error()}
		}
		if !found || c.Size > best.Size {
			best, found = c, true
		}
	}
	if !found {
		return Checkpoint{}, fmt.Errorf("%s: %w", filepath.Join(dir, checkpoint), fs.ErrNotExist)
	}
	return best, nil
}

func readSmall(fsys durable.FS, path string) ([]byte, error) {
	f, err := fsys.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxNote+1))
}

// selfVerifier checks a signer's own notes: Ed25519 signs the same text the
// same way each time (RFC 8032 section 5.1.6).
type selfVerifier struct{ note.Signer }

func (v selfVerifier) Verify(msg, sig []byte) bool {
	again, err := v.Sign(msg)
	return err == nil && bytes.Equal(again, sig)
}

// tail is what the last segment holds.
type tail struct {
	number int // of the segment; -1: there is none
	base   Index
	leaves []tlog.Hash // record hashes from base on
	fresh  int64       // where the leaves start that the checkpoint does not cover
	end    int64       // of its last whole frame
	lost   int64       // bytes behind that
	last   Leaf        // the newest leaf, if there is one
}

func (t tail) size() Index { return t.base + Index(len(t.leaves)) }

// walkTail reads the last segment to its end, or to where it is torn.
func (l *Log) walkTail(floor Index) (tail, error) {
	n, err := listSegments(l.disk.FS(), l.segs.dir)
	if err != nil {
		return tail{}, err
	}
	if n == 0 {
		return tail{number: -1}, nil
	}
	for k := range n - 1 {
		first, err := firstLeaf(l.disk.FS(), l.segs, k)
		if err != nil {
			return tail{}, err
		}
		l.segs.add(first)
	}
	base, err := l.base(n - 1)
	if err != nil {
		return tail{}, err
	}
	l.segs.add(base)
	return l.walkSegment(n-1, base, floor)
}

// firstLeaf is the index that the first frame of a segment carries; 0 for the
// first segment.
func firstLeaf(fsys durable.FS, s *segments, k int) (Index, error) {
	if k == 0 {
		return 0, nil
	}
	b := make([]byte, maxFrame)
	f, err := fsys.OpenFile(s.path(k), os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	leaf, _, _, err := parseFrame(b[:n])
	if err != nil {
		return 0, &Damage{File: s.path(k), What: err.Error()}
	}
	p, err := ParseLeaf(leaf)
	if err != nil {
		return 0, &Damage{File: s.path(k), What: err.Error()}
	}
	return p.Index, nil
}

// base is the first index of the last segment. Where its first frame cannot be
// read the segment before it must be whole and says.
func (l *Log) base(k int) (Index, error) {
	if first, err := firstLeaf(l.disk.FS(), l.segs, k); err == nil {
		return first, nil
	}
	_, at, off, _ := l.segs.near(1 << 62)
	c := &cursor{s: l.segs, number: k - 1, at: at, off: off}
	defer c.close()
	for {
		if _, err := c.next(); errors.Is(err, io.EOF) {
			return c.at, nil
		} else if err != nil {
			return 0, err
		}
	}
}

// walkSegment reads frames until the end or the first that is none. Below the
// floor the signed root speaks for a leaf; those above are read in full.
func (l *Log) walkSegment(number int, base, floor Index) (tail, error) {
	t := tail{number: number, base: base}
	c := &cursor{s: l.segs, number: number, at: base}
	defer c.close()
	var newest []byte
	for {
		e, err := c.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if d, ok := errors.AsType[*Damage](err); ok {
			if t.lost, err = torn(c, d, floor); err != nil {
				return tail{}, err
			}
			break
		}
		if err != nil {
			return tail{}, err
		}
		if e.at >= floor {
			if _, err := parseAt(e); err != nil {
				return tail{}, err
			}
		}
		if e.at < floor {
			t.fresh = c.off
		}
		newest = append(newest[:0], e.leaf...)
		t.leaves = append(t.leaves, tlog.RecordHash(e.leaf))
		t.end = c.off
	}
	if len(newest) > 0 {
		leaf, err := ParseLeaf(newest)
		if err != nil {
			return tail{}, &Damage{File: l.segs.path(number), Offset: -1, Index: t.size() - 1, What: err.Error()}
		}
		t.last = leaf
	}
	return t, nil
}

// torn decides whether what is broken at d can be a write that a power cut
// ended: nothing of it is under the checkpoint, and no later batch follows,
// for that is written only after this one was durable.
func torn(c *cursor, d *Damage, floor Index) (lost int64, err error) {
	if d.Index < floor {
		d.What += fmt.Sprintf("; the checkpoint covers %d leaves", floor)
		return 0, d
	}
	start := c.off
	for {
		if _, ok, err := c.resync(); err != nil {
			return 0, err
		} else if !ok {
			return c.off - start, nil
		}
		e, err := c.next()
		if err != nil {
			return 0, err
		}
		if e.first {
			d.What += fmt.Sprintf("; leaf %d, written after it was durable, is whole: this is no torn tail", e.at)
			return 0, d
		}
		c.off-- // resync goes on behind this frame
	}
}

// openTree brings the file hashes and the tree's edge to the tail's size, and
// holds the tree to the checkpoint.
func (l *Log) openTree(t tail, floor Checkpoint) error {
	if t.size() < floor.Size {
		at := filepath.Join(l.dir, checkpoint)
		if t.number >= 0 {
			at = l.segs.path(t.number)
		}
		return &Damage{File: at, Offset: t.end, Index: t.size(),
			What: fmt.Sprintf("the log ends here, and its checkpoint covers %d leaves: bring it back from a backup", floor.Size)}
	}
	path := filepath.Join(l.dir, "hashes")
	var err error
	if l.hashes, err = openHashes(l.disk.FS(), path, 0); err != nil {
		return err
	}
	if err = l.grow(t, floor, l.fromHashes); !errors.Is(err, errHashes) {
		return err
	}
	// The entries are the only truth: the hashes are made again beside the old
	// ones, which stay if the entries are not what was signed.
	if err = l.hashes.f.Close(); err != nil {
		return err
	}
	tmp := filepath.Join(l.dir, ".tmp-hashes")
	if l.hashes, err = openHashes(l.disk.FS(), tmp, os.O_TRUNC); err != nil {
		return err
	}
	if err = l.grow(t, floor, l.fromEntries); errors.Is(err, errHashes) {
		return l.blame(floor)
	} else if err != nil {
		return err
	}
	return l.disk.FS().Rename(tmp, path)
}

// blame finds the leaf that is not what was signed, if the old hashes still tell.
func (l *Log) blame(floor Checkpoint) error {
	r, err := openReader(l.disk.FS(), l.dir, selfVerifier{l.o.Signer})
	if err != nil {
		return err
	}
	for _, err := range r.All(context.Background()) {
		if err != nil {
			return err
		}
	}
	return &Damage{File: l.segs.dir, Offset: -1, What: fmt.Sprintf(
		"the entries are not those of the signed checkpoint of size %d: somebody has changed them, or the checkpoint", floor.Size)}
}

// grow builds the edge from the leaves before the tail, then from the tail.
// errHashes: the root at the floor is not the signed one.
func (l *Log) grow(t tail, floor Checkpoint, before func(n, floor Index, each func(*frontier, tlog.Hash)) error) error {
	ok := floor.Size == 0
	see := func(f *frontier, _ tlog.Hash) {
		if f.size == int64(floor.Size) {
			ok = f.root() == floor.root()
		}
	}
	l.edge = frontier{}
	err := before(t.base, floor.Size, func(f *frontier, h tlog.Hash) { l.edge = *f; see(f, h) })
	if err != nil {
		return err
	}
	var fresh []tlog.Hash
	for _, h := range t.leaves {
		fresh = l.edge.add(fresh, h)
		see(&l.edge, h)
	}
	if !ok {
		return errHashes
	}
	if err := l.hashes.f.Truncate(tlog.StoredHashCount(int64(t.base)) * tlog.HashSize); err != nil {
		return err
	}
	return l.hashes.write(int64(t.base), fresh)
}

// fromHashes takes the leaves under the checkpoint from the file hashes: the
// signed root speaks for them. For those above it nothing does, for the file is
// never synced: they are read from the entries.
func (l *Log) fromHashes(n, floor Index, each func(*frontier, tlog.Hash)) error {
	var f frontier
	err := l.hashes.replay(int64(min(n, floor)), func(g *frontier, h tlog.Hash) { f = *g; each(g, h) })
	if err != nil {
		return err
	}
	return l.addEntries(f, n, floor, each)
}

// fromEntries makes the hashes of the leaves before n again.
func (l *Log) fromEntries(n, floor Index, each func(*frontier, tlog.Hash)) error {
	return l.addEntries(frontier{}, n, floor, each)
}

// addEntries reads the leaves from f's size to n and writes their hashes.
func (l *Log) addEntries(f frontier, n, floor Index, each func(*frontier, tlog.Hash)) error {
	if Index(f.size) >= n {
		return nil
	}
	c, err := l.segs.seek(Index(f.size))
	if err != nil {
		return err
	}
	defer c.close()
	var stored []tlog.Hash
	start := f.size
	for c.at < n {
		e, err := c.next()
		if errors.Is(err, io.EOF) {
			return c.damage(errors.New("the file ends before this leaf"))
		}
		if err == nil && e.at >= floor {
			_, err = parseAt(e)
		}
		if err != nil {
			return err
		}
		h := tlog.RecordHash(e.leaf)
		stored = f.add(stored, h)
		each(&f, h)
		if len(stored) > 8192 {
			if err := l.hashes.write(start, stored); err != nil {
				return err
			}
			start, stored = f.size, stored[:0]
		}
	}
	return l.hashes.write(start, stored)
}

// settle cuts what is torn, opens the segment for writing and signs the tree
// as it now is; a cut is told by a leaf.
func (l *Log) settle(t tail, floor Checkpoint) (err error) {
	if t.number < 0 {
		l.seg, err = l.newSegment(0, 0)
	} else if l.seg, err = l.disk.FS().OpenFile(l.segs.path(t.number), os.O_RDWR, 0o600); err == nil {
		if t.lost > 0 {
			err = l.seg.Truncate(t.end)
		}
		if err == nil {
			err = l.writeAgain(t)
		}
	}
	if err != nil {
		return err
	}
	l.tail = t.end
	root := l.edge.root()
	note, err := signCheckpoint(l.o.Signer, l.o.Origin, l.edge.size, root)
	if err != nil {
		return err
	}
	l.publish(note, root, t.last.Wall)
	if err := l.storeCheckpoint(); err != nil {
		return err
	}
	if err := l.lastWall(t); err != nil {
		return err
	}
	if err := l.syncCheckpoint(); err != nil {
		return err
	}
	// Of a log without a leaf nothing was ever promised, and its first leaf is its owner's.
	if t.lost == 0 || t.size() == 0 {
		return nil
	}
	if err := l.tell(LogRecovered{Lost: t.lost, Size: t.size()}); err != nil {
		return err
	}
	return l.keepCheckpoint(true)
}

// writeAgain makes durable what no checkpoint covers. If its sync failed in an
// earlier life, Linux may show the bytes and call them clean: a sync alone
// would do nothing, so they are written once more.
func (l *Log) writeAgain(t tail) error {
	b := make([]byte, 1<<20)
	for at := t.fresh; at < t.end; {
		n, err := l.seg.ReadAt(b[:min(int64(len(b)), t.end-at)], at)
		if n == 0 {
			return fmt.Errorf("read the tail: %w", err)
		}
		if _, err := l.seg.WriteAt(b[:n], at); err != nil {
			return fmt.Errorf("write the tail again: %w", err)
		}
		at += int64(n)
	}
	return l.disk.SyncNow(l.seg)
}

// lastWall finds the newest leaf's time where the last segment is still empty.
func (l *Log) lastWall(t tail) error {
	if len(t.leaves) > 0 || t.base == 0 {
		return nil
	}
	leaf, err := l.Leaf(context.Background(), Place{l.o.Node, t.base - 1})
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.last = leaf.Wall
	l.mu.Unlock()
	return nil
}

// tell writes one leaf before the committer runs.
func (l *Log) tell(b Body) error {
	d, err := newDraft(Event{Subject: "log", Actor: "penstock", Body: b}, l.o.Node, l.o.Clock.Boot)
	if err != nil {
		return err
	}
	return l.write([]*pending{{draft: d, done: make(chan struct{})}}, l.disk.SyncNow)
}
