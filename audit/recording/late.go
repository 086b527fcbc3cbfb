package recording

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

const lateFrame = 32 // bytes that a frame counts beside its data

// Late reads what is durable at the call, for somebody who begins to look on
// late; Next then gives the very next frame, without a gap. Where the output is
// at most so many bytes, all of it is in frames (what was typed is left out).
// Where it is more, there are none, and m has the terminal as it stands: that is
// at most a screenful, however long the channel has run. It is drawn from the
// newest 4 MiB of output; see Moment.Whole. Errors are Next's; io.EOF is none:
// Next says it.
func (f *Follower) Late(ctx context.Context, most int) (frames []Frame, m *Moment, err error) {
	f.s.mu.Lock()
	until := f.s.durable
	f.s.mu.Unlock()
	var d drawn
	size := 0
	for f.Ready() && until.File != "" && f.c.seq <= until.Seq {
		frame, err := f.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("look back: %w", err)
		}
		d.add(frame)
		if frame.Mark == In {
			continue
		}
		if size += len(frame.Data) + lateFrame; size <= most {
			frames = append(frames, frame)
		} else {
			frames = nil
		}
		m = &Moment{At: frame.At, Next: frame.Seq + 1}
	}
	if size <= most {
		return frames, nil, nil
	}
	m.Screen, m.Whole = d.drawn()
	return nil, m, nil
}

// drawn is the terminal after these frames, and whether nothing older can stand on it.
func (d *drawn) drawn() (s *Screen, whole bool) {
	s = NewScreen(nil)
	d.trim()
	term := d.term
	if d.cut {
		s.ignorant(&term)
	}
	for i, f := range d.frames {
		if i == 0 && d.cut && (f.Mark == Out || f.Mark == Err) { // not in the middle of a sequence
			f.Data = f.Data[max(0, bytes.IndexAny(f.Data, "\x1b\n")):]
		}
		s.take(&term, f)
	}
	return s, s.known >= s.rows
}
