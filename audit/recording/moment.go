package recording

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"time"
)

const (
	momentOutput = 4 << 20 // bytes of output that are drawn for a Moment
	momentParts  = 1500    // that are looked into for them: a day of somebody who types all the time
	momentFrames = 1 << 17 // of a part; the newest are kept
)

// Moment is a channel's terminal as it stood, and where reading goes on.
//
// There is no index beside the recording: a part begins with a size, and with
// data that can be read without the part before it, and is at most a minute,
// 4 MiB in its file and 16 MiB of data. So parts are what a seek needs, and
// what may open the recording may seek in it; nothing of it is kept anywhere.
type Moment struct {
	Screen *Screen
	// Whole: nothing stands on the screen that the last 4 MiB of output did not
	// draw, or it was drawn from the channel's beginning. Otherwise a
	// full-screen program ran longer than that and what it drew only once, before, is blank.
	Whole bool
	Next  uint64        // sequence number of the first frame that came later
	At    time.Duration // of the moment, since the session's start
}

// Moment gives a channel's terminal at, since the channel's first frame, with
// all that came at that very time. What is read and drawn for it is bounded,
// wherever it lies. Errors are those of Frames, but for a torn tail, which is the end.
func (r *Reader) Moment(ch int, at time.Duration) (Moment, error) {
	files, first, err := r.channel(ch)
	if err != nil {
		return Moment{}, err
	}
	m := Moment{Screen: NewScreen(nil), At: first + at}
	last, err := r.partBefore(files, func(h head) bool { return h.at() <= m.At })
	if err != nil {
		return m, err
	}
	pieces, whole := []drawn{}, true
	for n, size := last, 0; n >= 0; n-- {
		if size >= momentOutput || len(pieces) == momentParts {
			whole = false
			break
		}
		d, err := r.drawnIn(files, n, m.At)
		if err != nil {
			return m, err
		}
		if len(pieces) == 0 {
			m.Next = d.next
		}
		if pieces = append(pieces, d); d.cut {
			whole = false
			break
		}
		size += d.size
	}
	slices.Reverse(pieces)
	var term terminal
	if !whole {
		if err := r.begins(files, &term); err != nil {
			return m, err
		}
		if t := pieces[0].term; t.cols > 0 {
			term.size(int64(t.cols), int64(t.rows))
		}
		m.Screen.ignorant(&term)
	}
	for i, p := range pieces {
		for j, f := range p.frames {
			if i == 0 && j == 0 && !whole && (f.Mark == Out || f.Mark == Err) { // not in the middle of a sequence
				f.Data = f.Data[max(0, bytes.IndexAny(f.Data, "\x1b\n")):]
			}
			m.Screen.take(&term, f)
		}
	}
	m.Whole = m.Screen.known >= m.Screen.rows
	return m, nil
}

// channel finds a channel's files and the time of its first frame.
func (r *Reader) channel(ch int) (channelFiles, time.Duration, error) {
	if r.closed.Load() {
		return channelFiles{}, 0, ErrClosed
	}
	i := slices.IndexFunc(r.channels, func(c channelFiles) bool { return int(c.channel) == ch })
	if i < 0 {
		return channelFiles{}, 0, fmt.Errorf("channel %d of %s: %w", ch, r.header.Session, fs.ErrNotExist)
	}
	c := r.channels[i]
	h, err := firstHead(r.dir, part{c.channel, c.kind, 0}.name())
	if err != nil && err != io.EOF {
		return c, 0, err
	}
	return c, h.at(), nil
}

// partBefore is the last part whose first frame is: those that are come first.
func (r *Reader) partBefore(c channelFiles, is func(head) bool) (found int, err error) {
	for lo, hi := 0, c.parts; lo < hi; {
		mid := (lo + hi) / 2
		h, err := firstHead(r.dir, part{c.channel, c.kind, mid}.name())
		if err != nil && err != io.EOF {
			return 0, err
		}
		if err == nil && is(h) {
			found, lo = mid, mid+1
		} else {
			hi = mid
		}
	}
	return found, nil
}

