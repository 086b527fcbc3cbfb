package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"unicode/utf8"
)

// ExportOption changes what an export holds.
type ExportOption func(*exportOptions)

type exportOptions struct{ input, unmasked bool }

// WithInput puts in what the vendor typed, a line at a time, where the screen
// showed it; what was typed without echo, passwords among it, is "••••". The
// default leaves all of it out.
func WithInput() ExportOption { return func(o *exportOptions) { o.input = true } }

// WithUnmaskedInput puts in every byte that the vendor sent, passwords too.
func WithUnmaskedInput() ExportOption {
	return func(o *exportOptions) { o.input, o.unmasked = true, true }
}

func options(opts []ExportOption) (o exportOptions) {
	for _, set := range opts {
		set(&o)
	}
	return o
}

// frames of one channel from its start; exports of several at once would mix terminals.
func oneChannel(r *Reader, ch int) (iter.Seq2[Frame, error], error) {
	if ch < 0 {
		return nil, errors.New("export one channel at a time, by its number")
	}
	return r.Frames(ch, 0), nil
}

// terminal is what the vendor's client asked for in pty-req (RFC 4254 section
// 6.2) and what it ran, from the Request frames before the first other frame.
type terminal struct {
	cols, rows int
	pty        bool
	term       string
	command    string
}

// plainTerminal is assumed where no pty was asked for.
var plainTerminal = terminal{cols: 80, rows: 24}

const largestTerminal = 10000 // columns or rows; what is outside is not a size

// request takes in a Request frame and says whether it changed the size.
func (t *terminal) request(data []byte) bool {
	var q struct {
		Kind    string `json:"kind"`
		Term    string `json:"term"`
		Cols    int64  `json:"cols"`
		Rows    int64  `json:"rows"`
		Command string `json:"command"`
		Allowed *bool  `json:"allowed"`
	}
	if json.Unmarshal(data, &q) != nil || q.Allowed != nil && !*q.Allowed {
		return false // of another shape, or refused: it had no effect
	}
	switch q.Kind {
	case "exec":
		t.command = q.Command
	case "pty-req":
		t.term, t.pty = q.Term, true
		if (q.Cols == 0 || q.Rows == 0) && t.cols == 0 {
			return t.size(int64(plainTerminal.cols), int64(plainTerminal.rows))
		}
		return t.size(q.Cols, q.Rows)
	case "window-change":
		return t.size(q.Cols, q.Rows)
	}
	return false
}

// size takes one in. A zero is no size (RFC 4254 section 6.2): some clients have none.
func (t *terminal) size(cols, rows int64) bool {
	if cols < 1 || rows < 1 || cols > largestTerminal || rows > largestTerminal {
		return false
	}
	changed := t.cols != int(cols) || t.rows != int(rows)
	t.cols, t.rows = int(cols), int(rows)
	return changed
}

// resize reads "COLSxROWS".
func (t *terminal) resize(data []byte) bool {
	var cols, rows int64
	var rest string
	if n, _ := fmt.Sscanf(string(data), "%dx%d%s", &cols, &rows, &rest); n != 2 {
		return false
	}
	return t.size(cols, rows)
}

// decoder makes text of bytes that come in pieces. A rune that is not whole
// waits for the next piece; what cannot be UTF-8 becomes U+FFFD.
type decoder struct{ rest []byte }

func (d *decoder) text(p []byte) string {
	p = append(d.rest, p...)
	cut := len(p)
	for back := 1; back <= utf8.UTFMax && back <= len(p); back++ {
		if c := p[len(p)-back]; utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-back:]) {
				cut = len(p) - back
			}
			break
		}
	}
	out := valid(p[:cut])
	d.rest = append([]byte(nil), p[cut:]...)
	return out
}

// end gives what will never be whole.
func (d *decoder) end() string {
	out := valid(d.rest)
	d.rest = nil
	return out
}

// valid replaces each byte that is not UTF-8, one by one, as range over a string does.
func valid(p []byte) string {
	if utf8.Valid(p) {
		return string(p)
	}
	out := make([]rune, 0, len(p))
	for _, r := range string(p) {
		out = append(out, r)
	}
	return string(out)
}
