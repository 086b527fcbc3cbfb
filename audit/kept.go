package audit

import (
	"slices"
	"sync"
)

// kept are the texts of some leaves, of those appended last and of those looked
// up last. Each was under the log's root when it came in: this process put it
// there, or read it and held it to the tree. A tree only grows, so it still is.
// At most 2 × keptLeaves of MaxLeaf bytes.
type kept struct {
	mu     sync.Mutex
	newest [keptLeaves]keptLeaf // by index, modulo
	looked []keptLeaf           // by place; the one used last stands last
}

type keptLeaf struct {
	at   Index
	text []byte // nil: none
}

const keptLeaves = 64

// appended takes in a leaf that has just become part of the log.
func (k *kept) appended(at Index, text []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.newest[at%keptLeaves] = keptLeaf{at, slices.Clone(text)}
}

// proved takes in a leaf that was looked up.
func (k *kept) proved(at Index, text []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.looked) == keptLeaves {
		k.looked = append(k.looked[:0], k.looked[1:]...)
	}
	k.looked = append(k.looked, keptLeaf{at, slices.Clone(text)})
}

// get gives a leaf's text, not to be changed; nil: it is not kept.
func (k *kept) get(at Index) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := k.newest[at%keptLeaves]; n.at == at && n.text != nil {
		return n.text
	}
	i := slices.IndexFunc(k.looked, func(l keptLeaf) bool { return l.at == at })
	if i < 0 {
		return nil
	}
	found := k.looked[i]
	copy(k.looked[i:], k.looked[i+1:])
	k.looked[len(k.looked)-1] = found
	return found.text
}
