package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ExportCast writes one channel as asciicast, version 3 or 2
// (docs.asciinema.org/manual/asciicast/v3 and v2). Standard output and error are
// both "o"; notes of Penstock are markers; bytes that are not UTF-8 become
// U+FFFD: the evidence is the recording, not its cast. Times are rounded down
// to microseconds, and count from the channel's first frame. The same
// recording makes the same bytes. A torn recording is written as far as it is
// whole, and then the error, io.ErrUnexpectedEOF, is returned.
func ExportCast(w io.Writer, r *Reader, ch, version int, opts ...ExportOption) error {
	if version != 2 && version != 3 {
		return fmt.Errorf("asciicast version %d is not known: 3 or 2", version)
	}
	frames, err := oneChannel(r, ch)
	if err != nil {
		return err
	}
	c := &cast{out: bufio.NewWriter(w), version: version, options: options(opts), term: plainTerminal}
	h := r.Header()
	c.title = fmt.Sprintf("%s channel %d, %s of %s", h.Session, ch, h.Person, h.Firm)
	for f, ferr := range frames {
		if ferr != nil {
			err = ferr
			break
		}
		c.frame(f)
	}
	if !c.began && !c.seen && err != nil {
		return err // there is no such channel, or nothing of it can be read
	}
	c.end()
	return errors.Join(err, c.out.Flush())
}

// cast is one export at work. Write errors stay in out until Flush.
type cast struct {
	out     *bufio.Writer
	version int
	title   string
	options exportOptions

	term  terminal
	seen  bool
	began bool          // the header is written
	first time.Duration // of the channel
	wall  time.Time     // of its first frame
	last  int64         // µs of the newest line, since first
	now   int64
	early []early
	outs  decoder
	errs  decoder
	ins   decoder
	typed typed
}

// early is a note from before the header, which waits for all requests.
type early struct {
	at   int64
	text string
}

const mostEarly = 100 // of those; more do not wait

func (c *cast) frame(f Frame) {
	if !c.seen {
		c.seen, c.first, c.wall = true, f.At, f.Wall
	}
	c.now = (f.At - c.first).Microseconds()
	if f.Mark == Request {
		if c.term.request(f.Data) && c.began {
			c.event("r", c.size())
		}
		return
	}
	if f.Mark == Resize {
		if c.term.resize(f.Data) && c.began {
			c.event("r", c.size())
		}
		return
	}
	if f.Mark == EOF {
		return // a cast has no such event
	}
	if f.Mark == Note && !c.began && len(c.early) < mostEarly {
		c.early = append(c.early, early{c.now, valid(f.Data)})
		return
	}
	c.begin()
	switch f.Mark {
	case Out:
		c.data("o", c.outs.text(f.Data))
		c.echo(f.Data)
	case Err:
		c.data("o", c.errs.text(f.Data))
		c.echo(f.Data)
	case In:
		switch {
		case c.options.unmasked:
			c.data("i", c.ins.text(f.Data))
		case c.options.input:
			c.typed.in(f.Data)
			c.answered()
		}
	case Note:
		c.event("m", valid(f.Data))
	case Exit:
		c.rests()
		c.exit(string(f.Data))
	}
}

func (c *cast) echo(p []byte) {
	if c.options.input && !c.options.unmasked {
		c.typed.out(p)
		c.answered()
	}
}

// answered writes the lines of input of which it is known whether they may be shown.
func (c *cast) answered() {
	for _, text := range c.typed.take() {
		c.data("i", text)
	}
}

func (c *cast) size() string { return fmt.Sprintf("%dx%d", c.term.cols, c.term.rows) }

// signals by RFC 4254 section 6.10, with the numbers a shell adds 128 to.
var signals = map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15}

func (c *cast) exit(data string) {
	status := data
	if name, ok := strings.CutPrefix(data, "signal "); ok {
		c.event("m", "ended by signal "+valid([]byte(name)))
		n, ok := signals[name]
		if !ok {
			return
		}
		status = strconv.Itoa(128 + n)
	}
	if _, err := strconv.ParseUint(status, 10, 32); err != nil {
		return
	}
	if c.version == 3 { // version 2 has no such event
		c.event("x", status)
	}
}

func (c *cast) data(code, text string) {
	if text != "" {
		c.event(code, text)
	}
}

// begin writes the header, once: all requests before the first output are in it.
func (c *cast) begin() {
	if c.began {
		return
	}
	c.began = true
	defer c.notes(c.now)
	if c.version == 2 {
		h := struct {
			Version   int               `json:"version"`
			Width     int               `json:"width"`
			Height    int               `json:"height"`
			Timestamp int64             `json:"timestamp,omitempty"`
			Command   string            `json:"command,omitempty"`
			Title     string            `json:"title"`
			Env       map[string]string `json:"env,omitempty"`
		}{Version: 2, Width: c.term.cols, Height: c.term.rows, Timestamp: c.stamp(), Command: c.term.command, Title: c.title}
		if c.term.term != "" {
			h.Env = map[string]string{"TERM": c.term.term}
		}
		c.line(h)
		return
	}
	type term struct {
		Cols int    `json:"cols"`
		Rows int    `json:"rows"`
		Type string `json:"type,omitempty"`
	}
	c.line(struct {
		Version   int    `json:"version"`
		Term      term   `json:"term"`
		Timestamp int64  `json:"timestamp,omitempty"`
		Command   string `json:"command,omitempty"`
		Title     string `json:"title"`
	}{3, term{c.term.cols, c.term.rows, c.term.term}, c.stamp(), c.term.command, c.title})
}

// notes writes the early ones, each at its time.
func (c *cast) notes(now int64) {
	for _, e := range c.early {
		c.now = e.at
		c.event("m", e.text)
	}
	c.early, c.now = nil, now
}

// stamp is the first frame's wall time, in seconds; a clock before 1970 has none.
func (c *cast) stamp() int64 { return max(0, c.wall.Unix()) }

func (c *cast) event(code, data string) {
	at := c.now
	if c.version == 3 {
		at -= c.last
	}
	c.last = c.now
	fmt.Fprintf(c.out, "[%d.%06d, %q, ", at/1e6, at%1e6, code)
	c.json(data)
	c.out.WriteString("]\n")
}

func (c *cast) line(v any) {
	c.json(v)
	c.out.WriteByte('\n')
}

func (c *cast) json(v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(v) // strings and integers only: it cannot fail
	c.out.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

func (c *cast) end() {
	if c.seen {
		c.begin()
	}
	c.rests()
}

// rests writes what was waiting for the rest of a rune.
func (c *cast) rests() {
	c.data("o", c.outs.end())
	c.data("o", c.errs.end())
	if c.options.input {
		c.data("i", c.ins.end())
		c.typed.rest()
		c.answered()
	}
}
