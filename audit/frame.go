package audit

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A frame is one leaf in a segment: length, CRC, leaf. The top bit of the
// length marks the first frame of a batch: when it was written, everything
// before it was durable. So what is broken before such a frame was whole once,
// and only what is broken behind the last of them can be a torn tail.
const (
	frameHeader = 8
	batchBit    = 1 << 31
	maxFrame    = frameHeader + MaxLeaf
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A frame: u32 length | u32 CRC-32C of length and leaf | leaf, big-endian.

// beginFrame leaves room for the header; the leaf is appended next.
func beginFrame(b []byte) []byte { return append(b, make([]byte, frameHeader)...) }

// endFrame fills in the header of the frame that began at start.
func endFrame(b []byte, start int, first bool) []byte {
	n := uint32(len(b) - start - frameHeader)
	if first {
		n |= batchBit
	}
	binary.BigEndian.PutUint32(b[start:], n)
	binary.BigEndian.PutUint32(b[start+4:], frameSum(b[start:]))
	return b
}

func frameSum(frame []byte) uint32 {
	return crc32.Update(crc32.Checksum(frame[:4], castagnoli), castagnoli, frame[frameHeader:])
}

var (
	errFrameShort  = errors.New("the frame ends too early")
	errFrameLength = errors.New("the frame's length is impossible")
	errFrameSum    = errors.New("the frame's checksum does not fit")
)

// parseFrame reads the frame at the start of b. size is its length with the
// header, also where only the checksum is wrong.
func parseFrame(b []byte) (leaf []byte, first bool, size int, err error) {
	if len(b) < frameHeader {
		return nil, false, 0, errFrameShort
	}
	n := binary.BigEndian.Uint32(b)
	first, n = n&batchBit != 0, n&^batchBit
	if n == 0 || n > MaxLeaf {
		return nil, first, 0, errFrameLength
	}
	size = frameHeader + int(n)
	if len(b) < size {
		return nil, first, 0, errFrameShort
	}
	if frameSum(b[:size]) != binary.BigEndian.Uint32(b[4:]) {
		return nil, first, size, errFrameSum
	}
	return b[frameHeader:size], first, size, nil
}
