package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"penstock/approvals/state"
	"penstock/audit"
)

// A row on disk: rev and leaf index as uvarints, length of the node's name as a
// uvarint and the name, then '-' for a tombstone, or '=' and the value to the end.

func put(tx *bbolt.Tx, r state.Row) error {
	return tx.Bucket(rowsBucket).Put([]byte(r.Key), encode(r))
}

func encode(r state.Row) []byte {
	b := binary.AppendUvarint(nil, r.Rev)
	b = binary.AppendUvarint(b, uint64(r.Leaf.Index))
	b = binary.AppendUvarint(b, uint64(len(r.Leaf.Node)))
	b = append(b, r.Leaf.Node...)
	if r.Value == nil {
		return append(b, '-')
	}
	return append(append(b, '='), r.Value...)
}

var errRow = errors.New("the row cannot be read")

// decode copies: bbolt's bytes are valid within their transaction only.
func decode(key, b []byte) (state.Row, error) {
	r := state.Row{Key: string(key)}
	fail := func() (state.Row, error) { return state.Row{}, fmt.Errorf("row %.80q: %w", key, errRow) }
	var n [3]uint64
	for i := range n {
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return fail()
		}
		n[i], b = v, b[size:]
	}
	if n[0] == 0 || n[2] >= uint64(len(b)) {
		return fail()
	}
	r.Rev, r.Leaf.Index, r.Leaf.Node = n[0], audit.Index(n[1]), string(b[:n[2]])
	switch mark, value := b[n[2]], b[n[2]+1:]; {
	case mark == '-' && len(value) == 0:
		return r, nil
	case mark == '=' && len(value) > 0 && len(value) <= state.MaxValue:
		r.Value = bytes.Clone(value)
		return r, nil
	}
	return fail()
}

// index reads a stored index; one that cannot be read is 0: everything is
// looked at again, and what is in already is seen by its revision.
func index(b []byte) audit.Index {
	if len(b) != 8 {
		return 0
	}
	return audit.Index(binary.BigEndian.Uint64(b))
}
