package sftp

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"

	"penstock/audit"
)

const (
	maxHeld  = 4 << 20 // bytes of one channel that may wait for those before them; what is further out of order is hashed in pieces
	heldCost = 4 << 10 // what one piece counts beside its bytes: many small ones are bounded too
)

// content follows the bytes of one file in one direction. Bytes that follow
// each other are a run; one run from 0 is what sha256sum says of the file.
type content struct {
	run         hash.Hash
	once        *once // nil: nobody else hashes these bytes
	start, next uint64
	runs        hash.Hash // over the runs that are over; nil while there is one
	begun       bool
	bytes       int64
	held        []piece // ahead of next, in the order of arrival
	waiting     *int    // what all contents of the channel hold, with heldCost
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
	case at == c.next:
		c.join(at, p)
		c.catchUp()
	case at > c.next && *c.waiting+len(p)+heldCost <= maxHeld:
		c.held = append(c.held, piece{at, append([]byte(nil), p...)})
		*c.waiting += len(p) + heldCost
	default:
		c.release()
		c.join(at, p)
	}
}

func (c *content) begin(at uint64) {
	c.run, c.start, c.next, c.begun = sha256.New(), at, at, true
}

// catchUp takes in what waited for the bytes before it.
func (c *content) catchUp() {
	for i := 0; i < len(c.held); i++ {
		if h := c.held[i]; h.at == c.next {
			c.held = append(c.held[:i], c.held[i+1:]...)
			*c.waiting -= len(h.b) + heldCost
			c.join(h.at, h.b)
			i = -1
		}
	}
}

// release gives up waiting: the pieces are joined by their offsets.
func (c *content) release() {
	held := c.held
	c.held = nil
	slices.SortStableFunc(held, func(a, b piece) int { return cmp.Compare(a.at, b.at) })
	for _, h := range held {
		*c.waiting -= len(h.b) + heldCost
		c.join(h.at, h.b)
	}
}

// join goes on with the run, or ends it and begins another.
func (c *content) join(at uint64, p []byte) {
	switch {
	case !c.begun:
		c.begin(at)
	case at != c.next:
		if c.runs == nil {
			c.runs = sha256.New()
		}
		c.endRun()
		c.begin(at)
	}
	c.once.write(c.run, p)
	c.next += uint64(len(p))
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
	c.release()
	if !c.begun {
		return audit.HashOf(nil), "content", 0, true
	}
	if c.runs != nil {
		c.endRun()
		c.runs.Sum(h[:0])
		return h, "ranges", 0, false
	}
	c.run.Sum(h[:0])
	return h, "content", int64(min(c.start, 1<<53-1)), c.start == 0
}

// end is where the last run ends.
func (c *content) end() uint64 { return c.next }
