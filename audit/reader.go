package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit/durable"
)

// Reader reads a log without its server and without its lock: of a backup, of
// a machine that is off, or of one that runs. It writes nothing and believes
// nothing but the key. Safe for concurrent use.
type Reader struct {
	fs      durable.FS
	dir     string
	segs    *segments
	head    Checkpoint
	problem *Damage // of the stored checkpoint

	once   sync.Once
	signed bool // the file hashes is whole and gives the signed root; set by once
}

// OpenReader opens the log in dir, the log's own folder (DATA/log), with the
// key of log.pub. A checkpoint that is missing or not signed is no error here:
// Problem and All tell it, and the leaves can be read all the same.
func OpenReader(dir string, v note.Verifier) (*Reader, error) {
	return openReader(durable.OS, dir, v)
}

// OpenReaderAt is OpenReader under a checkpoint that the running log has just
// given (Log.Checkpoint): the one in its folder may be some milliseconds older.
func OpenReaderAt(dir string, v note.Verifier, checkpoint []byte) (*Reader, error) {
	r, err := OpenReader(dir, v)
	if err != nil {
		return nil, err
	}
	if r.head, err = ParseCheckpoint(checkpoint, v); err != nil {
		return nil, fmt.Errorf("read the log in %s: %w", dir, err)
	}
	r.problem = nil
	return r, nil
}

func openReader(fsys durable.FS, dir string, v note.Verifier) (*Reader, error) {
	if v == nil {
		return nil, errors.New("read the log: no key to check it with")
	}
	r := &Reader{fs: fsys, dir: dir, segs: &segments{fs: fsys, dir: filepath.Join(dir, "entries")}}
	// The checkpoint first: entries that come meanwhile are only more.
	var err error
	if r.head, r.problem, err = bestCheckpoint(fsys, dir, v); err != nil {
		return nil, fmt.Errorf("read the log in %s: %w", dir, err)
	}
	n, err := listSegments(fsys, r.segs.dir)
	if d, ok := errors.AsType[*Damage](err); ok {
		r.problem = d // what stands before the gap can be read
	} else if err != nil {
		return nil, fmt.Errorf("read the log in %s: %w", dir, err)
	}
	for k := range n {
		first, err := firstLeaf(fsys, r.segs, k)
		if _, damaged := errors.AsType[*Damage](err); damaged {
			r.segs.addUnread()
		} else if err != nil {
			return nil, fmt.Errorf("read the log in %s: %w", dir, err)
		} else {
			r.segs.add(first)
		}
	}
	return r, nil
}

// bestCheckpoint is readCheckpoint for a reader: it takes what it can get and
// says what is wrong.
func bestCheckpoint(fsys durable.FS, dir string, v note.Verifier) (Checkpoint, *Damage, error) {
	c, err := readCheckpoint(fsys, dir, v)
	if err == nil {
		return c, nil, nil
	}
	d, ok := errors.AsType[*Damage](err)
	if errors.Is(err, fs.ErrNotExist) {
		d, ok = &Damage{File: filepath.Join(dir, checkpoint), Offset: -1, What: "there is no checkpoint"}, true
	}
	if !ok {
		return Checkpoint{}, nil, err
	}
	for _, name := range []string{checkpoint, floorFile} {
		if b, err := readSmall(fsys, filepath.Join(dir, name)); err == nil {
			if c, err := ParseCheckpoint(b, v); err == nil {
				return c, d, nil
			}
		}
	}
	return Checkpoint{Origin: v.Name()}, d, nil
}

// Problem is what is wrong with the stored checkpoint or the list of segments; nil if nothing is.
func (r *Reader) Problem() *Damage { return r.problem }

// Size is the number of leaves that the stored checkpoint covers. More may be
// there, of a server that runs or was killed; All yields them too.
func (r *Reader) Size() Index { return r.head.Size }

// Checkpoint is the stored signed note; nil where none can be read.
func (r *Reader) Checkpoint() []byte { return r.head.Note }

// Head is what that note says.
func (r *Reader) Head() Checkpoint { return r.head }

// Leaf reads one leaf, checked by itself and against the signed root.
// fs.ErrNotExist where the log has none of that index.
func (r *Reader) Leaf(ctx context.Context, i Index) (Leaf, error) {
	for leaf, err := range r.From(ctx, i) {
		if err != nil {
			return Leaf{}, err
		}
		if leaf.Index != i {
			break
		}
		if i < r.head.Size {
			return leaf, r.under(leaf)
		}
		return leaf, nil
	}
	return Leaf{}, fmt.Errorf("leaf %d: %w", i, fs.ErrNotExist)
}

// under proves a leaf to be under the stored checkpoint.
func (r *Reader) under(leaf Leaf) error {
	b, err := leaf.Canonical()
	if err != nil {
		return err
	}
	p, err := r.Prove(leaf.Index, r.head.Size)
	if err != nil {
		return err
	}
	if tlog.CheckRecord(p, int64(r.head.Size), r.head.root(), int64(leaf.Index), tlog.RecordHash(b)) != nil {
		return &Damage{File: r.segs.dir, Offset: -1, Index: leaf.Index, What: "other bytes than those under the signed root"}
	}
	return nil
}

