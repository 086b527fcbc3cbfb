package recording

import (
	"sync"
	"time"
)

// item is what one call put in, or several with the same mark one after the
// other, on its way to the recorder: at most maxPlain bytes, one frame's worth.
type item struct {
	mark Mark
	at   time.Duration
	wall int64
	data []byte
	lent *[maxPlain]byte // what data stands in; nil: in memory of its own
	done chan<- struct{} // closed once durable; nil: Append
}

// chunks are lent to items with much data, rolls to the tapes of streams with
// much to write: what passes through a busy channel makes no garbage.
var (
	chunks = sync.Pool{New: func() any { return new([maxPlain]byte) }}
	rolls  = sync.Pool{New: func() any { return new([rollSize]byte) }}
)

const (
	ownMost  = 8 << 10            // bytes of an item that are worth no chunk
	rollSize = 1<<20 + 128<<10    // what a full queue becomes when it is sealed
	itemCost = 64                 // what one item counts beside its bytes, so that empty ones are bounded too
	frameAdd = overhead + 4 + 512 // what sealing and packing add to one frame's data, at most for what is usual
)

// takes says whether p can go behind what is in the item: they would be one frame.
func (it *item) takes(m Mark, n int) bool {
	return it.mark == m && m.bytes() && it.done == nil && len(it.data)+n <= maxPlain
}

// add copies p behind the item's data.
func (it *item) add(p []byte) {
	if it.lent == nil && len(it.data)+len(p) > ownMost {
		it.lent = chunks.Get().(*[maxPlain]byte)
		it.data = append(it.lent[:0], it.data...)
	}
	it.data = append(it.data, p...)
}

// holds is how much memory the item counts for.
func (it *item) holds() int {
	if it.lent != nil {
		return maxPlain + itemCost
	}
	return len(it.data) + itemCost
}

// enqueue puts p behind the queue, in items of a frame each; the last one has done. mu is held.
func (s *Stream) enqueue(m Mark, p []byte, done chan<- struct{}) {
	now := time.Now() // under the lock: frames of a channel never go back in time
	at, wall := max(0, now.Sub(s.w.start)), now.UnixNano()
	for {
		piece := p[:min(len(p), maxPlain)]
		p = p[len(piece):]
		if n := len(s.queue); n == 0 || !s.queue[n-1].takes(m, len(piece)) {
			s.queue = append(s.queue, item{mark: m, at: at, wall: wall})
			s.waiting += itemCost
		}
		last := &s.queue[len(s.queue)-1]
		before := last.holds()
		last.add(piece)
		s.waiting += last.holds() - before
		if len(p) == 0 {
			last.done = done
			return
		}
	}
}

// giveBack lets a batch go that is on the tape, and keeps its room in the queue.
func giveBack(batch []item) {
	for i := range batch {
		if batch[i].lent != nil {
			chunks.Put(batch[i].lent)
		}
		batch[i].lent, batch[i].data = nil, nil
	}
}