// from reads a channel from a part on, and no more than so many of them.
func (r *Reader) from(c channelFiles, number, most int) (*scanner, error) {
	c.parts = min(c.parts, number+most)
	s, err := newScanner(r.dir, r.hash, c, r.key)
	if err != nil {
		return nil, err
	}
	if r.files != nil {
		s.ended = r.fits
	}
	if err := s.startAt(number); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// drawn is what one part has for a terminal.
type drawn struct {
	frames []Frame
	size   int      // bytes of output in frames
	cut    bool     // there was more of it, at the beginning
	term   terminal // as it was where it was cut
	next   uint64   // the frame behind the last one that was in time
}

// drawnIn reads a part up to a moment and keeps the newest of what draws.
func (r *Reader) drawnIn(c channelFiles, number int, until time.Duration) (d drawn, err error) {
	s, err := r.from(c, number, 1)
	if err != nil {
		return d, err
	}
	defer s.close()
	defer func() { d.trim() }()
	d.next = s.seq
	for {
		h, data, err := s.next()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return d, nil
		}
		if err != nil {
			return d, err
		}
		if h.at() > until {
			return d, nil
		}
		d.next = h.seq + 1
		d.keep(h, c.kind, data)
	}
}

func (d *drawn) keep(h head, kind string, data []byte) { d.add(h.frame(kind, data)) }

func (d *drawn) add(f Frame) {
	switch f.Mark {
	case Out, Err:
		d.size += len(f.Data)
	case Request, Resize:
	default:
		return
	}
	d.frames = append(d.frames, f)
	if d.size > 2*momentOutput || len(d.frames) > 2*momentFrames {
		d.trim()
	}
}

// trim leaves the newest. What is dropped has said how large the terminal was.
func (d *drawn) trim() {
	drop := 0
	for d.size > momentOutput || len(d.frames)-drop > momentFrames {
		f := d.frames[drop]
		if f.Mark == Out || f.Mark == Err {
			d.size -= len(f.Data)
		}
		d.term.take(f.Mark, f.Data)
		d.cut = true
		drop++
	}
	d.frames = slices.Delete(d.frames, 0, drop)
}

// begins reads what the terminal was when the channel began.
func (r *Reader) begins(c channelFiles, term *terminal) error {
	s, err := r.from(c, 0, 1)
	if err != nil {
		return err
	}
	defer s.close()
	for range mostEarly {
		h, data, err := s.next()
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && h.mark.bytes() {
			return nil
		}
		if err != nil {
			return err
		}
		term.take(h.mark, data)
	}
	return nil
}

// After gives a channel's frames from a sequence number on, as Frames does from
// a time on.
func (r *Reader) After(ch int, seq uint64) iter.Seq2[Frame, error] {
	return func(yield func(Frame, error) bool) {
		c, _, err := r.channel(ch)
		if err != nil {
			yield(Frame{}, err)
			return
		}
		number, err := r.partBefore(c, func(h head) bool { return h.seq <= seq })
		if err != nil {
			yield(Frame{}, err)
			return
		}
		s, err := r.from(c, number, c.parts)
		if err != nil {
			yield(Frame{}, err)
			return
		}
		defer s.close()
		for {
			h, data, err := s.next()
			if err == io.EOF {
				return
			}
			if err == nil && h.seq < seq {
				continue
			}
			if !yield(h.frame(c.kind, data), err) || err != nil {
				return
			}
		}
	}
}

// Begin is when a channel's first frame was, since the session's start.
func (r *Reader) Begin(ch int) (time.Duration, error) {
	_, first, err := r.channel(ch)
	return first, err
}

// Span is how long after a channel's first frame its last one was. It looks at
// the headers of the last part alone; where that is torn or damaged, up to there.
func (r *Reader) Span(ch int) (time.Duration, error) {
	c, first, err := r.channel(ch)
	if err != nil {
		return 0, err
	}
	for n := c.parts - 1; n >= 0; n-- { // the last one may be empty
		s, err := newScanner(r.dir, r.hash, c, nil)
		if err != nil {
			return 0, err
		}
		err = s.startAt(n)
		for err == nil {
			_, _, err = s.next()
		}
		last := s.last
		s.close()
		if last > first {
			return last - first, nil
		}
	}
	return 0, nil
}

// take says whether a frame changed the terminal's size.
func (t *terminal) take(m Mark, data []byte) bool {
	switch m {
	case Request:
		return t.request(data)
	case Resize:
		return t.resize(data)
	}
	return false
}

// ignorant is a screen of which nothing is known, not even that it was empty.
func (s *Screen) ignorant(t *terminal) {
	s.Pty = t.pty
	if t.cols > 0 {
		s.Resize(t.cols, t.rows)
	}
	s.known = 0
}

// take draws a frame.
func (s *Screen) take(t *terminal, f Frame) {
	switch {
	case f.Mark == Out || f.Mark == Err:
		s.Write(f.Data)
	case t.take(f.Mark, f.Data):
		s.Resize(t.cols, t.rows)
	}
	s.Pty = t.pty
}
