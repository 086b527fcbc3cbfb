package audit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"penstock/audit/durable"
)

// segmentSize is where a segment is full: the batch that finds it so large goes into a new one.
const segmentSize = 64 << 20

// markEvery is the distance, in leaves, of remembered places in a segment.
const markEvery = 64

// segments are the files of entries/, which hold the leaves in order. Safe
// for concurrent use.
type segments struct {
	fs  durable.FS
	dir string

	mu   sync.Mutex
	list []*segment // by number, from 0 without a gap
}

type segment struct {
	number int
	first  Index   // its first leaf
	unread bool    // its first frame is damaged: first is not known
	marks  []int64 // marks[k] is the offset of leaf first+k*markEvery, as far as somebody has read
}

func segmentName(n int) string { return fmt.Sprintf("%08d.seg", n) }

func (s *segments) path(n int) string { return filepath.Join(s.dir, segmentName(n)) }

// listSegments says how many there are; a gap in the numbers or a foreign
// name is damage.
func listSegments(fsys durable.FS, dir string) (count int, err error) {
	files, err := fsys.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for i, f := range files { // sorted by name
		if f.Name() != segmentName(i) {
			return 0, &Damage{File: filepath.Join(dir, f.Name()), Offset: -1,
				What: fmt.Sprintf("%s should stand at this place", segmentName(i))}
		}
	}
	return len(files), nil
}

// add tells of the next segment.
func (s *segments) add(first Index) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, &segment{number: len(s.list), first: first, marks: []int64{0}})
}

// addUnread tells of a next segment whose first frame is damaged.
func (s *segments) addUnread() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, &segment{number: len(s.list), unread: true})
}

// mark remembers where a leaf starts, if it is the next worth remembering.
func (s *segments) mark(number int, at Index, off int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.list[number]
	if !g.unread && at == g.first+Index(len(g.marks))*markEvery {
		g.marks = append(g.marks, off)
	}
}

// near is the last remembered place at or before a leaf.
func (s *segments) near(i Index) (number int, at Index, off int64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := len(s.list) - 1
	for k >= 0 && (s.list[k].unread || s.list[k].first > i) {
		k--
	}
	if k < 0 {
		return 0, 0, 0, false
	}
	g := s.list[k]
	m := min(int((i-g.first)/markEvery), len(g.marks)-1)
	return k, g.first + Index(m)*markEvery, g.marks[m], true
}

// firstOf is the first leaf of a segment, where it is known.
func (s *segments) firstOf(number int) (first Index, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.list[number]
	return g.first, !g.unread
}

func (s *segments) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.list)
}

// Bytes that a cursor reads at once.
const (
	leastAhead = 16 << 10
	mostAhead  = 64 << 10
)

// cursor reads frames in order, from one place on. Not safe for concurrent use.
type cursor struct {
	s      *segments
	number int
	at     Index // of the frame that comes next
	off    int64 // its offset

	f     durable.File
	start int64 // offset of buf
	buf   []byte
	whole bool   // buf reached the file's end when it was read
	ahead int    // how much was read at once, bytes
	room  []byte // what buf stands in, for the next read
}

// seek makes a cursor whose next frame is leaf i, walking there from the
// nearest remembered place.
func (s *segments) seek(i Index) (*cursor, error) {
	number, at, off, ok := s.near(i)
	if !ok {
		return &cursor{s: s, number: s.count()}, nil
	}
	c := &cursor{s: s, number: number, at: at, off: off}
	for c.at < i {
		if _, err := c.next(); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// entry is one frame as it was found.
type entry struct {
	leaf  []byte // valid until the next call
	first bool   // starts a batch
	at    Index
	file  string
	off   int64
}

// next reads one frame. io.EOF: behind the last; *Damage: what is there is no
// frame, and the cursor stays before it.
func (c *cursor) next() (entry, error) {
	for {
		if c.number >= c.s.count() {
			return entry{}, io.EOF
		}
		b, err := c.peek(maxFrame)
		if err != nil {
			return entry{}, err
		}
		if len(b) == 0 && c.number+1 < c.s.count() {
			c.turn(c.number + 1)
			continue
		}
		if len(b) == 0 {
			return entry{}, io.EOF
		}
		leaf, first, size, err := parseFrame(b)
		if err != nil { // what was read ahead may have been half written then
			c.buf = nil
			if b, err = c.peek(maxFrame); err != nil {
				return entry{}, err
			}
			leaf, first, size, err = parseFrame(b)
		}
		if err != nil {
			return entry{}, c.damage(err)
		}
		e := entry{leaf: leaf, first: first, at: c.at, file: c.s.path(c.number), off: c.off}
		c.s.mark(c.number, c.at, c.off)
		c.at++
		c.off += int64(size)
		return e, nil
	}
}

func (c *cursor) damage(err error) *Damage {
	return &Damage{File: c.s.path(c.number), Offset: c.off, Index: c.at, What: err.Error()}
}

// turn goes to the start of another segment.
func (c *cursor) turn(number int) {
	c.close()
	c.number, c.off = number, 0
}

// peek shows up to n bytes from the cursor on; fewer only at the file's end.
func (c *cursor) peek(n int) ([]byte, error) {
	if c.f == nil {
		f, err := c.s.fs.OpenFile(c.s.path(c.number), os.O_RDONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		c.f, c.start, c.buf = f, c.off, nil
	}
	if skip := c.off - c.start; skip >= 0 && skip < int64(len(c.buf)) {
		if rest := c.buf[skip:]; len(rest) >= n || c.whole {
			return rest[:min(n, len(rest))], nil
		}
	}
	c.ahead = min(max(leastAhead, 2*c.ahead), mostAhead) // who looks up one leaf does not read on
	if c.whole {
		c.ahead = leastAhead // who follows the log finds a leaf or two behind its end
	}
	if len(c.room) != c.ahead {
		c.room = make([]byte, c.ahead)
	}
	c.buf = nil // it stands in room
	m, err := c.f.ReadAt(c.room, c.off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	c.start, c.buf, c.whole = c.off, c.room[:m], err != nil
	return c.buf[:min(n, m)], nil
}

// resync looks for the next whole frame behind damage, in this segment and
// those after it. lost are the bytes it went over in this segment. ok is false
// where nothing whole follows; the cursor then stands at the end.
func (c *cursor) resync() (lost int64, ok bool, err error) {
	from := c.off
	for {
		c.off++
		b, err := c.peek(maxFrame)
		if err != nil {
			return 0, false, err
		}
		if len(b) == 0 {
			return c.off - from, false, nil
		}
		if leaf, _, _, err := parseFrame(b); err == nil {
			if l, err := ParseLeaf(leaf); err == nil {
				c.at = l.Index
				return c.off - from, true, nil
			}
		}
	}
}

func (c *cursor) close() {
	if c.f != nil {
		c.f.Close() // read only
		c.f = nil
	}
}
