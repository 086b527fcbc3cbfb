package search

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"time"

	"penstock/audit/recording"
)

// reading is a recording that is read, as far as it was: the screens of its
// channels go on from one look to the next.
type reading struct {
	chans map[int]*shown
	found []entry
	kept  int
}

// shown is one channel's screen.
type shown struct {
	screen *screen
	next   uint64 // frame
	first  time.Duration
	last   time.Duration // of the newest frame
	looked time.Duration // when the screen was last looked over
	at     recording.Frame
	seen   map[uint64]bool // lines that are in already
	order  []uint64
}

func newReading() *reading { return &reading{chans: map[int]*shown{}} }

func (r *reading) from(ch int) time.Duration {
	if c := r.chans[ch]; c != nil {
		return c.last
	}
	return 0
}

var seed = maphash.MakeSeed()

// frame takes one in; those that it has had already are left.
func (r *reading) frame(f recording.Frame) {
	c := r.chans[f.Channel]
	if c == nil {
		c = &shown{first: f.At, looked: f.At, seen: map[uint64]bool{}}
		c.screen = newScreen(func(line string) { r.line(c, KindScreen, line) })
		r.chans[f.Channel] = c
	}
	if f.Seq < c.next {
		return
	}
	if f.At-c.last >= 2*pause { // nothing came for a while: what stands, stood
		c.screen.flush(true)
	}
	data := f.Data
	c.next, c.last, c.at = f.Seq+1, f.At, f
	c.at.Data = nil
	switch f.Mark {
	case recording.Out, recording.Err:
		c.screen.write(data)
		if f.At-c.looked >= pause {
			c.looked = f.At
			c.screen.flush(false)
		}
	case recording.Request:
		r.request(c, data)
	case recording.Resize:
		resize(c.screen, data)
	}
}

// line is one that stood on a screen.
func (r *reading) line(c *shown, kind byte, text string) {
	if len(words(text)) == 0 {
		return
	}
	h := maphash.String(seed, text)
	if c.seen[h] {
		return
	}
	if len(c.order) == seenLines {
		delete(c.seen, c.order[0])
		c.order = c.order[1:]
	}
	c.seen[h] = true
	c.order = append(c.order, h)
	r.found = append(r.found, entry{kind, uint16(c.at.Channel), c.at.Wall.UnixMilli(), uint64(max(0, c.at.At-c.first).Milliseconds()), text})
}

// end gives what stands on the screens of a session that is over.
func (r *reading) end() {
	for _, c := range r.chans {
		c.screen.flush(true)
	}
}

// request is a channel request as it was recorded; of another shape or refused it had no effect.
func (r *reading) request(c *shown, data []byte) {
	var q struct {
		Kind    string
		Command string
		Cols    int
		Rows    int
		Allowed *bool
	}
	if json.Unmarshal(data, &q) != nil || q.Allowed != nil && !*q.Allowed {
		return
	}
	switch q.Kind {
	case "exec":
		r.line(c, KindCommand, clip(q.Command))
	case "pty-req", "window-change":
		c.screen.pty = c.screen.pty || q.Kind == "pty-req"
		c.screen.resize(q.Cols, q.Rows)
	}
}

func resize(s *screen, data []byte) {
	var cols, rows int
	if n, _ := fmt.Sscanf(string(data), "%dx%d", &cols, &rows); n == 2 {
		s.resize(cols, rows)
	}
}