// From yields leaves from an index to the end, each checked by itself: frame,
// canonical form, place. Damage is yielded as *Damage with the leaf's index,
// and the reading goes on behind it. It does not hold them to the tree; All does.
func (r *Reader) From(ctx context.Context, from Index) iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		number, at, off, ok := r.segs.near(from)
		if !ok {
			number, at, off = 0, 0, 0
		}
		c := &cursor{s: r.segs, number: number, at: at, off: off}
		defer c.close()
		for {
			leaf, _, err := r.step(ctx, c)
			if err == io.EOF {
				return
			}
			if leaf.Index < from && c.at > leaf.Index && c.at <= from && (err == nil || isDamage(err)) {
				continue // on the way there
			}
			if !yield(leaf, err) || err != nil && !isDamage(err) {
				return
			}
		}
	}
}

func isDamage(err error) bool {
	_, ok := errors.AsType[*Damage](err)
	return ok
}

// step reads the next leaf. After *Damage the cursor stands behind it, and its
// at is the next leaf that can be expected. io.EOF is the end, also before a
// frame that a running server is just writing.
func (r *Reader) step(ctx context.Context, c *cursor) (leaf Leaf, raw []byte, err error) {
	if err := ctx.Err(); err != nil {
		return Leaf{Index: c.at}, nil, context.Cause(ctx)
	}
	e, err := c.next()
	if d, ok := errors.AsType[*Damage](err); ok {
		return Leaf{Index: d.Index}, nil, r.skip(c, d)
	}
	if err != nil {
		return Leaf{Index: c.at}, nil, err
	}
	leaf, err = ParseLeaf(e.leaf)
	d := &Damage{File: e.file, Offset: e.off, Index: e.at}
	switch {
	case err != nil:
		d.What = err.Error()
	case leaf.Index > e.at: // look at it again, as what it says it is
		d.What = fmt.Sprintf("leaf %d stands here, and %d before it are missing", leaf.Index, leaf.Index-e.at)
		c.at, c.off = leaf.Index, e.off
	case leaf.Index < e.at:
		d.What = fmt.Sprintf("leaf %d stands here, where leaf %d should", leaf.Index, e.at)
		c.at = e.at
	default:
		return leaf, e.leaf, nil
	}
	return Leaf{Index: e.at}, nil, d
}

// skip goes on behind damage. io.EOF where it is the torn end of what no
// checkpoint covers.
func (r *Reader) skip(c *cursor, d *Damage) error {
	if c.number == c.s.count()-1 {
		probe := &cursor{s: c.s, number: c.number, at: c.at, off: c.off}
		defer probe.close()
		copied := *d
		if _, err := torn(probe, &copied, r.head.Size); err == nil {
			return io.EOF
		}
	}
	_, ok, err := c.resync()
	if err != nil {
		return err
	}
	switch {
	case ok:
	case c.number+1 < c.s.count():
		c.turn(c.number + 1)
		if first, known := c.s.firstOf(c.number); known && first > d.Index {
			c.at = first
		}
	default: // nothing follows: the checkpoint says how much was there
		c.at = max(c.at, r.head.Size)
	}
	if c.at > d.Index+1 {
		d.What += fmt.Sprintf("; with it leaves to %d cannot be read", c.at-1)
	}
	return d
}

// All yields every leaf from 0 on, in order, and holds the whole to the tree:
// to the stored checkpoint, and to those given, which somebody kept elsewhere
// (ParseCheckpoint). What is wrong is yielded as *Damage, with the leaf's index
// where one leaf is to blame, and the reading goes on as far as it goes; any
// other error ends it. Leaves that no checkpoint covers yet come last.
//
// Where the file hashes fits the signed root, an altered leaf is named even if
// it was altered with care; else only the span between two checkpoints is.
func (r *Reader) All(ctx context.Context, outside ...Checkpoint) iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		a := newAudit(r, outside)
		defer a.close()
		if r.problem != nil && !yield(Leaf{}, r.problem) {
			return
		}
		c := &cursor{s: r.segs}
		defer c.close()
		for {
			before := c.at
			leaf, raw, err := r.step(ctx, c)
			if err == io.EOF {
				break
			}
			var found []error
			switch {
			case err == nil:
				found = a.leaf(leaf.Index, raw)
			case isDamage(err):
				found = append([]error{err}, a.gap(before, c.at)...)
			}
			for _, f := range found {
				if !yield(Leaf{Index: leaf.Index}, f) {
					return
				}
			}
			if err != nil && !isDamage(err) {
				yield(leaf, err)
				return
			}
			if err == nil && len(found) == 0 && !yield(leaf, nil) {
				return
			}
		}
		for _, f := range a.end(c.at) {
			if !yield(Leaf{Index: c.at}, f) {
				return
			}
		}
	}
}

