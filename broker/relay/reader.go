package relay

import (
	"io"
	"sync"

	"penstock/broker"
)

// small is the first read buffer: an idle session needs no more.
const small = 512

var (
	steps = sync.Pool{New: func() any { return new([step]byte) }}
	lots  = sync.Pool{New: func() any { return new([broker.MaxIn]byte) }}
)

// Reader reads with a small buffer until there is much to read, then with one
// of 32 KiB and one of 1 MiB, which are lent to it, and gives them back when there
// is not: an idle session holds half a KiB. One goroutine at a time.
type Reader struct {
	from  io.Reader
	most  int
	full  bool // the last read filled its buffer
	much  bool // it gave as much as a step's buffer holds, or more
	small [small]byte
	step  *[step]byte
	lot   *[broker.MaxIn]byte
}

// NewReader reads from, at most so many bytes at once, which are at most broker.MaxIn.
func NewReader(from io.Reader, most int) *Reader { return &Reader{from: from, most: most} }

// Take reads once and gives bytes that are good until the next call.
func (r *Reader) Take() ([]byte, error) {
	buf := r.room()
	n, err := r.from.Read(buf)
	r.full, r.much = n == len(buf), n >= step
	if n <= small && len(buf) > small && err == nil { // an idle channel holds no large buffer while it waits
		p := r.small[:copy(r.small[:], buf[:n])]
		r.Rest()
		return p, nil
	}
	return buf[:n], err
}

// room is the buffer for the next read, a larger one where the last was filled.
func (r *Reader) room() []byte {
	switch {
	case r.lot != nil && r.much:
		return r.lot[:r.most]
	case r.lot != nil:
		r.Rest()
		r.step = steps.Get().(*[step]byte)
	case r.step != nil && r.full:
		r.Rest()
		r.lot = lots.Get().(*[broker.MaxIn]byte)
		return r.lot[:r.most]
	case r.step == nil && r.full:
		r.step = steps.Get().(*[step]byte)
	}
	if r.step != nil {
		return r.step[:min(step, r.most)]
	}
	return r.small[:]
}

// Rest gives back what was lent. What Take gave is not good any more.
func (r *Reader) Rest() {
	if r.step != nil {
		steps.Put(r.step)
	}
	if r.lot != nil {
		lots.Put(r.lot)
	}
	r.step, r.lot, r.full = nil, nil, false
}
