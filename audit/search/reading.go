package search

import (
	"encoding/json"
	"hash/maphash"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"penstock/audit/recording"
)

// reading is a recording that is read, as far as it was: the screens of its
// channels go on from one look to the next.
type reading struct {
	chans map[int]*shown
	live  []*shown // those with a screen, the oldest first
	found []entry
	kept  int

	written int64 // bytes of the recording that it was read to
}

// mostScreens of one session are held: as many as may be open at once. A vendor
// can open thousands, one after the other.
const mostScreens = 64

// shown is one channel's screen; nil: it was put away, and the next output begins a new one.
type shown struct {
	screen *recording.Screen
	pty    bool
	cols   int // 0: not said
	rows   int
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
		c = &shown{first: f.At, looked: f.At}
		r.chans[f.Channel] = c
	}
	if f.Seq < c.next {
		return
	}
	if c.screen == nil {
		r.show(c)
	}
	if f.At-c.last >= 2*pause { // nothing came for a while: what stands, stood
		c.screen.Flush(true)
	}
	data := f.Data
	c.next, c.last, c.at = f.Seq+1, f.At, f
	c.at.Data = nil
	switch f.Mark {
	case recording.Out, recording.Err:
		c.screen.Write(data)
		if f.At-c.looked >= pause {
			c.looked = f.At
			c.screen.Flush(false)
		}
	case recording.Request:
		r.request(c, data)
	}
	if cols, rows, ok := f.Size(); ok {
		c.screen.Resize(cols, rows)
	}
}

// show gives a channel a screen, and puts the oldest one away where there are too many.
func (r *reading) show(c *shown) {
	if len(r.live) == mostScreens {
		old := r.live[0]
		old.screen.Flush(true)
		old.pty = old.screen.Pty
		old.cols, old.rows = old.screen.Size()
		old.screen, old.seen, old.order = nil, nil, nil
		r.live = append(r.live[:0], r.live[1:]...)
	}
	c.seen, c.screen = map[uint64]bool{}, recording.NewScreen(func(line string) { r.line(c, KindScreen, clip(line)) })
	if c.screen.Pty = c.pty; c.cols > 0 {
		c.screen.Resize(c.cols, c.rows)
	}
	r.live = append(r.live, c)
}

// longest is how many runes of a line are in the index.
const longest = 400

// clip bounds a text, and leaves nothing in it that is not to be seen: it is
// shown on pages and terminals.
func clip(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	if utf8.RuneCountInString(text) > longest {
		return string([]rune(text)[:longest])
	}
	return text
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
	for _, c := range r.live {
		c.screen.Flush(true)
	}
}

// request is a channel request as it was recorded; of another shape or refused it had no effect.
func (r *reading) request(c *shown, data []byte) {
	var q struct {
		Kind    string
		Command string
		Allowed *bool
	}
	if json.Unmarshal(data, &q) != nil || q.Allowed != nil && !*q.Allowed {
		return
	}
	switch q.Kind {
	case "exec":
		r.line(c, KindCommand, clip(q.Command))
	case "pty-req":
		c.screen.Pty = true
	}
}
