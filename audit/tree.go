package audit

import (
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// frontier is the right edge of an RFC 6962 tree: all that is needed to add a
// leaf and to know the root, in O(log n) memory.
type frontier struct {
	size  int64
	nodes []tlog.Hash // roots of the complete subtrees, the largest first
}

// add puts one more leaf hash in, and appends the hashes that tlog stores for
// it, in the order of StoredHashIndex.
func (f *frontier) add(stored []tlog.Hash, h tlog.Hash) []tlog.Hash {
	stored = append(stored, h)
	for range bits.TrailingZeros64(^uint64(f.size)) {
		last := len(f.nodes) - 1
		h = tlog.NodeHash(f.nodes[last], h)
		f.nodes = f.nodes[:last]
		stored = append(stored, h)
	}
	f.nodes = append(f.nodes, h)
	f.size++
	return stored
}

func (f *frontier) root() tlog.Hash {
	if f.size == 0 {
		h, _ := tlog.TreeHash(0, nil) // reads nothing
		return h
	}
	h := f.nodes[len(f.nodes)-1]
	for i := len(f.nodes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.nodes[i], h)
	}
	return h
}
