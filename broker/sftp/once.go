package sftp

import (
	"encoding"
	"hash"
)

// once spares a second hash over the same bytes. Where the recording keeps hashes, what
// a vendor sends is hashed for it and for file.transferred, mostly from the same state.
// Nobody is believed about that: who comes second has the same bytes, at the same place
// of the same lot, and the state before them is compared; else they are hashed again.
// One goroutine at a time.
type once struct {
	lot   []byte // that passes now, and does not change meanwhile; nil: none does
	steps []hashStep
	state []byte
}

// hashStep is what n bytes of the lot made of a hash; its states are as crypto/sha256 marshals them.
type hashStep struct {
	at, n         int
	before, after []byte
}

const worthStep = 8 << 10 // bytes that take longer to hash than to look for: a lot has at most 128 such

// begin takes the next lot; nil: one is through.
func (o *once) begin(lot []byte) {
	if o != nil {
		clear(o.steps)
		o.lot, o.steps = lot, o.steps[:0]
	}
}

// place is where p stands in the lot; -1: elsewhere, in memory that others may use next.
func (o *once) place(p []byte) int {
	at := cap(o.lot) - cap(p)
	if at < 0 || at+len(p) > len(o.lot) || &o.lot[at] != &p[0] {
		return -1
	}
	return at
}

// write is h.Write(p). A nil once only writes.
func (o *once) write(h hash.Hash, p []byte) {
	m, ok := h.(marshaled)
	if o == nil || !ok || len(p) < worthStep || o.place(p) < 0 {
		h.Write(p)
		return
	}
	at := o.place(p)
	var err error
	if o.state, err = m.AppendBinary(o.state[:0]); err != nil {
		h.Write(p)
		return
	}
	for _, s := range o.steps {
		if s.at == at && s.n == len(p) && string(s.before) == string(o.state) && m.UnmarshalBinary(s.after) == nil {
			return
		}
	}
	h.Write(p)
	if after, err := m.AppendBinary(nil); err == nil {
		o.steps = append(o.steps, hashStep{at, len(p), append([]byte(nil), o.state...), after})
	}
}

// marshaled is what crypto/sha256's hashes are beside a hash.Hash.
type marshaled interface {
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}