// audit holds leaves, as they are read, to the tree and to checkpoints.
type audit struct {
	r      *Reader
	tree   frontier
	lost   bool         // a leaf could not be read, and no hash speaks for it
	since  Index        // the last size at which a root was right
	marks  []Checkpoint // by size
	column *column      // signed leaf hashes; nil: the file hashes does not fit the root
	blamed bool         // some leaf was named
}

func newAudit(r *Reader, outside []Checkpoint) *audit {
	a := &audit{r: r, marks: slices.Clone(outside)}
	if r.head.Note != nil {
		a.marks = append(a.marks, r.head)
	}
	slices.SortStableFunc(a.marks, func(x, y Checkpoint) int { return int(x.Size) - int(y.Size) })
	a.column = openColumn(r)
	return a
}

func (a *audit) close() {
	if a.column != nil {
		a.column.h.f.Close()
	}
}

// leaf takes a leaf's bytes; found is what is wrong with it or with the tree that it completes.
func (a *audit) leaf(i Index, raw []byte) (found []error) {
	h := tlog.RecordHash(raw)
	if want, ok := a.column.hash(i); ok && want != h {
		a.blamed = true
		found = append(found, &Damage{File: a.r.segs.dir, Offset: -1, Index: i, What: "other bytes than those under the signed root"})
		h = want
	}
	return append(found, a.add(h)...)
}

// gap stands for leaves that could not be read.
func (a *audit) gap(from, to Index) (found []error) {
	a.blamed = a.blamed || to > from
	for i := from; i < to; i++ {
		h, ok := a.column.hash(i)
		if !ok {
			a.lost = true
			return found
		}
		found = append(found, a.add(h)...)
	}
	return found
}

func (a *audit) add(h tlog.Hash) (found []error) {
	if a.lost {
		return nil
	}
	a.tree.add(nil, h)
	for len(a.marks) > 0 && int64(a.marks[0].Size) <= a.tree.size {
		m := a.marks[0]
		a.marks = a.marks[1:]
		if m.Size == 0 {
			continue // the empty tree is under every other
		}
		if a.tree.root() == m.root() {
			a.since = m.Size
			continue
		}
		found = append(found, &Damage{File: a.r.segs.dir, Offset: -1, Index: a.since, What: fmt.Sprintf(
			"leaves %d to %d are not all those of the signed checkpoint of size %d", a.since, m.Size-1, m.Size)})
	}
	return found
}

// end looks at the checkpoints that no tree was compared with.
func (a *audit) end(size Index) (found []error) {
	for _, m := range a.marks {
		if m.Size <= size { // only after damage that was told
			continue
		}
		found = append(found, &Damage{File: a.r.segs.dir, Offset: -1, Index: size, What: fmt.Sprintf(
			"the log ends here, and a signed checkpoint covers %d leaves", m.Size)})
	}
	return found
}

// column is the leaf hashes of the file hashes, once they have been found to
// give the signed root.
type column struct {
	h    hashFile
	size int64
	t    int64
	tile []tlog.Hash
}

func openColumn(r *Reader) *column {
	f, err := r.openHashes()
	if err != nil {
		return nil
	}
	return &column{h: hashFile{f}, size: int64(r.head.Size), t: -1}
}

// openHashes opens the file hashes, if it is whole and gives the signed root.
// It can be made again: that it is missing or wrong is no finding.
func (r *Reader) openHashes() (durable.File, error) {
	f, err := r.fs.OpenFile(filepath.Join(r.dir, "hashes"), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	r.once.Do(func() {
		var root tlog.Hash
		err := hashFile{f}.replay(int64(r.head.Size), func(f *frontier, _ tlog.Hash) {
			if f.size == int64(r.head.Size) {
				root = f.root()
			}
		})
		r.signed = err == nil && root == r.head.root()
	})
	if !r.signed {
		f.Close()
		return nil, errHashes
	}
	return f, nil
}

func (c *column) hash(i Index) (tlog.Hash, bool) {
	if c == nil || int64(i) >= c.size {
		return tlog.Hash{}, false
	}
	if t := int64(i) / tileSize; t != c.t {
		at := make([]int64, min(tileSize, c.size-t*tileSize))
		for k := range at {
			at[k] = tlog.StoredHashIndex(0, t*tileSize+int64(k))
		}
		tile, err := c.h.ReadHashes(at)
		if err != nil {
			return tlog.Hash{}, false
		}
		c.t, c.tile = t, tile
	}
	return c.tile[int64(i)%tileSize], true
}

// End is one above the last leaf that can be read: Size, or more where a
// server has written since. It reads the last segment only.
func (r *Reader) End(ctx context.Context) (Index, error) {
	number, at, off, ok := r.segs.near(1 << 62)
	if !ok {
		return 0, nil
	}
	c := &cursor{s: r.segs, number: number, at: at, off: off}
	defer c.close()
	for {
		if _, _, err := r.step(ctx, c); err == io.EOF {
			return c.at, nil
		} else if err != nil && !isDamage(err) {
			return 0, err
		}
	}
}
