package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	"golang.org/x/mod/sumdb/tlog"
)

// Leaf reads one leaf, checked against the tree. fs.ErrNotExist.
func (l *Log) Leaf(ctx context.Context, at Place) (Leaf, error) {
	if err := ctx.Err(); err != nil {
		return Leaf{}, fmt.Errorf("read leaf %s: %w", at, err)
	}
	if at.Node != l.o.Node || at.Index >= l.Size() {
		return Leaf{}, absent(at)
	}
	if text := l.kept.get(at.Index); text != nil {
		return ParseLeaf(text)
	}
	c, err := l.segs.seek(at.Index)
	if err != nil {
		return Leaf{}, fmt.Errorf("read leaf %s: %w", at, err)
	}
	defer c.close()
	e, err := l.read(c)
	if err != nil {
		return Leaf{}, err
	}
	leaf, err := parseAt(e)
	if err == nil {
		l.kept.proved(at.Index, e.leaf)
	}
	return leaf, err
}

// Upto yields leaves from an index to the size at the call.
func (l *Log) Upto(ctx context.Context, from Index) iter.Seq2[Leaf, error] {
	end := l.Size()
	return func(yield func(Leaf, error) bool) {
		r := leaves{l: l, next: from}
		defer r.close()
		r.upto(ctx, end, yield)
	}
}

// Follow yields leaves from an index, and then waits for more until ctx ends.
// It ends with an error: ctx's, ErrClosed, or what kept it from reading.
func (l *Log) Follow(ctx context.Context, from Index) iter.Seq2[Leaf, error] {
	return func(yield func(Leaf, error) bool) {
		r := leaves{l: l, next: from}
		defer r.close()
		for {
			l.mu.Lock()
			end, grown := l.size, l.grown
			l.mu.Unlock()
			if !r.upto(ctx, end, yield) {
				return
			}
			select {
			case <-l.ended: // what was published before is read above, on one more round
				if l.Size() > end {
					continue
				}
				yield(Leaf{}, l.over())
				return
			default:
			}
			select {
			case <-grown:
			case <-l.ended:
			case <-ctx.Done():
				yield(Leaf{}, context.Cause(ctx))
				return
			}
		}
	}
}

func (l *Log) over() error {
	if err := l.Err(); err != nil {
		return err
	}
	return ErrClosed
}

// leaves is a place in the log from which leaves are read in order.
type leaves struct {
	l    *Log
	next Index
	c    *cursor
}

func (r *leaves) close() {
	if r.c != nil {
		r.c.close()
	}
}

// upto yields the leaves before end; false: stop.
func (r *leaves) upto(ctx context.Context, end Index, yield func(Leaf, error) bool) bool {
	for r.next < end {
		if ctx.Err() != nil {
			yield(Leaf{}, context.Cause(ctx))
			return false
		}
		leaf, err := r.one()
		if err != nil {
			yield(Leaf{}, err)
			return false
		}
		r.next++
		if !yield(leaf, nil) {
			return false
		}
	}
	return true
}

func (r *leaves) one() (Leaf, error) {
	if text := r.l.kept.get(r.next); text != nil {
		return ParseLeaf(text)
	}
	if r.c != nil && r.c.at != r.next { // it went on without the cursor
		r.close()
		r.c = nil
	}
	if r.c == nil {
		c, err := r.l.segs.seek(r.next)
		if err != nil {
			return Leaf{}, fmt.Errorf("read leaf %d: %w", r.next, err)
		}
		r.c = c
	}
	e, err := r.l.read(r.c)
	if err != nil {
		return Leaf{}, err
	}
	return parseAt(e)
}

// read takes the next frame and holds it to the tree.
func (l *Log) read(c *cursor) (entry, error) {
	e, err := c.next()
	if errors.Is(err, io.EOF) {
		err = c.damage(errors.New("the file ends before this leaf"))
	}
	if err != nil {
		return e, fmt.Errorf("read leaf %d: %w", c.at, err)
	}
	hashes, err := l.tile(int64(e.at)/tileSize, e.at)
	if err != nil {
		return e, fmt.Errorf("read leaf %d: %w", e.at, err)
	}
	if tlog.RecordHash(e.leaf) != hashes[e.at%tileSize] {
		return e, &Damage{File: e.file, Offset: e.off, Index: e.at, What: "other bytes than those under the log's root"}
	}
	return e, nil
}

// parseAt reads the leaf of a frame and holds it to its place.
func parseAt(e entry) (Leaf, error) {
	leaf, err := ParseLeaf(e.leaf)
	if err != nil {
		return Leaf{}, &Damage{File: e.file, Offset: e.off, Index: e.at, What: err.Error()}
	}
	if leaf.Index != e.at {
		return Leaf{}, &Damage{File: e.file, Offset: e.off, Index: e.at, What: fmt.Sprintf("leaf %d stands here", leaf.Index)}
	}
	return leaf, nil
}

// tile gives leaf hashes that are proved to be under the log's root, with leaf at in them.
func (l *Log) tile(t int64, at Index) (tile, error) {
	if x := l.tiles.get(t); int64(len(x)) > int64(at)%tileSize {
		return x, nil
	}
	l.mu.Lock()
	size, root := int64(l.size), l.root
	l.mu.Unlock()
	x, err := readTile(l.hashes, t, size, root)
	if err != nil {
		return nil, err
	}
	l.tiles.put(t, x)
	return x, nil
}

// tileCache keeps the tiles that were proved last: 8 KiB each.
type tileCache struct {
	mu    sync.Mutex
	tiles map[int64]tile
	order []int64 // oldest first
}

const tilesKept = 32

func newTileCache() *tileCache { return &tileCache{tiles: map[int64]tile{}} }

func (c *tileCache) get(t int64) tile {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tiles[t]
}

func (c *tileCache) put(t int64, x tile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, known := c.tiles[t]
	if known && len(old) >= len(x) {
		return
	}
	c.tiles[t] = x
	if known {
		return
	}
	c.order = append(c.order, t)
	if len(c.order) > tilesKept {
		delete(c.tiles, c.order[0])
		c.order = c.order[1:]
	}
}
