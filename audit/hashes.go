package audit

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/mod/sumdb/tlog"

	"penstock/audit/durable"
)

// hashFile is the file hashes: 32 bytes at each tlog.StoredHashIndex. It can
// be made again from the entries and is never believed without the root.
type hashFile struct{ f durable.File }

// ReadHashes is tlog.HashReader.
func (h hashFile) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	if n := len(indexes); n > 8 && indexes[n-1]-indexes[0] < 4*int64(n) {
		return out, h.readSpan(indexes, out) // a tile: one read instead of 256
	}
	for i, at := range indexes {
		if _, err := h.f.ReadAt(out[i][:], at*tlog.HashSize); err != nil {
			return nil, fmt.Errorf("read hash %d: %w", at, err)
		}
	}
	return out, nil
}

// readSpan reads sorted indexes that stand close together.
func (h hashFile) readSpan(indexes []int64, out []tlog.Hash) error {
	lo, hi := indexes[0], indexes[len(indexes)-1]
	b := make([]byte, (hi-lo+1)*tlog.HashSize)
	if _, err := h.f.ReadAt(b, lo*tlog.HashSize); err != nil {
		return fmt.Errorf("read hashes %d to %d: %w", lo, hi, err)
	}
	for i, at := range indexes {
		copy(out[i][:], b[(at-lo)*tlog.HashSize:])
	}
	return nil
}

// write puts the hashes of leaves from n on in their place.
func (h hashFile) write(n int64, hashes []tlog.Hash) error {
	b := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, x := range hashes {
		b = append(b, x[:]...)
	}
	if _, err := h.f.WriteAt(b, tlog.StoredHashIndex(0, n)*tlog.HashSize); err != nil {
		return fmt.Errorf("write hashes: %w", err)
	}
	return nil
}

// errHashes says that the file hashes is short or does not fit itself.
var errHashes = errors.New("the file hashes is not that of these leaves")

// replay runs through the stored hashes of the first n leaves and checks every
// one against those below it. each is called with each leaf's hash; f is the
// edge of the tree as it grows.
func (h hashFile) replay(n int64, each func(f *frontier, leaf tlog.Hash)) error {
	r := bufio.NewReaderSize(io.NewSectionReader(h.f, 0, tlog.StoredHashCount(n)*tlog.HashSize), 256<<10)
	var f frontier
	for f.size < n {
		var leaf, got tlog.Hash
		if _, err := io.ReadFull(r, leaf[:]); err != nil {
			return errHashes
		}
		for _, want := range f.add(nil, leaf)[1:] {
			if _, err := io.ReadFull(r, got[:]); err != nil || got != want {
				return errHashes
			}
		}
		each(&f, leaf)
	}
	return nil
}

// tileSize is how many leaves are checked against the root at once.
const tileSize = 256

// tile is the leaf hashes from first*tileSize on, found under a root.
type tile []tlog.Hash

// readTile reads tile t of the tree of this size and root, and proves it: the
// inner hashes below the tile come from the leaf hashes just read, so that one
// audit path speaks for all of them.
func readTile(r tlog.HashReader, t, size int64, root tlog.Hash) (tile, error) {
	first := t * tileSize
	n := min(tileSize, size-first)
	at := make([]int64, n)
	for i := range at {
		at[i] = tlog.StoredHashIndex(0, first+int64(i))
	}
	leaves, err := r.ReadHashes(at)
	if err != nil {
		return nil, err
	}
	proof, err := tlog.ProveRecord(size, first, overlay{r, first, leaves})
	if err != nil {
		return nil, err
	}
	if err := tlog.CheckRecord(proof, size, root, first, leaves[0]); err != nil {
		return nil, fmt.Errorf("leaf hashes %d to %d are not under the log's root", first, first+n-1)
	}
	return leaves, nil
}

// overlay answers for nodes above its leaves by computing them.
type overlay struct {
	below  tlog.HashReader
	first  int64
	leaves []tlog.Hash
}

func (o overlay) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		level, n := tlog.SplitStoredHashIndex(at)
		lo, width := n<<level-o.first, int64(1)<<level
		if lo >= 0 && lo+width <= int64(len(o.leaves)) {
			out[i] = subtree(o.leaves[lo:][:width])
			continue
		}
		h, err := o.below.ReadHashes([]int64{at})
		if err != nil {
			return nil, err
		}
		out[i] = h[0]
	}
	return out, nil
}

// subtree is the root over a power of two of leaf hashes.
func subtree(leaves []tlog.Hash) tlog.Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	m := len(leaves) / 2
	return tlog.NodeHash(subtree(leaves[:m]), subtree(leaves[m:]))
}

// openHashes opens the file for reading and writing, making it where it is missing.
// flag is 0 or os.O_TRUNC.
func openHashes(fsys durable.FS, path string, flag int) (hashFile, error) {
	f, err := fsys.OpenFile(path, os.O_RDWR|os.O_CREATE|flag, 0o600)
	return hashFile{f}, err
}
