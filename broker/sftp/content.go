package sftp

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"penstock/audit"
)

// maxHeld is how much of one file may wait for the bytes before it; what comes
// out of order beyond that is hashed in pieces.
const (
	maxHeld  = 4 << 20
	heldCost = 4 << 10 // what one piece counts beside its bytes: many small ones are bounded too
)

// content follows the bytes of one file in one direction. Bytes that follow
// each other are a run; one run from 0 is what sha256sum says of the file.
type content struct {
	run         hash.Hash
	start, next uint64
	runs        hash.Hash // over the runs that are over; nil while there is one
	begun       bool
	over        bool // bytes came that had come before
	bytes       int64
	held        []piece // ahead of next, in the order of arrival
	waiting     int
}

type piece struct {
	at uint64
	b  []byte
}

func (c *content) add(at uint64, p []byte) {
	if len(p) == 0 {
		return
	}
	c.bytes += int64(len(p))
	switch {
	case !c.begun:
		c.begin(at)
		c.write(p)
	case at == c.next:
		c.write(p)
		c.catchUp()
	case at > c.next && c.waiting+len(p)+heldCost <= maxHeld:
		c.held = append(c.held, piece{at, append([]byte(nil), p...)})
		c.waiting += len(p) + heldCost
	default:
		c.release()
		c.join(at, p)
	}
}

func (c *content) begin(at uint64) {
	c.run, c.start, c.next, c.begun = sha256.New(), at, at, true
}

func (c *content) write(p []byte) {
	c.run.Write(p)
	c.next += uint64(len(p))
}

// catchUp takes in what waited for the bytes before it.
func (c *content) catchUp() {
	for i := 0; i < len(c.held); i++ {
		if h := c.held[i]; h.at == c.next {
			c.held = append(c.held[:i], c.held[i+1:]...)
			c.waiting -= len(h.b) + heldCost
			c.write(h.b)
			i = -1
		}
	}
}

// release gives up waiting: each piece is joined as it came.
func (c *content) release() {
	held := c.held
	c.held, c.waiting = nil, 0
	for _, h := range held {
		c.join(h.at, h.b)
	}
}

// join goes on with the run, or ends it and begins another.
func (c *content) join(at uint64, p []byte) {
	if at != c.next {
		c.over = c.over || at < c.next
		if c.runs == nil {
			c.runs = sha256.New()
		}
		c.endRun()
		c.begin(at)
	}
	c.write(p)
}

func (c *content) endRun() {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], c.start)
	binary.BigEndian.PutUint64(b[8:], c.next-c.start)
	c.runs.Write(b[:])
	c.runs.Write(c.run.Sum(nil))
}

// sum ends it: the hash, what it is over (audit.FileTransferred), and where the
// bytes begin. one says that they are one run from 0 to end.
func (c *content) sum() (h audit.Hash, over string, offset int64, one bool) {
	if !c.begun {
		return audit.HashOf(nil), "content", 0, true
	}
	c.release()
	if c.runs != nil {
		c.endRun()
		c.runs.Sum(h[:0])
		return h, "ranges", 0, false
	}
	c.run.Sum(h[:0])
	return h, "content", int64(min(c.start, 1<<53-1)), c.start == 0 && !c.over
}

// end is where the last run ends.
func (c *content) end() uint64 { return c.next }
