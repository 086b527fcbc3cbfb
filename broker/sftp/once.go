package sftp

import (
	"bytes"
	"encoding"
	"hash"
)

// once spares a second hash over the same bytes. Where the recording keeps hashes, what
// a vendor sends is hashed for the recording (thin) and for file.transferred (content,
// stream), nearly always from the same state on; so who comes second takes the state
// that the first one reached.
//
// Nobody is believed about that. It is taken only where no other could come out: from
// the same state before, over the same memory, in the same lot, which does not change
// while it passes. Everything else is hashed. One goroutine at a time.
type once struct {
	lot   []byte // that passes now; nil: none does
	steps []hashStep
	state []byte // room for the state before a step, used again
}

// hashStep is what piece, a part of the lot, made of a hash; its states are as crypto/sha256 marshals them.
type hashStep struct {
	piece         []byte
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

// write is h.Write(p). A nil once only writes.
func (o *once) write(h hash.Hash, p []byte) {
	m, ok := h.(marshaled)
	if o == nil || !ok || len(p) < worthStep || !partOf(o.lot, p) {
		h.Write(p)
		return
	}
	before, err := m.AppendBinary(o.state[:0])
	if err != nil {
		h.Write(p)
		return
	}
	o.state = before
	if s := o.step(p, before); s != nil && m.UnmarshalBinary(s.after) == nil {
		return
	}
	h.Write(p)
	if after, err := m.AppendBinary(nil); err == nil {
		o.steps = append(o.steps, hashStep{p, bytes.Clone(before), after})
	}
}

// step is the one that was made already from this state over this memory; nil: none was.
func (o *once) step(p, before []byte) *hashStep {
	for i := range o.steps {
		if s := &o.steps[i]; same(s.piece, p) && bytes.Equal(s.before, before) {
			return s
		}
	}
	return nil
}

// partOf says whether p lies in lot: not the same bytes, but the same memory. What is
// cut out of a slice ends its capacity where that one does, which tells where p begins.
func partOf(lot, p []byte) bool {
	at := cap(lot) - cap(p)
	return at >= 0 && at+len(p) <= len(lot) && same(lot[at:at+len(p)], p)
}

// same says whether two slices, not empty, are the same memory.
func same(a, b []byte) bool { return len(a) == len(b) && &a[0] == &b[0] }

// marshaled is what crypto/sha256's hashes are beside a hash.Hash.
type marshaled interface {
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}
